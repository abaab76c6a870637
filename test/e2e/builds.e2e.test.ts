import sql from 'mssql';
import { readFileSync } from 'node:fs';
import { problemSchema } from '../../lib/platform/http';
import { type TestCloud, scripts, startTestCloud } from './cloud';

jest.setTimeout(180_000);

const databasesPerServer = 10;
const fleetSize = 2 * databasesPerServer;

/** Real requests against the app on the embedded cloud: HTTP, orchestration, queue, driver, databases, logs. */
describe('the app on the embedded cloud', () => {
  let cloud: TestCloud;
  beforeAll(async () => {
    cloud = await startTestCloud({ databases: databasesPerServer });
  });
  afterAll(() => cloud.stop());

  const table = (name: string) =>
    scripts({ [`${name}.sql`]: `CREATE TABLE dbo.${name} (Id int NOT NULL PRIMARY KEY);\nGO\n` });
  const post = (path: string, init: RequestInit = {}): Promise<Response> =>
    fetch(`${cloud.endpoints.http.baseUrl}/api/${path}`, {
      method: 'POST',
      ...init,
      headers: { 'x-functions-key': cloud.endpoints.http.functionKey, ...init.headers },
    });

  async function query(serverIndex: number, database: string, text: string): Promise<Record<string, unknown>[]> {
    const server = cloud.endpoints.sql[serverIndex];
    if (server === undefined) throw new Error('no such server');
    const pool = new sql.ConnectionPool({
      server: 'localhost',
      port: server.port,
      database,
      user: server.user,
      password: server.password,
      pool: { max: 1 },
      options: { encrypt: true, cryptoCredentialsDetails: { ca: readFileSync(cloud.endpoints.caFile, 'utf8') } },
    });
    await pool.connect();
    try {
      return (await pool.request().query<Record<string, unknown>>(text)).recordset;
    } finally {
      await pool.close();
    }
  }

  it('builds every database, and writes effect and journal together', async () => {
    const { id } = await cloud.api.startBuild(table('First'), cloud.targets(), { name: 'first' });
    const build = await cloud.ended(id);
    expect(build).toMatchObject({ state: 'succeeded', failures: 0, inFlight: 0, waiting: 0 });
    expect(build.counts.committed).toBe(fleetSize);
    const journal = await query(1, 'tenant005', 'SELECT BuildId, ScriptFileName, State FROM dbo.Sqlfleet_Journal');
    expect(journal).toEqual([{ BuildId: id, ScriptFileName: 'First.sql', State: 'done' }]);
    expect(await query(1, 'tenant005', "SELECT OBJECT_ID(N'dbo.First') AS id")).not.toEqual([{ id: null }]);
  });

  it('applies nothing when the same scripts come again', async () => {
    const { id } = await cloud.api.startBuild(table('First'), cloud.targets(), {});
    expect((await cloud.ended(id)).counts.alreadyApplied).toBe(fleetSize);
  });

  it('leaves a database as it was when a script fails, and groups the failures', async () => {
    const package_ = scripts({
      'a.sql': 'CREATE TABLE dbo.Trace (Id int);',
      'b.sql': '\n\nINSERT INTO dbo.First (Id, Nothing) VALUES (1, 2);',
    });
    const { id } = await cloud.api.startBuild(package_, cloud.targets(), {});
    const build = await cloud.ended(id);
    expect(build.state).toBe('finishedWithFailures');
    expect(build.counts.rolledBack).toBe(fleetSize);
    expect(await query(0, 'tenant001', "SELECT OBJECT_ID(N'dbo.Trace') AS id")).toEqual([{ id: null }]);
    const { errors, items } = await cloud.api.outcomes(id);
    expect(errors).toEqual([expect.objectContaining({ number: 207, script: 'b.sql', targets: fleetSize })]);
    expect(items[0]?.failure).toMatchObject({ number: 207, script: 'b.sql', line: 3 });
  });

  it('gives the logs: consolidated ones, target lists and the runnable log of a database', async () => {
    const { id } = await cloud.api.startBuild(table('Logged'), `${cloud.targets(2).trim()}\n`, {});
    await cloud.ended(id);
    const { items } = await cloud.api.outcomes(id);
    const log = await cloud.api.log(id, items[0]?.log ?? '');
    expect(log).toContain('CREATE TABLE dbo.Logged');
    expect(log).toContain('GO');
    expect((await cloud.api.log(id, 'successdatabases.cfg')).trim().split('\n').sort()).toEqual(
      cloud.targets(2).trim().split('\n').sort(),
    );
    expect(JSON.parse(await cloud.api.log(id, 'summary.json'))).toMatchObject({ state: 'succeeded' });
    await expect(cloud.api.log(id, '../other')).rejects.toThrow('404');
  });

  it('reports everything that is wrong with the input in one answer, and starts nothing', async () => {
    const form = new FormData();
    form.append('package', new Blob(['not a zip']), 'broken.sbm');
    form.append('targets', new Blob(['no colon here\nevil.example:db\n']), 'x.cfg');
    form.append('options', JSON.stringify({ concurrencyLimit: -1, unknown: true }));
    const response = await post('builds', { body: form });
    expect(response.status).toBe(422);
    expect(response.headers.get('content-type')).toBe('application/problem+json');
    const problem = JSON.stringify(await response.json());
    for (const place of ['options.concurrencyLimit', '"line":1', 'evil.example', '"package"', 'unknown']) {
      expect(problem).toContain(place);
    }
  });

  it('looks at everything also where the options are not JSON and a part is wrong', async () => {
    const form = new FormData();
    form.append('package', new Blob(['not a zip']), 'broken.sbm');
    form.append('targets', new Blob(['no colon here\n']), 'x.cfg');
    form.append('options', '{oops');
    form.append('option', '{}');
    const response = await post('builds', { body: form, headers: { 'idempotency-key': 'x'.repeat(300) } });
    expect(response.status).toBe(422);
    const { problems } = problemSchema.parse(await response.json());
    expect(problems?.map(({ entry }) => entry)).toEqual(['option', 'options', 'Idempotency-Key', 'package', 'targets']);
  });

  it('answers a repeated request with the same build, and refuses another one with its key', async () => {
    const send = async (name: string): Promise<Response> => {
      const form = new FormData();
      form.append('package', new Blob([`CREATE TABLE dbo.${name} (Id int);`]), 'x.sql');
      form.append('targets', new Blob([cloud.targets(1)]), 'x.cfg');
      return post('builds', { body: form, headers: { 'idempotency-key': 'release 42' } });
    };
    const [first, again, other] = [await send('Once'), await send('Once'), await send('Twice')];
    expect([first.status, again.status, other.status]).toEqual([202, 202, 422]);
    expect(again.headers.get('location')).toBe(first.headers.get('location'));
  });

  it('is closed to callers without a key', async () => {
    const response = await fetch(`${cloud.endpoints.http.baseUrl}/api/builds`);
    expect(response.status).toBe(401);
  });

  it('lists builds in pages, newest first, by state', async () => {
    const call = async (query_: string) => {
      const response = await fetch(`${cloud.endpoints.http.baseUrl}/api/builds?${query_}`, {
        headers: { 'x-functions-key': cloud.endpoints.http.functionKey },
      });
      return { status: response.status, body: JSON.stringify(await response.json()) };
    };
    expect((await call('pageSize=1')).body).toMatch(/"continuation":"\w+/);
    expect((await call('state=finishedWithFailures')).body).toContain(`"rolledBack":${fleetSize}`);
    expect((await call('state=finishedWithFailures')).body).not.toContain('"state":"succeeded"');
    expect((await call('state=nonsense&pageSize=0')).status).toBe(400);
    expect((await call('continuation=bm9uc2Vuc2U')).status).toBe(400);
  });

  it('pauses, resumes and cancels, with an actor and a reason', async () => {
    const slow = scripts({ 'slow.sql': "WAITFOR DELAY '00:00:00.4';" });
    const { id } = await cloud.api.startBuild(slow, cloud.targets(), { concurrencyType: 'Server' });
    await cloud.until(id, ({ state }) => state === 'running');
    await cloud.api.control(id, 'pause', 'ann', 'lunch');
    await cloud.until(id, ({ state, inFlight }) => state === 'paused' && inFlight === 0);
    await expect(cloud.api.control(id, 'pause', 'ann', 'again')).rejects.toThrow('409');
    await cloud.api.control(id, 'resume', 'ann', 'back');
    await cloud.until(id, ({ state }) => state === 'running');
    await cloud.api.control(id, 'cancel', 'ann', 'enough');
    const build = await cloud.ended(id);
    expect(build.state).toBe('cancelled');
    expect(build.counts.skipped).toBeGreaterThan(0);
    expect(build.counts.skipped + build.counts.committed).toBe(fleetSize);
    const audit = await fetch(`${cloud.endpoints.http.baseUrl}/api/builds/${id}/audit`, {
      headers: { 'x-functions-key': cloud.endpoints.http.functionKey },
    });
    expect(await audit.json()).toMatchObject({
      items: [
        { action: 'start' },
        { action: 'pause', actor: 'ann', reason: 'lunch' },
        { action: 'resume', reason: 'back' },
        { action: 'cancel', reason: 'enough' },
      ],
    });
    const response = await post(`builds/${id}/cancel`, {
      body: '{"actor":"ann"}',
      headers: { 'content-type': 'application/json' },
    });
    expect(response.status).toBe(400);
  });

  it('tries a package and rolls it back', async () => {
    const { id } = await cloud.api.startBuild(table('Tried'), cloud.targets(2), { trial: true });
    expect((await cloud.ended(id)).counts.trialRolledBack).toBe(2);
    expect(await query(0, 'tenant001', "SELECT OBJECT_ID(N'dbo.Tried') AS id")).toEqual([{ id: null }]);
  });

  it('gives a verdict on a package without building it', async () => {
    const response = await post('packages/validate?name=x.sql', { body: 'SELECT 1;\nGO 3\nSELECT 2;' });
    expect(await response.json()).toMatchObject({
      valid: true,
      problems: [],
      scripts: [{ fileName: 'x.sql', batches: 2, timeoutSeconds: null }],
    });
  });
});
