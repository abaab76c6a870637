import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { ServiceBusClient } from '@azure/service-bus';
import { type Broker } from '../../../local/broker/broker';
import { type Fault } from '../../../local/broker/faults';
import { onlyStandIn, startTestBroker } from './broker-under-test';

let broker: Broker;
let client: ServiceBusClient;

beforeEach(async () => {
  broker = await startTestBroker({
    queues: [
      { name: 'orders', duplicateDetectionWindowMs: 60_000 },
      { name: 'lanes', requiresSession: true },
    ],
  });
  client = newClient(broker.serviceBusConnectionString);
});
afterEach(async () => {
  jest.restoreAllMocks();
  await client.close();
  await broker.stop();
});

function newClient(connectionString: string): ServiceBusClient {
  return new ServiceBusClient(connectionString, {
    retryOptions: { timeoutInMs: 500, maxRetries: 5, retryDelayInMs: 50, maxRetryDelayInMs: 100 },
  });
}

async function send(body: unknown, path = 'orders'): Promise<void> {
  const sender = client.createSender(path);
  try {
    await sender.sendMessages({ body, messageId: `id of ${String(body)}`, sessionId: 'lane' });
  } finally {
    await sender.close();
  }
}

/** What the queue holds, looked at by a client of its own, so that no fault of the first is in the way. */
async function stored(path = 'orders'): Promise<unknown[]> {
  const observer = newClient(broker.serviceBusConnectionString);
  const messages = await observer.createReceiver(path).peekMessages(1_000);
  await observer.close();
  return messages.map((message): unknown => message.body);
}

const fault = (settings: Fault): void => broker.faults.set([settings]);
const busy = 'com.microsoft:server-busy';

describe('a fault', () => {
  onlyStandIn('that says busy is retried by the client', async () => {
    fault({ operation: 'send', entity: 'ORDERS', times: 2, action: { kind: 'error', condition: busy } });
    await send('patient');
    expect(await stored()).toEqual(['patient']);
    expect(broker.counters.read().orders).toMatchObject({ sends: 1 });
  });

  onlyStandIn('that takes the answer away makes the client send again, which is stored once', async () => {
    fault({ operation: 'send', times: 1, action: { kind: 'loseAnswer' } });
    await send('twice sent');
    expect(await stored()).toEqual(['twice sent']);
    expect(broker.counters.read().orders).toMatchObject({ sends: 2 });
  });

  onlyStandIn('that cuts the connection before the deed leaves nothing behind', async () => {
    fault({ operation: 'send', times: 1, action: { kind: 'drop' } });
    await send('second try');
    expect(await stored()).toEqual(['second try']);
    expect(broker.counters.read().orders).toMatchObject({ sends: 1 });
  });

  onlyStandIn('may strike later than at first, and only so often', async () => {
    const condition = 'amqp:not-allowed';
    fault({ operation: 'send', after: 1, times: 1, action: { kind: 'error', condition } });
    await send('one');
    await expect(send('two')).rejects.toThrow();
    await send('three');
    expect(await stored()).toEqual(['one', 'three']);
  });

  onlyStandIn('can delay', async () => {
    fault({ operation: 'send', times: 1, action: { kind: 'delay', delayMs: 200 } });
    const sending = send('slow');
    await new Promise((resolve) => setTimeout(resolve, 80));
    expect(await stored()).toEqual([]);
    await sending;
    expect(await stored()).toEqual(['slow']);
  });

  onlyStandIn('can keep a lock from being renewed, and a message from being settled', async () => {
    await send('held', 'lanes');
    const session = await client.acceptSession('lanes', 'lane');
    const [message] = await session.receiveMessages(1, { maxWaitTimeInMs: 500 });
    if (message === undefined) throw new Error('nothing was received');
    broker.faults.set([
      {
        operation: 'request',
        request: 'com.microsoft:renew-session-lock',
        action: { kind: 'error', condition: 'com.microsoft:session-lock-lost' },
      },
      { operation: 'settle', entity: 'lanes', action: { kind: 'error', condition: 'com.microsoft:session-lock-lost' } },
    ]);
    await expect(session.renewSessionLock()).rejects.toMatchObject({ code: 'SessionLockLost' });
    await expect(session.completeMessage(message)).rejects.toMatchObject({ code: 'SessionLockLost' });
    expect(await stored('lanes')).toEqual(['held']);
    broker.faults.clear();
    await session.renewSessionLock();
  });

  onlyStandIn('that is described wrongly is refused, and says why', () => {
    expect(() => broker.faults.set([{ operation: 'sendd', action: { kind: 'drop' } }])).toThrow('operation');
  });
});

describe('when connections fail', () => {
  onlyStandIn.each(['reset', 'forced'] as const)('a client whose connection was %s sends again', async (how) => {
    await send('before');
    broker.faults.dropConnections(how);
    await new Promise((resolve) => setTimeout(resolve, 50));
    await send('after');
    expect(await stored()).toEqual(['before', 'after']);
  });

  onlyStandIn('and the port is gone for a while, clients come back when it does', async () => {
    await send('before');
    await broker.faults.listenerDown();
    // A link that is being opened just when its connection is lost blocks this client for a minute, so let it see the loss.
    await new Promise((resolve) => setTimeout(resolve, 100));
    await expect(send('meanwhile')).rejects.toThrow('ECONNREFUSED');
    await broker.faults.listenerUp();
    await send('after');
    expect(await stored()).toEqual(['before', 'after']);
  });
});

/** What a client writes, piece by piece, while it sends, receives and completes one message. */
async function recordClient(): Promise<Buffer[]> {
  const chunks: Buffer[] = [];
  const sockets = new Set<Socket>();
  const proxy = createServer((inner) => {
    const outer = connect(broker.port, '127.0.0.1');
    for (const socket of [inner, outer]) {
      sockets.add(socket);
      socket.on('error', () => socket.destroy());
    }
    inner.on('data', (chunk: Buffer) => chunks.push(chunk));
    inner.pipe(outer).pipe(inner);
  });
  const port = await new Promise<number>((resolve) => {
    proxy.listen(0, '127.0.0.1', () => {
      const address: AddressInfo | string | null = proxy.address();
      resolve(typeof address === 'object' && address !== null ? address.port : 0);
    });
  });
  const recorded = newClient(broker.serviceBusConnectionString.replace(/localhost:\d+/, `localhost:${port}`));
  await recorded.createSender('orders').sendMessages({ body: 'recorded' });
  const receiver = recorded.createReceiver('orders');
  const [message] = await receiver.receiveMessages(1, { maxWaitTimeInMs: 500 });
  if (message !== undefined) await receiver.completeMessage(message);
  await recorded.close();
  for (const socket of sockets) socket.destroy();
  proxy.close();
  return chunks;
}

/** Writes the pieces as if a client did, until the other side has had enough. */
async function replay(chunks: readonly Buffer[]): Promise<void> {
  const socket = connect(broker.port, '127.0.0.1');
  let open = true;
  socket.on('error', () => undefined);
  socket.on('close', () => (open = false));
  socket.resume();
  for (const chunk of chunks) {
    if (!open) break;
    socket.write(chunk);
    await new Promise((resolve) => setTimeout(resolve, 1)); // time to answer, which a client would wait for
  }
  socket.destroy();
}

/** A reproducible sequence of numbers below a limit. */
function pseudoRandom(seed: number): (limit: number) => number {
  let state = seed;
  return (limit) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state % limit;
  };
}

describe('nonsense', () => {
  onlyStandIn('from one client ends its connection at most; others are served on', async () => {
    jest.spyOn(console, 'error').mockReturnValue(); // the AMQP library says what it thinks of the nonsense
    jest.spyOn(console, 'warn').mockReturnValue();
    const recording = await recordClient();
    broker.counters.reset();
    await replay(recording);
    expect(broker.counters.read().orders).toMatchObject({ sends: 1, settlements: { complete: 1 } });

    const random = pseudoRandom(20_260_101);
    for (let round = 0; round < 150; round += 1) {
      const chunks = recording.map((chunk) => Buffer.from(chunk));
      for (let flips = 0; flips <= random(3); flips += 1) {
        const chunk = chunks[random(chunks.length)];
        if (chunk !== undefined) chunk[random(chunk.length)] = random(256);
      }
      await replay(chunks);
    }
    broker.counters.reset();
    await send('still there');
    expect(broker.counters.read().orders).toMatchObject({ sends: 1, sentMessages: 1 });
    expect(await stored()).toContain('still there');
  });
});
