import { type Clock } from '../../../lib/platform/clock';
import { type Deadlines } from './deadlines';
import { BrokerError, conditions } from './errors';
import { type MessageContent, type Properties, type Settlement, type StoredMessage } from './message';
import { createOrderedMessages } from './ordered-messages';
import { type Consumer, createSessions, type Sessions } from './sessions';

export interface MailboxSettings {
  lockDurationMs: number;
  /** A message whose deliveries failed this often is dead-lettered. */
  maxDeliveryCount: number;
  requiresSession: boolean;
  /** null: messages without a time to live of their own stay until they are settled. */
  defaultTimeToLiveMs: number | null;
  deadLetterOnExpiration: boolean;
}

/** Makes a change durable; called before the change takes effect, so that nothing is acknowledged that could be lost. */
export interface MailboxLog {
  removed(sequenceNumber: number): void;
  /** Delivery count, deferral or properties are about to become these. */
  changed(message: StoredMessage, change: MessageChange): void;
  deadLettered(message: StoredMessage, change: MessageChange, deadLetterSequenceNumber: number): void;
  sessionState(sessionId: string, state: Buffer | null): void;
}

export type MessageChange = Pick<StoredMessage, 'deliveryCount' | 'deferred' | 'changedProperties'>;

/** The receiving side of a queue or subscription, or its dead-letter queue: what waits, who holds what, and until when. */
export interface Mailbox {
  readonly path: string;
  readonly settings: MailboxSettings;
  readonly sessions: Sessions;
  /** null for a dead-letter queue. */
  readonly deadLetters: Mailbox | null;
  readonly size: number;
  readonly lastSequenceNumber: number;
  takeSequenceNumber: () => number;
  /** For a restart: the next number is higher than this. */
  raiseSequenceNumber(atLeast: number): void;
  put(message: NewMessage): void;
  messages(): Iterable<StoredMessage>;
  addConsumer(consumer: Consumer): void;
  removeConsumer(consumer: Consumer): void;
  /** A consumer has capacity again. */
  pump: () => void;
  /** @throws BrokerError when the lock is no longer held. */
  settle(lockToken: string, settlement: Settlement): void;
  /** Drops the lock without counting an attempt, for a receiver that returns what it did not look at. */
  unlock(lockToken: string): void;
  /** @returns the new end of the lock. @throws BrokerError when the lock is no longer held. */
  renewLock: (lockToken: string) => number;
  /** Locks (or removes) deferred messages by number. @throws BrokerError when one of them is not there. */
  receiveDeferred(sequenceNumbers: readonly number[], sessionId: string | null, remove: boolean): StoredMessage[];
  peek(fromSequenceNumber: number, maxCount: number, sessionId: string | null): StoredMessage[];
  setSessionState(sessionId: string, state: Buffer | null): void;
}

/** A message as it enters a mailbox: new, restored, or moved from another one. */
export interface NewMessage {
  sequenceNumber: number;
  enqueuedSequenceNumber: number;
  content: MessageContent;
  enqueuedAtMs: number;
  deliveryCount?: number;
  deferred?: boolean;
  changedProperties?: Properties | null;
  deadLetterSource?: string | null;
}

export interface MailboxDeps {
  path: string;
  settings: MailboxSettings;
  clock: Clock;
  deadlines: Deadlines;
  newLockToken: () => string;
  log: MailboxLog;
  deadLetters: Mailbox | null;
  counters: { delivered(): void; settled(kind: Settlement['kind']): void; lockExpired(): void };
}

export function createMailbox(deps: MailboxDeps): Mailbox {
  const { settings, clock, deadlines, log, deadLetters } = deps;
  const messages = new Map<number, StoredMessage>();
  const locks = new Map<string, StoredMessage>();
  const available = createOrderedMessages();
  const consumers = new Set<Consumer>();
  let lastSequenceNumber = 0;

  const lock = (message: StoredMessage, untilMs: number, ownDeadline: boolean): void => {
    const token = deps.newLockToken();
    const deadline = ownDeadline ? deadlines.schedule(untilMs, () => lockExpired(message)) : null;
    message.lock = { token, untilMs, deadline };
    locks.set(token, message);
  };

  const clearLock = (message: StoredMessage): void => {
    if (message.lock === null) return;
    message.lock.deadline?.cancel();
    locks.delete(message.lock.token);
    message.lock = null;
  };

  const remove = (message: StoredMessage): void => {
    clearLock(message);
    message.expiry?.cancel();
    messages.delete(message.sequenceNumber);
    if (settings.requiresSession) sessions.forget(message);
    else available.remove(message);
  };

  const deliver = (consumer: Consumer, message: StoredMessage, sessionLockedUntilMs: number | null): void => {
    deps.counters.delivered();
    if (consumer.receiveAndDelete) {
      log.removed(message.sequenceNumber);
      remove(message);
    } else {
      lock(message, sessionLockedUntilMs ?? clock.nowMs() + settings.lockDurationMs, sessionLockedUntilMs === null);
      if (sessionLockedUntilMs !== null) sessions.ensure(message.content.sessionId ?? '').held.add(message);
    }
    consumer.deliver(message);
  };

  const makeAvailable = (message: StoredMessage): void => {
    if (message.deferred) return;
    if (settings.requiresSession) {
      sessions.add(message);
    } else {
      available.add(message);
      pump();
    }
  };

  const deadLetter = (message: StoredMessage, reason: string | null, description: string | null): void => {
    if (deadLetters === null) {
      throw new BrokerError(conditions.notAllowed, 'A message of a dead-letter queue cannot be dead-lettered again.');
    }
    const changedProperties = merged(message.changedProperties, {
      ...(reason === null ? {} : { DeadLetterReason: reason }),
      ...(description === null ? {} : { DeadLetterErrorDescription: description }),
    });
    const sequenceNumber = deadLetters.takeSequenceNumber();
    const change = { deliveryCount: message.deliveryCount, deferred: false, changedProperties };
    log.deadLettered(message, change, sequenceNumber);
    remove(message);
    deadLetters.put({
      ...change,
      sequenceNumber,
      enqueuedSequenceNumber: message.enqueuedSequenceNumber,
      content: message.content,
      enqueuedAtMs: message.enqueuedAtMs,
      deadLetterSource: deps.path,
    });
  };

  const expire = (message: StoredMessage): void => {
    if (settings.deadLetterOnExpiration && deadLetters !== null) {
      deadLetter(message, 'TTLExpiredException', 'The message expired and was dead lettered.');
    } else {
      log.removed(message.sequenceNumber);
      remove(message);
    }
  };

  /** A receiver no longer has the message: it goes back, or out when its time or its attempts are used up. */
  const giveBack = (message: StoredMessage, countsAsAttempt: boolean, properties: Properties = {}): void => {
    const deliveryCount = message.deliveryCount + (countsAsAttempt ? 1 : 0);
    const changedProperties = merged(message.changedProperties, properties);
    if (deliveryCount !== message.deliveryCount || changedProperties !== message.changedProperties) {
      log.changed(message, { deliveryCount, deferred: message.deferred, changedProperties });
      Object.assign(message, { deliveryCount, changedProperties });
    }
    clearLock(message);
    if (settings.requiresSession) sessions.get(message.content.sessionId ?? '')?.held.delete(message);
    if (message.expiresAtMs !== null && message.expiresAtMs <= clock.nowMs()) {
      expire(message);
    } else if (countsAsAttempt && deadLetters !== null && deliveryCount >= settings.maxDeliveryCount) {
      deadLetter(
        message,
        'MaxDeliveryCountExceeded',
        `Message could not be consumed after ${settings.maxDeliveryCount} delivery attempts.`,
      );
    } else {
      makeAvailable(message);
    }
  };

  const lockExpired = (message: StoredMessage): void => {
    deps.counters.lockExpired();
    giveBack(message, true);
  };

  const sessions = createSessions({
    clock,
    deadlines,
    lockDurationMs: () => settings.lockDurationMs,
    deliver,
    giveBack,
  });

  const pump = (): void => {
    if (available.size === 0) return;
    for (const consumer of [...consumers]) {
      if (consumer.capacity() <= 0) continue;
      // Whoever is served goes to the end, so that competing consumers share the work.
      consumers.delete(consumer);
      consumers.add(consumer);
      while (consumer.capacity() > 0) {
        const message = available.take();
        if (message === undefined) return;
        deliver(consumer, message, null);
      }
    }
  };

  const held = (lockToken: string): StoredMessage => {
    const message = locks.get(lockToken);
    if (message !== undefined) return message;
    throw new BrokerError(
      settings.requiresSession ? conditions.sessionLockLost : conditions.messageLockLost,
      settings.requiresSession
        ? 'The session lock has expired or was released. Accept the session again.'
        : 'The lock supplied is invalid. Either the lock expired, or the message has already been removed from the queue.',
    );
  };

  return {
    path: deps.path,
    settings,
    sessions,
    deadLetters,
    get size() {
      return messages.size;
    },
    get lastSequenceNumber() {
      return lastSequenceNumber;
    },
    takeSequenceNumber: () => (lastSequenceNumber += 1),
    raiseSequenceNumber(atLeast) {
      lastSequenceNumber = Math.max(lastSequenceNumber, atLeast);
    },
    put(entering) {
      const message: StoredMessage = {
        deliveryCount: 0,
        deferred: false,
        changedProperties: null,
        deadLetterSource: null,
        ...entering,
        expiresAtMs: expiryOf(entering, settings, deadLetters === null),
        lock: null,
        expiry: null,
      };
      messages.set(message.sequenceNumber, message);
      if (message.expiresAtMs !== null) {
        message.expiry = deadlines.schedule(message.expiresAtMs, () => {
          if (message.lock === null) expire(message); // a locked message expires when its receiver gives it back
        });
      }
      if (settings.requiresSession) sessions.ensure(message.content.sessionId ?? '').messageCount += 1;
      makeAvailable(message);
    },
    messages: () => messages.values(),
    addConsumer(consumer) {
      consumers.add(consumer);
      pump();
    },
    removeConsumer(consumer) {
      consumers.delete(consumer);
    },
    pump,
    settle(lockToken, settlement) {
      const message = held(lockToken);
      switch (settlement.kind) {
        case 'complete':
          log.removed(message.sequenceNumber);
          remove(message);
          break;
        case 'abandon':
          giveBack(message, true, settlement.properties);
          break;
        case 'defer': {
          const changedProperties = merged(message.changedProperties, settlement.properties);
          const change = { deliveryCount: message.deliveryCount, deferred: true, changedProperties };
          log.changed(message, change);
          Object.assign(message, change);
          giveBack(message, false);
          break;
        }
        case 'deadLetter':
          message.changedProperties = merged(message.changedProperties, settlement.properties);
          deadLetter(message, settlement.reason, settlement.description);
          break;
      }
      deps.counters.settled(settlement.kind);
    },
    unlock(lockToken) {
      giveBack(held(lockToken), false);
    },
    renewLock(lockToken) {
      const message = held(lockToken);
      if (settings.requiresSession) return sessions.renew(message.content.sessionId ?? '');
      clearLock(message);
      const untilMs = clock.nowMs() + settings.lockDurationMs;
      const deadline = deadlines.schedule(untilMs, () => lockExpired(message));
      message.lock = { token: lockToken, untilMs, deadline };
      locks.set(lockToken, message);
      return untilMs;
    },
    receiveDeferred(sequenceNumbers, sessionId, removeThem) {
      const found = sequenceNumbers.map((sequenceNumber) => {
        const message = messages.get(sequenceNumber);
        const matches = message?.deferred === true && message.lock === null;
        if (!matches || (sessionId !== null && message.content.sessionId !== sessionId)) {
          throw new BrokerError(
            conditions.messageNotFound,
            `Failed to lock message ${sequenceNumber}: it is not deferred here, or somebody else holds it.`,
          );
        }
        return message;
      });
      const session = settings.requiresSession ? sessions.get(sessionId ?? '') : undefined;
      if (settings.requiresSession && session?.owner == null) {
        throw new BrokerError(conditions.sessionLockLost, `The session '${sessionId ?? ''}' is not locked.`);
      }
      for (const message of found) {
        deps.counters.delivered();
        if (removeThem) {
          log.removed(message.sequenceNumber);
          remove(message);
        } else if (session !== undefined) {
          lock(message, session.lockedUntilMs, false);
          session.held.add(message);
        } else {
          lock(message, clock.nowMs() + settings.lockDurationMs, true);
        }
      }
      return found;
    },
    peek(fromSequenceNumber, maxCount, sessionId) {
      const found: StoredMessage[] = [];
      for (const message of messages.values()) {
        if (found.length === maxCount) break;
        if (message.sequenceNumber < fromSequenceNumber) continue;
        if (sessionId === null || message.content.sessionId === sessionId) found.push(message);
      }
      return found;
    },
    setSessionState(sessionId, state) {
      log.sessionState(sessionId, state);
      sessions.setState(sessions.ensure(sessionId), state);
    },
  };
}

function expiryOf(message: NewMessage, settings: MailboxSettings, isDeadLetterQueue: boolean): number | null {
  if (isDeadLetterQueue) return null; // nothing expires there
  const own = message.content.timeToLiveMs ?? Infinity;
  const timeToLiveMs = Math.min(own, settings.defaultTimeToLiveMs ?? Infinity);
  return timeToLiveMs === Infinity ? null : message.enqueuedAtMs + timeToLiveMs;
}

function merged(existing: Properties | null, added: Properties): Properties | null {
  return Object.keys(added).length === 0 ? existing : { ...existing, ...added };
}
