import { createWorkspaceServices, type WorkspaceServices } from '../workspaces/services';
import { type Approvals } from './approvals';
import { createAzureResources, createOpenDatabricks, createOpenVault } from './azure-workspace-resources';
import { type PlatformParts } from './platform-parts';

/** Well below the five minutes for which a lease may go without a word, and below any limit of the host. */
const activityBudgetMs = 60_000;

/** Puts the workspaces capability together. */
export function composeWorkspaces(parts: PlatformParts, approvals: Approvals): WorkspaceServices {
  const { settings, clients, clock, random } = parts;
  return createWorkspaceServices({
    documents: {
      environments: parts.documents('environments'),
      workspaces: parts.documents('workspaces'),
      deployments: parts.documents('workspaceDeployments'),
    },
    blobs: { uploads: parts.blobs('packages'), state: parts.blobs('workspaces') },
    resources: createAzureResources({
      credential: clients.credential,
      armEndpoint: settings.SQLFLEET_ARM_ENDPOINT?.replace(/\/$/, ''),
      allowedDatabricksHosts: settings.SQLFLEET_DATABRICKS_ALLOWED_HOSTS,
    }),
    openVault: createOpenVault(clients.credential),
    openDatabricks: createOpenDatabricks({ clock, random, authorityHost: settings.SQLFLEET_ENTRA_AUTHORITY }),
    approvals,
    audit: parts.audit,
    leases: parts.leases,
    fleetEvents: parts.fleetEvents,
    clock,
    logger: parts.logger,
    newDeploymentId: () => newDeploymentId(clock.nowMs(), parts.newId()),
    activityBudgetMs,
    lookEveryMs: settings.SQLFLEET_WORKSPACES_LOOK_MS,
  });
}

/** What events may start here: the hooks of `composeEvents`. */
export function workspaceHooks(workspaces: WorkspaceServices): { deployWorkspace: WorkspaceServices['deployOnWrite'] } {
  return { deployWorkspace: workspaces.deployOnWrite };
}

/** Sortable by time. */
function newDeploymentId(nowMs: number, id: string): string {
  const time = new Date(nowMs).toISOString().replace(/[-:]/g, '').replace('T', '-').slice(0, 15);
  return `${time}-${id.replaceAll('-', '').slice(0, 10)}`;
}
