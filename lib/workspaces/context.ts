import { type Approvals } from '../platform/approvals';
import { type Audit } from '../platform/audit';
import { type AzureResources, type OpenVault, type ServicePrincipal, type Vault } from '../platform/azure-resources';
import { type Clock } from '../platform/clock';
import { type FleetEvents } from '../platform/cloud-events';
import { type Databricks } from '../platform/databricks';
import { type DatabricksApiVersions } from '../platform/databricks-http';
import { type Lease, type Leases } from '../platform/leases';
import { type Logger } from '../platform/logger';
import { stopped } from './errors';
import { type Places } from './places';
import { type Deployment, type Environment, type EnvironmentProgress } from './schema';
import { type WorkspaceStore } from './store';
import { readVault } from './vault';

/** Opens a workspace with the principal whose secrets were just read. */
export type OpenDatabricks = (
  place: { url: string; resourceId: string; apiVersions: DatabricksApiVersions },
  principal: ServicePrincipal,
) => Databricks;

export interface WorkspaceDeps {
  store: WorkspaceStore;
  resources: AzureResources;
  openVault: OpenVault;
  openDatabricks: OpenDatabricks;
  approvals: Approvals;
  audit: Audit;
  leases: Leases;
  fleetEvents: FleetEvents;
  clock: Clock;
  logger: Logger;
  /** How long one activity works before it hands back to the orchestration. */
  activityBudgetMs: number;
  /** How long it waits before it looks again at clusters, leases and approvals. */
  lookEveryMs: number;
}

/** Longer than any activity works, and short enough that a dead deployment does not block the next one for long. */
export const leaseMs = 10 * 60_000;

/** One stage works on one environment of one deployment, and holds the workspace's lease. */
export interface StageContext {
  deployment: Deployment;
  progress: EnvironmentProgress;
  environment: Environment;
  places: Places;
  lease: Lease;
}

export type StageOutcome =
  | { kind: 'next'; change: Partial<EnvironmentProgress> }
  | { kind: 'again'; delayMs: number; waitingFor: string | null };

export type Connection =
  | { kind: 'initialize'; vault: Vault | null }
  | { kind: 'wait'; waitingFor: string }
  | { kind: 'connected'; databricks: Databricks; vault: Vault; url: string; resourceId: string };

/** Finds the workspace, reads the secrets, and opens it: anew in every activity, so that no secret outlives one. */
export async function connect(
  deps: WorkspaceDeps,
  environment: Environment,
  places: Places,
  progress: { isInitializing?: boolean } = {},
): Promise<Connection> {
  const reading = await readVault(deps, environment, places, progress);
  if (reading.kind === 'initialize') return reading;
  const workspace = await deps.resources.findWorkspace(places.workspaceId);
  if (workspace === null) {
    throw stopped(
      'workspaceMissing',
      `There is no Databricks workspace ${places.workspaceId}. Create it, or correct the environment.`,
    );
  }
  if (!workspace.ready) return { kind: 'wait', waitingFor: 'the Databricks workspace to be provisioned' };
  const { url, resourceId } = workspace;
  const { apiVersions } = environment;
  const databricks = deps.openDatabricks({ url, resourceId, apiVersions }, reading.principal);
  return { kind: 'connected', databricks, vault: reading.vault, url, resourceId };
}

/** For the stages behind the plan, which cannot do without. */
export async function connected(
  deps: WorkspaceDeps,
  environment: Environment,
  places: Places,
): Promise<Extract<Connection, { kind: 'connected' | 'wait' }>> {
  const connection = await connect(deps, environment, places);
  if (connection.kind !== 'initialize') return connection;
  throw stopped(
    'secretsMissing',
    'The Key Vault or its secrets are gone since the plan was made. Start a new deployment.',
  );
}
