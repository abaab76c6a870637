import { bindCondition, bindExpression, resolveType, type Environment, tableTypeBody } from '../binder/environment';
import { emptyScope } from '../binder/scope';
import { type TableDefinition } from '../catalog/definitions';
import { SqlError, undeclaredVariable, sqlError } from '../errors';
import { type Condition, type Expression, type Statement } from '../parser/ast';
import { parseTableBodyText } from '../parser/parser';
import { isKind, nestedOf, pathOf, someNode } from '../parser/walk';
import { type SqlType } from '../session';
import { compileChange } from './changes';
import { planTableVariable } from './table-drafts';
import { compileQuery, withNumbers } from './queries';
import { type Runtime } from './runtime';

/** Errors that SQL Server leaves to run time: what they miss may exist by then. */
const deferred = new Set([208, 4121, 4120, 1088, 4902, 40515, 1767, 2812]);

interface Declared {
  variables: Map<string, SqlType>;
  tables: Map<string, TableDefinition>;
}

/**
 * Checks a whole batch before any of it runs, as SQL Server's compiler does: modules stand alone, variables are declared
 * once and before their use, and statements over tables that exist name columns that exist.
 *
 * @throws SqlError; the batch has had no effect then.
 */
export async function precompile(statements: readonly Statement[], runtime: Runtime): Promise<void> {
  const frame = runtime.frame();
  if (frame.procedure === '') checkPlaces(statements);
  else statements.forEach(checkNested);
  checkLabels(statements);
  checkTemporaryTables(statements);
  const declared: Declared = {
    variables: new Map([...frame.variables].map(([name, { type }]) => [name, type])),
    tables: new Map(frame.tables),
  };
  await checkAll(statements, declared, runtime);
}

function checkPlaces(statements: readonly Statement[]): void {
  statements.forEach((statement, index) => {
    if (statement.kind === 'createModule' && (index > 0 || statements.length > 1)) {
      const { mode, definition } = statement;
      const verb = definition.kind === 'procedure' || mode === 'createOrAlter' ? 'CREATE/ALTER' : mode.toUpperCase();
      throw sqlError(111, [`${verb} ${definition.kind.toUpperCase()}`], { line: statement.line });
    }
    if (statement.kind === 'createSchema' && index > 0)
      throw sqlError(111, ['CREATE SCHEMA'], { line: statement.line });
    for (const inner of nestedOf(statement)) checkNested(inner);
  });
}

function checkNested(statement: Statement): void {
  if (statement.kind === 'createModule')
    throw sqlError(156, [statement.definition.kind.toUpperCase()], { line: statement.line });
  if (statement.kind === 'createSchema') throw sqlError(156, ['SCHEMA'], { line: statement.line });
  for (const inner of nestedOf(statement)) checkNested(inner);
}

/** What a function may not do, as message 443 calls it. Calling a procedure is refused when it is called. */
// prettier-ignore
const sideEffects: Readonly<Partial<Record<Statement['kind'], string>>> = {
  insert: 'INSERT', update: 'UPDATE', delete: 'DELETE', merge: 'MERGE', createTable: 'CREATE TABLE', alterTable: 'ALTER TABLE',
  createIndex: 'CREATE INDEX', truncate: 'TRUNCATE TABLE', drop: 'DROP', print: 'PRINT', raiserror: 'RAISERROR', throw: 'THROW',
  try: 'BEGIN TRY', waitfor: 'WAITFOR', beginTransaction: 'BEGIN TRANSACTION', commit: 'COMMIT TRANSACTION',
  rollback: 'ROLLBACK TRANSACTION', save: 'SAVE TRANSACTION', setOption: 'SET OPTION ON', setIdentityInsert: 'SET OPTION ON',
  setIsolation: 'SET OPTION ON',
};
const changing = new Set(['NEWID', 'NEWSEQUENTIALID', 'RAND']);

/** Looks through a statement's own expressions; nested statements are looked at for themselves. */
function refuseInFunction(statement: Statement): void {
  const { line } = statement;
  someNode(statement, (node) => {
    const [name = ''] = pathOf(node) ?? [];
    if (name.startsWith('#')) throw sqlError(2772, [], { line });
    if (isKind(node, 'call') && changing.has(name.toUpperCase())) throw sqlError(443, [name.toLowerCase()], { line });
    return false;
  });
}

/** A scalar function computes and returns, and does nothing else. */
export function checkFunctionBody(statements: readonly Statement[], scalar: boolean): void {
  const bare = (statement: Statement): Statement | undefined =>
    statement.kind === 'return' && statement.value === null ? statement : nestedOf(statement).map(bare).find(Boolean);
  const [empty] = scalar ? statements.map(bare).filter((found) => found !== undefined) : [];
  if (empty !== undefined) throw sqlError(1075, [], { line: empty.line });
  const walk = (statement: Statement): void => {
    const returnsRows =
      statement.kind === 'query' &&
      !(statement.query.body.kind === 'select' && statement.query.body.items.every((item) => item.kind === 'assign'));
    if (nestedOf(statement).length === 0) refuseInFunction(statement);
    if (returnsRows) throw sqlError(444, [], { line: statement.line });
    const onVariable =
      'target' in statement && Array.isArray(statement.target) && String(statement.target[0]).startsWith('@');
    const effect =
      statement.kind === 'execute' && statement.target.kind === 'text' ? 'EXECUTE STRING' : sideEffects[statement.kind];
    if (effect !== undefined && !onVariable) throw sqlError(443, [effect], { line: statement.line });
    nestedOf(statement).forEach(walk);
  };
  statements.forEach(walk);
  const last = statements.at(-1);
  const end = last?.kind === 'block' ? last.body.at(-1) : last;
  if (end?.kind !== 'return') throw sqlError(455, [], { line: end?.line ?? 1 });
}

function checkLabels(statements: readonly Statement[]): void {
  const labels = new Set<string>();
  const jumps: { label: string; line: number }[] = [];
  const walk = (statement: Statement, insideLoop: boolean): void => {
    if (statement.kind === 'label') {
      const key = statement.label.toLowerCase();
      if (labels.has(key)) throw sqlError(132, [statement.label], { line: statement.line });
      labels.add(key);
    }
    if (statement.kind === 'goto') jumps.push({ label: statement.label, line: statement.line });
    if ((statement.kind === 'break' || statement.kind === 'continue') && !insideLoop) {
      throw sqlError(statement.kind === 'break' ? 135 : 136, [], { line: statement.line });
    }
    for (const inner of nestedOf(statement)) walk(inner, insideLoop || statement.kind === 'while');
  };
  for (const statement of statements) walk(statement, false);
  const missing = jumps.find(({ label }) => !labels.has(label.toLowerCase()));
  if (missing !== undefined) throw sqlError(133, [missing.label], { line: missing.line });
}

/** One batch creates a temporary table in one place only, whichever of them would run. */
function checkTemporaryTables(statements: readonly Statement[]): void {
  const seen = new Set<string>();
  const walk = (statement: Statement): void => {
    const { body } = statement.kind === 'query' ? statement.query : { body: null };
    const path = statement.kind === 'createTable' ? statement.path : body?.kind === 'select' ? body.into : null;
    const name = path?.at(-1) ?? '';
    if (name.startsWith('#')) {
      if (seen.has(name.toLowerCase())) throw sqlError(2714, [name], { line: statement.line });
      seen.add(name.toLowerCase());
    }
    nestedOf(statement).forEach(walk);
  };
  statements.forEach(walk);
}

async function checkAll(statements: readonly Statement[], declared: Declared, runtime: Runtime): Promise<void> {
  for (const statement of statements) {
    await check(statement, declared, runtime);
    await checkAll(nestedOf(statement), declared, runtime);
  }
}

async function check(statement: Statement, declared: Declared, runtime: Runtime): Promise<void> {
  /** A copy: what the batch declares must not be there before it runs. */
  const within = (environment: Environment): Environment => ({
    ...environment,
    variables: new Map(declared.variables),
    tables: new Map(declared.tables),
  });
  const attempt = async (bind: (environment: Environment) => unknown): Promise<void> => {
    try {
      await runtime.compile((environment) => bind(within(environment)));
    } catch (error) {
      if (!(error instanceof SqlError)) throw error;
      if (deferred.has(error.number)) return;
      throw error.with({ line: error.options.line ?? statement.line });
    }
  };
  const expression = (node: Expression | null): Promise<void> =>
    node === null ? Promise.resolve() : attempt((environment) => bindExpression(node, emptyScope(), environment));
  const condition = (node: Condition): Promise<void> =>
    attempt((environment) => bindCondition(node, emptyScope(), environment));
  const variable = (name: string | null, line = statement.line): void => {
    if (name !== null && !name.startsWith('@@') && !declared.variables.has(name)) throw undeclaredVariable(name, line);
  };

  switch (statement.kind) {
    case 'declare':
      for (const { name, type, value, line } of statement.variables) {
        if (declared.variables.has(name) || declared.tables.has(name)) throw duplicateVariable(name, line);
        const body = await runtime.compile((environment) => tableTypeBody(environment, type));
        if (body !== null) {
          const plan = await runtime.compile((environment) =>
            planTableVariable(name, parseTableBodyText(body), 0, runtime, environment),
          );
          declared.tables.set(name, plan.table);
          continue;
        }
        await expression(value);
        declared.variables.set(name, await runtime.compile((environment) => resolveType(environment, type)));
      }
      return;
    case 'declareTable': {
      if (declared.variables.has(statement.name) || declared.tables.has(statement.name))
        throw duplicateVariable(statement.name, statement.line);
      const plan = await runtime.compile((environment) =>
        planTableVariable(statement.name, statement.body, 0, runtime, environment),
      );
      declared.tables.set(statement.name, plan.table);
      return;
    }
    case 'query':
      return attempt((environment) =>
        compileQuery(
          statement.query.body.kind === 'select' && statement.query.body.into !== null
            ? withNumbers({ ...statement.query, body: { ...statement.query.body, into: null } }).query
            : statement.query,
          environment,
        ),
      );
    case 'insert':
      if (statement.source !== null && !('body' in statement.source)) return;
      return attempt((environment) => compileChange(statement, statement.line, environment));
    case 'update':
    case 'delete':
      return attempt((environment) => compileChange({ ...statement, cursor: null }, statement.line, environment));
    case 'merge':
      return attempt((environment) => compileChange(statement, statement.line, environment));
    case 'if':
    case 'while':
      return condition(statement.condition);
    case 'setVariable':
      variable(statement.variable);
      return expression(statement.value);
    case 'print':
      if (statement.value.kind === 'subquery') {
        throw sqlError(1046, [], { line: statement.line });
      }
      return expression(statement.value);
    case 'return':
      if (statement.value !== null && runtime.frame().procedure === '')
        throw sqlError(178, [], { line: statement.line });
      return expression(statement.value);
    case 'raiserror':
      for (const node of [statement.message, statement.severity, statement.state, ...statement.args])
        await expression(node);
      return;
    case 'throw':
      for (const node of [statement.number, statement.message, statement.state]) await expression(node);
      return;
    case 'execute':
      variable(statement.result);
      if (statement.target.kind === 'variable') variable(statement.target.name);
      if (statement.target.kind === 'text') for (const part of statement.target.parts) await expression(part);
      for (const arg of statement.args)
        if (arg.value.kind === 'variable' && !declared.tables.has(arg.value.name)) await expression(arg.value);
      return;
    case 'fetch':
      for (const name of statement.into) variable(name);
      return;
    case 'declareCursor':
      return attempt((environment) => compileQuery(statement.cursor.query, environment));
    default:
      return;
  }
}

const duplicateVariable = (name: string, line: number): SqlError => sqlError(134, [name], { line });
