import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { type TestCloud, startTestCloud } from './cloud';

jest.setTimeout(180_000);

const entry = join(__dirname, '..', '..', 'dist', 'cli', 'sqlfleet.js');
const databasesPerServer = 4;
const fleetSize = 2 * databasesPerServer;

const idSchema = z.looseObject({ id: z.string() });
const outcomeSchema = z.looseObject({ status: z.string(), log: z.string() });

async function endOf(child: ChildProcess): Promise<unknown> {
  await once(child, 'close');
  return child.exitCode;
}

/** The command as people run it: the compiled program, in a process of its own, against a running app. */
describe('sqlfleet', () => {
  let cloud: TestCloud;
  let folder: string;
  beforeAll(async () => {
    cloud = await startTestCloud({ databases: databasesPerServer });
    folder = mkdtempSync(join(tmpdir(), 'sqlfleet-cli-'));
    writeFileSync(join(folder, 'fleet.cfg'), cloud.targets());
  });
  afterAll(async () => {
    rmSync(folder, { recursive: true, force: true });
    await cloud.stop();
  });

  function start(...args: string[]): { process: ChildProcess; output: () => string; messages: () => string } {
    const { baseUrl, functionKey } = cloud.endpoints.http;
    const child = spawn(process.execPath, [entry, ...args], {
      cwd: folder,
      env: { ...process.env, SQLFLEET_APP_URL: baseUrl, SQLFLEET_KEY: functionKey, SQLFLEET_ACTOR: 'ann' },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    let messages = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (messages += text));
    return { process: child, output: () => output, messages: () => messages };
  }
  async function run(...args: string[]): Promise<{ code: unknown; output: string; messages: string }> {
    const started = start(...args);
    const code = await endOf(started.process);
    return { code, output: started.output(), messages: started.messages() };
  }
  async function startedBuild(...args: string[]): Promise<string> {
    const { output } = await run('build', ...args, '--detach', '--json');
    return idSchema.parse(JSON.parse(output)).id;
  }
  const script = (name: string, text: string): string => {
    writeFileSync(join(folder, name), text);
    return name;
  };

  it('builds, shows progress, and ends with 0', async () => {
    const { code, output } = await run('build', script('good.sql', 'CREATE TABLE dbo.Good (Id int);'), 'fleet.cfg');
    expect(output).toContain(`committed ${fleetSize}`);
    expect(output).toContain('good.sql');
    expect(output).toContain('succeeded');
    expect(code).toBe(0);
  });

  it('ends with 1 after failures, and tells why as one line', async () => {
    const { code, output } = await run('build', script('bad.sql', 'INSERT INTO dbo.Nothing VALUES (1);'), 'fleet.cfg');
    expect(output).toContain('finishedWithFailures');
    expect(output).toContain(`${fleetSize} × error 208 in bad.sql`);
    expect(code).toBe(1);
  });

  it('is refused with 2 and every problem of package and targets', async () => {
    writeFileSync(join(folder, 'wrong.cfg'), 'no colon\nevil.example:db\n');
    const { code, messages } = await run('build', script('wrong.sql', "SELECT 'x"), 'wrong.cfg');
    expect(messages).toContain('wrong.sql:1: ');
    expect(messages).toContain('targets:1: ');
    expect(messages).toContain('evil.example');
    expect(code).toBe(2);
  });

  it('starts nothing twice for one key', async () => {
    const once_ = script('once.sql', 'SELECT 1;');
    const ids = [
      await startedBuild(once_, 'fleet.cfg', '--idempotency-key', 'release 7'),
      await startedBuild(once_, 'fleet.cfg', '--idempotency-key', 'release 7'),
    ];
    expect(ids[1]).toBe(ids[0]);
    expect((await run('status', ids[0] ?? '', '--watch')).code).toBe(0);
  });

  it('tells how the targets ended and gives their logs, for people and for programs', async () => {
    const id = await startedBuild(script('told.sql', 'CREATE TABLE dbo.Told (Id int);'), 'fleet.cfg');
    await cloud.ended(id);
    const outcomes = await run('outcomes', id, '--server', 'fleet-2.database.localhost', '--json');
    const items = outcomes.output
      .trim()
      .split('\n')
      .map((line) => outcomeSchema.parse(JSON.parse(line)));
    expect(items.map(({ status }) => status)).toEqual(Array(databasesPerServer).fill('committed'));
    expect((await run('outcomes', id, '--status', 'failed')).output).toBe('');
    const names = (await run('logs', id)).output;
    expect(names).toContain('summary.json');
    expect(names).toContain(`${items[0]?.log}  fleet-2.database.localhost:tenant001`);
    const log = await run('logs', id, items[0]?.log ?? '');
    expect(log.output).toContain('CREATE TABLE dbo.Told');
    expect((await run('logs', id, 'no-such-log')).code).toBe(2);
  });

  it('pauses, resumes and cancels with a reason, as whoever runs it, and is refused where the state forbids it', async () => {
    const slow = script('slow.sql', "WAITFOR DELAY '00:00:01';");
    const id = await startedBuild(slow, 'fleet.cfg', '--concurrency-type', 'Server');
    await cloud.until(id, ({ state }) => state === 'running');
    expect((await run('pause', id, '--reason', 'lunch')).code).toBe(0);
    const again = await run('pause', id, '--reason', 'again', '--json');
    expect(again.code).toBe(2);
    expect(JSON.parse(again.output)).toMatchObject({ error: { code: 'builds.forbiddenByState' } });
    expect((await run('resume', id, '--reason', 'back')).code).toBe(0);
    expect((await run('pause', id, '--reason', 'no, lunch')).code).toBe(0);
    expect((await run('cancel', id, '--reason', 'enough', '--watch')).code).toBe(1);
    const build = await cloud.ended(id);
    expect(build).toMatchObject({ state: 'cancelled', control: { cancelled: { actor: 'ann', reason: 'enough' } } });
    expect((await run('status', id)).code).toBe(1);
    expect((await run('retry-failed', id, '--reason', 'now', '--watch')).code).toBe(0);
  });

  it('detaches at Ctrl-C, says so, and leaves the build going', async () => {
    const args = [script('long.sql', "WAITFOR DELAY '00:00:00.5';"), 'fleet.cfg', '--concurrency-type', 'Server'];
    const watching = start('build', ...args);
    while (!watching.output().includes('in flight')) await once(watching.process.stdout ?? watching.process, 'data');
    watching.process.kill('SIGINT');
    expect(await endOf(watching.process)).toBe(130);
    const [, id = ''] = /Detached: build (\S+) goes on/.exec(watching.output()) ?? [];
    expect((await run('status', id, '--watch', '--json')).code).toBe(0);
  });

  it('goes on watching while the app is away', async () => {
    const args = [script('away.sql', "WAITFOR DELAY '00:00:00.5';"), 'fleet.cfg', '--concurrency-type', 'Server'];
    const port = new URL(cloud.endpoints.http.baseUrl).port;
    const watching = start('build', ...args);
    while (!watching.output().includes('in flight')) await once(watching.process.stdout ?? watching.process, 'data');
    await cloud.kill();
    while (!watching.output().includes('Trying again')) await once(watching.process.stdout ?? watching.process, 'data');
    await cloud.restart(Number(port));
    expect(await endOf(watching.process)).toBe(0);
    expect(watching.output()).toContain(`committed ${fleetSize}`);
  });
});
