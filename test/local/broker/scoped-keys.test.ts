import { createHmac } from 'node:crypto';
import { EventHubProducerClient } from '@azure/event-hubs';
import { ServiceBusClient } from '@azure/service-bus';
import { type Broker } from '../../../local/broker/broker';
import { createQueueCredentials } from '../../../lib/platform/worker-credentials';
import { onlyStandIn, retryOptions, startTestBroker } from './broker-under-test';

/** A key of the topic that may only listen, and what the app signs with it: what Service Bus enforces of it. */
describe('a signature for one subscription', () => {
  const subscription = (name: string) => ({ name, requiresSession: true });
  const topology = {
    topics: [
      { name: 'builds', subscriptions: [subscription('east'), subscription('east2'), subscription('west')] },
      { name: 'builds2', subscriptions: [subscription('east')] },
    ],
    eventHubs: [{ name: 'progress', partitionCount: 1 }],
  };
  const key = { name: 'workers', value: 'bGlzdGVuLW9ubHk=', rights: ['Listen' as const], entity: 'builds' };
  let broker: Broker;
  let owner: ServiceBusClient;
  beforeAll(async () => {
    broker = await startTestBroker(topology, { moreKeys: [key] });
    owner = new ServiceBusClient(broker.serviceBusConnectionString, { retryOptions });
  });
  afterAll(async () => {
    await owner.close();
    await broker.stop();
  });

  const signed = (name: string, lifetimeMs = 60_000): string =>
    createQueueCredentials(
      `Endpoint=sb://localhost:${broker.port};SharedAccessKeyName=${key.name};SharedAccessKey=${key.value}`,
      'builds',
    ).listen(name, Date.now() + lifetimeMs).signature;
  const using = async <T>(signature: string, use: (client: ServiceBusClient) => Promise<T>): Promise<T> => {
    const client = new ServiceBusClient(
      `Endpoint=sb://localhost:${broker.port};SharedAccessSignature=${signature};UseDevelopmentEmulator=true`,
      { retryOptions: { ...retryOptions, maxRetries: 0 } },
    );
    try {
      return await use(client);
    } finally {
      await client.close();
    }
  };
  const unauthorized = { code: 'UnauthorizedAccess' };

  it('lets its bearer receive, renew and settle there', async () => {
    await owner.createSender('builds').sendMessages({ sessionId: 's', body: 'hello' });
    await using(signed('east'), async (client) => {
      const session = await client.acceptSession('builds', 'east', 's');
      const [message] = await session.receiveMessages(1);
      expect(message?.body).toBe('hello');
      await session.renewSessionLock();
      if (message !== undefined) await session.completeMessage(message);
      await session.close();
    });
  });

  it.each(['east2', 'west'])('does not let its bearer receive from %s', async (other) => {
    await using(signed('east'), async (client) => {
      await expect(client.acceptSession('builds', other, 's')).rejects.toMatchObject(unauthorized);
    });
  });

  it('does not let its bearer receive from another topic, or peek at others’ messages', async () => {
    await using(signed('east'), async (client) => {
      await expect(client.acceptSession('builds2', 'east', 's')).rejects.toMatchObject(unauthorized);
      const dead = client.createReceiver('builds', 'west', { subQueueType: 'deadLetter' });
      await expect(dead.peekMessages(1)).rejects.toMatchObject(unauthorized);
    });
  });

  it('does not let its bearer send, neither to the topic nor to the subscription', async () => {
    await using(signed('east'), async (client) => {
      for (const entity of ['builds', 'builds/Subscriptions/east']) {
        const sender = client.createSender(entity);
        await expect(sender.sendMessages({ sessionId: 's', body: 1 })).rejects.toMatchObject(unauthorized);
        await expect(
          sender.scheduleMessages({ sessionId: 's', body: 1 }, new Date(Date.now() + 60_000)),
        ).rejects.toMatchObject(unauthorized);
      }
    });
  });

  onlyStandIn('does not let its bearer send events, or manage anything', async () => {
    const producer = new EventHubProducerClient(
      `Endpoint=sb://localhost:${broker.port};SharedAccessSignature=${signed('east')};UseDevelopmentEmulator=true`,
      'progress',
      { retryOptions: { maxRetries: 0, timeoutInMs: 5_000 } },
    );
    await expect(producer.sendBatch([{ body: 1 }])).rejects.toMatchObject({ code: 'UnauthorizedError' });
    await producer.close();
    const answer = await fetch(`http://localhost:${broker.port}/builds/subscriptions/east?api-version=2021-05`, {
      headers: { authorization: signed('east') },
    });
    expect(answer.status).toBe(401);
  });

  it('refuses what the key signs for another entity or the whole namespace', async () => {
    for (const path of ['', 'builds2/Subscriptions/east', 'buildsX']) {
      const resource = encodeURIComponent(`sb://localhost:${broker.port}/${path}`);
      const expiry = Math.floor(Date.now() / 1_000) + 60;
      const signature = createHmac('sha256', key.value).update(`${resource}\n${expiry}`).digest('base64');
      const token = `SharedAccessSignature sr=${resource}&sig=${encodeURIComponent(signature)}&se=${expiry}&skn=workers`;
      await using(token, async (client) => {
        await expect(client.acceptSession('builds', 'east', 's')).rejects.toMatchObject(unauthorized);
      });
    }
  });

  it('refuses a signature whose resource or expiry was changed', async () => {
    for (const forged of [
      signed('east').replace('Subscriptions%2Feast', 'Subscriptions%2Fwest'),
      signed('east').replace(/se=\d+/, `se=${Math.floor(Date.now() / 1_000) + 9_999}`),
      signed('east', -1_000),
    ]) {
      await using(forged, async (client) => {
        await expect(client.acceptSession('builds', 'west', 's')).rejects.toMatchObject(unauthorized);
        await expect(client.acceptSession('builds', 'east', 's')).rejects.toMatchObject(unauthorized);
      });
    }
  });

  it('closes what is open when it ends', async () => {
    await owner.createSender('builds').sendMessages({ sessionId: 'late', body: 1 });
    await using(signed('east', 2_000), async (client) => {
      const session = await client.acceptSession('builds', 'east', 'late');
      expect(await session.receiveMessages(1)).toHaveLength(1);
      await new Promise<void>((resolve) => {
        session.subscribe({ processMessage: async () => undefined, processError: async () => resolve() });
      });
      await expect(session.renewSessionLock()).rejects.toBeDefined();
    });
  });
});
