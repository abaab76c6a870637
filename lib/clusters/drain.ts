import { messageOf } from '../platform/errors';
import { AppError } from '../platform/errors';
import { type Versioned } from '../platform/documents';
import { type Logger } from '../platform/logger';
import { type Subscriptions } from '../platform/subscriptions';
import { type By, type ClusterChanges, type IfMatch } from './changes';
import { clusterInUse, invalidCluster } from './errors';
import { changed, problem } from './fields';
import { clusterIdOf, managedCluster } from './model';
import { type Cluster } from './schema';
import { coversAllOf } from './status';
import { type ClusterStore } from './store';

/** How a cluster comes and goes beyond one write: its queue is created after it is registered, and it is drained before it is gone. */
export interface ClusterLife {
  /**
   * 'gone': at once, because nothing uses it; 'draining': as soon as nothing does.
   * @throws AppError `clusters.inUse` (409) with the builds, without a successor; `clusters.invalid` (422) for the successor
   */
  remove(
    name: string,
    successor: string | null,
    by: By,
    ifMatch: IfMatch,
  ): Promise<{ outcome: 'gone' | 'draining'; cluster: Cluster }>;
  /** Creates the queue of a cluster that waits for it. When the broker is away, `settle` comes back to it. */
  complete(cluster: Versioned<Cluster>): Promise<Versioned<Cluster>>;
  /** Goes on with whatever was begun: queues to create, drains to end, audit entries to write. Any caller, any number of times. */
  settle(): Promise<void>;
}

export interface ClusterLifeDeps {
  store: ClusterStore;
  changes: ClusterChanges;
  subscriptions: Subscriptions;
  logger: Logger;
  /** Builds that have not ended and have this cluster, some of them when there are many. */
  references(clusterId: string): Promise<string[]>;
}

const bySystem: By = { actor: 'sqlfleet', reason: 'goes on with what was asked for' };

export function createClusterLife(deps: ClusterLifeDeps): ClusterLife {
  const { store, changes } = deps;

  const complete: ClusterLife['complete'] = async (cluster) => {
    const { id, generation, lifecycle, queue } = cluster.value;
    if (lifecycle !== 'registering') return cluster;
    try {
      await deps.subscriptions.ensure(queue);
    } catch (error) {
      deps.logger.warn('the queue of a cluster could not be created yet', { cluster: id, error: messageOf(error) });
      return cluster;
    }
    return changes.change(id, bySystem, 'queueCreated', (current) =>
      current.lifecycle === 'registering' && current.generation === generation
        ? { ...current, lifecycle: 'registered' }
        : null,
    );
  };

  /** Ends a drain that nothing waits for any more. The queue goes first: a document that says `gone` has none. */
  const settleOne = async (cluster: Cluster): Promise<Cluster> => {
    if (cluster.lifecycle === 'registering') return (await complete({ value: cluster, etag: '' })).value;
    if (cluster.lifecycle !== 'draining' || (await deps.references(cluster.id)).length > 0) return cluster;
    await deps.subscriptions.remove(cluster.queue);
    const { generation } = cluster;
    const gone = await changes.change(
      cluster.id,
      bySystem,
      'deleted',
      (current) =>
        current.lifecycle === 'draining' && current.generation === generation
          ? { ...current, lifecycle: 'gone', isActive: false, keys: [] }
          : null,
      { alsoGone: true },
    );
    return gone.value;
  };

  const successorOf = async (current: Cluster, name: string): Promise<string> => {
    const wrong = (message: string): AppError => invalidCluster([problem('clusters.successor', message, 'successor')]);
    const found = await store.find(name);
    if (found === null || found.value.lifecycle === 'gone') throw wrong(`there is no cluster "${name}"`);
    const successor = found.value;
    if (successor.id === current.id) throw wrong('a cluster cannot succeed itself');
    if (successor.lifecycle !== 'registered' || !successor.isActive) throw wrong(`"${name}" is not active`);
    if (!coversAllOf(successor, current)) throw wrong(`"${name}" does not serve everybody whom this cluster serves`);
    return successor.id;
  };

  return {
    complete,

    async remove(name, successorName, by, ifMatch) {
      const id = clusterIdOf(name);
      if (id === managedCluster) {
        const message =
          'The app works off this cluster itself, so it cannot be deleted. Set isActive to false instead.';
        throw new AppError('clusters.isManaged', message, { status: 409 });
      }
      const draining = await changes.change(
        name,
        by,
        'delete',
        async (current) => {
          const successor = successorName === null ? current.successor : await successorOf(current, successorName);
          if (successor === null && current.lifecycle !== 'draining') {
            const references = await deps.references(id);
            if (references.length > 0) throw clusterInUse(current.name, references);
          }
          return changed(current, { ...current, lifecycle: 'draining', successor });
        },
        { ifMatch },
      );
      const settled = await settleOne(draining.value);
      return { outcome: settled.lifecycle === 'gone' ? 'gone' : 'draining', cluster: settled };
    },

    async settle() {
      for (const cluster of await store.list()) {
        const settled = async (): Promise<void> => {
          await changes.recordLast(cluster);
          await settleOne(cluster);
        };
        await settled().catch((error: unknown) => {
          deps.logger.warn('a cluster could not be settled yet', { cluster: cluster.id, error: messageOf(error) });
        });
      }
    },
  };
}
