import { Client, type ClientConfig, Query, type QueryArrayConfig } from 'pg';

/** One result of a multi-statement query, as PostgreSQL counted it. */
export interface BackendResult {
  /** Rows that the command changed or returned, null where it counts none. */
  count: number | null;
  rows: (string | null)[][];
}

export interface Backend {
  pid: number;
  database: string;
  /** Something was left in it (temporary objects, session locks) that the next user must not see. */
  dirty: boolean;
  /** The connection is gone: it must not be used again. */
  broken(): boolean;
  /**
   * Runs one or several statements in one round trip. With `onRow`, rows are handed over one by one and not collected;
   * a promise from it pauses the stream.
   */
  query(sql: string, onRow?: (row: (string | null)[]) => void | Promise<void>): Promise<BackendResult[]>;
  close(): Promise<void>;
}

/** Everything as text: what a value means is the T-SQL type's business. */
const asText = { getTypeParser: () => (raw: unknown) => raw };

const settings = [
  'datestyle=ISO,MDY',
  'timezone=UTC',
  'bytea_output=hex',
  'search_path=pg_catalog',
  'deadlock_timeout=200ms',
  'client_min_messages=error',
  'plan_cache_mode=force_custom_plan',
];

export async function connectBackend(config: ClientConfig): Promise<Backend> {
  const client = new Client({
    ...config,
    options: settings.map((setting) => `-c ${setting.replaceAll(' ', '\\ ')}`).join(' '),
  });
  let gone = false;
  // Without a listener a lost connection would end the process; the query that runs rejects by itself.
  client.on('error', () => (gone = true));
  client.on('end', () => (gone = true));
  await client.connect();

  const backend: Backend = {
    pid: 0,
    database: config.database ?? '',
    dirty: false,
    broken: () => gone,
    query: (sql, onRow) => runQuery(client, sql, onRow),
    close: async () => {
      gone = true;
      await client.end().catch(() => undefined);
    },
  };
  const [result] = await backend.query('SELECT pg_backend_pid()');
  backend.pid = Number(result?.rows[0]?.[0]);
  return backend;
}

function isRow(row: unknown): row is (string | null)[] {
  return Array.isArray(row);
}

function runQuery(
  client: Client,
  sql: string,
  onRow?: (row: (string | null)[]) => void | Promise<void>,
): Promise<BackendResult[]> {
  return new Promise((resolve, reject) => {
    const config: QueryArrayConfig = { text: sql, rowMode: 'array', types: asText };
    const query = new Query(config);
    const rows = new Map<unknown, (string | null)[][]>();
    const pending: Promise<void>[] = [];
    const failures: unknown[] = [];
    const stream = streamOf(client);
    query.on('row', (row: unknown, result: unknown) => {
      if (!isRow(row)) return;
      if (onRow === undefined) {
        const list = rows.get(result);
        if (list === undefined) rows.set(result, [row]);
        else list.push(row);
        return;
      }
      const wait = onRow(row);
      if (wait === undefined) return;
      stream?.pause();
      pending.push(wait.catch((error: unknown) => void failures.push(error)).finally(() => stream?.resume()));
      if (pending.length > 100) void pending.splice(0, 50); // long resolved
    });
    query.on('error', (error) => reject(error));
    query.on('end', (result: unknown) => {
      const results: unknown[] = Array.isArray(result) ? result : [result];
      const answer = results.map((one): BackendResult => ({ count: countOf(one), rows: rows.get(one) ?? [] }));
      void Promise.all(pending).then(() =>
        failures.length > 0
          ? reject(failures[0] instanceof Error ? failures[0] : new Error('the response could not be written'))
          : resolve(answer),
      );
    });
    client.query(query);
  });
}

function countOf(result: unknown): number | null {
  return typeof result === 'object' && result !== null && 'rowCount' in result && typeof result.rowCount === 'number'
    ? result.rowCount
    : null;
}

/** The socket, for back-pressure; pg's types do not show it on the client. */
function streamOf(client: Client): { pause(): void; resume(): void } | undefined {
  const connection: unknown = 'connection' in client ? client.connection : undefined;
  if (typeof connection !== 'object' || connection === null || !('stream' in connection)) return undefined;
  const { stream } = connection;
  if (typeof stream !== 'object' || stream === null || !('pause' in stream) || !('resume' in stream)) return undefined;
  const { pause, resume } = stream;
  if (typeof pause !== 'function' || typeof resume !== 'function') return undefined;
  return { pause: () => void pause.call(stream), resume: () => void resume.call(stream) };
}
