import { createManualClock, type ArmHarness, namesOf, place, serverBody, startHarness } from './harness';

let harness: ArmHarness;
const start = async (...options: Parameters<typeof startHarness>): Promise<ArmHarness> => {
  harness = await startHarness(...options);
  return harness;
};
afterEach(() => harness.stop());

const create = (name: string, changes: Parameters<typeof serverBody>[0] = {}) =>
  harness.sql.servers.beginCreateOrUpdateAndWait('sqlfleet', name, serverBody(changes));
const notFound = (code: string) => ({ statusCode: 404, code });

it('shows the servers and databases that exist', async () => {
  const { sql } = await start();
  expect(await namesOf(sql.servers.list())).toEqual(['fleet-1', 'fleet-2']);
  expect(await namesOf(sql.servers.listByResourceGroup('SQLFleet'))).toEqual(['fleet-1', 'fleet-2']);
  expect(await sql.servers.get('sqlfleet', 'FLEET-1')).toMatchObject({
    name: 'fleet-1',
    location: 'westeurope',
    state: 'Ready',
    fullyQualifiedDomainName: 'fleet-1.database.windows.net',
  });
  expect(await namesOf(sql.databases.listByServer(...place))).toEqual(['master', 'orders', 'customers']);
  expect((await sql.databases.get(...place, 'orders')).status).toBe('Online');
});

it('creates a server with what it was asked for, and what Azure adds', async () => {
  const { sql, running } = await start();
  const server = await create('fleet-3', {
    location: 'North Europe',
    tags: { fleet: 'one' },
    identity: { type: 'SystemAssigned' },
    publicNetworkAccess: 'Disabled',
  });
  expect(server).toMatchObject({
    location: 'northeurope',
    tags: { fleet: 'one' },
    minimalTlsVersion: '1.2',
    publicNetworkAccess: 'Disabled',
    administrators: { login: 'DBA', azureADOnlyAuthentication: true },
  });
  expect(server.administratorLogin).toMatch(/^CloudSA/);
  expect(server.identity?.principalId).toMatch(/^[0-9a-f-]{36}$/);
  expect(running.get('fleet-3')).toEqual([]);
  await sql.servers.beginUpdateAndWait('sqlfleet', 'fleet-3', { minimalTlsVersion: '1.3', tags: { fleet: 'two' } });
  const changed = await sql.servers.get('sqlfleet', 'fleet-3');
  expect(changed).toMatchObject({ minimalTlsVersion: '1.3', tags: { fleet: 'two' }, publicNetworkAccess: 'Disabled' });
});

it('takes administrators only when a server is created, and creates none without', async () => {
  const { sql } = await start();
  await create('fleet-3');
  const { administrators } = serverBody();
  await create('fleet-3', { administrators: { ...administrators, login: 'Others' } });
  expect((await sql.servers.get('sqlfleet', 'fleet-3')).administrators?.login).toBe('DBA');
  await expect(create('fleet-4', { administrators: undefined })).rejects.toMatchObject({
    statusCode: 400,
    code: 'InvalidParameterValue',
  });
});

it('lets another process wait for a creation, even over a restart, without a second PUT', async () => {
  const clock = createManualClock();
  await start({ clock, operationTimes: { durationMs: 60_000 } });
  const poller = await harness.sql.servers.beginCreateOrUpdate('sqlfleet', 'fleet-3', serverBody());
  const token = poller.toString();
  await harness.restart();
  await expect(harness.sql.servers.get('sqlfleet', 'fleet-3')).rejects.toMatchObject(notFound('ResourceNotFound'));
  clock.advance(60_000);
  const server = await harness.sql.servers.beginCreateOrUpdateAndWait('sqlfleet', 'fleet-3', serverBody(), {
    resumeFrom: token,
    updateIntervalInMs: 10,
  });
  expect(server.name).toBe('fleet-3');
  expect(harness.arm.counters()['createServer']).toBeUndefined();
});

it('refuses a second change while one is running', async () => {
  const { sql, arm } = await start();
  arm.armFaults.add({ kind: 'holdOperation', action: 'createServer' });
  const first = await sql.servers.beginCreateOrUpdate('sqlfleet', 'fleet-3', serverBody());
  await expect(create('fleet-3')).rejects.toMatchObject({ statusCode: 409, code: 'ConflictingServerOperation' });
  const { available } = await sql.servers.checkNameAvailability({ name: 'fleet-3', type: 'Microsoft.Sql/servers' });
  expect(available).toBe(false);
  arm.control['releaseOperations']?.({});
  await first.pollUntilDone();
});

it('fails an operation when asked to', async () => {
  const { arm, sql } = await start();
  arm.armFaults.add({ kind: 'failOperation', action: 'createServer', code: 'NameAlreadyExists', message: 'Taken.' });
  await expect(create('fleet-3')).rejects.toThrow('Taken.');
  expect(await namesOf(sql.servers.list())).not.toContain('fleet-3');
});

it('keeps the name of a deleted server for a while, and the tags of those that stay', async () => {
  const { sql, arm, running } = await start();
  await sql.servers.beginDeleteAndWait('sqlfleet', 'fleet-2');
  expect(running.has('fleet-2')).toBe(false);
  expect(await namesOf(sql.servers.list())).toEqual(['fleet-1']);
  await expect(create('fleet-2')).rejects.toMatchObject({ statusCode: 409, code: 'NameAlreadyExists' });
  const answer = await sql.servers.checkNameAvailability({ name: 'fleet-2', type: 'Microsoft.Sql/servers' });
  expect(answer).toMatchObject({ available: false, reason: 'AlreadyExists' });
  arm.control['freeNames']?.({});
  await create('fleet-2');
});

it('refuses more servers than the quota, and any in a region that takes none', async () => {
  const { sql, arm } = await start({ scope: { serverQuota: 2 } });
  expect(await sql.subscriptionUsages.get('westeurope', 'ServerQuota')).toMatchObject({ currentValue: 2, limit: 2 });
  await expect(create('fleet-3')).rejects.toMatchObject({ statusCode: 409, code: 'ServerQuotaExceeded' });
  await create('north-1', { location: 'northeurope' });
  arm.control['setRegion']?.({ location: 'northeurope', acceptsServers: false, code: 'ProvisioningDisabled' });
  await expect(create('north-2', { location: 'northeurope' })).rejects.toMatchObject({
    statusCode: 400,
    code: 'ProvisioningDisabled',
  });
  expect((await sql.capabilities.listByLocation('northeurope')).status).toBe('Disabled');
  await expect(create('fleet-1', { location: 'northeurope' })).rejects.toMatchObject({
    code: 'InvalidResourceLocation',
  });
});

it('says what it does not find', async () => {
  const { sql } = await start();
  await expect(sql.servers.get('sqlfleet', 'none')).rejects.toMatchObject(notFound('ResourceNotFound'));
  await expect(sql.servers.get('none', 'fleet-1')).rejects.toMatchObject(notFound('ResourceGroupNotFound'));
  await expect(sql.databases.get(...place, 'none')).rejects.toMatchObject(notFound('ResourceNotFound'));
  await expect(sql.subscriptionUsages.listByLocation('moon').next()).rejects.toMatchObject({ code: 'InvalidLocation' });
  const stranger = harness.sqlFor('00000000-0000-0000-0000-00000000ffff');
  await expect(stranger.servers.list().next()).rejects.toMatchObject(notFound('SubscriptionNotFound'));
});

it('accepts tokens for ARM only', async () => {
  const { arm } = await start();
  expect(await namesOf(harness.sqlFor(arm.subscriptionId, 'https://management.azure.com').servers.list())).toHaveLength(
    2,
  );
  const stranger = harness.sqlFor(arm.subscriptionId, 'https://vault.azure.net');
  await expect(stranger.servers.list().next()).rejects.toMatchObject({ statusCode: 401 });
});

it('is throttled when asked to, and names what it does not support', async () => {
  const { sql, arm } = await start();
  arm.faults.add({ operation: 'listServers', status: 429, retryAfterMs: 1 });
  expect(await namesOf(sql.servers.list())).toHaveLength(2);
  expect(arm.faults.waiting()).toEqual([]);
  await expect(sql.failoverGroups.listByServer(...place).next()).rejects.toMatchObject({
    statusCode: 501,
    code: 'NotImplemented',
  });
});

it('lists a thousand servers, a page that fails, and a list that lies', async () => {
  const { sql, arm } = await start();
  arm.control['addServers']?.({ count: 1_000, prefix: 'many', location: 'northeurope', databases: 5_000 });
  expect(await namesOf(sql.servers.list())).toHaveLength(1_002);
  expect(await namesOf(sql.databases.listByServer('sqlfleet', 'many-0500'))).toHaveLength(5_001);
  arm.faults.add({ operation: 'listServers', skip: 3, times: 2, status: 500 });
  await expect(namesOf(sql.servers.list())).rejects.toMatchObject({ statusCode: 500 });
  arm.armFaults.add({ kind: 'truncateList', operation: 'listServers', entries: 40 });
  expect(await namesOf(sql.servers.list())).toHaveLength(40);
});

it('drops a server and mangles settings behind the back of whoever uses it', async () => {
  const { sql, arm, running } = await start();
  await arm.control['dropServer']?.({ server: 'fleet-2' });
  expect(running.has('fleet-2')).toBe(false);
  arm.control['mangle']?.({ server: 'fleet-1', properties: { minimalTlsVersion: '1.0' }, tags: { who: 'a stranger' } });
  expect(await sql.servers.get(...place)).toMatchObject({ minimalTlsVersion: '1.0', tags: { who: 'a stranger' } });
  expect(await namesOf(sql.servers.list())).toEqual(['fleet-1']);
});

it('knows after a restart what it was told', async () => {
  const { sql } = await start();
  await create('fleet-3', { tags: { fleet: 'one' } });
  await harness.restart();
  expect((await sql.servers.get('sqlfleet', 'fleet-3')).tags).toEqual({ fleet: 'one' });
});
