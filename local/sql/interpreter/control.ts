import { bindExpression, resolveType, tableTypeBody } from '../binder/environment';
import { notSupported, SqlError, undeclaredVariable, sqlError } from '../errors';
import { bindBinary } from '../binder/expressions';
import { emptyScope, same } from '../binder/scope';
import { familyOf, isLarge, nvarchar } from '../binder/types';
import { convert } from '../emitter/convert';
import { type AssignOperator, type Expression, type Statement } from '../parser/ast';
import { parseTableBodyText } from '../parser/parser';
import { type SqlType } from '../session';
import { runChange } from './changes';
import { atCursor, closeCursor, declareCursor, fetchCursor, openCursor } from './cursors';
import * as definitions from './definitions';
import { Raised, rollBack, type ErrorHandling } from './error-handling';
import { formatMessage, type FormatArgument } from './format-message';
import { runExecute, runInsertExecute } from './procedures';
import { runQuery } from './queries';
import { next, type Flow, type Runtime } from './runtime';
import { keepTableVariables } from './table-variables';
import { Cancelled } from './transaction';
import { checkIdentity, setIdentityInsert, setIsolation, setOption } from './options';

/** Kinds that a doomed transaction still allows. */
const harmless = new Set(
  `query declare setVariable setOption if while block try break continue return goto label print raiserror throw waitfor
  rollback execute setIsolation cursor fetch nothing use declareTable declareCursor commit`.split(/\s+/),
);

/** Runs one statement. */
export async function runControl(statement: Statement, runtime: Runtime, errors: ErrorHandling): Promise<Flow> {
  const { state } = runtime;
  const { line } = statement;
  if (state.transaction.doomed && !harmless.has(statement.kind)) throw sqlError(3930);
  switch (statement.kind) {
    case 'if': {
      const branch = (await runtime.test(statement.condition)) ? statement.then : statement.otherwise;
      state.rowCount = 0;
      state.error = 0;
      return branch === null ? next : runtime.runStatements([branch]);
    }
    case 'while':
      return runWhile(statement, runtime);
    case 'block':
      return runtime.runStatements(statement.body);
    case 'try':
      return runTry(statement, runtime);
    case 'break':
    case 'continue':
      return { kind: statement.kind };
    case 'goto':
      return { kind: 'goto', label: statement.label };
    case 'label':
      return next;
    case 'return':
      if (statement.value !== null)
        runtime.frame().returnValue = Number((await runtime.evaluateAs(statement.value, { name: 'int' })) ?? 0);
      return { kind: 'return' };
    case 'raiserror':
      await raiseError(statement, runtime);
      return next;
    case 'throw':
      return throwError(statement, runtime);
    case 'execute': {
      await runExecute({ ...statement, line }, runtime, errors);
      return next;
    }
    default:
      await runPlain(statement, runtime);
      state.error = 0;
      return next;
  }
}

async function runPlain(statement: Statement, runtime: Runtime): Promise<void> {
  const { state } = runtime;
  const { line } = statement;
  switch (statement.kind) {
    case 'query': {
      const { body } = statement.query;
      if (body.kind === 'select' && body.into !== null)
        return definitions.selectInto({ ...statement.query, body: { ...body, into: null } }, body.into, line, runtime);
      return runQuery(statement.query, runtime);
    }
    case 'insert':
      startImplicit(runtime);
      if (statement.source !== null && !('body' in statement.source))
        return runInsertExecute(statement, statement.source, line, runtime);
      return runChange(statement, line, runtime);
    case 'update':
    case 'delete':
      startImplicit(runtime);
      return runChange(atCursor(statement, line, runtime), line, runtime);
    case 'merge':
      startImplicit(runtime);
      return runChange(statement, line, runtime);
    case 'declare':
      return declare(statement, runtime);
    case 'setVariable':
      await assignVariable(statement.variable, statement.operator, statement.value, line, runtime);
      state.rowCount = 1;
      return;
    case 'print': {
      const text = await runtime.evaluateAs(
        {
          kind: 'cast',
          operand: statement.value,
          type: { name: 'nvarchar', schema: null, type: nvarchar('max'), rowversion: false, line },
          style: null,
          try: false,
          name: 'CAST',
          line,
        },
        nvarchar('max'),
      );
      runtime.info((text ?? ' ').slice(0, 4000));
      state.rowCount = 0;
      return;
    }
    case 'waitfor':
      return waitFor(statement.mode, statement.value, runtime);
    case 'beginTransaction':
    case 'commit':
    case 'rollback':
    case 'save':
      state.rowCount = 0;
      return runTransaction(statement.kind, await nameOf(statement.name, runtime), runtime);
    case 'setOption':
      return setOption(statement, runtime);
    case 'setIdentityInsert':
      return setIdentityInsert(statement.path, statement.on, line, runtime);
    case 'setIsolation':
      return setIsolation(statement.level, runtime);
    case 'use':
      return use(statement.database, runtime);
    case 'nothing':
      return;
    case 'declareTable':
      return definitions.declareTable(statement.name, statement.body, runtime);
    case 'declareCursor':
      return declareCursor(statement.cursor, runtime);
    case 'cursor':
      return statement.action === 'open'
        ? openCursor(statement.name, runtime)
        : closeCursor(statement.name, statement.action, runtime);
    case 'fetch':
      return fetchCursor(statement, runtime);
    case 'statistics':
      return definitions.runStatistics(statement, line, runtime);
    case 'checkIdent':
      return checkIdentity(statement, line, runtime);
    case 'createTable':
      startImplicit(runtime);
      return definitions.createTable(statement, line, runtime);
    case 'alterTable':
      startImplicit(runtime);
      return definitions.alterTable(statement, line, runtime);
    case 'truncate':
      startImplicit(runtime);
      return definitions.truncate(statement, line, runtime);
    case 'createIndex':
      return definitions.createIndex(statement, line, runtime);
    case 'dropIndex':
      return definitions.dropIndex(statement, line, runtime);
    case 'alterIndex':
      return definitions.alterIndex(statement, line, runtime);
    case 'createModule':
      return definitions.createModule(statement, line, runtime);
    case 'triggerState':
      return definitions.setTriggerState(statement, line, runtime);
    case 'drop':
      startImplicit(runtime);
      return definitions.drop(statement, line, runtime);
    case 'createSchema':
    case 'alterSchema':
    case 'createSequence':
    case 'alterSequence':
    case 'createSynonym':
    case 'createType':
    case 'createPrincipal':
    case 'roleMember':
    case 'permission':
      return definitions.runSchemaObject(statement, runtime);
    default:
      throw notSupported(`the statement ${statement.kind}`, line);
  }
}

async function runWhile(statement: Extract<Statement, { kind: 'while' }>, runtime: Runtime): Promise<Flow> {
  while (await runtime.test(statement.condition)) {
    const flow = await runtime.runStatements([statement.body]);
    if (flow.kind === 'break') break;
    if (flow.kind === 'return' || flow.kind === 'goto') return flow;
  }
  return next;
}

async function runTry(statement: Extract<Statement, { kind: 'try' }>, runtime: Runtime): Promise<Flow> {
  const { state } = runtime;
  const frame = runtime.frame();
  const caughtBefore = state.caught.length;
  state.tryDepth++;
  frame.tryDepth++;
  let raised: Raised;
  try {
    return await runtime.runStatements(statement.body);
  } catch (error) {
    const ownScope = error instanceof Raised && error.error.options.scope === 'scope' && error.frame === frame;
    if (!(error instanceof Raised) || ownScope) throw error;
    raised = error;
  } finally {
    state.tryDepth--;
    frame.tryDepth--;
  }
  state.caught.length = caughtBefore;
  state.caught.push(raised);
  try {
    return await runtime.runStatements(statement.handler);
  } finally {
    state.caught.length = caughtBefore;
  }
}

async function declare(statement: Extract<Statement, { kind: 'declare' }>, runtime: Runtime): Promise<void> {
  for (const { name, type: typeName, value } of statement.variables) {
    const body = await runtime.compile((environment) => tableTypeBody(environment, typeName));
    if (body !== null) {
      await definitions.declareTable(name, parseTableBodyText(body), runtime);
      continue;
    }
    const type = await runtime.compile((environment) => resolveType(environment, typeName));
    const { variables } = runtime.frame();
    // A DECLARE inside a loop declares once; without a value it changes nothing.
    if (!variables.has(name)) variables.set(name, { type, value: null });
    if (value === null) continue;
    const assigned = await runtime.evaluateAs(value, type);
    variables.set(name, { type, value: assigned });
    runtime.state.rowCount = 1;
  }
}

export async function assignVariable(
  name: string,
  operator: AssignOperator,
  value: Expression,
  line: number,
  runtime: Runtime,
): Promise<void> {
  const variable = runtime.frame().variables.get(name);
  if (variable === undefined) throw undeclaredVariable(name, line);
  if (operator === '=') {
    variable.value = await runtime.evaluateAs(value, variable.type);
    return;
  }
  const sql = await runtime.compileOnce(runtime.memos.texts, value, (environment) => {
    const current = bindExpression({ kind: 'variable', name, line }, emptyScope(), environment);
    const op = operator.slice(0, 1);
    const binary =
      op === '-' || op === '*' || op === '/' || op === '%' || op === '&' || op === '|' || op === '^' ? op : '+';
    return convert(bindBinary(binary, current, bindExpression(value, emptyScope(), environment), line), variable.type, {
      line,
    });
  });
  const [result] = await runtime.run(`SELECT ${sql}`);
  variable.value = result?.rows[0]?.[0] ?? null;
}

async function waitFor(mode: 'delay' | 'time', value: Expression, runtime: Runtime): Promise<void> {
  const text = (await runtime.evaluateAs(value, { name: 'varchar', length: 30 })) ?? '';
  const match = /^\s*(\d{1,2}):(\d{1,2})(?::(\d{1,2})(?:[.:](\d{1,3}))?)?\s*$/.exec(text);
  if (match === null) throw sqlError(148, [text]);
  const [, hours = '0', minutes = '0', seconds = '0', fraction = '0'] = match;
  let delayMs =
    ((Number(hours) * 60 + Number(minutes)) * 60 + Number(seconds)) * 1000 + Number(fraction.padEnd(3, '0'));
  if (mode === 'time') {
    const dayMs = 86_400_000;
    delayMs = (delayMs - (runtime.clock.nowMs() % dayMs) + dayMs) % dayMs;
  }
  const { signal } = runtime.state;
  try {
    await runtime.clock.sleep(delayMs, signal);
  } catch (error) {
    throw signal.aborted ? new Cancelled() : error;
  }
}

/** Transactions: what the T-SQL statements do, and the driver's transaction requests. */
export async function runTransaction(
  kind: 'beginTransaction' | 'commit' | 'rollback' | 'save',
  name: string,
  runtime: Runtime,
): Promise<void> {
  const { state } = runtime;
  const { transaction } = state;
  switch (kind) {
    case 'beginTransaction': {
      const outermost = transaction.count === 0;
      transaction.begin(name);
      if (outermost) state.sink.environment({ kind: 'beginTransaction', descriptor: transaction.descriptor });
      return;
    }
    case 'commit': {
      if (transaction.count === 0) throw sqlError(3902);
      if (transaction.doomed) throw sqlError(3930);
      const outermost = transaction.count === 1;
      await transaction.commit();
      if (outermost) state.sink.environment({ kind: 'commitTransaction', descriptor: transaction.descriptor });
      return;
    }
    case 'save':
      if (transaction.count === 0) throw sqlError(628);
      if (transaction.doomed) throw sqlError(3931);
      await transaction.save(name, state.signal);
      return;
    case 'rollback': {
      if (transaction.count === 0) throw sqlError(3903);
      const whole = name === '' || same(name, transaction.name);
      if (!whole && transaction.doomed) throw sqlError(3931);
      if (!whole) {
        const restore = await keepTableVariables(runtime);
        if (await transaction.rollbackTo(name, state.signal)) return restore();
      }
      if (!whole) throw sqlError(6401, [name]);
      await rollBack(runtime);
      return;
    }
  }
}

async function nameOf(name: Expression | string | null, runtime: Runtime): Promise<string> {
  if (name === null) return '';
  return typeof name === 'string' ? name : ((await runtime.evaluateAs(name, nvarchar(32))) ?? '');
}

/** SET IMPLICIT_TRANSACTIONS ON: the first statement that changes something begins one. */
function startImplicit(runtime: Runtime): void {
  const { state } = runtime;
  if (!state.options.implicitTransactions || state.transaction.count > 0) return;
  state.transaction.begin('');
  state.sink.environment({ kind: 'beginTransaction', descriptor: state.transaction.descriptor });
}

function use(database: string, { state }: Runtime): void {
  if (same(database, state.database.name)) {
    state.sink.environment({ kind: 'database', from: state.database.name, to: state.database.name });
    state.sink.message({
      number: 5701,
      severity: 0,
      state: 1,
      message: `Changed database context to '${state.database.name}'.`,
      procedure: '',
      line: 1,
    });
    return;
  }
  throw sqlError(40508);
}

async function raiseError(statement: Extract<Statement, { kind: 'raiserror' }>, runtime: Runtime): Promise<void> {
  const { state } = runtime;
  const int: SqlType = { name: 'int' };
  const { value: message, type } = await runtime.evaluate(statement.message);
  const severity = Number((await runtime.evaluateAs(statement.severity, int)) ?? 16);
  const given = Number((await runtime.evaluateAs(statement.state, int)) ?? 1);
  const errorState = given < 0 || given > 255 ? 1 : given;
  const args: FormatArgument[] = [];
  for (const [index, arg] of statement.args.entries()) {
    const { value, type: given } = await runtime.evaluate(arg);
    const family = familyOf(given);
    if (given.name === 'bit' || isLarge(given) || !['integer', 'string', 'binary'].includes(family))
      throw sqlError(2748, [given.name, index + 4], { raised: true });
    args.push({ value, numeric: arg.kind === 'literal' && arg.type === 'null' ? null : family === 'integer' });
  }
  if (['int', 'bigint', 'smallint', 'tinyint'].includes(type.name)) {
    if (Number(message) < 13000 || Number(message) === 50000) throw sqlError(2732, [message ?? ''], { raised: true });
    throw sqlError(18054, [message ?? '', severity, errorState], { raised: true });
  }
  if (severity > 18 && !statement.options.includes('LOG')) throw sqlError(2754, [], { raised: true });
  const text = formatMessage(message ?? '', args).slice(0, 2047);
  state.rowCount = 0;
  if (severity <= 10) {
    // SQL Server itself turns 10 into 0 on the wire.
    runtime.info(text, { number: 50000, severity: severity === 10 ? 0 : Math.max(0, severity), state: errorState });
    state.error = statement.options.includes('SETERROR') ? 50000 : 0;
    return;
  }
  throw new SqlError(50000, text, { severity, state: errorState, raised: true });
}

async function throwError(statement: Extract<Statement, { kind: 'throw' }>, runtime: Runtime): Promise<Flow> {
  const { state } = runtime;
  if (statement.number === null || statement.message === null || statement.state === null) {
    const caught = state.caught.at(-1);
    if (caught === undefined) throw sqlError(10704);
    const { error, line, procedure } = caught;
    throw error.with({
      line,
      procedure,
      raised: false,
      scope: error.options.scope === 'transaction' ? 'transaction' : 'batch',
    });
  }
  const number = Number(await runtime.evaluateAs(statement.number, { name: 'int' }));
  const message = (await runtime.evaluateAs(statement.message, nvarchar(2048))) ?? '';
  const errorState = Number(await runtime.evaluateAs(statement.state, { name: 'int' }));
  if (number < 50000) throw sqlError(35100, [number]);
  throw new SqlError(number, message.replaceAll('%%', '%'), { state: errorState, scope: 'batch' });
}
