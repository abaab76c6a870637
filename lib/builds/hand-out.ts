import { type Clock } from '../platform/clock';
import { forEachConcurrently } from '../platform/concurrency';
import { type BuildQueue, type OutgoingMessage } from '../platform/messages';
import { type Gates, isHeld } from './gates';
import { type Holder, isToBeGivenOn, type LaneHolds } from './lane-holds';
import { emptied, isSharedKey, laneDepth, outstandingOf, takeLane, topUp } from './lanes';
import { outstandingTargets } from './lost-targets';
import { type PlanReader } from './plan-reader';
import {
  type Build,
  type LaneKeyState,
  type Plan,
  type PlannedTarget,
  type Progress,
  type RunInput,
  type TargetMessage,
} from './schema';
import { type BuildStore, type OutcomeStore } from './store';

/** Handing targets to the queue of the build's cluster: only in lanes that the cluster holds, each just deep enough. */

export interface HandOutDeps {
  builds: Pick<BuildStore, 'update'>;
  outcomes: OutcomeStore;
  plans: PlanReader;
  queue: BuildQueue;
  holds: LaneHolds;
  clock: Clock;
  intervalMs: number;
}

/** A build that has a cluster. */
export interface Sender {
  build: Build;
  run: RunInput;
  plan: Plan;
  cluster: string;
  queue: string;
}

/** Bounds of one look, so that none takes long: what is left is for the next one. */
const messagesPerLook = 2_000;
const holdsPerLook = 1_000;
const givenOnPerLook = 200;
const atOnce = 16;

/**
 * Takes the lane keys that something is to be sent in, as far as no other cluster has them; sends again what an earlier
 * cluster was given and did not end; and, with `more`, fills the lanes. Answers how many keys another cluster has.
 *
 * @param what `givenOn`: keys that are to run dry, as `giveOn` answered; `gates`: what nobody approved yet is not sent
 */
export async function handOut(
  deps: HandOutDeps,
  sender: Sender,
  before: Progress,
  what: { more: boolean; givenOn: ReadonlySet<string>; gates: Gates },
): Promise<{ progress: Progress; heldElsewhere: number }> {
  const { more, givenOn, gates } = what;
  const taken = await takeKeys(deps, sender, before, what);
  const { dispatch } = sender.build;
  const resent = await sendAgain(deps, sender, taken.progress, ({ heldFor, sentFor, ...state }) => {
    return sentFor !== dispatch && heldFor === dispatch && outstandingOf({ heldFor, sentFor, ...state }) > 0;
  });
  if (!more) return { progress: resent, heldElsewhere: taken.heldElsewhere };
  const depth = laneDepth(resent.laneRate, deps.intervalMs);
  const mayFill = ({ key, gate, heldFor, sentFor }: LaneKeyState): boolean =>
    heldFor === dispatch && sentFor === dispatch && !givenOn.has(key) && !isHeld(gates, gate);
  const { keys, assignments } = topUp(sender.plan, resent.keys, depth, messagesPerLook, mayFill);
  const messages: OutgoingMessage[] = [];
  for (const { ordinal, lane } of assignments) {
    messages.push(targetMessage(sender, await deps.plans.target(sender.run, sender.plan, ordinal), lane, 0));
  }
  if (messages.length > 0) await deps.queue.send(messages);
  return { progress: { ...resent, keys }, heldElsewhere: taken.heldElsewhere };
}

/** Sends what is outstanding in these keys again, under other message ids: the broker would drop a second with the first's. */
export async function sendAgain(
  deps: HandOutDeps,
  sender: Sender,
  before: Progress,
  isMeant: (state: LaneKeyState) => boolean,
): Promise<Progress> {
  const { dispatch } = sender.build;
  const meant = before.keys.map(isMeant);
  if (!meant.includes(true)) return before;
  const resends = before.resends + 1;
  const keys = before.keys.map((state, index) =>
    meant[index] === true ? { ...emptied(state), sentFor: dispatch } : state,
  );
  for await (const targets of outstandingTargets(deps, sender.run, sender.plan, before)) {
    const messages = targets.flatMap(({ planned, keyIndex }) => {
      const state = keys[keyIndex];
      if (state === undefined || meant[keyIndex] !== true) return [];
      return [targetMessage(sender, planned, takeLane(state), resends)];
    });
    if (messages.length > 0) await deps.queue.send(messages);
  }
  return { ...before, keys, resends };
}

function targetMessage(
  { build, queue }: Sender,
  { target, attempt }: PlannedTarget,
  lane: string,
  resend: number,
): OutgoingMessage {
  const { buildId, run, dispatch } = build;
  const body: TargetMessage = { version: 1, buildId, run, attempt, lane, dispatch, target };
  const messageId = `${buildId}:${target.id}:${attempt}${resend === 0 ? '' : `:${resend}`}`;
  return { messageId, sessionId: lane, body, cluster: queue };
}

function hasMore(plan: Plan, gates: Gates, state: LaneKeyState, index: number): boolean {
  return !isHeld(gates, state.gate) && state.sent < (plan.keys[index]?.count ?? 0);
}

/** Takes the keys that have something to send. Those that others hold are asked for again at the next look. */
async function takeKeys(
  deps: HandOutDeps,
  { build, plan, cluster }: Sender,
  before: Progress,
  { more, givenOn, gates }: { more: boolean; givenOn: ReadonlySet<string>; gates: Gates },
): Promise<{ progress: Progress; heldElsewhere: number }> {
  const { dispatch, buildId } = build;
  const keys = before.keys.map((state) =>
    // With nothing outstanding there is nothing that an earlier cluster was given.
    outstandingOf(state) === 0 && state.sentFor !== dispatch ? { ...state, sentFor: dispatch } : state,
  );
  const wanted = [...keys.entries()].filter(
    ([index, state]) =>
      state.heldFor !== dispatch &&
      !givenOn.has(state.key) &&
      ((more && hasMore(plan, gates, state, index)) || (state.sentFor !== dispatch && outstandingOf(state) > 0)),
  );
  let heldElsewhere = 0;
  await forEachConcurrently(someOf(wanted, holdsPerLook, deps.clock.nowMs()), atOnce, async ([index, state]) => {
    if (!isSharedKey(state.key) || (await deps.holds.acquire(state.key, { buildId, cluster }))) {
      keys[index] = { ...state, heldFor: dispatch };
    } else {
      heldElsewhere += 1;
    }
  });
  return { progress: { ...before, keys }, heldElsewhere };
}

/**
 * When another cluster waits for lanes: which of those that this build holds are to run dry. Those that are dry are given
 * on. A build that sends nothing, because it is paused or its cluster is of no use, holds up nobody.
 */
export async function giveOn(
  deps: HandOutDeps,
  { build, plan, gates }: { build: Build; plan: Plan; gates: Gates },
  before: Progress,
  more: boolean,
): Promise<{ progress: Progress; givenOn: Set<string> }> {
  const givenOn = new Set<string>();
  const { buildId, cluster, dispatch } = build;
  if (!build.lanesWanted || cluster === null) return { progress: before, givenOn };
  const me: Holder = { buildId, cluster };
  const keys = [...before.keys];
  // A key has several states where some of its targets wait for an approval; it is held, and given on, as one.
  const statesOf = statesByKey(keys);
  const held = [...statesOf].filter(
    ([key, states]) => isSharedKey(key) && states.some(([, { heldFor }]) => heldFor === dispatch),
  );
  const asked = someOf(held, givenOnPerLook, deps.clock.nowMs());
  let wishes = 0;
  await forEachConcurrently(asked, atOnce, async ([key, states]) => {
    const hold = await deps.holds.read(key);
    if (hold === null || hold.wanted === null || hold.wanted.cluster === cluster) return;
    wishes += 1;
    const hasMoreToSend = more && states.some(([index, state]) => hasMore(plan, gates, state, index));
    if (!isToBeGivenOn(hold, me, hasMoreToSend, deps.clock.nowMs())) return;
    givenOn.add(key);
    if (states.some(([, state]) => outstandingOf(state) > 0)) return;
    await deps.holds.release(key, me);
    for (const [index, state] of states) keys[index] = { ...state, heldFor: -1 };
  });
  if (wishes === 0 && asked.length === held.length) {
    // Whoever still waits says so again at its next look.
    await deps.builds.update(buildId, (current) => (current.lanesWanted ? { ...current, lanesWanted: false } : null));
  }
  return { progress: { ...before, keys }, givenOn };
}

function statesByKey(keys: readonly LaneKeyState[]): Map<string, [index: number, state: LaneKeyState][]> {
  const states = new Map<string, [index: number, state: LaneKeyState][]>();
  for (const [index, state] of keys.entries()) {
    const known = states.get(state.key);
    if (known === undefined) states.set(state.key, [[index, state]]);
    else known.push([index, state]);
  }
  return states;
}

/** Beginning at another place each time: those that stay undone must not keep the rest from their turn. */
function someOf<T>(items: readonly T[], maximum: number, nowMs: number): T[] {
  if (items.length <= maximum) return [...items];
  const first = Math.floor(nowMs / 100) % items.length;
  return [...items.slice(first), ...items.slice(0, first)].slice(0, maximum);
}
