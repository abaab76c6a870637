import { type Audit } from '../platform/audit';
import { type Clock } from '../platform/clock';
import { type Versioned } from '../platform/documents';
import { messageOf } from '../platform/errors';
import { type Logger } from '../platform/logger';
import { clusterChanged, clusterNotFound, tooManyWriters } from './errors';
import { type Cluster } from './schema';
import { type ClusterStore } from './store';

/** Who does it, and why. */
export interface By {
  actor: string;
  reason: string;
}

/** What the caller says of the version that it means: an `If-Match` header. Null: whichever is there. */
export type IfMatch = readonly string[] | null;

/** One change of a cluster's document: conditional, told to the caches, and never without its line in the audit log. */
export interface ClusterChanges {
  create(cluster: Omit<Cluster, 'lastChange'>, by: By, action: string): Promise<Versioned<Cluster> | 'exists'>;
  /**
   * Reads, decides and writes until nobody else wrote in between; `decide` may run several times, null leaves it as it is.
   * @throws AppError `clusters.notFound` (404), also for what is gone, `clusters.changed` (412)
   */
  change(
    name: string,
    by: By,
    action: string,
    decide: (current: Cluster) => Promise<Cluster | null> | Cluster | null,
    options?: { ifMatch?: IfMatch; alsoGone?: boolean },
  ): Promise<Versioned<Cluster>>;
  /** Writes the audit entry of the last change, if it is not there yet. */
  recordLast(cluster: Cluster): Promise<void>;
}

export interface ClusterChangesDeps {
  store: ClusterStore;
  audit: Audit;
  clock: Clock;
  logger: Logger;
  /** Tells caches before and after a write; what it cannot tell they find out by themselves. */
  announced<T extends { cluster: Cluster } | null>(write: () => Promise<T>): Promise<T>;
}

const attempts = 20;

export function auditSubject(clusterId: string): string {
  return `buildClusters/${clusterId}`;
}

export function createClusterChanges(deps: ClusterChangesDeps): ClusterChanges {
  /** By revision, so that an entry is written once: when the change is made, or when a crash came between, before the next. */
  const recordLast = async (cluster: Cluster): Promise<void> => {
    const { at, actor, reason, action, changes } = cluster.lastChange;
    const subject = auditSubject(cluster.id);
    const id = `${cluster.id}:${cluster.revision}`;
    await deps.audit.record({ id, at, subject, action, actor, reason, details: { changes, name: cluster.name } });
  };
  /** The change stands, and the entry is made good before the next change or by `settle`. */
  const recordIfPossible = (cluster: Cluster): Promise<void> =>
    recordLast(cluster).catch((error: unknown) => {
      deps.logger.error('an audit entry of a cluster waits to be written', {
        cluster: cluster.id,
        error: messageOf(error),
      });
    });
  const noted = (before: Cluster | null, next: Omit<Cluster, 'lastChange'>, by: By, action: string): Cluster => {
    const at = new Date(deps.clock.nowMs()).toISOString();
    const changes = before === null ? { ...summary(next) } : differences(summary(before), summary(next));
    const lastChange = { at, ...by, action, changes };
    return { ...next, revision: (before?.revision ?? 0) + 1, changedAt: at, changedBy: by.actor, lastChange };
  };
  /** The version that is stored now; it must be the one just written, which the etag of a second read would not prove. */
  const stored = async (cluster: Cluster): Promise<Versioned<Cluster>> => {
    const current = await deps.store.find(cluster.id);
    return current !== null && current.value.revision === cluster.revision ? current : { value: cluster, etag: '' };
  };

  return {
    recordLast,
    async create(cluster, by, action) {
      const fresh = noted(null, cluster, by, action);
      const written = await deps.announced(async () =>
        (await deps.store.create(fresh)) === 'created' ? { cluster: fresh } : null,
      );
      if (written === null) return 'exists';
      await recordIfPossible(fresh);
      return stored(fresh);
    },
    async change(name, by, action, decide, { ifMatch = null, alsoGone = false } = {}) {
      for (let attempt = 1; attempt <= attempts; attempt += 1) {
        const current = await deps.store.find(name);
        if (current === null || (current.value.lifecycle === 'gone' && !alsoGone)) throw clusterNotFound(name);
        if (ifMatch !== null && !ifMatch.includes('*') && !ifMatch.includes(current.etag)) {
          throw clusterChanged(name, current.etag);
        }
        const decided = await decide(current.value);
        if (decided === null) return current;
        const next = noted(current.value, decided, by, action);
        await recordLast(current.value);
        const written = await deps.announced(async () =>
          (await deps.store.replace(next, current.etag)) === 'replaced' ? { cluster: next } : null,
        );
        if (written === null) continue;
        await recordIfPossible(next);
        return stored(next);
      }
      throw tooManyWriters(`The build cluster "${name}"`);
    },
  };
}

/** What the log says of a cluster: no key material, which is long and is known by its thumbprint. */
function summary(cluster: Omit<Cluster, 'lastChange'>): Record<string, unknown> {
  const { name, generation, lifecycle, description, maintainer, scmOrganizations, scmContext, isActive } = cluster;
  const { managedBy, weightage, group, startsOnDemand, queue, signOptions, successor } = cluster;
  const keys = cluster.keys.map(({ id, algorithm, thumbprint, revoked }) => ({
    id,
    algorithm,
    thumbprint,
    revoked: revoked !== null,
  }));
  const who = { name, generation, lifecycle, description, maintainer, scmOrganizations, scmContext, isActive };
  return { ...who, managedBy, weightage, group, startsOnDemand, queue, signOptions, successor, keys };
}

function differences(before: Record<string, unknown>, after: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(
    Object.keys(after)
      .filter((field) => JSON.stringify(before[field]) !== JSON.stringify(after[field]))
      .map((field) => [field, { from: before[field], to: after[field] }]),
  );
}
