import { z } from 'zod';
import { capacityRoutes } from '../../functions/capacity-routes';
import { databaseRoutes } from '../../functions/database-routes';
import { serverRoutes } from '../../functions/server-routes';
import { createAudit } from '../../lib/platform/audit';
import { type ServerState, serverStates } from '../../lib/capacity/model';
import { aServer, capacityUnderTest, ownTags, region } from '../support/capacity';
import { startTestDocuments, type TestDocuments } from '../support/documents';
import { type ApiAnswer, createRouteApi } from '../support/route-api';

/** The HTTP API of capacity with real documents; Azure is in memory. */

const by = { actor: 'ada', reason: 'because' };
const numbers = (value: number) => ({ databases: { value, limit: 5_000 }, serverDtus: null });
const audited = z.array(
  z.object({ action: z.string(), actor: z.string(), reason: z.string(), details: z.record(z.string(), z.unknown()) }),
);
const problems = z.array(z.object({ entry: z.string() }));
const named = z.array(z.looseObject({ name: z.string() }));

let documents: TestDocuments;
beforeAll(async () => {
  documents = await startTestDocuments();
});
afterAll(() => documents.stop());

let number = 0;
const newName = (): string => `server-${(number += 1)}`;

function underTest() {
  const stores = { sqlServers: documents.store('sqlServers'), capacity: documents.store('capacity') };
  const test = capacityUnderTest({ stores });
  const clock = { ...test.clock, sleep: async () => undefined };
  const audit = createAudit(documents.store('audit'), { clock, newId: () => `audit-${(number += 1)}` });
  const { services } = capacityUnderTest({
    stores,
    deps: {
      audit,
      azure: test.azure.azure,
      counts: test.azure.counts,
      clock,
    },
  });
  const started: string[] = [];
  const orchestrations = () => ({
    start: async (_name: string, instanceId: string) => void started.push(instanceId),
    status: async () => ({ state: 'missing' as const }),
    wake: async () => undefined,
  });
  const api = createRouteApi([
    ...serverRoutes(() => services, orchestrations),
    ...capacityRoutes(() => services, orchestrations),
    ...databaseRoutes(() => services, orchestrations),
  ]);
  const withServer = async (changes: Parameters<typeof aServer>[1] = {}): Promise<string> => {
    const name = newName();
    await services.servers.create(aServer(name, { numbers: numbers(10), load: 0.002, ...changes }));
    test.azure.addServer(name, { tags: { ...ownTags }, bulk: 10 });
    return name;
  };
  return { ...test, services, api, started, withServer };
}

const auditOf = ({ body }: ApiAnswer) => audited.parse(body.items);

describe('what people do to a server', () => {
  const outcomes: Record<string, Partial<Record<ServerState, ServerState>>> = {
    drain: { ready: 'draining' },
    undrain: { draining: 'securing' },
    retire: { draining: 'retired', missing: 'retired', failed: 'retired' },
    adopt: { quarantined: 'securing' },
    retry: { failed: 'requested', securing: 'securing' },
  };
  const cases = Object.entries(outcomes).flatMap(([action, allowed]) =>
    serverStates.map((state) => ({ action, state, to: allowed[state] ?? null })),
  );

  it.each(cases)('$action of a server that is $state: $to', async ({ action, state, to }) => {
    const { api, withServer, started } = underTest();
    const name = await withServer({ state });
    const answer = await api('POST', `sqlServers/${name.toUpperCase()}/${action}`, { body: by });
    const after = await api('GET', `sqlServers/${name}`);
    if (to === null) {
      expect(answer).toMatchObject({ status: 409, body: { code: 'capacity.forbiddenByState', state } });
      expect(after.body).toMatchObject({ state });
      expect(auditOf(await api('GET', `sqlServers/${name}/audit`))).toEqual([]);
      return;
    }
    expect(answer).toMatchObject({ status: 200, body: { name, state: to } });
    expect(after.body).toMatchObject({ state: to });
    expect(started).toEqual([`capacity-${region}`]);
    expect(auditOf(await api('GET', `sqlServers/${name}/audit`))).toEqual([
      { action, ...by, details: { region, state: to } },
    ]);
  });

  it.each(Object.keys(outcomes))('%s is refused without an actor and a reason, each with its place', async (action) => {
    const { api, withServer } = underTest();
    const name = await withServer();
    const refused = await api('POST', `sqlServers/${name}/${action}`, { body: { actor: ' ' } });
    expect(refused).toMatchObject({ status: 400, body: { code: 'request.invalid' } });
    expect(problems.parse(refused.body.problems).map(({ entry }) => entry)).toEqual(['body.actor', 'body.reason']);
    expect(await api('POST', `sqlServers/${name}/${action}`, { body: '{' })).toMatchObject({
      status: 400,
      body: { code: 'request.notJson' },
    });
  });

  it.each(Object.keys(outcomes))('%s of a server that there is not is not found', async (action) => {
    const { api } = underTest();
    expect(await api('POST', `sqlServers/nobody/${action}`, { body: by })).toMatchObject({
      status: 404,
      body: { code: 'capacity.serverNotFound' },
    });
  });

  it('does not take a name that only begins like that of a server for it', async () => {
    const { api, services } = underTest();
    const name = `x${'y'.repeat(62)}`;
    await services.servers.create(aServer(name));
    expect(await api('POST', `sqlServers/${name}z/drain`, { body: by })).toMatchObject({ status: 404 });
  });

  it('lets a drained server go on after its security was verified, and not before', async () => {
    const { api, services, withServer } = underTest();
    const name = await withServer();
    await api('POST', `sqlServers/${name}/drain`, { body: by });
    await services.tick(region);
    expect((await api('GET', `sqlServers/${name}`)).body).toMatchObject({ state: 'draining', placeable: false });
    await api('POST', `sqlServers/${name}/undrain`, { body: by });
    await services.tick(region);
    expect((await api('GET', `sqlServers/${name}`)).body).toMatchObject({ state: 'securing', placeable: false });
    await services.advance(region);
    expect((await api('GET', `sqlServers/${name}`)).body).toMatchObject({ state: 'ready', placeable: true });
  });

  it('gives a server that is tried again its time, however long ago the first try was', async () => {
    const { api, services, clock, azure } = underTest();
    const name = newName();
    const longAgo = new Date(clock.nowMs() - 7 * 86_400_000).toISOString();
    const creation = { ...aServer(name).creation, requestedAt: longAgo, startedAt: longAgo, readyAt: null };
    const security = { verifiedAt: null, steps: {}, openings: [] };
    await services.servers.create(aServer(name, { state: 'failed', creation, security }));
    await api('POST', `sqlServers/${name}/retry`, { body: by });
    await services.tick(region);
    expect((await api('GET', `sqlServers/${name}`)).body).toMatchObject({ state: 'requested' });
    await services.advance(region);
    expect((await api('GET', `sqlServers/${name}`)).body).toMatchObject({ state: 'ready' });
    expect(azure.servers.has(name)).toBe(true);
  });

  it('starts nothing for a server in a region that is not looked after any more', async () => {
    const { api, services, started } = underTest();
    const name = newName();
    await services.servers.create(aServer(name, { region: 'elsewhere' }));
    expect(await api('POST', `sqlServers/${name}/drain`, { body: by })).toMatchObject({ status: 200 });
    expect(started).toEqual([]);
  });
});

describe('a document that cannot be read', () => {
  it('hides no other server from anybody, and says what happens to it', async () => {
    const { api, services, withServer } = underTest();
    const whole = await withServer();
    const mangled = await withServer();
    const store = documents.store('sqlServers');
    await store.patch(region, mangled, { numbers: 'many' });

    const listed = await api('GET', `sqlServers?region=${region}&pageSize=1000`);
    const names = named.parse(listed.body.items).map(({ name }) => name);
    expect(names).toContain(whole);
    expect(names).not.toContain(mangled);
    expect(await api('GET', `sqlServers/changes?region=${region}&pageSize=1000`)).toMatchObject({ status: 200 });
    expect(await api('POST', 'sqlServers/select', { body: { regions: [region] } })).toMatchObject({ status: 200 });
    for (const [method, path] of [
      ['GET', `sqlServers/${mangled}`],
      ['POST', `sqlServers/${mangled}/drain`],
    ] as const) {
      const answer = await api(method, path, method === 'POST' ? { body: by } : {});
      expect(answer).toMatchObject({ status: 503, body: { code: 'capacity.damagedDocument' } });
    }
    await services.tick(region);
    await services.tick(region);
    await services.advance(region);
    expect((await api('GET', `sqlServers/${mangled}`)).body).toMatchObject({ state: 'ready', origin: 'adopted' });
  });
});

describe('lists of servers', () => {
  it('show servers by state and region, in whatever spelling the region is given', async () => {
    const { api, withServer } = underTest();
    const draining = await withServer({ state: 'draining' });
    const answer = await api('GET', 'sqlServers?state=draining,retired&region=West%20Europe&pageSize=1000');
    expect(named.parse(answer.body.items).map(({ name }) => name)).toContain(draining);
    expect(await api('GET', 'sqlServers?region=nowhere')).toMatchObject({ status: 200, body: { items: [] } });
  });

  it('refuse a state that is none, a page size that is none, and an unknown parameter, all at once', async () => {
    const answer = await underTest().api('GET', 'sqlServers?state=asleep&pageSize=0&sort=name');
    expect(answer.status).toBe(400);
    const places = problems.parse(answer.body.problems).map(({ entry }) => entry);
    expect(places.sort()).toEqual(['query.pageSize', 'query.sort', 'query.state.0']);
  });

  it('go on where a page ended, and refuse the continuation of another list', async () => {
    const { api, withServer } = underTest();
    for (let count = 0; count < 3; count += 1) await withServer({ state: 'retired' });
    const all: string[] = [];
    let continuation = '';
    do {
      const { body } = await api(
        'GET',
        `sqlServers?state=retired&pageSize=2&continuation=${continuation}`.replace(/&continuation=$/, ''),
      );
      all.push(...named.parse(body.items).map(({ name }) => name));
      continuation = z.string().nullable().parse(body.continuation) ?? '';
    } while (continuation !== '');
    expect(new Set(all).size).toBe(all.length);
    expect(all.length).toBeGreaterThanOrEqual(3);
    const first = await api('GET', 'sqlServers?state=retired&pageSize=1');
    const of = String(first.body.continuation);
    for (const path of [
      `sqlServers?state=ready&pageSize=1&continuation=${of}`,
      `sqlServers/changes?region=${region}&continuation=${of}`,
      `sqlServers/changes?region=${region}&continuation=garbage`,
      `capacity/alerts?continuation=${of}`,
      'capacity/decisions?continuation=%F0%9F%98%80',
    ]) {
      expect([path, (await api('GET', path)).status]).toEqual([path, 400]);
    }
  });

  it('follow what changes in a region, each server at its last state', async () => {
    const { api, withServer } = underTest();
    const name = await withServer();
    const readAll = async (from: string | null): Promise<{ states: Map<string, unknown>; continuation: string }> => {
      const states = new Map<string, unknown>();
      let continuation = from;
      for (;;) {
        const after = continuation === null ? '' : `&continuation=${continuation}`;
        const { body } = await api('GET', `sqlServers/changes?region=${region}&pageSize=1000${after}`);
        for (const item of z.array(z.looseObject({ name: z.string(), state: z.string() })).parse(body.items)) {
          states.set(item.name, item.state);
        }
        continuation = String(body.continuation);
        if (body.more === false) return { states, continuation };
      }
    };
    const before = await readAll(null);
    expect(before.states.get(name)).toBe('ready');
    await api('POST', `sqlServers/${name}/drain`, { body: by });
    const after = await readAll(before.continuation);
    expect([...after.states]).toEqual([[name, 'draining']]);
    expect(await api('GET', 'sqlServers/changes?region=nowhere')).toMatchObject({ status: 404 });
    expect(await api('GET', 'sqlServers/changes')).toMatchObject({ status: 400 });
  });

  it('call no server placeable that placement would refuse', async () => {
    const { api, services, withServer } = underTest();
    const full = await withServer({
      numbers: { databases: { value: 10, limit: 5_000 }, serverDtus: { value: 90, limit: 100 } },
      load: 0.9,
    });
    const { body } = await api('GET', `sqlServers/${full}`);
    const not = (await services.servers.region(region)).servers
      .map(({ server }) => server.name)
      .filter((name) => name !== full);
    const wish = { regions: [region], tags: {}, count: 1, not };
    expect(await services.placing.reserve(wish, 'try')).toBeNull();
    expect(body).toMatchObject({ placeable: false });
  });
});

describe('reservations', () => {
  const reserved = z.object({ server: z.object({ name: z.string() }), reservation: z.object({ id: z.string() }) });

  it('are made, confirmed, released, and then unknown', async () => {
    const { api, withServer } = underTest();
    await withServer();
    const selected = await api('POST', 'sqlServers/select', { body: { regions: ['West Europe'], count: 3 } });
    expect(selected.status).toBe(200);
    const { server, reservation } = reserved.parse(selected.body);
    const path = `sqlServers/${server.name}/reservations/${reservation.id}`;
    expect(await api('POST', `${path}/confirm`)).toMatchObject({ status: 204 });
    expect(await api('POST', `${path}/release`)).toMatchObject({ status: 204 });
    for (const action of ['confirm', 'release']) {
      expect(await api('POST', `${path}/${action}`)).toMatchObject({
        status: 404,
        body: { code: 'capacity.reservationNotFound' },
      });
    }
    expect(await api('POST', 'sqlServers/nobody/reservations/x/confirm')).toMatchObject({
      status: 404,
      body: { code: 'capacity.serverNotFound' },
    });
  });

  it('are refused for regions that nobody looks after, and for wishes that are none', async () => {
    const { api } = underTest();
    expect(await api('POST', 'sqlServers/select', { body: { regions: ['mars'] } })).toMatchObject({
      status: 404,
      body: { code: 'capacity.regionNotFound' },
    });
    const wrong = await api('POST', 'sqlServers/select', { body: { regions: [], count: 501, not: [7] } });
    expect(wrong.status).toBe(400);
    const places = problems.parse(wrong.body.problems).map(({ entry }) => entry);
    expect(places.sort()).toEqual(['body.count', 'body.not.0', 'body.regions']);
  });

  it('say when there is no room, when to come again, and have the region looked at', async () => {
    const { api, started } = underTest();
    const answer = await api('POST', 'sqlServers/select', {
      body: { regions: [region], tags: { nobody: 'has this' } },
    });
    expect(answer).toMatchObject({ status: 503, body: { code: 'capacity.noRoom' } });
    expect(answer.headers.get('retry-after')).toBe('60');
    expect(started).toEqual([`capacity-${region}`]);
  });

  it('do not go to servers that the caller names, in whatever case', async () => {
    const { api, services } = underTest();
    const { servers } = await services.servers.region(region);
    const not = servers.map(({ server }) => server.name.toUpperCase());
    expect(await api('POST', 'sqlServers/select', { body: { regions: [region], not } })).toMatchObject({ status: 503 });
  });
});

describe('a region', () => {
  it('is stopped and resumed by name, with a record of who did it and why', async () => {
    const { api, started } = underTest();
    const stopped = await api('POST', 'capacity/regions/WestEurope/stop', { body: by });
    expect(stopped).toMatchObject({ status: 200, body: { region, stopped: by } });
    expect(await api('GET', `capacity/regions/${region}`)).toMatchObject({ status: 200, body: { stopped: by } });
    expect(started).toEqual([]);
    const again = { actor: 'grace', reason: 'over' };
    const resumed = await api('POST', `capacity/regions/${region}/resume`, { body: again });
    expect(resumed).toMatchObject({ status: 200, body: { region, stopped: null } });
    expect(started).toEqual([`capacity-${region}`]);
    const record = await api('GET', `capacity/regions/${region}/audit`);
    expect(record.body.items).toMatchObject([
      { action: 'stop', ...by },
      { action: 'resume', ...again },
    ]);
  });

  it('creates and secures nothing while it is stopped', async () => {
    const { api, services, azure, withServer } = underTest();
    const name = await withServer({ state: 'securing' });
    await api('POST', `capacity/regions/${region}/stop`, { body: by });
    await services.tick(region);
    await services.advance(region);
    expect((await api('GET', `sqlServers/${name}`)).body).toMatchObject({ state: 'securing' });
    expect(azure.calls.filter((call) => /^(put|set|update|enable|require)/.test(call))).toEqual([]);
    await api('POST', `capacity/regions/${region}/resume`, { body: by });
    await services.advance(region);
    expect((await api('GET', `sqlServers/${name}`)).body).toMatchObject({ state: 'ready' });
  });

  it.each([
    ['GET', 'capacity/regions/mars', undefined],
    ['GET', 'capacity/regions/mars/audit', undefined],
    ['POST', 'capacity/regions/mars/stop', by],
    ['POST', 'capacity/regions/mars/resume', by],
    ['POST', 'capacity/tick', { region: 'mars' }],
    ['POST', 'capacity/simulate', { region: 'mars', databases: 1 }],
  ])('that is not looked after is not found: %s %s', async (method, path, body) => {
    expect(await underTest().api(method, path, body === undefined ? {} : { body })).toMatchObject({
      status: 404,
      body: { code: 'capacity.regionNotFound' },
    });
  });

  it.each([
    ['capacity/regions/westeurope/stop', { actor: 'ada' }],
    ['capacity/regions/westeurope/resume', { reason: 'x' }],
    ['capacity/tick', { regions: [region] }],
    ['capacity/simulate', { region, databases: -1 }],
    ['capacity/simulate', { region: ' ', databases: 1 }],
  ])('refuses what is wrong in the body: %s', async (path, body) => {
    expect(await underTest().api('POST', path, { body })).toMatchObject({
      status: 400,
      body: { code: 'request.invalid' },
    });
  });

  it('is looked at when somebody asks, alone or with all others, without a body too', async () => {
    const { api, started } = underTest();
    expect(await api('POST', 'capacity/tick', { body: { region: 'West Europe' } })).toMatchObject({ status: 202 });
    expect(await api('POST', 'capacity/tick')).toMatchObject({ status: 202 });
    expect(started).toEqual([`capacity-${region}`, `capacity-${region}`]);
  });

  it('says what it would do with more databases, and changes nothing', async () => {
    const { api, azure, withServer } = underTest();
    await withServer();
    const answer = await api('POST', 'capacity/simulate', { body: { region, databases: 1_000_000 } });
    expect(answer.status).toBe(200);
    expect(answer.body.steps).not.toEqual([]);
    expect(azure.puts).toEqual([]);
  });

  it.each(['capacity/alerts', 'capacity/decisions', 'capacity/moves'])(
    '%s refuses a filter that is none',
    async (path) => {
      const { api } = underTest();
      expect(await api('GET', `${path}?state=somehow`)).toMatchObject({ status: 400 });
      expect(await api('GET', `${path}?region=West%20Europe`)).toMatchObject({ status: 200 });
    },
  );
});

describe('a new database', () => {
  it('is accepted, and its status can be asked for where the answer says', async () => {
    const { api, started } = underTest();
    const request = { name: 'tenant-1', regions: ['West Europe'], requestedBy: 'ada' };
    const accepted = await api('POST', 'databases', { body: request, headers: { 'idempotency-key': 'first' } });
    expect(accepted).toMatchObject({ status: 202, body: { name: 'tenant-1', state: 'placing', requestedBy: 'ada' } });
    const path = (accepted.headers.get('location') ?? '').replace('http://localhost/api/', '');
    expect((await api('GET', path)).body).toEqual(accepted.body);
    expect(started).toEqual([`database-${String(accepted.body.id)}`]);
  });

  it('is the same one for the same key and content, in whatever order that is written', async () => {
    const { api } = underTest();
    const send = (body: object, key: string) => api('POST', 'databases', { body, headers: { 'idempotency-key': key } });
    const first = await send({ name: 'tenant-2', regions: [region], tags: { a: '1', b: '2' } }, 'second');
    const again = await send({ tags: { b: '2', a: '1' }, regions: ['West Europe'], name: 'tenant-2' }, 'second');
    expect([again.status, again.body.id]).toEqual([202, first.body.id]);
    expect(await send({ name: 'tenant-3', regions: [region] }, 'second')).toMatchObject({
      status: 422,
      body: { code: 'capacity.idempotencyKeyReused' },
    });
    expect(await send({ name: 'tenant-2', regions: [region] }, ' ')).toMatchObject({
      status: 400,
      body: { code: 'request.idempotencyKey' },
    });
  });

  it('is refused with every problem of its description', async () => {
    const { api } = underTest();
    const wrong = await api('POST', 'databases', { body: { name: 'master', regions: [], sku: '', owner: 'me' } });
    expect(wrong.status).toBe(400);
    const places = problems.parse(wrong.body.problems).map(({ entry }) => entry);
    expect(places.sort()).toEqual(['body.name', 'body.owner', 'body.regions', 'body.sku']);
    expect(await api('POST', 'databases', { body: { name: 'x', regions: ['mars', region] } })).toMatchObject({
      status: 422,
      body: { code: 'capacity.unknownRegion' },
    });
    expect(await api('GET', 'databases/nothing')).toMatchObject({
      status: 404,
      body: { code: 'capacity.databaseNotFound' },
    });
  });
});
