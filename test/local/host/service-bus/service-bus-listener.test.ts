import { setTimeout as delay } from 'node:timers/promises';
import { type ServiceBusMessage } from '@azure/service-bus';
import { registerApp, until } from '../sample-host';
import { laneApp, openBusWithHost, queueApp, type BusWithHost } from './bus-with-host';

let bus: BusWithHost;
beforeEach(async () => {
  bus = await openBusWithHost();
});
afterEach(() => bus.close());

describe('a queue trigger', () => {
  test('hands over content and metadata, and completes the message', async () => {
    const seen: { message: unknown; metadata: unknown }[] = [];
    await bus.send('work', [
      {
        body: { target: 'db1' },
        messageId: 'm1',
        subject: 'run',
        correlationId: 'c1',
        contentType: 'application/json',
        applicationProperties: { Attempt: 2 },
      },
    ]);
    await bus.host(
      await queueApp((message, { triggerMetadata }) => void seen.push({ message, metadata: triggerMetadata })),
    );
    await until('the message is handled', () => seen.length === 1);
    await delay(50);
    expect(await bus.left('work')).toBe(0);
    expect(seen[0]?.message).toEqual({ target: 'db1' });
    expect(seen[0]?.metadata).toMatchObject({
      messageId: 'm1',
      subject: 'run',
      correlationId: 'c1',
      contentType: 'application/json',
      deliveryCount: 1,
      sequenceNumber: 1,
      applicationProperties: { attempt: 2 },
    });
    expect(seen[0]?.metadata).toHaveProperty('enqueuedTimeUtc', expect.stringMatching(/^\d{4}-.*Z$/));
  });

  test('delivers again what failed, counted, until it is dead-lettered', async () => {
    const counts: unknown[] = [];
    await bus.host(
      await queueApp((_message, { triggerMetadata }) => {
        counts.push(triggerMetadata?.deliveryCount);
        throw new Error('always');
      }),
    );
    await bus.send('work', [{ body: 'poison' }]);
    await until('three deliveries', () => counts.length === 3);
    await delay(100);
    expect(counts).toEqual([1, 2, 3]);
    expect(await bus.left('work', 'deadLetter')).toBe(1);
  });

  test('keeps the lock of a message for as long as its function runs', async () => {
    let deliveries = 0;
    let finished = 0;
    await bus.host(
      await queueApp(async () => {
        deliveries += 1;
        await delay(1_600);
        finished += 1;
      }),
    );
    await bus.send('work', [{ body: 'slow' }]);
    await until('the function has finished', () => finished > 0);
    await delay(100);
    expect(deliveries).toBe(1);
    expect(await bus.left('work')).toBe(0);
  });

  test('gives the lock up after maxAutoLockRenewalDuration', async () => {
    let deliveries = 0;
    await bus.host(
      await queueApp(async () => {
        deliveries += 1;
        if (deliveries === 1) await delay(1_600);
      }),
      { maxAutoLockRenewalDuration: '00:00:00.5' },
    );
    await bus.send('work', [{ body: 'slow' }]);
    await until('the message came again', () => deliveries === 2);
  });

  test('runs as many at once as maxConcurrentCalls says', async () => {
    let running = 0;
    let most = 0;
    let done = 0;
    await bus.send(
      'work',
      Array.from({ length: 12 }, (_, index) => ({ body: index })),
    );
    await bus.host(
      await queueApp(async () => {
        running += 1;
        most = Math.max(most, running);
        await delay(30);
        running -= 1;
        done += 1;
      }),
      { maxConcurrentCalls: 3 },
    );
    await until('all are done', () => done === 12);
    expect(most).toBe(3);
  });

  test('of cardinality many takes what is there as one batch, and settles it as one', async () => {
    const batches: { messages: unknown; ids: unknown }[] = [];
    await bus.send(
      'batches',
      ['a', 'b', 'c'].map((body) => ({ body, messageId: `id-${body}` })),
    );
    const app = await queueApp(
      (messages, { triggerMetadata }) => {
        batches.push({ messages, ids: triggerMetadata?.messageIdArray });
        if (batches.length === 1) throw new Error('first time');
      },
      { queueName: 'batches', cardinality: 'many' },
    );
    await bus.host(app);
    await until('the batch came twice', () => batches.length === 2);
    await delay(50);
    const batch = { messages: ['a', 'b', 'c'], ids: ['id-a', 'id-b', 'id-c'] };
    expect(batches).toEqual([batch, batch]);
    expect(await bus.left('batches')).toBe(0);
  });
});

describe('a session trigger', () => {
  const inLanes = (lanes: number, perLane: number): ServiceBusMessage[] =>
    Array.from({ length: lanes * perLane }, (_, index) => ({ body: index, sessionId: `lane-${index % lanes}` }));

  test('serves each session in order, one message at a time, and as many sessions as it is allowed', async () => {
    const bySession = new Map<string, unknown[]>();
    const busy = new Set<string>();
    let most = 0;
    let done = 0;
    await bus.send('lanes', inLanes(5, 4));
    await bus.host(
      await laneApp(async (message, { triggerMetadata }) => {
        const session = String(triggerMetadata?.sessionId);
        expect(busy).not.toContain(session);
        busy.add(session);
        most = Math.max(most, busy.size);
        bySession.set(session, [...(bySession.get(session) ?? []), message]);
        await delay(20);
        busy.delete(session);
        done += 1;
      }),
      { maxConcurrentSessions: 2, sessionIdleTimeout: '00:00:00.1' },
    );
    await until('all are done', () => done === 20);
    expect(most).toBe(2);
    expect(bySession.get('lane-3')).toEqual([3, 8, 13, 18]);
    expect(bySession.size).toBe(5);
  });

  test('keeps the lock of a session while its function runs, and delivers again in order what failed', async () => {
    const seen: unknown[] = [];
    let done = 0;
    await bus.send('lanes', inLanes(1, 2));
    await bus.host(
      await laneApp(async (message, { triggerMetadata }) => {
        seen.push([message, triggerMetadata?.deliveryCount]);
        if (seen.length === 1) throw new Error('first time');
        if (seen.length === 2) await delay(1_600);
        done += 1;
      }),
    );
    await until('both are done', () => done === 2);
    expect(seen).toEqual([
      [0, 1],
      [0, 2],
      [1, 1],
    ]);
  });

  test('works on a subscription of a topic', async () => {
    const seen: unknown[] = [];
    const app = await registerApp(({ app }) =>
      app.serviceBusTopic('worker', {
        connection: 'Bus',
        topicName: 'builds',
        subscriptionName: 'managed',
        isSessionsEnabled: true,
        handler: (message) => void seen.push(message),
      }),
    );
    await bus.host(app);
    await bus.send('builds', [{ body: 'x', sessionId: 's' }]);
    await until('the message is handled', () => seen.length === 1);
    expect(seen).toEqual(['x']);
  });
});

test('a host that stops lets running functions settle, and the next one takes the rest', async () => {
  const done: unknown[] = [];
  await bus.send(
    'lanes',
    Array.from({ length: 6 }, (_, index) => ({ body: index, sessionId: 's' })),
  );
  const host = await bus.host(
    await laneApp(async (message) => {
      await delay(100);
      done.push(message);
    }),
  );
  await until('the first is done', () => done.length === 1);
  await host.restart();
  await until('all are done', () => done.length >= 6);
  expect(done).toEqual([0, 1, 2, 3, 4, 5]);
});
