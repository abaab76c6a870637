import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createDatabricks, type Databricks } from '../../../lib/platform/databricks';
import { createDatabricksHttp } from '../../../lib/platform/databricks-http';
import { environmentRequestSchema } from '../../../lib/workspaces/schema';
import { type Certificates, ensureCertificates } from '../../../local/certificates/certificates';
import { type LocalDatabricks, startDatabricks } from '../../../local/databricks/start';
import { type Identity, startIdentity } from '../../../local/identity/start';
import { createTrustingFetch } from '../../support/trusting-fetch';

/**
 * The contract between the product's client and the service. Set DATABRICKS_URL, DATABRICKS_TOKEN and DATABRICKS_RESOURCE_ID
 * to hold it against a real workspace; what needs a hand on the stand-in is left out there.
 */
const real = process.env.DATABRICKS_URL;
const onStandIn = real === undefined ? it : it.skip;

const audience = '2ff814a6-3304-4ab8-85cb-cd0e6f879c1d';
const apiVersions = environmentRequestSchema.shape.apiVersions.parse(undefined);
const root = `/Shared/sqlfleet-contract`;
let folder: string;
let certificates: Certificates;
let identity: Identity;
let service: LocalDatabricks;
let client: Databricks;
let nowMs = Date.UTC(2026, 0, 1);
const waits: number[] = [];
const clock = {
  nowMs: () => nowMs,
  async sleep(ms: number) {
    waits.push(ms);
    nowMs += ms;
  },
};

const open = async (): Promise<void> => {
  service = await startDatabricks({
    port: 0,
    stateFolder: join(folder, 'databricks'),
    tls: certificates,
    clock,
    verifyToken: identity.verifyToken,
    clusterStartMs: 60_000,
    clusterStopMs: 10_000,
  });
};
const clientOf = (tokenAudience: string, managementAudience = 'https://management.azure.com'): Databricks =>
  createDatabricks(
    createDatabricksHttp(
      {
        url: real ?? service.url,
        resourceId: process.env.DATABRICKS_RESOURCE_ID ?? '/subscriptions/s/workspaces/w',
        apiVersions,
        databricksToken: async () => process.env.DATABRICKS_TOKEN ?? identity.issueToken(tokenAudience),
        managementToken: async () => identity.issueToken(managementAudience),
      },
      {
        fetch: real === undefined ? createTrustingFetch(readFileSync(certificates.caFile, 'utf8')) : fetch,
        clock,
        random: () => 1,
      },
    ),
  );

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'databricks-'));
  certificates = await ensureCertificates(join(folder, 'certificates'), ['localhost'], new Date());
  identity = await startIdentity({ port: 0, stateFolder: null, clock, tokenLifetimeMs: 1e12 });
});
beforeEach(async () => {
  rmSync(join(folder, 'databricks'), { recursive: true, force: true });
  waits.length = 0;
  await open();
  client = clientOf(audience);
});
afterEach(() => service.stop());
afterAll(async () => {
  await identity.stop();
  rmSync(folder, { recursive: true });
});

const spec = {
  cluster_name: 'contract',
  spark_version: '15.4.x-scala2.12',
  node_type_id: 'Standard_DS3_v2',
  num_workers: 1,
};

describe('tokens', () => {
  onStandIn('of another audience are refused, and so is a principal without rights on the resource', async () => {
    await expect(clientOf('https://vault.azure.net').listJobs()).rejects.toMatchObject({
      code: 'databricks.forbidden',
    });
    await expect(clientOf(audience, 'https://vault.azure.net').listJobs()).rejects.toMatchObject({
      code: 'databricks.forbidden',
    });
  });
});

describe('clusters', () => {
  onStandIn(
    'start, run, restart when edited, and stop, each in its time; in between they cannot be edited',
    async () => {
      const id = await client.createCluster(spec, 'token-1');
      const state = async () => (await client.findCluster(id))?.state;
      expect(await state()).toBe('PENDING');
      expect(await client.editCluster(id, { ...spec, num_workers: 2 })).toBe('busy');
      nowMs += 60_000;
      expect(await state()).toBe('RUNNING');
      expect(await client.editCluster(id, { ...spec, num_workers: 2 })).toBe('edited');
      expect(await state()).toBe('RESTARTING');
      nowMs += 60_000;
      await client.terminateCluster(id);
      expect(await state()).toBe('TERMINATING');
      nowMs += 10_000;
      expect(await state()).toBe('TERMINATED');
      expect(await client.editCluster(id, { ...spec, num_workers: 3 })).toBe('edited');
      expect(await state()).toBe('TERMINATED');
    },
  );

  onStandIn('are made once for one idempotency token', async () => {
    const ids = [await client.createCluster(spec, 'same'), await client.createCluster(spec, 'same')];
    expect(new Set(ids).size).toBe(1);
    expect(await client.createCluster(spec, 'other')).not.toBe(ids[0]);
  });

  onStandIn('that do not exist are null, and deleting them is no error', async () => {
    expect(await client.findCluster('0000-000000-nowhere0')).toBeNull();
    await client.deleteCluster('0000-000000-nowhere0');
  });
});

describe('pinned clusters', () => {
  it('are deleted for good all the same', async () => {
    const id = await client.createCluster({ ...spec, cluster_name: 'pinned' }, 'pinned');
    expect(await client.pinCluster(id)).toBeNull();
    await client.deleteCluster(id);
    expect(await client.findCluster(id)).toBeNull();
    await client.deleteCluster(id);
  });

  onStandIn('are so many and no more, which is told and no error', async () => {
    const ids = await Promise.all(Array.from({ length: 101 }, (_, at) => client.createCluster(spec, `t${at}`)));
    const answers: (string | null)[] = [];
    for (const id of ids) answers.push(await client.pinCluster(id));
    expect(answers.filter((answer) => answer !== null)).toEqual([expect.stringContaining('at most 100')]);
  });
});

describe('jobs', () => {
  it('are read with all their tasks, however many pages they fill', async () => {
    const tasks = Array.from({ length: 230 }, (_, at) => ({
      task_key: `t${at}`,
      notebook_task: { notebook_path: `${root}/n` },
    }));
    const id = await client.createJob({ name: 'many', tasks, parameters: [{ name: 'day', default: '1' }] });
    const settings = await client.findJob(id);
    expect(settings?.tasks).toHaveLength(230);
    expect(settings?.parameters).toHaveLength(1);
    await client.deleteJob(id);
    expect(await client.findJob(id)).toBeNull();
  });

  onStandIn('are listed completely: 250 jobs and 60 clusters', async () => {
    for (let at = 0; at < 250; at += 1) await client.createJob({ name: `job ${at}` });
    for (let at = 0; at < 60; at += 1) await client.createCluster({ ...spec, cluster_name: `c${at}` }, `t${at}`);
    expect(new Set((await client.listJobs()).map(({ name }) => name)).size).toBe(250);
    expect(await client.listClusters()).toHaveLength(60);
    // Three pages, read twice because they might have changed; the clusters fit on one.
    expect(service.counters()).toMatchObject({ 'jobs/list': 6, 'clusters/list': 1 });
  });

  onStandIn('that come and go while the pages are read are neither missed nor seen twice', async () => {
    for (let at = 0; at < 150; at += 1) await client.createJob({ name: `job ${at}` });
    let changes = 0;
    const held = service.workspace('/subscriptions/s/workspaces/w');
    const get = held.jobs.values.bind(held.jobs);
    // Between two pages a job is deleted: with offsets the next page then begins one job too late.
    held.jobs.values = () => {
      changes += 1;
      if (changes === 2) held.remove('job', '150');
      if (changes === 4) held.saveJob({ id: 900, createdMs: 0, settings: { name: 'late' } });
      return get();
    };
    const names = (await client.listJobs()).map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    expect([...names].sort()).toEqual([...held.jobs.values()].map(({ settings }) => String(settings.name)).sort());
    expect(names).toContain('late');
  });

  onStandIn('whose page is refused because its token has expired are listed from the beginning', async () => {
    for (let at = 0; at < 150; at += 1) await client.createJob({ name: `job ${at}` });
    service.faults.add({ operation: 'jobs/list', skip: 1, status: 400, code: 'INVALID_PAGE_TOKEN' });
    expect(await client.listJobs()).toHaveLength(150);
    service.faults.add({ operation: 'jobs/list', status: 400, code: 'INVALID_PARAMETER_VALUE' });
    await expect(client.listJobs()).rejects.toMatchObject({ code: 'databricks.refused' });
  });

  onStandIn('that are written while their tasks are read page by page are read again', async () => {
    const tasksOf = (notebook: string) =>
      Array.from({ length: 230 }, (_, at) => ({ task_key: `t${at}`, notebook_task: { notebook_path: notebook } }));
    const id = await client.createJob({ name: 'many', tasks: tasksOf('/before') });
    const held = service.workspace('/subscriptions/s/workspaces/w');
    const get = held.jobs.get.bind(held.jobs);
    let looks = 0;
    held.jobs.get = (key) => {
      const job = get(key);
      looks += 1;
      if (looks === 2 && job !== undefined)
        held.saveJob({ ...job, settings: { ...job.settings, tasks: tasksOf('/after') } });
      return get(key);
    };
    const text = JSON.stringify(await client.findJob(id));
    expect([text.includes('/before'), text.match(/\/after/g)?.length]).toEqual([false, 230]);
  });

  onStandIn('tell whom they run as beside their settings', async () => {
    const application = '00000000-0000-4000-8000-0000000000aa';
    const id = await client.createJob({ name: 'as', run_as: { service_principal_name: application } });
    expect(await client.findJob(id)).toMatchObject({ run_as: { service_principal_name: application } });
  });

  onStandIn('of a list that never comes to rest are unknown, not a guess', async () => {
    for (let at = 0; at < 150; at += 1) await client.createJob({ name: `job ${at}` });
    const held = service.workspace('/subscriptions/s/workspaces/w');
    const get = held.jobs.values.bind(held.jobs);
    let id = 1_000;
    held.jobs.values = () => {
      held.saveJob({ id: (id += 1), createdMs: 0, settings: { name: `restless ${id}` } });
      return get();
    };
    await expect(client.listJobs()).rejects.toMatchObject({
      code: 'databricks.listChanging',
      retry: { kind: 'backoff' },
    });
  });

  onStandIn('refuse clusters that do not exist', async () => {
    const job = { name: 'j', tasks: [{ task_key: 'a', existing_cluster_id: 'nowhere' }] };
    await expect(client.createJob(job)).rejects.toMatchObject({ code: 'databricks.refused' });
  });
});

describe('notebooks and files', () => {
  it('need their folder, are written over, and come back with the first line that the service adds', async () => {
    await client.makeFolder(root);
    await client.importFile(`${root}/load`, 'SOURCE', 'PYTHON', Buffer.from('print(1)\n'));
    await client.importFile(`${root}/load`, 'SOURCE', 'PYTHON', Buffer.from('print(2)\n'));
    const notebook = await client.readFile(`${root}/load`, 'SOURCE');
    expect(notebook).toMatchObject({ type: 'NOTEBOOK', language: 'PYTHON' });
    expect(notebook?.content.toString()).toMatch(/^# Databricks notebook source\nprint\(2\)\s*$/);
    await client.importFile(`${root}/tool.sh`, 'RAW', null, Buffer.from('echo\n'));
    expect((await client.readFile(`${root}/tool.sh`, 'SOURCE'))?.content.toString()).toBe('echo\n');
    for (const name of ['load', 'tool.sh']) await client.deleteFile(`${root}/${name}`);
    expect(await client.readFile(`${root}/load`, 'SOURCE')).toBeNull();
    await client.deleteFile(`${root}/load`);
  });

  onStandIn('cannot be put where there is no folder', async () => {
    const lost = client.importFile('/nowhere/x', 'RAW', null, Buffer.from('x'));
    await expect(lost).rejects.toMatchObject({ details: { errorCode: 'RESOURCE_DOES_NOT_EXIST' } });
  });
});

describe('faults', () => {
  onStandIn('429 is tried again after the time that is stated', async () => {
    service.faults.add({ operation: 'jobs/create', status: 429, retryAfterMs: 7_000 });
    await client.createJob({ name: 'one' });
    expect(waits).toEqual([7_000]);
    expect(await client.listJobs()).toHaveLength(1);
  });

  onStandIn('what the service calls passing is tried again, whatever its status', async () => {
    service.faults.add({ operation: 'jobs/list', status: 400, code: 'TEMPORARILY_UNAVAILABLE' });
    service.faults.add({
      operation: 'workspace/mkdirs',
      status: 409,
      code: 'REQUEST_LIMIT_EXCEEDED',
      retryAfterMs: 4_000,
    });
    expect(await client.listJobs()).toEqual([]);
    await client.makeFolder(root);
    expect(waits.at(-1)).toBe(4_000);
  });

  onStandIn('a read that fails is repeated, and given up at last', async () => {
    service.faults.add({ operation: 'jobs/list', status: 503, times: 2 });
    expect(await client.listJobs()).toEqual([]);
    service.faults.add({ operation: 'jobs/list', drop: 'before', times: 6 });
    await expect(client.listJobs()).rejects.toMatchObject({
      code: 'databricks.unavailable',
      retry: { kind: 'backoff' },
    });
  });

  onStandIn('a creation whose answer is lost is not repeated by the client', async () => {
    service.faults.add({ operation: 'jobs/create', drop: 'after' });
    await expect(client.createJob({ name: 'one' })).rejects.toMatchObject({ code: 'databricks.outcomeUnknown' });
    expect(await client.listJobs()).toHaveLength(1);
  });
});

describe('the stand-in', () => {
  onStandIn('has everything again after it was started anew', async () => {
    const id = await client.createCluster(spec, 'token');
    await client.createJob({ name: 'kept' });
    await client.createSecretScope('vault', { resourceId: '/v', url: 'https://v.test' });
    await service.stop();
    await open();
    client = clientOf(audience);
    expect((await client.findCluster(id))?.name).toBe('contract');
    expect((await client.listJobs()).map(({ name }) => name)).toEqual(['kept']);
    expect(await client.listSecretScopes()).toEqual([{ name: 'vault', keyVaultId: '/v' }]);
  });

  onStandIn('names what it does not do', async () => {
    const http = createTrustingFetch(readFileSync(certificates.caFile, 'utf8'));
    const headers = {
      authorization: `Bearer ${identity.issueToken(audience)}`,
      'x-databricks-azure-sp-management-token': identity.issueToken('https://management.azure.com'),
      'x-databricks-azure-workspace-resource-id': '/w',
    };
    const unknown = await http(`${service.url}/api/2.2/jobs/run-now`, { method: 'POST', headers, body: '{}' });
    expect([unknown.status, await unknown.text()]).toEqual([501, expect.stringContaining('jobs/run-now')]);
    const old = await http(`${service.url}/api/2.0/jobs/list`, { headers });
    expect([old.status, await old.text()]).toEqual([404, expect.stringContaining('ENDPOINT_NOT_FOUND')]);
  });
});
