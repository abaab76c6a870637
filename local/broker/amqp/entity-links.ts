import { BrokerError, conditions } from '../core/errors';
import { type Deadlines } from '../core/deadlines';
import { type Intake, type SentMessage } from '../core/intake';
import { type Mailbox } from '../core/mailbox';
import { type Settlement, type StoredMessage } from '../core/message';
import { type SessionConsumer } from '../core/sessions';
import {
  deliveryTag,
  dotNetTicks,
  encodeDelivery,
  long,
  readFacts,
  recordOf,
  scalarsOf,
  splitBatch,
  withMessageId,
} from './codec';
import { type IncomingHandler, type OutgoingHandler } from './links';
import { accepted, modified, type Outcome, released } from './outcomes';
import { creditLeft, type Delivery, type OutgoingLink, refuseAttach } from './rhea-internals';

const sessionFilter = 'com.microsoft:session-filter';

/** A client sends to a queue or topic. */
export function createSendLink(path: string, intake: Intake, newMessageId: () => string): IncomingHandler {
  return {
    path,
    receive: (bytes, isBatch) => ({
      operation: 'send',
      perform() {
        intake.send((isBatch ? splitBatch(bytes) : [bytes]).map((encoded) => toSent(encoded, newMessageId)));
      },
    }),
  };
}

/** Reads an encoded message for the core. The bytes are copied: they lie in a buffer that the whole socket read shares. */
export function toSent(encoded: Buffer, newMessageId: () => string): SentMessage {
  const { messageId, sessionId, timeToLiveMs, scheduledForMs } = readFacts(encoded);
  if (messageId !== null) {
    return { content: { messageId, sessionId, timeToLiveMs, payload: Buffer.from(encoded) }, scheduledForMs };
  }
  const assigned = newMessageId();
  const payload = withMessageId(encoded, assigned);
  return { content: { messageId: assigned, sessionId, timeToLiveMs, payload }, scheduledForMs };
}

/** A client receives from a queue, subscription or dead-letter queue: messages, or one session's messages. */
export function createReceiveLink(
  path: string,
  mailbox: Mailbox,
  link: OutgoingLink,
  deadlines: Deadlines,
): OutgoingHandler {
  const filter = recordOf(link.source.filter);
  const wantsSession = sessionFilter in filter;
  if (wantsSession !== mailbox.settings.requiresSession) {
    throw new BrokerError(
      conditions.notAllowed,
      wantsSession
        ? `'${path}' does not use sessions: create a receiver without one.`
        : `'${path}' requires sessions: accept a session to receive from it.`,
    );
  }
  return wantsSession
    ? sessionLink(path, mailbox, link, deadlines, filter[sessionFilter])
    : messageLink(path, mailbox, link);
}

function messageLink(path: string, mailbox: Mailbox, link: OutgoingLink): OutgoingHandler {
  const lockTokens = new WeakMap<Delivery, string>();
  const consumer = {
    receiveAndDelete: link.snd_settle_mode === 1,
    capacity: () => (link.is_open() ? creditLeft(link) : 0),
    deliver: (message: StoredMessage) => deliver(link, message, lockTokens),
  };
  mailbox.addConsumer(consumer);
  return {
    path,
    flow: mailbox.pump,
    settle: (delivery, outcome) => settle(mailbox, lockTokens.get(delivery), outcome),
    // Locks outlive the link: the client may still settle by token over $management, until they end by themselves.
    closed: () => mailbox.removeConsumer(consumer),
  };
}

function sessionLink(
  path: string,
  mailbox: Mailbox,
  link: OutgoingLink,
  deadlines: Deadlines,
  wanted: unknown,
): OutgoingHandler {
  const lockTokens = new WeakMap<Delivery, string>();
  const { sessions } = mailbox;
  const consumer: SessionConsumer = {
    receiveAndDelete: link.snd_settle_mode === 1,
    capacity: () => (link.is_open() ? creditLeft(link) : 0),
    deliver: (message) => deliver(link, message, lockTokens),
    granted(sessionId, lockedUntilMs) {
      giveUp?.cancel();
      link.set_source({ address: link.source.address, filter: { [sessionFilter]: sessionId } });
      link.local.attach.properties = { 'com.microsoft:locked-until-utc': dotNetTicks(lockedUntilMs) };
      link.attach();
    },
    revoked: () => link.close({ condition: conditions.sessionLockLost, description: 'The session lock has expired.' }),
  };

  // As long as the attach is not answered the client goes on waiting; it says itself for how long.
  const timeoutMs: unknown = recordOf(link.properties)['com.microsoft:timeout'];
  const giveUp =
    typeof wanted === 'string'
      ? undefined
      : deadlines.scheduleIn(typeof timeoutMs === 'number' ? timeoutMs : defaultAcceptTimeoutMs, () => {
          sessions.release(consumer, false);
          refuseAttach(link, {
            condition: conditions.timeout,
            description: 'No session became available within the time that was given.',
          });
        });
  if (typeof wanted === 'string') {
    sessions.accept(wanted, consumer);
  } else {
    sessions.acceptNext(consumer);
  }
  return {
    path,
    attachesLater: true,
    flow: () => sessions.pump(consumer),
    settle: (delivery, outcome) => settle(mailbox, lockTokens.get(delivery), outcome),
    closed(connectionLost) {
      giveUp?.cancel();
      sessions.release(consumer, connectionLost);
    },
  };
}

const defaultAcceptTimeoutMs = 60_000;

function deliver(link: OutgoingLink, message: StoredMessage, lockTokens: WeakMap<Delivery, string>): void {
  const token = message.lock?.token;
  const delivery = link.send(encodeStored(message), token === undefined ? undefined : deliveryTag(token), 0);
  if (token !== undefined) lockTokens.set(delivery, token);
}

/** A stored message as clients get to see it, by whatever way. */
export function encodeStored(message: StoredMessage, extraAnnotations: Record<string, unknown> = {}): Buffer {
  const { sequenceNumber, enqueuedSequenceNumber, enqueuedAtMs, deadLetterSource, lock } = message;
  return encodeDelivery(message.content.payload, {
    deliveryCount: message.deliveryCount,
    timeToLiveMs: message.content.timeToLiveMs,
    changedProperties: message.changedProperties,
    annotations: {
      'x-opt-sequence-number': long(sequenceNumber),
      'x-opt-enqueue-sequence-number': long(enqueuedSequenceNumber),
      'x-opt-enqueued-time': new Date(enqueuedAtMs),
      ...(lock === null ? {} : { 'x-opt-locked-until': new Date(lock.untilMs) }),
      ...(deadLetterSource === null ? {} : { 'x-opt-deadletter-source': deadLetterSource }),
      ...extraAnnotations,
    },
  });
}

function settle(mailbox: Mailbox, lockToken: string | undefined, outcome: Outcome): unknown {
  if (lockToken === undefined) return accepted(); // was deleted when it was delivered
  if (outcome.kind === 'released') {
    mailbox.unlock(lockToken);
    return released();
  }
  mailbox.settle(lockToken, settlementOf(outcome));
  return outcome.kind === 'modified' ? modified(outcome.undeliverableHere) : accepted();
}

function settlementOf(outcome: Exclude<Outcome, { kind: 'released' }>): Settlement {
  switch (outcome.kind) {
    case 'accepted':
      return { kind: 'complete' };
    case 'modified':
      return { kind: outcome.undeliverableHere ? 'defer' : 'abandon', properties: scalarsOf(outcome.annotations) };
    case 'rejected': {
      const {
        DeadLetterReason: reason,
        DeadLetterErrorDescription: description,
        ...properties
      } = scalarsOf(outcome.info);
      return {
        kind: 'deadLetter',
        reason: typeof reason === 'string' ? reason : null,
        description: typeof description === 'string' ? description : outcome.description,
        properties,
      };
    }
  }
}
