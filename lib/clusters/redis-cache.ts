import { z } from 'zod';
import { type Clock } from '../platform/clock';
import { messageOf } from '../platform/errors';
import { type Logger } from '../platform/logger';
import { type Hashes, type HashWrites } from '../platform/redis';
import { type ClusterCache, isOfInterest } from './cache';
import { isUsable } from './keys';
import { type Cluster, clusterSchema } from './schema';

export interface RedisCacheDeps {
  hashes: Hashes;
  /** All clusters, deleted ones too, where they are read when Redis has no good picture of them. */
  all(): Promise<Cluster[]>;
  clock: Clock;
  newId: () => string;
  logger: Logger;
}

/** Names of clusters have no colon, so none of these can be a cluster's hash. */
const index = 'sqlfleet:clusters';
const changing = 'sqlfleet:clusters:changing';
const completed = 'sqlfleet:clusters:completed';

/** Longer than any write takes: a mark as old as this was left by a writer that died. */
const markLostAfterMs = 5 * 60_000;
/** A writer that alone cannot reach Redis leaves others with an old picture for this long at most. */
const pictureAgeMs = 5_000;

const entrySchema = z.object({ revision: z.int(), cluster: clusterSchema });

/**
 * In Redis, shared by all instances. Who writes marks that first, and takes the mark away when the new document is in
 * Redis; while there is a mark, readers ask the store. So a change that was answered is seen, and one that was cut off
 * between store and Redis is too. Each active cluster also has a hash of its own for other programs, named and laid out as
 * schedulers of the known system expect: `HGET <name> queue`.
 */
export function createRedisCache(deps: RedisCacheDeps): ClusterCache {
  const { hashes, clock } = deps;
  const orWarn = (operation: Promise<unknown>, what: string): Promise<boolean> =>
    operation.then(
      () => true,
      (error: unknown) => {
        deps.logger.warn(what, { error: messageOf(error) });
        return false;
      },
    );

  /** An older revision never takes the place of a newer one, whoever is late. */
  const put = (cluster: Cluster): Promise<void> =>
    hashes.update(index, cluster.id, (text): HashWrites | null => {
      const known = text === null ? null : parsed(text);
      if (known !== null && known.revision >= cluster.revision) return null;
      const entry = JSON.stringify({ revision: cluster.revision, cluster });
      const remove = [cluster.name, ...(known === null ? [] : [known.cluster.name])];
      const own = isActive(cluster) ? { [cluster.name]: seedLayout(cluster) } : {};
      return { remove: [...new Set(remove)], set: { [index]: { [cluster.id]: entry }, ...own } };
    });

  /** Of the connection that the picture was made good over: after another loss it is to be made good again. */
  let goodSince = -1;

  const rebuild = async (entries: Record<string, string>, marks: Record<string, string>): Promise<Cluster[]> => {
    const losses = hashes.losses();
    const clusters = await deps.all();
    const nowMs = clock.nowMs();
    const isThere = ({ id, revision }: Cluster): boolean => (parsed(entries[id] ?? '')?.revision ?? -1) === revision;
    const write = async (): Promise<void> => {
      for (const cluster of clusters) if (!isThere(cluster)) await put(cluster);
      const lost = Object.keys(marks).filter((token) => nowMs - Number(marks[token]) > markLostAfterMs);
      if (lost.length > 0) await hashes.removeFields(changing, lost);
      await hashes.set(completed, { atMs: String(nowMs) });
      goodSince = losses;
    };
    await orWarn(write(), 'the clusters could not be written to Redis');
    return clusters.filter(isOfInterest);
  };

  return {
    async current() {
      const picture = await hashes.read([index, changing, completed]).catch((error: unknown) => {
        deps.logger.warn('the clusters could not be read from Redis', { error: messageOf(error) });
        return null;
      });
      if (picture === null) return (await deps.all()).filter(isOfInterest);
      const [entries = {}, marks = {}, { atMs } = {}] = picture;
      const isFresh = atMs !== undefined && Math.abs(clock.nowMs() - Number(atMs)) < pictureAgeMs;
      // While this instance was cut off, others may have been too, and changed documents without Redis.
      const isGood = isFresh && goodSince === hashes.losses();
      if (!isGood || Object.keys(marks).length > 0) return rebuild(entries, marks);
      const clusters = Object.values(entries).map(parsed);
      // Somebody else wrote there, or an earlier version of the app.
      if (clusters.includes(null)) return rebuild(entries, marks);
      return clusters.flatMap((entry) => (entry !== null && isOfInterest(entry.cluster) ? [entry.cluster] : []));
    },

    async announced(write) {
      const token = deps.newId();
      // A change must be possible without Redis: it may take a key from somebody.
      const marked = await orWarn(
        hashes.set(changing, { [token]: String(clock.nowMs()) }),
        'a change of a cluster could not be announced',
      );
      // When it fails nobody knows whether it took place: the mark stays, and readers ask the store until it is old.
      const written = await write();
      const stored =
        written === null || (await orWarn(put(written.cluster), 'a cluster could not be written to Redis'));
      if (marked && stored) await orWarn(hashes.removeFields(changing, [token]), 'an announcement could not be ended');
      return written;
    },
  };
}

function parsed(text: string): z.infer<typeof entrySchema> | null {
  try {
    return entrySchema.parse(JSON.parse(text));
  } catch {
    return null;
  }
}

function isActive(cluster: Cluster): boolean {
  return cluster.isActive && cluster.lifecycle === 'registered';
}

/** `authKeyName` names the keys by their ids, newest last: a name is never a place where a key could be read. */
function seedLayout(cluster: Cluster): Record<string, string> {
  return {
    authKeyName: cluster.keys
      .filter(isUsable)
      .map(({ id }) => id)
      .join(','),
    signOption: JSON.stringify(cluster.signOptions),
    queue: cluster.queue,
    managedBy: cluster.managedBy,
  };
}
