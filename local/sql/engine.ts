import { type ClientConfig } from 'pg';
import { type Clock } from '../../lib/platform/clock';
import { messageOf } from '../../lib/platform/errors';
import { bootstrapSql, bootstrapVersion } from './catalog/bootstrap';
import { emptyCache, type DefinitionCache } from './catalog/names';
import { systemViewNames } from './catalog/system-views';
import { quote } from './emitter/typed';
import { connectBackend, type Backend } from './interpreter/backend';
import { createPool, type Pool } from './interpreter/pool';
import { createSession } from './interpreter/session';
import { type ModuleDefinition } from './parser/ast';
import { parseBatch } from './parser/parser';
import { type LoginIdentity, type LoginResult, type SqlEngine, type SqlSession } from './session';

export interface SqlEngineDeps {
  /** How to reach the PostgreSQL cluster: `startPostgres(...)`'s connection. */
  postgres: ClientConfig;
  clock: Clock;
  /** PostgreSQL backends at the same time; sessions may outnumber them by far. Default 200. */
  maximumBackends?: number;
}

interface Database {
  id: number;
  name: string;
  /** What is known of its catalog; forgotten when its last session ends, so that a fleet's worth of them stays small. */
  cache: DefinitionCache;
  sessions: number;
}

interface Server {
  name: string;
  pgDatabase: string;
  /** Known databases by lower-case name. */
  databases: Map<string, Database>;
}

const template = `sqlfleet_template_${bootstrapVersion}`;
/** Parsed procedures, functions and triggers; the least recently used go first. */
const maximumModules = 500;

/** The T-SQL engine of the SQL stand-in: logical servers are PostgreSQL databases, their databases are schemas. */
export async function createSqlEngine(deps: SqlEngineDeps): Promise<SqlEngine> {
  const connect = (database: string): Promise<Backend> => connectBackend({ ...deps.postgres, database });
  const pool: Pool = createPool({ connect, maximum: deps.maximumBackends ?? 200, adminDatabase: 'postgres' });
  const servers = new Map<string, Server>();
  const creating = new Map<string, Promise<Server>>();
  const sessions = new Map<SqlSession, Database>();
  const syntax = createModuleCache();
  const freeSpids: number[] = [];
  let lastSpid = 50;
  let lastDescriptor = BigInt(deps.clock.nowMs()) * 1_000n;
  let lastId = 0;

  const admin = async <T>(work: (backend: Backend) => Promise<T>, database = 'postgres'): Promise<T> => {
    const backend = await pool.acquire(database);
    try {
      return await work(backend);
    } finally {
      await pool.release(backend);
    }
  };

  await admin(ensureTemplate(connect));
  const existing = await admin((backend) =>
    backend.query(
      "SELECT datname, shobj_description(oid, 'pg_database') FROM pg_database WHERE datname LIKE 'server\\_%'",
    ),
  );
  for (const [pgDatabase, comment] of existing[0]?.rows ?? []) {
    if (pgDatabase == null || comment == null) continue;
    const [version, ...name] = comment.split(' ');
    if (version !== bootstrapVersion) {
      throw new Error(
        `The SQL servers' data was written by another version of this program (${version ?? ''}). Start with --fresh to begin anew.`,
      );
    }
    servers.set(name.join(' ').toLowerCase(), { name: name.join(' '), pgDatabase, databases: new Map() });
    // Temporary tables of sessions that a kill ended: their ids come again.
    await admin((backend) => backend.query('DELETE FROM catalog.objects WHERE database_id = 2'), pgDatabase);
  }

  const createServer = async (name: string): Promise<Server> => {
    const key = name.toLowerCase();
    const known = servers.get(key);
    if (known !== undefined) return known;
    const running = creating.get(key);
    if (running !== undefined) return running;
    const created = admin(async (backend) => {
      const pgDatabase = `server_${Buffer.from(key).toString('hex').slice(0, 50)}`;
      await backend.query(`CREATE DATABASE ${pgDatabase} TEMPLATE ${template} STRATEGY FILE_COPY`);
      await backend.query(`COMMENT ON DATABASE ${pgDatabase} IS ${quote(`${bootstrapVersion} ${name}`)}`);
      const server: Server = { name, pgDatabase, databases: new Map() };
      servers.set(key, server);
      return server;
    });
    creating.set(key, created);
    try {
      return await created;
    } finally {
      creating.delete(key);
    }
  };

  const serverNamed = (name: string): Server => {
    const server = servers.get(name.toLowerCase());
    if (server === undefined) throw new Error(`There is no SQL server '${name}'.`);
    return server;
  };

  const findDatabase = async (server: Server, name: string): Promise<Database | null> => {
    const key = name.toLowerCase();
    const known = server.databases.get(key);
    if (known !== undefined) return known;
    const [result] = await admin(
      (backend) => backend.query(`SELECT id, name FROM catalog.databases WHERE lower(name) = lower(${quote(name)})`),
      server.pgDatabase,
    );
    const row = result?.rows[0];
    if (row === undefined) return null;
    const database = { id: Number(row[0]), name: row[1] ?? name, cache: emptyCache(), sessions: 0 };
    server.databases.set(key, database);
    return database;
  };

  const login = async (identity: LoginIdentity): Promise<LoginResult> => {
    const server = servers.get(identity.server.toLowerCase());
    const wanted = identity.database === '' ? 'master' : identity.database;
    const database = server === undefined ? null : await findDatabase(server, wanted);
    if (server === undefined || database === null) {
      const message = `Cannot open database "${wanted}" requested by the login. The login failed.`;
      return { ok: false, message: { number: 4060, severity: 11, state: 1, message, procedure: '', line: 65536 } };
    }
    const spid = freeSpids.shift() ?? ++lastSpid;
    database.sessions++;
    const session: SqlSession = createSession({
      pool,
      clock: deps.clock,
      pgDatabase: server.pgDatabase,
      database: { id: database.id, name: database.name },
      identity,
      spid,
      cache: database.cache,
      nextDescriptor: () => ++lastDescriptor,
      nextId: () => ++lastId,
      syntax,
      closed: () => {
        sessions.delete(session);
        if (--database.sessions === 0) database.cache = emptyCache();
        freeSpids.push(spid);
      },
    });
    sessions.set(session, database);
    return { ok: true, session };
  };

  return {
    login,
    createServer: async (server) => void (await createServer(server)),
    dropServer: async (name) => {
      const server = servers.get(name.toLowerCase());
      if (server === undefined) return;
      servers.delete(name.toLowerCase());
      const owned = new Set(server.databases.values());
      for (const [session, database] of sessions) if (owned.has(database)) await session.close();
      // Idle backends of the pool are still connected to it.
      await admin((backend) => backend.query(`DROP DATABASE ${server.pgDatabase} WITH (FORCE)`));
    },
    listServers: () => Array.from(servers.values(), ({ name }) => name),
    createDatabase: async (name, database) => {
      const server = serverNamed(name);
      await admin((backend) => backend.query(`SELECT catalog.create_database(${quote(database)})`), server.pgDatabase);
    },
    dropDatabase: async (name, database) => {
      const server = serverNamed(name);
      const known = server.databases.get(database.toLowerCase());
      server.databases.delete(database.toLowerCase());
      // Their locks would keep the schema from being dropped.
      for (const [session, owner] of sessions) if (owner === known) await session.close();
      await admin((backend) => backend.query(`SELECT catalog.drop_database(${quote(database)})`), server.pgDatabase);
    },
    listDatabases: async (name) => {
      const server = serverNamed(name);
      const [result] = await admin(
        (backend) => backend.query('SELECT name FROM catalog.databases ORDER BY id'),
        server.pgDatabase,
      );
      return (result?.rows ?? []).map((row) => row[0] ?? '').filter((database) => database !== 'tempdb');
    },
    close: async () => {
      await Promise.all(
        [...sessions.keys()].map((session) =>
          session.close().catch((error: unknown) => console.error(`closing a SQL session: ${messageOf(error)}`)),
        ),
      );
      await pool.close();
    },
  };
}

/** The database that logical servers are copied from; made once for each version of the catalog. */
function ensureTemplate(connect: (database: string) => Promise<Backend>): (backend: Backend) => Promise<void> {
  return async (backend) => {
    const [found] = await backend.query(`SELECT 1 FROM pg_database WHERE datname = '${template}' AND NOT datallowconn`);
    if ((found?.rows.length ?? 0) > 0) return;
    await backend.query(`DROP DATABASE IF EXISTS ${template}`);
    await backend.query(
      `CREATE DATABASE ${template} TEMPLATE template0 LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8' LOCALE 'C' STRATEGY FILE_COPY`,
    );
    const inside = await connect(template);
    try {
      await inside.query(bootstrapSql);
      await inside.query(
        `INSERT INTO catalog.system_views VALUES ${systemViewNames.map((name) => `(${quote(name)})`).join(', ')}`,
      );
    } finally {
      await inside.close();
    }
    // Only a finished template refuses connections: an interrupted one is made again.
    await backend.query(`ALTER DATABASE ${template} ALLOW_CONNECTIONS false`);
  };
}

function createModuleCache(): (module: { id: number; version: number; source: string }) => ModuleDefinition {
  const parsed = new Map<string, ModuleDefinition>();
  return ({ id, version, source }) => {
    const key = `${id}/${version}/${source.length}/${source}`;
    const known = parsed.get(key);
    if (known !== undefined) {
      parsed.delete(key);
      parsed.set(key, known);
      return known;
    }
    const statement = parseBatch(source, { quotedIdentifier: true }).find(
      (candidate) => candidate.kind === 'createModule',
    );
    if (statement?.kind !== 'createModule') throw new Error('the catalog holds a module that is none');
    parsed.set(key, statement.definition);
    const [oldest] = parsed.keys();
    if (parsed.size > maximumModules && oldest !== undefined) parsed.delete(oldest);
    return statement.definition;
  };
}
