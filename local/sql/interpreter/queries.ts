import { type BoundColumn, type BoundQuery } from '../binder/bound';
import { bindExpression, bindQuery, type Environment } from '../binder/environment';
import { variableType } from '../binder/environment';
import { type Scope, type SourceColumn } from '../binder/scope';
import { familyOf, int } from '../binder/types';
import { notSupported, sqlError } from '../errors';
import { convert } from '../emitter/convert';
import { hole } from '../emitter/holes';
import { type Typed } from '../emitter/typed';
import { binaryOf, type Expression, type Query, type Select, type SelectItem } from '../parser/ast';
import { parseExpressionText, parseTypeText } from '../parser/parser';
import { type SqlColumn, type SqlType } from '../session';
import { type TableLock } from '../binder/environment';
import { type CompiledQuery } from './compiled';
import { type Runtime } from './runtime';
import { toSqlValue } from './values';

type Assignment = Extract<SelectItem, { kind: 'assign' }>;

/** A query at statement level. SELECT @x = ... yields one column for each variable. */
export function compileQuery(query: Query, environment: Environment): CompiledQuery {
  const { body } = query;
  const assignments =
    body.kind === 'select' ? body.items.filter((item): item is Assignment => item.kind === 'assign') : [];
  if (assignments.length === 0)
    return { ...bindQuery(query, null, environment, { top: true }), locks: environment.locks, variables: [] };
  if (body.kind !== 'select' || assignments.length < body.items.length) throw sqlError(141, [], { line: query.line });
  const variables = assignments.map(({ variable, line }) => ({
    name: variable,
    type: variableType(environment, variable, line),
  }));
  const names = new Set(variables.map(({ name }) => name));
  const accumulates = assignments.some(({ expression, operator }) => operator !== '=' || mentions(expression, names));
  if (accumulates && body.from.length > 0)
    return {
      ...compileAccumulation(query, body, assignments, variables, environment),
      locks: environment.locks,
      variables,
    };
  const items = assignments.map((item): SelectItem => ({
    kind: 'expression',
    expression: complete(item),
    alias: item.variable,
    line: item.line,
  }));
  const bound = bindQuery({ ...query, body: { ...body, items } }, null, environment, { top: true });
  return { ...converted(bound, variables, environment), locks: environment.locks, variables };
}

/** `@x += e` as `@x + e`. */
function complete({ operator, variable, expression, line }: Assignment): Expression {
  const binary = binaryOf(operator);
  if (binary === null) return expression;
  return {
    kind: 'binary',
    operator: binary,
    left: { kind: 'variable', name: variable, line },
    right: expression,
    line,
  };
}

const mentions = (node: object, names: ReadonlySet<string>): boolean =>
  Object.values(node).some((part: unknown) =>
    typeof part === 'string' ? names.has(part) : typeof part === 'object' && part !== null && mentions(part, names),
  );

function converted(bound: BoundQuery, variables: readonly { type: SqlType }[], environment: Environment): BoundQuery {
  const alias = environment.aliases.next();
  const list = bound.columns.map(
    (column, index) =>
      `${convert({ ...column, sql: `${alias}.o${index + 1}`, trimmed: undefined, constant: undefined }, variables[index]?.type ?? column.type)} AS o${index + 1}`,
  );
  return { ...bound, sql: `SELECT ${list.join(', ')} FROM (${bound.sql}) AS ${alias}` };
}

/**
 * `SELECT @s = @s + name FROM t`: each row sees what the one before it assigned. The rows are numbered and folded by a
 * recursive query, so that it is one round trip however many there are.
 */
function compileAccumulation(
  query: Query,
  body: Select,
  assignments: readonly Assignment[],
  variables: readonly { name: string; type: SqlType }[],
  environment: Environment,
): BoundQuery {
  if (body.groupBy.length > 0 || body.distinct)
    throw notSupported('SELECT @x = @x + ... with GROUP BY or DISTINCT', query.line);
  const [row, folded] = [environment.aliases.next(), environment.aliases.next()];
  const captured = new Map<string, SourceColumn & { outer: string }>();
  const names = new Map(variables.map(({ name }, index) => [name, index]));
  const steps: string[] = [];
  const collate = (type: SqlType): string => (familyOf(type) === 'string' ? ' COLLATE tsql.ci' : '');
  const items = (scope: Scope): BoundColumn[] => {
    const capture = (column: SourceColumn): Typed => {
      const known = captured.get(column.sql) ?? { ...column, outer: `${row}.o${captured.size + 1}` };
      captured.set(column.sql, known);
      return { ...known, sql: known.outer, trimmed: undefined };
    };
    assignments.forEach((item, index) => {
      const typed = bindExpression(complete(item), { ...scope, capture }, environment);
      const type = variables[index]?.type ?? int;
      steps.push(`${replaceHoles(convert(typed, type), names, folded)}${collate(type)}`);
    });
    const columns = [...captured.values()].map((column) => ({ ...column, name: '' }));
    return columns.length > 0 ? columns : [{ name: '', sql: '1', type: int, nullable: false, collation: null }];
  };
  const rows = bindQuery(query, null, environment, { top: true, items });
  const seeds = variables.map(({ name, type }) => `${hole(name)}${collate(type)}`);
  const accumulators = variables.map((_, index) => `a${index}`);
  const sql = `WITH RECURSIVE ${row}s AS MATERIALIZED (SELECT row_number() OVER () AS n, ${row}q.* FROM (${rows.sql}) AS ${row}q), ${folded}(n, ${accumulators.join(', ')}) AS (SELECT 0::int8, ${seeds.join(', ')} UNION ALL SELECT ${row}.n, ${steps.join(', ')} FROM ${folded} JOIN ${row}s AS ${row} ON ${row}.n = ${folded}.n + 1) SELECT ${accumulators.map((name, index) => `${name} AS o${index + 1}`).join(', ')} FROM ${folded} WHERE n > 0 ORDER BY n DESC LIMIT 1`;
  return {
    sql,
    columns: variables.map(({ name, type }) => ({ name, type, sql: '', nullable: true, collation: null })),
  };
}

type Numbers = { seed: string; increment: string };

/** `IDENTITY(int, 1, 1) AS n` of SELECT INTO as a row number, and what the new column counts by. */
export function withNumbers(query: Query): { query: Query; numbered: ReadonlyMap<string, Numbers> } {
  const { body } = query;
  const numbered = new Map<string, Numbers>();
  if (body.kind !== 'select') return { query, numbered };
  const items = body.items.map((item): SelectItem => {
    if (item.kind !== 'expression' || item.expression.kind !== 'call' || item.expression.path.join() !== 'IDENTITY')
      return item;
    const { args, line } = item.expression;
    const [typeName, seed, increment] = args.map((arg) =>
      arg.kind === 'literal' ? arg.text : arg.kind === 'column' ? arg.path.join('.') : '',
    );
    const numbers = { seed: seed ?? '1', increment: increment ?? '1' };
    numbered.set(item.alias ?? '', numbers);
    const literal = (text: string): Expression => ({ kind: 'literal', type: 'int', text, line });
    const binary = (operator: '+' | '-' | '*', left: Expression, right: Expression): Expression => ({
      kind: 'binary',
      operator,
      left,
      right,
      line,
    });
    const orderBy = [{ expression: parseExpressionText('(SELECT NULL)'), descending: false }];
    const count: Expression = {
      ...{ kind: 'call', path: ['ROW_NUMBER'], args: [], distinct: false, star: false, orderWithin: [], line },
      over: { partitionBy: [], orderBy, frame: '' },
    };
    const operand = binary(
      '+',
      literal(numbers.seed),
      binary('*', binary('-', count, literal('1')), literal(numbers.increment)),
    );
    const type = parseTypeText(typeName ?? 'int');
    return { ...item, expression: { kind: 'cast', operand, type, style: null, try: false, name: 'CAST', line } };
  });
  return { query: { ...query, body: { ...body, items } }, numbered };
}

function replaceHoles(sql: string, names: ReadonlyMap<string, number>, folded: string): string {
  let result = sql;
  for (const [name, index] of names) result = result.replaceAll(hole(name), `${folded}.a${index}`);
  return result;
}

export function describeColumns(columns: readonly BoundColumn[]): SqlColumn[] {
  return columns.map((column) => ({
    name: column.name,
    type: column.type,
    nullable: column.nullable,
    ...(column.identity === true ? { identity: true } : {}),
  }));
}

/** Runs a SELECT and sends its rows, or assigns its variables. */
export async function runQuery(query: Query, runtime: Runtime): Promise<void> {
  const { state } = runtime;
  const compiled = await runtime.compileOnce(runtime.memos.queries, query, (environment) =>
    compileQuery(query, environment),
  );
  const sql = withLocks(compiled.sql, compiled.locks, runtime);
  if (compiled.variables.length > 0) {
    const results = await runtime.run(sql, 'SELECT');
    const rows = results.at(-1)?.rows ?? [];
    const last = rows.at(-1);
    compiled.variables.forEach(({ name }, index) => {
      const variable = runtime.frame().variables.get(name);
      if (variable !== undefined && last !== undefined) variable.value = last[index] ?? null;
    });
    state.rowCount = rows.length;
    return;
  }
  await streamRows(sql, compiled.columns, 'SELECT', runtime);
}

/** Sends a result set as PostgreSQL yields it. */
export async function streamRows(
  sql: string,
  columns: readonly BoundColumn[],
  verb: string,
  runtime: Runtime,
): Promise<number> {
  const { state } = runtime;
  let count = 0;
  state.sink.columns(describeColumns(columns));
  const limit = state.options.rowCount;
  await runtime.run(limit > 0 ? `SELECT * FROM (${sql}) AS limited LIMIT ${limit}` : sql, verb, {
    onRow: (row) => {
      count++;
      return state.sink.row(columns.map((column, index) => toSqlValue(row[index] ?? null, column.type)));
    },
  });
  state.rowCount = count;
  runtime.done(count, true);
  return count;
}

/** Locks that hints ask for matter only until the end of the transaction; outside of one the statement is it. */
export function withLocks(sql: string, locks: readonly TableLock[], runtime: Runtime): string {
  if (locks.length === 0 || runtime.state.transaction.count === 0) return sql;
  return `${locks.map(({ physical, mode }) => `LOCK TABLE ${physical} IN ${mode} MODE`).join(';')};${sql}`;
}
