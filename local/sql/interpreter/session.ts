import { createNames, emptyCache, type DefinitionCache, type Names } from '../catalog/names';
import { SqlError, sqlError } from '../errors';
import { type Clock } from '../../../lib/platform/clock';
import { type ModuleDefinition } from '../parser/ast';
import { parseBatch, parseParameterList } from '../parser/parser';
import {
  type LoginIdentity,
  type ResponseSink,
  type RpcParameter,
  type SqlRequest,
  type SqlSession,
  type TransactionOperation,
} from '../session';
import { closeAllCursors } from './cursors';
import { precompile } from './compile-batch';
import { Abandon, createErrorHandling, Raised, rollBack, type ErrorHandling } from './error-handling';
import { createInterpreter } from './interpreter';
import { runTransaction } from './control';
import { setIsolation } from './options';
import { type Pool } from './pool';
import { callProcedure } from './procedures';
import { type ProcedureArgument } from './calls';
import { type Runtime } from './runtime';
import { defaultOptions, type Frame, type SessionState } from './state';
import { Cancelled, createTransaction } from './transaction';
import { fromSqlValue, toSqlValue } from './values';

export interface SessionDeps {
  pool: Pool;
  clock: Clock;
  pgDatabase: string;
  database: { id: number; name: string };
  identity: LoginIdentity;
  spid: number;
  cache: DefinitionCache;
  nextDescriptor: () => bigint;
  nextId: () => number;
  syntax: (module: { id: number; version: number; source: string }) => ModuleDefinition;
  closed: () => void;
}

/** A prepared statement: sp_prepare's handle stands for it. */
interface Prepared {
  declaration: string;
  text: string;
}

const maximumPrepared = 1_000;
const never = new AbortController().signal;
const silent: ResponseSink = {
  columns: () => undefined,
  row: () => undefined,
  done: () => undefined,
  message: () => undefined,
  environment: () => undefined,
  returnStatus: () => undefined,
  returnValue: () => undefined,
};

export function createSession(deps: SessionDeps): SqlSession {
  let namesFor: { cache: DefinitionCache; names: Names } = { cache: emptyCache(), names: unready() };
  const prepared = new Map<number, Prepared>();
  let nextHandle = 1;
  let closed = false;

  const transaction = createTransaction({
    pool: deps.pool,
    pgDatabase: deps.pgDatabase,
    sharedCache: () => deps.cache,
    nextDescriptor: deps.nextDescriptor,
    lockTimeoutMs: () => state.options.lockTimeoutMs,
    isolation: () => state.options.isolation,
  });
  const state: SessionState = {
    spid: deps.spid,
    identity: deps.identity,
    database: deps.database,
    options: defaultOptions(),
    transaction,
    names: () => {
      const cache = transaction.cache();
      if (namesFor.cache !== cache) {
        const queryValue = async (sql: string): Promise<string | null> => {
          const [result] = await transaction.run(sql, state.signal);
          return result?.rows[0]?.[0] ?? null;
        };
        namesFor = {
          cache,
          names: createNames({
            databaseId: deps.database.id,
            databaseName: deps.database.name,
            spid: deps.spid,
            cache,
            queryValue,
          }),
        };
      }
      return namesFor.names;
    },
    frames: [],
    rowCount: 0,
    error: 0,
    identityValue: null,
    caught: [],
    context: new Map(),
    collecting: false,
    tryDepth: 0,
    identityInsert: null,
    fetchStatus: 0,
    cursorRows: 0,
    triggerNesting: 0,
    sink: silent,
    signal: never,
  };
  const runtime = createInterpreter({ state, clock: deps.clock, nextId: deps.nextId, syntax: deps.syntax });
  const errors = createErrorHandling(() => runtime);

  /** Runs one request inside a frame of its own, and settles whatever it leaves open. */
  const request = async (work: (frame: Frame) => Promise<void>, frame: Frame): Promise<void> => {
    try {
      await work(frame);
    } catch (error) {
      if (error instanceof Cancelled) {
        if (state.options.xactAbort && transaction.count > 0) await rollBack(runtime);
        throw error;
      }
      if (error instanceof Raised) errors.report(error.error, error.line, error.procedure);
      else if (error instanceof SqlError) await refuse(error, runtime, errors);
      else if (!(error instanceof Abandon)) throw error;
    }
    if (transaction.doomed && transaction.count > 0) {
      await rollBack(runtime);
      errors.report(sqlError(3998), 1, '');
    }
  };

  const executeProcedure = async (name: string, parameters: readonly RpcParameter[]): Promise<void> => {
    const args = parameters.map((parameter): ProcedureArgument => ({
      name: parameter.name === '' ? null : parameter.name,
      value: fromSqlValue(parameter.value, parameter.type),
      type: parameter.type,
      output: parameter.output,
      useDefault: parameter.useDefault,
      target: null,
    }));
    const frame = runtime.newFrame({});
    await request(async () => {
      state.frames.push(frame);
      try {
        const status = await callRemote(name, args);
        parameters.forEach((parameter, ordinal) => {
          const arg = args[ordinal];
          if (parameter.output && arg !== undefined)
            state.sink.returnValue({
              name: parameter.name,
              type: parameter.type,
              value: toSqlValue(arg.value, parameter.type),
              ordinal,
            });
        });
        state.sink.returnStatus(status);
      } finally {
        state.frames.length = 0;
      }
    }, frame);
  };

  /** Procedures that only exist on the wire, and all others. */
  const callRemote = async (name: string, args: ProcedureArgument[]): Promise<number> => {
    const short = name.toLowerCase().replace(/^(\[?sys\]?|\[?dbo\]?)\./, '');
    switch (short) {
      case 'sp_prepare':
      case 'sp_prepexec':
        return prepare(short, args);
      case 'sp_execute': {
        const [handle, ...values] = args;
        const statement = prepared.get(Number(handle?.value));
        if (statement === undefined) throw sqlError(8179, [handle?.value ?? '']);
        return callProcedure(['sys', 'sp_executesql'], executeArguments(statement, values), runtime, errors, 1);
      }
      case 'sp_unprepare':
        prepared.delete(Number(args[0]?.value));
        return 0;
      default:
        return callProcedure(pathOf(name), args, runtime, errors, 1);
    }
  };

  const prepare = async (kind: 'sp_prepare' | 'sp_prepexec', args: ProcedureArgument[]): Promise<number> => {
    const [handle, declaration, text, ...values] = args;
    const statement = { declaration: declaration?.value ?? '', text: text?.value ?? '' };
    // Syntax and declared parameters are checked now; names are when it runs.
    parseParameterList(statement.declaration, { quotedIdentifier: state.options.quotedIdentifier });
    parseBatch(statement.text, { quotedIdentifier: state.options.quotedIdentifier });
    if (prepared.size >= maximumPrepared) throw sqlError(701);
    const id = nextHandle++;
    prepared.set(id, statement);
    if (handle !== undefined) handle.value = String(id);
    return kind === 'sp_prepare'
      ? 0
      : callProcedure(['sys', 'sp_executesql'], executeArguments(statement, values), runtime, errors, 1);
  };

  const executeTransaction = async (operation: TransactionOperation): Promise<void> => {
    const frame = runtime.newFrame({});
    await request(async () => {
      state.frames.push(frame);
      try {
        if (operation.kind === 'begin' && operation.isolation !== null)
          setIsolation(isolationNames[operation.isolation], runtime);
        const kinds = { begin: 'beginTransaction', commit: 'commit', rollback: 'rollback', save: 'save' } as const;
        await runTransaction(kinds[operation.kind], operation.name, runtime);
      } finally {
        state.frames.length = 0;
      }
    }, frame);
  };

  const executeBatch = (text: string): Promise<void> => {
    const frame = runtime.newFrame({});
    return request(async () => {
      const statements = parseBatch(text, { quotedIdentifier: state.options.quotedIdentifier });
      await runtime.withFrame(frame, async () => {
        await precompile(statements, runtime);
        await runtime.runStatements(statements);
      });
      await dropTableVariables(frame);
    }, frame);
  };

  const dropTableVariables = async (frame: Frame): Promise<void> => {
    for (const table of frame.tables.values()) {
      await runtime.run(`DROP TABLE IF EXISTS ${table.physical}`);
      transaction.unpin(`variable:${table.id}`);
    }
  };

  return {
    spid: deps.spid,
    get database() {
      return state.database.name;
    },
    execute: async (received: SqlRequest, sink: ResponseSink, signal: AbortSignal) => {
      state.sink = sink;
      state.signal = signal;
      state.caught = [];
      state.tryDepth = 0;
      state.frames = [];
      try {
        if (received.kind === 'batch') await executeBatch(received.text);
        else if (received.kind === 'procedure') await executeProcedure(received.name, received.parameters);
        else await executeTransaction(received.operation);
      } catch (error) {
        if (!(error instanceof Cancelled)) throw error;
      } finally {
        state.frames = [];
        state.sink = silent;
        state.signal = never;
        await transaction.endRequest();
      }
    },
    reset: async () => {
      closeAllCursors(state);
      prepared.clear();
      await forgetTemporaryTables(runtime, deps.spid);
      await transaction.close();
      state.options = { ...defaultOptions(), isolation: state.options.isolation };
      state.identityInsert = null;
      state.context.clear();
    },
    close: async () => {
      if (closed) return;
      closed = true;
      closeAllCursors(state);
      try {
        await forgetTemporaryTables(runtime, deps.spid);
      } finally {
        await transaction.close();
        deps.closed();
      }
    },
  };
}

const isolationNames = {
  readUncommitted: 'READ UNCOMMITTED',
  readCommitted: 'READ COMMITTED',
  repeatableRead: 'REPEATABLE READ',
  serializable: 'SERIALIZABLE',
  snapshot: 'SNAPSHOT',
} as const;

/** Before the first request nobody asks for names. */
function unready(): Names {
  const fail = (): never => {
    throw new Error('the session has not begun');
  };
  return { find: fail, findType: fail, findById: fail, load: fail };
}

const pathOf = (name: string): string[] => name.split('.').map((part) => part.replace(/^\[(.*)\]$/, '$1'));

function executeArguments(statement: Prepared, values: readonly ProcedureArgument[]): ProcedureArgument[] {
  const text = (value: string): ProcedureArgument => ({
    name: null,
    value,
    type: { name: 'nvarchar', length: 'max' },
    output: false,
    useDefault: false,
    target: null,
  });
  return [text(statement.text), text(statement.declaration), ...values];
}

/** The backend drops the tables themselves; what the catalog knows of them outlives it. */
async function forgetTemporaryTables({ state }: Pick<Runtime, 'state'>, spid: number): Promise<void> {
  if (!state.transaction.pinned()) return;
  if (state.transaction.count > 0) await state.transaction.rollback();
  await state.transaction.run(
    `DELETE FROM catalog.objects WHERE database_id = 2 AND schema_id = ${100000 + spid}`,
    never,
  );
}

/** Errors before any statement ran: syntax, compilation. XACT_ABORT does not look at them. */
async function refuse(error: SqlError, runtime: Runtime, errors: ErrorHandling): Promise<void> {
  runtime.state.error = error.number;
  errors.report(error, 1, '');
  runtime.state.sink.done({ rowCount: null, inProcedure: false, isSelect: false, failed: true });
}
