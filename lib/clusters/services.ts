import { type Audit } from '../platform/audit';
import { type Clock } from '../platform/clock';
import { type DocumentStore } from '../platform/documents';
import { type Logger } from '../platform/logger';
import { type BuildQueue } from '../platform/messages';
import { type Hashes } from '../platform/redis';
import { type Subscriptions } from '../platform/subscriptions';
import { type QueueCredentials } from '../platform/worker-credentials';
import { createFeedCache } from './cache';
import { createClusterChanges } from './changes';
import { createDirectory, type Directory } from './directory';
import { createHandshake, type Handshake } from './handshake/handshake';
import { type ClusterLife, createClusterLife } from './drain';
import { createRedisCache } from './redis-cache';
import { createRegistry, type Registry } from './registry';
import { type ClusterStore, createClusterStore } from './store';

export interface ClusterServicesDeps {
  documents: DocumentStore;
  /** What the handshake remembers, by `/clusterId`; its documents end by themselves. */
  sessions: DocumentStore;
  credentials: QueueCredentials;
  subscriptions: Subscriptions;
  queue: Pick<BuildQueue, 'backlog'>;
  audit: Audit;
  clock: Clock;
  /** In [0, 1). */
  random: () => number;
  newId: () => string;
  logger: Logger;
  /** Null: each instance follows the documents' change feed. */
  hashes: Hashes | null;
  /** Who may change the registry, in small letters; empty: whoever has the function key, but nobody by sign-in. */
  admins: readonly string[];
  /** How often workers report; three reports missing, and one is taken for dead. */
  heartbeatIntervalMs: number;
  /** Builds that have not ended and have this cluster. */
  references(clusterId: string): Promise<string[]>;
}

export interface ClusterServices {
  store: ClusterStore;
  registry: Registry;
  life: ClusterLife;
  directory: Directory;
  handshake: Handshake;
  audit: Audit;
  admins: readonly string[];
}

/** Wires the clusters capability: everything that `functions/clusters.ts` calls. */
export function createClusterServices(deps: ClusterServicesDeps): ClusterServices {
  const { clock, logger, audit } = deps;
  const store = createClusterStore(deps.documents);
  const feed = createFeedCache(store);
  const cache =
    deps.hashes === null
      ? feed
      : createRedisCache({ hashes: deps.hashes, all: () => feed.all(), clock, newId: deps.newId, logger });
  const changes = createClusterChanges({ store, audit, clock, logger, announced: (write) => cache.announced(write) });
  const life = createClusterLife({
    store,
    changes,
    subscriptions: deps.subscriptions,
    clock,
    logger,
    references: (clusterId) => deps.references(clusterId),
  });
  const registry = createRegistry({ store, changes, life, clock, newId: deps.newId });
  const directory = createDirectory({
    store,
    cache,
    queue: deps.queue,
    ensureManaged: () => registry.ensureManaged(),
    clock,
    random: deps.random,
    heartbeatIntervalMs: deps.heartbeatIntervalMs,
  });
  const handshake = createHandshake({ ...deps, store });
  return { store, registry, life, directory, handshake, audit, admins: deps.admins };
}
