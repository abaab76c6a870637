import { randomUUID } from 'node:crypto';
import { systemClock, type Clock } from '../../lib/platform/clock';
import { type VerifyToken } from '../identity/tokens';
import { type FaultHooks } from '../network/faults';
import { jsonResponse, pathSegments, startHttpService, type ServiceRequest } from '../network/http-service';
import { ServiceError, unsupported } from '../network/service-error';
import { clusterOperations } from './clusters';
import { fileOperations, scopeOperations } from './files';
import { jobOperations } from './jobs';
import { type Operation } from './operation';
import { poolOperations } from './pools';
import { openDatabricksState, type WorkspaceState } from './state';

export interface DatabricksOptions {
  /** 0 picks a free port. */
  port: number;
  /** Where everything is kept; null keeps it in memory only. */
  stateFolder: string | null;
  tls?: { key: string; cert: string };
  clock?: Clock;
  /** Accepts or refuses Entra tokens. Default: refuses all. */
  verifyToken?: VerifyToken;
  newId?: () => string;
  clusterStartMs?: number;
  clusterStopMs?: number;
}

export interface LocalDatabricks {
  /** Of every workspace; which one is meant says the header with its ARM id. */
  url: string;
  port: number;
  /** What is there, and where somebody may change it by hand. */
  workspace(resourceId: string): WorkspaceState;
  faults: FaultHooks;
  /** Requests by operation since the start, refused ones too. */
  counters(): Record<string, number>;
  /** Names of what every workspace holds. */
  contents(): Record<string, { clusters: string[]; jobs: string[]; files: string[]; scopes: string[] }>;
  stop(): Promise<void>;
}

const databricksResource = '2ff814a6-3304-4ab8-85cb-cd0e6f879c1d';
const managementAudiences = ['https://management.azure.com', 'https://management.core.windows.net'];
/** Versions that each part of the API answers to. */
const versions: Record<string, readonly string[]> = {
  clusters: ['2.0', '2.1'],
  jobs: ['2.2'],
  workspace: ['2.0'],
  secrets: ['2.0'],
  'instance-pools': ['2.0'],
  policies: ['2.0'],
};

/** Starts a Databricks that holds any number of workspaces: clusters, jobs, notebooks, files and secret scopes; nothing runs. */
export async function startDatabricks(options: DatabricksOptions): Promise<LocalDatabricks> {
  const { port, stateFolder, tls, clock = systemClock, verifyToken = () => null } = options;
  const state = openDatabricksState(stateFolder);
  const deps = {
    nowMs: () => clock.nowMs(),
    newId: options.newId ?? (() => randomUUID().replaceAll('-', '')),
    startMs: options.clusterStartMs ?? 1_500,
    stopMs: options.clusterStopMs ?? 500,
  };
  const operations: Record<string, Operation> = {
    ...clusterOperations(deps),
    ...jobOperations(deps),
    ...fileOperations,
    ...scopeOperations,
    ...poolOperations,
  };
  const counters = new Map<string, number>();

  const service = await startHttpService({
    port,
    tls,
    clock,
    // Ten megabytes of content are a third more in base64.
    maxBodyBytes: 16 * 1024 * 1024,
    operationOf: nameOf,
    handle: (request) => {
      const name = nameOf(request);
      counters.set(name, (counters.get(name) ?? 0) + 1);
      requireTokens(request, verifyToken);
      const [, version = '', api = ''] = pathSegments(request.path);
      const operation = operations[`${request.method} ${name}`];
      if (operation === undefined) throw unsupported(`the Databricks call ${request.method} ${request.path}`);
      if (versions[api]?.includes(version) !== true) {
        throw new ServiceError(404, 'ENDPOINT_NOT_FOUND', `No API found for '${request.method} ${request.path}'`);
      }
      const resourceId = request.headers['x-databricks-azure-workspace-resource-id'];
      if (resourceId === undefined) {
        throw new ServiceError(400, 'BAD_REQUEST', 'Say which workspace: X-Databricks-Azure-Workspace-Resource-Id.');
      }
      return jsonResponse(200, operation(state.workspace(resourceId), request));
    },
    fail: ({ status, code, message, headers }) => jsonResponse(status, { error_code: code, message }, headers),
  });
  return {
    url: `https://localhost:${service.port}`,
    port: service.port,
    workspace: (resourceId) => state.workspace(resourceId),
    faults: service.faults,
    counters: () => Object.fromEntries(counters),
    contents: () =>
      Object.fromEntries(
        state.all().map(([resourceId, workspace]) => [
          resourceId,
          {
            clusters: [...workspace.clusters.values()].map(({ spec }) => String(spec.cluster_name)),
            jobs: [...workspace.jobs.values()].map(({ settings }) => String(settings.name)),
            files: [...workspace.files.values()].filter(({ type }) => type !== 'DIRECTORY').map(({ path }) => path),
            scopes: [...workspace.scopes.keys()],
          },
        ]),
      ),
    async stop() {
      await service.close();
      state.close();
    },
  };
}

/** `jobs/create` of `/api/2.2/jobs/create`. */
function nameOf(request: ServiceRequest): string {
  return pathSegments(request.path).slice(2).join('/');
}

function requireTokens(request: ServiceRequest, verifyToken: VerifyToken): void {
  const token = request.headers['authorization']?.replace(/^Bearer /, '') ?? '';
  if (!request.secure || verifyToken(token, databricksResource) === null) {
    throw new ServiceError(401, 'UNAUTHENTICATED', 'A token for Azure Databricks is needed, over https.');
  }
  const management = request.headers['x-databricks-azure-sp-management-token'] ?? '';
  if (!managementAudiences.some((audience) => verifyToken(management, audience) !== null)) {
    throw new ServiceError(
      403,
      'PERMISSION_DENIED',
      'The principal is no user of the workspace, and shows no other right.',
    );
  }
}
