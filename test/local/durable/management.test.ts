import { InvocationContext } from '@azure/functions';
import { EntityId, getClient, input, type DurableClient, type OrchestrationContext } from 'durable-functions';
import { z } from 'zod';
import { type Hub, serve, settle, startHub } from './support';

const orchestrators = {
  *echo(context: OrchestrationContext) {
    return context.df.getInput();
  },
  *waits(
    context: OrchestrationContext,
  ): Generator<ReturnType<typeof context.df.waitForExternalEvent>, unknown, unknown> {
    const value: unknown = yield context.df.waitForExternalEvent('go');
    return value;
  },
  *fails() {
    throw new Error('broken');
  },
  *works(context: OrchestrationContext) {
    yield context.df.callActivity('work', 'in');
    yield context.df.createTimer(new Date(context.df.currentUtcDateTime.getTime() + 1000));
    return 'out';
  },
};

let hub: Hub;
let server: { baseUrl: string; close(): Promise<void> };
beforeEach(async () => {
  process.env.WEBSITE_HOSTNAME = '127.0.0.1';
  hub = await startHub({
    orchestrators,
    activities: { work: (value) => value },
    entities: { Flag: (context) => context.df.setState(context.df.getInput()) },
  });
  server = await serve(hub.engine);
});
afterEach(async () => {
  delete process.env.WEBSITE_HOSTNAME;
  await server.close();
  await hub.stop();
});

/** The library's own client, as a function with a `durableClient` binding gets it. */
function client(change: (binding: Record<string, unknown>) => void = () => undefined): DurableClient {
  const binding = z.record(z.string(), z.unknown()).parse(JSON.parse(hub.engine.clientBinding(server.baseUrl)));
  change(binding);
  const durable = input.durableClient();
  const context = new InvocationContext({ options: { extraInputs: [durable] } });
  context.extraInputs.set(durable, binding);
  return getClient(context);
}

async function until(check: () => Promise<boolean>): Promise<void> {
  while (!(await check())) await settle(1);
}

describe.each([
  ['through the RPC endpoint', client],
  ['through the webhooks', () => client((binding) => delete binding.rpcBaseUrl)],
])('the client of durable-functions %s', (_, connect) => {
  it('starts instances and reads their status', async () => {
    const df = connect();
    const id = await df.startNew('echo', { input: { n: 1 }, instanceId: 'one' });
    expect(id).toBe('one');
    await until(async () => String((await df.getStatus(id)).runtimeStatus) === 'Completed');
    const status = await df.getStatus(id, { showInput: true });
    expect(status).toMatchObject({ name: 'echo', input: { n: 1 }, output: { n: 1 } });
    expect(status.createdTime).toEqual(new Date('2026-01-01T00:00:00Z'));
    await expect(df.getStatus('nobody')).rejects.toThrow('404');
  });

  it('gives an orchestrator without input the empty string, as Azure does', async () => {
    const df = connect();
    const id = await df.startNew('echo');
    await until(async () => (await df.getStatus(id)).output === '');
  });

  it('raises events, suspends, resumes and terminates', async () => {
    const df = connect();
    const id = await df.startNew('waits');
    await df.suspend(id, 'pause');
    await df.raiseEvent(id, 'go', { value: 'ü' });
    expect((await df.getStatus(id)).runtimeStatus).toBe('Suspended');
    await df.resume(id, 'go on');
    await until(async () => String((await df.getStatus(id)).runtimeStatus) === 'Completed');
    expect((await df.getStatus(id)).output).toEqual({ value: 'ü' });
    await df.raiseEvent(id, 'go', 'too late is swallowed');
    await expect(df.raiseEvent('nobody', 'go', 1)).rejects.toThrow("No instance with ID 'nobody' found");

    const other = await df.startNew('waits');
    await df.terminate(other, 'enough');
    await until(async () => String((await df.getStatus(other)).runtimeStatus) === 'Terminated');
    await expect(df.rewind(other, 'x')).rejects.toThrow();
  });

  it('lists all instances over several pages, filters them and purges them', async () => {
    const df = connect();
    for (let n = 0; n < 230; n += 1) await hub.start('echo', n, `e${n}`);
    const running = await df.startNew('waits');
    await hub.until('e229', 'Completed');
    expect((await df.getStatusAll()).length).toBe(231);
    const byStatus = await df.getStatusBy({
      runtimeStatus: [(await df.getStatus(running)).runtimeStatus],
      createdTimeFrom: new Date(0),
      createdTimeTo: new Date(Date.UTC(2030, 0)),
    });
    expect(byStatus.map((each) => each.instanceId)).toEqual([running]);

    expect(await df.purgeInstanceHistory('e0')).toMatchObject({ instancesDeleted: 1 });
    expect(await df.purgeInstanceHistory('e0')).toMatchObject({ instancesDeleted: 0 });
    await expect(df.purgeInstanceHistory(running)).rejects.toThrow('412');
    expect(await df.purgeInstanceHistoryBy({ createdTimeFrom: new Date(0) })).toMatchObject({ instancesDeleted: 229 });
    expect(await df.purgeInstanceHistoryBy({ createdTimeFrom: new Date(0) })).toMatchObject({ instancesDeleted: 0 });
    expect((await df.getStatusAll()).map((each) => each.instanceId)).toEqual([running]);
  });

  it('signals entities and reads their state', async () => {
    const df = connect();
    const flag = new EntityId('Flag', 'k');
    expect((await df.readEntityState(flag)).entityExists).toBe(false);
    await df.signalEntity(flag, 'set', { on: true });
    await until(async () => (await df.readEntityState(flag)).entityExists);
    expect((await df.readEntityState(flag)).entityState).toEqual({ on: true });
  });
});

describe('the management API', () => {
  const call = async (method: string, path: string, init: RequestInit = {}): Promise<Response> =>
    fetch(`${server.baseUrl}/runtime/webhooks/durabletask/${path}`, { method, ...init });

  it('wants the key, as parameter or header', async () => {
    expect((await call('GET', 'instances')).status).toBe(401);
    expect((await call('GET', 'instances?code=wrong')).status).toBe(401);
    expect((await call('GET', 'instances?code=secret')).status).toBe(200);
    expect((await call('GET', 'instances', { headers: { 'x-functions-key': 'secret' } })).status).toBe(200);
  });

  it('answers a start with links that work, and a running instance with where to ask again', async () => {
    const started = await call('POST', 'orchestrators/waits/w1?code=secret', { body: '{}' });
    expect(started.status).toBe(202);
    expect(started.headers.get('retry-after')).toBe('10');
    const links = z.record(z.string(), z.string()).parse(await started.json());
    expect(Object.keys(links)).not.toContain('rewindPostUri');
    expect(started.headers.get('location')).toBe(links.statusQueryGetUri);
    const status = await fetch(links.statusQueryGetUri ?? '');
    expect([status.status, status.headers.get('retry-after')]).toEqual([202, '5']);
    expect((await fetch(status.headers.get('location') ?? '')).status).toBe(202);
    const body = JSON.stringify('data');
    const headers = { 'content-type': 'application/json' };
    const event = (links.sendEventPostUri ?? '').replace('{eventName}', 'go');
    expect((await fetch(event, { method: 'POST', body, headers })).status).toBe(202);
    expect((await hub.until('w1', 'Completed')).output).toBe('data');
    expect((await fetch(event, { method: 'POST', body, headers })).status).toBe(410);
  });

  it('refuses what it cannot start', async () => {
    const start = async (path: string, body = '1'): Promise<number> =>
      (await call('POST', `orchestrators/${path}?code=secret`, { body })).status;
    expect(await start('nobody')).toBe(400);
    expect(await start('echo/@bad')).toBe(400);
    expect(await start('echo/a%23b')).toBe(400);
    expect(await start('echo', '{not json')).toBe(400);
    expect(await start('waits/same')).toBe(202);
    expect(await start('waits/same')).toBe(409);
    await hub.request('POST', 'instances/same/terminate');
    await hub.until('same', 'Terminated');
    expect(await start('echo/same')).toBe(202);
    expect((await hub.until('same', 'Completed')).output).toBe(1);
  });

  it('waits for the end when asked to', async () => {
    const start = async (name: string, body: string): Promise<Response> => {
      const answer = call('POST', `orchestrators/${name}/${name}1?timeout=5&pollingInterval=1&code=secret`, { body });
      await until(async () => (await hub.request('GET', `instances/${name}1`)).status !== 404);
      await hub.clock.advance(5000);
      return answer;
    };
    const done = await start('echo', '"x"');
    expect([done.status, await done.text()]).toEqual([200, '"x"']);
    expect((await start('fails', '1')).status).toBe(500);
    expect((await start('waits', '1')).status).toBe(202);
  });

  it('answers 500 for a failed instance only when asked to', async () => {
    const id = await hub.start('fails');
    await hub.until(id, 'Failed');
    expect((await call('GET', `instances/${id}?code=secret`)).status).toBe(200);
    const asked = await call('GET', `instances/${id}?code=secret&returnInternalServerErrorOnFailure=true`);
    expect(asked.status).toBe(500);
  });

  it('shows the history in rows, with outputs when asked to', async () => {
    const id = await hub.start('works');
    await hub.clock.advance(1000);
    await hub.until(id, 'Completed');
    const plain = await hub.status(id, 'showHistory=true');
    expect(plain.historyEvents?.map((row) => row.EventType)).toEqual([
      'ExecutionStarted',
      'TaskCompleted',
      'TimerFired',
      'ExecutionCompleted',
    ]);
    const full = await hub.status(id, 'showHistory=true&showHistoryOutput=true');
    expect(full.historyEvents?.[1]).toMatchObject({ FunctionName: 'work', Result: 'in' });
    expect(plain.historyEvents?.[1]).not.toHaveProperty('Result');
  });

  it('restarts an instance under a new id or its own', async () => {
    const id = await hub.start('echo', 'again');
    await hub.until(id, 'Completed');
    const anew = z.object({ id: z.string() }).parse((await hub.request('POST', `instances/${id}/restart`)).body);
    expect(anew.id).not.toBe(id);
    expect((await hub.until(anew.id, 'Completed')).output).toBe('again');
    const same = await hub.request('POST', `instances/${id}/restart?restartWithNewInstanceId=false`);
    expect(same.body).toMatchObject({ id });
    expect((await hub.request('POST', 'instances/nobody/restart')).status).toBe(400);
  });

  it.each([
    ['POST', 'instances/w/rewind', 501],
    ['GET', 'entities/Flag', 501],
    ['GET', 'instances/nobody', 404],
    ['POST', 'instances/nobody/terminate', 404],
    ['GET', 'orchestrators/echo', 404],
    ['GET', 'elsewhere', 404],
    ['DELETE', 'instances', 400],
    ['GET', 'instances?taskHub=Other', 400],
    ['GET', 'instances?top=0', 400],
  ])('answers %s %s with %d', async (method, path, expected) => {
    const separator = path.includes('?') ? '&' : '?';
    expect((await call(method, `${path}${separator}code=secret`)).status).toBe(expected);
  });

  it('takes events as JSON only', async () => {
    await hub.start('waits', null, 'w2');
    const send = async (body: string, type: string): Promise<number> => {
      const headers = { 'content-type': type };
      return (await call('POST', 'instances/w2/raiseEvent/go?code=secret', { body, headers })).status;
    };
    expect(await send('1', 'text/plain')).toBe(400);
    expect(await send('{', 'application/json')).toBe(400);
    expect(await send('1', 'application/json; charset=utf-8')).toBe(202);
  });
});
