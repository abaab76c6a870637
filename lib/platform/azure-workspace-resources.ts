import { ClientSecretCredential, type TokenCredential } from '@azure/identity';
import { ResourceManagementClient } from '@azure/arm-resources';
import { type SecretClient } from '@azure/keyvault-secrets';
import { z } from 'zod';
import { type AzureResources, type OpenVault, type ServicePrincipal, type Vault } from './azure-resources';
import { secretClient } from './clients';
import { type Clock } from './clock';
import { createDatabricks, type Databricks } from './databricks';
import { createDatabricksHttp, type DatabricksApiVersions } from './databricks-http';
import { AppError, messageOf } from './errors';

const workspaceApiVersion = '2024-05-01';
const vaultApiVersion = '2023-07-01';
const databricksScope = '2ff814a6-3304-4ab8-85cb-cd0e6f879c1d/.default';
const managementScope = 'https://management.azure.com/.default';
/** What deployments do with secrets, and what people need who fill them in. */
const secretPermissions = ['get', 'list', 'set', 'recover'];

const workspaceSchema = z.object({
  id: z.string(),
  properties: z.object({ workspaceUrl: z.string().optional(), provisioningState: z.string().optional() }),
});
const vaultSchema = z.object({
  id: z.string(),
  properties: z.object({ vaultUri: z.url(), tenantId: z.string().optional() }),
});
const deletedVaultSchema = z.object({ properties: z.object({ vaultId: z.string() }) });
const ownClaimsSchema = z.object({ oid: z.string(), tid: z.string() });

export interface AzureAccess {
  credential: TokenCredential;
  /** Of Azure Resource Manager; absent: the public cloud's. */
  armEndpoint?: string | undefined;
  /** Hosts that tokens for Databricks may be sent to: exact names, or suffixes that begin with a dot. */
  allowedDatabricksHosts: readonly string[];
}

/** Workspaces and vaults, through ARM with the app's own identity. */
export function createAzureResources(access: AzureAccess): AzureResources {
  const { credential, armEndpoint, allowedDatabricksHosts } = access;
  const clients = new Map<string, ResourceManagementClient>();
  const clientOf = (resourceId: string): ResourceManagementClient => {
    const subscriptionId = resourceId.split('/')[2] ?? '';
    const known = clients.get(subscriptionId);
    if (known !== undefined) return known;
    const options = armEndpoint === undefined ? {} : { endpoint: armEndpoint };
    const client = new ResourceManagementClient(credential, subscriptionId, options);
    clients.set(subscriptionId, client);
    return client;
  };
  const find = async <T>(resourceId: string, apiVersion: string, schema: z.ZodType<T>): Promise<T | null> => {
    try {
      return schema.parse(await clientOf(resourceId).resources.getById(resourceId, apiVersion));
    } catch (error) {
      if (statusOf(error) === 404) return null;
      throw mapped(error, resourceId);
    }
  };
  const ownPrincipal = async (): Promise<z.infer<typeof ownClaimsSchema>> => {
    const token = await credential.getToken(managementScope);
    const payload = token?.token.split('.')[1] ?? '';
    return ownClaimsSchema.parse(JSON.parse(Buffer.from(payload, 'base64url').toString()));
  };
  const policiesFor = async (administrators: readonly string[]) => {
    const { oid, tid } = await ownPrincipal();
    return {
      tenantId: tid,
      accessPolicies: [...new Set([oid, ...administrators])].map((objectId) => ({
        tenantId: tid,
        objectId,
        permissions: { secrets: secretPermissions },
      })),
    };
  };
  const findVault = async (resourceId: string): Promise<Vault | null> => {
    const vault = await find(resourceId, vaultApiVersion, vaultSchema);
    return vault === null ? null : { resourceId: vault.id, url: vault.properties.vaultUri };
  };

  /** The name of a vault is taken as long as it can be recovered, and it comes back only where it was. */
  const isRecoverable = async (resourceId: string, region: string): Promise<boolean> => {
    const [, , subscriptionId = '', ...rest] = resourceId.split('/');
    const id = `/subscriptions/${subscriptionId}/providers/Microsoft.KeyVault/locations/${region}/deletedVaults/${rest.at(-1)}`;
    const deleted = await find(id, vaultApiVersion, deletedVaultSchema);
    if (deleted === null) return false;
    if (deleted.properties.vaultId.toLowerCase() === resourceId.toLowerCase()) return true;
    throw new AppError(
      'azure.vaultNameTaken',
      `A deleted Key Vault holds the name of ${resourceId}: ${deleted.properties.vaultId}. Recover or purge it, or choose another name.`,
    );
  };

  return {
    async findWorkspace(resourceId) {
      const workspace = await find(resourceId, workspaceApiVersion, workspaceSchema);
      if (workspace === null) return null;
      const { workspaceUrl, provisioningState } = workspace.properties;
      const ready = workspaceUrl !== undefined && provisioningState === 'Succeeded';
      const url = `https://${workspaceUrl ?? ''}`;
      if (ready && !isAllowed(new URL(url).hostname, allowedDatabricksHosts)) {
        throw new AppError(
          'databricks.hostNotAllowed',
          `The workspace ${resourceId} is at ${url}, where no tokens are sent. Allow its host in SQLFLEET_DATABRICKS_ALLOWED_HOSTS if this is right.`,
        );
      }
      return { resourceId: workspace.id, url, ready };
    },
    findVault,
    async createVault(resourceId, { region, administrators }) {
      const recovered = await isRecoverable(resourceId, region);
      try {
        const properties = {
          ...(await policiesFor(administrators)),
          sku: { family: 'A', name: 'standard' },
          // Recovered it comes back as it was, whatever else is said; access is added afterwards.
          ...(recovered ? { createMode: 'recover' } : { enableRbacAuthorization: false, enableSoftDelete: true }),
        };
        const parameters = { location: region, properties };
        await clientOf(resourceId).resources.beginCreateOrUpdateByIdAndWait(resourceId, vaultApiVersion, parameters);
      } catch (error) {
        throw mapped(error, resourceId);
      }
      const vault = await findVault(resourceId);
      if (vault === null)
        throw new AppError('azure.vaultMissing', `The Key Vault ${resourceId} was created, and is not there.`);
      return { ...vault, recovered };
    },
    async grantSecrets(resourceId, administrators) {
      try {
        const { accessPolicies } = await policiesFor(administrators);
        // Merged into what is there, while a PUT of the vault itself would replace it.
        const id = `${resourceId}/accessPolicies/add`;
        await clientOf(resourceId).resources.beginCreateOrUpdateByIdAndWait(id, vaultApiVersion, {
          properties: { accessPolicies },
        });
      } catch (error) {
        throw mapped(error, resourceId);
      }
    },
  };
}

/** Opens any vault with the app's own identity. */
export function createOpenVault(credential: TokenCredential): OpenVault {
  return (url) => {
    const client: SecretClient = secretClient(url, credential);
    const find = async (name: string): Promise<{ value: string | null } | null> => {
      try {
        return { value: (await client.getSecret(name)).value ?? null };
      } catch (error) {
        if (statusOf(error) === 404) return null;
        if (statusOf(error) === 403 && /disabled/i.test(messageOf(error))) return { value: null };
        throw mapped(error, url);
      }
    };
    const isDeleted = async (name: string): Promise<boolean> => {
      try {
        await client.getDeletedSecret(name);
        return true;
      } catch (error) {
        if (statusOf(error) === 404) return false;
        throw mapped(error, url);
      }
    };
    return {
      find,
      async createMissing(name, value) {
        if ((await find(name)) !== null) return 'exists';
        const deleted = await isDeleted(name);
        try {
          // Its value is a person's work: it comes back instead of being written over.
          if (deleted) await (await client.beginRecoverDeletedSecret(name)).pollUntilDone();
          else await client.setSecret(name, value, { tags: { placeholder: 'true' } });
        } catch (error) {
          throw mapped(error, url);
        }
        return deleted ? 'recovered' : 'created';
      },
    };
  };
}

/** Opens workspaces with the service principal of their environment. */
export function createOpenDatabricks(deps: {
  clock: Clock;
  random: () => number;
  authorityHost?: string | undefined;
  fetch?: typeof fetch;
}) {
  return (
    place: { url: string; resourceId: string; apiVersions: DatabricksApiVersions },
    { tenantId, clientId, clientSecret }: ServicePrincipal,
  ): Databricks => {
    const credential = new ClientSecretCredential(tenantId, clientId, clientSecret, {
      // Another authority than Azure's own has no list of its kin to be looked up in.
      ...(deps.authorityHost === undefined
        ? {}
        : { authorityHost: deps.authorityHost, disableInstanceDiscovery: true }),
    });
    const tokenFor = (scope: string) => async (): Promise<string> => {
      try {
        return (await credential.getToken(scope)).token;
      } catch (error) {
        throw new AppError(
          'databricks.signInFailed',
          `The service principal ${clientId} could not sign in: ${messageOf(error).split('\n')[0]}. Correct its secrets in the Key Vault.`,
          { cause: error },
        );
      }
    };
    return createDatabricks(
      createDatabricksHttp(
        { ...place, databricksToken: tokenFor(databricksScope), managementToken: tokenFor(managementScope) },
        { fetch: deps.fetch ?? fetch, clock: deps.clock, random: deps.random },
      ),
    );
  };
}

function isAllowed(host: string, allowed: readonly string[]): boolean {
  return allowed.some((each) => (each.startsWith('.') ? host.endsWith(each) : host === each));
}

function statusOf(error: unknown): unknown {
  return typeof error === 'object' && error !== null && 'statusCode' in error ? error.statusCode : undefined;
}

function mapped(error: unknown, subject: string): unknown {
  if (error instanceof AppError || !(error instanceof Error)) return error;
  const status = statusOf(error);
  if (status === 401 || status === 403) {
    return new AppError(
      'azure.forbidden',
      `${subject} refused the app's identity. Check its role assignment or access policy.`,
      {
        cause: error,
      },
    );
  }
  if (typeof status === 'number' && status >= 400 && status < 500 && status !== 429 && status !== 408) {
    return new AppError('azure.refused', `${subject}: ${error.message}`, { cause: error });
  }
  return new AppError('azure.unavailable', `${subject} could not be reached: ${error.message}. Try again.`, {
    status: 503,
    retry: { kind: 'backoff' },
    cause: error,
  });
}
