import { type Cluster } from './schema';
import { type ClusterStore } from './store';

/**
 * All clusters, deleted ones that have a successor included, at the price of one small read. For choosing and showing:
 * whatever is allowed to anybody is decided from the document itself.
 */
export interface ClusterCache {
  /** As of a moment after the call began: whatever change was answered before it is in it, on whichever instance. */
  current(): Promise<Cluster[]>;
  /** Wraps the write of a document, so that readers on other instances learn of it before the write is answered. */
  announced<T extends { cluster: Cluster } | null>(write: () => Promise<T>): Promise<T>;
}

/** What the registry still needs of a cluster: everything, or where its builds go now. */
export function isOfInterest(cluster: Cluster): boolean {
  return cluster.lifecycle !== 'gone' || cluster.successor !== null;
}

/**
 * In the memory of each instance. Every use first reads the documents' change feed from where it ended: mostly "nothing
 * new", and never older than the call. So there is nobody to notify, and no notification to lose.
 */
export function createFeedCache(store: Pick<ClusterStore, 'changes'>): ClusterCache & { all(): Promise<Cluster[]> } {
  const clusters = new Map<string, Cluster>();
  let feed: string | null = null;
  let reading: Promise<void> = Promise.resolve();
  let waiting: Promise<void> | null = null;

  const follow = async (): Promise<void> => {
    for (;;) {
      const page = await store.changes(feed);
      for (const cluster of page.items) clusters.set(cluster.id, cluster);
      feed = page.continuation;
      if (!page.more) return;
    }
  };
  /** A read that is under way may have passed the change that the caller knows of: it has to be one that begins now. */
  const caughtUp = (): Promise<void> => {
    waiting ??= reading
      .catch(() => undefined)
      .then(() => {
        waiting = null;
        reading = follow();
        return reading;
      });
    return waiting;
  };

  const all = async (): Promise<Cluster[]> => {
    await caughtUp();
    return [...clusters.values()];
  };
  return {
    /** Deleted ones too. */
    all,
    current: async () => (await all()).filter(isOfInterest),
    announced: (write) => write(),
  };
}
