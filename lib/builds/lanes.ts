import { sha256 } from '../platform/hash';
import { type Target } from '../targets/model';
import { defaultPort } from '../targets/target';
import { type ConcurrencyType } from './model';
import { type LaneKeyState, type Plan } from './schema';

/**
 * Lanes: how concurrency is promised. A lane is a Service Bus session, a session has one owner in the whole world, so a
 * key with n lanes never has more than n targets at work, whoever works and however many builds run. Pure decisions.
 */

/** Service Bus accepts 128 characters in a session id; the lane number and its separator need a few. */
const longestKey = 110;

/** What the concurrency limit is a promise about, for this target. */
export function laneKeyOf(target: Target, type: ConcurrencyType, buildId: string): string {
  switch (type) {
    case 'Count':
      return `build:${buildId}`;
    case 'Server':
    case 'MaxPerServer':
      return shortened(`server:${target.server}${isDefaultPort(target) ? '' : `,${target.port}`}`);
    case 'Tag':
    case 'MaxPerTag':
      return shortened(`tag:${target.tag}`);
  }
}

/** Named or not: it is the same server, and one promise. */
function isDefaultPort({ port }: Target): boolean {
  return port === null || port === defaultPort;
}

/** Server and Tag promise one at a time, whatever limit was given. */
export function lanesPerKey(type: ConcurrencyType, limit: number): number {
  return type === 'Server' || type === 'Tag' ? 1 : limit;
}

/** Lanes of a build's own are shared with nobody; those of servers and tags are one set for all builds and all clusters. */
export function isSharedKey(key: string): boolean {
  return !key.startsWith('build:');
}

export function outstandingOf({ lanes }: LaneKeyState): number {
  return lanes.reduce((sum, count) => sum + count, 0);
}

export function needsTags(type: ConcurrencyType): boolean {
  return type === 'Tag' || type === 'MaxPerTag';
}

export function laneName(key: string, lane: number): string {
  return `${key}#${lane}`;
}

/** The key in a lane's name. */
export function keyInLaneName(name: string): string {
  return name.slice(0, name.lastIndexOf('#'));
}

/** Keys longer than a session id may be keep their beginning, for people, and are told apart by a hash. */
function shortened(key: string): string {
  return key.length <= longestKey ? key : `${key.slice(0, longestKey - 17)}~${sha256(key).slice(0, 16)}`;
}

const shallowest = 2;
const deepest = 32;
/** Assumed until the first outcomes show the real rate: enough not to run dry, few enough to wait behind a slow one. */
export const initialLaneRate = 2;

/**
 * How many messages each lane is to hold: what it works off between two looks, and half as much again because looks come
 * late, plus the one at work. Shallow lanes make a cancel quick and let one slow database delay hardly anybody.
 */
export function laneDepth(laneRatePerSecond: number, intervalMs: number): number {
  const depth = Math.ceil((laneRatePerSecond * intervalMs * 1.5) / 1_000) + 1;
  return Math.min(deepest, Math.max(shallowest, depth));
}

/** Targets per second and lane, smoothed over looks so that one odd look does not empty or flood the lanes. */
export function smoothedLaneRate(previous: number, ended: number, busyLanes: number, elapsedMs: number): number {
  if (busyLanes === 0 || elapsedMs <= 0) return previous;
  const measured = (ended * 1_000) / elapsedMs / busyLanes;
  return ended === 0 ? previous * 0.9 : (previous + measured) / 2;
}

const calmLooksBeforeGrowth = 5;

/**
 * The limiter: additive increase, multiplicative decrease (Chiu and Jain 1989) over the number of lanes that are topped
 * up. "Too many requests" halves it, calm looks give one lane back at a time.
 */
export function adaptedLanes(state: LaneKeyState, throttled: boolean): LaneKeyState {
  if (throttled) return { ...state, open: Math.max(1, Math.floor(state.open / 2)), calmLooks: 0 };
  if (state.open >= state.lanes.length) return state;
  const calmLooks = state.calmLooks + 1;
  return calmLooks < calmLooksBeforeGrowth ? { ...state, calmLooks } : { ...state, open: state.open + 1, calmLooks: 0 };
}

/**
 * A key with fewer targets than lanes takes some of its lanes, and each build others: in the first ones, many small builds of
 * a server would stand in line behind its slowest database while the other lanes are idle.
 */
export function initialLaneKeys(plan: Plan, buildId: string): LaneKeyState[] {
  return plan.keys.map(({ key, gate, count }) => {
    const lanes = Math.min(plan.lanesPerKey, count);
    return {
      key,
      ...(gate === undefined ? {} : { gate }),
      sent: 0,
      firstLane: parseInt(sha256(`${buildId} ${key}`).slice(0, 8), 16) % (plan.lanesPerKey - lanes + 1),
      lanes: new Array<number>(lanes).fill(0),
      open: lanes,
      calmLooks: 0,
      heldFor: -1,
      sentFor: 0,
    };
  });
}

/**
 * Takes targets that ended out of their lanes. A lane may end more than it is known to hold: a look that sent targets and
 * died before it remembered them leaves a debt, which the next look settles by handing the same ones out again. Forgiving
 * it would let those count as outstanding for ever, and the lane would never be filled again. Where another lane holds too
 * many, because its targets were sent again elsewhere, the debt is taken from that one.
 */
export function withEnded(state: LaneKeyState, endedIn: (lane: string) => number): LaneKeyState {
  const lanes = state.lanes.map((outstanding, lane) => outstanding - endedIn(nameOfLane(state, lane)));
  for (let debtor = 0; debtor < lanes.length; debtor += 1) {
    for (let other = 0; other < lanes.length && (lanes[debtor] ?? 0) < 0; other += 1) {
      const moved = Math.min(-(lanes[debtor] ?? 0), lanes[other] ?? 0);
      if (moved <= 0) continue;
      lanes[debtor] = (lanes[debtor] ?? 0) + moved;
      lanes[other] = (lanes[other] ?? 0) - moved;
    }
  }
  return { ...state, lanes };
}

/** Lanes that hold nothing: where messages were lost, counts are wrong too, and are counted afresh. */
export function emptied(state: LaneKeyState): LaneKeyState {
  return { ...state, lanes: state.lanes.map(() => 0) };
}

/** Puts one more target into the open lane with the least outstanding. Changes `state`, which must be the caller's own. */
export function takeLane(state: LaneKeyState): string {
  const lane = leastOutstanding(state);
  state.lanes[lane] = (state.lanes[lane] ?? 0) + 1;
  return nameOfLane(state, lane);
}

function nameOfLane({ key, firstLane }: LaneKeyState, lane: number): string {
  return laneName(key, firstLane + lane);
}

export interface Assignment {
  /** Position of the target in the plan. */
  ordinal: number;
  lane: string;
}

/**
 * Fills the open lanes of every key up to `depth`, each target into the lane with the least outstanding. Keys take turns,
 * so that a bound of `maximum` messages per look does not starve the last ones. Keys that `mayFill` denies are left as they are.
 */
export function topUp(
  plan: Plan,
  states: readonly LaneKeyState[],
  depth: number,
  maximum: number,
  mayFill: (state: LaneKeyState) => boolean = () => true,
): { keys: LaneKeyState[]; assignments: Assignment[] } {
  const keys = states.map((state) => ({ ...state, lanes: [...state.lanes] }));
  const assignments: Assignment[] = [];
  let waiting = keys.flatMap((state, index) => (mayFill(state) ? [{ state, planned: plan.keys[index] }] : []));
  while (waiting.length > 0 && assignments.length < maximum) {
    waiting = waiting.filter(({ state, planned }) => {
      if (planned === undefined || state.sent >= planned.count || assignments.length >= maximum) return false;
      if ((state.lanes[leastOutstanding(state)] ?? depth) >= depth) return false;
      assignments.push({ ordinal: planned.start + state.sent, lane: takeLane(state) });
      state.sent += 1;
      return true;
    });
  }
  return { keys, assignments };
}

function leastOutstanding(state: LaneKeyState): number {
  let best = 0;
  for (let lane = 1; lane < state.open; lane += 1) {
    if ((state.lanes[lane] ?? 0) < (state.lanes[best] ?? 0)) best = lane;
  }
  return best;
}
