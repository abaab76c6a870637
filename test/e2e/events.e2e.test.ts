import { BlobServiceClient } from '@azure/storage-blob';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { createDemoAzure } from '../../cli/demo-workspaces/azure';
import { serverViewSchema } from '../../lib/capacity/view';
import { eventViewSchema, rejectedViewSchema } from '../../lib/events/schema';
import { zipFiles } from '../../lib/packages/pack-folder';
import { deploymentViewSchema } from '../../lib/workspaces/schema';
import { resourceEvent, asCloudEvent } from '../lib/events/samples';
import { azureAs, group, subscription } from '../../cli/demo/azure-user';
import { startTestCloud, type TestCloud } from './cloud';

jest.setTimeout(600_000);

type EventView = z.infer<typeof eventViewSchema>;
const pageOf = <T extends z.ZodType>(item: T) => z.object({ items: z.array(item) });
const serverVersion = '2023-08-01';
/** More kills, and at random moments, on request: `KILL_COUNT=20 npx jest test/e2e/events -t killed`. */
const kills = Number(process.env.KILL_COUNT ?? 4);
const pauseMs = (kill: number): number => (process.env.KILL_COUNT === undefined ? kill * 40 : Math.random() * 300);

let cloud: TestCloud;
beforeAll(async () => {
  // Looked at once when it starts, and then only when an event asks for it.
  process.env.SQLFLEET_CAPACITY_POLICY = JSON.stringify({ tickIntervalMs: 3_600_000 });
  process.env.SQLFLEET_CAPACITY_SCHEDULE = '0 0 0 1 1 *';
  cloud = await startTestCloud({ servers: 2, databases: 2 });
});
afterAll(async () => {
  delete process.env.SQLFLEET_CAPACITY_POLICY;
  delete process.env.SQLFLEET_CAPACITY_SCHEDULE;
  await cloud.stop();
});

async function api<T>(method: string, path: string, schema: z.ZodType<T>, body?: object | FormData): Promise<T> {
  const { baseUrl, functionKey } = cloud.endpoints.http;
  const isForm = body instanceof FormData;
  const response = await fetch(`${baseUrl}/api/${path}`, {
    method,
    headers: { 'x-functions-key': functionKey, ...(isForm ? {} : { 'content-type': 'application/json' }) },
    ...(body === undefined ? {} : { body: isForm ? body : JSON.stringify(body) }),
  });
  const answer = await response.text();
  if (!response.ok) throw new Error(`${method} ${path} answered ${response.status}: ${answer}`);
  return schema.parse(answer === '' ? null : JSON.parse(answer));
}
const events = async (): Promise<EventView[]> =>
  (await api('GET', 'events?pageSize=1000', pageOf(eventViewSchema))).items;
const servers = async () => (await api('GET', 'sqlServers', pageOf(serverViewSchema))).items;
const builds = async () => (await api('GET', 'builds?pageSize=1000', pageOf(z.object({ id: z.string() })))).items;
async function when<T>(ask: () => Promise<T>, holds: (answer: T) => boolean): Promise<T> {
  const deadlineMs = Date.now() + 120_000;
  for (;;) {
    const answer = await ask();
    if (holds(answer)) return answer;
    if (Date.now() > deadlineMs) throw new Error(`still ${JSON.stringify(answer)}`);
    await delay(100);
  }
}
const about = (text: string) => (found: EventView[]) =>
  found.filter(({ subject }) => subject.toLowerCase().includes(text.toLowerCase()));
/** Every event whose subject has `text` in it, once there are `count` of them and all have ended. */
const settled = (text: string, count = 1): Promise<EventView[]> =>
  when(
    async () => about(text)(await events()),
    (found) => found.length >= count && found.every(({ state }) => state !== 'received'),
  );
const countersSchema = z.object({
  arm: z.record(z.string(), z.number()),
  eventGrid: z.record(z.string(), z.number()),
});
const counters = async () =>
  countersSchema.parse(await (await fetch(`${cloud.endpoints.control.url}/counters`)).json());
/** A look at a region lists its servers once. */
const looks = async (): Promise<number> => (await counters()).arm.listServers ?? 0;
const upload = async (name: string, content: string): Promise<void> => {
  const { connectionString } = cloud.endpoints.blob;
  const container = BlobServiceClient.fromConnectionString(connectionString).getContainerClient('packages');
  await container.getBlockBlobClient(name).upload(content, Buffer.byteLength(content));
};

describe('the Event Grid trigger', () => {
  const systemKey = (): string =>
    z.object({ systemKey: z.string() }).parse(JSON.parse(readFileSync(join(cloud.state, 'secrets.json'), 'utf8')))
      .systemKey;
  const post = (body: unknown, options: { key?: string; name?: string; kind?: string } = {}): Promise<Response> => {
    const { key = systemKey(), name = 'receiveEvent', kind = 'Notification' } = options;
    const query = `functionName=${name}&code=${encodeURIComponent(key)}`;
    return fetch(`${cloud.endpoints.http.baseUrl}/runtime/webhooks/eventgrid?${query}`, {
      method: 'POST',
      headers: { 'aeg-event-type': kind, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
  };

  it('takes events in both schemas with the system key, and answers the handshake', async () => {
    const eventGrid = resourceEvent({ resource: 'Microsoft.Sql/servers/in-event-grid-schema' });
    const cloudEvent = asCloudEvent(resourceEvent({ resource: 'Microsoft.Sql/servers/as-cloud-event' }));
    expect((await post([eventGrid])).status).toBe(202);
    expect((await post(cloudEvent)).status).toBe(202);
    expect((await post([eventGrid])).status).toBe(202);
    expect(await settled('in-event-grid-schema')).toMatchObject([{ state: 'handled', eventId: eventGrid.id }]);
    expect(await settled('as-cloud-event')).toMatchObject([{ state: 'handled', eventId: cloudEvent.id }]);
    const validation = await post([{ topic: subscription, data: { validationCode: 'C' } }], {
      kind: 'SubscriptionValidation',
    });
    expect(await validation.json()).toEqual({ validationResponse: 'C' });
  });

  it('takes nothing without the system key, and keeps what it cannot use', async () => {
    const { functionKey, masterKey } = cloud.endpoints.http;
    expect((await post([resourceEvent()], { key: functionKey })).status).toBe(401);
    expect((await post([resourceEvent()], { key: '' })).status).toBe(401);
    expect((await post([resourceEvent()], { name: 'listBuilds', key: masterKey })).status).toBe(404);
    const foreign = resourceEvent({ topic: '/subscriptions/somebody-else' });
    expect((await post([foreign])).status).toBe(202);
    const { items } = await api('GET', 'events/rejected', pageOf(rejectedViewSchema));
    expect(items.find(({ event }) => event.includes(foreign.id))).toMatchObject({ code: 'events.topicNotAllowed' });
  });
});

describe('a change of Azure', () => {
  const server = (name: string): string => `${group}/providers/Microsoft.Sql/servers/${name}`;
  const body = {
    location: 'westeurope',
    tags: { 'managed-by': 'sqlfleet', 'sqlfleet-environment': 'local' },
    properties: {
      administrators: {
        ...{ administratorType: 'ActiveDirectory', principalType: 'Group', login: 'admins' },
        ...{ sid: '11111111-1111-1111-1111-111111111111', azureADOnlyAuthentication: true },
      },
    },
  };

  it('that somebody makes at a SQL server has its region looked at', async () => {
    await azureAs(cloud.endpoints, 'somebody').put(server('by-hand'), serverVersion, body);
    const [event] = await settled('servers/by-hand');
    expect(event).toMatchObject({ state: 'handled', outcomes: [{ route: 'sql-servers', result: 'started' }] });
    const found = await when(servers, (all) => all.some(({ name }) => name === 'by-hand'));
    expect(found.find(({ name }) => name === 'by-hand')).toMatchObject({ state: 'quarantined' });
  });

  it('that the app makes itself starts nothing', async () => {
    await azureAs(cloud.endpoints, 'the app').put(server('by-the-app'), serverVersion, body);
    expect(await settled('servers/by-the-app')).toMatchObject([{ state: 'ignored', outcomes: [] }]);
  });

  it('and twenty at once are one look, or two', async () => {
    const before = await looks();
    const somebody = azureAs(cloud.endpoints, 'somebody');
    const rules = Array.from({ length: 20 }, (_, index) => `${server('by-hand')}/firewallRules/rule-${index}`);
    const rule = { properties: { startIpAddress: '10.0.0.1', endIpAddress: '10.0.0.1' } };
    await Promise.all(rules.map((id) => somebody.put(id, serverVersion, rule)));
    expect(await settled('firewallRules', 20)).toHaveLength(20);
    await when(looks, (now) => now > before);
    // For one that would come too much; it is collected for a second.
    await delay(2_500);
    expect((await looks()) - before).toBeLessThanOrEqual(2);
  });

  it('that deletes a server makes it known as missing', async () => {
    await azureAs(cloud.endpoints, 'somebody').delete(server('by-hand'), serverVersion);
    await when(servers, (all) => all.some(({ name, state }) => name === 'by-hand' && state === 'missing'));
    const [event] = (await settled('servers/by-hand', 2)).filter(({ type }) => type.includes('Delete'));
    expect(event).toMatchObject({ state: 'handled', outcomes: [{ text: 'westeurope is looked at' }] });
  });

  it('that ends a deployment starts the build of its route, with what the deployment put out', async () => {
    await upload('base-1.sql', 'CREATE TABLE dbo.FromDeployment (Id int NOT NULL PRIMARY KEY);');
    const { routes } = await api('GET', 'event-routes', z.object({ routes: z.array(z.unknown()) }));
    const route = {
      name: 'after-platform',
      when: {
        types: ['Microsoft.Resources.ResourceWriteSuccess'],
        operation: 'Microsoft.Resources/deployments/write',
        subject: '*/deployments/platform-*',
      },
      action: {
        kind: 'startBuild',
        build: {
          package: { blob: 'base-${outputs.edition}.sql' },
          targets: { text: '${outputs.databases}' },
          options: { description: 'edition ${outputs.edition}' },
        },
      },
    };
    const change = { routes: [...routes, route], actor: 'ann', reason: 'e2e' };
    await api('PUT', 'event-routes', z.unknown(), change);
    const deployment = (name: string): string => `${group}/providers/Microsoft.Resources/deployments/${name}`;
    const template = {
      ...{ $schema: 'https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#' },
      ...{ contentVersion: '1.0.0.0', resources: [] },
      outputs: {
        edition: { type: 'int', value: 1 },
        databases: { type: 'array', value: cloud.targets().trim().split('\n').slice(0, 2) },
      },
    };
    const somebody = azureAs(cloud.endpoints, 'somebody');
    for (const name of ['Platform-7', 'another']) {
      await somebody.put(deployment(name), '2021-04-01', { properties: { mode: 'Incremental', template } });
    }
    expect(await settled('deployments/another')).toMatchObject([{ state: 'ignored' }]);
    const [event] = await settled('deployments/platform-7');
    expect(event).toMatchObject({ state: 'handled', outcomes: [{ route: 'after-platform', result: 'started' }] });
    const build = await cloud.ended(event?.outcomes[0]?.started[0]?.replace('builds/', '') ?? '');
    expect(build).toMatchObject({ state: 'succeeded', counts: { committed: 2 } });
  });

  it('that writes a Databricks workspace deploys to it what was deployed there last, where that is configured', async () => {
    const azure = createDemoAzure(cloud.endpoints);
    const example = join(__dirname, '..', '..', 'examples', 'databricks-sales');
    const assets = [
      { name: 'notebooks/one.sql', bytes: readFileSync(join(example, 'notebooks', 'reports', 'returns.sql')) },
    ];
    const deploy = async () => {
      const form = new FormData();
      form.append('assets', new Blob([await zipFiles(assets)]), 'assets.zip');
      form.append('options', JSON.stringify({ environments: ['Dev'], requestedBy: 'ann' }));
      const { id } = await api('POST', 'workspaces/sales/deployments', deploymentViewSchema, form);
      return ended(id);
    };
    const ended = (id: string) =>
      when(
        () => api('GET', `workspaces/sales/deployments/${id}`, deploymentViewSchema),
        ({ state }) => state !== 'running',
      );
    const workspace = `${group}/providers/Microsoft.Databricks/workspaces/sales-Dev`;
    const written = {
      location: 'westeurope',
      sku: { name: 'premium' },
      properties: { managedResourceGroupId: `${subscription}/resourceGroups/x` },
    };
    await azureAs(cloud.endpoints, 'somebody').put(workspace, '2024-05-01', written);
    expect(await settled('sales-Dev')).toMatchObject([{ outcomes: [{ result: 'notConfigured' }] }]);
    await api('PUT', 'environments/Dev', z.unknown(), {
      ...{ subscriptionId: subscription.split('/')[2], resourceGroup: 'sqlfleet', region: 'westeurope' },
      ...{ keyVault: { name: 'kv-sales-dev' }, approval: { required: false }, deployOnWrite: ['sales'] },
    });
    expect((await deploy()).environments).toMatchObject([{ state: 'initialized' }]);
    await azure.fillVault('kv-sales-dev', {
      'databricks-dev-ops-subscription-id': subscription.split('/')[2] ?? '',
      'databricks-dev-ops-tenant-id': cloud.endpoints.deployer.tenantId,
      'databricks-dev-ops-client-id': cloud.endpoints.deployer.clientId,
      'databricks-dev-ops-client-secret': cloud.endpoints.deployer.clientSecret,
    });
    expect((await deploy()).environments).toMatchObject([{ state: 'succeeded' }]);
    await azureAs(cloud.endpoints, 'somebody').put(workspace, '2024-05-01', { ...written, tags: { changed: 'yes' } });
    const [again] = await settled('sales-Dev', 2);
    const [started = ''] = again?.outcomes[0]?.started ?? [];
    expect(started).toMatch(/^workspaces\/sales\/deployments\/e-/);
    expect((await ended(started.split('/').at(-1) ?? '')).environments).toMatchObject([{ state: 'unchanged' }]);
  });
});

describe('a package that lands', () => {
  const manifest = JSON.stringify({ targets: { blob: 'fleet.cfg' }, options: { name: 'from a manifest' } });
  const table = (name: string): string => `CREATE TABLE dbo.${name} (Id int NOT NULL PRIMARY KEY);`;

  it.each([
    ['before its manifest', ['one.sql', 'one.sql.build.json']],
    ['after its manifest', ['two.sql.build.json', 'two.sql']],
  ])('%s, and both once more, is one build', async (_order, files) => {
    await upload('fleet.cfg', cloud.targets());
    const before = new Set((await builds()).map(({ id }) => id));
    const name = files.find((file) => file.endsWith('.sql')) ?? '';
    for (let time = 1; time <= 2; time += 1) {
      for (const file of files) {
        await upload(file, file.endsWith('.json') ? manifest : table(name.replace('.sql', '')));
        await settled(`blobs/${name}`, 1);
      }
    }
    const told = await settled(`blobs/${name}`, 4);
    expect(told.map(({ state }) => state)).toEqual(['handled', 'handled', 'handled', 'handled']);
    const started = (await builds()).filter(({ id }) => !before.has(id));
    expect(started).toHaveLength(1);
    expect(await cloud.ended(started[0]?.id ?? '')).toMatchObject({ state: 'succeeded', counts: { committed: 4 } });
  });

  it('starts its build once, though the process is killed at any moment in between', async () => {
    await upload('fleet.cfg', cloud.targets());
    const before = (await builds()).length;
    const names = Array.from({ length: kills }, (_, index) => `killed-${index}.sql`);
    for (const [index, name] of names.entries()) {
      await upload(name, table(`Killed${index}`));
      await upload(`${name}.build.json`, manifest);
      // Between the acknowledgement and what it starts, or before the acknowledgement: wherever it is by then.
      await delay(pauseMs(index));
      await cloud.kill();
      await cloud.restart();
    }
    await when(counters, ({ eventGrid }) => eventGrid.pending === 0);
    const told = await settled('blobs/killed-', 2 * names.length);
    expect(told).toHaveLength(2 * names.length);
    expect(new Set(told.map(({ state }) => state))).toEqual(new Set(['handled']));
    const started = new Set(told.flatMap(({ outcomes }) => outcomes.flatMap((each) => each.started)));
    expect(started.size).toBe(names.length);
    expect((await builds()).length).toBe(before + names.length);
    for (const path of started) {
      const ended = await cloud.ended(path.replace('builds/', ''));
      expect(ended).toMatchObject({ state: 'succeeded', counts: { committed: 4 } });
    }
    expect((await counters()).eventGrid).toMatchObject({ pending: 0, deadLetters: 0 });
  });
});
