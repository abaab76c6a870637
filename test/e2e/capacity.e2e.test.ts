import { BlobServiceClient } from '@azure/storage-blob';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import {
  alertViewSchema,
  databaseViewSchema,
  placedViewSchema,
  regionViewSchema,
  serverViewSchema,
} from '../../lib/capacity/view';
import { scripts, startTestCloud, type TestCloud } from './cloud';

jest.setTimeout(240_000);

/** So low that the two servers of the embedded fleet are nearly full, and every look follows at once. */
const policy = {
  limits: { databases: 20 },
  minimumHeadroom: 2,
  samplesToCreate: 1,
  coolDownMs: 0,
  tickIntervalMs: 1_000,
  countLagMs: 0,
};
const region = 'westeurope';

let cloud: TestCloud;
beforeAll(async () => {
  process.env.SQLFLEET_CAPACITY_POLICY = JSON.stringify(policy);
  process.env.SQLFLEET_CAPACITY_SCHEDULE = '*/2 * * * * *';
  cloud = await startTestCloud({ servers: 2, databases: 3 });
});
afterAll(async () => {
  delete process.env.SQLFLEET_CAPACITY_POLICY;
  delete process.env.SQLFLEET_CAPACITY_SCHEDULE;
  await cloud.stop();
});

async function call<T>(method: string, path: string, schema: z.ZodType<T>, body?: object): Promise<T> {
  const { baseUrl, functionKey } = cloud.endpoints.http;
  const response = await fetch(`${baseUrl}/api/${path}`, {
    method,
    headers: { 'x-functions-key': functionKey, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${method} ${path} answered ${response.status}: ${text}`);
  return schema.parse(text === '' ? null : JSON.parse(text));
}
const pageOf = <T extends z.ZodType>(item: T) =>
  z.object({ items: z.array(item), continuation: z.string().nullable() });
const servers = async () => (await call('GET', 'sqlServers', pageOf(serverViewSchema))).items;
async function when<T>(ask: () => Promise<T>, holds: (answer: T) => boolean): Promise<T> {
  const deadlineMs = Date.now() + 90_000;
  for (;;) {
    const answer = await ask();
    if (holds(answer)) return answer;
    if (Date.now() > deadlineMs) throw new Error(`still ${JSON.stringify(answer)}`);
    await delay(100);
  }
}
const act = async (action: string, body: object): Promise<void> => {
  const response = await fetch(`${cloud.endpoints.control.url}/actions/arm/${action}`, {
    method: 'POST',
    body: JSON.stringify(body),
  });
  expect(response.status).toBe(200);
};

it('takes over the servers that are there, secures them, and counts them', async () => {
  const found = await when(servers, (all) => all.length === 2 && all.every(({ state }) => state === 'ready'));
  expect(found.map(({ name, databases }) => [name, databases.value])).toEqual(
    expect.arrayContaining([
      ['fleet-1', 3],
      ['fleet-2', 3],
    ]),
  );
});

it('adds a server when the load grows, and every consumer sees it', async () => {
  await act('claimDatabases', { server: 'fleet-1', count: 10 });
  await act('claimDatabases', { server: 'fleet-2', count: 10 });
  const all = await when(servers, (found) =>
    found.some(({ name, state }) => name === `sql-local-${region}-001` && state === 'ready'),
  );
  expect(all.filter(({ placeable }) => placeable)).not.toHaveLength(0);
  const { items } = await call('GET', 'capacity/regions', z.object({ items: z.array(regionViewSchema) }));
  expect(items[0]).toMatchObject({ region, stopped: null });
  const changes = await call(
    'GET',
    `sqlServers/changes?region=${region}`,
    z.looseObject({ items: z.array(serverViewSchema) }),
  );
  expect(changes.items.map(({ name }) => name)).toContain(`sql-local-${region}-001`);
});

it('creates a database on the best server and builds a template package into it', async () => {
  const placed = await call('POST', 'sqlServers/select', placedViewSchema, { regions: [region] });
  expect(placed.server.placeable).toBe(true);
  const packages = BlobServiceClient.fromConnectionString(cloud.endpoints.blob.connectionString).getContainerClient(
    'packages',
  );
  const script = 'CREATE TABLE dbo.One (Id int NOT NULL PRIMARY KEY);';
  await packages.getBlockBlobClient('template.sql').upload(script, script.length);
  const request = { name: 'tenant-new', regions: ['West Europe'], package: 'template.sql', requestedBy: 'e2e' };
  const started = await call('POST', 'databases', databaseViewSchema, request);
  const ready = await when(
    () => call('GET', `databases/${started.id}`, databaseViewSchema),
    ({ state }) => state === 'ready' || state === 'failed',
  );
  expect(ready).toMatchObject({ state: 'ready', failure: null, server: `sql-local-${region}-001` });
  const template = await cloud.api.getBuild(ready.buildId ?? '');
  expect(template).toMatchObject({ state: 'succeeded', counts: { committed: 1 } });
  // Built again by hand there is nothing left to run: the table is where the new database says that it is.
  const again = await cloud.api.startBuild(
    scripts({ 'template.sql': script }),
    `${ready.fullyQualifiedDomainName}:tenant-new\n`,
    {},
  );
  expect((await cloud.ended(again.id)).counts.alreadyApplied).toBe(1);
});

it('reports a server that was dropped', async () => {
  await act('dropServer', { server: 'fleet-2' });
  await when(servers, (all) => all.some(({ name, state }) => name === 'fleet-2' && state === 'missing'));
  const alerts = await when(
    () => call('GET', 'capacity/alerts?state=open', pageOf(alertViewSchema)),
    ({ items }) => items.some(({ class: kind, subject }) => kind === 'server-missing' && subject === 'fleet-2'),
  );
  expect(alerts.items.map(({ suggestion }) => suggestion).join()).toMatch(/Recover it/);
});
