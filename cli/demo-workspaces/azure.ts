import { readFileSync } from 'node:fs';
import { ResourceManagementClient } from '@azure/arm-resources';
import { SecretClient } from '@azure/keyvault-secrets';
import { z } from 'zod';
import { type Endpoints } from '../../local/launcher/endpoints';

/** What somebody does in Azure before and around deployments: make workspaces, fill in a Key Vault, look at what is there. */
export function createDemoAzure(endpoints: Endpoints) {
  const tlsOptions = { ca: readFileSync(endpoints.caFile, 'utf8') };
  const tokenSchema = z.object({ access_token: z.string(), expires_on: z.coerce.number() });
  const credential = {
    async getToken(scopes: string | string[]) {
      const resource = [scopes].flat()[0]?.replace(/\/\.default$/, '') ?? '';
      const url = `${endpoints.identity.endpoint}?api-version=2019-08-01&resource=${encodeURIComponent(resource)}`;
      const response = await fetch(url, { headers: { 'x-identity-header': endpoints.identity.header } });
      const { access_token: token, expires_on: expiresOn } = tokenSchema.parse(await response.json());
      return { token, expiresOnTimestamp: expiresOn * 1_000 };
    },
  };
  const contentsSchema = z.object({
    databricks: z.object({
      contents: z.record(
        z.string(),
        z.object({ clusters: z.array(z.string()), jobs: z.array(z.string()), files: z.array(z.string()) }),
      ),
    }),
  });
  const arm = new ResourceManagementClient(credential, subscriptionId, {
    endpoint: endpoints.arm.endpoint.replace(/\/$/, ''),
    tlsOptions,
  });
  const workspaceId = (name: string): string =>
    `/subscriptions/${subscriptionId}/resourceGroups/${resourceGroup}/providers/Microsoft.Databricks/workspaces/${name}`;
  const vaultId = (name: string): string =>
    `/subscriptions/${subscriptionId}/resourceGroups/${resourceGroup}/providers/Microsoft.KeyVault/vaults/${name}`;
  const vaultUri = z.object({ vaultUri: z.url() });

  const secretsOf = async (name: string): Promise<SecretClient> => {
    const { properties } = await arm.resources.getById(vaultId(name), '2023-07-01');
    const options = { disableChallengeResourceVerification: true, tlsOptions };
    return new SecretClient(vaultUri.parse(properties).vaultUri, credential, options);
  };

  return {
    secretsOf,
    async deleteVault(name: string): Promise<void> {
      await arm.resources.beginDeleteByIdAndWait(vaultId(name), '2023-07-01');
    },
    async createWorkspace(name: string): Promise<void> {
      const managedResourceGroupId = `/subscriptions/${subscriptionId}/resourceGroups/databricks-rg-${name}`;
      await arm.resources.beginCreateOrUpdateByIdAndWait(workspaceId(name), '2024-05-01', {
        location: region,
        sku: { name: 'premium' },
        properties: { managedResourceGroupId },
      });
    },
    async fillVault(name: string, values: Record<string, string>): Promise<void> {
      const secrets = await secretsOf(name);
      for (const [secret, value] of Object.entries(values)) await secrets.setSecret(secret, value);
    },
    /** What the workspace really holds, from the stand-in itself. */
    async contents(name: string) {
      const response = await fetch(`${endpoints.control.url}/counters`);
      const { databricks } = contentsSchema.parse(await response.json());
      return databricks.contents[workspaceId(name).toLowerCase()] ?? { clusters: [], jobs: [], files: [] };
    },
  };
}
export type DemoAzure = ReturnType<typeof createDemoAzure>;

/** The embedded cloud has one of each from the start. */
export const subscriptionId = '00000000-0000-0000-0000-000000000001';
export const resourceGroup = 'sqlfleet';
export const region = 'westeurope';
