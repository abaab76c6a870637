import { readdirSync, readFileSync } from 'node:fs';
import { join, sep } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { createDemoAzure, region, resourceGroup, subscriptionId } from '../../cli/demo-workspaces/azure';
import { createDatabricks, type Databricks } from '../../lib/platform/databricks';
import { createDatabricksHttp } from '../../lib/platform/databricks-http';
import { systemClock } from '../../lib/platform/clock';
import {
  type DeploymentView,
  deploymentViewSchema,
  environmentRequestSchema,
  workspaceViewSchema,
} from '../../lib/workspaces/schema';
import { createTrustingFetch } from '../support/trusting-fetch';
import { archiveOf, smallArchive } from '../support/workspace-lab';
import { startTestCloud, type TestCloud } from './cloud';

jest.setTimeout(240_000);

const environments = ['Dev', 'PreProd', 'Prod'];
const name = 'sales';
const patienceMs = 120_000;
let cloud: TestCloud;
let output = '';
beforeAll(async () => {
  cloud = await startTestCloud({ servers: 1, databases: 1 }, { onOutput: (text) => void (output += text) });
});
afterAll(() => cloud.stop());

const send = async (method: string, path: string, body?: FormData | object, headers: Record<string, string> = {}) => {
  const { baseUrl, functionKey } = cloud.endpoints.http;
  const isForm = body instanceof FormData;
  const response = await fetch(`${baseUrl}/api/${path}`, {
    method,
    headers: {
      'x-functions-key': functionKey,
      ...(body === undefined || isForm ? {} : { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: isForm ? body : JSON.stringify(body) }),
  });
  return { status: response.status, etag: response.headers.get('etag'), text: await response.text() };
};
const call = async <T>(method: string, path: string, schema: z.ZodType<T>, body?: FormData | object): Promise<T> => {
  const { status, text } = await send(method, path, body);
  if (status >= 300) throw new Error(`${method} ${path} answered ${status}: ${text}`);
  return schema.parse(text === '' ? null : JSON.parse(text));
};
const until = async <T>(ask: () => Promise<T>, holds: (answer: T) => boolean): Promise<T> => {
  const deadlineMs = Date.now() + patienceMs;
  for (;;) {
    const answer = await ask();
    if (holds(answer)) return answer;
    if (Date.now() > deadlineMs) throw new Error(`still ${JSON.stringify(answer)}`);
    await delay(100);
  }
};
const form = async (files: Record<string, unknown>, options: object): Promise<FormData> => {
  const parts = new FormData();
  parts.append('assets', new Blob([await archiveOf(files)]), 'assets.zip');
  parts.append('options', JSON.stringify({ environments, requestedBy: 'ann', ...options }));
  return parts;
};
const submit = async (files: Record<string, unknown>, options: object = {}): Promise<DeploymentView> =>
  call('POST', `workspaces/${name}/deployments`, deploymentViewSchema, await form(files, options));
const read = (id: string) => call('GET', `workspaces/${name}/deployments/${id}`, deploymentViewSchema);
const decide = (approvalId: string, decision: string, actor: string, hash?: string) =>
  send('POST', `approvals/${approvalId}`, { decision, actor, reason: 'the plan was looked at', hash });
const asked = async (id: string, environment: string) => {
  const at = await until(
    () => read(id),
    (each) =>
      each.state !== 'running' || each.environments.some((one) => one.name === environment && one.approvalId !== null),
  );
  const progress = at.environments.find((one) => one.name === environment);
  if (progress?.approvalId === null || progress?.plan == null)
    throw new Error(`nobody is asked: ${JSON.stringify(at)}`);
  return { approvalId: progress.approvalId, hash: progress.plan.hash };
};
/** Follows a deployment to its end; everybody says yes, except about the environments that are named. */
const follow = async ({ id }: DeploymentView, rejected: readonly string[] = []): Promise<DeploymentView> => {
  const decided = new Set<string>();
  return until(
    async () => {
      const at = await read(id);
      for (const { name: environment, state, approvalId, plan } of at.environments) {
        if (state !== 'awaitingApproval' || approvalId === null || decided.has(approvalId)) continue;
        decided.add(approvalId);
        const decision = rejected.includes(environment) ? 'reject' : 'approve';
        expect((await decide(approvalId, decision, 'bob', plan?.hash)).status).toBe(200);
      }
      return at;
    },
    ({ state }) => state !== 'running',
  );
};
const states = ({ environments: all }: DeploymentView): string[] => all.map(({ state }) => state);
const azure = () => createDemoAzure(cloud.endpoints);
const contents = (environment: string) => azure().contents(`${name}-${environment}`);
const countersSchema = z.object({ databricks: z.object({ requests: z.record(z.string(), z.number()) }) });
const requests = async (): Promise<Record<string, number>> => {
  const response = await fetch(`${cloud.endpoints.control.url}/counters`);
  return countersSchema.parse(await response.json()).databricks.requests;
};
const writes = async (): Promise<number> =>
  Object.entries(await requests())
    .filter(([operation]) => !/\/(?:list|get|get-status|export)$/.test(operation))
    .reduce((sum, [, times]) => sum + times, 0);
/** Whoever has a right to the workspace, with a client of their own. */
const byHand = (environment: string): Databricks => {
  const { identity, databricks, caFile } = cloud.endpoints;
  const tokenFor = (resource: string) => async (): Promise<string> => {
    const url = `${identity.endpoint}?api-version=2019-08-01&resource=${encodeURIComponent(resource)}`;
    const response = await fetch(url, { headers: { 'x-identity-header': identity.header } });
    return z.object({ access_token: z.string() }).parse(await response.json()).access_token;
  };
  return createDatabricks(
    createDatabricksHttp(
      {
        url: databricks.url,
        resourceId: `/subscriptions/${subscriptionId}/resourceGroups/${resourceGroup}/providers/Microsoft.Databricks/workspaces/${name}-${environment}`,
        apiVersions: environmentRequestSchema.shape.apiVersions.parse(undefined),
        databricksToken: tokenFor('2ff814a6-3304-4ab8-85cb-cd0e6f879c1d'),
        managementToken: tokenFor('https://management.azure.com'),
      },
      { fetch: createTrustingFetch(readFileSync(caFile, 'utf8')), clock: systemClock, random: Math.random },
    ),
  );
};
const spec = { spark_version: '15.4.x-scala2.12', node_type_id: 'Standard_DS3_v2', num_workers: 1 };
const { 'notebooks/reports/daily.sql': _removed, ...withoutDaily } = smallArchive;
const [load] = smallArchive['jobs/nightly.json'].tasks;
const second = { ...withoutDaily, 'jobs/nightly.json': { name: 'nightly', max_concurrent_runs: 3, tasks: [load] } };
let firstId = '';

it('prepares the Key Vaults of three environments, and refuses to deploy until they are filled in', async () => {
  for (const environment of environments) {
    await azure().createWorkspace(`${name}-${environment}`);
    const body = {
      ...{ subscriptionId, resourceGroup, region },
      keyVault: { name: `kv-${name}-${environment}` },
      approval: { approvers: ['bob', 'cleo'], timeoutMinutes: 60 },
    };
    expect((await send('PUT', `environments/${environment}`, body)).status).toBe(201);
    expect((await send('PUT', `environments/${environment}`, body)).status).toBe(412);
  }
  expect(states(await follow(await submit(smallArchive)))).toEqual(['initialized', 'initialized', 'initialized']);
  const early = await follow(await submit(smallArchive));
  expect(early.environments[0]).toMatchObject({ state: 'failed', failure: { code: 'workspaces.secretsEmpty' } });
  const { tenantId, clientId, clientSecret } = cloud.endpoints.deployer;
  for (const environment of environments) {
    await azure().fillVault(`kv-${name}-${environment}`, {
      'databricks-dev-ops-subscription-id': subscriptionId,
      'databricks-dev-ops-tenant-id': tenantId,
      'databricks-dev-ops-client-id': clientId,
      'databricks-dev-ops-client-secret': clientSecret,
    });
  }
});

it('brings back what was deleted of a Key Vault, and wipes nothing that is there', async () => {
  const vault = `kv-${name}-spare`;
  const body = {
    ...{ subscriptionId, resourceGroup, region },
    keyVault: { name: vault },
    mode: 'Initialize KeyVault',
  };
  expect((await send('PUT', 'environments/Spare', body)).status).toBe(201);
  const initialize = async (): Promise<void> => {
    expect(states(await follow(await submit(smallArchive, { environments: ['Spare'] })))).toEqual(['initialized']);
  };
  await initialize();
  const parts = ['subscription-id', 'tenant-id', 'client-id', 'client-secret'].map(
    (part) => `databricks-dev-ops-${part}`,
  );
  const [, tenant = '', client = '', secret = ''] = parts;
  await azure().fillVault(vault, { [tenant]: 'a tenant', [client]: 'a client', [secret]: 'precious' });
  const before = await azure().secretsOf(vault);
  await (await before.beginDeleteSecret(client)).pollUntilDone();
  await azure().deleteVault(vault);
  await initialize();
  const after = await azure().secretsOf(vault);
  const values = await Promise.all(parts.map(async (part) => (await after.getSecret(part)).value));
  expect(values).toEqual(['replace-me', 'a tenant', 'a client', 'precious']);
});

it('refuses an archive with everything that is wrong in it, and starts nothing', async () => {
  const refused = await send(
    'POST',
    `workspaces/${name}/deployments`,
    await form({ 'jobs/a.json': '{"name":"a",}', 'x/y.md': '' }, {}),
  );
  const { problems } = z.object({ problems: z.array(z.object({ entry: z.string() })) }).parse(JSON.parse(refused.text));
  expect([refused.status, problems.map(({ entry }) => entry).sort()]).toEqual([422, ['jobs/a.json', 'x/y.md']]);
});

it('asks the right people over HTTP, and deploys to one environment after the other', async () => {
  const { id } = await submit(smallArchive, { description: 'release 1' });
  firstId = id;
  const dev = await asked(id, 'Dev');
  expect((await contents('Dev')).jobs).toEqual([]);
  expect((await decide(dev.approvalId, 'approve', 'ann')).status).toBe(403);
  expect((await decide(dev.approvalId, 'approve', 'eve')).status).toBe(403);
  expect((await decide(dev.approvalId, 'approve', 'bob', 'another plan')).status).toBe(409);
  expect((await decide(dev.approvalId, 'approve', 'bob', dev.hash)).status).toBe(200);
  expect((await decide(dev.approvalId, 'approve', 'bob', dev.hash)).status).toBe(200);
  expect((await decide(dev.approvalId, 'reject', 'cleo', dev.hash)).status).toBe(409);
  const ended = await follow(await read(id));
  expect(states(ended)).toEqual(['succeeded', 'succeeded', 'succeeded']);
  for (const environment of environments) {
    expect(await contents(environment)).toMatchObject({ clusters: ['etl'], jobs: ['nightly'] });
  }
});

it('touches nothing and asks nobody when nothing differs', async () => {
  const before = await writes();
  expect(states(await follow(await submit(smallArchive)))).toEqual(['unchanged', 'unchanged', 'unchanged']);
  expect((await writes()) - before).toBe(0);
});

it('changes the job, removes the notebook, and leaves Prod as it is when it is rejected there', async () => {
  const ended = await follow(await submit(second), ['Prod']);
  expect([ended.state, ...states(ended)]).toEqual(['rejected', 'succeeded', 'succeeded', 'rejected']);
  const daily = `/Shared/${name}/notebooks/reports/daily`;
  const holds = async (environment: string) => (await contents(environment)).files.includes(daily);
  expect(await Promise.all(environments.map(holds))).toEqual([false, false, true]);
  const text = (await send('GET', `workspaces/${name}/deployments/${ended.id}/plans/Dev/text`)).text;
  expect(text).toMatch(/~ update job nightly[^]*max_concurrent_runs: 1 → 3/);
});

it('goes back to an earlier archive', async () => {
  const body = { assets: { deployment: firstId }, options: { environments: ['Dev'], requestedBy: 'ann' } };
  const ended = await follow(await call('POST', `workspaces/${name}/deployments`, deploymentViewSchema, body));
  expect(ended).toMatchObject({ state: 'succeeded', archiveOf: firstId });
  expect((await contents('Dev')).files).toContain(`/Shared/${name}/notebooks/reports/daily`);
});

it('finds by its timer what was changed by hand, and puts it right with the next deployment', async () => {
  const hand = byHand('Dev');
  const [job] = await hand.listJobs();
  await hand.resetJob(job?.id ?? 0, { ...(await hand.findJob(job?.id ?? 0)), timeout_seconds: 77 });
  await hand.deleteFile(`/Shared/${name}/notebooks/load`);
  const { baseUrl, masterKey } = cloud.endpoints.http;
  const fired = await fetch(`${baseUrl}/admin/functions/checkWorkspaceDrifts`, {
    method: 'POST',
    headers: { 'x-functions-key': masterKey, 'content-type': 'application/json' },
    body: '{}',
  });
  expect(fired.status).toBe(202);
  const page = z.object({ items: z.array(workspaceViewSchema) });
  const seen = await until(
    () => call('GET', `workspaces/${name}`, page),
    ({ items }) => items.every(({ drift }) => drift !== null),
  );
  const drifts = new Map(seen.items.map(({ environment, drift }) => [environment.toLowerCase(), drift]));
  expect(drifts.get('dev')?.differences.map(({ key, what }) => `${key}: ${what}`)).toEqual([
    `notebook:/Shared/${name}/notebooks/load: it is gone`,
    'job:nightly: timeout_seconds: 77 → not set',
  ]);
  expect(['preprod', 'prod'].map((each) => drifts.get(each)?.inSync)).toEqual([true, true]);
  const ended = await follow(await submit(smallArchive, { environments: ['Dev'] }));
  expect(ended.environments[0]).toMatchObject({ state: 'succeeded', plan: { counts: { create: 1, update: 1 } } });
});

it('goes on after kill -9 in the middle of applying, with no asset twice and none lost', async () => {
  const many = Array.from({ length: 12 }, (_, at) => `many ${at}`);
  const archive = {
    ...smallArchive,
    ...Object.fromEntries(many.slice(0, 3).map((each, at) => [`clusters/${at}.json`, { cluster_name: each, ...spec }])),
    ...Object.fromEntries(
      many.map((each, at) => [
        `jobs/${at}.json`,
        { name: each, tasks: [{ task_key: 't', existing_cluster_id: `many ${at % 3}` }] },
      ]),
    ),
  };
  const before = (await requests())['jobs/create'] ?? 0;
  const { id } = await submit(archive, { environments: ['Dev'] });
  const { approvalId } = await asked(id, 'Dev');
  await fetch(`${cloud.endpoints.control.url}/faults/databricks`, {
    method: 'PUT',
    body: JSON.stringify([{ operation: 'jobs/create', delayMs: 250, times: 12 }]),
  });
  await decide(approvalId, 'approve', 'bob');
  await until(requests, (counted) => (counted['jobs/create'] ?? 0) >= before + 4);
  await cloud.kill();
  await cloud.restart();
  const ended = await follow(await read(id));
  expect(ended.environments[0]).toMatchObject({ state: 'succeeded', failure: null });
  const { clusters, jobs } = await contents('Dev');
  expect([...clusters].sort()).toEqual(['etl', ...many.slice(0, 3)].sort());
  expect([...jobs].sort()).toEqual(['nightly', ...many].sort());
  expect(states(await follow(await submit(archive, { environments: ['Dev'] })))).toEqual(['unchanged']);
});

it('works one deployment after the other when two are asked for at once', async () => {
  const both = await Promise.all([
    submit(second, { environments: ['PreProd'] }),
    submit(smallArchive, { environments: ['PreProd'] }),
  ]);
  const ended = await Promise.all(both.map((each) => follow(each)));
  expect(ended.map(({ state }) => state)).toEqual(['succeeded', 'succeeded']);
  expect((await contents('PreProd')).jobs).toEqual(['nightly']);
});

it('has the secret of the principal in its Key Vaults and nowhere else', () => {
  const { clientSecret } = cloud.endpoints.deployer;
  // Whoever plays Azure knows it; everything else must not.
  const theirs = /(?:^|\/)(?:vaults|identity|certificates)\/|endpoints\.json|secrets\.json|deployer/;
  const files = readdirSync(cloud.state, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
  const holding = files
    .filter((file) => readFileSync(file).includes(clientSecret))
    .map((file) =>
      file
        .slice(cloud.state.length + 1)
        .split(sep)
        .join('/'),
    );
  expect(holding.some((file) => file.startsWith('vaults/'))).toBe(true);
  expect(holding.filter((file) => !theirs.test(file))).toEqual([]);
  expect(output).not.toContain(clientSecret);
});
