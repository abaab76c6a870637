import { createCounters } from '../../../../local/broker/core/counters';
import { createDeadlines } from '../../../../local/broker/core/deadlines';
import { BrokerError } from '../../../../local/broker/core/errors';
import { type Settlement, type StoredMessage } from '../../../../local/broker/core/message';
import { createNamespace, type Namespace } from '../../../../local/broker/core/namespace';
import { type JournalRecord, recordSchema } from '../../../../local/broker/core/records';
import { applyRecord, emptyState } from '../../../../local/broker/core/restore';
import { type SessionConsumer } from '../../../../local/broker/core/sessions';
import { topologySchema } from '../../../../local/broker/core/topology';

/** Time that only passes when told, in one step. */
function steppedClock() {
  let nowMs = 1_000_000;
  const sleepers: { dueMs: number; wake: () => void }[] = [];
  return {
    nowMs: () => nowMs,
    sleep: (ms: number, signal?: AbortSignal) =>
      new Promise<void>((resolve, reject) => {
        sleepers.push({ dueMs: nowMs + ms, wake: resolve });
        signal?.addEventListener('abort', () => reject(new Error('aborted')));
      }),
    async advance(ms: number) {
      nowMs += ms;
      for (const sleeper of sleepers) if (sleeper.dueMs <= nowMs) sleeper.wake();
      await new Promise((resolve) => setImmediate(resolve));
    },
  };
}

const topology = topologySchema.parse({
  topics: [
    {
      name: 't',
      duplicateDetectionWindowMs: 60_000,
      subscriptions: [
        { name: 's', requiresSession: true, maxDeliveryCount: 3, lockDurationMs: 10_000 },
        {
          name: 'p',
          maxDeliveryCount: 2,
          lockDurationMs: 5_000,
          defaultTimeToLiveMs: 100_000,
          deadLetterOnExpiration: true,
        },
      ],
    },
  ],
});

function start(clock: ReturnType<typeof steppedClock>, journal: JournalRecord[]): Namespace {
  const restored = emptyState();
  for (const record of journal) applyRecord(restored, recordSchema.parse(JSON.parse(JSON.stringify(record))));
  let token = 0;
  const namespace = createNamespace({
    clock,
    deadlines: createDeadlines(clock, (error) => {
      throw error;
    }),
    append: (...records) => journal.push(...records),
    counters: createCounters(),
    newLockToken: () => `token-${(token += 1)}`,
    readProperties: () => ({ system: {}, application: {} }),
    restored,
  });
  for (const { subscriptions, ...topic } of topology.topics) {
    namespace.putTopic(topic);
    for (const subscription of subscriptions) namespace.putSubscription(topic.name, subscription);
  }
  return namespace;
}

interface TestConsumer extends SessionConsumer {
  held: StoredMessage[];
  sessionId: string | null;
}

/** A receiver that takes up to two messages at a time. */
function newConsumer(onDeliver: (message: StoredMessage) => void): TestConsumer {
  const consumer: TestConsumer = {
    held: [],
    sessionId: null,
    receiveAndDelete: false,
    capacity: () => 2 - consumer.held.length,
    deliver(message) {
      onDeliver(message);
      consumer.held.push(message);
    },
    granted: (sessionId) => void (consumer.sessionId = sessionId),
    revoked: () => void Object.assign(consumer, { held: [], sessionId: null }),
  };
  return consumer;
}

function pseudoRandom(seed: number): (limit: number) => number {
  let state = seed;
  return (limit) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return (state >>> 8) % limit;
  };
}

const settlements: Settlement[] = [
  { kind: 'complete' },
  { kind: 'complete' },
  { kind: 'abandon', properties: { attempt: 1 } },
  { kind: 'defer', properties: {} },
  { kind: 'deadLetter', reason: 'why', description: null, properties: { when: new Date(5) } },
];

/** Everything that must survive: by mailbox and sequence number, without regard to order in the file. */
function stateOf(namespace: Namespace): string[] {
  return [...namespace.snapshot()].map((record) => JSON.stringify(record)).sort();
}

describe('whatever happens', () => {
  it.each([1, 2, 3, 4, 5, 6])(
    'the journal adds up to the live state, and sessions stay in order (seed %i)',
    async (seed) => {
      const random = pseudoRandom(seed);
      const clock = steppedClock();
      const journal: JournalRecord[] = [];
      const namespace = start(clock, journal);
      const sessionMailbox = namespace.mailboxOf('t/Subscriptions/s');
      const plainMailbox = namespace.mailboxOf('T/subscriptions/P');
      const deliveredInOrder = (message: StoredMessage): void => {
        for (const other of sessionMailbox.messages()) {
          if (other.content.sessionId !== message.content.sessionId || other.deferred || other.lock !== null) continue;
          expect(other.sequenceNumber).toBeGreaterThan(message.sequenceNumber);
        }
      };
      const sessionConsumers = [1, 2, 3].map(() => newConsumer(deliveredInOrder));
      const plainConsumers = [1, 2].map(() => newConsumer(() => undefined));
      for (const consumer of sessionConsumers) sessionMailbox.sessions.acceptNext(consumer);
      for (const consumer of plainConsumers) plainMailbox.addConsumer(consumer);
      let sent = 0;

      for (let step = 0; step < 600; step += 1) {
        const sessions = random(2) === 0;
        const mailbox = sessions ? sessionMailbox : plainMailbox;
        const consumer = (sessions ? sessionConsumers : plainConsumers)[random(sessions ? 3 : 2)];
        if (consumer === undefined) throw new Error('no such consumer');
        const choice = random(10);
        if (choice < 3) {
          const id = random(8) === 0 ? random(sent + 1) : (sent += 1); // now and then a duplicate
          const scheduledForMs = random(6) === 0 ? clock.nowMs() + random(20_000) : null;
          const content = {
            messageId: `m${id}`,
            sessionId: `session-${random(5)}`,
            timeToLiveMs: random(5) === 0 ? 3_000 : null,
            payload: Buffer.from(`body ${id}`),
          };
          namespace.intakeOf('t').send([{ content, scheduledForMs }]);
        } else if (choice < 7) {
          const message = consumer.held.shift();
          const token = message?.lock?.token;
          const settlement = settlements[random(settlements.length)];
          if (token !== undefined && settlement !== undefined) {
            try {
              mailbox.settle(token, settlement);
            } catch (error) {
              if (!(error instanceof BrokerError)) throw error;
            }
          }
          if (sessions) sessionMailbox.sessions.pump(consumer);
          else plainMailbox.pump();
        } else if (choice < 8 && sessions) {
          sessionMailbox.sessions.release(consumer, random(2) === 0);
          consumer.revoked();
          sessionMailbox.sessions.acceptNext(consumer);
        } else if (choice < 9) {
          if (consumer.sessionId !== null) mailbox.setSessionState(consumer.sessionId, Buffer.from(`state ${step}`));
        } else {
          await clock.advance(random(4_000));
          for (const each of sessionConsumers) if (each.sessionId === null) sessionMailbox.sessions.acceptNext(each);
          for (const each of plainConsumers) each.held = each.held.filter((message) => message.lock !== null);
        }

        const owners = sessionConsumers.flatMap(({ sessionId }) => (sessionId === null ? [] : [sessionId]));
        expect(new Set(owners).size).toBe(owners.length);
        for (const { sessionId, held } of sessionConsumers) {
          expect(held.every(({ content }) => content.sessionId === sessionId)).toBe(true);
        }
        if (step % 60 === 0) expect(stateOf(start(clock, [...journal]))).toEqual(stateOf(namespace));
      }
      const restarted = start(clock, [...namespace.snapshot()]);
      expect(stateOf(restarted)).toEqual(stateOf(namespace));
      expect(sent).toBeGreaterThan(50);
    },
  );
});
