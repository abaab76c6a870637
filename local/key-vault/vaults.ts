import { join } from 'node:path';
import { onRememberedPort } from '../network/remembered-port';
import { type KeyVault, type KeyVaultOptions, startKeyVault } from './start';

/** Vaults that come into being while the cloud runs: those that ARM creates. */
export interface Vaults {
  /**
   * Idempotent. Resolves to the vault's address: a port of its own, because a client takes the first part of a secret's
   * path for the kind of the secret, and names below `localhost` are not known everywhere.
   * @param objectIds who may use it from now on; null: everybody with a token.
   */
  ensure(vault: string, objectIds: readonly string[] | null): Promise<string>;
  stop(): Promise<void>;
}

export function createVaults(
  options: Omit<KeyVaultOptions, 'port' | 'stateFolder' | 'allows'> & { stateFolder: string },
): Vaults {
  const { stateFolder, ...common } = options;
  const vaults = new Map<string, Promise<KeyVault>>();
  const allowed = new Map<string, readonly string[] | null>();
  return {
    async ensure(vault, objectIds) {
      const name = vault.toLowerCase();
      allowed.set(name, objectIds);
      const folder = join(stateFolder, name);
      const allows = (objectId: string): boolean => allowed.get(name)?.includes(objectId) ?? true;
      const started =
        vaults.get(name) ??
        onRememberedPort(join(folder, 'port'), (port) =>
          startKeyVault({ ...common, port, stateFolder: folder, allows }),
        );
      vaults.set(name, started);
      return (await started).url;
    },
    async stop() {
      for (const vault of vaults.values()) await (await vault).stop();
    },
  };
}
