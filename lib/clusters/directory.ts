import { isDeepStrictEqual } from 'node:util';
import { createCache } from '../platform/cache';
import { type Clock } from '../platform/clock';
import { type ClusterDirectory, type ClusterRequest } from '../platform/cluster-choice';
import { forEachConcurrently } from '../platform/concurrency';
import { type BuildQueue } from '../platform/messages';
import { type ClusterCache, isOfInterest } from './cache';
import { clusterIdOf, clusterNamePattern, lostAfterMs, managedCluster } from './model';
import { type Candidate, type Selection, selectCluster } from './plan';
import { serves, statusAt, type StatusAt } from './status';
import { type Cluster, type Heartbeat } from './schema';
import { type ClusterStore } from './store';

/** Brings together what a choice needs, and says whether a choice still stands. */
export interface Directory extends ClusterDirectory {
  /** `random` for who wants to see what another draw would have given. */
  select(request: ClusterRequest, random?: number): Promise<Selection>;
  status(cluster: Cluster): Promise<StatusAt>;
  statuses(clusters: readonly Cluster[]): Promise<(StatusAt & { cluster: Cluster })[]>;
}

export interface DirectoryDeps {
  store: ClusterStore;
  cache: ClusterCache;
  queue: Pick<BuildQueue, 'backlog'>;
  ensureManaged(): Promise<void>;
  clock: Clock;
  random: () => number;
  heartbeatIntervalMs: number;
}

/** Reports this old still say when a worker was last heard of. */
const heartbeatsShownMs = 24 * 3_600_000;
/** And these, where a choice is to say since when a cluster has been silent: not many, and longer than a choice is waited for. */
const heartbeatsWeighedMs = 10 * 60_000;
const backlogAgeMs = 5_000;
const backlogsKept = 200;
const askedAtOnce = 8;

export function createDirectory(deps: DirectoryDeps): Directory {
  const { store, clock } = deps;
  const silenceMs = lostAfterMs(deps.heartbeatIntervalMs);
  const backlogs = createCache({
    capacity: backlogsKept,
    maximumAgeMs: backlogAgeMs,
    nowMs: () => clock.nowMs(),
    load: async (queue) => {
      const backlog = await deps.queue.backlog(queue);
      return backlog === 'missing' ? null : backlog.active;
    },
  });
  let managed: Promise<void> | undefined;
  const managedIsThere = (): Promise<void> => {
    managed ??= deps.ensureManaged().catch((error: unknown) => {
      managed = undefined;
      throw error;
    });
    return managed;
  };
  const heartbeats = (withinMs: number): Promise<Heartbeat[]> => store.heartbeats(clock.nowMs() - withinMs);

  const selectAmong = async (clusters: readonly Cluster[], request: ClusterRequest, random: number) => {
    const reports = await heartbeats(heartbeatsWeighedMs);
    const nowMs = clock.nowMs();
    const candidates = clusters.map((cluster): Candidate => {
      return { cluster, at: statusAt(cluster, reports, nowMs, silenceMs), backlog: null };
    });
    // How long a queue is weighs; that it could not be asked must not keep a build from its cluster.
    const asked = candidates.filter(
      ({ cluster, at }) => at.status === 'active' && at.slots !== null && serves(cluster, request),
    );
    await forEachConcurrently(asked, askedAtOnce, async (candidate) => {
      candidate.backlog = await backlogs.get(candidate.cluster.queue).catch(() => null);
    });
    return selectCluster(request, candidates, random, new Date(nowMs).toISOString());
  };

  const directory: Directory = {
    async select(request, random = deps.random()) {
      await managedIsThere();
      const clusters = new Map((await deps.cache.current()).map((cluster) => [cluster.id, cluster]));
      for (;;) {
        const known = [...clusters.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
        const selection = await selectAmong(known, request, random);
        const decisive = selection.choice.cluster ?? unknownNameOf(request, selection);
        if (decisive === null) return selection;
        // The picture proposes; the document decides. A wrong entry is put right once, so this ends.
        const found = (await store.find(decisive))?.value;
        const document = found !== undefined && isOfInterest(found) ? found : undefined;
        if (isDeepStrictEqual(clusters.get(decisive), document)) return selection;
        if (document === undefined) clusters.delete(decisive);
        else clusters.set(decisive, document);
      }
    },

    choose: (request) => directory.select(request),

    async standing(id, requester) {
      const found = (await store.find(id))?.value;
      if (found === undefined) {
        if (id !== managedCluster) return { kind: 'leave', reason: `"${id}" does not exist`, workersAlive: false };
        await managedIsThere();
        return { kind: 'fit', queue: managedCluster };
      }
      const at = statusAt(
        found,
        found.id === managedCluster ? [] : await heartbeats(heartbeatsWeighedMs),
        clock.nowMs(),
        silenceMs,
      );
      const works = found.id === managedCluster || (at.slots ?? 0) > 0;
      const workersAlive = works || (found.startsOnDemand && found.lifecycle !== 'gone' ? null : false);
      if (!serves(found, requester)) {
        return { kind: 'leave', reason: `"${found.name}" does not serve this build any more`, workersAlive };
      }
      if (at.status === 'active') return { kind: 'fit', queue: found.queue };
      return { kind: 'leave', reason: `"${found.name}" is ${at.status} (${at.reason})`, workersAlive };
    },

    async status(cluster) {
      const [own] = await directory.statuses([cluster]);
      return own ?? statusAt(cluster, [], clock.nowMs(), silenceMs);
    },

    async statuses(clusters) {
      const reports = await heartbeats(heartbeatsShownMs);
      const nowMs = clock.nowMs();
      return clusters.map((cluster) => ({ ...statusAt(cluster, reports, nowMs, silenceMs), cluster }));
    },
  };
  return directory;
}

/** The id of a named cluster that was not found for whoever asks. */
function unknownNameOf({ override, wanted }: ClusterRequest, { refused }: Selection): string | null {
  const name = override ?? wanted;
  return refused !== null && name !== null && clusterNamePattern.test(name) ? clusterIdOf(name) : null;
}
