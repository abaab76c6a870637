import { join } from 'node:path';
import { z } from 'zod';
import { systemClock, type Clock } from '../../lib/platform/clock';
import { type VerifyToken } from '../identity/tokens';
import { type FaultHooks } from '../network/faults';
import { jsonResponse, type ServiceRequest, startHttpService } from '../network/http-service';
import { ServiceError } from '../network/service-error';
import { assessmentRoutes } from './assessments';
import { createActivity, type ActivityEntry, type Caller } from './activity';
import { createLists } from './answers';
import { type ArmControl, createArmControl } from './control';
import { databaseRoutes } from './databases';
import { type ArmFaults, createArmFaults } from './faults';
import { deletedVaultRoutes } from './deleted-vaults';
import { genericRoutes, reopenVaults } from './generic';
import { insightRoutes } from './insights';
import { createOperations, type OperationTimes } from './operations';
import { resourceGraphRoutes } from './resource-graph';
import { supportRoutes } from './support';
import { createArmRouter } from './router';
import { serverSettingRoutes } from './server-settings';
import { serverRoutes } from './servers';
import { openArmState } from './state';
import { createThrottle } from './throttle';
import { usageRoutes } from './usages';
import {
  type ArmFleet,
  type ArmScope,
  type ArmVaults,
  type ArmWorkspaces,
  type ArmWorld,
  factsOf,
  groupId,
  groupType,
  newServer,
  noFacts,
  serverNamed,
  setFacts,
} from './world';

export interface ArmOptions {
  /** 0 picks a free port. */
  port: number;
  /** Where resources and operations are kept; null or left out keeps them in memory only. */
  stateFolder?: string | null;
  /** Required in practice: the SDKs send tokens only inside TLS. */
  tls?: { key: string; cert: string };
  clock?: Clock;
  /** Accepts or refuses Entra tokens. Default: refuses all. */
  verifyToken?: VerifyToken;
  /** Left out: servers and databases are resources of ARM and nothing else. */
  fleet?: ArmFleet;
  vaults?: ArmVaults;
  /** Of the servers that exist from the start. */
  fleetTags?: Record<string, string>;
  workspaces?: ArmWorkspaces;
  scope?: Partial<ArmScope>;
  operationTimes?: Partial<OperationTimes>;
  /** Told of each change that came through ARM. */
  onActivity?: (entry: ActivityEntry) => void;
}

export interface Arm extends ArmScope {
  /** For the `endpoint` option of the management SDKs. */
  endpoint: string;
  port: number;
  /** Of the HTTP endpoint. */
  faults: FaultHooks;
  /** That only a resource manager is capable of. */
  armFaults: ArmFaults;
  /** What happens behind the back of whoever uses ARM. */
  control: ArmControl;
  /** Requests by operation since the start, refused ones too. */
  counters(): Record<string, number>;
  resetCounters(): void;
  stop(): Promise<void>;
}

const defaultScope: ArmScope = {
  subscriptionId: '00000000-0000-0000-0000-000000000001',
  tenantId: '00000000-0000-0000-0000-00000000000a',
  resourceGroup: 'sqlfleet',
  locations: ['westeurope', 'northeurope', 'swedencentral'],
  serverQuota: 250,
  vCoreQuota: 2_000,
  databasesPerServer: 5_000,
  nameBusyMs: 15 * 60_000,
  serverSuffix: '.database.windows.net',
};
const audiences = ['https://management.azure.com', 'https://management.core.windows.net'];
const defaultPageSize = 100;

/** Starts an Azure Resource Manager for the management SDKs, over the embedded fleet. */
export async function startArm(options: ArmOptions): Promise<Arm> {
  const { port, tls, clock = systemClock, verifyToken = () => null, fleet = null } = options;
  const { vaults = null, workspaces = null } = options;
  const scope: ArmScope = { ...defaultScope, ...options.scope };
  const stateFolder = options.stateFolder ?? null;
  const state = openArmState(stateFolder === null ? null : join(stateFolder, 'resources.jsonl'));
  const faults = createArmFaults();
  const activity = createActivity({ clock, onEntry: options.onActivity ?? (() => undefined) });
  const callers = new WeakMap<ServiceRequest, Caller>();
  const callerOf = (request: ServiceRequest): Caller | null => callers.get(request) ?? null;
  const operations = createOperations({
    ...{ state, clock, faults, callerOf, subscriptionId: scope.subscriptionId },
    defaultTimes: { durationMs: 0, retryAfterSeconds: 0, ...options.operationTimes },
    onEnd: ({ action, resource, succeeded, caller }) =>
      activity.add(operationNameOf(action, resource), resource, succeeded, caller),
  });
  const lists = createLists({ faults, pageSize: () => state.note('pageSize', z.number()) ?? defaultPageSize });
  const world: ArmWorld = { state, operations, lists, activity, callerOf, clock, scope, fleet, vaults, workspaces };
  await adoptFleet(world, options.fleetTags ?? {});
  const throttle = createThrottle({ state, clock });

  const router = createArmRouter([
    ...operations.routes,
    ...serverRoutes(world),
    ...databaseRoutes(world),
    ...serverSettingRoutes(world),
    ...usageRoutes(world),
    ...assessmentRoutes(world),
    ...insightRoutes(world),
    ...resourceGraphRoutes(world),
    ...supportRoutes(world),
    ...deletedVaultRoutes(world),
    ...genericRoutes(world),
  ]);
  let counters: Record<string, number> = {};

  const service = await startHttpService({
    port,
    tls,
    clock,
    operationOf: (request) => router.nameOf(request),
    handle: (request) => {
      const name = router.nameOf(request);
      counters[name] = (counters[name] ?? 0) + 1;
      const token = request.headers['authorization']?.replace(/^Bearer /, '') ?? '';
      const callersKnown = [request.origin, ...audiences].map((audience) => verifyToken(token, audience));
      const caller = callersKnown.find((each) => each !== null);
      if (!request.secure || caller === undefined || caller === null) {
        throw new ServiceError(
          401,
          'AuthenticationFailed',
          'A token for Azure Resource Manager is needed, over https.',
        );
      }
      const { objectId, clientId, tenantId } = caller;
      callers.set(request, { objectId, clientId, tenantId });
      throttle.pass(request.method);
      return router.handle(request);
    },
    fail: ({ status, code, message, headers }) => jsonResponse(status, { error: { code, message } }, headers),
  });
  await reopenVaults(world);
  operations.resume();
  return {
    ...scope,
    endpoint: `https://localhost:${service.port}`,
    port: service.port,
    faults: service.faults,
    armFaults: faults,
    control: createArmControl(world),
    counters: () => ({ ...counters }),
    resetCounters: () => {
      counters = {};
    },
    async stop() {
      operations.stop();
      await service.close();
      state.close();
    },
  };
}

/** What runs already is shown, whether ARM created it or not. */
async function adoptFleet(world: ArmWorld, tags: Record<string, string>): Promise<void> {
  const { state, scope, fleet } = world;
  const id = groupId(world, scope.resourceGroup);
  const location = scope.locations[0] ?? '';
  if (state.get(id) === undefined) {
    state.put({
      id,
      name: scope.resourceGroup,
      type: groupType,
      location,
      properties: { provisioningState: 'Succeeded' },
    });
  }
  for (const name of (await fleet?.listServers()) ?? []) {
    if (serverNamed(world, name) !== undefined) continue;
    setFacts(world, name, { ...factsOf(world, name), ...noFacts, backed: true });
    const administrators = { login: 'Sqlfleet administrators', sid: scope.tenantId, azureADOnlyAuthentication: true };
    state.put(newServer(world, { group: scope.resourceGroup, location, name, tags, properties: { administrators } }));
  }
}

/** `createServer` on a server is `Microsoft.Sql/servers/write`, in the words of the activity log. */
function operationNameOf(action: string, resource: string): string {
  const [, afterProviders = ''] = resource.split(/\/providers\//i);
  const [namespace = '', ...segments] = afterProviders.split('/');
  const type = segments.filter((_, at) => at % 2 === 0).join('/');
  return `${namespace}/${type}/${action.startsWith('delete') ? 'delete' : 'write'}`;
}
