import { forEachConcurrently } from '../platform/concurrency';
import { AppError, messageOf } from '../platform/errors';
import { type Logger } from '../platform/logger';
import { type createAskApprovals } from './ask-approvals';
import { type DeadLetters } from './dead-letters';
import { type Gates, heldBack } from './gates';
import { giveOn, handOut, type HandOutDeps, sendAgain } from './hand-out';
import { adaptedLanes, keyInLaneName, smoothedLaneRate } from './lanes';
import { giveUpOutstanding } from './lost-targets';
import { type StageResult } from './orchestrators/build';
import { outcomeWithoutRun } from './outcome';
import { busiestKeys, countOutcomes, handedOut, lookDelayMs, nextStep, type NextStep, waitingText } from './plan';
import { type Placement } from './placement';
import { type Build, type Plan, type Progress, queueOf, type RunInput } from './schema';
import { type BuildStore } from './store';

export interface MonitorDeps extends HandOutDeps {
  builds: BuildStore;
  deadLetters: DeadLetters;
  askApprovals: ReturnType<typeof createAskApprovals>;
  /** Sees to it that the build has a cluster that is of use. */
  place(build: Build, outstanding: number, lastOutcomeMs: number): Promise<Placement>;
  logger: Logger;
  stuckAfterMs: number;
}

/** Bounds of one look, so that none takes long and none holds much: what is left is for the next one. */
const feedPagesPerLook = 20;
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
    const placed = await placedFor(deps, build, step, counted);
    const look = { build: placed.build, cluster: placed.cluster, run, plan, gates, step, nowMs };
    const acted = await act(deps, look, counted);
    const { progress, waitingFor } = await lookAfterSilence(deps, look, acted.progress).catch((error: unknown) => {
      // Only a hint was to be had: what was sent in this look must be remembered all the same.
      deps.logger.warn('the queue could not be asked what it holds', { ...run, error: messageOf(error) });
      return { progress: acted.progress, waitingFor: 'the queue cannot be asked what it holds' };
    });

    const replaced = await deps.builds.replaceProgress({ ...progress, lastLookMs: nowMs }, stored.etag);
    if (replaced === 'changed') return { kind: 'again', delayMs: deps.intervalMs };
    const reason = placed.waitingFor ?? waitingFor ?? acted.waitingFor;
    await deps.builds.update(run.buildId, (current) => published(current, progress, gates, reason));
    if (step.kind === 'finish') return { kind: 'done' };
    return { kind: 'again', delayMs: delayAfter(deps, look, progress) };
  };
}

/** What one look knows. */
interface Look {
  build: Build;
  /** Where targets may be sent now; null: nowhere. */
  cluster: string | null;
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

/** A cluster matters to a build that has targets to send, or outstanding ones that may have to be sent elsewhere. */
async function placedFor(deps: MonitorDeps, build: Build, step: NextStep, progress: Progress): Promise<Placement> {
  const outstanding = outstandingIn(progress);
  const matters = step.kind === 'enqueue' || (step.kind === 'wait' && outstanding > 0);
  if (matters) return deps.place(build, outstanding, progress.lastOutcomeMs);
  return { build, cluster: build.cluster, waitingFor: null };
}

async function act(
  deps: MonitorDeps,
  look: Look,
  progress: Progress,
): Promise<{ progress: Progress; waitingFor: string | null }> {
  const { build, run, plan, gates, step, nowMs, cluster } = look;
  const queue = queueOf(build);
  switch (step.kind) {
    case 'finish':
      return { progress, waitingFor: null };
    case 'wait':
    case 'enqueue': {
      const more = step.kind === 'enqueue' && cluster !== null;
      const { progress: shared, givenOn } = await giveOn(deps, look, progress, more);
      if (cluster === null || queue === null) return { progress: shared, waitingFor: null };
      const sender = { build, run, plan, cluster, queue };
      const handed = await handOut(deps, sender, shared, { more, givenOn, gates });
      const { heldElsewhere } = handed;
      const others = heldElsewhere === 0 ? null : `${heldElsewhere} lane keys are at work in other clusters`;
      // Silence before anything was handed out, as long as people took, says nothing about what is handed out now.
      const lastOutcomeMs = outstandingIn(progress) === 0 ? nowMs : progress.lastOutcomeMs;
      return { progress: { ...handed.progress, lastOutcomeMs }, waitingFor: others };
    }
    case 'skipRest':
      return { progress: await skipRest(deps, look, progress, step.reason, step.gate), waitingFor: null };
    case 'abandon':
      await giveUpOutstanding(deps, run, plan, progress, nowMs);
      return { progress: await skipRest(deps, look, progress, 'the build had to end'), waitingFor: null };
  }
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
  { build, cluster, run, plan, step, nowMs }: Look,
  progress: Progress,
): Promise<{ progress: Progress; waitingFor: string | null }> {
  const queue = queueOf(build);
  if (queue === null || cluster === null) return { progress, waitingFor: null };
  const outstanding = outstandingIn(progress);
  if (outstanding === 0) return { progress, waitingFor: null };
  if (nowMs - progress.lastBacklogMs < backlogEveryMs) return { progress, waitingFor: build.waitingFor };
  const backlog = await deps.queue.backlog(queue);
  if (backlog === 'missing') {
    return { progress, waitingFor: `the subscription "${queue}" of the topic does not exist` };
  }
  if (backlog.deadLettered > 0) await deps.deadLetters.drain(queue);
  const looked = { ...progress, lastBacklogMs: nowMs };

  const silentPeriods = Math.floor((nowMs - progress.lastOutcomeMs) / deps.stuckAfterMs);
  if (silentPeriods < 1) return { progress: looked, waitingFor: null };
  const waitingFor = waitingText(outstanding, busiestKeys(progress), backlog.active);
  const lost = backlog.active === 0 || silentPeriods >= silentPeriodsBeforeDoubt;
  const resentLately = nowMs - progress.lastResendMs < deps.stuckAfterMs;
  if (!lost || resentLately || step.kind === 'abandon') return { progress: looked, waitingFor };

  deps.logger.warn('outstanding targets are sent again', { buildId: run.buildId, outstanding, active: backlog.active });
  // Keys that wait to be sent to another cluster are sent there, and not again from here.
  const resent = await sendAgain(deps, { build, run, plan, cluster, queue }, looked, ({ heldFor, sentFor }) => {
    return heldFor === build.dispatch && sentFor === build.dispatch;
  });
  return { progress: { ...resent, lastResendMs: nowMs }, waitingFor };
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
