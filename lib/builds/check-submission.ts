import { type ClusterChoice, type ClusterDirectory } from '../platform/cluster-choice';
import { type InputProblem } from '../platform/errors';
import { checkInput } from '../platform/schema-problems';
import { type Package } from '../packages/model';
import { type SubmittedFiles, type SubmittedPackage } from '../packages/submitted';
import { type Target, type TargetsReading } from '../targets/model';
import { checkResolution } from '../targets/resolve';
import { invalidInput } from './errors';
import { clusterRequestOf } from './placement';
import { checkTargets } from './plan';
import { type BuildOptions, buildOptionsSchema } from './schema';

/** What a caller hands in: bytes, not yet looked at. */
export interface Submission {
  /** One file (`.sbm` or zip), or several `.sql` files that form a folder. Empty: the package is missing, as a problem says. */
  packageFiles: SubmittedFiles;
  /** Null: they are missing, as a problem says. */
  targets: Buffer | null;
  options: unknown;
  /** What is wrong with the request around them. */
  requestProblems?: readonly InputProblem[];
  /** Null: every request is a new build. */
  idempotencyKey: string | null;
  /** Who is signed in; null when nobody is and the options have to say it. */
  signedInActor: string | null;
}

export interface CheckSubmissionDeps {
  readPackage(files: SubmittedFiles): Promise<SubmittedPackage>;
  readTargets(text: Buffer): TargetsReading;
  clusters: Pick<ClusterDirectory, 'choose'>;
}

/** A submission of which every part is good. */
export interface CheckedSubmission {
  options: BuildOptions;
  scripts: { name: string; bytes: Buffer; package: Package };
  targets: { bytes: Buffer; targets: readonly Target[] };
  /** The cluster that it would go to now. */
  choice: ClusterChoice;
}

/** @throws AppError `builds.invalidInput` (422) with every problem of request, options, package and targets at once */
export async function checkSubmission(deps: CheckSubmissionDeps, submission: Submission): Promise<CheckedSubmission> {
  const options = checkInput(buildOptionsSchema, submission.options ?? {}, 'options.invalid', 'options');
  const scripts = submission.packageFiles.length === 0 ? null : await deps.readPackage(submission.packageFiles);
  const targets = submission.targets === null ? null : deps.readTargets(submission.targets);
  const cluster = options.success
    ? await deps.clusters.choose(clusterRequestOf({ options: options.data, clusterOverride: null }))
    : null;

  const scriptDatabases = scripts?.package?.scripts.map(({ database }) => database) ?? [];
  const targetProblems =
    targets === null ? [] : [...targets.problems, ...checkResolution(scriptDatabases, targets.targets)];
  if (targets !== null && options.success) targetProblems.push(...checkTargets(targets.targets, options.data));
  const problems = [
    ...(submission.requestProblems ?? []),
    ...(options.success ? [] : options.problems),
    // A name that is wrong would wait for ever; said now, it is a typing error.
    ...(cluster === null || cluster.refused === null ? [] : [clusterProblem(cluster.refused)]),
    ...placed(scripts?.problems ?? [], 'package'),
    ...placed(targetProblems, 'targets'),
  ];
  const isGood = options.success && scripts?.valid === true && targets?.valid === true && cluster !== null;
  if (!isGood || submission.targets === null || problems.length > 0) throw invalidInput(problems);
  return {
    options: options.data,
    scripts,
    targets: { bytes: submission.targets, targets: targets.targets },
    choice: cluster.choice,
  };
}

function clusterProblem(message: string): InputProblem {
  return { code: 'options.cluster', message, entry: 'options.cluster', line: null };
}

/** Says which part of the request a problem is in, where it concerns the part as a whole. */
function placed(problems: readonly InputProblem[], part: string): InputProblem[] {
  return problems.map((problem) => ({ ...problem, entry: problem.entry ?? part }));
}
