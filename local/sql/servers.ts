import { createServer, type Server, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { type Clock, systemClock } from '../../lib/platform/clock';
import { messageOf } from '../../lib/platform/errors';
import { createSqlFaults, type SqlFaults } from './faults';
import { type SqlEngine } from './session';
import { loginMessage, serveConnection } from './wire/connection';
import { type Authentication, type ConnectionHost, type RouteRequest } from './wire/host';
import { defaultLimits, type WireLimits } from './wire/limits';
import { type Login } from './wire/login';
import { createSecureContexts } from './wire/tls';

export interface SqlLogin {
  /** Compared without case, as SQL Server does. */
  user: string;
  password: string;
}

/**
 * Decides about an access token that a client sent instead of a password. Resolves to the name of its principal, under
 * which the engine knows the user; null: the token is not accepted.
 */
export type TokenVerifier = (token: string, server: string) => Promise<string | null>;

export interface SqlServersOptions {
  engine: SqlEngine;
  /** Logical servers by name, without any domain; port 0 picks a free one. The engine must have been given them before. */
  servers: readonly { name: string; port: number }[];
  /** As in Azure, one port for all logical servers; `servers` tells which there are when somebody logs in. */
  gateway?: { port: number; servers: () => readonly string[] };
  /** The same on all servers. */
  logins: readonly SqlLogin[];
  certificates: { key: string; cert: string };
  /** Left out: access tokens are refused. */
  verifyToken?: TokenVerifier;
  /** Where clients that ask are told to get their token. */
  tokenAuthority?: { stsUrl: string; spn: string };
  faults?: SqlFaults;
  limits?: Partial<WireLimits>;
  clock?: Clock;
  /** Defects of the stand-in itself. Default: standard error. */
  onDefect?: (error: unknown) => void;
}

/** What was asked of one database of one server, since the start or the last reset. */
export interface SqlCounters {
  server: string;
  /** The database of the login. */
  database: string;
  logins: number;
  refusedLogins: number;
  /** Messages that wanted an answer: batches, procedure calls, transaction requests. Each is one round trip. */
  requests: number;
  attentions: number;
}

export interface SqlServers {
  servers: readonly { name: string; port: number }[];
  /** 0: there is none. */
  gatewayPort: number;
  faults: SqlFaults;
  counters(): SqlCounters[];
  resetCounters(): void;
  /** Destroys the open connections, of one server or of all: a network fault on demand. */
  dropConnections(server?: string): void;
  /** Closes the ports, every connection and every session. The engine stays open. */
  close(): Promise<void>;
}

const publicTokenAuthority = {
  stsUrl: 'https://login.microsoftonline.com/common',
  spn: 'https://database.windows.net/',
};

const closeGraceMs = 5_000;

/**
 * Logical SQL servers on 127.0.0.1, one port each, with TLS for whoever asks for it.
 *
 * @throws Error naming the port when one is taken; then none listens.
 */
export async function startSqlServers(options: SqlServersOptions): Promise<SqlServers> {
  const { engine, clock = systemClock, faults = createSqlFaults() } = options;
  const limits = { ...defaultLimits, ...options.limits };
  const contexts = createSecureContexts(options.certificates);
  const counters = createCounters();
  const onDefect =
    options.onDefect ?? ((error) => console.error('SQL stand-in:', error instanceof Error ? error.stack : error));

  const hostOf = (server: string): ConnectionHost => ({
    ...{ server, engine, contexts, limits, faults, clock, onDefect },
    authenticate: (login, token) => authenticate(server, login, token, options),
    tokenAuthority: options.tokenAuthority ?? publicTokenAuthority,
    count: (database, what) => counters.count(server, database, what),
  });
  const listening: Listening[] = [];
  let gateway: Listening | null = null;
  const close = async (): Promise<void> => {
    await Promise.all([...listening, ...(gateway === null ? [] : [gateway])].map((server) => server.close()));
  };
  try {
    for (const { name, port } of options.servers) listening.push(await listenFor(hostOf(name), port));
    if (options.gateway !== undefined) {
      const { port, servers } = options.gateway;
      const route = (asked: RouteRequest): ConnectionHost | null => {
        const name = wantedServer(asked, servers());
        return name === undefined ? null : hostOf(name);
      };
      gateway = await listenFor({ ...hostOf('gateway'), route }, port);
    }
  } catch (error) {
    await close();
    throw error;
  }
  return {
    servers: listening.map(({ name, port }) => ({ name, port })),
    gatewayPort: gateway?.port ?? 0,
    faults,
    counters: counters.list,
    resetCounters: counters.reset,
    dropConnections: (server) => {
      for (const each of listening) if (server === undefined || each.name === server) each.dropConnections();
      if (server === undefined) gateway?.dropConnections();
    },
    close,
  };
}

/** Who a client is, by the rules of Azure SQL: `user` or `user@server` with a password, or an access token. */
async function authenticate(
  server: string,
  login: Login,
  token: string | null,
  options: SqlServersOptions,
): Promise<Authentication> {
  const refused = (number: number, text: string): Authentication => ({
    ok: false,
    message: loginMessage(number, 14, text),
  });
  if (login.integrated) {
    const text =
      'Login failed. The login is from an untrusted domain and cannot be used with Integrated authentication.';
    return refused(18_452, text);
  }
  if (token !== null) {
    const user = (await options.verifyToken?.(token, server)) ?? null;
    return user === null
      ? refused(18_456, "Login failed for user '<token-identified principal>'.")
      : { ok: true, user };
  }
  if (login.changesPassword) return refused(18_456, `Login failed for user '${login.user}': passwords are fixed here.`);

  const at = login.user.lastIndexOf('@');
  const user = at < 0 ? login.user : login.user.slice(0, at);
  const wanted = at < 0 ? server : login.user.slice(at + 1);
  if (firstLabel(wanted) !== firstLabel(server)) {
    return refused(40_532, `Cannot open server "${firstLabel(wanted)}" requested by the login. The login failed.`);
  }
  const known = options.logins.find((each) => each.user.toLowerCase() === user.toLowerCase());
  if (known === undefined || known.password !== login.password) {
    return refused(18_456, `Login failed for user '${login.user}'.`);
  }
  return { ok: true, user: known.user };
}

/** The logical server that a client of the gateway wants, by the first of its names that is one. */
function wantedServer({ tlsName, loginServer, user }: RouteRequest, servers: readonly string[]): string | undefined {
  const at = user.lastIndexOf('@');
  const names = [tlsName ?? '', loginServer, at < 0 ? '' : user.slice(at + 1)];
  for (const name of names) {
    const whole = servers.find((server) => server.toLowerCase() === name.toLowerCase());
    if (whole !== undefined) return whole;
  }
  // `user@server` names it without its domain.
  return at < 0 ? undefined : servers.find((server) => firstLabel(server) === firstLabel(user.slice(at + 1)));
}

function firstLabel(name: string): string {
  return (name.split('.')[0] ?? '').toLowerCase();
}

interface Listening {
  name: string;
  port: number;
  dropConnections(): void;
  close(): Promise<void>;
}

async function listenFor(host: ConnectionHost, port: number): Promise<Listening> {
  const sockets = new Set<Socket>();
  const connections = new Set<Promise<void>>();
  const server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    const connection: Promise<void> = serveConnection(socket, host).finally(() => connections.delete(connection));
    connections.add(connection);
  });
  server.maxConnections = host.limits.connections;
  const actualPort = await listenOn(server, port, host.server);
  const dropConnections = (): void => {
    for (const socket of sockets) socket.resetAndDestroy();
  };
  return {
    name: host.server,
    port: actualPort,
    dropConnections,
    close: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const socket of sockets) socket.destroy();
      await closed;
      // The engine may be closed next, so its sessions have to be; one that does not end is its own affair.
      const patience = new AbortController();
      const waited = delay(closeGraceMs, undefined, { signal: patience.signal }).catch(() => undefined);
      await Promise.race([Promise.all(connections), waited]);
      patience.abort();
    },
  };
}

function listenOn(server: Server, port: number, name: string): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause) =>
      reject(new Error(`SQL server "${name}" cannot listen on port ${port}: ${messageOf(cause)}`, { cause })),
    );
    server.listen(port, '127.0.0.1', () => {
      const address = server.address();
      if (address === null || typeof address === 'string') reject(new Error(`SQL server "${name}" has no port`));
      else resolve(address.port);
    });
  });
}

function createCounters(): {
  count: (server: string, database: string, what: 'logins' | 'refusedLogins' | 'requests' | 'attentions') => void;
  list: () => SqlCounters[];
  reset: () => void;
} {
  const counters = new Map<string, SqlCounters>();
  return {
    count: (server, database, what) => {
      const key = `${server}/${database.toLowerCase()}`;
      let entry = counters.get(key);
      if (entry === undefined) {
        entry = { server, database, logins: 0, refusedLogins: 0, requests: 0, attentions: 0 };
        counters.set(key, entry);
      }
      entry[what] += 1;
    },
    list: () => Array.from(counters.values(), (entry) => ({ ...entry })),
    reset: () => counters.clear(),
  };
}
