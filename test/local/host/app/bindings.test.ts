import { readFunctions } from '../../../../local/host/app/bindings';
import { registerApp, startSampleHost } from '../sample-host';

describe('the functions of an app', () => {
  test('get their settings expanded, but connection stays the name of a setting', async () => {
    const app = await registerApp(({ app }) =>
      app.serviceBusTopic('work', {
        connection: 'Bus',
        topicName: '%Topic%',
        subscriptionName: 'sub-%Ring%',
        isSessionsEnabled: true,
        handler: () => undefined,
      }),
    );
    const [work] = readFunctions(app, { Topic: 'database-builds', Ring: 'blue' });
    expect(work?.trigger).toEqual({
      kind: 'serviceBus',
      connection: 'Bus',
      entity: { topic: 'database-builds', subscription: 'sub-blue' },
      sessions: true,
      cardinality: 'one',
      dataType: 'string',
      autoComplete: undefined,
    });
    expect(() => readFunctions(app, { Topic: 'database-builds' })).toThrow(/"work".*Ring, which is not set/);
  });

  test('are refused, each by its name, when the host cannot run them', async () => {
    const app = await registerApp(({ app, output, input }) => {
      app.storageQueue('queued', { queueName: 'q', connection: 'c', handler: () => undefined });
      app.timer('writing', {
        schedule: '0 0 * * * *',
        handler: () => undefined,
        return: output.serviceBusQueue({ queueName: 'q', connection: 'c' }),
      });
      app.get('reading', {
        extraInputs: [input.storageBlob({ path: 'p', connection: 'c' })],
        handler: () => ({}),
      });
      app.timer('retrying', {
        schedule: '0 0 * * * *',
        retry: { strategy: 'fixedDelay', maxRetryCount: 2, delayInterval: 1000 },
        handler: () => undefined,
      });
      app.get('fine', () => ({}));
    });
    const refuse = (): unknown => readFunctions(app, {});
    expect(refuse).toThrow(/function "queued".*queuetrigger/);
    expect(refuse).toThrow(/function "writing".*output binding "\$return" of type serviceBus/);
    expect(refuse).toThrow(/function "reading".*input binding .* of type blob/);
    expect(refuse).toThrow(/function "retrying".*retry policies/);
    expect(refuse).not.toThrow(/fine/);
  });

  test('can be switched off by name', async () => {
    const app = await registerApp(({ app }) => {
      app.get('a', () => ({}));
      app.get('b', () => ({}));
    });
    expect(readFunctions(app, { 'AzureWebJobs.a.Disabled': 'true' }).map(({ name }) => name)).toEqual(['b']);
  });

  test('need a connection that is configured, and an event hub of their own', async () => {
    const bus = await registerApp(({ app }) =>
      app.serviceBusQueue('work', { connection: 'Bus', queueName: 'q', handler: () => undefined }),
    );
    await expect(startSampleHost(bus)).rejects.toThrow(/"work".*Bus nor Bus__fullyQualifiedNamespace is set/);

    const hubs = await registerApp(({ app }) => {
      const options = { connection: 'Hub', eventHubName: 'progress', handler: () => undefined };
      app.eventHub('first', options);
      app.eventHub('second', options);
    });
    await expect(startSampleHost(hubs)).rejects.toThrow(/"first" and "second" read the same event hub/);
  });
});
