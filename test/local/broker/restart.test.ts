import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ServiceBusClient } from '@azure/service-bus';
import { type Broker } from '../../../local/broker/broker';
import { type Topology } from '../../../local/broker/core/topology';
import { onlyStandIn, retryOptions, startTestBroker } from './broker-under-test';

const topology: Topology = {
  queues: [{ name: 'orders', maxDeliveryCount: 5 }],
  topics: [
    {
      name: 'builds',
      duplicateDetectionWindowMs: 600_000,
      subscriptions: [{ name: 'managed', requiresSession: true }],
    },
  ],
};

const subscription = 'builds/Subscriptions/managed';
let folder: string;
let broker: Broker;
let client: ServiceBusClient;

async function start(): Promise<void> {
  broker = await startTestBroker(topology, { journalFolder: folder });
  client = new ServiceBusClient(broker.serviceBusConnectionString, { retryOptions });
}

/** Starts another broker on what the first has written so far, as after kill -9: the first is never told to stop. */
async function restartAfterKill(): Promise<() => Promise<void>> {
  const killed = { broker, client };
  await start();
  return async () => {
    await killed.client.close();
    await killed.broker.stop();
  };
}

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'broker-'));
  await start();
});
afterEach(async () => {
  await client.close();
  await broker.stop();
  rmSync(folder, { recursive: true });
});

async function send(path: string, messages: { body: unknown; messageId?: string; sessionId?: string }[]) {
  const sender = client.createSender(path);
  await sender.sendMessages(messages);
  await sender.close();
}

describe('after a kill', () => {
  onlyStandIn('what was sent is there, what was settled is not, and nothing is locked', async () => {
    await send('builds', [
      { body: 'done', sessionId: 'a' },
      { body: 'in flight', sessionId: 'a' },
      { body: 'abandoned', sessionId: 'b' },
    ]);
    const a = await client.acceptSession('builds', 'managed', 'a');
    const [done, inFlight] = await a.receiveMessages(2, { maxWaitTimeInMs: 1_000 });
    if (done === undefined || inFlight === undefined) throw new Error('nothing was received');
    await a.completeMessage(done);
    await a.setSessionState('half way');
    const b = await client.acceptSession('builds', 'managed', 'b');
    const [abandoned] = await b.receiveMessages(1, { maxWaitTimeInMs: 1_000 });
    if (abandoned === undefined) throw new Error('nothing was received');
    await b.abandonMessage(abandoned);

    const bury = await restartAfterKill();
    const again = await client.acceptSession('builds', 'managed', 'a');
    const left = await again.receiveMessages(5, { maxWaitTimeInMs: 500 });
    expect(left.map(({ body, sequenceNumber }): unknown[] => [body, sequenceNumber?.toNumber()])).toEqual([
      ['in flight', 2],
    ]);
    expect(await again.getSessionState()).toBe('half way');
    const other = await client.acceptSession('builds', 'managed', 'b');
    const [third] = await other.receiveMessages(1, { maxWaitTimeInMs: 500 });
    expect(third).toMatchObject({ body: 'abandoned', deliveryCount: 1 });
    await bury();
  });

  onlyStandIn('dead letters, deferred and scheduled messages, and ids that were seen are there', async () => {
    await send('orders', [{ body: 'dead' }, { body: 'deferred' }]);
    const receiver = client.createReceiver('orders');
    const [dead, deferred] = await receiver.receiveMessages(2, { maxWaitTimeInMs: 1_000 });
    if (dead === undefined || deferred?.sequenceNumber === undefined) throw new Error('nothing was received');
    await receiver.deadLetterMessage(dead, { deadLetterReason: 'test', deadLetterErrorDescription: 'on purpose' });
    await receiver.deferMessage(deferred);
    const sender = client.createSender('orders');
    await sender.scheduleMessages({ body: 'scheduled' }, new Date(Date.now() + 3_600_000));
    await send('builds', [{ body: 1, messageId: 'seen', sessionId: 'x' }]);

    const bury = await restartAfterKill();
    await send('builds', [{ body: 2, messageId: 'seen', sessionId: 'x' }]);
    const session = await client.acceptSession('builds', 'managed', 'x');
    expect(
      (await session.receiveMessages(5, { maxWaitTimeInMs: 300 })).map((message): unknown => message.body),
    ).toEqual([1]);
    const orders = client.createReceiver('orders');
    expect(await orders.receiveMessages(1, { maxWaitTimeInMs: 100 })).toEqual([]);
    const [fetched] = await orders.receiveDeferredMessages(deferred.sequenceNumber);
    expect(fetched?.body).toBe('deferred');
    expect((await orders.peekMessages(5)).map(({ body, state }): unknown[] => [body, state])).toEqual([
      ['deferred', 'deferred'],
      ['scheduled', 'scheduled'],
    ]);
    const deadLetters = client.createReceiver('orders', { subQueueType: 'deadLetter' });
    expect(await deadLetters.peekMessages(5)).toMatchObject([{ body: 'dead', deadLetterReason: 'test' }]);
    await bury();
  });

  onlyStandIn('sequence numbers go on where they were, also when nothing is left', async () => {
    await send('orders', [{ body: 1 }, { body: 2 }]);
    const receiver = client.createReceiver('orders', { receiveMode: 'receiveAndDelete' });
    await receiver.receiveMessages(2, { maxWaitTimeInMs: 500 });
    const bury = await restartAfterKill();
    await bury();
    const buryAgain = await restartAfterKill();
    await send('orders', [{ body: 3 }]);
    const [message] = await client.createReceiver('orders').peekMessages(1);
    expect(message?.sequenceNumber?.toNumber()).toBe(3);
    await buryAgain();
  });
});

describe('after an orderly stop', () => {
  onlyStandIn('what was being worked on is there, and the delivery has not failed', async () => {
    await send('builds', [{ body: 'in flight', sessionId: 'a' }]);
    const session = await client.acceptSession('builds', 'managed', 'a');
    expect(await session.receiveMessages(1, { maxWaitTimeInMs: 1_000 })).toHaveLength(1);
    await broker.stop();
    await new Promise((resolve) => setTimeout(resolve, 100)); // closing a client before it sees the loss takes a minute
    await client.close();
    await start();
    const again = await client.acceptSession('builds', 'managed', 'a');
    const [message] = await again.receiveMessages(1, { maxWaitTimeInMs: 1_000 });
    expect(message).toMatchObject({ body: 'in flight', deliveryCount: 0 });
  });
});

describe('the journal', () => {
  onlyStandIn('holds only what is live after a restart', async () => {
    for (let round = 0; round < 5; round += 1) {
      await send(
        'orders',
        Array.from({ length: 100 }, (_, i) => ({ body: `${round}-${i}-${'x'.repeat(500)}` })),
      );
      const receiver = client.createReceiver('orders', { receiveMode: 'receiveAndDelete' });
      for (let taken = 0; taken < 100;) taken += (await receiver.receiveMessages(100, { maxWaitTimeInMs: 500 })).length;
      await receiver.close();
    }
    const path = join(folder, 'messages.jsonl');
    const before = statSync(path).size;
    await client.close();
    await broker.stop();
    await start();
    expect(statSync(path).size).toBeLessThan(before / 100);
    expect(readFileSync(path, 'utf8')).toContain(subscription);
  });

  onlyStandIn('refuses a topology that contradicts it, instead of guessing', async () => {
    const contradicting: Topology = { queues: [{ name: 'orders', requiresSession: true }] };
    await expect(startTestBroker(contradicting, { journalFolder: folder })).rejects.toThrow(
      "'orders' exists with another setting of requiresSession",
    );
  });
});
