import { type ArmHarness, createManualClock, namesOf, place, startHarness } from './harness';

let harness: ArmHarness;
const start = async (...options: Parameters<typeof startHarness>): Promise<ArmHarness> => {
  harness = await startHarness(...options);
  return harness;
};
afterEach(() => harness.stop());

const location = 'westeurope';
const fleet2 = ['sqlfleet', 'fleet-2'] as const;

it('creates and deletes databases that then really exist or not', async () => {
  const { sql, running } = await start();
  const created = await sql.databases.beginCreateOrUpdateAndWait(...fleet2, 'fresh', { location, tags: { ring: '1' } });
  expect(created).toMatchObject({ name: 'fresh', tags: { ring: '1' }, status: 'Online' });
  expect(running.get('fleet-2')).toEqual(['fresh']);
  await sql.databases.beginCreateOrUpdateAndWait(...fleet2, 'FRESH', { location });
  expect(running.get('fleet-2')).toEqual(['fresh']);
  await sql.databases.beginDeleteAndWait(...fleet2, 'fresh');
  expect(running.get('fleet-2')).toEqual([]);
  await sql.databases.beginDeleteAndWait(...fleet2, 'fresh');
  await expect(sql.databases.beginDeleteAndWait(...fleet2, 'master')).rejects.toMatchObject({ statusCode: 400 });
});

it('moves a database between elastic pools, and out of them', async () => {
  const { sql } = await start();
  const poolIds: string[] = [];
  for (const name of ['cool', 'hot']) {
    const sku = { name: 'GP_Gen5', tier: 'GeneralPurpose', family: 'Gen5', capacity: 4 };
    const { id } = await sql.elasticPools.beginCreateOrUpdateAndWait(...place, name, { location, sku });
    poolIds.push(id ?? '');
  }
  const [cool = '', hot = ''] = poolIds;
  await sql.databases.beginUpdateAndWait(...place, 'orders', { elasticPoolId: hot });
  expect(await namesOf(sql.databases.listByElasticPool(...place, 'hot'))).toEqual(['orders']);
  await sql.databases.beginUpdateAndWait(...place, 'orders', { elasticPoolId: cool });
  expect(await namesOf(sql.databases.listByElasticPool(...place, 'hot'))).toEqual([]);
  expect(await sql.databases.get(...place, 'orders')).toMatchObject({
    elasticPoolId: cool,
    sku: { name: 'ElasticPool' },
  });
  await expect(sql.elasticPools.beginDeleteAndWait(...place, 'cool')).rejects.toMatchObject({
    code: 'ElasticPoolNotEmpty',
  });
  await sql.databases.beginUpdateAndWait(...place, 'orders', { sku: { name: 'S0', tier: 'Standard' } });
  expect((await sql.databases.get(...place, 'orders')).elasticPoolId).toBeUndefined();
  await sql.elasticPools.beginDeleteAndWait(...place, 'cool');
  expect(await namesOf(sql.elasticPools.listByServer(...place))).toEqual(['hot']);
  await expect(
    sql.databases.beginUpdateAndWait(...place, 'orders', { elasticPoolId: `${hot}-not` }),
  ).rejects.toMatchObject({ statusCode: 404, code: 'TargetElasticPoolDoesNotExist' });
});

it('stops at the limit of databases of a server, and at the vCores of the region', async () => {
  const { sql, arm } = await start({ scope: { databasesPerServer: 3, vCoreQuota: 10 } });
  await sql.databases.beginCreateOrUpdateAndWait(...place, 'third', { location });
  const create = (name: string, sku?: { name: string }) =>
    sql.databases.beginCreateOrUpdateAndWait(...place, name, { location, ...(sku && { sku }) });
  await expect(create('fourth')).rejects.toMatchObject({ code: 'ServerDatabaseLimitExceeded' });
  const vCores = () => sql.subscriptionUsages.get(location, 'RegionalVCoreQuotaForSQLDBAndDW');
  expect(await vCores()).toMatchObject({ currentValue: 1, limit: 10 });
  await sql.databases.beginUpdateAndWait(...place, 'third', { sku: { name: 'GP_Gen5_8' } });
  expect(await vCores()).toMatchObject({ currentValue: 8 });
  arm.control['setUsage']?.({ location, name: 'RegionalVCoreQuotaForSQLDBAndDW', limit: 9 });
  await expect(
    sql.databases.beginUpdateAndWait(...place, 'third', { sku: { name: 'GP_Gen5_10' } }),
  ).rejects.toMatchObject({ statusCode: 400, code: 'SubscriptionVcoreQuotaExceeded' });
});

it('refuses a second change of a database while one is running', async () => {
  const clock = createManualClock();
  const { sql } = await start({ clock, operationTimes: { durationMs: 1_000 } });
  const first = await sql.databases.beginCreateOrUpdate(...fleet2, 'fresh', { location });
  await expect(sql.databases.beginCreateOrUpdate(...fleet2, 'fresh', { location })).rejects.toMatchObject({
    statusCode: 409,
    code: 'ConflictingDatabaseOperation',
  });
  clock.advance(1_000);
  await first.pollUntilDone();
});

it('claims databases that do not exist, spread over pools', async () => {
  const { sql, arm } = await start();
  arm.control['claimDatabases']?.({ server: 'fleet-1', count: 4_000, pools: ['a', 'b'] });
  expect(await namesOf(sql.databases.listByServer(...place))).toHaveLength(4_003);
  expect(await namesOf(sql.databases.listByElasticPool(...place, 'a'))).toHaveLength(2_000);
  await expect(sql.databases.beginDeleteAndWait(...place, 'claimed-00001')).rejects.toMatchObject({ statusCode: 409 });
});

it('answers server usages flat to the version that the SDK sends, and as resources to later ones', async () => {
  const { sql, arm } = await start();
  await sql.databases.beginUpdateAndWait(...place, 'orders', { sku: { name: 'S2' } });
  const read = async (): Promise<unknown> => {
    for await (const usage of sql.serverUsages.listByServer(...place)) return usage;
    return null;
  };
  expect(await read()).toMatchObject({ name: 'server_dtu_quota', currentValue: 50, limit: 54_000, unit: 'DTUs' });
  arm.control['setUsage']?.({ server: 'fleet-1', name: 'server_dtu_quota_current', currentValue: 53_000 });
  sql.pipeline.addPolicy({
    name: 'laterVersion',
    sendRequest: (request, next) => {
      request.url = request.url.replace('2014-04-01', '2023-08-01');
      return next(request);
    },
  });
  expect(await read()).toMatchObject({ properties: { currentValue: 53_000 } });
});
