import { type CapacityServices } from '../../../lib/capacity/services';
import { aServer, capacityUnderTest, noOrchestrations, region, type UnderTestOptions } from '../../support/capacity';
import { startTestDocuments, type TestDocuments } from '../../support/documents';
import { httpError } from '../../support/simulated-azure';

/** Many new databases at once, over two instances of the app on the same documents. */

const policy = { limits: { databases: 100 }, minimumHeadroom: 1 };
/** 72 % of 100. */
const ceiling = 72;

jest.setTimeout(60_000);

let documents: TestDocuments;
beforeEach(async () => {
  documents = await startTestDocuments();
});
afterEach(() => documents.stop());

async function twoApps(servers: Record<string, number>, options: UnderTestOptions = {}) {
  const stores = { sqlServers: documents.store('sqlServers'), capacity: documents.store('capacity') };
  const test = capacityUnderTest({ policy, stores, ...options });
  for (const [name, value] of Object.entries(servers)) {
    const numbers = { databases: { value, limit: 100 }, serverDtus: null };
    await test.services.servers.create(aServer(name, { numbers, load: value / 100 }));
    test.azure.addServer(name, { bulk: value });
  }
  const apps = [test.services, test.another()];
  const app = (index: number): CapacityServices => apps[index % 2] ?? test.services;
  const order = async (index: number, name = `tenant-${index}`): Promise<string> => {
    const request = { name, regions: [region], tags: {} };
    const by = { actor: 'ada', idempotencyKey: `${name}/${index}` };
    return (await app(index).databases.request(request, by, noOrchestrations)).database.databaseId;
  };
  const drive = async (index: number, id: string, steps = 12): Promise<void> => {
    for (let step = 0; step < steps; step += 1) {
      if ((await app(index + step).databases.advance(id, noOrchestrations)).kind === 'done') return;
    }
  };
  const databaseOf = async (id: string) => test.services.store.readDatabase(id);
  return { ...test, order, drive, databaseOf };
}
const indices = (count: number): number[] => Array.from({ length: count }, (_, index) => index);

it('spread over the servers, pass no ceiling, and each is made once', async () => {
  const test = await twoApps({ a: 60, b: 60, c: 60, d: 60, e: 60 });
  const ids = await Promise.all(indices(70).map((index) => test.order(index)));
  await Promise.all(ids.map((id, index) => test.drive(index, id, 6)));
  const made = [...test.azure.servers.values()].map(({ databases }) => databases.size);
  expect(made).toEqual([12, 12, 12, 12, 12]);
  const states = await Promise.all(ids.map(async (id) => (await test.databaseOf(id))?.state));
  expect(states.filter((state) => state === 'ready')).toHaveLength(60);
  // The others wait for the next server.
  expect(states.filter((state) => state === 'placing')).toHaveLength(10);
  for (const { server } of (await test.services.servers.region(region)).servers) {
    expect(60 + server.reservations.length).toBeLessThanOrEqual(ceiling);
  }
});

it('give their room back when they fail, so that others get it', async () => {
  const test = await twoApps({ a: ceiling - 10 });
  test.azure.fail('putDatabase a/', httpError(400, 'InvalidSku'), 10);
  const ids = await Promise.all(indices(10).map((index) => test.order(index)));
  await Promise.all(ids.map((id, index) => test.drive(index, id)));
  for (const id of ids)
    expect(await test.databaseOf(id)).toMatchObject({ state: 'failed', failure: { code: 'InvalidSku' } });
  expect((await test.server('a'))?.reservations).toEqual([]);
  const more = await Promise.all(indices(10).map((index) => test.order(index + 100)));
  await Promise.all(more.map((id, index) => test.drive(index, id)));
  expect(test.azure.servers.get('a')?.databases.size).toBe(10);
});

it('ordered several times with one key are one', async () => {
  const test = await twoApps({ a: 10 });
  const ids = await Promise.all(indices(20).map(() => test.order(7)));
  expect(new Set(ids).size).toBe(1);
  await Promise.all(ids.map((id, index) => test.drive(index, id)));
  expect(test.azure.servers.get('a')?.databases.size).toBe(1);
  expect((await test.server('a'))?.reservations).toHaveLength(1);
});

it('with one name for one server go to one of those who want it', async () => {
  const test = await twoApps({ a: 10 }, { azure: { creationMs: 60_000 } });
  const ids = await Promise.all(indices(8).map((index) => test.order(index, 'same')));
  await Promise.all(ids.map((id, index) => test.drive(index, id, 3)));
  test.clock.pass(61_000);
  await Promise.all(ids.map((id, index) => test.drive(index, id)));
  const ended = await Promise.all(ids.map((id) => test.databaseOf(id)));
  const ready = ended.filter((database) => database?.state === 'ready');
  expect(ready).toHaveLength(1);
  expect(test.azure.servers.get('a')?.databases.get('same')).toMatchObject({
    'sqlfleet-database': ready[0]?.databaseId,
  });
  expect(ended.filter((database) => database?.failure?.code === 'capacity.databaseExists')).toHaveLength(7);
  expect((await test.server('a'))?.reservations).toHaveLength(1);
});

it('keep their room for as long as they take', async () => {
  const test = await twoApps({ a: ceiling - 1 }, { azure: { creationMs: 3 * 3_600_000 } });
  const slow = await test.order(0);
  await test.drive(0, slow, 3);
  for (let minutes = 0; minutes < 180; minutes += 5) {
    test.clock.pass(5 * 60_000);
    await test.services.databases.advance(slow, noOrchestrations);
    expect(await test.services.placing.reserve({ regions: [region], tags: {}, count: 1, not: [] }, 'other')).toBeNull();
  }
  test.clock.pass(60_000);
  await test.drive(0, slow);
  expect(await test.databaseOf(slow)).toMatchObject({ state: 'ready' });
});

it('that were placed long ago, and not begun, are placed anew instead of passing the ceiling', async () => {
  const test = await twoApps({ a: ceiling - 1, b: ceiling - 1 });
  const late = await test.order(0);
  await test.services.databases.advance(late, noOrchestrations);
  const { server } = (await test.databaseOf(late)) ?? {};
  test.clock.pass(3_600_000);
  const wish = { regions: [region], tags: {}, count: 1, not: [server === 'a' ? 'b' : 'a'] };
  expect(await test.services.placing.reserve(wish, 'quicker')).not.toBeNull();
  await test.drive(0, late);
  const ended = await test.databaseOf(late);
  expect(ended).toMatchObject({ state: 'ready' });
  expect(ended?.server).not.toBe(server);
});

it('leave a server that is gone, or refuses them, for another one, and come back after it was counted', async () => {
  const test = await twoApps({ a: 10, b: 40 });
  test.azure.fail('putDatabase a/', httpError(404, 'ResourceNotFound'));
  const id = await test.order(0);
  await test.drive(0, id);
  expect(await test.databaseOf(id)).toMatchObject({ state: 'ready', server: 'b', refusedBy: ['a'] });
  const wish = { regions: [region], tags: {}, count: 1, not: ['b'] };
  expect(await test.services.placing.reserve(wish, 'x')).toBeNull();
  const before = await test.services.store.readState(region);
  test.clock.pass(60_000);
  await test.settle();
  expect(await test.services.placing.reserve(wish, 'x')).not.toBeNull();
  // A refusal is no growth, and no shrinking either.
  const after = await test.services.store.readState(region);
  expect((after.grown['databases'] ?? 0) - (before.grown['databases'] ?? 0)).toBe(1);
});

it('do not hold a quota of the region against the server', async () => {
  const test = await twoApps({ a: 10 });
  test.azure.fail('putDatabase a/', httpError(409, 'SubscriptionVcoreQuotaExceeded', 'would exceed the quota'));
  const id = await test.order(0);
  await test.drive(0, id, 3);
  expect(
    await test.services.placing.reserve({ regions: [region], tags: {}, count: 1, not: [] }, 'pooled'),
  ).not.toBeNull();
});
