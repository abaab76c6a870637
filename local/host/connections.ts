import { DefaultAzureCredential, type TokenCredential } from '@azure/identity';
import { type AppSettings } from './host-settings';

export type Connection =
  { connectionString: string } | { fullyQualifiedNamespace: string; credential: TokenCredential };

/**
 * Resolves what a binding calls `connection`: an app setting with a connection string, or the group
 * `<name>__fullyQualifiedNamespace` (and `<name>__clientId`) for a managed identity.
 * @throws Error naming the settings that are missing.
 */
export function resolveConnection(name: string, settings: AppSettings): Connection {
  const connectionString = settings[name];
  if (connectionString !== undefined) return { connectionString };
  const fullyQualifiedNamespace = settings[`${name}__fullyQualifiedNamespace`];
  if (fullyQualifiedNamespace === undefined) {
    throw new Error(`Neither the app setting ${name} nor ${name}__fullyQualifiedNamespace is set.`);
  }
  const managedIdentityClientId = settings[`${name}__clientId`];
  const options = managedIdentityClientId === undefined ? {} : { managedIdentityClientId };
  return { fullyQualifiedNamespace, credential: new DefaultAzureCredential(options) };
}

/**
 * How the SDKs behave on faults. Their defaults (60 s time-out, 30 s delay) would keep a trigger silent for half a
 * minute after the broker is back.
 */
export const retryOptions = { timeoutInMs: 5_000, maxRetries: 3, retryDelayInMs: 200, maxRetryDelayInMs: 1_000 };
