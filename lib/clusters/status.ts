import { type ClusterStatus, managedCluster } from './model';
import { type Cluster, type Heartbeat } from './schema';

/** Whom a cluster serves, and of what use it is at a moment. Pure. */

/** What is asked for when work is to be placed. */
export interface Requester {
  organization: string | null;
  scmContext: string | null;
}

/**
 * Whether a cluster may be given this work at all. Every path asks this, the fallback too. Organisations are compared as
 * source control hosts compare them, without case; a cluster of one source control context serves no other.
 */
export function serves(cluster: Pick<Cluster, 'scmOrganizations' | 'scmContext'>, requester: Requester): boolean {
  const { scmOrganizations, scmContext } = cluster;
  if (scmContext !== null && scmContext.toLowerCase() !== requester.scmContext?.toLowerCase()) return false;
  if (scmOrganizations.length === 0) return true;
  const organization = requester.organization?.toLowerCase();
  return scmOrganizations.some((own) => own.toLowerCase() === organization);
}

/** Whether `a` serves everybody whom `b` serves, so that nobody's work has to go elsewhere when it takes over. */
export function coversAllOf(
  a: Pick<Cluster, 'scmOrganizations' | 'scmContext'>,
  b: Pick<Cluster, 'scmOrganizations' | 'scmContext'>,
): boolean {
  if (b.scmOrganizations.length === 0 && a.scmOrganizations.length > 0) return false;
  const everyone = b.scmOrganizations.length === 0 ? [null] : b.scmOrganizations;
  return everyone.every((organization) => serves(a, { organization, scmContext: b.scmContext }));
}

export interface StatusAt {
  status: ClusterStatus;
  /** A phrase for people; '' when there is nothing to say. */
  reason: string;
  /** What the workers that report can build at once, together; null: unknown. */
  slots: number | null;
  /** How many of the slots are at work; null: unknown. */
  busy: number | null;
  lastHeartbeatAt: string | null;
}

/**
 * Whether a cluster is of any use now. A function of the document, the heartbeats and the clock, and of nothing else.
 * @param silenceMs after which a worker is taken for dead
 */
export function statusAt(
  cluster: Cluster,
  heartbeats: readonly Heartbeat[],
  nowMs: number,
  silenceMs: number,
): StatusAt {
  const own = heartbeats.filter(
    ({ clusterId, generation }) => clusterId === cluster.id && generation === cluster.generation,
  );
  const lastMs = own.reduce((last, { atMs }) => Math.max(last, atMs), Number.NEGATIVE_INFINITY);
  const alive = own.filter(({ atMs, stopping }) => !stopping && nowMs - atMs < silenceMs);
  const sum = (pick: (heartbeat: Heartbeat) => number): number | null =>
    alive.length === 0 ? null : alive.reduce((total, heartbeat) => total + pick(heartbeat), 0);
  const facts = {
    slots: sum(({ slots }) => slots),
    busy: sum(({ busy }) => busy),
    lastHeartbeatAt: Number.isFinite(lastMs) ? new Date(lastMs).toISOString() : null,
  };
  const is = (status: ClusterStatus, reason: string): StatusAt => ({ status, reason, ...facts });

  if (cluster.lifecycle === 'draining') {
    return is('draining', cluster.successor === null ? 'it is being deleted' : `${cluster.successor} takes over`);
  }
  if (cluster.lifecycle === 'gone') return is('inactive', 'it was deleted');
  if (cluster.lifecycle === 'registering') return is('inactive', 'its queue is being created');
  if (!cluster.isActive) return is('inactive', 'it was switched off');
  if (cluster.id === managedCluster || alive.length > 0) return is('active', '');
  if (cluster.startsOnDemand) return is('active', 'its workers are started by messages');
  const silence = `no worker has reported for ${silenceMs / 1_000} seconds`;
  return is('unhealthy', own.length === 0 ? 'no worker has reported yet, or not for a long time' : silence);
}
