import { setTimeout as delay } from 'node:timers/promises';
import { type InvocationContext } from '@azure/functions';
import { ServiceBusClient, type ServiceBusMessage } from '@azure/service-bus';
import { systemClock } from '../../../../lib/platform/clock';
import { startBroker, type Broker } from '../../../../local/broker/broker';
import { type FunctionApp } from '../../../../local/host/app/core-module';
import { registerApp, startSampleHost, until, type SampleHost } from '../sample-host';

let broker: Broker;
let client: ServiceBusClient;
let sample: SampleHost | undefined;

beforeEach(async () => {
  broker = await startBroker({
    port: 0,
    clock: systemClock,
    key: { name: 'RootManageSharedAccessKey', value: 'a2V5' },
    topology: {
      queues: [
        { name: 'work', lockDurationMs: 1_000, maxDeliveryCount: 3 },
        { name: 'batches', lockDurationMs: 30_000 },
        { name: 'lanes', lockDurationMs: 1_000, requiresSession: true },
      ],
      topics: [{ name: 'builds', subscriptions: [{ name: 'managed', requiresSession: true, lockDurationMs: 30_000 }] }],
    },
  });
  client = new ServiceBusClient(broker.serviceBusConnectionString);
});
afterEach(async () => {
  await sample?.close();
  sample = undefined;
  await client.close();
  await broker.stop();
});

type Handler = (message: unknown, context: InvocationContext) => unknown;

const start = async (app: FunctionApp, serviceBus: object = {}): Promise<SampleHost> => {
  const settings = { Bus: broker.serviceBusConnectionString };
  sample = await startSampleHost(app, { extensions: { serviceBus } }, { settings });
  return sample;
};
const queueApp = (handler: Handler, options: object = {}): Promise<FunctionApp> =>
  registerApp(({ app }) =>
    app.serviceBusQueue('worker', {
      connection: 'Bus',
      queueName: 'work',
      handler: async (message, context) => void (await handler(message, context)),
      ...options,
    }),
  );
const laneApp = (handler: Handler): Promise<FunctionApp> =>
  queueApp(handler, { queueName: 'lanes', isSessionsEnabled: true });
const send = async (queue: string, messages: ServiceBusMessage[]): Promise<void> => {
  const sender = client.createSender(queue);
  await sender.sendMessages(messages);
  await sender.close();
};
const left = async (queue: string): Promise<number> => (await client.createReceiver(queue).peekMessages(100)).length;
const deadLetters = async (queue: string): Promise<number> =>
  (await client.createReceiver(queue, { subQueueType: 'deadLetter' }).peekMessages(100)).length;

describe('a queue trigger', () => {
  test('hands over content and metadata, and completes the message', async () => {
    const seen: { message: unknown; metadata: unknown }[] = [];
    await send('work', [
      {
        body: { target: 'db1' },
        messageId: 'm1',
        subject: 'run',
        correlationId: 'c1',
        contentType: 'application/json',
        applicationProperties: { Attempt: 2 },
      },
    ]);
    await start(
      await queueApp((message, { triggerMetadata }) => void seen.push({ message, metadata: triggerMetadata })),
    );
    await until('the message is handled', () => seen.length === 1);
    await delay(50);
    expect(await left('work')).toBe(0);
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
    await start(
      await queueApp((_message, { triggerMetadata }) => {
        counts.push(triggerMetadata?.deliveryCount);
        throw new Error('always');
      }),
    );
    await send('work', [{ body: 'poison' }]);
    await until('three deliveries', () => counts.length === 3);
    await delay(100);
    expect(counts).toEqual([1, 2, 3]);
    expect(await deadLetters('work')).toBe(1);
  });

  test('keeps the lock of a message for as long as its function runs', async () => {
    let deliveries = 0;
    let finished = 0;
    await start(
      await queueApp(async () => {
        deliveries += 1;
        await delay(2_500);
        finished += 1;
      }),
    );
    await send('work', [{ body: 'slow' }]);
    await until('the function has finished', () => finished > 0);
    await delay(100);
    expect(deliveries).toBe(1);
    expect(await left('work')).toBe(0);
  });

  test('gives the lock up after maxAutoLockRenewalDuration', async () => {
    let deliveries = 0;
    await start(
      await queueApp(async () => {
        deliveries += 1;
        if (deliveries === 1) await delay(2_500);
      }),
      { maxAutoLockRenewalDuration: '00:00:00.5' },
    );
    await send('work', [{ body: 'slow' }]);
    await until('the message came again', () => deliveries === 2);
  });

  test('runs as many at once as maxConcurrentCalls says', async () => {
    let running = 0;
    let most = 0;
    let done = 0;
    await send(
      'work',
      Array.from({ length: 12 }, (_, index) => ({ body: index })),
    );
    await start(
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
    await send(
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
    await start(app);
    await until('the batch came twice', () => batches.length === 2);
    await delay(50);
    const batch = { messages: ['a', 'b', 'c'], ids: ['id-a', 'id-b', 'id-c'] };
    expect(batches).toEqual([batch, batch]);
    expect(await left('batches')).toBe(0);
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
    await send('lanes', inLanes(5, 4));
    await start(
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
    await send('lanes', inLanes(1, 2));
    await start(
      await laneApp(async (message, { triggerMetadata }) => {
        seen.push([message, triggerMetadata?.deliveryCount]);
        if (seen.length === 1) throw new Error('first time');
        if (seen.length === 2) await delay(2_500);
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
    await start(app);
    await send('builds', [{ body: 'x', sessionId: 's' }]);
    await until('the message is handled', () => seen.length === 1);
    expect(seen).toEqual(['x']);
  });
});

describe('when the broker fails', () => {
  test.each(['reset', 'forced'] as const)('a connection that is cut (%s) loses no message', async (how) => {
    const done = new Set<unknown>();
    let runs = 0;
    const app = await registerApp(({ app }) => {
      const handler = async (message: unknown): Promise<void> => {
        runs += 1;
        await delay(20);
        done.add(message);
      };
      app.serviceBusQueue('single', { connection: 'Bus', queueName: 'work', handler });
      app.serviceBusQueue('laned', { connection: 'Bus', queueName: 'lanes', isSessionsEnabled: true, handler });
    });
    await send(
      'work',
      Array.from({ length: 100 }, (_, index) => ({ body: `work-${index}` })),
    );
    await send(
      'lanes',
      Array.from({ length: 100 }, (_, i) => ({ body: `lane-${i}`, sessionId: `s${i % 10}` })),
    );
    const { log } = await start(app, {
      maxConcurrentCalls: 4,
      maxConcurrentSessions: 4,
      sessionIdleTimeout: '00:00:00.1',
    });
    for (let cut = 0; cut < 3; cut += 1) {
      await delay(150);
      broker.faults.dropConnections(how);
    }
    await until('every message is handled', () => done.size === 200);
    expect(runs).toBeLessThan(260);
    const told = log.filter(({ source, level }) => source === 'host' && level === 'warning');
    expect(told.length).toBeGreaterThan(0);
    expect(told.length).toBeLessThan(20);
  });

  test('it goes on when the broker is back', async () => {
    const done = new Set<unknown>();
    const { log } = await start(await laneApp((message) => void done.add(message)), { maxConcurrentSessions: 2 });
    await delay(100);
    await broker.faults.listenerDown();
    await delay(1_500);
    await broker.faults.listenerUp();
    client = new ServiceBusClient(broker.serviceBusConnectionString);
    await send('lanes', [{ body: 'after', sessionId: 's' }]);
    await until('the message is handled', () => done.has('after'));
    expect(log.some(({ message }) => message.endsWith('works again.'))).toBe(true);
  });

  test('an answer to a completion that is lost costs no message', async () => {
    const seen: unknown[] = [];
    broker.faults.set([{ operation: 'settle', times: 1, action: { kind: 'loseAnswer' } }]);
    await start(await laneApp((message) => void seen.push(message)), { maxConcurrentSessions: 1 });
    await send('lanes', [
      { body: 1, sessionId: 's' },
      { body: 2, sessionId: 's' },
    ]);
    await until('both are handled', () => seen.includes(1) && seen.includes(2));
    await delay(100);
    expect(await left('lanes')).toBe(0);
  });
});

test('a host that stops lets running functions settle, and the next one takes the rest', async () => {
  const done: unknown[] = [];
  await send(
    'lanes',
    Array.from({ length: 6 }, (_, index) => ({ body: index, sessionId: 's' })),
  );
  const host = await start(
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
