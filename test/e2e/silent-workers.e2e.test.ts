import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { createDatabaseReader } from '../../cli/demo/database-reader';
import { startWorkerProcess, type WorkerProcess } from '../../cli/demo/worker-process';
import { newKey } from '../support/clusters';
import { scripts, startTestCloud, type TestCloud } from './cloud';

const entry = join(__dirname, '..', '..', 'dist', 'cli', 'sqlfleet.js');
const databases = 16;
const patienceMs = 60_000;

/** What happens to a cluster's work when all of its workers go silent in the middle of it: real processes, short silences. */
describe('a cluster whose workers all go silent in mid-build', () => {
  let cloud: TestCloud;
  const folder = mkdtempSync(join(tmpdir(), 'sqlfleet-silent-'));
  const workers = new Set<WorkerProcess>();
  let number = 0;
  beforeAll(async () => {
    const interval = process.env.SQLFLEET_WORKER_HEARTBEAT_MS;
    process.env.SQLFLEET_WORKER_HEARTBEAT_MS = '1000';
    cloud = await startTestCloud({ servers: 2, databases: databases / 2 });
    if (interval === undefined) delete process.env.SQLFLEET_WORKER_HEARTBEAT_MS;
    else process.env.SQLFLEET_WORKER_HEARTBEAT_MS = interval;
    const { publicJwk, privateJwk } = newKey('ec');
    const east = { name: 'east', managedBy: 'external', scmOrganizations: ['contoso'], key: publicJwk };
    const { keys } = z
      .object({ keys: z.array(z.object({ id: z.string() })) })
      .parse(await call('POST', 'buildClusters', east));
    writeFileSync(join(folder, 'key.json'), JSON.stringify({ ...privateJwk, kid: keys[0]?.id }));
  }, 180_000);
  afterAll(async () => {
    for (const worker of workers) await worker.kill();
    await cloud.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  const call = async (method: string, path: string, body?: unknown): Promise<unknown> => {
    const { baseUrl, functionKey } = cloud.endpoints.http;
    const headers = { 'x-functions-key': functionKey, 'content-type': 'application/json', 'x-actor': 'ann' };
    const init = { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) };
    const response = await fetch(`${baseUrl}/api/${path}`, init);
    return response.json();
  };
  const status = async () =>
    z.looseObject({ status: z.string() }).parse(await call('GET', 'buildClusters/east')).status;
  const becomes = async (wanted: string): Promise<void> => {
    const deadlineMs = Date.now() + patienceMs;
    while ((await status()) !== wanted) {
      if (Date.now() > deadlineMs) throw new Error(`east is ${await status()} and not ${wanted}`);
      await delay(100);
    }
  };
  const start = async (): Promise<WorkerProcess> => {
    const worker = startWorkerProcess({
      ...{ entry, endpoints: cloud.endpoints, cluster: 'east', keyFile: join(folder, 'key.json') },
      ...{ name: `w${(number += 1)}`, concurrency: 2 },
    });
    workers.add(worker);
    void worker.exited.then(() => workers.delete(worker));
    await worker.says('the worker works');
    return worker;
  };
  const auditOf = async (buildId: string) =>
    z
      .object({ items: z.array(z.looseObject({ action: z.string(), actor: z.string(), reason: z.string() })) })
      .parse(await call('GET', `builds/${buildId}/audit`)).items;
  /** Counts its own runs, in the databases, where no constraint would keep them unique. */
  const submit = (table: string, options: object) =>
    cloud.api.startBuild(
      scripts({
        [`${table}-1.sql`]: `CREATE TABLE ${table} (id INT IDENTITY(1,1), at DATETIME2 NOT NULL)`,
        [`${table}-2.sql`]: `INSERT INTO ${table} (at) VALUES (GETUTCDATE())\nGO\nWAITFOR DELAY '00:00:00.500'`,
      }),
      cloud.targets(),
      { organization: 'contoso', concurrencyType: 'MaxPerServer', concurrencyLimit: 2, ...options },
    );
  const begun = (buildId: string) => cloud.until(buildId, ({ counts }) => (counts.committed ?? 0) > 0);
  const expectEachOnce = async (buildId: string, table: string): Promise<void> => {
    const { items } = await cloud.api.outcomes(buildId, '?pageSize=1000&attempts=all');
    expect(items).toHaveLength(databases);
    expect(new Set(items.map(({ targetId }) => targetId)).size).toBe(databases);
    for (const { status: ended } of items) expect(['committed', 'alreadyApplied']).toContain(ended);
    const reader = createDatabaseReader(cloud.endpoints);
    for (const { server, databases: names } of cloud.endpoints.sql) {
      for (const database of names) expect(await reader.rows({ server, database }, table)).toBe(1);
    }
  };

  it('is unhealthy; what is queued and outstanding goes elsewhere, nothing runs twice, and nobody is heard who wakes up too late', async () => {
    const [frozen, killed] = [await start(), await start()];
    await becomes('active');
    const build = await submit('elsewhere', {});
    expect(build.cluster).toBe('east');
    await begun(build.id);
    // One is cut off with open transactions, as by a network that is gone; the other is dead.
    frozen.process.kill('SIGSTOP');
    await killed.kill();
    await becomes('unhealthy');
    const moved = await cloud.until(build.id, ({ cluster }) => cluster === 'managed');
    expect(moved.clusterChoice?.reason).toContain('"east" is of no use now');
    frozen.process.kill('SIGCONT');
    expect(await cloud.ended(build.id)).toMatchObject({ state: 'succeeded', cluster: 'managed' });
    await expectEachOnce(build.id, 'elsewhere');
    const actions = await auditOf(build.id);
    expect(actions.map(({ action, actor }) => [action, actor])).toEqual([
      ['start', 'unnamed'],
      ['moveToCluster', 'sqlfleet'],
    ]);
    expect(actions[1]?.reason).toContain('"east" is unhealthy (no worker has reported for 3 seconds)');
    await becomes('active');
    expect(await frozen.stop()).toBe(0);
  }, 300_000);

  it('parks what may not go elsewhere, says why, and goes on when a worker comes back', async () => {
    const dying = [await start(), await start()];
    await becomes('active');
    const build = await submit('waiting', { cluster: 'east', clusterOnly: true });
    await begun(build.id);
    for (const worker of dying) await worker.kill();
    await becomes('unhealthy');
    const parked = await cloud.until(
      build.id,
      ({ waitingFor }) => waitingFor?.includes('"east" is unhealthy') === true,
    );
    expect(parked).toMatchObject({ state: 'running', cluster: 'east' });
    const worker = await start();
    expect(await cloud.ended(build.id)).toMatchObject({ state: 'succeeded', cluster: 'east', waitingFor: null });
    await expectEachOnce(build.id, 'waiting');
    expect(await worker.stop()).toBe(0);
  }, 300_000);
});
