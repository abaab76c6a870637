import { type Audit } from '../platform/audit';
import { type BlobStore } from '../platform/blobs';
import { type Clock } from '../platform/clock';
import { type FleetEvents } from '../platform/cloud-events';
import { type ClusterDirectory } from '../platform/cluster-choice';
import { type Orchestrations } from '../platform/durable';
import { AppError, type InputProblem } from '../platform/errors';
import { sha256 } from '../platform/hash';
import { checkInput } from '../platform/schema-problems';
import { type SubmittedFiles, type SubmittedPackage } from '../packages/submitted';
import { type TargetsReading } from '../targets/model';
import { checkResolution } from '../targets/resolve';
import { invalidInput } from './errors';
import { buildOrchestrationName, orchestrationId } from './orchestrators/build';
import { clusterRequestOf } from './placement';
import { checkTargets, noOutcomes } from './plan';
import { buildOptionsSchema, type Build } from './schema';
import { type BuildStore } from './store';

/** What a caller hands in: bytes, not yet looked at. */
export interface Submission {
  /** One file (`.sbm` or zip), or several `.sql` files that form a folder. */
  packageFiles: SubmittedFiles;
  targets: Buffer;
  options: unknown;
  /** Null: every request is a new build. */
  idempotencyKey: string | null;
  /** Who is signed in; null when nobody is and the options have to say it. */
  signedInActor: string | null;
}

export interface SubmitDeps {
  builds: BuildStore;
  inputs: BlobStore;
  readPackage(files: SubmittedFiles): Promise<SubmittedPackage>;
  readTargets(text: Buffer): TargetsReading;
  audit: Audit;
  fleetEvents: FleetEvents;
  clock: Clock;
  clusters: ClusterDirectory;
  newBuildId: () => string;
}

/**
 * Checks a submission completely, stores it under its content's hash, writes the build document and starts its
 * orchestration. The same idempotency key with the same content answers with the build that is there already.
 *
 * @throws AppError `builds.invalidInput` (422) with every problem of options, package and targets at once;
 *   `builds.idempotencyKeyReused` (422) for a known key with other content.
 */
export function createSubmit(deps: SubmitDeps) {
  return async (
    submission: Submission,
    orchestrations: Orchestrations,
  ): Promise<{ build: Build; created: boolean }> => {
    const options = checkInput(buildOptionsSchema, submission.options ?? {}, 'options.invalid', 'options');
    const scripts = await deps.readPackage(submission.packageFiles);
    const targets = deps.readTargets(submission.targets);
    const scriptDatabases = scripts.package?.scripts.map(({ database }) => database) ?? [];
    const targetProblems = [
      ...targets.problems,
      ...checkResolution(scriptDatabases, targets.targets),
      ...(options.success ? checkTargets(targets.targets, options.data) : []),
    ];
    const problems = [
      ...(options.success ? [] : options.problems),
      ...placed(scripts.problems, 'package'),
      ...placed(targetProblems, 'targets'),
    ];
    if (!options.success || !scripts.valid || !targets.valid || problems.length > 0) throw invalidInput(problems);

    const targetsSha256 = sha256(submission.targets);
    const fingerprint = sha256(JSON.stringify([scripts.package.sha256, targetsSha256, options.data]));
    const buildId =
      submission.idempotencyKey === null ? deps.newBuildId() : `k-${sha256(submission.idempotencyKey).slice(0, 32)}`;
    const packageBlob = `packages/${scripts.package.sha256}`;
    const targetsBlob = `targets/${targetsSha256}`;
    await deps.inputs.putOnce(packageBlob, scripts.bytes, 'application/octet-stream');
    await deps.inputs.putOnce(targetsBlob, submission.targets, 'text/plain; charset=utf-8');

    const request = clusterRequestOf({ options: options.data, clusterOverride: null });
    const { choice, refused } = await deps.clusters.choose(request);
    if (refused !== null) {
      // A name that is wrong would wait for ever; said now, it is a typing error.
      throw invalidInput([{ code: 'options.cluster', message: refused, entry: 'options.cluster', line: null }]);
    }
    const nowMs = deps.clock.nowMs();
    const requestedBy = submission.signedInActor ?? options.data.requestedBy ?? 'unnamed';
    const build: Build = {
      id: buildId,
      buildId,
      kind: 'build',
      name: options.data.name ?? scripts.name,
      state: 'validating',
      run: 1,
      cluster: choice.cluster,
      queue: choice.queue,
      clusterChoice: choice,
      clusterOverride: null,
      dispatch: 0,
      lanesWanted: false,
      package: {
        name: scripts.name,
        blob: packageBlob,
        sha256: scripts.package.sha256,
        packageHash: scripts.package.packageHash,
        scripts: scripts.package.scripts.length,
      },
      targets: { blob: targetsBlob, sha256: targetsSha256, count: targets.targets.length },
      options: options.data,
      requestedBy,
      fingerprint,
      createdAt: new Date(nowMs).toISOString(),
      startedAt: null,
      finishedAt: null,
      deadlineAt: new Date(nowMs + options.data.deadlineMinutes * 60_000).toISOString(),
      counts: noOutcomes(),
      outstanding: 0,
      control: { paused: null, cancelled: null },
      waitingFor: choice.cluster === null ? `no build cluster: ${choice.reason}` : null,
      failure: null,
    };
    if ((await deps.builds.create(build)) === 'exists') {
      const existing = await deps.builds.read(buildId);
      if (existing.fingerprint !== fingerprint) {
        throw new AppError(
          'builds.idempotencyKeyReused',
          'This Idempotency-Key was used for another package, other targets or other options. Use a new key.',
          { status: 422, details: { buildId } },
        );
      }
      // The first request may have been cut off between the document and the start.
      if (existing.state === 'validating') await start(orchestrations, existing);
      return { build: existing, created: false };
    }
    await start(orchestrations, build);
    await deps.audit.record({
      subject: buildId,
      action: 'start',
      actor: requestedBy,
      reason: build.options.description,
      details: {
        package: build.package,
        targets: build.targets.count,
        cluster: build.cluster,
        because: choice.reason,
        choice,
      },
    });
    await deps.fleetEvents.publish({
      id: `${buildId}.started`,
      type: 'Sqlfleet.Builds.Started',
      subject: `builds/${buildId}`,
      data: { buildId, name: build.name, requestedBy, targets: build.targets.count, package: scripts.package.sha256 },
    });
    return { build, created: true };
  };
}

/** Says which part of the request a problem is in, where it concerns the part as a whole. */
function placed(problems: readonly InputProblem[], part: string): InputProblem[] {
  return problems.map((problem) => ({ ...problem, entry: problem.entry ?? part }));
}

export async function start(orchestrations: Orchestrations, { buildId, run }: Build): Promise<void> {
  await orchestrations.start(buildOrchestrationName, orchestrationId(buildId, run), { buildId, run });
}
