import { type Environment } from './schema';

/** Where an environment puts what is called by a name: everything is derived, so that the same request means the same. */
export function placesOf(environment: Environment, workspace: string) {
  const group = `/subscriptions/${environment.subscriptionId}/resourceGroups/${environment.resourceGroup}`;
  const vaultGroup = `/subscriptions/${environment.subscriptionId}/resourceGroups/${environment.keyVault.resourceGroup ?? environment.resourceGroup}`;
  const azureName = `${environment.workspaceName ?? workspace}${environment.suffix ?? `-${environment.name}`}`;
  const prefix = environment.keyVault.secretPrefix;
  const { subscriptionId, tenantId, clientId, clientSecret } = environment.keyVault.secrets;
  return {
    workspaceId: `${group}/providers/Microsoft.Databricks/workspaces/${azureName}`,
    vaultId: `${vaultGroup}/providers/Microsoft.KeyVault/vaults/${environment.keyVault.name}`,
    root: environment.root ?? `/Shared/${workspace}`,
    /** Two names, or one name in two environments, never delete each other's assets. */
    owner: `${workspace}.${environment.name}`,
    secretNames: {
      subscriptionId: `${prefix}${subscriptionId}`,
      tenantId: `${prefix}${tenantId}`,
      clientId: `${prefix}${clientId}`,
      clientSecret: `${prefix}${clientSecret}`,
    },
  };
}
export type Places = ReturnType<typeof placesOf>;
