import { z } from 'zod';
import { ServiceError } from '../network/service-error';
import { bodyOf, invalid, type Operation, type OperationDeps, pageOf } from './operation';
import { jsonObjectSchema, type StoredCluster, type WorkspaceState } from './state';

const idSchema = z.object({ cluster_id: z.string() });
const specSchema = z.looseObject({
  cluster_name: z.string().optional(),
  spark_version: z.string(),
  node_type_id: z.string().optional(),
  instance_pool_id: z.string().optional(),
  policy_id: z.string().optional(),
  custom_tags: z.record(z.string(), z.string()).optional(),
  spark_conf: z.record(z.string(), z.string()).optional(),
});

/** Clusters: they take time to start and to stop, and may be edited only when they do neither. */
export function clusterOperations(deps: OperationDeps): Record<string, Operation> {
  const { nowMs } = deps;
  const settled = (cluster: StoredCluster): boolean => nowMs() >= cluster.transition.atMs;
  const stateOf = ({ transition }: StoredCluster): string =>
    nowMs() >= transition.atMs ? transition.to : transition.from;
  const find = (workspace: WorkspaceState, id: string): StoredCluster => {
    const cluster = workspace.clusters.get(id);
    if (cluster === undefined) throw invalid(`Cluster ${id} does not exist`);
    return cluster;
  };
  const shown = (cluster: StoredCluster) => ({
    ...cluster.spec,
    cluster_id: cluster.id,
    state: stateOf(cluster),
    state_message: '',
    cluster_source: cluster.spec.cluster_source ?? 'API',
    creator_user_name: 'stand-in',
    default_tags: { Vendor: 'Databricks', ClusterId: cluster.id },
    disk_spec: {},
    spark_context_id: 42,
    start_time: cluster.transition.atMs,
    ...(cluster.pinned ? { pinned_by_user_name: 'stand-in' } : {}),
  });

  return {
    'GET clusters/list': (workspace, request) => {
      const page = pageOf(request, [...workspace.clusters.values()], 'page_size', 20);
      return { clusters: page.items.map(shown), ...page.token };
    },
    'GET clusters/get': (workspace, request) => shown(find(workspace, request.query.get('cluster_id') ?? '')),
    'POST clusters/create': (workspace, request) => {
      const { idempotency_token: token = null, ...spec } = bodyOf(
        specSchema.extend({ idempotency_token: z.string().max(64).optional() }),
        request,
      );
      const known = [...workspace.clusters.values()].find(
        (each) => token !== null && each.idempotencyToken === token && stateOf(each) !== 'TERMINATED',
      );
      if (known !== undefined) return { cluster_id: known.id };
      if (spec.node_type_id === undefined && spec.instance_pool_id === undefined && spec.policy_id === undefined) {
        throw invalid('Missing required field: node_type_id');
      }
      const id = `${String(nowMs() % 10_000).padStart(4, '0')}-${deps.newId().slice(0, 6)}-${deps.newId().slice(0, 8)}`;
      const transition = { from: 'PENDING', to: 'RUNNING', atMs: nowMs() + deps.startMs } as const;
      workspace.saveCluster({ id, spec: filledIn(spec), pinned: false, idempotencyToken: token, transition });
      return { cluster_id: id };
    },
    'POST clusters/edit': (workspace, request) => {
      const { cluster_id: id, ...spec } = bodyOf(specSchema.extend({ cluster_id: z.string() }), request);
      const cluster = find(workspace, id);
      if (!settled(cluster) || stateOf(cluster) === 'ERROR') {
        const message = `Cluster ${id} is in unexpected state ${stateOf(cluster)}.`;
        throw new ServiceError(400, 'INVALID_STATE', message);
      }
      const running = stateOf(cluster) === 'RUNNING';
      const transition = running
        ? ({ from: 'RESTARTING', to: 'RUNNING', atMs: nowMs() + deps.startMs } as const)
        : cluster.transition;
      workspace.saveCluster({ ...cluster, spec: filledIn(spec), transition });
      return {};
    },
    'POST clusters/start': (workspace, request) => {
      const cluster = find(workspace, bodyOf(idSchema, request).cluster_id);
      if (stateOf(cluster) !== 'TERMINATED') throw new ServiceError(400, 'INVALID_STATE', 'It is not terminated.');
      const transition = { from: 'PENDING', to: 'RUNNING', atMs: nowMs() + deps.startMs } as const;
      workspace.saveCluster({ ...cluster, transition });
      return {};
    },
    'POST clusters/delete': (workspace, request) => {
      const cluster = find(workspace, bodyOf(idSchema, request).cluster_id);
      if (stateOf(cluster) !== 'TERMINATED' && stateOf(cluster) !== 'TERMINATING') {
        const transition = { from: 'TERMINATING', to: 'TERMINATED', atMs: nowMs() + deps.stopMs } as const;
        workspace.saveCluster({ ...cluster, transition });
      }
      return {};
    },
    'POST clusters/permanent-delete': (workspace, request) => {
      workspace.remove('cluster', find(workspace, bodyOf(idSchema, request).cluster_id).id);
      return {};
    },
    'POST clusters/pin': (workspace, request) => {
      workspace.saveCluster({ ...find(workspace, bodyOf(idSchema, request).cluster_id), pinned: true });
      return {};
    },
  };
}

/** What the service adds by itself: the reason why a plain comparison would see a change every time. */
function filledIn(spec: Record<string, unknown>): Record<string, unknown> {
  return jsonObjectSchema.parse({
    cluster_name: '',
    autotermination_minutes: 120,
    enable_elastic_disk: true,
    enable_local_disk_encryption: false,
    driver_node_type_id: spec.node_type_id,
    azure_attributes: { first_on_demand: 1, availability: 'ON_DEMAND_AZURE', spot_bid_max_price: -1 },
    runtime_engine: 'STANDARD',
    data_security_mode: 'LEGACY_SINGLE_USER_STANDARD',
    ...spec,
  });
}
