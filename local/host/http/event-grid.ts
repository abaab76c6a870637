import { z } from 'zod';
import { type HostFunction } from '../app/bindings';
import { type Invoker } from '../app/invocation';
import { type HostRequest } from '../contract';
import { emptyReply, jsonReply, urlOf, type Reply } from './http-data';

const validationSchema = z.array(z.object({ data: z.object({ validationCode: z.string() }) })).min(1);
const event = z.record(z.string(), z.unknown());
/** Event Grid schema comes as a list; a cloud event alone, or as a list in batched mode. */
const eventsSchema = z.array(event).or(event.transform((single) => [single]));

/**
 * The endpoint that an Event Grid subscription delivers to: `/runtime/webhooks/eventgrid?functionName=…`.
 *
 * 202 once every event was handled; 500 when a function failed, so that Event Grid delivers again (all events of that
 * request: delivery is at least once).
 */
export function createEventGridEndpoint(
  functions: readonly HostFunction[],
  invoker: Invoker,
): (request: HostRequest) => Promise<Reply> {
  return async (request) => {
    if (request.method === 'OPTIONS') return abuseProtection(request);
    if (request.method !== 'POST') return emptyReply(404);
    const name = urlOf(request).searchParams.get('functionName')?.toLowerCase();
    const target = functions.find((candidate) => candidate.name.toLowerCase() === name);
    if (target === undefined) return emptyReply(404);

    const body = parseJson(request.body);
    switch (request.headers['aeg-event-type']) {
      case 'SubscriptionValidation': {
        const [validation] = validationSchema.safeParse(body).data ?? [];
        if (validation === undefined) return emptyReply(400);
        return jsonReply(200, { validationResponse: validation.data.validationCode });
      }
      case 'Notification': {
        const events = eventsSchema.safeParse(body);
        if (!events.success) return emptyReply(400);
        const results = await Promise.allSettled(
          events.data.map((single) => invoker.invoke(target, { json: JSON.stringify(single) })),
        );
        return emptyReply(results.every((result) => result.status === 'fulfilled') ? 202 : 500);
      }
      case 'Unsubscribe':
        return emptyReply(202);
      default:
        return emptyReply(400);
    }
  };
}

/** The handshake of CloudEvents webhooks (HTTP 1.1 Web Hooks for Event Delivery §4): allow whoever asks with the key. */
function abuseProtection(request: HostRequest): Reply {
  const origin = request.headers['webhook-request-origin'];
  if (origin === undefined) return emptyReply(400);
  const rate = request.headers['webhook-request-rate'];
  return {
    status: 200,
    headers: { 'webhook-allowed-origin': origin, ...(rate !== undefined && { 'webhook-allowed-rate': rate }) },
    body: '',
  };
}

function parseJson(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'));
  } catch {
    return undefined;
  }
}
