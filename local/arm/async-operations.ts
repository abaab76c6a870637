import { randomUUID } from 'node:crypto';
import { type Clock } from '../../lib/platform/clock';
import { messageOf } from '../../lib/platform/errors';
import { jsonResponse, type ServiceRequest, type ServiceResponse } from '../network/http-service';
import { ServiceError } from '../network/service-error';
import { type ArmRoute } from './router';

/**
 * Long-running operations as ARM answers them: 202 with a URL to ask for the state. They live in memory: after a restart
 * their URLs answer 404, while what they have created stays.
 *
 * Protocol: https://learn.microsoft.com/azure/azure-resource-manager/management/async-operations
 */
export interface AsyncOperations {
  /** Starts `work` and answers 202 at once. A rejection of `work` becomes the operation's error. */
  accept(request: ServiceRequest, subscriptionId: string, work: () => Promise<void>): ServiceResponse;
  route: ArmRoute;
}

interface Operation {
  status: 'InProgress' | 'Succeeded' | 'Failed';
  startTime: string;
  error?: { code: string; message: string };
}

const path = '/subscriptions/{subscription}/providers/Microsoft.Sql/locations/{location}/operations/{operation}';

/** `durationMs`: how long every operation takes at least, so that clients have something to wait for. */
export function createAsyncOperations(deps: { clock: Clock; durationMs: number; location: string }): AsyncOperations {
  const operations = new Map<string, Operation>();
  return {
    accept(request, subscriptionId, work) {
      const id = randomUUID();
      const operation: Operation = { status: 'InProgress', startTime: new Date(deps.clock.nowMs()).toISOString() };
      operations.set(id, operation);
      const perform = async (): Promise<void> => {
        try {
          if (deps.durationMs > 0) await deps.clock.sleep(deps.durationMs);
          await work();
          operation.status = 'Succeeded';
        } catch (error) {
          const code = error instanceof ServiceError ? error.code : 'InternalServerError';
          Object.assign(operation, { status: 'Failed', error: { code, message: messageOf(error) } });
        }
      };
      void perform();
      const relative = path
        .replace('{subscription}', subscriptionId)
        .replace('{location}', deps.location)
        .replace('{operation}', id);
      const url = `${request.origin}${relative}?api-version=${request.query.get('api-version') ?? ''}`;
      // Clients wait for as long as Retry-After says, whatever interval they were given.
      const headers = { 'azure-asyncoperation': url, 'retry-after': '0' };
      return jsonResponse(202, { operation: id, startTime: operation.startTime }, headers);
    },
    route: {
      name: 'readOperation',
      method: 'GET',
      path,
      async handle({ operation: id = '' }) {
        const operation = operations.get(id);
        if (operation === undefined) throw new ServiceError(404, 'OperationNotFound', `There is no operation ${id}.`);
        return jsonResponse(200, { name: id, ...operation }, { 'retry-after': '0' });
      },
    },
  };
}
