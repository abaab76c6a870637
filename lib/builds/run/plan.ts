import { type Script } from '../../packages/model';

/** Decides, from what a database remembers, which scripts run in it. */

/** `started` and `failed` are only ever visible for packages that run without a transaction. */
export const journalStates = ['started', 'done', 'ignored', 'failed'] as const;
export type JournalState = (typeof journalStates)[number];

/** One row of the journal in the target database. */
export interface JournalRow {
  buildId: string;
  targetId: string;
  /** 1-based position of the script in its package. */
  sequence: number;
  scriptId: string;
  fileName: string;
  sha256: string;
  hash: string;
  state: JournalState;
  /** When the script was begun, by the worker's clock. */
  startedAtMs: number;
}

/** What `SqlBuild_Logging` knows about one script and one text of it, where `AllowScriptBlock = 1`. */
export interface LogRow {
  scriptId: string;
  hash: string | null;
  lastCommitMs: number;
}

/** A script with its place in the package: the key of its journal row within one build and target. */
export interface NumberedScript {
  script: Script;
  sequence: number;
}

export type Decision = 'run' | 'skipRunOnce' | 'doneByThisBuild';

export interface Step extends NumberedScript {
  decision: Decision;
}

/** A run-once script whose text is not the one that ran. */
export interface Drift extends NumberedScript {
  recordedHash: string;
  currentHash: string;
}

/** A script that was begun without a transaction, and nobody knows how it ended. */
export interface Interruption extends NumberedScript {
  buildId: string;
}

export type DatabasePlan =
  | { kind: 'run'; steps: readonly Step[] }
  | { kind: 'nothingToRun'; steps: readonly Step[]; doneByThisBuild: boolean }
  | { kind: 'drift'; drifts: readonly Drift[] }
  | { kind: 'interrupted'; interruptions: readonly Interruption[] };

export interface PlanInput {
  buildId: string;
  targetId: string;
  /** The scripts that go to this database, in build order. */
  scripts: readonly NumberedScript[];
  /** All rows of this build and target, and those of any build for run-once scripts. */
  journal: readonly JournalRow[];
  log: readonly LogRow[];
}

type Judgement =
  | { kind: 'decided'; decision: Decision }
  | { kind: 'drift'; recordedHash: string; currentHash: string }
  | { kind: 'interrupted'; buildId: string };

const run: Judgement = { kind: 'decided', decision: 'run' };

/**
 * Within a build a script that is done is never run again, whatever was redelivered. Across builds its own
 * `AllowMultipleRuns` decides. Drift and interruptions refuse the whole database, before anything ran.
 */
export function planDatabase(input: PlanInput): DatabasePlan {
  const judged = input.scripts.map((numbered) => ({ numbered, judgement: judge(numbered, input) }));

  const interruptions = judged.flatMap(({ numbered, judgement }) =>
    judgement.kind === 'interrupted' ? [{ ...numbered, buildId: judgement.buildId }] : [],
  );
  if (interruptions.length > 0) return { kind: 'interrupted', interruptions };

  const drifts = judged.flatMap(({ numbered, judgement }) =>
    judgement.kind === 'drift'
      ? [{ ...numbered, recordedHash: judgement.recordedHash, currentHash: judgement.currentHash }]
      : [],
  );
  if (drifts.length > 0) return { kind: 'drift', drifts };

  const steps = judged.flatMap(({ numbered, judgement }) =>
    judgement.kind === 'decided' ? [{ ...numbered, decision: judgement.decision }] : [],
  );
  return steps.some((step) => step.decision === 'run')
    ? { kind: 'run', steps }
    : { kind: 'nothingToRun', steps, doneByThisBuild: steps.some((step) => step.decision === 'doneByThisBuild') };
}

function judge(numbered: NumberedScript, input: PlanInput): Judgement {
  const { script, sequence } = numbered;
  const own = input.journal.find(
    (row) => isOf(row, input) && row.sequence === sequence && row.scriptId === script.scriptId,
  );
  if (own !== undefined) {
    switch (own.state) {
      case 'started':
        return { kind: 'interrupted', buildId: own.buildId };
      case 'done':
      case 'ignored':
        return sameHash(own.sha256, script.sha256)
          ? { kind: 'decided', decision: 'doneByThisBuild' }
          : { kind: 'drift', recordedHash: own.sha256, currentHash: script.sha256 };
      case 'failed':
        return run;
    }
  }
  return script.allowMultipleRuns ? run : judgeRunOnce(script, input);
}

function judgeRunOnce(script: Script, input: PlanInput): Judgement {
  const rows = input.journal.filter((row) => row.scriptId === script.scriptId);
  const relevant = rows.filter((row) => row.state === 'done' || row.state === 'started');
  const latest = latestBy(relevant, (row) => row.startedAtMs);
  if (latest?.state === 'started') return { kind: 'interrupted', buildId: latest.buildId };

  // Rows that this product wrote stand in both tables. Only what the journal does not explain is the predecessor's, and
  // only that is judged by the weaker hash.
  const explained = new Set(rows.map((row) => row.hash.toUpperCase()));
  const foreign = input.log.filter(
    (row) => row.scriptId === script.scriptId && !(row.hash !== null && explained.has(row.hash.toUpperCase())),
  );
  const latestForeign = latestBy(foreign, (row) => row.lastCommitMs);

  if (latest === undefined && latestForeign === undefined) return run;
  const skip: Judgement = { kind: 'decided', decision: 'skipRunOnce' };
  if (latest !== undefined && sameHash(latest.sha256, script.sha256)) return skip;
  if (latestForeign !== undefined) {
    // The predecessor writes no hash, or a sentence in place of one, where it could not read the file: it ran, that is all.
    if (latestForeign.hash === null || !isSha1(latestForeign.hash) || sameHash(latestForeign.hash, script.hash))
      return skip;
    return { kind: 'drift', recordedHash: latestForeign.hash, currentHash: script.hash };
  }
  return { kind: 'drift', recordedHash: latest?.sha256 ?? '', currentHash: script.sha256 };
}

/** ON aborts the transaction at the first error, which is wrong where an error of a script may be survived. */
export function needsXactAbort(scripts: readonly NumberedScript[]): boolean {
  return scripts.every(({ script }) => script.causesBuildFailure);
}

/** Only a script that may fail without failing the build is ever rolled back alone. */
export function needsSavepoint(script: Script): boolean {
  return script.rollBackOnError && !script.causesBuildFailure;
}

function isOf(row: JournalRow, build: { buildId: string; targetId: string }): boolean {
  return row.buildId === build.buildId && row.targetId === build.targetId;
}

function sameHash(left: string, right: string): boolean {
  return left.toUpperCase() === right.toUpperCase();
}

function isSha1(text: string): boolean {
  return /^[0-9a-f]{40}$/i.test(text);
}

function latestBy<T>(items: readonly T[], timeOf: (item: T) => number): T | undefined {
  return items.reduce<T | undefined>(
    (latest, item) => (latest === undefined || timeOf(item) > timeOf(latest) ? item : latest),
    undefined,
  );
}
