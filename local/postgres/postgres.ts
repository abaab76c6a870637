import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import {
  chownSync,
  closeSync,
  existsSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { messageOf } from '../../lib/platform/errors';
import { findBinaries, type PostgresBinaries } from './binaries';
import { chooseIdentity, type Identity } from './identity';
import { clearStalePostmaster, ownerSetting, readPostmasterFile } from './stale';

export interface PostgresOptions {
  /** A folder for this server alone: data files, log, and the socket where its path is short enough. */
  stateDirectory: string;
  /** Server settings on top of, or instead of, the stand-in's own. */
  settings?: Readonly<Record<string, string>>;
  /** `loopback`: a port of 127.0.0.1 with a password. Default where there are no Unix sockets. */
  transport?: 'socket' | 'loopback';
}

/** Options for a client of the npm package `pg`. */
export interface PostgresConnection {
  host: string;
  port: number;
  user: string;
  database: string;
  /** undefined on a Unix socket, whose folder only this user can enter. */
  password: string | undefined;
}

export interface Postgres {
  connection: PostgresConnection;
  /** Resolves when the process is gone, wanted or not. */
  exited: Promise<void>;
  /** Ends all sessions and the process. Data stays. Idempotent. */
  stop(): Promise<void>;
}

/**
 * Fit for a stand-in: data survives a killed process (the operating system has it), not a power failure. Every backend
 * costs memory, so nothing that a control plane's tests do not need is started.
 */
const standInSettings = {
  fsync: 'off',
  synchronous_commit: 'off',
  full_page_writes: 'off',
  wal_level: 'minimal',
  max_wal_senders: '0',
  max_wal_size: '256MB',
  shared_buffers: '64MB',
  max_connections: '300',
  max_locks_per_transaction: '256', // one lock per table, and a transaction of ours may create very many
  max_parallel_workers_per_gather: '0',
  io_method: 'sync',
  jit: 'off',
  timezone: 'UTC',
  log_min_messages: 'fatal',
  update_process_title: 'off',
} as const;

const user = 'postgres';
const startTimeoutMs = 30_000;
const pollMs = 5;
/** sun_path holds 108 bytes on Linux, 104 on macOS, with the closing zero. */
const socketPathLimit = 103;

/**
 * Runs a PostgreSQL server on the binaries that npm installed, as root too, without any install script having run.
 * It ends with this process, also when this process is killed.
 *
 * @throws Error with the end of the server's log when it does not come up.
 */
export async function startPostgres(options: PostgresOptions): Promise<Postgres> {
  const stateDirectory = resolve(options.stateDirectory);
  const dataDirectory = join(stateDirectory, 'data');
  const binaries = findBinaries();
  mkdirSync(stateDirectory, { recursive: true, mode: 0o700 });
  await clearStalePostmaster(dataDirectory);

  const identity = await chooseIdentity(binaries.postgres, stateDirectory, (candidate) =>
    giveTo(candidate, stateDirectory),
  );
  const password = await ensureCluster(stateDirectory, dataDirectory, binaries, identity);

  const transport = options.transport ?? (process.platform === 'win32' ? 'loopback' : 'socket');
  const socketDirectory = transport === 'socket' ? prepareSocketDirectory(stateDirectory, identity) : null;
  const port = socketDirectory === null ? await freePort() : 5432;
  const settings: Record<string, string> = {
    ...standInSettings,
    listen_addresses: socketDirectory === null ? '127.0.0.1' : '',
    unix_socket_directories: socketDirectory ?? '',
    unix_socket_permissions: '0700',
    port: String(port),
    ...options.settings,
  };
  const args = ['-D', dataDirectory, '-c', ownerSetting(process.pid)];
  for (const [name, value] of Object.entries(settings)) args.push('-c', `${name}=${value}`);

  const logFile = join(stateDirectory, 'postgres.log');
  const child = launch(binaries.postgres, args, dataDirectory, logFile, identity);
  const exited = new Promise<void>((settle) => {
    child.once('exit', () => settle());
    child.once('error', () => settle());
  });
  const server: Postgres = {
    connection: {
      host: socketDirectory ?? '127.0.0.1',
      port,
      user,
      database: 'postgres',
      password: socketDirectory === null ? password : undefined,
    },
    exited,
    stop: async () => {
      await stop(child, exited);
      child.stdio[3]?.destroy();
      if (socketDirectory !== null && socketDirectory !== stateDirectory) {
        rmSync(socketDirectory, { recursive: true, force: true });
      }
    },
  };
  try {
    await waitUntilReady(child, dataDirectory);
  } catch (error) {
    await server.stop();
    throw new Error(`PostgreSQL did not start: ${messageOf(error)}\n${endOf(logFile)}`, { cause: error });
  }
  return server;
}

/** Runs initdb once per state directory; an interrupted one leaves nothing behind that looks complete. */
async function ensureCluster(
  stateDirectory: string,
  dataDirectory: string,
  binaries: PostgresBinaries,
  identity: Identity,
): Promise<string> {
  const passwordFile = join(stateDirectory, 'password');
  if (existsSync(dataDirectory) && existsSync(passwordFile)) return readFileSync(passwordFile, 'utf8');
  const unfinished = join(stateDirectory, 'data.unfinished');
  rmSync(unfinished, { recursive: true, force: true });
  rmSync(passwordFile, { force: true });
  const password = randomBytes(18).toString('base64url');
  writeFileSync(passwordFile, password, { mode: 0o600 });
  giveTo(identity, passwordFile);
  const [command = binaries.initdb, ...args] = [
    ...identity.prefix,
    binaries.initdb,
    ...['-D', unfinished, '-U', user, '--encoding=UTF8', '--locale=C', '--no-sync', '--no-instructions'],
    // On a Unix socket the folder's permissions decide; over TCP everybody on this machine could come, so: a password.
    ...['--auth-local=trust', '--auth-host=scram-sha-256', `--pwfile=${passwordFile}`],
  ];
  try {
    await promisify(execFile)(command, args, { ...identity.credentials, cwd: stateDirectory });
  } catch (cause) {
    throw new Error(`initdb failed in ${stateDirectory}: ${messageOf(cause)}`, { cause });
  }
  renameSync(unfinished, dataDirectory);
  return password;
}

/** Lets the identity's user own what another user, or another run in another container, created. */
function giveTo(identity: Identity, path: string): void {
  if (identity.owner === null) return;
  const { uid, gid } = identity.owner;
  const stats = lstatSync(path);
  if (stats.uid !== uid) chownSync(path, uid, gid);
  if (stats.isDirectory()) for (const entry of readdirSync(path)) giveOnlyWhenForeign(join(path, entry), identity);
}

function giveOnlyWhenForeign(path: string, identity: Identity): void {
  // A directory that has the right owner has it all the way down: looking into each file at every start would be slow.
  if (lstatSync(path).uid !== identity.owner?.uid) giveTo(identity, path);
}

/** The state directory itself, or a short folder where the socket's path would not fit into the kernel's limit. */
function prepareSocketDirectory(stateDirectory: string, identity: Identity): string {
  if (Buffer.byteLength(join(stateDirectory, '.s.PGSQL.5432')) <= socketPathLimit) return stateDirectory;
  const name = createHash('sha256').update(stateDirectory).digest('hex').slice(0, 12);
  const directory = join(tmpdir(), `sqlfleet-${name}`);
  // The same name at every start, so that a killed run leaves one folder and not many. What somebody else put there is
  // removed, or, where that is forbidden, makes mkdir fail.
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory, { mode: 0o700 });
  giveTo(identity, directory);
  return directory;
}

/**
 * Waits for the far end of file descriptor 3 to close, which happens when this process ends for whatever reason, then
 * stops the server. Started twice removed, so that PostgreSQL does not find a child that it does not know.
 */
const stopWithParent = '{ read -r _; test -e "$0/postmaster.pid" && kill -INT $$; } <&3 >/dev/null 2>&1';

function launch(
  postgres: string,
  args: readonly string[],
  dataDirectory: string,
  logFile: string,
  identity: Identity,
): ChildProcess {
  const supervised =
    process.platform === 'win32'
      ? [postgres, ...args]
      : ['sh', '-c', `( ${stopWithParent} & ); exec "$@" 3<&-`, dataDirectory, postgres, ...args];
  const [command = postgres, ...rest] = [...identity.prefix, ...supervised];
  const log = openSync(logFile, 'w', 0o600);
  try {
    const child = spawn(command, rest, {
      ...identity.credentials,
      stdio: ['ignore', log, log, 'pipe'],
      // Its own process group: Ctrl-C in the terminal is for us, and we still need the database to end in order.
      detached: process.platform !== 'win32',
      windowsHide: true,
    });
    child.unref();
    return child;
  } finally {
    closeSync(log);
  }
}

async function waitUntilReady(child: ChildProcess, dataDirectory: string): Promise<void> {
  const failures: Error[] = [];
  child.once('error', (error) => failures.push(error));
  const deadline = Date.now() + startTimeoutMs;
  for (;;) {
    const [failure] = failures;
    if (failure !== undefined) throw failure;
    if (child.exitCode !== null || child.signalCode !== null) {
      throw new Error(`it ended with ${child.signalCode ?? `exit code ${child.exitCode}`}`);
    }
    const file = readPostmasterFile(dataDirectory);
    if (file?.ready === true && file.pid === child.pid) return;
    if (Date.now() > deadline) throw new Error(`it was not ready after ${startTimeoutMs} ms`);
    await delay(pollMs);
  }
}

async function stop(child: ChildProcess, exited: Promise<void>): Promise<void> {
  // Fast, immediate, and at last by force.
  for (const [signal, waitMs] of [
    ['SIGINT', 5_000],
    ['SIGQUIT', 2_000],
    ['SIGKILL', 2_000],
  ] as const) {
    if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
    child.kill(signal);
    const timer = new AbortController();
    await Promise.race([exited, delay(waitMs, undefined, { signal: timer.signal }).catch(() => undefined)]);
    timer.abort();
  }
}

function endOf(logFile: string): string {
  return existsSync(logFile) ? readFileSync(logFile, 'utf8').split('\n').slice(-20).join('\n').trim() : '';
}

/** PostgreSQL cannot pick a free port by itself. */
function freePort(): Promise<number> {
  return new Promise((settle, reject) => {
    const probe = createServer();
    probe.once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address();
      probe.close(() => {
        if (address === null || typeof address === 'string') reject(new Error('no free port'));
        else settle(address.port);
      });
    });
  });
}
