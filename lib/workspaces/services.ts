import { type BlobStore } from '../platform/blobs';
import { type DocumentStore } from '../platform/documents';
import { type Orchestrations } from '../platform/durable';
import { AppError, messageOf } from '../platform/errors';
import { type WorkspaceDeps } from './context';
import { createDeployOnWrite } from './deploy-on-write';
import { createDriftCheck } from './drift';
import { createEnvironments } from './environments';
import { orchestrationId } from './orchestrators/deploy-workspace';
import { type Deployment } from './schema';
import { createStages } from './stages';
import { createWorkspaceStore } from './store';
import { createSubmit, start } from './submit';

export interface WorkspaceServicesDeps extends Omit<WorkspaceDeps, 'store'> {
  documents: { environments: DocumentStore; workspaces: DocumentStore; deployments: DocumentStore };
  blobs: { uploads: BlobStore; state: BlobStore };
  newDeploymentId: () => string;
}
export type WorkspaceServices = ReturnType<typeof createWorkspaceServices>;

const pageSize = 100;

/** Wires the workspaces capability. */
export function createWorkspaceServices(given: WorkspaceServicesDeps) {
  const store = createWorkspaceStore(given.documents, given.blobs.state);
  const deps: WorkspaceDeps = { ...given, store };
  const submit = createSubmit({ ...deps, newDeploymentId: given.newDeploymentId });
  return {
    store,
    environments: createEnvironments({ store, audit: deps.audit }),
    submit,
    deployOnWrite: createDeployOnWrite({ store, submit }),
    stages: createStages(deps),
    drift: createDriftCheck(deps),
    audit: deps.audit,
    readUpload: (name: string) => given.blobs.uploads.get(name),

    /** Ends a deployment before its next step; what was applied stays. @throws AppError `workspaces.ended` (409) */
    async cancel(
      deploymentId: string,
      by: { actor: string; reason: string },
      orchestrations: Orchestrations,
    ): Promise<Deployment> {
      const at = new Date(deps.clock.nowMs()).toISOString();
      const deployment = await store.updateDeployment(deploymentId, (current) => {
        if (current.state !== 'running') {
          const message = `Deployment "${deploymentId}" has ended already: it ${current.state}.`;
          throw new AppError('workspaces.ended', message, { status: 409 });
        }
        return current.cancelled === null ? { ...current, cancelled: { ...by, at } } : null;
      });
      const subject = `workspaces/${deployment.workspace}`;
      const id = `${deploymentId}.cancel`;
      await deps.audit.record({ id, subject, action: 'cancel', ...by, details: { deploymentId } });
      await orchestrations.wake(orchestrationId(deploymentId));
      return deployment;
    },

    /** Starts what should run and does not: a start that was cut off, an orchestration that was lost. */
    async revive(orchestrations: Orchestrations): Promise<void> {
      let continuation: string | null = null;
      do {
        const page: Awaited<ReturnType<typeof store.listDeployments>> = await store.listDeployments({
          workspace: null,
          states: ['running'],
          pageSize,
          continuation,
        });
        for (const deployment of page.items) {
          await start(orchestrations, deployment).catch((error: unknown) =>
            deps.logger.error('a workspace deployment could not be revived', {
              deploymentId: deployment.deploymentId,
              error: messageOf(error),
            }),
          );
        }
        continuation = page.continuation;
      } while (continuation !== null);
    },
  };
}
