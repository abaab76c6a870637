import { type InvocationContext } from '@azure/functions';
import { z } from 'zod';
import { registerApp, startSampleHost, until, type SampleHost } from '../sample-host';

let sample: SampleHost | undefined;
afterEach(async () => {
  await sample?.close();
  sample = undefined;
});

describe('an invocation', () => {
  test('passes its hooks, which may change input, function and result', async () => {
    const app = await registerApp(({ app }) => {
      app.get('greet', { handler: async (request) => ({ body: `hello ${request.query.get('name')}` }) });
      app.hook.preInvocation((context) => {
        context.hookData.seen = context.invocationContext.functionName;
        const [request] = context.inputs;
        const inner = context.functionHandler;
        context.functionHandler = async (_input: unknown, given) => {
          const wrapped: unknown = await inner(request, given);
          return { jsonBody: { wrapped } };
        };
      });
      app.hook.postInvocation((context) => {
        const result = z.object({ jsonBody: z.unknown() }).parse(context.result);
        context.result = { ...result, headers: { 'x-seen': String(context.hookData.seen) } };
      });
    });
    sample = await startSampleHost(app);
    const response = await fetch(`${sample.baseUrl}/api/greet?name=you`);
    expect(response.headers.get('x-seen')).toBe('greet');
    expect(await response.json()).toEqual({ wrapped: { body: 'hello you' } });
  });

  test('fails when a hook throws', async () => {
    const app = await registerApp(({ app }) => {
      app.get('never', () => ({ status: 200 }));
      app.hook.preInvocation(() => {
        throw new Error('not today');
      });
    });
    sample = await startSampleHost(app);
    expect((await fetch(`${sample.baseUrl}/api/never`)).status).toBe(500);
    expect(sample.log).toContainEqual(expect.objectContaining({ message: 'Failed: not today' }));
  });

  test('logs under its own id, through the log hooks, without keys', async () => {
    let context: InvocationContext | undefined;
    const app = await registerApp(({ app }) => {
      app.get('logging', (_request, given) => {
        context = given;
        given.warn('called', 'https://example.com/x?code=opensesame&y=1');
        return {};
      });
      app.hook.log((entry) => {
        if (entry.category === 'user') entry.message = `[${entry.invocationContext?.functionName}] ${entry.message}`;
      });
    });
    sample = await startSampleHost(app);
    await fetch(`${sample.baseUrl}/api/logging`);
    expect(sample.log).toContainEqual(
      expect.objectContaining({
        level: 'warning',
        source: 'function',
        functionName: 'logging',
        invocationId: context?.invocationId,
        message: '[logging] called https://example.com/x?code=***&y=1',
      }),
    );
  });

  test('that takes longer than functionTimeout fails, and says that its code goes on', async () => {
    const app = await registerApp(({ app }) =>
      app.get('slow', async () => {
        await new Promise((resolve) => setTimeout(resolve, 300));
        return { status: 200 };
      }),
    );
    sample = await startSampleHost(app, { functionTimeout: '00:00:00.1' });
    expect((await fetch(`${sample.baseUrl}/api/slow`)).status).toBe(500);
    expect(sample.log.find(({ level }) => level === 'error')?.message).toMatch(
      /100 ms was exceeded.*"slow".*still run/,
    );
  });
});

describe('a host', () => {
  test('tells the app when it starts and when it ends, and lets running functions finish', async () => {
    const seen: string[] = [];
    let finish: () => void = () => undefined;
    const app = await registerApp(({ app }) => {
      app.get('waiting', async () => {
        seen.push('function begins');
        await new Promise<void>((resolve) => (finish = resolve));
        seen.push('function ends');
        return { body: 'done' };
      });
      app.hook.appStart(() => void seen.push('appStart'));
      app.hook.appTerminate(() => void seen.push('appTerminate'));
    });
    sample = await startSampleHost(app);
    const { baseUrl, host } = sample;
    const answer = fetch(`${baseUrl}/api/waiting`);
    await until('the function runs', () => seen.includes('function begins'));
    const stopped = host.stop(5_000);
    expect((await fetch(`${baseUrl}/api/waiting`)).status).toBe(503);
    finish();
    expect(await (await answer).text()).toBe('done');
    await stopped;
    expect(seen).toEqual(['appStart', 'function begins', 'function ends', 'appTerminate']);
    await expect(fetch(`${baseUrl}/api/waiting`)).rejects.toThrow();
  });

  test('says which port is taken', async () => {
    const app = await registerApp(({ app }) => app.get('f', () => ({})));
    sample = await startSampleHost(app);
    const port = Number(new URL(sample.baseUrl).port);
    await expect(startSampleHost(app, {}, { port })).rejects.toThrow(`Port ${port} is taken`);
  });

  test('warns about settings of host.json that it does not have', async () => {
    const app = await registerApp(({ app }) => app.get('f', () => ({})));
    sample = await startSampleHost(app, { extensions: { http: { maxOutstandingRequests: 5 } } });
    expect(sample.log[0]?.level).toBe('warning');
    expect(sample.log[0]?.message).toContain('extensions.http.maxOutstandingRequests');
  });

  test('takes settings of host.json from the app settings as well', async () => {
    const app = await registerApp(({ app }) => app.get('f', () => ({ body: 'here' })));
    const settings = { AzureFunctionsJobHost__Extensions__http__routePrefix: 'v1' };
    sample = await startSampleHost(app, {}, { settings });
    expect(await (await fetch(`${sample.baseUrl}/v1/f`)).text()).toBe('here');
  });
});
