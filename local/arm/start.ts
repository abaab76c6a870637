import { systemClock, type Clock } from '../../lib/platform/clock';
import { type VerifyToken } from '../identity/tokens';
import { type FaultHooks } from '../network/faults';
import { jsonResponse, startHttpService } from '../network/http-service';
import { ServiceError } from '../network/service-error';
import { createAsyncOperations } from './async-operations';
import { createArmRouter } from './router';
import { sqlRoutes, type ArmFleet, type ArmScope } from './sql-resources';

export interface ArmOptions {
  /** 0 picks a free port. */
  port: number;
  /** Required in practice: the SDKs send tokens only inside TLS. */
  tls?: { key: string; cert: string };
  clock?: Clock;
  /** Accepts or refuses Entra tokens. Default: refuses all. */
  verifyToken?: VerifyToken;
  fleet: ArmFleet;
  scope?: Partial<ArmScope>;
  /** How long creating or deleting takes at least. */
  operationMs?: number;
}

export interface Arm extends ArmScope {
  /** For the `endpoint` option of the management SDKs. */
  endpoint: string;
  port: number;
  faults: FaultHooks;
  /** Requests by operation since the start, refused ones too. */
  counters(): Record<string, number>;
  stop(): Promise<void>;
}

const defaultScope: ArmScope = {
  subscriptionId: '00000000-0000-0000-0000-000000000001',
  resourceGroup: 'sqlfleet',
  location: 'westeurope',
  serverQuota: 250,
};
const audiences = ['https://management.azure.com', 'https://management.core.windows.net'];

/** Starts an Azure Resource Manager that shows the embedded fleet to `@azure/arm-sql`. */
export async function startArm(options: ArmOptions): Promise<Arm> {
  const { port, tls, clock = systemClock, verifyToken = () => null, fleet, operationMs = 0 } = options;
  const scope: ArmScope = { ...defaultScope, ...options.scope };
  const operations = createAsyncOperations({ clock, durationMs: operationMs, location: scope.location });
  const router = createArmRouter([operations.route, ...sqlRoutes({ fleet, scope, operations })]);
  let counters: Record<string, number> = {};

  const service = await startHttpService({
    port,
    tls,
    clock,
    operationOf: (request) => router.nameOf(request),
    handle: (request) => {
      const name = router.nameOf(request);
      counters = { ...counters, [name]: (counters[name] ?? 0) + 1 };
      const token = request.headers['authorization']?.replace(/^Bearer /, '') ?? '';
      const accepted = [request.origin, ...audiences].some((audience) => verifyToken(token, audience) !== null);
      if (!request.secure || !accepted) {
        throw new ServiceError(
          401,
          'AuthenticationFailed',
          'A token for Azure Resource Manager is needed, over https.',
        );
      }
      return router.handle(request);
    },
    fail: ({ status, code, message, headers }) => jsonResponse(status, { error: { code, message } }, headers),
  });
  return {
    ...scope,
    endpoint: `https://localhost:${service.port}`,
    port: service.port,
    faults: service.faults,
    counters: () => ({ ...counters }),
    stop: () => service.close(),
  };
}
