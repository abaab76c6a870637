import { createCache } from '../platform/cache';
import { type Clock } from '../platform/clock';
import { type ClusterDirectory, type ClusterRequest } from '../platform/cluster-choice';
import { forEachConcurrently } from '../platform/concurrency';
import { type BuildQueue } from '../platform/messages';
import { type ClusterCache } from './cache';
import { heartbeatLostAfterMs, managedCluster } from './model';
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
}

/** Reports this old still say when a worker was last heard of. */
const heartbeatsShownMs = 24 * 3_600_000;
const backlogAgeMs = 5_000;
const backlogsKept = 200;
const askedAtOnce = 8;

export function createDirectory(deps: DirectoryDeps): Directory {
  const { store, clock } = deps;
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

  const directory: Directory = {
    async select(request, random = deps.random()) {
      await managedIsThere();
      const clusters = (await deps.cache.current()).sort((a, b) => (a.id < b.id ? -1 : 1));
      const reports = await heartbeats(heartbeatLostAfterMs);
      const nowMs = clock.nowMs();
      const candidates = clusters.map((cluster): Candidate => {
        return { cluster, at: statusAt(cluster, reports, nowMs), backlog: null };
      });
      // How long a queue is weighs; that it could not be asked must not keep a build from its cluster.
      const asked = candidates.filter(
        ({ cluster, at }) => at.status === 'active' && at.slots !== null && serves(cluster, request),
      );
      await forEachConcurrently(asked, askedAtOnce, async (candidate) => {
        candidate.backlog = await backlogs.get(candidate.cluster.queue).catch(() => null);
      });
      return selectCluster(request, candidates, random, new Date(nowMs).toISOString());
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
        found.id === managedCluster ? [] : await heartbeats(heartbeatLostAfterMs),
        clock.nowMs(),
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
      return own ?? statusAt(cluster, [], clock.nowMs());
    },

    async statuses(clusters) {
      const reports = await heartbeats(heartbeatsShownMs);
      const nowMs = clock.nowMs();
      return clusters.map((cluster) => ({ ...statusAt(cluster, reports, nowMs), cluster }));
    },
  };
  return directory;
}
