import { type AzureResources, type OpenVault, type ServicePrincipal, type Vault } from '../platform/azure-resources';
import { stopped } from './errors';
import { type Places } from './places';
import { type Environment } from './schema';

export interface VaultDeps {
  resources: AzureResources;
  openVault: OpenVault;
}

/** Value of a secret that nobody has filled in. */
export const placeholder = 'replace-me';

/** What an environment's deployment has to begin with, after its mode and what its Key Vault holds. */
export type VaultReading =
  { kind: 'initialize'; vault: Vault | null } | { kind: 'ready'; vault: Vault; principal: ServicePrincipal };

/**
 * Reads the four secrets of an environment. They go to who calls this, in the same activity, and nowhere else.
 *
 * @param isInitializing it was begun already: placeholders are its own work, and not somebody's neglect
 * @throws AppError that stops the environment: no vault, secrets missing or not filled in, another subscription's secrets
 */
export async function readVault(
  deps: VaultDeps,
  environment: Environment,
  places: Places,
  { isInitializing = false } = {},
): Promise<VaultReading> {
  const vault = await deps.resources.findVault(places.vaultId);
  if (environment.mode === 'Initialize-KeyVault' || isInitializing) return { kind: 'initialize', vault };
  if (vault === null) {
    if (environment.mode === 'auto') return { kind: 'initialize', vault };
    throw stopped(
      'vaultMissing',
      `There is no Key Vault ${places.vaultId}. Deploy with the mode Initialize-KeyVault first.`,
    );
  }
  const secrets = deps.openVault(vault.url);
  const found = await Promise.all(
    Object.entries(places.secretNames).map(async ([part, name]) => ({ part, name, secret: await secrets.find(name) })),
  );
  const missing = found.filter(({ secret }) => secret === null).map(({ name }) => name);
  if (missing.length > 0) {
    if (environment.mode === 'auto') return { kind: 'initialize', vault };
    throw stopped('secretsMissing', `The Key Vault ${vault.url} lacks ${missing.join(', ')}.`, missing);
  }
  const values = Object.fromEntries(found.map(({ part, secret }) => [part, secret?.value ?? '']));
  const empty = found.filter(({ secret }) => ['', placeholder].includes(secret?.value?.trim() ?? ''));
  if (empty.length > 0) {
    const names = empty.map(({ name }) => name);
    throw stopped(
      'secretsEmpty',
      `The Key Vault ${vault.url} has no values for ${names.join(', ')} yet. Set them.`,
      names,
    );
  }
  const { subscriptionId = '', tenantId = '', clientId = '', clientSecret = '' } = values;
  if (subscriptionId.trim().toLowerCase() !== environment.subscriptionId.toLowerCase()) {
    throw stopped(
      'subscriptionDiffers',
      `The secret ${places.secretNames.subscriptionId} names another subscription than the environment "${environment.name}".`,
    );
  }
  const principal = { tenantId: tenantId.trim(), clientId: clientId.trim(), clientSecret: clientSecret.trim() };
  return { kind: 'ready', vault, principal };
}

/** Creates what is missing of vault, access and secrets. What is there stays as it is, however often this runs. */
export async function initializeVault(
  deps: VaultDeps,
  environment: Environment,
  places: Places,
  existing: Vault | null,
): Promise<{ url: string; recovered: boolean; created: string[] }> {
  const { administrators } = environment.keyVault;
  const { region } = environment;
  const vault =
    existing === null
      ? await deps.resources.createVault(places.vaultId, { region, administrators })
      : { ...existing, recovered: false };
  await deps.resources.grantSecrets(places.vaultId, administrators);
  const secrets = deps.openVault(vault.url);
  const created: string[] = [];
  for (const name of Object.values(places.secretNames)) {
    if ((await secrets.createMissing(name, placeholder)) !== 'exists') created.push(name);
  }
  return { url: vault.url, recovered: vault.recovered, created };
}
