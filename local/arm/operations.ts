import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import { type Clock } from '../../lib/platform/clock';
import { messageOf } from '../../lib/platform/errors';
import { jsonResponse, type ServiceRequest, type ServiceResponse } from '../network/http-service';
import { ServiceError } from '../network/service-error';
import { type Caller, callerSchema } from './activity';
import { type ArmFaults } from './faults';
import { type ArmRoute } from './router';
import { type ArmState } from './state';

/** Does the work of an operation. It may run again after a restart, so it has to be idempotent. */
export type PerformAction = (resource: string, input: unknown) => Promise<void>;

/**
 * Long-running operations as ARM answers them: 202 with URLs to ask for the state. They are kept in the state: after a
 * restart those that had not ended go on, and all of them can still be asked for.
 *
 * Protocol: https://learn.microsoft.com/azure/azure-resource-manager/management/async-operations
 */
export interface Operations {
  /** What an action does; before `resume`. */
  define(action: string, perform: PerformAction): void;
  /** Starts an action and answers 202 at once. What the action throws becomes the operation's error. */
  accept(request: ServiceRequest, action: string, resource: string, input?: unknown): ServiceResponse;
  /** The action that changes a resource right now. */
  running(resource: string): string | undefined;
  /** What actions of a kind that have not ended were asked to do. */
  inputsOf(action: string): unknown[];
  /** Goes on with what a restart interrupted. */
  resume(): void;
  /** Lets operations end that a fault holds. */
  release(): void;
  routes: ArmRoute[];
  stop(): void;
}

const operationSchema = z.object({
  action: z.string(),
  resource: z.string(),
  input: z.unknown(),
  caller: callerSchema.nullable().default(null),
  status: z.enum(['InProgress', 'Succeeded', 'Failed']),
  startTime: z.string(),
  dueAtMs: z.number(),
  error: z.object({ code: z.string(), message: z.string() }).optional(),
});
type Operation = z.infer<typeof operationSchema>;

/** How operations behave, changed by control. */
export const operationTimesSchema = z.strictObject({
  /** How long each takes at least, so that clients have something to wait for. */
  durationMs: z.int().min(0).default(0),
  /** Clients wait for as long as `Retry-After` says, whatever interval they were given. */
  retryAfterSeconds: z.int().min(0).default(0),
});
export type OperationTimes = z.infer<typeof operationTimesSchema>;

const maximumEnded = 2_000;
const place = '/subscriptions/{subscription}/providers/Microsoft.Sql/locations/{location}';

export function createOperations(deps: {
  state: ArmState;
  clock: Clock;
  faults: ArmFaults;
  subscriptionId: string;
  defaultTimes: OperationTimes;
  /** Told of each operation that ended. */
  onEnd: (operation: { action: string; resource: string; succeeded: boolean; caller: Caller | null }) => void;
  callerOf: (request: ServiceRequest) => Caller | null;
}): Operations {
  const { state, clock, faults } = deps;
  const actions = new Map<string, PerformAction>();
  const operations = new Map<string, Operation>();
  const stopped = new AbortController();
  const held: (() => void)[] = [];
  for (const [key, operation] of state.notesUnder('operation/', operationSchema)) {
    operations.set(key.slice('operation/'.length), operation);
  }
  const times = (): OperationTimes => state.note('operationTimes', operationTimesSchema) ?? deps.defaultTimes;
  const save = (id: string, operation: Operation): void => {
    operations.set(id, operation);
    state.setNote(`operation/${id}`, operation);
  };
  const forgetOldest = (): void => {
    for (const [id, { status }] of operations) {
      if (operations.size <= maximumEnded) return;
      if (status === 'InProgress') continue;
      operations.delete(id);
      state.setNote(`operation/${id}`, undefined);
    }
  };

  const perform = async (id: string, operation: Operation): Promise<void> => {
    const { action, resource } = operation;
    try {
      const waitMs = operation.dueAtMs - clock.nowMs();
      if (waitMs > 0) await clock.sleep(waitMs, stopped.signal);
      const fault = faults.atOperation(action, resource);
      if (fault?.kind === 'failOperation') throw new ServiceError(500, fault.code, fault.message);
      if (fault?.kind === 'holdOperation') await new Promise<void>((resolve) => void held.push(resolve));
      if (stopped.signal.aborted) return;
      await actions.get(action)?.(resource, operation.input);
      save(id, { ...operation, input: null, status: 'Succeeded' });
    } catch (error) {
      if (stopped.signal.aborted) return;
      const code = error instanceof ServiceError ? error.code : 'InternalServerError';
      save(id, { ...operation, input: null, status: 'Failed', error: { code, message: messageOf(error) } });
    }
    const succeeded = operations.get(id)?.status === 'Succeeded';
    deps.onEnd({ action, resource, succeeded, caller: operation.caller });
    forgetOldest();
  };
  const find = (id = ''): Operation => {
    const operation = operations.get(id);
    if (operation === undefined) throw new ServiceError(404, 'OperationNotFound', `There is no operation ${id}.`);
    return operation;
  };
  const headersOf = (request: ServiceRequest, id: string): Record<string, string> => {
    const location = state.get(operations.get(id)?.resource ?? '')?.location ?? 'westeurope';
    const base = `${request.origin}/subscriptions/${deps.subscriptionId}/providers/Microsoft.Sql/locations/${location}`;
    const query = `api-version=${request.query.get('api-version') ?? ''}`;
    return {
      'azure-asyncoperation': `${base}/operations/${id}?${query}`,
      location: `${base}/operationResults/${id}?${query}`,
      'retry-after': String(times().retryAfterSeconds),
    };
  };

  return {
    define: (action, work) => void actions.set(action, work),
    accept(request, action, resource, input = null) {
      const id = randomUUID();
      const nowMs = clock.nowMs();
      const startTime = new Date(nowMs).toISOString();
      const operation: Operation = {
        ...{ action, resource, input, startTime, caller: deps.callerOf(request) },
        status: 'InProgress',
        dueAtMs: nowMs + times().durationMs,
      };
      save(id, operation);
      void perform(id, operation);
      return jsonResponse(202, { operation: action, startTime }, headersOf(request, id));
    },
    running: (resource) =>
      [...operations.values()].find(
        (each) => each.status === 'InProgress' && each.resource.toLowerCase() === resource.toLowerCase(),
      )?.action,
    inputsOf: (action) =>
      [...operations.values()].flatMap((each) =>
        each.status === 'InProgress' && each.action === action ? [each.input] : [],
      ),
    resume() {
      for (const [id, operation] of operations) if (operation.status === 'InProgress') void perform(id, operation);
    },
    release() {
      for (const resolve of held.splice(0)) resolve();
    },
    routes: [
      {
        name: 'readOperation',
        method: 'GET',
        path: `${place}/operations/{operation}`,
        handle({ operation: id = '' }) {
          const { status, startTime, error } = find(id);
          const headers = { 'retry-after': String(times().retryAfterSeconds) };
          return jsonResponse(200, { name: id, status, startTime, ...(error && { error }) }, headers);
        },
      },
      {
        name: 'readOperationResult',
        method: 'GET',
        path: `${place}/operationResults/{operation}`,
        handle({ operation: id = '' }, request) {
          const { status, resource, error } = find(id);
          if (status === 'InProgress') return { status: 202, headers: headersOf(request, id) };
          if (status === 'Failed') throw new ServiceError(409, error?.code ?? '', error?.message ?? '');
          const result = state.get(resource);
          return result === undefined ? { status: 204 } : jsonResponse(200, result);
        },
      },
    ],
    stop() {
      stopped.abort();
      for (const resolve of held.splice(0)) resolve();
    },
  };
}
