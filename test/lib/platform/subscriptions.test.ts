import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ServiceBusAdministrationClient, ServiceBusClient } from '@azure/service-bus';
import { systemClock } from '../../../lib/platform/clock';
import { createBuildQueue } from '../../../lib/platform/messages';
import { createSubscriptions } from '../../../lib/platform/subscriptions';
import { type Broker } from '../../../local/broker/broker';
import { ensureCertificates } from '../../../local/certificates/certificates';
import { retryOptions, startTestBroker } from '../../local/broker/broker-under-test';

const topic = 'database-builds';
const topology = { topics: [{ name: topic, duplicateDetectionWindowMs: 600_000, subscriptions: [] }] };

describe('the subscription of a cluster', () => {
  let folder: string;
  let broker: Broker;
  let tls: { ca: string };
  let certificates: { key: string; cert: string };
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'subscriptions-'));
    const made = await ensureCertificates(join(folder, 'certificates'), ['localhost'], new Date(systemClock.nowMs()));
    certificates = { key: made.key, cert: made.cert };
    tls = { ca: readFileSync(made.caFile, 'utf8') };
  });
  afterAll(() => rmSync(folder, { recursive: true }));
  beforeEach(async () => {
    broker = await startTestBroker(topology, { certificates, journalFolder: join(folder, 'broker') });
  });
  afterEach(() => broker.stop());
  const administration = () =>
    new ServiceBusAdministrationClient(broker.serviceBusConnectionString, { tlsOptions: tls });

  it('is made once, gets only what is for its queue, session by session, and goes with what it holds', async () => {
    const subscriptions = createSubscriptions(administration(), topic);
    await Promise.all(['east', 'west', 'east'].map((queue) => subscriptions.ensure(queue)));
    const client = new ServiceBusClient(broker.serviceBusConnectionString, { retryOptions });
    const queue = createBuildQueue(client, administration(), topic);
    await queue.send([
      { messageId: '1', sessionId: 'server:a#0', body: 'for east', cluster: 'east' },
      { messageId: '2', sessionId: 'server:a#0', body: 'for nobody', cluster: 'east.2' },
    ]);
    expect(await queue.backlog('east')).toEqual({ active: 1, deadLettered: 0 });
    expect(await queue.backlog('west')).toEqual({ active: 0, deadLettered: 0 });
    const receiver = await client.acceptSession(topic, 'east', 'server:a#0');
    expect((await receiver.receiveMessages(5, { maxWaitTimeInMs: 1_000 })).map(({ body }): unknown => body)).toEqual([
      'for east',
    ]);
    await receiver.close();
    await subscriptions.remove('east');
    await subscriptions.remove('east');
    expect(await queue.backlog('east')).toBe('missing');
    await subscriptions.ensure('east');
    expect(await queue.backlog('east')).toEqual({ active: 0, deadLettered: 0 });
    await queue.close();
    await client.close();
  });

  it('is as the app’s own is, and there after a restart', async () => {
    await createSubscriptions(administration(), topic).ensure('north');
    await broker.stop();
    broker = await startTestBroker(topology, { certificates, journalFolder: join(folder, 'broker') });
    expect(await administration().getSubscription(topic, 'north')).toMatchObject({
      requiresSession: true,
      lockDuration: 'PT60S',
      maxDeliveryCount: 10,
      deadLetteringOnMessageExpiration: true,
    });
    expect((await administration().getRule(topic, 'north', 'cluster')).filter).toMatchObject({
      applicationProperties: { cluster: 'north' },
    });
  });

  it('is not one that lets through what is for others', async () => {
    await administration().createSubscription(topic, 'open', { requiresSession: true });
    const subscriptions = createSubscriptions(administration(), topic);
    await expect(subscriptions.ensure('open')).rejects.toMatchObject({ code: 'subscriptions.notOurs' });
    await subscriptions.remove('open');
    await subscriptions.ensure('open');
    await subscriptions.ensure('open');
  });

  it('tells that it could not be made, so that it is tried again', async () => {
    const subscriptions = createSubscriptions(administration(), 'no-such-topic');
    await expect(subscriptions.ensure('east')).rejects.toMatchObject({
      code: 'subscriptions.unavailable',
      retry: { kind: 'backoff' },
    });
  });
});
