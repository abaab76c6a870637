import { aServer, capacityUnderTest, ownTags, region } from '../../support/capacity';

jest.setTimeout(120_000);

const serverCount = 1_000;

/** A full fleet: a thousand servers, five million databases. */
async function largeFleet(databases = 3_000) {
  const test = capacityUnderTest({ azure: { serverQuota: 2_000 } });
  const at = new Date(test.clock.nowMs()).toISOString();
  for (let ordinal = 1; ordinal <= serverCount; ordinal += 1) {
    const name = `sql-${ordinal}`;
    test.azure.addServer(name, { bulk: databases, tags: { ...ownTags } });
    const numbers = { databases: { value: 2_500, limit: 5_000 }, serverDtus: null };
    await test.services.servers.create(
      aServer(name, {
        numbers,
        security: { verifiedAt: at, steps: {}, openings: [] },
        usagesAt: null,
        numbersAt: at,
        load: 0.5,
      }),
    );
  }
  test.azure.calls.length = 0;
  return test;
}

describe('a tick over a thousand servers with five million databases', () => {
  it('asks Azure a bounded number of questions, whatever number of databases there are', async () => {
    const test = await largeFleet(5_000);
    const writesBefore = test.documents.sqlServers.writes();
    await test.services.tick(region);
    const byCall = new Map<string, number>();
    for (const call of test.azure.calls) {
      const name = call.split(' ')[0] ?? '';
      byCall.set(name, (byCall.get(name) ?? 0) + 1);
    }
    // One list, one count, the quotas; usages within the budget of a tick.
    expect(Object.fromEntries(byCall)).toEqual({
      listServers: 1,
      regionalUsages: 1,
      databasesPerServer: 1,
      serverUsages: 200,
    });
    // At most one write per server, and one for the server that is asked for.
    expect(test.documents.sqlServers.writes() - writesBefore).toBeLessThanOrEqual(serverCount + 1);
    const counted = await test.services.servers.region(region);
    expect(counted.servers.filter(({ server }) => server.numbers.databases?.value === 5_000)).toHaveLength(serverCount);
  });

  it('writes hardly anything when nothing has changed', async () => {
    const test = await largeFleet();
    for (let tick = 0; tick < 6; tick += 1) {
      await test.services.tick(region);
      test.clock.pass(60_000);
    }
    const before = test.documents.sqlServers.writes();
    await test.services.tick(region);
    expect(test.documents.sqlServers.writes() - before).toBeLessThanOrEqual(5);
  });

  it('counts by listing within its budget while Resource Graph does not answer, and gets round the fleet', async () => {
    const test = await largeFleet();
    test.azure.fail('databasesPerServer', Object.assign(new Error('away'), { statusCode: 503 }), 100);
    for (let tick = 0; tick < 6; tick += 1) {
      test.azure.calls.length = 0;
      await test.services.tick(region);
      expect(test.azure.calls.filter((call) => call.startsWith('countDatabases')).length).toBeLessThanOrEqual(200);
      test.clock.pass(300_000);
    }
    const counted = await test.services.servers.region(region);
    expect(counted.servers.filter(({ server }) => server.numbers.databases?.value === 3_000)).toHaveLength(serverCount);
  });

  it('keeps what one region remembers small', async () => {
    const test = await largeFleet();
    for (let tick = 0; tick < 5; tick += 1) {
      await test.services.tick(region);
      test.clock.pass(900_000);
    }
    const state = await test.services.store.readState(region);
    expect(JSON.stringify(state).length).toBeLessThan(10_000);
    const decisions = await test.services.store.listDecisions(
      { regions: [region] },
      { pageSize: 100, continuation: null },
    );
    for (const decision of decisions.items) expect(JSON.stringify(decision).length).toBeLessThan(50_000);
  });
});
