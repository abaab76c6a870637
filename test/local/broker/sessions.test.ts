import { type ServiceBusSessionReceiver } from '@azure/service-bus';
import { onlyStandIn, openNamespace, type TestNamespace, unique } from './broker-under-test';
import { turnableClock } from './turnable-clock';

const topic = unique('database-builds');
const clock = turnableClock();
const forCluster = (cluster: string) => [
  { name: 'cluster', filter: { kind: 'correlation' as const, applicationProperties: { cluster } } },
];

let namespace: TestNamespace;
const opened: ServiceBusSessionReceiver[] = [];

beforeAll(async () => {
  const subscription = { requiresSession: true, lockDurationMs: 60_000, maxDeliveryCount: 3 };
  namespace = await openNamespace(
    {
      topics: [
        {
          name: topic,
          duplicateDetectionWindowMs: 600_000,
          subscriptions: [
            { ...subscription, name: 'managed', rules: forCluster('managed') },
            { ...subscription, name: 'external', rules: forCluster('external') },
          ],
        },
      ],
    },
    { clock },
  );
});
afterEach(() => Promise.all(opened.splice(0).map((receiver) => receiver.close())));
afterAll(() => namespace.close());

async function send(sessionId: string, bodies: readonly unknown[], cluster = 'managed'): Promise<void> {
  const sender = namespace.client.createSender(topic);
  const batch = await sender.createMessageBatch();
  for (const body of bodies) {
    const added = batch.tryAddMessage({
      body,
      sessionId,
      messageId: unique('message'),
      applicationProperties: { cluster },
    });
    expect(added).toBe(true);
  }
  await sender.sendMessages(batch);
  await sender.close();
}

async function accept(sessionId: string, subscription = 'managed'): Promise<ServiceBusSessionReceiver> {
  const receiver = await namespace.client.acceptSession(topic, subscription, sessionId);
  opened.push(receiver);
  return receiver;
}

async function acceptNext(subscription = 'managed'): Promise<ServiceBusSessionReceiver> {
  const receiver = await namespace.client.acceptNextSession(topic, subscription);
  opened.push(receiver);
  return receiver;
}

async function receiveOne(receiver: ServiceBusSessionReceiver, maxWaitTimeInMs = 2_000) {
  const [message] = await receiver.receiveMessages(1, { maxWaitTimeInMs });
  if (message === undefined) throw new Error('nothing was received');
  return message;
}

async function drain(receiver: ServiceBusSessionReceiver): Promise<unknown[]> {
  const bodies: unknown[] = [];
  for (;;) {
    const messages = await receiver.receiveMessages(10, { maxWaitTimeInMs: 200 });
    if (messages.length === 0) return bodies;
    for (const message of messages) {
      bodies.push(message.body);
      await receiver.completeMessage(message);
    }
  }
}

describe('a session', () => {
  it('hands its messages out in order, one after another', async () => {
    const sessionId = unique('lane');
    await send(sessionId, [1, 2, 3]);
    const receiver = await accept(sessionId);
    const seen: unknown[] = [];
    for (let i = 0; i < 3; i += 1) {
      const message = await receiveOne(receiver);
      expect(message.sessionId).toBe(sessionId);
      seen.push(message.body);
      await receiver.completeMessage(message);
    }
    expect(seen).toEqual([1, 2, 3]);
    expect(await receiver.receiveMessages(1, { maxWaitTimeInMs: 100 })).toEqual([]);
  });

  it('has one owner in the world', async () => {
    const sessionId = unique('lane');
    await send(sessionId, ['only']);
    const owner = await accept(sessionId);
    await expect(accept(sessionId)).rejects.toMatchObject({ code: 'SessionCannotBeLocked' });
    await owner.close();
    const next = await accept(sessionId);
    expect(await drain(next)).toEqual(['only']);
  });

  it('is given to whoever waits for any, as soon as a message arrives', async () => {
    const waiting = acceptNext('external');
    await new Promise((resolve) => setTimeout(resolve, 100));
    const sessionId = unique('lane');
    await send(sessionId, ['now'], 'external');
    const receiver = await waiting;
    expect(receiver.sessionId).toBe(sessionId);
    expect(await drain(receiver)).toEqual(['now']);
  });

  it('gives every waiting receiver another session', async () => {
    const ids = ['a', 'b', 'c'].map(unique);
    for (const id of ids) await send(id, [id]);
    const receivers = await Promise.all(ids.map(() => acceptNext()));
    expect(receivers.map((receiver) => receiver.sessionId).sort()).toEqual([...ids].sort());
    for (const receiver of receivers) expect(await drain(receiver)).toEqual([receiver.sessionId]);
  });

  it('redelivers what was abandoned before what comes after it', async () => {
    const sessionId = unique('lane');
    await send(sessionId, ['first', 'second']);
    const receiver = await accept(sessionId);
    const once = await receiveOne(receiver);
    expect(once.deliveryCount).toBe(0);
    await receiver.abandonMessage(once);
    const again = await receiveOne(receiver);
    expect([again.body, again.deliveryCount]).toEqual(['first', 1]);
    await receiver.completeMessage(again);
    expect(await drain(receiver)).toEqual(['second']);
  });

  it('moves a message to the dead-letter queue with the reason that was given', async () => {
    const sessionId = unique('lane');
    await send(sessionId, ['poison']);
    const receiver = await accept(sessionId);
    await receiver.deadLetterMessage(await receiveOne(receiver), {
      deadLetterReason: 'rejected',
      deadLetterErrorDescription: 'not understood',
      target: 'db1',
    });
    const dead = namespace.client.createReceiver(topic, 'managed', { subQueueType: 'deadLetter' });
    const [message] = await dead.receiveMessages(1, { maxWaitTimeInMs: 2_000 });
    expect(message).toMatchObject({
      body: 'poison',
      sessionId,
      deadLetterReason: 'rejected',
      deadLetterErrorDescription: 'not understood',
      applicationProperties: { cluster: 'managed', target: 'db1' },
    });
    if (message !== undefined) await dead.completeMessage(message);
    expect(await dead.receiveMessages(1, { maxWaitTimeInMs: 100 })).toEqual([]);
    await dead.close();
  });

  it('moves a message there by itself when it was delivered too often', async () => {
    const sessionId = unique('lane');
    await send(sessionId, ['crashes']);
    const receiver = await accept(sessionId);
    for (let i = 0; i < 3; i += 1) await receiver.abandonMessage(await receiveOne(receiver));
    expect(await receiver.receiveMessages(1, { maxWaitTimeInMs: 100 })).toEqual([]);
    const dead = namespace.client.createReceiver(topic, 'managed', {
      subQueueType: 'deadLetter',
      receiveMode: 'receiveAndDelete',
    });
    const [message] = await dead.receiveMessages(1, { maxWaitTimeInMs: 2_000 });
    expect(message).toMatchObject({ body: 'crashes', deadLetterReason: 'MaxDeliveryCountExceeded' });
    await dead.close();
  });

  it('takes a message once, however often it is sent', async () => {
    const sessionId = unique('lane');
    const message = { body: 1, sessionId, messageId: unique('same'), applicationProperties: { cluster: 'managed' } };
    const sender = namespace.client.createSender(topic);
    await sender.sendMessages(message);
    await sender.sendMessages([message, { ...message, body: 2, messageId: unique('other') }]);
    await sender.close();
    expect(await drain(await accept(sessionId))).toEqual([1, 2]);
  });

  onlyStandIn('is lost to its owner when the lock ends, and the delivery counts', async () => {
    const sessionId = unique('lane');
    await send(sessionId, ['slow']);
    const receiver = await accept(sessionId);
    const message = await receiveOne(receiver);
    await clock.advance(61_000);
    await expect(receiver.completeMessage(message)).rejects.toMatchObject({ code: 'SessionLockLost' });
    const next = await accept(sessionId);
    const again = await receiveOne(next);
    expect(again.deliveryCount).toBe(1);
    await next.completeMessage(again);
  });

  onlyStandIn('is free at once when the connection of its owner is cut', async () => {
    const sessionId = unique('lane');
    await send(sessionId, ['cut off']);
    const receiver = await accept(sessionId);
    const message = await receiveOne(receiver);
    namespace.broker().faults.dropConnections('reset');
    await new Promise((resolve) => setTimeout(resolve, 100)); // the client has to see it first
    await expect(receiver.completeMessage(message)).rejects.toThrow();
    const next = await accept(sessionId);
    const again = await receiveOne(next);
    expect([again.body, again.deliveryCount]).toEqual(['cut off', 1]);
    await next.completeMessage(again);
  });

  onlyStandIn('costs one send, one delivery and one settlement per message', async () => {
    const sessionId = unique('lane');
    const { counters } = namespace.broker();
    counters.reset();
    await send(sessionId, ['counted']);
    const receiver = await accept(sessionId);
    await receiver.completeMessage(await receiveOne(receiver));
    expect(counters.read()).toMatchObject({
      [topic]: { sends: 1, sentMessages: 1 },
      [`${topic}/Subscriptions/managed`]: {
        deliveries: 1,
        settlements: { complete: 1, abandon: 0, defer: 0, deadLetter: 0 },
      },
    });
  });
});
