import { type Clock } from '../platform/clock';
import { forEachConcurrently } from '../platform/concurrency';
import { AppError, messageOf } from '../platform/errors';
import { type Logger } from '../platform/logger';
import { type BuildQueue, type OutgoingMessage } from '../platform/messages';
import { type createAskApprovals } from './ask-approvals';
import { type DeadLetters } from './dead-letters';
import { type Gates, heldBack, isHeld } from './gates';
import { adaptedLanes, emptied, keyInLaneName, laneDepth, smoothedLaneRate, takeLane, topUp } from './lanes';
import { giveUpOutstanding, outstandingTargets } from './lost-targets';
import { type StageResult } from './orchestrators/build';
import { outcomeWithoutRun } from './outcome';
import { busiestKeys, countOutcomes, handedOut, lookDelayMs, nextStep, type NextStep, waitingText } from './plan';
import { type PlanReader } from './plan-reader';
import { type Build, type Plan, type PlannedTarget, type Progress, type RunInput, type TargetMessage } from './schema';
import { type BuildStore, type OutcomeStore } from './store';

export interface MonitorDeps {
  builds: BuildStore;
  outcomes: OutcomeStore;
  plans: PlanReader;
  queue: BuildQueue;
  deadLetters: DeadLetters;
  askApprovals: ReturnType<typeof createAskApprovals>;
  clock: Clock;
  logger: Logger;
  intervalMs: number;
  stuckAfterMs: number;
}

/** Bounds of one look, so that none takes long and none holds much: what is left is for the next one. */
const feedPagesPerLook = 20;
const messagesPerLook = 2_000;
const skipsPerLook = 500;
const writesAtOnce = 16;
const backlogEveryMs = 5_000;
/** With messages still in the queue, something else may be at work; only after this many silent periods is it doubted. */
const silentPeriodsBeforeDoubt = 10;

/**
 * One look at a run: read new outcomes, decide, act, remember. All of it is decided from what was just read; a look may
 * happen twice or beside another one, because messages carry ids that the broker knows, outcomes are created once, and
 * the memory is replaced only if nobody else wrote it.
 */
export function createMonitor(deps: MonitorDeps) {
  return async (run: RunInput): Promise<StageResult> => {
    const nowMs = deps.clock.nowMs();
    const build = await deps.builds.read(run.buildId);
    if (build.run !== run.run) return { kind: 'done' };
    const plan = await deps.plans.plan(run);
    const stored = await deps.builds.readProgress(run.buildId);
    if (stored === null || stored.value.run !== run.run) {
      throw new AppError('builds.stateMissing', `Run ${run.run} of build "${run.buildId}" was not prepared.`);
    }

    const counted = await countNew(deps, stored.value, nowMs);
    const gates = await deps.askApprovals(build, plan, counted);
    const step = nextStep(build, plan, counted, nowMs, gates);
    const look = { build, run, plan, gates, step, nowMs };
    const acted = await act(deps, look, counted);
    const { progress, waitingFor } = await lookAfterSilence(deps, look, acted).catch((error: unknown) => {
      // Only a hint was to be had: what was sent in this look must be remembered all the same.
      deps.logger.warn('the queue could not be asked what it holds', { ...run, error: messageOf(error) });
      return { progress: acted, waitingFor: 'the queue cannot be asked what it holds' };
    });

    const replaced = await deps.builds.replaceProgress({ ...progress, lastLookMs: nowMs }, stored.etag);
    if (replaced === 'changed') return { kind: 'again', delayMs: deps.intervalMs };
    await deps.builds.update(run.buildId, (current) => published(current, progress, gates, waitingFor));
    if (step.kind === 'finish') return { kind: 'done' };
    return { kind: 'again', delayMs: delayAfter(deps, look, progress) };
  };
}

/** What one look knows. */
interface Look {
  build: Build;
  run: RunInput;
  plan: Plan;
  gates: Gates;
  step: NextStep;
  nowMs: number;
}

/** People take their time, and wake the build when they have decided; this is for a wake-up that was lost. */
const waitForPeopleMs = 60_000;

function delayAfter(deps: MonitorDeps, { build, gates, step, nowMs }: Look, progress: Progress): number {
  if (step.kind === 'skipRest' || step.kind === 'abandon') return 0;
  const forPeople = step.kind === 'wait' && outstandingIn(progress) === 0 && heldBack(gates).length > 0;
  return forPeople ? waitForPeopleMs : lookDelayMs(progress, looksSoFar(build, nowMs), deps.intervalMs, nowMs);
}

/** Follows the outcomes' feed from where the last look ended, and lets lanes and rates follow from what it brings. */
async function countNew(deps: MonitorDeps, before: Progress, nowMs: number): Promise<Progress> {
  let progress = before;
  const throttledKeys = new Set<string>();
  for (let page = 0; page < feedPagesPerLook; page += 1) {
    const changes = await deps.outcomes.changes(before.buildId, progress.feed);
    progress = { ...countOutcomes(progress, changes.items, nowMs), feed: changes.continuation };
    for (const { lane, throttled } of changes.items) if (throttled > 0) throttledKeys.add(keyInLaneName(lane));
    if (!changes.more) break;
  }
  const busyLanes = before.keys.reduce((sum, { lanes }) => sum + lanes.filter((count) => count > 0).length, 0);
  const laneRate = smoothedLaneRate(
    before.laneRate,
    progress.ended - before.ended,
    busyLanes,
    nowMs - before.lastLookMs,
  );
  return {
    ...progress,
    laneRate,
    keys: progress.keys.map((state) => adaptedLanes(state, throttledKeys.has(state.key))),
  };
}

async function act(deps: MonitorDeps, look: Look, progress: Progress): Promise<Progress> {
  const { build, run, plan, gates, step, nowMs } = look;
  switch (step.kind) {
    case 'finish':
    case 'wait':
      return progress;
    case 'enqueue': {
      const { keys, assignments } = topUp(
        plan,
        progress.keys,
        laneDepth(progress.laneRate, deps.intervalMs),
        messagesPerLook,
        (gate) => isHeld(gates, gate),
      );
      const messages: OutgoingMessage[] = [];
      for (const { ordinal, lane } of assignments) {
        messages.push(targetMessage(build, await deps.plans.target(run, plan, ordinal), lane));
      }
      if (messages.length > 0) await deps.queue.send(messages);
      // Silence before anything was handed out, as long as people took, says nothing about what is handed out now.
      const lastOutcomeMs = outstandingIn(progress) === 0 ? nowMs : progress.lastOutcomeMs;
      return { ...progress, keys, lastOutcomeMs };
    }
    case 'skipRest':
      return skipRest(deps, look, progress, step.reason, step.gate);
    case 'abandon':
      await giveUpOutstanding(deps, run, plan, progress, nowMs);
      return skipRest(deps, look, progress, 'the build had to end');
  }
}

/** `resend` makes another message id, because the broker would drop a second message with the first one's. */
function targetMessage(build: Build, { target, attempt }: PlannedTarget, lane: string, resend = 0): OutgoingMessage {
  const body: TargetMessage = { version: 1, buildId: build.buildId, run: build.run, attempt, lane, target };
  const messageId = `${build.buildId}:${target.id}:${attempt}${resend === 0 ? '' : `:${resend}`}`;
  return { messageId, sessionId: lane, body, cluster: build.cluster };
}

/** Ends targets that were never handed out as `skipped`, some per look; of one gate only, if it is named. */
async function skipRest(
  deps: MonitorDeps,
  { run, plan }: Look,
  progress: Progress,
  reason: string,
  gate?: string,
): Promise<Progress> {
  const keys = progress.keys.map((state) => ({ ...state }));
  const ordinals: number[] = [];
  for (const [index, state] of keys.entries()) {
    const key = plan.keys[index];
    if (gate !== undefined && key?.gate !== gate) continue;
    while (key !== undefined && state.sent < key.count && ordinals.length < skipsPerLook) {
      ordinals.push(key.start + state.sent);
      state.sent += 1;
    }
  }
  await forEachConcurrently(ordinals, writesAtOnce, async (ordinal) => {
    const planned = await deps.plans.target(run, plan, ordinal);
    await deps.outcomes.create(
      outcomeWithoutRun({ ...planned, ...run, lane: '' }, 'skipped', reason, deps.clock.nowMs()),
    );
  });
  return { ...progress, keys };
}

/**
 * When nothing comes back: dead letters become outcomes; after a longer silence the build says what it waits for, and
 * targets that the queue holds no message for any more are sent again.
 */
async function lookAfterSilence(
  deps: MonitorDeps,
  { build, run, plan, step, nowMs }: Look,
  progress: Progress,
): Promise<{ progress: Progress; waitingFor: string | null }> {
  const outstanding = outstandingIn(progress);
  if (outstanding === 0) return { progress, waitingFor: null };
  if (nowMs - progress.lastBacklogMs < backlogEveryMs) return { progress, waitingFor: build.waitingFor };
  const backlog = await deps.queue.backlog(build.cluster);
  if (backlog === 'missing') {
    return { progress, waitingFor: `the subscription "${build.cluster}" of the topic does not exist` };
  }
  if (backlog.deadLettered > 0) await deps.deadLetters.drain(build.cluster);
  const looked = { ...progress, lastBacklogMs: nowMs };

  const silentPeriods = Math.floor((nowMs - progress.lastOutcomeMs) / deps.stuckAfterMs);
  if (silentPeriods < 1) return { progress: looked, waitingFor: null };
  const waitingFor = waitingText(outstanding, busiestKeys(progress), backlog.active);
  const lost = backlog.active === 0 || silentPeriods >= silentPeriodsBeforeDoubt;
  const resentLately = nowMs - progress.lastResendMs < deps.stuckAfterMs;
  if (!lost || resentLately || step.kind === 'abandon') return { progress: looked, waitingFor };

  deps.logger.warn('outstanding targets are sent again', { buildId: run.buildId, outstanding, active: backlog.active });
  const resends = progress.resends + 1;
  const keys = progress.keys.map(emptied);
  for await (const targets of outstandingTargets(deps, run, plan, progress)) {
    await deps.queue.send(
      targets.flatMap(({ planned, keyIndex }) => {
        const key = keys[keyIndex];
        return key === undefined ? [] : [targetMessage(build, planned, takeLane(key), resends)];
      }),
    );
  }
  return { progress: { ...looked, keys, resends, lastResendMs: nowMs }, waitingFor };
}

function outstandingIn(progress: Progress): number {
  return handedOut(progress) - progress.ended;
}

/** What people see of the progress, in the build document. */
function published(build: Build, progress: Progress, gates: Gates, waitingFor: string | null): Build {
  const paused = build.control.paused !== null && build.control.cancelled === null;
  const active = build.state === 'running' || build.state === 'paused';
  return {
    ...build,
    approvals: heldBack(gates),
    state: active ? (paused ? 'paused' : 'running') : build.state,
    counts: progress.counts,
    outstanding: Math.max(0, outstandingIn(progress)),
    waitingFor,
  };
}

const quickLookMs = 500;

/** How many quick looks the build has had time for: derived, so that it needs no place of its own. */
function looksSoFar(build: Build, nowMs: number): number {
  return Math.floor((nowMs - Date.parse(build.startedAt ?? build.createdAt)) / quickLookMs);
}
