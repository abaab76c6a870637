/** The words of clusters: names, statuses, the times that make a status true. */

/** The app itself: it works off this cluster's queue by its own trigger, so it is registered by being there. */
export const managedCluster = 'managed';

export const clusterStatuses = ['active', 'draining', 'unhealthy', 'inactive'] as const;
export type ClusterStatus = (typeof clusterStatuses)[number];

/** How often workers report, where no setting says otherwise. */
export const heartbeatIntervalMs = 15_000;
const reportsMissed = 3;

/** A worker that is silent for so long is taken for dead. */
export function lostAfterMs(intervalMs: number): number {
  return intervalMs * reportsMissed;
}

/**
 * Names are subscription names (at most 50 characters, a letter or digit at both ends) and, in small letters, document
 * ids: two that differ only in case are the same subscription, so they are the same cluster.
 */
export const clusterNamePattern = /^[A-Za-z0-9](?:[\w.-]{0,48}[A-Za-z0-9])?$/;

/** `POST buildClusters/select` chooses; a cluster of that name could be taken for it. */
export const reservedNames: ReadonlySet<string> = new Set(['select']);

export function clusterIdOf(name: string): string {
  return name.toLowerCase();
}
