import { type Candidate } from '../../../lib/clusters/plan';
import { type Cluster } from '../../../lib/clusters/schema';
import { type StatusAt } from '../../../lib/clusters/status';
import { type ClusterRequest } from '../../../lib/platform/cluster-choice';

export function cluster(id: string, fields: Partial<Cluster> = {}): Cluster {
  const at = '2026-01-01T00:00:00.000Z';
  return {
    id,
    partition: 'clusters',
    name: id,
    generation: 1,
    revision: 1,
    lifecycle: 'registered',
    description: null,
    maintainer: null,
    scmOrganizations: [],
    scmContext: null,
    isActive: true,
    managedBy: 'sqlfleet',
    weightage: 100,
    group: 'default',
    startsOnDemand: false,
    queue: id,
    signOptions: { issuer: id, subject: id, audience: 'sqlfleet', expiresSeconds: 300, algorithm: null },
    keys: [],
    successor: null,
    createdAt: at,
    createdBy: 'ann',
    changedAt: at,
    changedBy: 'ann',
    lastChange: { at, actor: 'ann', reason: '', action: 'register', changes: {} },
    ...fields,
  };
}

const active: StatusAt = { status: 'active', reason: '', slots: null, busy: null, lastHeartbeatAt: null };

export function candidate(
  id: string,
  fields: Partial<Cluster> = {},
  at: Partial<StatusAt> = {},
  backlog: number | null = null,
): Candidate {
  return { cluster: cluster(id, fields), at: { ...active, ...at }, backlog };
}

export function request(fields: Partial<ClusterRequest> = {}): ClusterRequest {
  return {
    wanted: null,
    override: null,
    only: false,
    organization: null,
    scmContext: null,
    group: null,
    exclude: [],
    ...fields,
  };
}
