import { type z } from 'zod';
import { type DocumentPage, type DocumentStore, type Versioned } from '../platform/documents';
import { clusterIdOf } from './model';
import {
  type Cluster,
  clusterSchema,
  type Heartbeat,
  heartbeatSchema,
  partitions,
  queueReservationSchema,
} from './schema';

/** Where clusters, the names of their queues and the reports of their workers are kept. */
export interface ClusterStore {
  /** By name, whatever its case; deleted ones too, because their names inherit nothing. */
  find(name: string): Promise<Versioned<Cluster> | null>;
  create(cluster: Cluster): Promise<'created' | 'exists'>;
  /** 'changed': somebody else wrote since `etag` was read. */
  replace(cluster: Cluster, etag: string): Promise<'replaced' | 'changed'>;
  /** Every cluster that is not gone, by name. */
  list(): Promise<Cluster[]>;
  /** What was created or changed since `continuation`, oldest first, deleted ones as what they are. */
  changes(continuation: string | null): Promise<{ items: Cluster[]; continuation: string; more: boolean }>;
  /** True when the queue's name belongs to this generation of this cluster, now or already. A name is given away once. */
  reserveQueue(queue: string, clusterId: string, generation: number): Promise<boolean>;
  /** Replaces the worker's last report. */
  writeHeartbeat(heartbeat: Heartbeat): Promise<void>;
  /** Reports since then, of all clusters. */
  heartbeats(sinceMs: number): Promise<Heartbeat[]>;
}

const pageSize = 200;

export function createClusterStore(documents: DocumentStore): ClusterStore {
  const everything = async <T>(
    text: string,
    schema: z.ZodType<T>,
    partitionKey: string,
    parameters: Record<string, number> = {},
  ): Promise<T[]> => {
    const items: T[] = [];
    let continuation: string | null = null;
    do {
      const page: DocumentPage<T> = await documents.query({ text, parameters }, schema, {
        partitionKey,
        pageSize,
        continuation,
      });
      items.push(...page.items);
      continuation = page.continuation;
    } while (continuation !== null);
    return items;
  };

  return {
    find: (name) => documents.read(partitions.clusters, clusterIdOf(name), clusterSchema),
    create: (cluster) => documents.create(partitions.clusters, cluster),
    replace: (cluster, etag) => documents.replace(partitions.clusters, cluster, etag),
    list: () =>
      everything("SELECT * FROM c WHERE c.lifecycle != 'gone' ORDER BY c.id", clusterSchema, partitions.clusters),
    changes: (continuation) => documents.changes(partitions.clusters, clusterSchema, { continuation, pageSize }),
    async reserveQueue(queue, clusterId, generation) {
      const id = queue.toLowerCase();
      const reservation = { id, partition: partitions.queues, clusterId, generation };
      if ((await documents.create(partitions.queues, reservation)) === 'created') return true;
      const known = await documents.read(partitions.queues, id, queueReservationSchema);
      return known?.value.clusterId === clusterId && known.value.generation === generation;
    },
    async writeHeartbeat(heartbeat) {
      const { id, partition, ...report } = heartbeat;
      if ((await documents.patch(partition, id, report)) === 'missing') await documents.create(partition, heartbeat);
    },
    heartbeats: (sinceMs) =>
      everything('SELECT * FROM c WHERE c.atMs >= @sinceMs', heartbeatSchema, partitions.heartbeats, { sinceMs }),
  };
}
