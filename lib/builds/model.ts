import { type Target } from '../targets/model';

/** How one target ended in one attempt. */
export const outcomeStatuses = [
  /** Every script that had to run is durably committed, by this build. */
  'committed',
  /** Nothing was left to run: the database had it all before this build. */
  'alreadyApplied',
  /** A trial ran everything and rolled it back. */
  'trialRolledBack',
  /** A script failed; the transaction was rolled back, the database is as it was. */
  'rolledBack',
  /** Could not be applied: no login, drift, or a failure without a transaction (what ran before it stays). */
  'failed',
  /** Never started, on purpose: the build was cancelled. */
  'skipped',
  /** The message could not be understood, or the target was refused before a login was tried. */
  'rejected',
  /** The database could not be asked whether the commit took place. Resolved later, or by a person. */
  'unknown',
] as const;
export type OutcomeStatus = (typeof outcomeStatuses)[number];

export const concurrencyTypes = ['Count', 'Server', 'MaxPerServer', 'Tag', 'MaxPerTag'] as const;
export type ConcurrencyType = (typeof concurrencyTypes)[number];

export const buildStates = [
  'validating',
  'running',
  'paused',
  'succeeded',
  'finishedWithFailures',
  'cancelled',
  'failed',
] as const;
export type BuildState = (typeof buildStates)[number];

/** What a worker needs to know about a build besides the package and the target. Part of the immutable manifest. */
export interface RunOptions {
  trial: boolean;
  /** false: no transaction; a script that ran stays, also when a later one fails. */
  transactional: boolean;
  /** How often a whole database build is run again after a script timed out. Needs `transactional`. */
  timeoutRetryCount: number;
  /** For scripts that name no timeout of their own. */
  defaultScriptTimeoutSeconds: number;
  /** Fills `#BuildDescription#` and the log table's description. */
  description: string;
  /** Name of the package file as submitted: fills `#BuildFileName#` and the log table. */
  buildFileName: string;
  /** Who asked for the build, for the log table. */
  requestedBy: string;
}

/** A SQL error as the server or the driver reported it, with everything that was known. */
export interface SqlFailure {
  /** Stable dotted code of the failure's class, for example `sql.scriptError`, `sql.timeout`, `sql.login`. */
  code: string;
  message: string;
  /** SQL Server error number; null for transport failures. */
  number: number | null;
  severity: number | null;
  state: number | null;
  /** Line within the script's file (batch offset already added); null when there is no script. */
  line: number | null;
  procedure: string | null;
  /** File name of the script, null when the failure is outside scripts. */
  script: string | null;
  database: string | null;
}

export type ScriptRunStatus = 'ran' | 'skippedRunOnce' | 'failedIgnored' | 'failed' | 'rolledBack' | 'notReached';

export interface ScriptRun {
  scriptId: string;
  fileName: string;
  database: string;
  status: ScriptRunStatus;
  durationMs: number;
  failure: SqlFailure | null;
}

/** What `lib/builds/run` answers for one target. Never throws for anything a database or a script did. */
export interface DatabaseBuildResult {
  status: OutcomeStatus;
  /** Plain sentence for people; '' when there is nothing to add to the status. */
  reason: string;
  failure: SqlFailure | null;
  scripts: ScriptRun[];
  startedAt: string;
  durationMs: number;
  /** Exact counters, checked by the benchmark suite. */
  counters: { logins: number; roundTrips: number; batches: number; throttled: number; timeoutRetries: number };
  /** The per-database log: itself runnable SQL. */
  log: string;
}

export interface DatabaseBuildRequest {
  buildId: string;
  attempt: number;
  target: Target;
  options: RunOptions;
  /** Absolute, from the build's clock. No new try begins after it. */
  deadlineMs: number;
  signal: AbortSignal;
  /**
   * Whether nothing more is to be begun, because the build was cancelled. Asked while the next try is waited for: what runs
   * may end, but nobody waits hours for a server that is away. Absent: never.
   */
  isStopped?: () => Promise<boolean>;
}
