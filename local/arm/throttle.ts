import { z } from 'zod';
import { type Clock } from '../../lib/platform/clock';
import { ServiceError } from '../network/service-error';
import { type ArmState } from './state';

const bucket = z.strictObject({ burst: z.number().positive(), perSecond: z.number().positive() });
/** What is left out is not limited. Azure: reads 250 and 25 a second, writes and deletes 200 and 10. */
export const throttleSchema = z.strictObject({
  reads: bucket.optional(),
  writes: bucket.optional(),
  deletes: bucket.optional(),
});

/**
 * ARM's limits, off unless control sets them: token buckets for the kinds of calls.
 * https://learn.microsoft.com/azure/azure-resource-manager/management/request-limits-and-throttling
 */
export function createThrottle(deps: { state: ArmState; clock: Clock }): { pass(method: string): void } {
  const filled = new Map<string, { tokens: number; atMs: number }>();
  return {
    /** @throws ServiceError 429 with the time after which there is room again. */
    pass(method) {
      const kind = method === 'DELETE' ? 'deletes' : method === 'GET' || method === 'HEAD' ? 'reads' : 'writes';
      const limit = deps.state.note('throttle', throttleSchema)?.[kind];
      if (limit === undefined) return;
      const nowMs = deps.clock.nowMs();
      const before = filled.get(kind) ?? { tokens: limit.burst, atMs: nowMs };
      const refilled = before.tokens + ((nowMs - before.atMs) / 1_000) * limit.perSecond;
      const tokens = Math.min(limit.burst, refilled);
      filled.set(kind, { tokens: tokens < 1 ? tokens : tokens - 1, atMs: nowMs });
      if (tokens >= 1) return;
      const retryAfterSeconds = Math.ceil((1 - tokens) / limit.perSecond);
      const message = `Number of '${kind}' requests for the subscription exceeded the limit. Please try again after '${retryAfterSeconds}' seconds.`;
      throw new ServiceError(429, 'SubscriptionRequestsThrottled', message, {
        'retry-after': String(retryAfterSeconds),
      });
    },
  };
}
