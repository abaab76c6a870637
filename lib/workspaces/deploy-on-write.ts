import { type Orchestrations } from '../platform/durable';
import { sha256 } from '../platform/hash';
import { placesOf } from './places';
import { type WorkspaceStore } from './store';
import { type DeploymentSubmission } from './submit';

/**
 * For events of Azure: deploys the last archive that went well everywhere to the environment whose workspace was written.
 * The same key is the same deployment.
 *
 * @returns the path of the deployment in the API; null: no environment wants that for this workspace, or nothing was deployed yet
 */
export function createDeployOnWrite(deps: {
  store: WorkspaceStore;
  submit(submission: DeploymentSubmission, orchestrations: Orchestrations): Promise<{ deploymentId: string }>;
}) {
  return async (
    { workspaceId, requestKey }: { workspaceId: string; requestKey: string },
    orchestrations: Orchestrations,
  ): Promise<{ deployment: string } | null> => {
    const wanted = await placeOf(deps.store, workspaceId);
    if (wanted === null) return null;
    const options = { workspace: wanted.workspace, states: ['succeeded'] as const, pageSize: 1, continuation: null };
    const [last] = (await deps.store.listDeployments(options)).items;
    if (last === undefined) return null;
    const { deploymentId } = await deps.submit(
      {
        workspace: wanted.workspace,
        assets: { deployment: last.deploymentId },
        options: { environments: [wanted.environment], description: `Azure tells that ${workspaceId} was written` },
        signedInActor: 'Azure Event Grid',
        deploymentId: `e-${sha256(`${requestKey} ${workspaceId.toLowerCase()}`).slice(0, 32)}`,
      },
      orchestrations,
    );
    return { deployment: `workspaces/${wanted.workspace}/deployments/${deploymentId}` };
  };
}

async function placeOf(
  store: WorkspaceStore,
  workspaceId: string,
): Promise<{ workspace: string; environment: string } | null> {
  let continuation: string | null = null;
  do {
    const page: Awaited<ReturnType<WorkspaceStore['listEnvironments']>> = await store.listEnvironments({
      pageSize: 100,
      continuation,
    });
    for (const { value } of page.items) {
      const workspace = value.deployOnWrite.find(
        (name) => placesOf(value, name).workspaceId.toLowerCase() === workspaceId.toLowerCase(),
      );
      if (workspace !== undefined) return { workspace, environment: value.name };
    }
    continuation = page.continuation;
  } while (continuation !== null);
  return null;
}
