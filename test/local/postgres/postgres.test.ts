import { buildSync } from 'esbuild';
import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, chownSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Client } from 'pg';
import { type Postgres, startPostgres } from '../../../local/postgres/postgres';

const isRoot = process.getuid?.() === 0;
const hasUnixSockets = process.platform !== 'win32';

let folder: string;
let running: Postgres | null = null;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sqlfleet-test-'));
});
afterEach(async () => {
  await running?.stop();
  running = null;
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function query(connection: Postgres['connection'], text: string): Promise<unknown[]> {
  const client = new Client(connection);
  await client.connect();
  try {
    const { rows } = await client.query<Record<string, unknown>>(text);
    return rows.map((row) => Object.values(row)[0]);
  } finally {
    await client.end();
  }
}

/** Another process that starts PostgreSQL, prints its postmaster's process id, and goes on until it is killed. */
async function startElsewhere(
  stateDirectory: string,
  as: { uid?: number; gid?: number } = {},
): Promise<{ owner: ChildProcess; postmaster: number; output: string }> {
  const bundle = join(folder, 'postgres.js');
  buildSync({
    entryPoints: [resolve('local/postgres/postgres.ts')],
    outfile: bundle,
    bundle: true,
    platform: 'node',
    format: 'cjs',
    packages: 'external',
  });
  const program = `require(${JSON.stringify(bundle)}).startPostgres({ stateDirectory: ${JSON.stringify(stateDirectory)} })
    .then(() => console.log('started'), (error) => console.log(error.message));
    setInterval(() => undefined, 1000);`;
  const owner = spawn(process.execPath, ['-e', program], {
    ...as,
    cwd: folder,
    env: { ...process.env, NODE_PATH: resolve('node_modules') },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const output = await new Promise<string>((settle) => owner.stdout?.once('data', (data) => settle(String(data))));
  const file = join(stateDirectory, 'data', 'postmaster.pid');
  const postmaster = existsSync(file) ? Number(readFileSync(file, 'utf8').split('\n')[0]) : 0;
  return { owner, postmaster, output: output.trim() };
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

async function kill(owner: ChildProcess): Promise<void> {
  const gone = new Promise((settle) => owner.once('exit', settle));
  owner.kill('SIGKILL');
  await gone;
}

test('data written before a stop is there after the next start', async () => {
  const stateDirectory = join(folder, 'state');
  running = await startPostgres({ stateDirectory });
  await query(running.connection, 'CREATE TABLE t (n int)');
  await query(running.connection, 'INSERT INTO t VALUES (7)');
  await running.stop();
  running = await startPostgres({ stateDirectory });
  expect(await query(running.connection, 'SELECT n FROM t')).toEqual([7]);
});

test('a setting given by the caller wins over the own one', async () => {
  running = await startPostgres({ stateDirectory: join(folder, 'state'), settings: { deadlock_timeout: '123ms' } });
  expect(await query(running.connection, 'SHOW deadlock_timeout')).toEqual(['123ms']);
});

test('a server that cannot start says why, in the words of its log', async () => {
  await expect(
    startPostgres({ stateDirectory: join(folder, 'state'), settings: { max_connections: 'many' } }),
  ).rejects.toThrow(/max_connections/);
});

test('over loopback it wants the password', async () => {
  running = await startPostgres({ stateDirectory: join(folder, 'state'), transport: 'loopback' });
  expect(running.connection.host).toBe('127.0.0.1');
  expect(await query(running.connection, 'SELECT 1')).toEqual([1]);
  await expect(query({ ...running.connection, password: 'wrong' }, 'SELECT 1')).rejects.toThrow(/password/);
});

test('stop ends it although clients are connected', async () => {
  const postgres = await startPostgres({ stateDirectory: join(folder, 'state') });
  const client = new Client(postgres.connection);
  await client.connect();
  client.on('error', () => undefined);
  await postgres.stop();
  await postgres.exited;
  await expect(client.query('SELECT 1')).rejects.toThrow();
});

test('two servers never share a state directory', async () => {
  const stateDirectory = join(folder, 'state');
  running = await startPostgres({ stateDirectory });
  await expect(startPostgres({ stateDirectory })).rejects.toThrow(`in use by process ${process.pid}`);
  expect(await query(running.connection, 'SELECT 1')).toEqual([1]);
});

const onUnix = hasUnixSockets ? test : test.skip;

onUnix('a state directory with a path too long for a socket works', async () => {
  const stateDirectory = join(folder, 'long'.repeat(30), 'state');
  running = await startPostgres({ stateDirectory });
  expect(await query(running.connection, 'SELECT 1')).toEqual([1]);
  const socketDirectory = running.connection.host;
  await running.stop();
  expect(existsSync(socketDirectory)).toBe(false);
});

onUnix('it ends with its owner, also when the owner is killed', async () => {
  const { owner, postmaster } = await startElsewhere(join(folder, 'state'));
  expect(isAlive(postmaster)).toBe(true);
  await kill(owner);
  const deadline = Date.now() + 10_000;
  while (isAlive(postmaster) && Date.now() < deadline) await delay(20);
  expect(isAlive(postmaster)).toBe(false);
});

onUnix('a start right after the previous owner was killed has the data', async () => {
  const stateDirectory = join(folder, 'state');
  const { owner } = await startElsewhere(stateDirectory);
  await kill(owner);
  running = await startPostgres({ stateDirectory });
  expect(await query(running.connection, 'SELECT n FROM t')).toEqual([7]);
});

test('a postmaster.pid that names some other program is removed, and that program left alone', async () => {
  const stateDirectory = join(folder, 'state');
  const bystander = spawn(process.execPath, ['-e', 'setInterval(() => undefined, 1000)'], { stdio: 'ignore' });
  const file = join(stateDirectory, 'data', 'postmaster.pid');
  writeFileSync(file, `${bystander.pid}\n${join(stateDirectory, 'data')}\n1\n5432\n\n\n0\nready   \n`);
  running = await startPostgres({ stateDirectory });
  expect(await query(running.connection, 'SELECT 1')).toEqual([1]);
  expect(bystander.exitCode).toBeNull();
  expect(bystander.signalCode).toBeNull();
  bystander.kill();
});

(isRoot ? test : test.skip)('an ordinary user can run it too', async () => {
  const home = join(folder, 'home of nobody');
  mkdirSync(home);
  chmodSync(folder, 0o755);
  chownSync(home, 65534, 65534);
  const { owner, output } = await startElsewhere(join(home, 'state'), { uid: 65534, gid: 65534 });
  await kill(owner);
  expect(output).toBe('started');
});
