import { z } from 'zod';
import { BrokerError, conditions } from '../core/errors';
import { type Mailbox } from '../core/mailbox';
import { type Settlement, type StoredMessage } from '../core/message';
import { type Namespace } from '../core/namespace';
import { type ScheduledMessage } from '../core/restore';
import { encodeDelivery, long, scalarsOf, uuidBytes, uuidText } from './codec';
import { encodeStored, toSent } from './entity-links';
import { noContent, ok, type Request, type RequestHandler, type Response } from './request-response';
import { types } from './rhea-internals';
import { type ClientConnection } from './server';

const bytes = z.instanceof(Buffer);
/** AMQP longs arrive as numbers, or as 8 bytes where a number is not exact. */
const sequenceNumber = z.union([z.number(), bytes.transform((value) => Number(value.readBigInt64BE()))]);
const sequenceNumbers = z.object({ 'sequence-numbers': z.array(sequenceNumber).min(1) });
const lockTokens = z.object({ 'lock-tokens': z.array(bytes.transform(uuidText)).min(1) });
const session = z.object({ 'session-id': z.string() });
const optionalSession = z.object({ 'session-id': z.string().nullish() });
const sessionState = session.extend({ 'session-state': bytes.nullish() });
const peek = optionalSession.extend({ 'from-sequence-number': sequenceNumber, 'message-count': z.number() });
const schedule = z.object({ messages: z.array(z.object({ message: bytes })).min(1) });
const receive = sequenceNumbers.extend({ 'session-id': z.string().nullish(), 'receiver-settle-mode': z.number() });
const disposition = lockTokens.extend({
  'disposition-status': z.enum(['completed', 'abandoned', 'defered', 'suspended']),
  'deadletter-reason': z.string().nullish(),
  'deadletter-description': z.string().nullish(),
  'properties-to-modify': z.unknown().optional(),
});

const messageState = { deferred: 1, scheduled: 2 } as const;

export interface ManagementDeps {
  namespace: Namespace;
  /** Path of the entity whose `$management` this is. */
  path: string;
  connection: ClientConnection;
  newMessageId: () => string;
}

/** Answers the requests that clients make of an entity beside sending and receiving. */
export function createManagementHandler({ namespace, path, connection, newMessageId }: ManagementDeps): RequestHandler {
  const address = `${path}/$management`; // which is what clients present a token for
  const receiving = (): Mailbox => {
    connection.authorize(address, 'Listen');
    return namespace.mailboxOf(path);
  };

  const operations: Record<string, (body: unknown) => Response> = {
    'com.microsoft:renew-lock'(body) {
      const tokens = read(lockTokens, body)['lock-tokens'];
      return ok({ expirations: timestamps(tokens.map(receiving().renewLock)) });
    },
    'com.microsoft:renew-session-lock'(body) {
      return ok({ expiration: new Date(receiving().sessions.renew(read(session, body)['session-id'])) });
    },
    'com.microsoft:get-session-state'(body) {
      const state = receiving().sessions.get(read(session, body)['session-id'])?.state ?? null;
      return ok({ 'session-state': state });
    },
    'com.microsoft:set-session-state'(body) {
      const { 'session-id': sessionId, 'session-state': state } = read(sessionState, body);
      receiving().setSessionState(sessionId, state ?? null);
      return ok();
    },
    'com.microsoft:peek-message'(body) {
      const { 'from-sequence-number': from, 'message-count': count, ...rest } = read(peek, body);
      const sessionId = rest['session-id'] ?? null;
      const stored = receiving()
        .peek(from, count, sessionId)
        .map((message) => ({
          sequenceNumber: message.sequenceNumber,
          message: encodeStored(message, message.deferred ? { 'x-opt-message-state': messageState.deferred } : {}),
        }));
      const entity = namespace.find(path);
      const scheduled = [...(entity?.intake.scheduled() ?? [])]
        .filter((message) => message.sequenceNumber >= from)
        .filter(({ content }) => sessionId === null || content.sessionId === sessionId)
        .map((message) => ({ sequenceNumber: message.sequenceNumber, message: encodeScheduled(message) }));
      const messages = [...stored, ...scheduled].sort((a, b) => a.sequenceNumber - b.sequenceNumber).slice(0, count);
      return messages.length === 0 ? noContent() : ok({ messages: messages.map(({ message }) => ({ message })) });
    },
    'com.microsoft:schedule-message'(body) {
      connection.authorize(address, 'Send');
      const messages = read(schedule, body).messages.map(({ message }) => toSent(message, newMessageId));
      return ok({ 'sequence-numbers': longs(namespace.intakeOf(path).schedule(messages)) });
    },
    'com.microsoft:cancel-scheduled-message'(body) {
      connection.authorize(address, 'Send');
      namespace.intakeOf(path).cancelScheduled(read(sequenceNumbers, body)['sequence-numbers']);
      return ok();
    },
    'com.microsoft:receive-by-sequence-number'(body) {
      const wanted = read(receive, body);
      const remove = wanted['receiver-settle-mode'] === 0;
      const found = receiving().receiveDeferred(wanted['sequence-numbers'], wanted['session-id'] ?? null, remove);
      return ok({ messages: found.map(deferredMessage) });
    },
    'com.microsoft:update-disposition'(body) {
      const request = read(disposition, body);
      const mailbox = receiving();
      for (const token of request['lock-tokens']) mailbox.settle(token, settlementOf(request));
      return ok();
    },
  };

  return ({ operation, body }: Request) => {
    const perform = operations[operation];
    if (perform !== undefined) return perform(body);
    throw new BrokerError(conditions.notImplemented, `The operation '${operation}' is not supported.`);
  };
}

function settlementOf(request: z.infer<typeof disposition>): Settlement {
  const properties = scalarsOf(request['properties-to-modify']);
  switch (request['disposition-status']) {
    case 'completed':
      return { kind: 'complete' };
    case 'abandoned':
      return { kind: 'abandon', properties };
    case 'defered':
      return { kind: 'defer', properties };
    case 'suspended': {
      const { 'deadletter-reason': reason, 'deadletter-description': description } = request;
      return { kind: 'deadLetter', reason: reason ?? null, description: description ?? null, properties };
    }
  }
}

function deferredMessage(message: StoredMessage): object {
  const { lock } = message;
  return {
    message: encodeStored(message, { 'x-opt-message-state': messageState.deferred }),
    ...(lock === null ? {} : { 'lock-token': types.wrap_uuid(uuidBytes(lock.token)) }),
  };
}

function encodeScheduled({ content, sequenceNumber: number, enqueuedAtMs, dueMs }: ScheduledMessage): Buffer {
  return encodeDelivery(content.payload, {
    annotations: {
      'x-opt-sequence-number': long(number),
      'x-opt-enqueue-sequence-number': long(number),
      'x-opt-enqueued-time': new Date(enqueuedAtMs),
      'x-opt-scheduled-enqueue-time': new Date(dueMs),
      'x-opt-message-state': messageState.scheduled,
    },
  });
}

function read<T>(schema: z.ZodType<T>, body: unknown): T {
  const parsed = schema.safeParse(body);
  if (parsed.success) return parsed.data;
  throw new BrokerError(conditions.argument, `The request is not understood: ${z.prettifyError(parsed.error)}`);
}

const longs = (values: readonly number[]): unknown => types.wrap_array(values, 0x81, undefined);
const timestamps = (values: readonly number[]): unknown => types.wrap_array(values, 0x83, undefined);
