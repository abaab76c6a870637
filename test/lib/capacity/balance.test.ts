import { endOf, poolElsewhere } from '../../../lib/capacity/moves';
import { policySchema } from '../../../lib/capacity/policy';
import { type Move } from '../../../lib/capacity/schema';
import { type ElasticPool } from '../../../lib/platform/azure-sql';
import { aServer, capacityUnderTest, type PolicyInput, region } from '../../support/capacity';

/** Servers with pools of which the first is hot; Azure moves a database when `arrive` is called. */
async function twoServers(policy: PolicyInput, percents: Record<string, number>) {
  const where = new Map([['busy', 'a/hot']]);
  const begun: string[] = [];
  const pool = (key: string): ElasticPool => ({
    id: key,
    name: key.split('/')[1] ?? '',
    server: key.split('/')[0] ?? '',
  });
  const probe = capacityUnderTest();
  const azure = {
    ...probe.azure.azure,
    listElasticPools: async (_group: string, server: string) =>
      Object.keys(percents)
        .filter((key) => key.startsWith(`${server}/`))
        .map(pool),
    listPooledDatabases: async (_group: string, server: string, name: string) =>
      [...where].flatMap(([database, key]) => (key === `${server}/${name}` ? [{ id: database, name: database }] : [])),
    readDatabase: async (_group: string, _server: string, database: string) => ({
      tags: {},
      elasticPoolId: where.get(database) ?? null,
    }),
    moveToPool: async (_group: string, _server: string, database: string, id: string) => {
      begun.push(`${database} -> ${id}`);
    },
  };
  const heat = { heatPercent: async (id: string) => percents[id] ?? (id === 'busy' ? 40 : null) };
  const test = capacityUnderTest({ policy, deps: { azure, heat } });
  for (const name of ['a', 'b']) await test.services.servers.create(aServer(name));
  const moves = async () =>
    (await test.services.store.listMoves({ regions: [region] }, { pageSize: 10, continuation: null })).items;
  return { ...test, begun, where, moves };
}

const move = { balancing: { mode: 'move' as const } };

it('begins a move once, and calls it made when the database was seen in its new pool', async () => {
  const test = await twoServers(move, { 'a/hot': 95, 'a/cool': 10 });
  for (let run = 0; run < 3; run += 1) {
    await test.services.balance(region);
    test.clock.pass(3_600_000);
  }
  expect(test.begun).toEqual(['busy -> a/cool']);
  expect(await test.moves()).toMatchObject([{ state: 'moving', toPool: 'cool', toServer: null }]);
  test.where.set('busy', 'a/cool');
  await test.services.balance(region);
  expect(await test.moves()).toMatchObject([{ state: 'made' }]);
});

it('calls a move failed that has not arrived after a day, and may try again then', async () => {
  const test = await twoServers(move, { 'a/hot': 95, 'a/cool': 10 });
  await test.services.balance(region);
  test.clock.pass(25 * 3_600_000);
  await test.services.balance(region);
  expect(await test.moves()).toMatchObject([{ state: 'failed' }]);
  await test.services.balance(region);
  expect(test.begun).toHaveLength(2);
});

it('leaves pools to settle after a move: what they were at is an average of before it', async () => {
  const test = await twoServers(move, { 'a/hot': 95, 'a/cool': 10 });
  test.where.set('other', 'a/hot');
  await test.services.balance(region);
  test.where.set('busy', 'a/cool');
  test.clock.pass(3_600_000);
  await test.services.balance(region);
  expect(test.begun).toHaveLength(1);
});

it('only proposes a move to another server, and names it', async () => {
  const test = await twoServers(move, { 'a/hot': 95, 'a/warm': 55, 'b/cool': 10 });
  await test.services.balance(region);
  expect(test.begun).toEqual([]);
  expect(await test.moves()).toMatchObject([{ state: 'proposed', server: 'a', toServer: 'b', toPool: 'cool' }]);
});

it.each<[string, PolicyInput]>([
  ['by default', {}],
  ['while it only looks on', { ...move, mode: 'observe' }],
])('makes no move %s, and proposes the same one once a day', async (_when, policy) => {
  const test = await twoServers(policy, { 'a/hot': 95, 'a/cool': 10 });
  await test.services.balance(region);
  await test.services.balance(region);
  expect(test.begun).toEqual([]);
  expect(await test.moves()).toMatchObject([{ state: 'proposed', toPool: 'cool' }]);
});

it('makes no move in a region that somebody stopped', async () => {
  const test = await twoServers(move, { 'a/hot': 95, 'a/cool': 10 });
  await test.services.control.region(region, 'stop', { actor: 'ada', reason: 'migration' });
  await test.services.balance(region);
  expect(test.begun).toEqual([]);
});

it('knows an arrival whatever the case, and no pool that would become hot itself', () => {
  const begun: Move = {
    ...{ id: 'm', kind: 'move', scope: region, region, server: 'a', database: 'busy', fromPool: 'hot', toPool: 'Cool' },
    ...{ toServer: null, state: 'moving', reason: '', at: new Date(0).toISOString() },
  };
  expect(endOf(begun, '/x/elasticPools/COOL', 1)).toMatchObject({ state: 'made' });
  expect(endOf(begun, null, 1)).toBeNull();
  const { balancing } = policySchema.parse({});
  const pool = (server: string, name: string): ElasticPool => ({ id: name, name, server });
  const proposed = { database: 'busy', percent: 30, from: pool('a', 'hot'), to: null, reason: '' };
  const pools = [
    { pool: pool('a', 'own'), percent: 0 },
    { pool: pool('b', 'full'), percent: 40 },
  ];
  expect(poolElsewhere(proposed, pools, balancing)).toBeNull();
  expect(poolElsewhere(proposed, [...pools, { pool: pool('c', 'x'), percent: 30 }], balancing)?.name).toBe('x');
});
