import { SqlManagementClient } from '@azure/arm-sql';
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { endpointsFile, type Endpoints, endpointsSchema } from '../../local/launcher/endpoints';
import { type TestCloud, scripts, startTestCloud } from './cloud';

jest.setTimeout(180_000);

let cloud: TestCloud;
beforeAll(async () => {
  cloud = await startTestCloud({ servers: 1, databases: 1 });
});
afterAll(() => cloud.stop());

const subscriptionId = '00000000-0000-0000-0000-000000000001';
const place = ['sqlfleet', 'fleet-new'] as const;
const host = 'fleet-new.database.localhost';

/** As an operator of the embedded cloud would use it, with a token of the app's identity. */
function client(): SqlManagementClient {
  const { identity, arm, caFile } = cloud.endpoints;
  const getToken = async () => {
    const url = `${identity.endpoint}?api-version=2019-08-01&resource=https://management.azure.com`;
    const response = await fetch(url, { headers: { 'x-identity-header': identity.header } });
    const body: unknown = await response.json();
    const token = typeof body === 'object' && body !== null && 'access_token' in body ? String(body.access_token) : '';
    return { token, expiresOnTimestamp: Date.now() + 3_600_000 };
  };
  const options = { endpoint: arm.endpoint, tlsOptions: { ca: readFileSync(caFile, 'utf8') } };
  return new SqlManagementClient({ getToken }, subscriptionId, options);
}

/** What `endpoints.json` says now; it is rewritten soon after a change. */
async function endpointsWhen(holds: (sql: Endpoints['sql']) => boolean): Promise<Endpoints['sql']> {
  for (;;) {
    const { sql } = endpointsSchema.parse(JSON.parse(readFileSync(endpointsFile(cloud.state), 'utf8')));
    if (holds(sql)) return sql;
    await delay(50);
  }
}

async function build(name: string): Promise<string> {
  const package_ = scripts({ [`${name}.sql`]: `CREATE TABLE dbo.${name} (Id int NOT NULL PRIMARY KEY);` });
  const { id } = await cloud.api.startBuild(package_, `${host}:orders\n`, {});
  return (await cloud.ended(id)).state;
}

it('builds in a server that was created while the app runs, and after a restart', async () => {
  const sql = client();
  await sql.servers.beginCreateOrUpdateAndWait(...place, {
    location: 'northeurope',
    administrators: { login: 'DBA', sid: subscriptionId, azureADOnlyAuthentication: true },
  });
  await sql.databases.beginCreateOrUpdateAndWait(...place, 'orders', { location: 'northeurope' });
  const listed = await endpointsWhen((entries) =>
    entries.some(({ server, databases }) => server === host && databases.includes('orders')),
  );
  expect(listed.map(({ server }) => server)).toEqual(['fleet-1.database.localhost', host]);
  expect(await build('First')).toBe('succeeded');

  await cloud.kill();
  await cloud.restart();
  expect(cloud.endpoints.sql.map(({ server }) => server)).toEqual(['fleet-1.database.localhost', host]);
  expect((await client().servers.get(...place)).location).toBe('northeurope');
  expect(await build('Second')).toBe('succeeded');
});

it('does not reach a server that was dropped', async () => {
  const response = await fetch(`${cloud.endpoints.control.url}/actions/arm/dropServer`, {
    method: 'POST',
    body: JSON.stringify({ server: 'fleet-new' }),
  });
  expect(response.status).toBe(200);
  await endpointsWhen((entries) => entries.length === 1);
  await expect(client().servers.get(...place)).rejects.toMatchObject({ statusCode: 404 });
  expect(await build('Third')).toBe('finishedWithFailures');
});
