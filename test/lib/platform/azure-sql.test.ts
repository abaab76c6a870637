import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { azureFailureClass, failureClassOf, isFailedOperation } from '../../../lib/platform/azure-errors';
import { createAzureMetrics } from '../../../lib/platform/azure-monitor';
import { type AzureSql, createAzureSql } from '../../../lib/platform/azure-sql';
import { type Arm, startArm } from '../../../local/arm/start';
import { ensureCertificates } from '../../../local/certificates/certificates';
import { type Identity, startIdentity } from '../../../local/identity/start';
import { aServer, capacityUnderTest, region, template } from '../../support/capacity';

let folder: string;
let identity: Identity;
let arm: Arm;
let ca: string;
const group = 'sqlfleet';
const definition = { ...template.server, region: 'westeurope', tags: template.tags };

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'azure-sql-'));
  const certificates = await ensureCertificates(folder, ['localhost'], new Date());
  ca = readFileSync(certificates.caFile, 'utf8');
  identity = await startIdentity({ port: 0, stateFolder: null });
  arm = await startArm({
    port: 0,
    tls: certificates,
    verifyToken: identity.verifyToken,
    operationTimes: { durationMs: 200 },
  });
});
afterAll(async () => {
  await arm.stop();
  await identity.stop();
  rmSync(folder, { recursive: true });
});

function azureOptions() {
  const credential = {
    getToken: async (scope: string | string[]) => {
      const asked = Array.isArray(scope) ? (scope[0] ?? '') : scope;
      return { token: identity.issueToken(asked.replace('/.default', '')), expiresOnTimestamp: Date.now() + 3_600_000 };
    },
  };
  const { subscriptionId, endpoint } = arm;
  return {
    credential,
    subscriptionId,
    endpoint,
    clientOptions: { tlsOptions: { ca }, retryOptions: { maxRetries: 0 } },
  };
}
/** Another process, as far as the SDK can tell. */
const anotherProcess = (): AzureSql => createAzureSql(azureOptions());

async function created(name: string): Promise<void> {
  let operation = await anotherProcess().createServer(group, name, definition, null);
  while (!operation.done) operation = await anotherProcess().createServer(group, name, definition, operation.poller);
}

it('resumes the creation of a server in another process without a second PUT', async () => {
  const begun = await anotherProcess().createServer(group, 'resumed', definition, null);
  if (begun.done) throw new Error('there was nothing to wait for');
  arm.resetCounters();
  let operation = await anotherProcess().createServer(group, 'resumed', definition, begun.poller);
  while (!operation.done)
    operation = await anotherProcess().createServer(group, 'resumed', definition, operation.poller);
  expect(arm.counters()['createServer']).toBeUndefined();
  expect(await anotherProcess().readServer(group, 'resumed')).toMatchObject({
    region: 'westeurope',
    resourceGroup: group,
    minimalTlsVersion: '1.2',
    publicNetworkAccess: 'Disabled',
    tags: template.tags,
  });
  expect(await anotherProcess().entraOnly(group, 'resumed')).toBe(true);
  expect(await anotherProcess().nameTaken('resumed')).toEqual(expect.any(String));
  expect(await anotherProcess().nameTaken('never-heard-of')).toBeNull();
});

it('tells the class of an operation that failed in the end from its message', async () => {
  arm.armFaults.add({ kind: 'failOperation', action: 'createServer', code: 'RegionDoesNotAllowProvisioning' });
  const error: unknown = await created('unlucky').catch((thrown: unknown) => thrown);
  expect([failureClassOf(error), isFailedOperation(error)]).toEqual(['region', true]);
});

it('rejects a list of which a page is refused, as something that may pass', async () => {
  arm.control['setPageSize']?.({ entries: 2 });
  arm.control['addServers']?.({ count: 5, prefix: 'paged' });
  expect((await anotherProcess().listServers()).length).toBeGreaterThanOrEqual(5);
  arm.faults.add({ operation: 'listServers', skip: 1, status: 429, code: 'TooManyRequests', retryAfterMs: 1 });
  const error: unknown = await anotherProcess()
    .listServers()
    .catch((thrown: unknown) => thrown);
  expect(failureClassOf(error)).toBe('transient');
  arm.faults.clear();
  arm.control['setPageSize']?.({ entries: 100 });
});

it('counts databases over all pages, without master', async () => {
  await created('counted');
  arm.control['claimDatabases']?.({ server: 'counted', count: 234, pools: ['p'] });
  expect(await anotherProcess().countDatabases(group, 'counted')).toBe(234);
  const [pool] = await anotherProcess().listElasticPools(group, 'counted');
  expect(pool?.name).toBe('p');
});

it('moves the hottest databases of a hot pool to a cool one of the same server, where that is allowed', async () => {
  await created('balanced');
  const azure = anotherProcess();
  arm.control['claimDatabases']?.({ server: 'balanced', count: 0, pools: ['hot', 'cool'] });
  const pools = await azure.listElasticPools(group, 'balanced');
  const idOf = (name: string): string => pools.find((pool) => pool.name === name)?.id ?? '';
  for (const name of ['busy', 'calm']) {
    const database = { region: 'westeurope', tags: {}, sku: null, elasticPoolId: idOf('hot') };
    let operation = await azure.createDatabase(group, 'balanced', name, database, null);
    while (!operation.done) {
      operation = await azure.createDatabase(group, 'balanced', name, database, operation.poller);
    }
  }
  const timeMs = Date.now() - 2 * 3_600_000;
  arm.control['setMetrics']?.({ server: 'balanced', pool: 'hot', values: { cpu_percent: 95 }, timeMs });
  arm.control['setMetrics']?.({ server: 'balanced', pool: 'cool', values: { cpu_percent: 10 }, timeMs });
  arm.control['setMetrics']?.({ server: 'balanced', database: 'busy', values: { cpu_percent: 40 }, timeMs });
  arm.control['setMetrics']?.({ server: 'balanced', database: 'calm', values: { cpu_percent: 2 }, timeMs });
  const heat = createAzureMetrics({ ...azureOptions(), nowMs: () => Date.now() });
  const test = capacityUnderTest({ policy: { balancing: { mode: 'move' } }, deps: { azure, heat } });
  await test.services.servers.create(aServer('balanced'));
  const moves = async () =>
    (await test.services.store.listMoves({ regions: [region] }, { pageSize: 10, continuation: null })).items;
  await test.services.balance(region);
  expect(await moves()).toMatchObject([{ database: 'busy', fromPool: 'hot', toPool: 'cool', state: 'moving' }]);
  const arrived = async (): Promise<string[]> =>
    (await azure.listPooledDatabases(group, 'balanced', 'cool')).map(({ name }) => name);
  while ((await arrived()).length === 0) await new Promise((resolve) => setTimeout(resolve, 20));
  expect(await arrived()).toEqual(['busy']);
  await test.services.balance(region);
  // It is made when it was seen there; the pools, still hot by what Azure measured before, are left to settle.
  expect(await moves()).toMatchObject([{ database: 'busy', state: 'made' }]);
});

it('reads quotas, whatever form they come in', async () => {
  const usages = await anotherProcess().regionalUsages('westeurope');
  expect(usages).toEqual(expect.arrayContaining([expect.objectContaining({ name: 'ServerQuota', limit: 250 })]));
  const dtus = await anotherProcess().serverUsages(group, 'counted');
  expect(dtus).toEqual(expect.arrayContaining([expect.objectContaining({ name: 'server_dtu_quota', limit: 54_000 })]));
});

it.each([
  [409, 'NameAlreadyExists', 'name'],
  [400, 'InvalidResourceLocation', 'name'],
  [409, 'ProvisioningDisabled', 'region'],
  [409, 'SubscriptionServerQuotaExceeded', 'region'],
  [403, 'RequestDisallowedByPolicy', 'configuration'],
  [400, 'InvalidParameterValue', 'configuration'],
  [409, 'ConflictingDatabaseOperation', 'transient'],
  [429, 'TooManyRequests', 'transient'],
  [503, 'ServiceUnavailable', 'transient'],
] as const)('calls %s %s a failure of the class %s', (status, code, expected) => {
  expect(azureFailureClass(status, code)).toBe(expected);
});
