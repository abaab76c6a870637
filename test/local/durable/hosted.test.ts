import type * as durableFunctions from 'durable-functions';
import { type OrchestrationContext, type RetryOptions } from 'durable-functions';
import { z } from 'zod';
import { systemClock } from '../../../lib/platform/clock';
import { createDurableEngine, type LocalDurableEngine } from '../../../local/durable/engine';
import { keys, registerApp, type SampleHost, startSampleHost, until } from '../host/sample-host';

/** The engine behind the real Functions host: registration, invocation and the client binding are those of the library. */
describe('Durable functions in the Functions host', () => {
  let sample: SampleHost;
  let engine: LocalDurableEngine;
  let attempts = 0;

  beforeAll(async () => {
    process.env.WEBSITE_HOSTNAME = '127.0.0.1';
    const app = await registerApp(() => {
      const df = jest.requireActual<typeof durableFunctions>('durable-functions');
      const options: RetryOptions = new df.RetryOptions(10, 3);
      df.app.orchestration('main', function* (context: OrchestrationContext) {
        const words = z.array(z.string()).parse(context.df.getInput());
        const upper: unknown = yield context.df.Task.all(words.map((word) => context.df.callActivity('upper', word)));
        const retried: unknown = yield context.df.callActivityWithRetry('flaky', options);
        const counter = new df.EntityId('counter', 'c');
        context.df.signalEntity(counter, 'add', 5);
        const counted: unknown = yield context.df.callEntity(counter, 'get');
        let message = '';
        try {
          yield context.df.callActivity('fails');
        } catch (error) {
          message = error instanceof Error ? (error.message.split('\n')[0] ?? '') : '';
        }
        return { upper, retried, counted, message };
      });
      df.app.activity('upper', { handler: (word) => String(word).toUpperCase() });
      df.app.activity('flaky', {
        handler: () => {
          attempts += 1;
          if (attempts < 3) throw new Error('not yet');
          return { attempts };
        },
      });
      df.app.activity('fails', {
        handler: () => {
          throw new Error('boom');
        },
      });
      df.app.entity<number>('counter', (context) => {
        if (context.df.operationName === 'get') context.df.return(context.df.getState());
        else context.df.setState(Number(context.df.getInput()));
      });
      df.app.client.http('begin', {
        authLevel: 'anonymous',
        handler: async (request, client) => {
          const id = await client.startNew('main', { input: await request.json() });
          return client.createCheckStatusResponse(request, id);
        },
      });
    });
    engine = createDurableEngine({
      taskHubName: 'Hosted',
      journalPath: null,
      clock: systemClock,
      newId: () => crypto.randomUUID(),
      log: () => undefined,
      systemKey: keys.system,
      options: { strictReplay: true },
    });
    sample = await startSampleHost(app, {}, { durable: engine });
  });
  afterAll(async () => {
    delete process.env.WEBSITE_HOSTNAME;
    await sample.close();
  });

  it('start over HTTP, run through the invocation model, and answer under the link they gave', async () => {
    const started = await fetch(`${sample.baseUrl}/api/begin`, { method: 'POST', body: '["a","1"]' });
    expect(started.status).toBe(202);
    const { statusQueryGetUri } = z.object({ statusQueryGetUri: z.url() }).parse(await started.json());
    const outcome = z.object({ runtimeStatus: z.string(), output: z.unknown() });
    let last = outcome.parse({ runtimeStatus: 'Unknown', output: null });
    void (async () => {
      while (last.runtimeStatus !== 'Completed') last = outcome.parse(await (await fetch(statusQueryGetUri)).json());
    })();
    await until('the orchestration has ended', () => last.runtimeStatus === 'Completed');
    expect(last.output).toEqual({
      upper: ['A', '1'],
      retried: { attempts: 3 },
      counted: 5,
      message: "Activity function 'fails' failed: boom ",
    });
  });
});
