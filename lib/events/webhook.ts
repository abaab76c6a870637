import { createHash, timingSafeEqual } from 'node:crypto';
import { z } from 'zod';
import { type TokenCheck } from '../platform/entra-tokens';
import { AppError, messageOf } from '../platform/errors';
import { isTrustedTopic } from './envelope';

/** What the webhook says to its callers before any event is looked at. */

export interface WebhookDeps {
  /** Any of them opens the door. */
  keys: readonly string[];
  /** Absent: Entra is not set up for the webhook. */
  checkToken?: TokenCheck;
  topics: readonly string[];
  origins: readonly string[];
}

/** Header names and their values, as far as they were sent. */
export interface Headers {
  get(name: string): string | null;
}

export const keyHeader = 'x-sqlfleet-event-key';

/** As Event Grid sends at most, and some air. */
export const largestBodyBytes = 1_100_000;
/** As many as Event Grid can be set to send in one delivery: no setting of a subscription makes events be lost here. */
export const mostEvents = 5_000;
/** Asked for by subscribers in their handshake, in deliveries per minute. */
const highestRate = 12_000;

/** The parts of a subscription's validation that are answered. `validationUrl` is not among them: it is never followed. */
const validationSchema = z
  .array(z.object({ topic: z.string(), data: z.object({ validationCode: z.string().min(1).max(512) }) }))
  .length(1);

export function createWebhook(deps: WebhookDeps) {
  const digests = deps.keys.map(digest);

  return {
    /**
     * @throws AppError `events.unauthorized` (401): Event Grid does not try again, because nothing would change;
     *   `events.webhookClosed` (503) where nothing is set up that could open it: it tries again until somebody has
     */
    async authorize(headers: Headers): Promise<void> {
      if (digests.length === 0 && deps.checkToken === undefined) {
        const message =
          'The webhook is closed: set SQLFLEET_EVENTS_KEYS, or SQLFLEET_EVENTS_ENTRA_TENANT and _AUDIENCE.';
        throw new AppError('events.webhookClosed', message, { status: 503 });
      }
      const shown = headers.get(keyHeader);
      if (shown !== null && isAnyOf(digest(shown), digests)) return;
      const token = /^Bearer +(\S+)$/i.exec(headers.get('authorization') ?? '')?.[1];
      if (token !== undefined && deps.checkToken !== undefined) {
        const check = await deps.checkToken(token);
        if (check.trusted) return;
        throw unauthorized(`The token is not accepted: ${check.why}.`);
      }
      throw unauthorized(`Show a key in ${keyHeader}, or a token of Entra.`);
    },

    /**
     * The handshake of the Event Grid schema. It needs no key, because Event Grid does not promise to send one along; all
     * that a forger gets is his own code back, and only for topics that are expected.
     */
    validationResponse(body: unknown): { validationResponse: string } {
      const validation = validationSchema.safeParse(body);
      const [event] = validation.data ?? [];
      if (event === undefined) throw badRequest('events.malformed', 'This is no validation of a subscription.');
      if (!isTrustedTopic(event.topic, deps.topics)) {
        const message = 'Events of this topic are not expected here. Add it to SQLFLEET_EVENTS_TOPICS.';
        throw new AppError('events.topicNotAllowed', message, { status: 403 });
      }
      return { validationResponse: event.data.validationCode };
    },

    /**
     * The handshake of CloudEvents (HTTP 1.1 Web Hooks for Event Delivery, section 4). `WebHook-Request-Callback` is never
     * followed. null: the origin may not deliver here.
     */
    handshakeHeaders(headers: Headers): Record<string, string> | null {
      const origin = headers.get('webhook-request-origin')?.trim().toLowerCase() ?? '';
      if (!deps.origins.includes(origin)) return null;
      const rate = Number(headers.get('webhook-request-rate'));
      const allowedRate = Number.isInteger(rate) && rate > 0 ? Math.min(rate, highestRate) : highestRate;
      return { 'webhook-allowed-origin': origin, 'webhook-allowed-rate': String(allowedRate), allow: 'POST' };
    },

    /**
     * The events of a delivery: a list in the Event Grid schema, one CloudEvent, or a batch of them; or one whose
     * attributes are headers (binary mode). What is in another form is refused with 400, which is one of the few answers
     * after which Event Grid does not send the same again.
     */
    eventsOf(headers: Headers, body: Buffer): unknown[] {
      const encoding = headers.get('content-encoding') ?? 'identity';
      if (encoding.toLowerCase() !== 'identity') {
        throw badRequest('events.encoding', `Send the body as it is: ${encoding} is not unpacked here.`);
      }
      const mediaType = (headers.get('content-type') ?? '').split(';')[0]?.trim().toLowerCase() ?? '';
      const value = parsedJson(body);
      const isList = Array.isArray(value);
      const isJson = mediaType === 'application/json';
      if (isJson && headers.get('ce-specversion') !== null) return [binaryEvent(headers, value)];
      const fits =
        (isJson && isList) ||
        (mediaType === 'application/cloudevents-batch+json' && isList) ||
        (mediaType === 'application/cloudevents+json' && !isList);
      if (!fits) {
        const message =
          'Send a list as application/json or application/cloudevents-batch+json, or one event as application/cloudevents+json.';
        throw badRequest('events.mediaType', message);
      }
      const events: unknown[] = isList ? value : [value];
      if (events.length <= mostEvents) return events;
      throw new AppError(
        'events.tooMany',
        `The delivery has ${events.length} events; at most ${mostEvents} are taken. Set maxEventsPerBatch of the subscription.`,
        { status: 413 },
      );
    },

    parsedJson,
  };
}
export type Webhook = ReturnType<typeof createWebhook>;

function parsedJson(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8').replace(/^\uFEFF/, ''));
  } catch (error) {
    throw badRequest('request.notJson', `The body is not JSON: ${messageOf(error)}`);
  }
}

const attributes = ['specversion', 'id', 'source', 'type', 'subject', 'time'];

/** CloudEvents over HTTP, binary mode: each attribute is a header, with what a header cannot carry percent-encoded. */
function binaryEvent(headers: Headers, data: unknown): unknown {
  const pairs = attributes.flatMap((name) => {
    const value = headers.get(`ce-${name}`);
    return value === null ? [] : [[name, decoded(value)]];
  });
  return { ...Object.fromEntries(pairs), data };
}

function decoded(value: string): string {
  try {
    return decodeURIComponent(value);
  } catch {
    return value;
  }
}

/** Digests have one length, so the comparison takes the same time whatever was shown, and however long it is. */
function digest(secret: string): Buffer {
  return createHash('sha256').update(secret).digest();
}

function isAnyOf(shown: Buffer, digests: readonly Buffer[]): boolean {
  // Every one is compared: where it stops early would tell which one it was.
  return digests.map((each) => timingSafeEqual(shown, each)).includes(true);
}

function badRequest(code: string, message: string): AppError {
  return new AppError(code, message, { status: 400 });
}

function unauthorized(message: string): AppError {
  return new AppError('events.unauthorized', message, { status: 401 });
}
