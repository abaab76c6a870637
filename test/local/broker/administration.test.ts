import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ServiceBusAdministrationClient, ServiceBusClient } from '@azure/service-bus';
import { systemClock } from '../../../lib/platform/clock';
import { type Broker } from '../../../local/broker/broker';
import { ensureCertificates } from '../../../local/certificates/certificates';
import { onlyStandIn, retryOptions, startTestBroker, testKey, unique } from './broker-under-test';

/** The management client always uses https, so the stand-in needs certificates here, and the client has to trust them. */
const external = process.env.SQLFLEET_TEST_SERVICEBUS_ADMIN;
const run = promisify(execFile);
let folder: string;
let trust = {};
let broker: Broker | undefined;
let admin: ServiceBusAdministrationClient;
const created: string[] = [];

beforeAll(async () => {
  if (external !== undefined) {
    admin = new ServiceBusAdministrationClient(external);
    return;
  }
  folder = mkdtempSync(join(tmpdir(), 'administration-'));
  const certificates = await ensureCertificates(folder, ['localhost'], new Date(systemClock.nowMs()));
  trust = { tlsOptions: { ca: readFileSync(certificates.caFile, 'utf8') } };
  broker = await startTestBroker({ queues: [{ name: 'declared' }] }, { certificates });
  admin = new ServiceBusAdministrationClient(broker.serviceBusConnectionString, trust);
});
afterAll(async () => {
  for (const name of created) await admin.deleteQueue(name);
  await broker?.stop();
  if (external === undefined) rmSync(folder, { recursive: true });
});

const newQueue = (): string => {
  const name = unique('queue');
  created.push(name);
  return name;
};

describe('the management client', () => {
  it('creates a queue, reads it back, changes and deletes it', async () => {
    const name = unique('queue');
    await admin.createQueue(name, {
      lockDuration: 'PT45S',
      maxDeliveryCount: 7,
      requiresSession: true,
      requiresDuplicateDetection: true,
      duplicateDetectionHistoryTimeWindow: 'PT5M',
      defaultMessageTimeToLive: 'P2DT3H',
      deadLetteringOnMessageExpiration: true,
      userMetadata: 'a <b> & "c"',
    });
    const queue = await admin.getQueue(name);
    expect(queue).toMatchObject({
      name,
      lockDuration: 'PT45S',
      maxDeliveryCount: 7,
      requiresSession: true,
      requiresDuplicateDetection: true,
      deadLetteringOnMessageExpiration: true,
      status: 'Active',
      userMetadata: 'a <b> & "c"',
    });
    await admin.updateQueue({ ...queue, maxDeliveryCount: 3 });
    expect((await admin.getQueue(name)).maxDeliveryCount).toBe(3);
    await admin.deleteQueue(name);
    expect(await admin.queueExists(name)).toBe(false);
  });

  it('tells what is missing from what exists already', async () => {
    const name = newQueue();
    await admin.createQueue(name);
    await expect(admin.createQueue(name)).rejects.toMatchObject({ statusCode: 409 });
    await expect(admin.getQueue(unique('none'))).rejects.toMatchObject({ statusCode: 404 });
    await expect(admin.deleteQueue(unique('none'))).rejects.toMatchObject({ statusCode: 404 });
    await expect(admin.getSubscription(name, 'x')).rejects.toMatchObject({ statusCode: 404 });
  });

  it('manages topics, subscriptions and rules', async () => {
    const topic = unique('topic');
    await admin.createTopic(topic, { requiresDuplicateDetection: true });
    await admin.createSubscription(topic, 'managed', {
      requiresSession: true,
      lockDuration: 'PT1M',
      defaultRuleOptions: {
        name: 'cluster',
        filter: { applicationProperties: { cluster: 'managed', level: 3, hot: true } },
      },
    });
    await admin.createSubscription(topic, 'all');
    expect(await admin.getSubscription(topic, 'managed')).toMatchObject({
      topicName: topic,
      subscriptionName: 'managed',
      requiresSession: true,
      lockDuration: 'PT60S',
    });
    expect((await admin.getRule(topic, 'managed', 'cluster')).filter).toMatchObject({
      applicationProperties: { cluster: 'managed', level: 3, hot: true },
    });
    await admin.createRule(topic, 'all', 'large', { sqlExpression: 'size > 10' });
    await admin.deleteRule(topic, 'all', '$Default');
    const names: string[] = [];
    for await (const rule of admin.listRules(topic, 'all')) names.push(rule.name);
    expect(names).toEqual(['large']);
    expect((await admin.getRule(topic, 'all', 'large')).filter).toEqual({ sqlExpression: 'size > 10' });
    const subscriptions: string[] = [];
    for await (const each of admin.listSubscriptions(topic)) subscriptions.push(each.subscriptionName);
    expect(subscriptions.sort()).toEqual(['all', 'managed']);
    expect((await admin.getTopicRuntimeProperties(topic)).subscriptionCount).toBe(2);
    await admin.deleteSubscription(topic, 'all');
    expect(await admin.subscriptionExists(topic, 'all')).toBe(false);
    await admin.deleteTopic(topic);
    expect(await admin.topicExists(topic)).toBe(false);
  });

  it('lists more queues than fit on a page', async () => {
    const names = Array.from({ length: 104 }, newQueue);
    for (const name of names) await admin.createQueue(name);
    const listed = new Set<string>();
    for await (const queue of admin.listQueues()) listed.add(queue.name);
    expect(names.filter((name) => !listed.has(name))).toEqual([]);
  });

  it('refuses a filter that it does not understand', async () => {
    const topic = unique('topic');
    await admin.createTopic(topic);
    await admin.createSubscription(topic, 's');
    await expect(admin.createRule(topic, 's', 'bad', { sqlExpression: 'a = = b' })).rejects.toMatchObject({
      statusCode: 400,
    });
    await admin.deleteTopic(topic);
  });

  onlyStandIn('refuses what the stand-in does not have, by name', async () => {
    await admin.createQueue(newQueue());
    await expect(admin.createQueue(unique('forwarding'), { forwardTo: 'declared' })).rejects.toThrow('ForwardTo');
    await expect(admin.createQueue(unique('idle'), { autoDeleteOnIdle: 'PT5M' })).rejects.toThrow('AutoDeleteOnIdle');
  });

  onlyStandIn('counts what waits, is scheduled and is dead', async () => {
    if (broker === undefined) throw new Error('no stand-in');
    const topic = unique('topic');
    await admin.createTopic(topic);
    await admin.createSubscription(topic, 's', { requiresSession: true });
    const client = new ServiceBusClient(broker.serviceBusConnectionString, { retryOptions });
    const sender = client.createSender(topic);
    await sender.sendMessages(Array.from({ length: 5 }, (_, i) => ({ body: i, sessionId: `${i % 2}` })));
    await sender.scheduleMessages({ body: 'later', sessionId: 'x' }, new Date(Date.now() + 3_600_000));
    const receiver = await client.acceptSession(topic, 's', '0');
    const [first, second] = await receiver.receiveMessages(2, { maxWaitTimeInMs: 1_000 });
    if (first === undefined || second === undefined) throw new Error('nothing was received');
    await receiver.deadLetterMessage(first);
    await receiver.completeMessage(second);
    expect(await admin.getSubscriptionRuntimeProperties(topic, 's')).toMatchObject({
      activeMessageCount: 3,
      deadLetterMessageCount: 1,
      totalMessageCount: 4,
    });
    expect((await admin.getTopicRuntimeProperties(topic)).scheduledMessageCount).toBe(1);
    await client.close();
  });

  onlyStandIn('is refused with a wrong key, and with a key that may not manage', async () => {
    if (broker === undefined) throw new Error('no stand-in');
    const wrong = new ServiceBusAdministrationClient(
      broker.serviceBusConnectionString.replace(testKey.value, 'eA=='),
      trust,
    );
    await expect(wrong.getQueue('declared')).rejects.toMatchObject({ statusCode: 401 });
  });

  onlyStandIn('is answered on the same port without TLS too', async () => {
    const status = await new Promise((resolve, reject) => {
      request({ port: broker?.port, path: '/declared', agent: false }, (response) => {
        response.resume();
        resolve(response.statusCode);
      })
        .on('error', reject)
        .end();
    });
    expect(status).toBe(401);
  });
});

/** A client program of its own, as trust in an authority can only be given to a whole process, when it starts. */
const sendWithToken = `
  const { ServiceBusClient } = require('@azure/service-bus');
  const [port, token] = process.argv.slice(1);
  const credential = { getToken: async () => ({ token, expiresOnTimestamp: Date.now() + 3_600_000 }) };
  const client = new ServiceBusClient('localhost:' + port, credential, {
    customEndpointAddress: 'sb://localhost:' + port,
    retryOptions: { timeoutInMs: 5_000, maxRetries: 0 },
  });
  client.createSender('q').sendMessages({ body: 1 })
    .then(() => 'sent', (error) => error.code + ' ' + error.message)
    .then((outcome) => { console.log(outcome); process.exit(); });
`;

describe('a client that brings a bearer token, over TLS', () => {
  onlyStandIn('is let in when the token is accepted, and not otherwise', async () => {
    const certificates = await ensureCertificates(folder, ['localhost'], new Date());
    const secured = await startTestBroker(
      { queues: [{ name: 'q' }] },
      { certificates, verifyToken: async (token) => token === 'good' },
    );
    const send = async (token: string): Promise<string> => {
      const env = { ...process.env, NODE_EXTRA_CA_CERTS: certificates.caFile };
      const { stdout } = await run(process.execPath, ['-e', sendWithToken, '--', String(secured.port), token], { env });
      return stdout.trim();
    };
    expect(await Promise.all(['good', 'bad'].map(send))).toEqual([
      'sent',
      expect.stringContaining('UnauthorizedAccess'),
    ]);
    await secured.stop();
  });
});
