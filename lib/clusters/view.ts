import { z } from 'zod';
import { isUsable } from './keys';
import { type Cluster, clusterKeySchema, clusterSchema, clusterStatusSchema, type ClusterKey } from './schema';
import { type StatusAt } from './status';

/** What callers of the API see. The documents behind it may change; this may not, without a new version. */

export const clusterKeyViewSchema = clusterKeySchema
  .extend({ usable: z.boolean() })
  .meta({ id: 'BuildClusterKey', description: 'A public key. A token names it by its `id` as `kid`.' });
export type ClusterKeyView = z.infer<typeof clusterKeyViewSchema>;

export const clusterViewSchema = clusterSchema
  .pick({
    name: true,
    description: true,
    maintainer: true,
    scmOrganizations: true,
    scmContext: true,
    isActive: true,
    managedBy: true,
    weightage: true,
    group: true,
    startsOnDemand: true,
    queue: true,
    generation: true,
    successor: true,
    createdAt: true,
    createdBy: true,
    changedAt: true,
    changedBy: true,
  })
  .extend({
    status: clusterStatusSchema,
    statusReason: z.string(),
    workers: z
      .object({ slots: z.int().nullable(), busy: z.int().nullable(), lastHeartbeatAt: z.string().nullable() })
      .meta({ description: 'What the workers that report can build at once; null: none reports.' }),
    signOptions: z.object({
      issuer: z.string(),
      subject: z.string(),
      audience: z.string(),
      expires: z.int(),
      algorithm: z.string().nullable(),
    }),
    keys: z.array(clusterKeyViewSchema),
    links: z.object({ self: z.string(), keys: z.string(), audit: z.string() }),
  })
  .meta({ id: 'BuildCluster', description: 'Compute that works off one queue of targets.' });
export type ClusterView = z.infer<typeof clusterViewSchema>;

export function keyView(key: ClusterKey): ClusterKeyView {
  return { ...key, usable: isUsable(key) };
}

export function clusterView(cluster: Cluster, at: StatusAt, apiUrl: string): ClusterView {
  const self = `${apiUrl}/buildClusters/${cluster.name}`;
  const { expiresSeconds, ...signOptions } = cluster.signOptions;
  return {
    name: cluster.name,
    description: cluster.description,
    maintainer: cluster.maintainer,
    scmOrganizations: cluster.scmOrganizations,
    scmContext: cluster.scmContext,
    isActive: cluster.isActive,
    managedBy: cluster.managedBy,
    weightage: cluster.weightage,
    group: cluster.group,
    startsOnDemand: cluster.startsOnDemand,
    queue: cluster.queue,
    generation: cluster.generation,
    successor: cluster.successor,
    createdAt: cluster.createdAt,
    createdBy: cluster.createdBy,
    changedAt: cluster.changedAt,
    changedBy: cluster.changedBy,
    status: at.status,
    statusReason: at.reason,
    workers: { slots: at.slots, busy: at.busy, lastHeartbeatAt: at.lastHeartbeatAt },
    signOptions: { ...signOptions, expires: expiresSeconds },
    keys: cluster.keys.map(keyView),
    links: { self, keys: `${self}/keys`, audit: `${self}/audit` },
  };
}
