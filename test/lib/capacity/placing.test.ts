import { aServer, capacityUnderTest, noOrchestrations, region } from '../../support/capacity';
import { httpError } from '../../support/simulated-azure';
import { startTestDocuments, type TestDocuments } from '../../support/documents';

const databases = (value: number, limit = 100) => ({ databases: { value, limit }, serverDtus: null });
const policy = { limits: { databases: 100 }, minimumHeadroom: 1 };
const wish = { regions: [region], tags: {}, count: 1, not: [] };
/** 72 % of 100. */
const ceiling = 72;

const withServers = async (values: Record<string, Parameters<typeof aServer>[1]>) => {
  const test = capacityUnderTest({ policy });
  for (const [name, changes] of Object.entries(values)) {
    const server = aServer(name, changes);
    const load = (server.numbers.databases?.value ?? 0) / 100;
    await test.services.servers.create({ ...server, load });
    test.azure.addServer(name, { bulk: server.numbers.databases?.value ?? 0, tags: server.tags });
  }
  return test;
};

describe('placement', () => {
  it('chooses the least loaded ready server with the tags that are wished for', async () => {
    const test = await withServers({
      full: { numbers: databases(70) },
      empty: { numbers: databases(0), state: 'draining' },
      half: { numbers: databases(35) },
      gold: { numbers: databases(50), tags: { tier: 'gold' } },
    });
    expect((await test.services.placing.reserve(wish, 'a'))?.server.name).toBe('half');
    expect((await test.services.placing.reserve({ ...wish, tags: { tier: 'gold' } }, 'b'))?.server.name).toBe('gold');
    expect((await test.services.placing.reserve({ ...wish, not: ['half'] }, 'c'))?.server.name).toBe('gold');
    expect(await test.services.placing.reserve({ ...wish, count: 60 }, 'd')).toBeNull();
  });

  it('never places on a server that was never counted', async () => {
    const test = await withServers({ new: { numbers: { databases: null, serverDtus: null } } });
    expect(await test.services.placing.reserve(wish, 'a')).toBeNull();
  });

  it('gives the room back on release and on expiry, and keeps it after confirmation until it was counted', async () => {
    const test = await withServers({ only: { numbers: databases(ceiling - 1) } });
    const { placing } = test.services;
    expect(await placing.reserve(wish, 'a')).not.toBeNull();
    expect(await placing.reserve(wish, 'b')).toBeNull();
    expect(await placing.release(region, 'only', 'a')).toBe(true);
    expect(await placing.reserve(wish, 'c')).not.toBeNull();
    test.clock.pass(16 * 60_000);
    expect(await placing.reserve(wish, 'd')).not.toBeNull();
    expect(await placing.confirm(region, 'only', 'd')).toBe(true);
    test.clock.pass(16 * 60_000);
    expect(await placing.reserve(wish, 'e')).toBeNull();
    await test.services.tick(region);
    expect((await test.server('only'))?.reservations).toEqual([]);
  });
});

describe('fifty placements at once, on the real SDK', () => {
  let documents: TestDocuments;
  beforeAll(async () => {
    documents = await startTestDocuments();
  });
  afterAll(() => documents.stop());

  it('spread over the servers, and pass no ceiling', async () => {
    const stores = { sqlServers: documents.store('sqlServers'), capacity: documents.store('capacity') };
    const test = capacityUnderTest({ policy, stores });
    for (const name of ['a', 'b', 'c', 'd']) {
      await test.services.servers.create(aServer(name, { numbers: databases(60), load: 0.6 }));
    }
    const placed = await Promise.all(
      Array.from({ length: 50 }, (_, index) => test.services.placing.reserve(wish, `herd-${index}`)),
    );
    const { servers } = await test.services.servers.region(region);
    expect(servers.map(({ server }) => server.reservations.length)).toEqual([12, 12, 12, 12]);
    expect(placed.filter((each) => each === null)).toHaveLength(2);
  });
});

describe('a new database', () => {
  const request = { name: 'tenant-1', regions: [region], tags: {} };
  const by = { actor: 'ada', idempotencyKey: 'one' };
  const driven = async (test: Awaited<ReturnType<typeof withServers>>, id: string): Promise<string | undefined> => {
    for (let step = 0; step < 20; step += 1) {
      const result = await test.services.databases.advance(id, noOrchestrations);
      if (result.kind === 'done') break;
      test.clock.pass(result.delayMs);
    }
    return (await test.services.store.readDatabase(id))?.state;
  };

  it('is placed, created with our mark, and counted once', async () => {
    const test = await withServers({ a: { numbers: databases(10) } });
    const { database } = await test.services.databases.request(request, by, noOrchestrations);
    expect(await driven(test, database.databaseId)).toBe('ready');
    expect(test.azure.servers.get('a')?.databases.get('tenant-1')).toMatchObject({
      'sqlfleet-database': database.databaseId,
    });
    expect((await test.server('a'))?.reservations).toHaveLength(1);
    test.clock.pass(6 * 60_000);
    await test.services.tick(region);
    expect(await test.server('a')).toMatchObject({ reservations: [], numbers: databases(11) });
  });

  it('is one database for one idempotency key, and refuses the key for another', async () => {
    const test = await withServers({ a: { numbers: databases(10) } });
    const first = await test.services.databases.request(request, by, noOrchestrations);
    const again = await test.services.databases.request(request, by, noOrchestrations);
    expect(again).toEqual({ database: first.database, created: false });
    const other = test.services.databases.request({ ...request, name: 'tenant-2' }, by, noOrchestrations);
    await expect(other).rejects.toMatchObject({ code: 'capacity.idempotencyKeyReused', status: 422 });
  });

  it('does not take over a database of somebody else, and releases the room', async () => {
    const test = await withServers({ a: { numbers: databases(10) } });
    test.azure.servers.get('a')?.databases.set('tenant-1', { owner: 'somebody' });
    const { database } = await test.services.databases.request(request, by, noOrchestrations);
    expect(await driven(test, database.databaseId)).toBe('failed');
    expect(await test.services.store.readDatabase(database.databaseId)).toMatchObject({
      failure: { code: 'capacity.databaseExists' },
    });
    expect((await test.server('a'))?.reservations).toEqual([]);
  });

  it('goes to another server when one says that it is full, whatever our numbers say', async () => {
    const test = await withServers({ a: { numbers: databases(10) }, b: { numbers: databases(40) } });
    test.azure.fail('putDatabase a/', httpError(409, 'DatabaseQuotaExceeded'));
    const { database } = await test.services.databases.request(request, by, noOrchestrations);
    expect(await driven(test, database.databaseId)).toBe('ready');
    expect(await test.services.store.readDatabase(database.databaseId)).toMatchObject({
      server: 'b',
      refusedBy: ['a'],
    });
    expect((await test.server('a'))?.reservations).toEqual([]);
  });

  it('waits for room, asks for a server meanwhile, and fails when none comes in time', async () => {
    const test = await withServers({ a: { numbers: databases(ceiling) } });
    const { database } = await test.services.databases.request(request, by, noOrchestrations);
    expect(await test.services.databases.advance(database.databaseId, noOrchestrations)).toMatchObject({
      kind: 'again',
    });
    test.clock.pass(31 * 60_000);
    expect(await driven(test, database.databaseId)).toBe('failed');
  });

  it('is built from its package before it is ready, and says which build failed', async () => {
    const test = capacityUnderTest({
      policy,
      deps: { builds: { start: async () => 'build-7', state: async () => 'failed' } },
    });
    await test.services.servers.create(aServer('a', { numbers: databases(10) }));
    test.azure.addServer('a');
    const withPackage = { ...request, package: 'template.zip' };
    const { database } = await test.services.databases.request(withPackage, by, noOrchestrations);
    for (let step = 0; step < 6; step += 1)
      await test.services.databases.advance(database.databaseId, noOrchestrations);
    const failed = await test.services.store.readDatabase(database.databaseId);
    expect(failed).toMatchObject({ state: 'failed', buildId: 'build-7', failure: { code: 'capacity.templateFailed' } });
  });
});
