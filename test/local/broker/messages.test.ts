import { ServiceBusClient, type ServiceBusReceiver } from '@azure/service-bus';
import { onlyStandIn, openNamespace, retryOptions, type TestNamespace, testKey, unique } from './broker-under-test';
import { turnableClock } from './turnable-clock';

const clock = turnableClock();
const queue = unique('orders');
const expiring = unique('expiring');
const withSessions = unique('with-sessions');
const topic = unique('events');

let namespace: TestNamespace;
let receiver: ServiceBusReceiver;
const toClose: { close(): Promise<void> }[] = [];

beforeAll(async () => {
  namespace = await openNamespace(
    {
      queues: [
        { name: queue, lockDurationMs: 30_000, maxDeliveryCount: 2 },
        { name: expiring, deadLetterOnExpiration: true, defaultTimeToLiveMs: 600_000 },
        { name: withSessions, requiresSession: true },
      ],
      topics: [
        {
          name: topic,
          subscriptions: [
            { name: 'all' },
            { name: 'large', rules: [{ name: 'large', filter: { kind: 'sql', expression: 'size > 10' } }] },
            {
              name: 'orders',
              rules: [{ name: 'orders', filter: { kind: 'correlation', subject: 'order' } }],
            },
          ],
        },
      ],
    },
    { clock },
  );
  receiver = namespace.client.createReceiver(queue, { maxAutoLockRenewalDurationInMs: 0 });
});
afterEach(() => Promise.all(toClose.splice(0).map((each) => each.close())));
afterAll(async () => {
  await receiver.close();
  await namespace.close();
});

async function send(path: string, ...messages: Parameters<typeof sendOne>[1][]): Promise<void> {
  for (const message of messages) await sendOne(path, message);
}

async function sendOne(
  path: string,
  message: {
    body: unknown;
    subject?: string;
    sessionId?: string;
    timeToLive?: number;
    applicationProperties?: Record<string, string | number | boolean>;
  },
): Promise<void> {
  const sender = namespace.client.createSender(path);
  await sender.sendMessages(message);
  await sender.close();
}

async function receiveOne(from: ServiceBusReceiver = receiver) {
  const [message] = await from.receiveMessages(1, { maxWaitTimeInMs: 2_000 });
  if (message === undefined) throw new Error('nothing was received');
  return message;
}

function deadLettersOf(path: string): ServiceBusReceiver {
  const dead = namespace.client.createReceiver(path, { subQueueType: 'deadLetter', receiveMode: 'receiveAndDelete' });
  toClose.push(dead);
  return dead;
}

async function nothingLeft(from: ServiceBusReceiver = receiver): Promise<void> {
  const messages = await from.receiveMessages(1, { maxWaitTimeInMs: 100 });
  expect(messages.map((message): unknown => message.body)).toEqual([]);
}

describe('a message', () => {
  it('arrives as it was sent', async () => {
    const body = { text: 'ü', list: [1, 2.5, null, true] };
    const sender = namespace.client.createSender(queue);
    await sender.sendMessages({
      body,
      messageId: 'id-1',
      subject: 'greeting',
      correlationId: 'c-1',
      contentType: 'application/json',
      replyTo: 'answers',
      to: 'somebody',
      applicationProperties: { text: 'x', whole: 7, half: 0.5, yes: true, long: 1e15 },
    });
    await sender.close();
    const message = await receiveOne();
    expect(message).toMatchObject({
      body,
      messageId: 'id-1',
      subject: 'greeting',
      correlationId: 'c-1',
      contentType: 'application/json',
      replyTo: 'answers',
      to: 'somebody',
      applicationProperties: { text: 'x', whole: 7, half: 0.5, yes: true, long: 1e15 },
      deliveryCount: 0,
      state: 'active',
    });
    expect(message.enqueuedTimeUtc?.getTime()).toBeGreaterThan(0);
    expect(message.lockedUntilUtc?.getTime()).toBeGreaterThan(message.enqueuedTimeUtc?.getTime() ?? 0);
    await receiver.completeMessage(message);
    await nothingLeft();
  });

  it('has an id, also when the sender gave none', async () => {
    await send(queue, { body: Buffer.from([0, 255]) });
    const message = await receiveOne();
    expect(message.messageId).toMatch(/./);
    expect(message.body).toEqual(Buffer.from([0, 255]));
    await receiver.completeMessage(message);
  });

  it('may be large enough to need many frames', async () => {
    const body = 'x'.repeat(200_000);
    await send(queue, { body });
    const message = await receiveOne();
    expect(message.body).toBe(body);
    await receiver.completeMessage(message);
    await expect(send(queue, { body: 'x'.repeat(2_000_000) })).rejects.toMatchObject({ code: 'MessageSizeExceeded' });
  });

  it('comes again after abandon, with changed properties, and goes to the dead letters in the end', async () => {
    await send(queue, { body: 'bad', applicationProperties: { attempt: 0 } });
    const first = await receiveOne();
    await receiver.abandonMessage(first, { attempt: 1 });
    const second = await receiveOne();
    expect([second.deliveryCount, second.applicationProperties]).toEqual([1, { attempt: 1 }]);
    await receiver.abandonMessage(second);
    await nothingLeft();
    expect(await receiveOne(deadLettersOf(queue))).toMatchObject({
      body: 'bad',
      deadLetterReason: 'MaxDeliveryCountExceeded',
      deadLetterSource: queue,
    });
  });

  it('can be deferred, and fetched by its number', async () => {
    await send(queue, { body: 'later' });
    const message = await receiveOne();
    await receiver.deferMessage(message, { why: 'busy' });
    await nothingLeft();
    if (message.sequenceNumber === undefined) throw new Error('no sequence number');
    const [deferred] = await receiver.receiveDeferredMessages(message.sequenceNumber);
    expect(deferred).toMatchObject({ body: 'later', state: 'deferred', applicationProperties: { why: 'busy' } });
    if (deferred !== undefined) await receiver.completeMessage(deferred);
    await expect(receiver.receiveDeferredMessages(message.sequenceNumber)).rejects.toMatchObject({
      code: 'MessageNotFound',
    });
  });

  it('can be looked at without being taken', async () => {
    await send(queue, { body: 1 }, { body: 2 });
    const peeker = namespace.client.createReceiver(queue);
    toClose.push(peeker);
    expect((await peeker.peekMessages(10)).map((message): unknown => message.body)).toEqual([1, 2]);
    for (let i = 0; i < 2; i += 1) await receiver.completeMessage(await receiveOne());
  });

  it('is gone at once in receive-and-delete mode', async () => {
    await send(queue, { body: 'once' });
    const taker = namespace.client.createReceiver(queue, { receiveMode: 'receiveAndDelete' });
    expect((await receiveOne(taker)).body).toBe('once');
    await taker.close();
    await nothingLeft();
  });

  it('is settled after its connection was replaced, as its lock is not the connection’s', async () => {
    await send(queue, { body: 'survivor' });
    const message = await receiveOne();
    await receiver.close();
    receiver = namespace.client.createReceiver(queue, { maxAutoLockRenewalDurationInMs: 0 });
    await receiver.completeMessage(message);
    await nothingLeft();
  });

  it('is shared between competing receivers, each getting its own', async () => {
    const count = 40;
    for (let i = 0; i < count; i += 1) await send(queue, { body: i });
    const rival = namespace.client.createReceiver(queue);
    toClose.push(rival);
    const [mine, theirs] = await Promise.all([
      receiver.receiveMessages(count / 2, { maxWaitTimeInMs: 2_000 }),
      rival.receiveMessages(count / 2, { maxWaitTimeInMs: 2_000 }),
    ]);
    const bodies = [...mine, ...theirs].map((message) => Number(message.body));
    expect(new Set(bodies).size).toBe(bodies.length);
    for (const message of mine) await receiver.completeMessage(message);
    for (const message of theirs) await rival.completeMessage(message);
    for (let left = count - bodies.length; left > 0; left -= 1) await receiver.completeMessage(await receiveOne());
  });

  onlyStandIn('becomes visible again when its lock ends, unless the lock is renewed', async () => {
    await send(queue, { body: 'slow' });
    const message = await receiveOne();
    await clock.advance(20_000);
    const renewed = await receiver.renewMessageLock(message);
    expect(renewed.getTime()).toBeGreaterThan(clock.nowMs() + 29_000);
    await clock.advance(20_000);
    await nothingLeft();
    await clock.advance(20_000);
    const again = await receiveOne();
    expect(again.deliveryCount).toBe(1);
    await expect(receiver.completeMessage(message)).rejects.toMatchObject({ code: 'MessageLockLost' });
    await receiver.completeMessage(again);
  });

  onlyStandIn('expires into the dead letters when its time is over', async () => {
    await send(expiring, { body: 'short', timeToLive: 60_000 }, { body: 'default' });
    await clock.advance(61_000);
    const dead = deadLettersOf(expiring);
    expect(await receiveOne(dead)).toMatchObject({ body: 'short', deadLetterReason: 'TTLExpiredException' });
    await nothingLeft(dead);
    await clock.advance(600_000);
    expect(await receiveOne(dead)).toMatchObject({ body: 'default' });
  });

  onlyStandIn('waits for the time it is scheduled for, and can be called back until then', async () => {
    const sender = namespace.client.createSender(queue);
    toClose.push(sender);
    const [first, second] = await sender.scheduleMessages(
      [{ body: 'due' }, { body: 'called back' }],
      new Date(clock.nowMs() + 60_000),
    );
    expect(first).toBeDefined();
    if (second !== undefined) await sender.cancelScheduledMessages(second);
    await nothingLeft();
    const peeker = namespace.client.createReceiver(queue);
    toClose.push(peeker);
    expect(await peeker.peekMessages(5)).toMatchObject([{ body: 'due', state: 'scheduled' }]);
    await clock.advance(61_000);
    const message = await receiveOne();
    expect(message).toMatchObject({ body: 'due', state: 'active' });
    await receiver.completeMessage(message);
    await nothingLeft();
  });
});

describe('a topic', () => {
  it('gives each subscription what its rules let through', async () => {
    await send(
      topic,
      { body: 'a', subject: 'order', applicationProperties: { size: 3 } },
      { body: 'b', subject: 'offer', applicationProperties: { size: 30 } },
      { body: 'c', subject: 'order', applicationProperties: { size: 300 } },
    );
    const seen: Record<string, unknown[]> = {};
    for (const subscription of ['all', 'large', 'orders']) {
      const from = namespace.client.createReceiver(topic, subscription, { receiveMode: 'receiveAndDelete' });
      toClose.push(from);
      const bodies: unknown[] = [];
      for (let batch = await from.receiveMessages(3, { maxWaitTimeInMs: 300 }); batch.length > 0;) {
        bodies.push(...batch.map((message): unknown => message.body));
        batch = await from.receiveMessages(3, { maxWaitTimeInMs: 200 });
      }
      seen[subscription] = bodies;
    }
    expect(seen).toEqual({ all: ['a', 'b', 'c'], large: ['b', 'c'], orders: ['a', 'c'] });
  });
});

describe('the state of a session', () => {
  it('is kept beside its messages', async () => {
    await send(withSessions, { body: 1, sessionId: 'with-state' });
    const session = await namespace.client.acceptSession(withSessions, 'with-state');
    expect(await session.getSessionState()).toBeNull();
    await session.setSessionState({ progress: 3 });
    expect(await session.getSessionState()).toEqual({ progress: 3 });
    await session.completeMessage(await receiveOne(session));
    await session.close();
    const later = await namespace.client.acceptSession(withSessions, 'with-state');
    expect(await later.getSessionState()).toEqual({ progress: 3 });
    await later.setSessionState(null);
    await later.close();
  });

  onlyStandIn('outlives the lock, which renewals keep', async () => {
    const session = await namespace.client.acceptSession(withSessions, 'renewed');
    toClose.push(session);
    const before = session.sessionLockedUntilUtc;
    await clock.advance(40_000);
    const until = await session.renewSessionLock();
    expect(until.getTime()).toBeGreaterThan(before.getTime());
    await clock.advance(40_000);
    await session.setSessionState('still mine');
    expect(await session.getSessionState()).toBe('still mine');
    await session.setSessionState(null);
  });
});

describe('what cannot be done is refused by name', () => {
  it('receiving from what does not exist', async () => {
    const nowhere = namespace.client.createReceiver(unique('nowhere'));
    toClose.push(nowhere);
    await expect(nowhere.receiveMessages(1, { maxWaitTimeInMs: 500 })).rejects.toMatchObject({
      code: 'MessagingEntityNotFound',
    });
  });

  it('sending to what does not exist', async () => {
    await expect(send(unique('nowhere'), { body: 1 })).rejects.toMatchObject({ code: 'MessagingEntityNotFound' });
  });

  it('a session where none are used, and none where they are required', async () => {
    await expect(namespace.client.acceptNextSession(queue)).rejects.toThrow('does not use sessions');
    const plain = namespace.client.createReceiver(withSessions);
    toClose.push(plain);
    await expect(plain.receiveMessages(1, { maxWaitTimeInMs: 500 })).rejects.toThrow('requires sessions');
    await expect(send(withSessions, { body: 'no session' })).rejects.toThrow('requires sessions');
  });

  it('waiting longer than allowed for a session that never comes', async () => {
    const impatient = new ServiceBusClient(namespace.connectionString, {
      retryOptions: { ...retryOptions, timeoutInMs: 300, maxRetries: 0 },
    });
    toClose.push(impatient);
    await expect(impatient.acceptNextSession(withSessions)).rejects.toMatchObject({ code: 'ServiceTimeout' });
  });

  it('a client with the wrong key', async () => {
    const stranger = new ServiceBusClient(namespace.connectionString.replace(testKey.value, 'd3Jvbmc='), {
      retryOptions: { ...retryOptions, maxRetries: 0 },
    });
    toClose.push(stranger);
    await expect(stranger.createSender(queue).sendMessages({ body: 1 })).rejects.toMatchObject({
      code: 'UnauthorizedAccess',
    });
  });
});
