import { ServiceBusClient, type ServiceBusMessage } from '@azure/service-bus';
import { setTimeout as delay } from 'node:timers/promises';
import { type Database, eventually, type FaultyCloud, startFaultyCloud } from './faulty-cloud';
import { countingScripts, expectSound } from './soundness';

jest.setTimeout(120_000);

/** As many sessions as the app serves at once, per instance. */
const sessionsServed = 32;
const perServer = sessionsServed / 2 + 4;
const fleetSize = 24;
const topic = 'database-builds';
const subscription = 'managed';
const stuckAfterSetting = 'SQLFLEET_STUCK_AFTER_MS';

/** Service Bus and Event Hubs failing in the middle of a build, on the whole embedded cloud. */
describe('a build whose broker fails', () => {
  let faulty: FaultyCloud;
  let client: ServiceBusClient;
  beforeAll(async () => {
    process.env[stuckAfterSetting] = '3000';
    faulty = await startFaultyCloud({ databases: perServer });
    client = new ServiceBusClient(faulty.cloud.endpoints.serviceBus.connectionString, {
      retryOptions: { timeoutInMs: 3_000, maxRetries: 0 },
    });
  });
  afterEach(() => faulty.clearFaults());
  afterAll(async () => {
    delete process.env[stuckAfterSetting];
    await client.close();
    await faulty.cloud.stop();
  });

  const targetsOf = (databases: Database[]) =>
    databases.map(({ server, database }) => `${server}:${database}\n`).join('');
  const smallFleet = () => faulty.databases().filter((_, index) => index % perServer < fleetSize / 2);
  const start = async (label: string, options: object = {}, work = `WAITFOR DELAY '00:00:00.15';`) => {
    const { id } = await faulty.cloud.api.startBuild(countingScripts(label, work), targetsOf(smallFleet()), {
      concurrencyLimit: 3,
      ...options,
    });
    return id;
  };
  const ended = (id: string, count: number) =>
    faulty.cloud.until(id, ({ counts }) => Object.values(counts).reduce((sum, each) => sum + each, 0) >= count);

  it('comes to the same end without Event Hubs', async () => {
    await faulty.setFaults('broker', [
      { operation: 'attach', entity: 'progress', action: { kind: 'error', condition: 'amqp:internal-error' } },
      { operation: 'send', entity: 'progress', action: { kind: 'drop' } },
    ]);
    const id = await start('unheard', {}, 'SELECT 1;');
    expect((await expectSound(faulty, id, 'unheard')).counts.committed).toBe(fleetSize);
  });

  it('survives connections that break several times', async () => {
    const id = await start('breaks');
    for (const [count, how] of [
      [1, 'resetConnections'],
      [6, 'forceConnections'],
      [12, 'resetConnections'],
    ] as const) {
      await ended(id, count);
      await faulty.act('broker', how);
    }
    expect((await expectSound(faulty, id, 'breaks')).counts.committed).toBe(fleetSize);
  });

  it('survives a broker that is gone for some seconds', async () => {
    const id = await start('gone');
    await ended(id, 3);
    await faulty.act('broker', 'listenerDown');
    await delay(3_000);
    await faulty.act('broker', 'listenerUp');
    expect((await expectSound(faulty, id, 'gone')).counts.committed).toBe(fleetSize);
  });

  it('survives lost answers to what it sends and settles', async () => {
    const settle = { operation: 'settle', entity: `${topic}/subscriptions/${subscription}` };
    await faulty.setFaults('broker', [
      { operation: 'send', entity: topic, times: 1, action: { kind: 'loseAnswer' } },
      { ...settle, times: 2, action: { kind: 'loseAnswer' } },
      { ...settle, times: 2, after: 3, action: { kind: 'error', condition: 'com.microsoft:session-lock-lost' } },
    ]);
    const id = await start('answers', {}, 'SELECT 1;');
    expect((await expectSound(faulty, id, 'answers')).counts.committed).toBe(fleetSize);
    await faulty.struck('broker');
  });

  it('survives a broker that is busy', async () => {
    await faulty.setFaults('broker', [
      { operation: 'send', entity: topic, times: 4, action: { kind: 'error', condition: 'com.microsoft:server-busy' } },
    ]);
    const id = await start('busy', {}, 'SELECT 1;');
    expect((await expectSound(faulty, id, 'busy')).counts.committed).toBe(fleetSize);
  });

  it('is not held up by messages that somebody else put into its queue', async () => {
    const id = await start('poisoned');
    const foreign = (body: unknown, sessionId: string): ServiceBusMessage => ({
      body,
      sessionId,
      contentType: 'application/json',
      applicationProperties: { cluster: subscription },
    });
    const target = { id: 't', server: 'fleet-1.database.localhost', port: null, overrides: [], tag: '', line: 1 };
    const lane = 'server:fleet-1.database.localhost#0';
    const ofNoBuild = { version: 1, buildId: 'nobody', run: 1, attempt: 1, lane, target };
    await client
      .createSender(topic)
      .sendMessages([
        foreign(Buffer.from('{ "version": 1, '), lane),
        foreign({ version: 2, buildId: 'nobody' }, lane),
        foreign({ ...ofNoBuild, version: 99 }, 'foreign'),
        foreign(ofNoBuild, lane),
      ]);
    expect((await expectSound(faulty, id, 'poisoned')).counts.committed).toBe(fleetSize);
    const next = await start('after-poison');
    expect((await expectSound(faulty, next, 'after-poison')).counts.committed).toBe(fleetSize);
    const deadLetters = client.createReceiver(topic, subscription, { subQueueType: 'deadLetter' });
    const drained = async () => (await deadLetters.peekMessages(1)).length === 0;
    const last = await start('drains');
    await eventually('the dead letters are gone', drained);
    await expectSound(faulty, last, 'drains');
    await deadLetters.close();
  });

  it('finds targets whose messages were deleted behind its back', async () => {
    // More lanes than the app serves at once: the messages in the others wait, and can be taken away.
    const { id } = await faulty.cloud.api.startBuild(
      countingScripts('deleted', `WAITFOR DELAY '00:00:01';`),
      targetsOf(faulty.databases()),
      { concurrencyLimit: perServer },
    );
    for (let deleted = 0; deleted < 4; deleted += 1) {
      const session = await client.acceptNextSession(topic, subscription, { receiveMode: 'receiveAndDelete' });
      expect(await session.receiveMessages(1, { maxWaitTimeInMs: 1_000 })).toHaveLength(1);
      await session.close();
    }
    const { waitingFor } = await faulty.cloud.until(id, (build) => build.waitingFor !== null);
    expect(waitingFor).toContain('4 targets handed out without an outcome');
    expect((await expectSound(faulty, id, 'deleted')).counts.committed).toBe(2 * perServer);
    expect((await faulty.progress(id)).resends).toBe(1);
  });
});
