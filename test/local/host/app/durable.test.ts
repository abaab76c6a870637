import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type * as durableFunctions from 'durable-functions';
import { z } from 'zod';
import { systemClock } from '../../../../lib/platform/clock';
import { createDurableEngine } from '../../../../local/durable/engine';
import { type FunctionApp } from '../../../../local/host/app/core-module';
import { keys, registerApp, startSampleHost, until } from '../sample-host';

const registerDurableApp = (): Promise<FunctionApp> =>
  registerApp(({ app }) => {
    const df = jest.requireActual<typeof durableFunctions>('durable-functions');
    df.app.activity('double', { handler: (value: unknown) => Number(value) * 2 });
    df.app.orchestration('sum', function* (context) {
      const all: unknown = yield context.df.Task.all([1, 2, 3].map((n) => context.df.callActivity('double', n)));
      return z
        .array(z.number())
        .parse(all)
        .reduce((a, b) => a + b, 0);
    });
    app.post('start', {
      extraInputs: [df.input.durableClient()],
      handler: async (request, context) => {
        const client = df.getClient(context);
        return client.createCheckStatusResponse(request, await client.startNew('sum'));
      },
    });
  });

test('Durable functions run on the engine that the host was given, and are seen over its API', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'sqlfleet-durable-'));
  const durable = createDurableEngine({
    taskHubName: 'Test',
    journalPath: join(folder, 'durable.jsonl'),
    clock: systemClock,
    newId: randomUUID,
    log: () => undefined,
    systemKey: keys.system,
  });
  const sample = await startSampleHost(await registerDurableApp(), {}, { durable });
  const websiteHostname = process.env.WEBSITE_HOSTNAME;
  process.env.WEBSITE_HOSTNAME = new URL(sample.baseUrl).host;
  try {
    const started = await fetch(`${sample.baseUrl}/api/start`, { method: 'POST' });
    expect(started.status).toBe(202);
    const statusUrl = started.headers.get('location') ?? '';
    expect(statusUrl).toContain(`${sample.baseUrl}/runtime/webhooks/durabletask/instances/`);
    let body = '';
    await until('the orchestration is done', () => {
      void fetch(statusUrl).then(async (response) => (body = await response.text()));
      return body.includes('"Completed"');
    });
    expect(JSON.parse(body)).toMatchObject({ runtimeStatus: 'Completed', output: 12 });
    expect((await fetch(statusUrl.replace(keys.system, 'wrong'))).status).toBe(401);
  } finally {
    if (websiteHostname === undefined) delete process.env.WEBSITE_HOSTNAME;
    else process.env.WEBSITE_HOSTNAME = websiteHostname;
    await sample.close();
    rmSync(folder, { recursive: true });
  }
});

test('an app with Durable functions is refused by a host without an engine', async () => {
  await expect(startSampleHost(await registerDurableApp())).rejects.toThrow(/given no engine/);
});
