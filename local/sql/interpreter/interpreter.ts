import { binders } from '../binder/binders';
import { type Environment } from '../binder/environment';
import { NeedsDefinition } from '../catalog/names';
import { type ObjectDefinition } from '../catalog/definitions';
import { fillHoles } from '../emitter/holes';
import { SqlError, sqlError } from '../errors';
import { parseBatch } from '../parser/parser';
import { type ModuleDefinition, type Statement } from '../parser/ast';
import { type Clock } from '../../../lib/platform/clock';
import { precompile } from './compile-batch';
import { dropTable } from './definitions';
import { Abandon, createErrorHandling } from './error-handling';
import { createEvaluation } from './evaluate';
import { runControl } from './control';
import { isPostgresError, translateError } from './postgres-errors';
import { compileFunction, compiledFunction, NeedsFunction } from './functions';
import { next, type Flow, type Runtime } from './runtime';
import { holeText } from './session-values';
import { type Frame, type SessionState } from './state';
import { Cancelled } from './transaction';

export interface InterpreterDeps {
  state: SessionState;
  clock: Clock;
  nextId: () => number;
  /** Parsed modules, shared by the sessions of an engine. */
  syntax: (module: { id: number; version: number; source: string }) => ModuleDefinition;
}

const maximumNesting = 32;
/** Statements that need no round trip would keep the process from reading an attention: let it breathe now and then. */
const statementsPerBreath = 200;

/** What a procedure or a dynamic batch cannot compile fails the statement that called it, and TRY around that catches it. */
async function ofCaller<T>(compile: () => Promise<T>): Promise<T> {
  try {
    return await compile();
  } catch (error) {
    throw error instanceof SqlError && error.options.scope === 'scope' ? error.with({ scope: 'statement' }) : error;
  }
}

/** The T-SQL interpreter of one session. */
export function createInterpreter(deps: InterpreterDeps): Runtime {
  const { state } = deps;
  const checked = new WeakMap<object, { cache: object; generation: number }>();
  let statementCount = 0;

  const environment = (): Environment => {
    const names = state.names();
    const frame = runtime.frame();
    let alias = 0;
    return {
      databaseId: state.database.id,
      databaseName: state.database.name,
      spid: state.spid,
      find: (path, line) => names.find(path, line),
      findType: (path) => names.findType(path),
      findById: (id) => names.findById(id),
      running: new Set(state.frames.map((active) => active.procedureId)),
      nullsEqual: state.options.flags.get('ANSI_NULLS') === false,
      variables: new Map([...frame.variables].map(([name, variable]) => [name, variable.type])),
      tables: frame.tables,
      compiledFunction: (id) => compiledFunction(id, state.transaction),
      syntax: deps.syntax,
      bind: binders,
      aliases: { next: () => `r${++alias}` },
      locks: [],
    };
  };

  const compile: Runtime['compile'] = async (bind) => {
    for (;;) {
      try {
        return bind(environment());
      } catch (error) {
        if (error instanceof NeedsDefinition) await state.names().load(error.key);
        else if (error instanceof NeedsFunction) await compileFunction(error.id, runtime);
        else throw error;
      }
    }
  };

  const run: Runtime['run'] = async (sql, verb = '', options = {}) => {
    try {
      return await state.transaction.run(runtime.fill(sql), state.signal, options);
    } catch (error) {
      if (error instanceof Cancelled || !isPostgresError(error)) throw error;
      throw await translateError(error, {
        verb,
        databaseName: state.database.name,
        spid: state.spid,
        table: async (name) => {
          const variables = state.frames.flatMap((frame) => [...frame.tables.values()]);
          const variable = variables.find(({ physical }) => physical === `pg_temp.${name}`);
          return variable ?? runtime.describe(Number(/^[a-z]+(\d+)/.exec(name)?.[1] ?? Number.NaN));
        },
      });
    }
  };

  const runtime: Runtime = {
    state,
    clock: deps.clock,
    frame: () => {
      const frame = state.frames.at(-1);
      if (frame === undefined) throw new Error('no batch is running');
      return frame;
    },
    compile,
    memos: { queries: new WeakMap(), changes: new WeakMap(), texts: new WeakMap(), expressions: new WeakMap() },
    compileOnce: async (memo, node, bind) => {
      const { transaction } = state;
      const cache = transaction.cache();
      const known = memo.get(node);
      if (known !== undefined && known.cache === cache && known.generation === cache.generation) return known.value;
      const value = await compile(bind);
      // Table variables get new names each time; functions live in a backend that may be gone by the next time.
      if (runtime.frame().tables.size > 0 || transaction.functions.size > 0) return value;
      memo.set(node, { cache: transaction.cache(), generation: transaction.cache().generation, value });
      return value;
    },
    run,
    fill: (sql) => fillHoles(sql, (name) => holeText(name, runtime)),
    ...createEvaluation(() => runtime),
    runStatements: async (statements) => {
      let at = 0;
      while (at < statements.length) {
        const statement = statements[at];
        if (statement === undefined) break;
        const flow = await runStatement(statement);
        if (flow.kind === 'goto') {
          const target = statements.findIndex(
            (candidate) => candidate.kind === 'label' && candidate.label.toLowerCase() === flow.label.toLowerCase(),
          );
          if (target < 0) return flow;
          at = target;
        } else if (flow.kind !== 'next') return flow;
        else at++;
      }
      return next;
    },
    runText: (text, frame) =>
      runtime.withFrame(frame, async () => {
        const statements = await ofCaller(async () => {
          const parsed = parseBatch(text, { quotedIdentifier: state.options.quotedIdentifier });
          await precompile(parsed, runtime);
          return parsed;
        });
        await runtime.runStatements(statements);
      }),
    runModule: async (_module, syntax, frame) => {
      await runtime.withFrame(frame, async () => {
        // A body that was checked under this catalog need not be checked at every call.
        const cache = state.transaction.cache();
        const known = checked.get(syntax);
        if (known?.cache !== cache || known.generation !== cache.generation) {
          await ofCaller(() => precompile(syntax.body, runtime));
          checked.set(syntax, { cache: state.transaction.cache(), generation: state.transaction.cache().generation });
        }
        await runtime.runStatements(syntax.body);
      });
    },
    newFrame: (from): Frame => ({
      variables: new Map(),
      tables: new Map(),
      procedure: '',
      procedureId: 0,
      level: state.frames.length + 1,
      tryDepth: 0,
      temporary: [],
      updated: null,
      triggerTable: null,
      scopeIdentity: null,
      returnValue: 0,
      options: null,
      ...from,
    }),
    withFrame: async (frame, work) => {
      if (state.frames.length >= maximumNesting) throw sqlError(217);
      const outermost = state.frames.length === 0;
      const saved = { ...state.options, flags: new Map(state.options.flags) };
      state.frames.push(frame);
      // A trigger is part of its statement: what fails in it takes everything back.
      if (frame.triggerTable !== null) state.options.xactAbort = true;
      try {
        await work();
      } catch (error) {
        if (!(error instanceof Abandon) || error.frame !== frame) throw error;
      } finally {
        if (!outermost) {
          await dropLocalTables(frame);
          Object.assign(state.options, saved);
        }
        state.frames.pop();
      }
    },
    describe: (id) => lookUp((names) => names.findById(id)),
    find: (path, line) => lookUp((names) => names.find(path, line)),
    syntax: deps.syntax,
    nextId: deps.nextId,
    info: (message, options = {}) => {
      state.sink.message({
        number: options.number ?? 0,
        severity: options.severity ?? 0,
        state: options.state ?? 1,
        message,
        procedure: runtime.frame().procedure,
        line: currentLine,
      });
    },
    done: (rowCount, isSelect = false) => {
      state.sink.done({
        rowCount: state.options.noCount ? null : rowCount,
        inProcedure: state.frames.length > 1,
        isSelect,
        failed: false,
      });
    },
  };
  let currentLine = 1;

  const lookUp = async (
    find: (names: ReturnType<SessionState['names']>) => ObjectDefinition | null,
  ): Promise<ObjectDefinition | null> => {
    for (;;) {
      try {
        return find(state.names());
      } catch (error) {
        if (!(error instanceof NeedsDefinition)) throw error;
        await state.names().load(error.key);
      }
    }
  };

  const dropLocalTables = async (frame: Frame): Promise<void> => {
    for (const [, table] of frame.tables) {
      // a table-valued parameter belongs to the caller
      if (table.physical.startsWith('pg_temp.v') && table.readOnly !== true) {
        await run(`DROP TABLE IF EXISTS ${table.physical}`).catch(() => undefined);
        state.transaction.unpin(`variable:${table.id}`);
      }
    }
    for (const name of frame.temporary) {
      await dropTable([name], true, 0, runtime).catch(() => undefined);
    }
  };

  const errors = createErrorHandling(() => runtime);

  const runStatement = async (statement: Statement): Promise<Flow> => {
    if (state.signal.aborted) throw new Cancelled();
    if (++statementCount % statementsPerBreath === 0) await new Promise((resolve) => setImmediate(resolve));
    currentLine = statement.line;
    try {
      if (state.options.noExecute && statement.kind !== 'setOption') {
        // Variables exist once their batch is compiled; nothing gives them a value.
        if (statement.kind !== 'declare') return next;
        const variables = statement.variables.map((variable) => ({ ...variable, value: null }));
        return await runControl({ ...statement, variables }, runtime, errors);
      }
      return await runControl(statement, runtime, errors);
    } catch (error) {
      if (!(error instanceof SqlError)) throw error;
      return errors.raise(error, statement);
    }
  };
  return runtime;
}
