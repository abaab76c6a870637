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

const mostPinned = 100;

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
  const shown = (cluster: StoredCluster) => {
    const { spec, transition } = cluster;
    const state = stateOf(cluster);
    return {
      ...spec,
      cluster_id: cluster.id,
      state,
      state_message: transition.message ?? '',
      cluster_source: spec.cluster_source ?? 'API',
      creator_user_name: 'stand-in',
      default_tags: {
        Vendor: 'Databricks',
        Creator: 'stand-in',
        ClusterName: spec.cluster_name,
        ClusterId: cluster.id,
      },
      disk_spec: {},
      init_scripts_safe_mode: false,
      effective_spark_version: spec.spark_version,
      release_version: '15.4.17',
      instance_source: { node_type_id: spec.node_type_id },
      driver_instance_source: { node_type_id: spec.driver_node_type_id },
      spark_context_id: 4_200_000_000 + transition.atMs,
      start_time: transition.atMs,
      last_state_loss_time: 0,
      last_activity_time: nowMs(),
      last_restarted_time: transition.atMs,
      spec,
      ...(state === 'RUNNING'
        ? { driver: { private_ip: '10.0.0.4' }, jdbc_port: 10_000, cluster_memory_mb: 28_672, cluster_cores: 8 }
        : {}),
      ...(state === 'TERMINATED'
        ? {
            terminated_time: transition.atMs,
            termination_reason: transition.reason ?? { code: 'USER_REQUEST', type: 'SUCCESS' },
          }
        : {}),
      ...(cluster.pinned ? { pinned_by_user_name: 'stand-in' } : {}),
    };
  };
  /** A pool says which machines its clusters have. */
  const filledIn = (workspace: WorkspaceState, spec: z.infer<typeof specSchema>): Record<string, unknown> => {
    const { instance_pool_id: poolId, policy_id: policyId } = spec;
    const pool = poolId === undefined ? undefined : workspace.pools.get(poolId);
    if (poolId !== undefined && pool === undefined) throw invalid(`Can't find an instance pool with id: ${poolId}.`);
    if (policyId !== undefined && !workspace.policies.has(policyId)) throw invalid(`Policy ${policyId} not found`);
    return withDefaults(pool === undefined ? spec : { ...spec, node_type_id: pool.nodeTypeId });
  };

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
      workspace.saveCluster({
        id,
        spec: filledIn(workspace, spec),
        pinned: false,
        idempotencyToken: token,
        transition,
      });
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
      workspace.saveCluster({ ...cluster, spec: filledIn(workspace, spec), transition });
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
      const cluster = find(workspace, bodyOf(idSchema, request).cluster_id);
      if (cluster.pinned) throw invalid(`Cluster ${cluster.id} is pinned. Please unpin the cluster first.`);
      workspace.remove('cluster', cluster.id);
      return {};
    },
    'POST clusters/unpin': (workspace, request) => {
      workspace.saveCluster({ ...find(workspace, bodyOf(idSchema, request).cluster_id), pinned: false });
      return {};
    },
    'POST clusters/pin': (workspace, request) => {
      const pinned = [...workspace.clusters.values()].filter((cluster) => cluster.pinned).length;
      if (pinned >= mostPinned) throw invalid(`There can be at most ${mostPinned} pinned clusters.`);
      workspace.saveCluster({ ...find(workspace, bodyOf(idSchema, request).cluster_id), pinned: true });
      return {};
    },
  };
}

/** What the service adds by itself: the reason why a plain comparison would see a change every time. */
export function withDefaults(spec: Record<string, unknown>): Record<string, unknown> {
  return jsonObjectSchema.parse({
    cluster_name: '',
    autotermination_minutes: 120,
    enable_elastic_disk: spec.instance_pool_id === undefined,
    enable_local_disk_encryption: false,
    driver_node_type_id: spec.node_type_id,
    driver_instance_pool_id: spec.instance_pool_id,
    runtime_engine: 'STANDARD',
    data_security_mode: 'LEGACY_SINGLE_USER_STANDARD',
    single_user_name: 'stand-in',
    workload_type: { clients: { notebooks: true, jobs: true } },
    ...spec,
    azure_attributes: {
      ...{ first_on_demand: 1, availability: 'ON_DEMAND_AZURE', spot_bid_max_price: -1 },
      ...jsonObjectSchema.optional().parse(spec.azure_attributes),
    },
  });
}
