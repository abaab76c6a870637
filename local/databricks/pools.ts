import { type Operation } from './operation';

/** What clusters are made from. Only read here: whoever runs a workspace makes them. */
export const poolOperations: Record<string, Operation> = {
  'GET instance-pools/list': (workspace) => ({
    instance_pools: [...workspace.pools.values()].map(({ id, name, nodeTypeId }) => ({
      instance_pool_id: id,
      instance_pool_name: name,
      node_type_id: nodeTypeId,
      state: 'ACTIVE',
    })),
  }),
  'GET policies/clusters/list': (workspace) => ({
    policies: [...workspace.policies.values()].map(({ id, name }) => ({ policy_id: id, name, definition: '{}' })),
  }),
};
