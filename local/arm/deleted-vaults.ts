import { jsonResponse } from '../network/http-service';
import { ServiceError } from '../network/service-error';
import { notFound } from './answers';
import { type ArmRoute } from './router';
import { type ArmState, type Resource, resourceSchema } from './state';
import { type ArmWorld, requireSubscription, subscriptionPath } from './world';

/** A deleted vault keeps its name and its secrets until somebody recovers it, and only where it was. */
const noteOf = (name: string): string => `deletedVault:${name.toLowerCase()}`;

export function rememberVault(state: ArmState, vault: Resource): void {
  state.setNote(noteOf(vault.name), vault);
}

/**
 * The vault that a PUT brings back; undefined: it makes a new one.
 * @throws ServiceError 409 when the name is a deleted vault's and nobody asks for it
 */
export function recoverable(state: ArmState, id: string, createMode: unknown): Resource | undefined {
  const name = id.split('/').at(-1) ?? '';
  const deleted = state.note(noteOf(name), resourceSchema);
  if (createMode === 'recover') {
    if (deleted?.id.toLowerCase() === id.toLowerCase()) return deleted;
    throw new ServiceError(400, 'BadRequest', `There is no deleted vault ${id} to recover.`);
  }
  if (deleted === undefined) return undefined;
  const message = `A vault with the same name already exists in deleted state. You need to either recover or purge existing key vault.`;
  throw new ServiceError(409, 'ConflictError', message);
}

export function forgetVault(state: ArmState, name: string): void {
  state.setNote(noteOf(name), undefined);
}

export function deletedVaultRoutes(world: ArmWorld): ArmRoute[] {
  return [
    {
      name: 'readDeletedVault',
      method: 'GET',
      path: `${subscriptionPath}/providers/Microsoft.KeyVault/locations/{location}/deletedVaults/{name}`,
      handle(parameters) {
        requireSubscription(world, parameters);
        const { location = '', name = '' } = parameters;
        const vault = world.state.note(noteOf(name), resourceSchema);
        if (vault === undefined || vault.location !== location) throw notFound(`deletedVaults/${name}`);
        const properties = { vaultId: vault.id, location, tags: vault.tags ?? {} };
        return jsonResponse(200, { name: vault.name, type: 'Microsoft.KeyVault/deletedVaults', properties });
      },
    },
  ];
}
