import { type DatabaseBuildResult, type OutcomeStatus } from './model';
import { outcomeId } from './store';
import { type Outcome, type PlannedTarget } from './schema';

/** Where an outcome belongs: the attempt of one target in one run of a build. */
export interface Attempt extends PlannedTarget {
  buildId: string;
  run: number;
  /** '' when the target was never sent. */
  lane: string;
}

const longestText = 4_000;

/** The outcome of a target that was built, or tried to be. */
export function outcomeOfResult(attempt: Attempt, result: DatabaseBuildResult, log: string | null): Outcome {
  const countOf = (status: string): number => result.scripts.filter((script) => script.status === status).length;
  return {
    ...identity(attempt),
    status: result.status,
    reason: bounded(result.reason),
    failure: result.failure && { ...result.failure, message: bounded(result.failure.message) },
    scripts: {
      ran: countOf('ran'),
      skippedRunOnce: countOf('skippedRunOnce'),
      failedIgnored: countOf('failedIgnored'),
    },
    startedAt: result.startedAt,
    finishedAt: new Date(Date.parse(result.startedAt) + result.durationMs).toISOString(),
    durationMs: result.durationMs,
    throttled: result.counters.throttled,
    timeoutRetries: result.counters.timeoutRetries,
    log,
  };
}

/** The outcome of a target that no database was asked about. */
export function outcomeWithoutRun(attempt: Attempt, status: OutcomeStatus, reason: string, nowMs: number): Outcome {
  const at = new Date(nowMs).toISOString();
  return {
    ...identity(attempt),
    status,
    reason: bounded(reason),
    failure: null,
    scripts: { ran: 0, skippedRunOnce: 0, failedIgnored: 0 },
    startedAt: at,
    finishedAt: at,
    durationMs: 0,
    throttled: 0,
    timeoutRetries: 0,
    log: null,
  };
}

function identity({ buildId, run, attempt, target, lane }: Attempt) {
  return {
    id: outcomeId(target.id, attempt),
    buildId,
    run,
    attempt,
    targetId: target.id,
    server: target.server,
    port: target.port,
    overrides: [...target.overrides],
    tag: target.tag,
    line: target.line,
    lane,
  };
}

function bounded(text: string): string {
  return text.length <= longestText ? text : `${text.slice(0, longestText)}…`;
}
