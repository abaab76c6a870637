import { aServer, capacityUnderTest, environment, ownTags, region } from '../../support/capacity';
import { httpError } from '../../support/simulated-azure';

/** Lists that are incomplete, empty or unsteady, counts that are wrong, and documents that were written over by hand. */

const nameOf = (ordinal: number): string => `sql-${environment}-${region}-00${ordinal}`;
const [first, second, third] = [nameOf(1), nameOf(2), nameOf(3)];
const hourMs = 3_600_000;

/** Three servers, in service for hours. */
async function threeServers(databases: number, options: Parameters<typeof capacityUnderTest>[0] = {}) {
  const test = capacityUnderTest(options);
  const at = new Date(test.clock.nowMs()).toISOString();
  for (const name of [first, second, third]) {
    test.azure.addServer(name, { tags: { ...ownTags }, bulk: databases });
    await test.services.servers.create(
      aServer(name, {
        numbers: { databases: { value: databases, limit: 5_000 }, serverDtus: null },
        load: databases / 5_000,
        numbersAt: at,
        security: { verifiedAt: at, steps: {}, openings: [] },
      }),
    );
  }
  test.clock.pass(5 * hourMs);
  await test.settle();
  return test;
}
type Test = Awaited<ReturnType<typeof threeServers>>;

const openAlerts = async ({ services }: Test): Promise<string[]> =>
  (
    await services.store.listAlerts({ regions: [region], states: ['open'] }, { pageSize: 100, continuation: null })
  ).items.map(({ class: kind }) => kind);
const states = async ({ services }: Test): Promise<string[]> =>
  (await services.servers.region(region)).servers.map(({ server }) => server.state);
const decided = async ({ services }: Test) => (await services.store.readState(region)).lastDecision;

describe('a list of servers', () => {
  it.each([1, 3])(
    'that leaves out %i servers which exist is no list: no verdict, no decision, no alarm yet',
    async (hidden) => {
      const test = await threeServers(3_900);
      const puts = test.azure.puts.length;
      test.azure.hideServers(hidden + test.azure.servers.size - 3);
      await test.settle();
      expect(await decided(test)).toContain('unknown: the list leaves out');
      expect((await states(test)).filter((state) => state === 'missing')).toEqual([]);
      expect(await openAlerts(test)).not.toContain('server-missing');
      expect(test.azure.puts).toHaveLength(puts);
      test.clock.pass(hourMs);
      await test.settle();
      expect(await openAlerts(test)).toContain('blind');
      test.azure.hideServers(0);
      await test.settle();
      expect(await openAlerts(test)).not.toContain('blind');
    },
  );

  it('that has a server one time and not the next never makes it missing', async () => {
    const test = await threeServers(100);
    for (let tick = 0; tick < 10; tick += 1) {
      test.azure.hideServers(tick % 2);
      await test.settle();
      test.clock.pass(300_000);
    }
    expect(await states(test)).toEqual(['ready', 'ready', 'ready']);
    expect(await openAlerts(test)).toEqual([]);
    const { items } = await test.services.store.listDecisions(
      { regions: [region] },
      { pageSize: 100, continuation: null },
    );
    expect(items.flatMap(({ corrections }) => corrections)).toEqual([]);
  });

  it('that lags behind a server which has just been made is believed otherwise', async () => {
    const test = capacityUnderTest();
    await test.settle();
    test.azure.hideServers(1);
    test.clock.pass(60_000);
    await test.services.tick(region);
    expect(await test.server(first)).toMatchObject({ state: 'ready' });
    expect((await test.services.store.readState(region)).lastDecision).not.toContain('unknown');
  });

  it('that leaves out a server which cannot be asked for either is unknown, and the look goes on', async () => {
    const test = await threeServers(100);
    test.azure.hideServers(1);
    test.azure.fail(`readServer ${third}`, httpError(429, 'TooManyRequests'), 1);
    expect(await test.services.tick(region)).toMatchObject({ outcome: 'done' });
    expect(await test.server(third)).toMatchObject({ state: 'ready' });
    expect(await decided(test)).toContain('unknown');
  });

  it('in which too many are absent is not decided about', async () => {
    const test = await threeServers(3_900, { policy: { maximumChanges: 1 } });
    const puts = test.azure.puts.length;
    test.azure.servers.delete(first);
    test.azure.servers.delete(second);
    await test.settle();
    expect(await openAlerts(test)).toContain('implausible-listing');
    expect(test.azure.puts).toHaveLength(puts);
    // Whoever knows that they are really gone can say so.
    for (const name of [first, second]) {
      await test.services.control.server(name, 'drain', { actor: 'ada', reason: 'it was deleted' });
    }
    await test.settle();
    expect(await test.server(first)).toMatchObject({ state: 'retired' });
    expect(await openAlerts(test)).not.toContain('implausible-listing');
  });

  it('that fails does not resolve what is wrong', async () => {
    const test = await threeServers(3_900, { azure: { serverQuota: 5 } });
    await test.settle();
    expect(await openAlerts(test)).toContain('creation-held-up');
    test.azure.fail('listServers', httpError(500, 'InternalServerError'), 1);
    await test.settle();
    expect(await openAlerts(test)).toContain('creation-held-up');
  });

  it('is not needed to see that a server which was removed by somebody, and its document too, is simply gone', async () => {
    const test = await threeServers(100);
    test.azure.servers.delete(third);
    test.documents.sqlServers.remove(region, third);
    await test.settle();
    expect(await states(test)).toEqual(['ready', 'ready']);
    expect(await openAlerts(test)).toEqual([]);
  });
});

describe('counts', () => {
  const counted = async (test: Test, name: string) => (await test.server(name))?.numbers.databases?.value;

  it.each([
    ['have collapsed', 10],
    ['have exploded', 4_900],
    ['are more than there can be', 5_001],
  ])('of Resource Graph that %s are counted by listing before they are believed', async (_what, lie) => {
    const test = await threeServers(1_000);
    const puts = test.azure.puts.length;
    const { counts } = test.azure;
    const names = [...test.azure.servers.keys()];
    const truthful = { ...counts };
    counts.databasesPerServer = async () => new Map(names.map((name) => [name, lie]));
    test.azure.calls.length = 0;
    await test.settle();
    Object.assign(counts, truthful);
    expect(test.azure.calls.filter((call) => call.startsWith('countDatabases'))).toHaveLength(3);
    expect(await counted(test, first)).toBe(1_000);
    expect(test.azure.puts).toHaveLength(puts);
  });

  it('that really have exploded are believed after that', async () => {
    const test = await threeServers(1_000);
    for (const server of test.azure.servers.values()) server.bulk = 2_900;
    await test.settle();
    expect(await counted(test, first)).toBe(2_900);
  });

  it('follow the limit of the policy, whatever limit a document says', async () => {
    const test = await threeServers(1_000);
    test.documents.sqlServers.mangle(region, first, {
      numbers: { databases: { value: 1_000, limit: 0 }, serverDtus: null },
    });
    await test.settle();
    expect(await test.server(first)).toMatchObject({
      numbers: { databases: { value: 1_000, limit: 5_000 } },
      load: 0.2,
    });
  });
});

describe('a document that was written over by hand', () => {
  it.each([
    ['a fence that no lease ever had', { fence: 4_000_000 }],
    ['the name of another server', { name: 'somebody' }],
    ['a time that is none', { stateSince: 'yesterday' }],
    ['a next try in a thousand years', { state: 'securing', creation: { nextTryAtMs: 3e13 } }],
    [
      'a proof of security from the future',
      { security: { verifiedAt: '2999-01-01T00:00:00.000Z', steps: {}, openings: [] } },
    ],
    ['no kind', { kind: null }],
  ])('with %s is repaired', async (_what, fields) => {
    const test = await threeServers(100);
    const before = await test.server(first);
    const server = test.azure.servers.get(first);
    if (server !== undefined) server.publicNetworkAccess = 'Enabled';
    const creation = 'creation' in fields ? { ...before?.creation, ...fields.creation } : before?.creation;
    test.documents.sqlServers.mangle(region, first, { ...fields, creation });
    for (let tick = 0; tick < 4; tick += 1) {
      await test.settle();
      test.clock.pass(25 * hourMs);
    }
    expect(await test.server(first)).toMatchObject({ name: first, state: 'ready' });
    expect(test.azure.servers.get(first)?.publicNetworkAccess).toBe('Disabled');
  });

  it('that cannot be read and has no server does not block the next server with its name', async () => {
    const test = capacityUnderTest();
    await test.settle();
    await test.services.servers.create(aServer(second));
    test.documents.sqlServers.mangle(region, second, { state: 'asleep' });
    const server = test.azure.servers.get(first);
    if (server !== undefined) server.bulk = 3_900;
    await test.settle();
    expect(test.azure.puts).toEqual([first, third]);
  });

  it('of the monitor itself is begun anew, and a stop stays a stop', async () => {
    const test = await threeServers(3_900, { azure: { serverQuota: 5 } });
    await test.services.control.region(region, 'stop', { actor: 'ada', reason: 'migration' });
    test.clock.pass(60_000);
    test.documents.capacity.mangle(region, 'state', { samples: 'none', lastTickAt: 7 });
    await test.settle();
    expect((await test.services.store.readState(region)).stopped).toMatchObject({ actor: 'ada' });
    const { items } = await test.services.store.listDecisions(
      { regions: [region] },
      { pageSize: 1, continuation: null },
    );
    expect(items[0]?.corrections[0]).toMatchObject({ server: region, change: 'memory begun anew' });
    test.documents.capacity.mangle(region, 'state', { stopped: 'certainly' });
    await test.settle();
    expect((await test.services.store.readState(region)).stopped).toMatchObject({ actor: 'unknown' });
  });

  it('and leases that were lost stop the monitor for no longer than one look', async () => {
    const test = await threeServers(100);
    for (const { server } of (await test.services.servers.region(region)).servers) {
      test.documents.sqlServers.mangle(region, server.name, { fence: 900 });
    }
    test.documents.capacity.mangle(region, 'state', { fence: 900 });
    const server = test.azure.servers.get(first);
    if (server !== undefined) server.bulk = 150;
    await test.settle();
    expect(await test.server(first)).toMatchObject({ numbers: { databases: { value: 150 } } });
  });
});

describe('a monitor that only looks on', () => {
  it('decides about the servers that are there, although none has a document, and writes none', async () => {
    const test = capacityUnderTest({ policy: { mode: 'observe' } });
    for (const name of ['crm', 'erp']) test.azure.addServer(name, { tags: { ...ownTags }, bulk: 1_000 });
    await test.services.tick(region);
    await test.services.tick(region);
    const { items } = await test.services.store.listDecisions(
      { regions: [region] },
      { pageSize: 10, continuation: null },
    );
    expect(items.map(({ action }) => action)).toEqual(['none', 'none']);
    expect(items[0]?.reasons[0]).toContain('databases at 20.0 %');
    for (const server of test.azure.servers.values()) server.bulk = 3_900;
    test.clock.pass(hourMs);
    await test.services.tick(region);
    const after = await test.services.store.listDecisions({ regions: [region] }, { pageSize: 1, continuation: null });
    expect(after.items[0]).toMatchObject({ action: 'wouldCreate', server: null });
    expect(test.documents.sqlServers.all()).toEqual([]);
    expect(test.azure.puts).toEqual([]);
  });
});
