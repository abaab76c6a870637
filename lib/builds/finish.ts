import { z } from 'zod';
import { type Approvals } from '../platform/approvals';
import { type BlobStore } from '../platform/blobs';
import { type Clock } from '../platform/clock';
import { type FleetEvents } from '../platform/cloud-events';
import { type ProgressEvents } from '../platform/progress-events';
import { formatTarget } from '../targets/format';
import { withdrawApprovals } from './ask-approvals';
import { type StageResult } from './orchestrators/build';
import { type OutcomeStatus } from './model';
import { failureCount, finalState } from './plan';
import { type Build, buildSchema, type Outcome, runInputSchema } from './schema';
import { type BuildStore, type ErrorGroup, errorGroupSchema, type OutcomeStore } from './store';

export interface FinishDeps {
  builds: BuildStore;
  outcomes: OutcomeStore;
  logs: BlobStore;
  events: ProgressEvents;
  fleetEvents: FleetEvents;
  approvals: Approvals;
  clock: Clock;
}

/** The consolidated logs, by the names under which the predecessor's users look for them. */
export const consolidatedLogs = {
  commits: 'commits.log',
  errors: 'errors.log',
  succeeded: 'successdatabases.cfg',
  failed: 'failuredatabases.cfg',
  summary: 'summary.json',
} as const;

export const finishInputSchema = runInputSchema.extend({
  /** Why the build cannot go on; absent when every target has its outcome. */
  failure: z.object({ code: z.string(), message: z.string() }).optional(),
});
export type FinishInput = z.infer<typeof finishInputSchema>;

/** Stage 5: consolidated logs and target lists, then the final state and the final event. May run twice with the same end. */
export function createFinish(deps: FinishDeps) {
  return async ({ buildId, run, failure }: FinishInput): Promise<StageResult> => {
    const build = await deps.builds.read(buildId);
    if (build.run !== run) return { kind: 'done' };
    const failureStatuses = new Set<OutcomeStatus>(build.options.failureOutcomes);
    const failed = (outcome: Outcome): boolean => failureStatuses.has(outcome.status);
    const write = (name: string, lines: (outcome: Outcome) => string): Promise<void> =>
      deps.logs.putStream(`${buildId}/${name}`, linesOf(deps.outcomes, buildId, lines), 'text/plain; charset=utf-8');
    await write(consolidatedLogs.commits, (outcome) => (failed(outcome) ? '' : logLine(outcome)));
    await write(consolidatedLogs.errors, (outcome) => (failed(outcome) ? logLine(outcome) : ''));
    await write(consolidatedLogs.succeeded, (outcome) => (failed(outcome) ? '' : targetLine(outcome)));
    await write(consolidatedLogs.failed, (outcome) => (failed(outcome) ? targetLine(outcome) : ''));

    const ended = await deps.builds.update(buildId, (current) => {
      if (current.run !== run) return null;
      const state = failure === undefined ? finalState(current, current.counts) : 'failed';
      if (current.state === state && current.finishedAt !== null) return null;
      const finishedAt = new Date(deps.clock.nowMs()).toISOString();
      return { ...current, state, finishedAt, failure: failure ?? null, waitingFor: null, approvals: [] };
    });
    await withdrawApprovals(deps.approvals, ended);
    const errors = await deps.outcomes.errorGroups(buildId);
    const summary = JSON.stringify(summaryOf(ended, errors), null, 2);
    await deps.logs.put(`${buildId}/${consolidatedLogs.summary}`, summary, 'application/json');
    deps.events.publish(buildId, { type: 'buildFinished', buildId, run, state: ended.state, counts: ended.counts });
    await deps.events.flush();
    await deps.fleetEvents.publish({
      id: `${buildId}.${run}.finished`,
      type: 'Sqlfleet.Builds.Finished',
      subject: `builds/${buildId}`,
      data: { buildId, run, name: ended.name, state: ended.state, counts: ended.counts, failure: ended.failure },
    });
    return { kind: 'done' };
  };
}

/** `summary.json`. */
export const summarySchema = buildSchema
  .pick({
    buildId: true,
    name: true,
    state: true,
    run: true,
    requestedBy: true,
    startedAt: true,
    finishedAt: true,
    package: true,
    counts: true,
    failure: true,
  })
  .extend({ targets: z.int(), failures: z.int(), errors: z.array(errorGroupSchema) });

function summaryOf(build: Build, errors: ErrorGroup[]): z.infer<typeof summarySchema> {
  const { buildId, name, state, run, requestedBy, startedAt, finishedAt, counts } = build;
  return {
    buildId,
    name,
    state,
    run,
    requestedBy,
    startedAt,
    finishedAt,
    package: build.package,
    targets: build.targets.count,
    counts,
    failures: failureCount(build, counts),
    errors,
    failure: build.failure,
  };
}

/** Chunks of text, one per page of outcomes: nothing is held for the whole fleet. */
async function* linesOf(
  outcomes: OutcomeStore,
  buildId: string,
  lines: (outcome: Outcome) => string,
): AsyncGenerator<string> {
  for await (const page of outcomes.each(buildId, { current: true })) {
    const text = page.map(lines).join('');
    if (text !== '') yield text;
  }
}

function targetLine({ server, port, overrides, tag }: Outcome): string {
  return `${formatTarget({ server, port, overrides, tag })}\n`;
}

/** `[time] run server database: text`, in the columns of the predecessor's log. */
function logLine(outcome: Outcome): string {
  const at = outcome.finishedAt.replace('T', ' ').replace('Z', '');
  const runId = outcome.buildId
    .replace(/[^0-9a-f]/gi, '')
    .padStart(32, '0')
    .slice(-32);
  const databases = outcome.overrides.map(({ target }) => target).join(';');
  const { failure } = outcome;
  const cause = failure === null ? outcome.reason : `${failure.number ?? failure.code} ${failure.message}`;
  const text = oneLine(cause === '' ? outcome.status : `${outcome.status}: ${cause}`);
  return `[${at}]  ${runId}  ${outcome.server}  ${databases}: ${text}\n`;
}

/** Control characters in names or server texts must not forge a line of the log. */
function oneLine(text: string): string {
  return text.replace(/\p{Cc}+/gu, ' ');
}
