import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../../lib/platform/clock';
import { startPostgres } from '../../../local/postgres/postgres';
import { createSqlEngine } from '../../../local/sql/engine';
import {
  type EnvironmentChange,
  type RpcParameter,
  type SqlColumn,
  type SqlEngine,
  type SqlMessage,
  type SqlRequest,
  type SqlSession,
  type SqlValue,
} from '../../../local/sql/session';

/** The engine over a real PostgreSQL, with one logical server. */
export interface EngineUnderTest {
  engine: SqlEngine;
  /** A session in a database that is created on the way. */
  open(database?: string): Promise<Client>;
  stop(): Promise<void>;
}

export interface Answer {
  results: { columns: readonly SqlColumn[]; rows: SqlValue[][] }[];
  /** Severity above 10. */
  errors: SqlMessage[];
  infos: SqlMessage[];
  environment: EnvironmentChange[];
  rowCounts: (number | null)[];
  status: number | null;
  outputs: Record<string, SqlValue>;
}

export interface Client {
  session: SqlSession;
  run(text: string, signal?: AbortSignal): Promise<Answer>;
  send(request: SqlRequest, signal?: AbortSignal): Promise<Answer>;
  /** Runs without expecting an error; the rows of the last result set. */
  rows(text: string): Promise<SqlValue[][]>;
  value(text: string): Promise<SqlValue | undefined>;
  /** Numbers of the errors. */
  fails(text: string): Promise<number[]>;
}

const server = 'unit';

export async function startEngine(maximumBackends?: number): Promise<EngineUnderTest> {
  const stateDirectory = mkdtempSync(join(tmpdir(), 'sql-engine-'));
  const postgres = await startPostgres({ stateDirectory });
  const engine = await createSqlEngine({ postgres: postgres.connection, clock: systemClock, maximumBackends });
  await engine.createServer(server);
  return {
    engine,
    open: async (database = 'unit') => {
      await engine.createDatabase(server, database);
      const login = await engine.login({ server, database, user: 'tester', applicationName: 'jest', hostName: 'here' });
      if (!login.ok) throw new Error(login.message.message);
      return createClient(login.session);
    },
    stop: async () => {
      await engine.close();
      await postgres.stop();
      rmSync(stateDirectory, { recursive: true, force: true });
    },
  };
}

export function createClient(session: SqlSession): Client {
  const send: Client['send'] = async (request, signal = new AbortController().signal) => {
    const answer: Answer = {
      results: [],
      errors: [],
      infos: [],
      environment: [],
      rowCounts: [],
      status: null,
      outputs: {},
    };
    await session.execute(
      request,
      {
        columns: (columns) => void answer.results.push({ columns, rows: [] }),
        row: (values) => void answer.results.at(-1)?.rows.push([...values]),
        done: ({ rowCount, failed }) => void (failed || answer.rowCounts.push(rowCount)),
        message: (message) => void (message.severity > 10 ? answer.errors : answer.infos).push(message),
        environment: (change) => void answer.environment.push(change),
        returnStatus: (status) => (answer.status = status),
        returnValue: ({ name, value }) => (answer.outputs[name] = value),
      },
      signal,
    );
    return answer;
  };
  const run: Client['run'] = (text, signal) => send({ kind: 'batch', text }, signal);
  const rows: Client['rows'] = async (text) => {
    const answer = await run(text);
    const [error] = answer.errors;
    if (error !== undefined) throw new Error(`${error.number}: ${error.message}`);
    return answer.results.at(-1)?.rows ?? [];
  };
  return {
    session,
    send,
    run,
    rows,
    value: async (text) => (await rows(text))[0]?.[0],
    fails: async (text) => (await run(text)).errors.map((error) => error.number),
  };
}

/** A parameter of a remote call; strings are nvarchar, numbers int. */
export function parameter(name: string, value: SqlValue, output = false): RpcParameter {
  const type = typeof value === 'number' ? ({ name: 'int' } as const) : ({ name: 'nvarchar', length: 'max' } as const);
  return { name, type, value, output, useDefault: false };
}

const shown = (value: SqlValue): string => {
  if (value === null) return 'NULL';
  if (typeof value === 'boolean') return value ? '1' : '0';
  return value instanceof Uint8Array ? `0x${Buffer.from(value).toString('hex').toUpperCase()}` : String(value);
};

/**
 * What batches (between lines with GO) answer, in its order and in short: `1,a|2,NULL` for rows, `(none)` for none of
 * them, `!207` for an error, `>text` for PRINT, `i3621` for a message with a number. An empty result before an error is
 * left out.
 */
export async function transcript(client: Client, text: string): Promise<string> {
  const events: string[] = [];
  let rows: string[] | null = null;
  const flush = (): void => {
    if (rows !== null) events.push(rows.length > 0 ? rows.join('|') : '(none)');
    rows = null;
  };
  for (const batch of text.split(/^GO$/m)) {
    await client.session.execute(
      { kind: 'batch', text: batch },
      {
        columns: () => {
          flush();
          rows = [];
        },
        row: (values) => void rows?.push(values.map(shown).join(',')),
        done: flush,
        message: ({ number, severity, message }) => {
          if (severity > 10 && rows?.length === 0) rows = null;
          flush();
          if (severity > 10 && events.at(-1) === '(none)') events.pop();
          events.push(severity > 10 ? `!${number}` : number === 0 || number === 50000 ? `>${message}` : `i${number}`);
        },
        environment: () => undefined,
        returnStatus: () => undefined,
        returnValue: () => undefined,
      },
      new AbortController().signal,
    );
    flush();
  }
  return events.join(' ; ');
}
