import { type HttpRequest } from '@azure/functions';
import { z } from 'zod';
import {
  changeRoutesSchema,
  type EventDocument,
  eventStateSchema,
  eventViewSchema,
  rejectedViewSchema,
  replaySchema,
  routesSchema,
} from '../lib/events/schema';
import { type EventServices } from '../lib/events/services';
import { keyHeader, largestBodyBytes, mostEvents, type Webhook } from '../lib/events/webhook';
import { orchestrationsOf } from '../lib/platform/durable';
import { AppError } from '../lib/platform/errors';
import {
  continuationCodec,
  oneOrMore,
  pagingQuery,
  parsed,
  problemSchema,
  queryOf,
  refuseLargerThan,
  type Route,
} from '../lib/platform/http';
import { bodyWithActor } from './acting';

const problem = (description: string) => ({ description, body: problemSchema, mediaType: 'application/problem+json' });
const pageOf = <T extends z.ZodType>(item: T) =>
  z.object({ items: z.array(item), continuation: z.string().nullable() });
const listQuery = z.strictObject({ state: oneOrMore(eventStateSchema), ...pagingQuery });
const rejectedQuery = z.strictObject(pagingQuery);

const receiptSchema = z.object({
  result: z.enum(['accepted', 'ignored', 'duplicate', 'rejected']),
  event: z.string().optional(),
  code: z.string().optional(),
  reason: z.string().optional(),
});
const receiptsSchema = z.object({ events: z.array(receiptSchema) });
const validationResponseSchema = z.object({ validationResponse: z.string() });

export interface EventParts {
  events: EventServices;
  eventWebhook: Webhook;
}

/** The HTTP API of events, as data: the webhook for Event Grid, and what became of what it delivered. */
export function eventRoutes(parts: () => EventParts): Route[] {
  return [
    {
      operationId: 'receiveEvents',
      method: 'POST',
      authLevel: 'anonymous',
      path: 'events',
      summary: 'The webhook for Event Grid: its own schema, or CloudEvents 1.0, one or many.',
      requestHeaders: {
        [keyHeader]: 'One of the keys in SQLFLEET_EVENTS_KEYS; or `Authorization: Bearer` with a token of Entra.',
        'aeg-event-type': 'SubscriptionValidation, Notification or SubscriptionDeletion.',
      },
      body: {
        'application/json': z.array(z.looseObject({})),
        'application/cloudevents+json': z.looseObject({}),
        'application/cloudevents-batch+json': z.array(z.looseObject({})),
      },
      responses: {
        200: {
          description: 'Stored: what it starts survives a crash. Also for events that are kept as rejected.',
          body: z.union([receiptsSchema, validationResponseSchema]),
        },
        400: problem('Not JSON, or neither schema.'),
        401: problem('No key, and no token.'),
        403: problem('A subscription of a topic that is not expected.'),
        413: problem(`More than ${mostEvents} events, or more than ${largestBodyBytes} bytes.`),
        503: problem('Not stored: deliver it again.'),
      },
      async handle(request, context) {
        const { events, eventWebhook } = parts();
        const kind = request.headers.get('aeg-event-type')?.toLowerCase() ?? '';
        if (kind === 'subscriptionvalidation') {
          const validation = eventWebhook.parsedJson(await boundedBody(request));
          return { jsonBody: eventWebhook.validationResponse(validation) };
        }
        await eventWebhook.authorize(request.headers);
        const body = await boundedBody(request);
        if (kind === 'subscriptiondeletion' || kind === 'unsubscribe') return { jsonBody: { events: [] } };
        const delivery = eventWebhook.eventsOf(request.headers, body);
        return { jsonBody: { events: await events.receive(delivery, orchestrationsOf(context)) } };
      },
    },
    {
      operationId: 'allowEvents',
      method: 'OPTIONS',
      authLevel: 'anonymous',
      path: 'events',
      summary: 'The handshake of CloudEvents webhooks.',
      requestHeaders: {
        'WebHook-Request-Origin': 'Who wants to deliver.',
        'WebHook-Request-Rate': 'How often, per minute.',
      },
      responses: {
        200: {
          description: 'It may.',
          headers: { 'WebHook-Allowed-Origin': 'The origin.', 'WebHook-Allowed-Rate': 'Deliveries per minute.' },
        },
        403: problem('It may not.'),
      },
      async handle(request) {
        const headers = parts().eventWebhook.handshakeHeaders(request.headers);
        if (headers !== null) return { status: 200, headers };
        throw new AppError(
          'events.originNotAllowed',
          'This origin may not deliver here. See SQLFLEET_EVENTS_ORIGINS.',
          {
            status: 403,
          },
        );
      },
    },
    {
      operationId: 'listEvents',
      method: 'GET',
      path: 'events',
      summary: 'Events that were taken in, newest first, and what each started.',
      query: listQuery,
      responses: { 200: { description: 'A page.', body: pageOf(eventViewSchema) }, 400: problem('Unusable query.') },
      async handle(request) {
        const { state, pageSize, continuation } = parsed(listQuery, queryOf(request), 'query');
        const page = await parts().events.list({
          states: state ?? [],
          pageSize,
          continuation: continuationCodec.decode(continuation),
        });
        return {
          jsonBody: { items: page.items.map(eventView), continuation: continuationCodec.encode(page.continuation) },
        };
      },
    },
    {
      operationId: 'listRejectedEvents',
      method: 'GET',
      path: 'events/rejected',
      summary: 'Events that were delivered and could not be used, with the reason, newest first.',
      query: rejectedQuery,
      responses: { 200: { description: 'A page.', body: pageOf(rejectedViewSchema) }, 400: problem('Unusable query.') },
      async handle(request) {
        const { pageSize, continuation } = parsed(rejectedQuery, queryOf(request), 'query');
        const page = await parts().events.listRejected({
          pageSize,
          continuation: continuationCodec.decode(continuation),
        });
        const items = page.items.map(({ createdAt, ...rest }) =>
          rejectedViewSchema.parse({ ...rest, receivedAt: createdAt }),
        );
        return { jsonBody: { items, continuation: continuationCodec.encode(page.continuation) } };
      },
    },
    {
      operationId: 'getEvent',
      method: 'GET',
      path: 'events/received/{eventId}',
      summary: 'One event.',
      responses: { 200: { description: 'The event.', body: eventViewSchema }, 404: problem('It is not remembered.') },
      async handle(request) {
        return { jsonBody: eventView(await parts().events.find(request.params.eventId ?? '')) };
      },
    },
    {
      operationId: 'replayEvent',
      method: 'POST',
      path: 'events/received/{eventId}/replay',
      summary: 'Act on an event once more, by the routes of now. What it started before it does not start again.',
      body: { 'application/json': replaySchema },
      responses: {
        202: { description: 'It is being acted on.', body: eventViewSchema },
        400: problem('Not usable; every problem with its place.'),
        404: problem('It is not remembered.'),
      },
      async handle(request, context) {
        const by = parsed(replaySchema, await bodyWithActor(request), 'body');
        const event = await parts().events.replay(request.params.eventId ?? '', by, orchestrationsOf(context));
        return { status: 202, jsonBody: eventView(event) };
      },
    },
    {
      operationId: 'replayRejectedEvent',
      method: 'POST',
      path: 'events/rejected/{eventId}/replay',
      summary: 'Take in once more an event that was rejected, after a topic or a sender was corrected.',
      body: { 'application/json': replaySchema },
      responses: {
        200: { description: 'What became of it.', body: receiptSchema },
        400: problem('Not usable; every problem with its place.'),
        404: problem('It is not remembered.'),
        409: problem('Only a part of it was kept.'),
      },
      async handle(request, context) {
        const by = parsed(replaySchema, await bodyWithActor(request), 'body');
        const id = request.params.eventId ?? '';
        return { jsonBody: await parts().events.replayRejected(id, by, orchestrationsOf(context)) };
      },
    },
    {
      operationId: 'getEventRoutes',
      method: 'GET',
      path: 'event-routes',
      summary: 'What events start.',
      responses: {
        200: {
          description: 'The routes. Without an ETag they are the built-in ones.',
          body: routesSchema,
          headers: { ETag: 'For If-Match.' },
        },
      },
      async handle() {
        const { routes, etag } = await parts().events.readRoutes();
        return { jsonBody: routes, ...(etag === null ? {} : { headers: { etag } }) };
      },
    },
    {
      operationId: 'putEventRoutes',
      method: 'PUT',
      path: 'event-routes',
      summary: 'Replace what events start, as a whole.',
      requestHeaders: { 'If-Match': 'The ETag that was read; absent: there were only the built-in routes.' },
      body: { 'application/json': changeRoutesSchema },
      responses: {
        200: { description: 'Written.', body: routesSchema },
        400: problem('Not usable; every problem with its place.'),
        412: problem('Changed in between.'),
      },
      async handle(request) {
        const { routes, actor, reason } = parsed(changeRoutesSchema, await bodyWithActor(request), 'body');
        const value = parsed(routesSchema, { routes }, 'body');
        await parts().events.writeRoutes(value, request.headers.get('if-match'), { actor, reason });
        return { jsonBody: value };
      },
    },
  ];
}

function eventView({ createdAt, ...event }: EventDocument): z.infer<typeof eventViewSchema> {
  return eventViewSchema.parse({ ...event, receivedAt: createdAt });
}

/** Reads no further than what is allowed, whatever length was declared, or none. */
async function boundedBody(request: HttpRequest): Promise<Buffer> {
  refuseLargerThan(request, largestBodyBytes);
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of request.body ?? []) {
    const bytes: Uint8Array = Buffer.from(chunk);
    length += bytes.length;
    if (length > largestBodyBytes) {
      throw new AppError('request.tooLarge', `A delivery may have ${largestBodyBytes} bytes at most.`, { status: 413 });
    }
    chunks.push(bytes);
  }
  return Buffer.concat(chunks);
}
