import { type ClusterServices, createClusterServices } from '../clusters/services';
import { type PlatformParts, topicName } from './platform-parts';
import { createHashes } from './redis';
import { createQueueCredentials } from './worker-credentials';

/** Puts the clusters capability together. `references`: which unfinished builds have a cluster, as builds know it. */
export function composeClusters(
  parts: PlatformParts,
  references: (clusterId: string) => Promise<string[]>,
): { clusters: ClusterServices; closeClusters: () => Promise<void> } {
  const { settings, subscriptions, queue, audit, clock, random, newId, logger } = parts;
  const hashes = settings.REDIS_URL === undefined ? null : createHashes(settings.REDIS_URL);
  const clusters = createClusterServices({
    documents: parts.documents('buildClusters'),
    sessions: parts.documents('workerSessions'),
    credentials: createQueueCredentials(settings.SQLFLEET_WORKER_SERVICE_BUS, topicName),
    subscriptions,
    queue,
    audit,
    clock,
    random,
    newId,
    logger,
    hashes,
    admins: settings.SQLFLEET_CLUSTER_ADMINS,
    heartbeatIntervalMs: settings.SQLFLEET_WORKER_HEARTBEAT_MS,
    references,
  });
  return {
    clusters,
    async closeClusters() {
      await hashes?.close();
    },
  };
}
