import { SqlManagementClient } from '@azure/arm-sql';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startArm, type Arm } from '../../../local/arm/start';
import { type ArmFleet } from '../../../local/arm/sql-resources';
import { ensureCertificates } from '../../../local/certificates/certificates';
import { startIdentity, type Identity } from '../../../local/identity/start';

let folder: string;
let identity: Identity;
let tls: { key: string; cert: string };
let ca: string;
let servers: Map<string, string[]>;
let arm: Arm;
let client: SqlManagementClient;

/** A fleet in memory: what the embedded SQL servers are in the real cloud. */
const fleet = (): ArmFleet => ({
  listServers: async () => [...servers.keys()],
  listDatabases: async (server) => servers.get(server) ?? [],
  createDatabase: async (server, database) => void servers.get(server)?.push(database),
  deleteDatabase: async (server, database) =>
    void servers.set(
      server,
      (servers.get(server) ?? []).filter((each) => each !== database),
    ),
  createServer: async (server) => {
    if (server === 'unlucky') throw new Error('no machine left');
    servers.set(server, []);
  },
  deleteServer: async (server) => void servers.delete(server),
});
const start = async (changes: Partial<Parameters<typeof startArm>[0]> = {}): Promise<void> => {
  arm = await startArm({ port: 0, tls, verifyToken: identity.verifyToken, fleet: fleet(), ...changes });
  client = clientFor(arm.subscriptionId);
};
const clientFor = (subscriptionId: string, audience?: string): SqlManagementClient =>
  new SqlManagementClient(
    {
      getToken: async (scope) => {
        const asked = Array.isArray(scope) ? (scope[0] ?? '') : scope;
        const token = identity.issueToken(audience ?? asked.replace('/.default', ''));
        return { token, expiresOnTimestamp: Date.now() + 3_600_000 };
      },
    },
    subscriptionId,
    { endpoint: arm.endpoint, tlsOptions: { ca } },
  );
const namesOf = async (pages: AsyncIterable<{ name?: string }>): Promise<(string | undefined)[]> => {
  const names: (string | undefined)[] = [];
  for await (const { name } of pages) names.push(name);
  return names;
};

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'arm-'));
  const certificates = await ensureCertificates(folder, ['localhost'], new Date());
  tls = certificates;
  ca = readFileSync(certificates.caFile, 'utf8');
  identity = await startIdentity({ port: 0, stateFolder: null });
});
beforeEach(() => {
  servers = new Map([
    ['fleet-1', ['orders', 'customers']],
    ['fleet-2', []],
  ]);
});
afterEach(() => arm.stop());
afterAll(async () => {
  await identity.stop();
  rmSync(folder, { recursive: true });
});

it('shows the servers and databases that exist', async () => {
  await start();
  expect(await namesOf(client.servers.list())).toEqual(['fleet-1', 'fleet-2']);
  expect(await namesOf(client.servers.listByResourceGroup(arm.resourceGroup))).toEqual(['fleet-1', 'fleet-2']);
  expect(await client.servers.get(arm.resourceGroup, 'FLEET-1')).toMatchObject({
    name: 'fleet-1',
    location: 'westeurope',
    state: 'Ready',
    fullyQualifiedDomainName: 'fleet-1.database.windows.net',
  });
  const databases = client.databases.listByServer(arm.resourceGroup, 'fleet-1');
  expect(await namesOf(databases)).toEqual(['master', 'orders', 'customers']);
  expect((await client.databases.get(arm.resourceGroup, 'fleet-1', 'orders')).status).toBe('Online');
});

it('lists more than one page', async () => {
  await start();
  servers.set(
    'fleet-2',
    Array.from({ length: 250 }, (_, at) => `db${at}`),
  );
  expect(await namesOf(client.databases.listByServer(arm.resourceGroup, 'fleet-2'))).toHaveLength(251);
});

it('creates and deletes databases that then really exist or not', async () => {
  await start();
  const place = [arm.resourceGroup, 'fleet-2', 'fresh'] as const;
  const created = await client.databases.beginCreateOrUpdateAndWait(...place, { location: 'West Europe' });
  expect(created.name).toBe('fresh');
  expect(servers.get('fleet-2')).toEqual(['fresh']);
  await client.databases.beginCreateOrUpdateAndWait(...place, { location: 'westeurope' });
  expect(servers.get('fleet-2')).toEqual(['fresh']);
  await client.databases.beginDeleteAndWait(...place);
  expect(servers.get('fleet-2')).toEqual([]);
  await client.databases.beginDeleteAndWait(...place);
});

it('creates a server, which another process may wait for', async () => {
  await start({ operationMs: 50 });
  const poller = await client.servers.beginCreateOrUpdate(
    arm.resourceGroup,
    'fleet-3',
    { location: 'westeurope' },
    { updateIntervalInMs: 10 },
  );
  const server = await client.servers.beginCreateOrUpdateAndWait(
    arm.resourceGroup,
    'fleet-3',
    { location: 'westeurope' },
    { resumeFrom: poller.toString(), updateIntervalInMs: 10 },
  );
  expect(server.name).toBe('fleet-3');
  expect(arm.counters()['createServer']).toBe(1);
  await client.servers.beginDeleteAndWait(arm.resourceGroup, 'fleet-3');
  expect(servers.has('fleet-3')).toBe(false);
});

it('reports an operation that failed', async () => {
  await start();
  await expect(
    client.servers.beginCreateOrUpdateAndWait(arm.resourceGroup, 'unlucky', { location: 'westeurope' }),
  ).rejects.toThrow('no machine left');
});

it('refuses more servers than the quota, and any where the servers are fixed', async () => {
  await start({ scope: { serverQuota: 2 } });
  const usage = await client.subscriptionUsages.listByLocation('westeurope').next();
  expect(usage.value).toMatchObject({ name: 'ServerQuota', currentValue: 2, limit: 2 });
  const create = () =>
    client.servers.beginCreateOrUpdateAndWait(arm.resourceGroup, 'fleet-3', { location: 'westeurope' });
  await expect(create()).rejects.toMatchObject({ statusCode: 409, code: 'SubscriptionServerQuotaExceeded' });
  await arm.stop();
  await start({ fleet: { ...fleet(), createServer: undefined } });
  await expect(create()).rejects.toMatchObject({ statusCode: 409, code: 'ServersAreFixed' });
});

it('says what it does not find', async () => {
  await start();
  const notFound = (code: string) => ({ statusCode: 404, code });
  await expect(client.servers.get(arm.resourceGroup, 'none')).rejects.toMatchObject(notFound('ResourceNotFound'));
  await expect(client.servers.get('none', 'fleet-1')).rejects.toMatchObject(notFound('ResourceGroupNotFound'));
  await expect(client.databases.get(arm.resourceGroup, 'fleet-1', 'none')).rejects.toMatchObject(
    notFound('ResourceNotFound'),
  );
  const stranger = clientFor('00000000-0000-0000-0000-00000000ffff');
  await expect(stranger.servers.list().next()).rejects.toMatchObject(notFound('SubscriptionNotFound'));
  const names = await client.servers.checkNameAvailability({ name: 'fleet-1', type: 'Microsoft.Sql/servers' });
  expect(names.available).toBe(false);
});

it('accepts tokens for ARM only', async () => {
  await start();
  const client1 = clientFor(arm.subscriptionId, 'https://management.azure.com');
  expect(await namesOf(client1.servers.list())).toHaveLength(2);
  await expect(clientFor(arm.subscriptionId, 'https://vault.azure.net').servers.list().next()).rejects.toMatchObject({
    statusCode: 401,
  });
});

it('is throttled when asked to, and names what it does not support', async () => {
  await start();
  arm.faults.add({ operation: 'listServers', status: 429, retryAfterMs: 1 });
  expect(await namesOf(client.servers.list())).toHaveLength(2);
  expect(arm.faults.waiting()).toEqual([]);
  await expect(client.firewallRules.listByServer(arm.resourceGroup, 'fleet-1').next()).rejects.toMatchObject({
    statusCode: 501,
    code: 'NotImplemented',
  });
});
