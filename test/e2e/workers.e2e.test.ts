import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { startWorkerProcess, type WorkerProcess } from '../../cli/demo/worker-process';
import { createDatabaseReader } from '../../cli/demo/database-reader';
import { newKey } from '../support/clusters';
import { scripts, startTestCloud, type TestCloud } from './cloud';

const entry = join(__dirname, '..', '..', 'dist', 'cli', 'sqlfleet.js');

/** Real worker processes on the whole embedded cloud: killed, stopped, and with the wrong key. */
describe('workers of an external cluster', () => {
  let cloud: TestCloud;
  const folder = mkdtempSync(join(tmpdir(), 'sqlfleet-workers-'));
  const workers = new Set<WorkerProcess>();
  let kid = '';
  let number = 0;
  beforeAll(async () => {
    expect(existsSync(entry)).toBe(true);
    cloud = await startTestCloud({ servers: 2, databases: 10 });
    const { publicJwk, privateJwk } = newKey('ec');
    const { status, body } = await call('POST', 'buildClusters', {
      name: 'east',
      managedBy: 'external',
      scmOrganizations: ['contoso'],
      key: publicJwk,
    });
    expect(status).toBe(201);
    const listed = await call('GET', 'buildClusters/east/keys');
    kid = z.object({ items: z.array(z.object({ id: z.string() })) }).parse(listed.body).items[0]?.id ?? '';
    expect(body.status).toBe('unhealthy');
    writeFileSync(join(folder, 'key.json'), JSON.stringify({ ...privateJwk, kid }));
    writeFileSync(join(folder, 'foreign.json'), JSON.stringify({ ...newKey('ec').privateJwk, kid }));
  }, 180_000);
  afterAll(async () => {
    for (const worker of workers) await worker.kill();
    await cloud.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  const call = async (method: string, path: string, body?: unknown) => {
    const { baseUrl, functionKey } = cloud.endpoints.http;
    const response = await fetch(`${baseUrl}/api/${path}`, {
      method,
      headers: {
        'x-functions-key': functionKey,
        'content-type': 'application/json',
        'x-actor': 'ann',
        'x-reason': 'e2e',
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    const content: unknown = text === '' ? {} : JSON.parse(text);
    return { status: response.status, body: z.record(z.string(), z.unknown()).parse(content) };
  };
  const start = (keyFile = 'key.json', settings: Record<string, string> = {}): WorkerProcess => {
    const worker = startWorkerProcess({
      entry,
      endpoints: cloud.endpoints,
      cluster: 'east',
      keyFile: join(folder, keyFile),
      name: `w${(number += 1)}`,
      concurrency: 3,
      settings,
    });
    workers.add(worker);
    void worker.exited.then(() => workers.delete(worker));
    return worker;
  };
  const wanted = { organization: 'contoso', cluster: 'east', clusterOnly: true };
  const timesRun = async (table: string): Promise<number[]> => {
    const reader = createDatabaseReader(cloud.endpoints);
    const counts: number[] = [];
    for (const { server, databases } of cloud.endpoints.sql) {
      for (const database of databases) counts.push(await reader.rows({ server, database }, table));
    }
    return counts;
  };

  it('are not let in with another key', async () => {
    const worker = start('foreign.json');
    expect(await worker.exited).toBe(2);
    expect(worker.output()).toContain('no key of this cluster made it');
  }, 60_000);

  it('log in only where they may by their own list, and end of themselves where they are jobs', async () => {
    const [first] = cloud.endpoints.sql;
    const job = start('key.json', {
      SQLFLEET_WORKER_ALLOWED_SERVERS: first?.server ?? '',
      SQLFLEET_WORKER_EXIT_WHEN_IDLE_MS: '4000',
    });
    await job.says('the worker works');
    const sql = { 'listed.sql': 'CREATE TABLE listed (id INT)' };
    const build = await cloud.api.startBuild(scripts(sql), cloud.targets(), wanted);
    expect((await cloud.ended(build.id)).counts).toMatchObject({ committed: 10, rejected: 10 });
    const { items } = await cloud.api.outcomes(build.id, '?pageSize=1000');
    for (const { server, status, reason } of items) {
      expect(status).toBe(server === first?.server ? 'committed' : 'rejected');
      if (status === 'rejected') expect(reason).toContain('not among the servers that this worker may reach');
    }
    expect(await job.exited).toBe(0);
  }, 120_000);

  it('stop within a short grace time when they have nothing to do, however long the broker would think', async () => {
    const worker = start('key.json', { SQLFLEET_WORKER_GRACE_MS: '3000' });
    await worker.says('the worker works');
    await delay(1_000);
    expect(await worker.stop()).toBe(0);
  }, 60_000);

  it('build every target once, whoever of them is killed', async () => {
    const alive = [start(), start()];
    await Promise.all(alive.map((worker) => worker.says('the worker works')));
    const sql = {
      '1.sql': 'CREATE TABLE killed (id INT IDENTITY(1,1), at DATETIME2 NOT NULL)',
      '2.sql': "INSERT INTO killed (at) VALUES (GETUTCDATE())\nGO\nWAITFOR DELAY '00:00:00.300'",
    };
    const build = await cloud.api.startBuild(scripts(sql), cloud.targets(), { ...wanted, concurrencyLimit: 4 });
    expect(build.cluster).toBe('east');
    for (let kills = 0; kills < 4; kills += 1) {
      await delay(300 + Math.random() * 1_500);
      const victim = alive.splice(Math.floor(Math.random() * alive.length), 1)[0];
      await victim?.kill();
      alive.push(start());
    }
    const ended = await cloud.ended(build.id);
    expect(ended).toMatchObject({ state: 'succeeded', cluster: 'east' });
    const { items } = await cloud.api.outcomes(build.id, '?pageSize=1000');
    expect(items).toHaveLength(20);
    expect(new Set(items.map(({ targetId }) => targetId)).size).toBe(20);
    for (const { status } of items) expect(['committed', 'alreadyApplied']).toContain(status);
    expect(await timesRun('killed')).toEqual(Array.from({ length: 20 }, () => 1));
  }, 300_000);

  it('end what they have when they are told to stop', async () => {
    const sql = { 'stopped.sql': "CREATE TABLE stopped (id INT)\nGO\nWAITFOR DELAY '00:00:01'" };
    const build = await cloud.api.startBuild(scripts(sql), cloud.targets(), { ...wanted, concurrencyLimit: 2 });
    await cloud.until(build.id, ({ counts }) => Object.values(counts).some((count) => (count ?? 0) > 0));
    const stopping = [...workers];
    const successor = start();
    expect(await Promise.all(stopping.map((worker) => worker.stop()))).toEqual(stopping.map(() => 0));
    const ended = await cloud.ended(build.id);
    const { items } = await cloud.api.outcomes(build.id, '?pageSize=1000');
    expect(items.filter(({ status }) => status !== 'committed')).toEqual([]);
    expect(ended.state).toBe('succeeded');
    expect(await successor.stop()).toBe(0);
  }, 300_000);
});
