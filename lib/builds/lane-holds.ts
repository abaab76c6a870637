import { z } from 'zod';
import { createCache } from '../platform/cache';
import { type Clock } from '../platform/clock';
import { type DocumentStore } from '../platform/documents';
import { tooManyWriters } from './errors';
import { type BuildStore } from './store';

/**
 * A session has one owner in the whole world, but only within one subscription: two clusters that work on the same server
 * have two sets of its lanes. So a lane key belongs to one cluster at a time, and only its builds send targets there.
 *
 * A hold names the builds that have targets of the key in the cluster's queue. It ends when they say so or have ended
 * themselves, never because time passed: time does not stop a worker.
 */
export const laneHoldSchema = z.object({
  id: z.literal('hold'),
  key: z.string(),
  cluster: z.string(),
  builds: z.array(z.string()),
  /** Since when the cluster has the key. */
  sinceMs: z.number(),
  /** Who of another cluster is next. It has to ask again and again, or it loses its place. */
  wanted: z.object({ buildId: z.string(), cluster: z.string(), atMs: z.number() }).nullable(),
});
export type LaneHold = z.infer<typeof laneHoldSchema>;

export interface Holder {
  buildId: string;
  cluster: string;
}

export type HoldDecision =
  | { kind: 'have' }
  | { kind: 'take'; next: LaneHold }
  /** `next`: what to write so that the wish is known; null: it is known. */
  | { kind: 'wait'; next: LaneHold | null; holders: string[] };

const wishAgeMs = 60_000;
const wishRenewedAfterMs = 15_000;
/** While somebody waits, the key is given on after this: less would cost more looks than targets. */
const shareMs = 30_000;
const buildsBeforePruning = 16;

/** @param ended whether a build has ended, or never was */
export function decideHold(
  current: LaneHold | null,
  key: string,
  me: Holder,
  ended: (buildId: string) => boolean,
  nowMs: number,
): HoldDecision {
  const { buildId, cluster } = me;
  if (current === null) {
    return { kind: 'take', next: { id: 'hold', key, cluster, builds: [buildId], sinceMs: nowMs, wanted: null } };
  }
  const isMine = current.builds.includes(buildId);
  if (isMine && current.cluster === cluster) return { kind: 'have' };
  const others = current.builds.filter((other) => other !== buildId && !ended(other));
  const { wanted } = current;
  const someoneElse =
    wanted !== null && wanted.cluster !== cluster && nowMs - wanted.atMs < wishAgeMs && !ended(wanted.buildId);
  if (current.cluster === cluster && !someoneElse) {
    return { kind: 'take', next: { ...current, builds: [...others, buildId], wanted: null } };
  }
  if (others.length === 0 && !someoneElse) {
    return { kind: 'take', next: { ...current, cluster, builds: [buildId], sinceMs: nowMs, wanted: null } };
  }
  // Behind somebody: without a place in the hold, and first in line if nobody is.
  const known = wanted?.buildId === buildId && nowMs - wanted.atMs < wishRenewedAfterMs;
  const next = { ...current, builds: others, wanted: someoneElse ? wanted : { ...me, atMs: nowMs } };
  const isKnown = !isMine && others.length === current.builds.length && (someoneElse || known);
  return { kind: 'wait', next: isKnown ? null : next, holders: current.cluster === cluster ? [] : others };
}

/** Whether the key is to be given on: another cluster waits, and this one had its share or has nothing more to send. */
export function isToBeGivenOn(hold: LaneHold, me: Holder, hasMore: boolean, nowMs: number): boolean {
  const { wanted } = hold;
  if (wanted === null || wanted.cluster === me.cluster || nowMs - wanted.atMs >= wishAgeMs) return false;
  return !hasMore || nowMs - hold.sinceMs >= shareMs;
}

export interface LaneHolds {
  /** True when the build may send targets of the key to its cluster. When not, whoever has it is told that it is wanted. */
  acquire(key: string, me: Holder): Promise<boolean>;
  read(key: string): Promise<LaneHold | null>;
  /** The build has nothing of the key in the queue any more. */
  release(key: string, me: Holder): Promise<void>;
}

const tries = 20;
const endedAgeMs = 2_000;
const endedKept = 1_000;

export function createLaneHolds(deps: {
  documents: DocumentStore;
  builds: Pick<BuildStore, 'find' | 'wantLanes'>;
  clock: Clock;
}): LaneHolds {
  const { documents, clock } = deps;
  const ended = createCache({
    capacity: endedKept,
    maximumAgeMs: endedAgeMs,
    nowMs: () => clock.nowMs(),
    load: async (buildId) => {
      const build = await deps.builds.find(buildId);
      return build === null || build.finishedAt !== null;
    },
  });
  const endedAmong = async (hold: LaneHold | null, me: Holder): Promise<Set<string>> => {
    const result = new Set<string>();
    if (hold === null || (hold.cluster === me.cluster && hold.builds.includes(me.buildId))) return result;
    // Of the same cluster, others do no harm; they are only cleared away now and then.
    const matter = hold.cluster !== me.cluster || hold.builds.length > buildsBeforePruning;
    const asked = [...(matter ? hold.builds : []), ...(hold.wanted === null ? [] : [hold.wanted.buildId])];
    for (const buildId of asked) if (buildId !== me.buildId && (await ended.get(buildId))) result.add(buildId);
    return result;
  };
  const change = async (key: string, decide: (current: LaneHold | null) => Promise<LaneHold | null>): Promise<void> => {
    for (let attempt = 1; attempt <= tries; attempt += 1) {
      const current = await documents.read(key, 'hold', laneHoldSchema);
      const next = await decide(current?.value ?? null);
      if (next === null) return;
      const written =
        current === null ? await documents.create(key, next) : await documents.replace(key, next, current.etag);
      if (written === 'created' || written === 'replaced') return;
    }
    throw tooManyWriters(`The hold of the lanes "${key}"`);
  };

  return {
    async acquire(key, me) {
      let decision: HoldDecision = { kind: 'have' };
      await change(key, async (current) => {
        const gone = await endedAmong(current, me);
        decision = decideHold(current, key, me, (buildId) => gone.has(buildId), clock.nowMs());
        return decision.kind === 'have' ? null : decision.next;
      });
      return heldAfter(decision);
    },
    async read(key) {
      return (await documents.read(key, 'hold', laneHoldSchema))?.value ?? null;
    },
    release: (key, me) =>
      change(key, async (current) =>
        current?.builds.includes(me.buildId) === true
          ? { ...current, builds: current.builds.filter((buildId) => buildId !== me.buildId) }
          : null,
      ),
  };

  async function heldAfter(decision: HoldDecision): Promise<boolean> {
    if (decision.kind !== 'wait') return true;
    for (const buildId of decision.holders) await deps.builds.wantLanes(buildId);
    return false;
  }
}
