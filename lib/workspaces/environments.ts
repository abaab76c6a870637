import { type Audit } from '../platform/audit';
import { type Versioned } from '../platform/documents';
import { AppError } from '../platform/errors';
import { environmentNotFound } from './errors';
import { type Environment, type EnvironmentRequest } from './schema';
import { type WorkspaceStore } from './store';

/** Environments as documents: a write names the version that it was made from. */
export function createEnvironments(deps: { store: WorkspaceStore; audit: Audit }) {
  const { store } = deps;
  const record = (name: string, action: string, actor: string): Promise<void> =>
    deps.audit.record({ subject: `environments/${name}`, action, actor, reason: '' });
  return {
    /**
     * @param etag null: it must not be there yet
     * @throws AppError `workspaces.environmentExists`, `workspaces.environmentChanged` (412)
     */
    async put(
      name: string,
      request: EnvironmentRequest,
      etag: string | null,
      actor: string,
    ): Promise<{ environment: Versioned<Environment>; created: boolean }> {
      // Marks are made of its name, so it keeps the spelling that it was created with.
      const known = await store.findEnvironment(name);
      const environment: Environment = { ...request, id: name.toLowerCase(), name: known?.value.name ?? name };
      if (etag === null) {
        if ((await store.createEnvironment(environment)) === 'exists') {
          const message = `Environment "${name}" exists. Send its ETag as If-Match to change it.`;
          throw new AppError('workspaces.environmentExists', message, { status: 412 });
        }
      } else if ((await store.replaceEnvironment(environment, etag)) === 'changed') throw changed(name);
      await record(name, etag === null ? 'create' : 'replace', actor);
      return { environment: await store.environment(name), created: etag === null };
    },
    /** @throws AppError `workspaces.environmentNotFound` (404), `workspaces.environmentChanged` (412) */
    async remove(name: string, etag: string, actor: string): Promise<void> {
      const answer = await store.deleteEnvironment(name, etag);
      if (answer === 'missing') throw environmentNotFound(name);
      if (answer === 'changed') throw changed(name);
      await record(name, 'delete', actor);
    },
  };
}

function changed(name: string): AppError {
  const message = `Environment "${name}" is not the one that the ETag names. Read it again.`;
  return new AppError('workspaces.environmentChanged', message, { status: 412 });
}
