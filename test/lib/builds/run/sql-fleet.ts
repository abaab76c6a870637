import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type DatabaseBuilderDeps } from '../../../../lib/builds/run/context';
import { type Clock, systemClock } from '../../../../lib/platform/clock';
import { type BatchAnswer, type SqlConnection } from '../../../../lib/sql/model';
import { createConnector } from '../../../../lib/sql/connector';
import { createEndpointResolver } from '../../../../lib/sql/endpoints';
import { startPostgres } from '../../../../local/postgres/postgres';
import { createSqlEngine } from '../../../../local/sql/engine';
import { type SqlServers } from '../../../../local/sql/servers';
import { startServers } from '../../../local/sql/wire/servers-under-test';
import { password, user } from '../../../local/sql/wire/tedious-client';

/** Real databases behind real TDS: everything that a build of a database meets, except Azure. */
export interface SqlFleet {
  servers: SqlServers;
  /** A new, empty database; names are given once. */
  newDatabase(suffix?: string): Promise<string>;
  deps: DatabaseBuilderDeps;
  connect(database: string): Promise<SqlConnection>;
  /** Rows of the last result of a batch. */
  query(database: string, text: string): Promise<unknown[][]>;
  close(): Promise<void>;
}

const server = 'server1';

/** Passes as it does, but does not wait: what is waited for in a test is there already. */
const hastyClock: Clock = {
  nowMs: () => Date.now(),
  sleep: async (_ms, signal) => {
    signal?.throwIfAborted();
    await new Promise((resolve) => setImmediate(resolve));
  },
};

export async function startSqlFleet(): Promise<SqlFleet> {
  const folder = mkdtempSync(join(tmpdir(), 'sqlfleet-test-'));
  const postgres = await startPostgres({ stateDirectory: folder });
  const engine = await createSqlEngine({ postgres: postgres.connection, clock: systemClock });
  await engine.createServer(server);
  const servers = await startServers(engine);
  const connector = createConnector({
    authentication: async () => ({ kind: 'password', user, password }),
    resolveEndpoint: createEndpointResolver(new Map([[server, { host: '127.0.0.1', port: servers.port }]])),
    encrypt: false,
    applicationName: 'sqlfleet',
    loginTimeoutMs: 5_000,
    cancelTimeoutMs: 200,
  });
  const connect = async (database: string): Promise<SqlConnection> => {
    const answer = await connector({ server, port: null, database });
    if (!answer.ok) throw new Error(answer.error.message);
    return answer.connection;
  };
  let databases = 0;
  return {
    servers,
    connect,
    deps: {
      connect: connector,
      clock: hastyClock,
      random: () => 0,
      version: 'Sqlfleet test',
      limits: { lockTimeoutMs: 200 },
    },
    async newDatabase(suffix = '') {
      const name = `db${(databases += 1)}${suffix}`;
      await engine.createDatabase(server, name);
      return name;
    },
    async query(database, text) {
      const connection = await connect(database);
      const answer = await execute(connection, text);
      await connection.close();
      return answer.resultSets.at(-1)?.rows.map((row) => [...row]) ?? [];
    },
    async close() {
      await servers.close();
      await engine.close();
      await postgres.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** @throws Error with the server's words. */
export async function execute(connection: SqlConnection, text: string): Promise<BatchAnswer> {
  const answer = await connection.execute(text, { timeoutMs: 10_000, maximumRows: 1_000 });
  if (answer.error !== null) throw new Error(`${answer.error.message}\n${text}`);
  return answer;
}
