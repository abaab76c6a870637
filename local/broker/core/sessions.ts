import { type Clock } from '../../../lib/platform/clock';
import { type Deadline, type Deadlines } from './deadlines';
import { BrokerError, conditions } from './errors';
import { type StoredMessage } from './message';
import { createOrderedMessages, type OrderedMessages } from './ordered-messages';

/** A receiver: the core pushes messages to it while it has capacity. */
export interface Consumer {
  receiveAndDelete: boolean;
  /** How many more messages it takes right now. */
  capacity(): number;
  deliver(message: StoredMessage): void;
}

/** A receiver that owns one session at a time. */
export interface SessionConsumer extends Consumer {
  /** The session is locked for this consumer until then; messages follow as its capacity allows. */
  granted(sessionId: string, lockedUntilMs: number): void;
  /** The session's lock ended before the consumer gave it back. */
  revoked(): void;
}

export interface Session {
  id: string;
  available: OrderedMessages;
  /** Delivered to the owner and not settled; the session's lock is theirs. */
  held: Set<StoredMessage>;
  /** Messages of this session in any state. */
  messageCount: number;
  owner: SessionConsumer | null;
  lockedUntilMs: number;
  deadline: Deadline | null;
  /** Being taken from its owner: nothing goes out until everything that was held is back in its place in the order. */
  closing: boolean;
  state: Buffer | null;
  updatedAtMs: number;
}

export interface Sessions {
  get(sessionId: string): Session | undefined;
  /** The session, created when it is new. */
  ensure(sessionId: string): Session;
  ids(): string[];
  all(): Iterable<Session>;
  /** A message became available; it goes out if the session has an owner, or wakes a consumer that waits for any session. */
  add(message: StoredMessage): void;
  /** A message left the session for good. */
  forget(message: StoredMessage): void;
  setState(session: Session, state: Buffer | null): void;
  /** @throws BrokerError when somebody else holds the session. */
  accept(sessionId: string, consumer: SessionConsumer): void;
  /** Grants the session that has been ready longest, at once or when there is one. */
  acceptNext(consumer: SessionConsumer): void;
  /** Takes the consumer out: it waits no more, and a session that it holds is free for others. */
  release(consumer: SessionConsumer, countsAsAttempt: boolean): void;
  /** @returns the new end of the lock. @throws BrokerError when nobody holds the session. */
  renew(sessionId: string): number;
  /** The consumer has capacity again. */
  pump(consumer: SessionConsumer): void;
}

export interface SessionsDeps {
  clock: Clock;
  deadlines: Deadlines;
  lockDurationMs(): number;
  /** Locks the message for the owner and hands it over. */
  deliver(consumer: Consumer, message: StoredMessage, lockedUntilMs: number): void;
  /** Undoes `deliver`; calls `add` again when the message stays available. */
  giveBack(message: StoredMessage, countsAsAttempt: boolean): void;
}

/**
 * The sessions of one queue or subscription: one owner in the world, first in first out within a session. Sessions that
 * are ready (messages, no owner) and consumers that wait for any session are both kept in order of arrival, so accepting
 * one costs the same with ten sessions as with ten thousand.
 */
export function createSessions(deps: SessionsDeps): Sessions {
  const sessions = new Map<string, Session>();
  const ready = new Set<Session>();
  const waiting = new Set<SessionConsumer>();
  const owned = new Map<SessionConsumer, Session>();

  const ensure = (id: string): Session => {
    const known = sessions.get(id);
    if (known !== undefined) return known;
    const session: Session = {
      id,
      available: createOrderedMessages(),
      held: new Set(),
      messageCount: 0,
      owner: null,
      lockedUntilMs: 0,
      deadline: null,
      closing: false,
      state: null,
      updatedAtMs: deps.clock.nowMs(),
    };
    sessions.set(id, session);
    return session;
  };

  const dropIfEmpty = (session: Session): void => {
    if (session.messageCount === 0 && session.owner === null && session.state === null) sessions.delete(session.id);
  };

  const pumpSession = (session: Session): void => {
    const { owner } = session;
    if (owner === null) return;
    while (session.owner === owner && owner.capacity() > 0) {
      const message = session.available.take();
      if (message === undefined) return;
      deps.deliver(owner, message, session.lockedUntilMs);
    }
  };

  const armExpiry = (session: Session): void => {
    session.deadline?.cancel();
    session.lockedUntilMs = deps.clock.nowMs() + deps.lockDurationMs();
    session.deadline = deps.deadlines.schedule(session.lockedUntilMs, () => {
      const { owner } = session;
      if (owner === null) return;
      free(session, owner, true);
      owner.revoked();
    });
  };

  const grant = (session: Session, consumer: SessionConsumer): void => {
    ready.delete(session);
    session.owner = consumer;
    owned.set(consumer, session);
    armExpiry(session);
    consumer.granted(session.id, session.lockedUntilMs);
    pumpSession(session);
  };

  /** Puts a session without an owner where the next consumer finds it. */
  const offer = (session: Session): void => {
    if (session.owner !== null || session.available.size === 0) return;
    ready.add(session);
    for (const consumer of waiting) {
      const [next] = ready;
      if (next === undefined) return;
      waiting.delete(consumer);
      grant(next, consumer);
    }
  };

  const free = (session: Session, consumer: SessionConsumer, countsAsAttempt: boolean): void => {
    session.deadline?.cancel();
    session.deadline = null;
    session.closing = true;
    for (const message of [...session.held]) deps.giveBack(message, countsAsAttempt);
    session.closing = false;
    session.owner = null;
    owned.delete(consumer);
    offer(session);
    dropIfEmpty(session);
  };

  return {
    get: (sessionId) => sessions.get(sessionId),
    ensure,
    ids: () => [...sessions.keys()],
    all: () => sessions.values(),
    add(message) {
      const session = ensure(message.content.sessionId ?? '');
      session.available.add(message);
      session.updatedAtMs = deps.clock.nowMs();
      if (session.closing) return;
      if (session.owner === null) offer(session);
      else pumpSession(session);
    },
    forget(message) {
      const session = sessions.get(message.content.sessionId ?? '');
      if (session === undefined) return;
      session.messageCount -= 1;
      session.held.delete(message);
      session.available.remove(message);
      if (session.available.size === 0) ready.delete(session);
      dropIfEmpty(session);
    },
    setState(session, state) {
      session.state = state;
      dropIfEmpty(session);
    },
    accept(sessionId, consumer) {
      const session = ensure(sessionId);
      if (session.owner !== null) {
        throw new BrokerError(
          conditions.sessionCannotBeLocked,
          `The requested session '${sessionId}' cannot be accepted. It may be locked by another receiver.`,
        );
      }
      grant(session, consumer);
    },
    acceptNext(consumer) {
      const [next] = ready;
      if (next === undefined) waiting.add(consumer);
      else grant(next, consumer);
    },
    release(consumer, countsAsAttempt) {
      waiting.delete(consumer);
      const session = owned.get(consumer);
      if (session !== undefined) free(session, consumer, countsAsAttempt);
    },
    renew(sessionId) {
      const session = sessions.get(sessionId);
      if (session === undefined || session.owner === null) {
        throw new BrokerError(
          conditions.sessionLockLost,
          `The lock of session '${sessionId}' has expired, or was never taken.`,
        );
      }
      armExpiry(session);
      for (const message of session.held) if (message.lock !== null) message.lock.untilMs = session.lockedUntilMs;
      return session.lockedUntilMs;
    },
    pump(consumer) {
      const session = owned.get(consumer);
      if (session !== undefined) pumpSession(session);
    },
  };
}
