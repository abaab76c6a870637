import { convert, convertForColumn } from '../emitter/convert';
import { type ColumnDefinition, type TableDefinition } from '../catalog/definitions';
import { invalidColumn, notSupported, sqlError } from '../errors';
import { type Expression } from '../parser/ast';
import { parseExpressionText } from '../parser/parser';
import { type BoundColumn, type BoundQuery } from './bound';
import {
  checkWritable,
  columnNamed,
  countMismatch,
  defaultOf,
  findTable,
  fullName,
  nullValue,
  rowversionValue,
  type BoundChange,
  type Of,
} from './change';
import { bindExpression, bindQuery, type Environment } from './environment';
import { bindOutput } from './output';
import { throughView, type Through } from './places';
import { bindCommonTables } from './query';
import { emptyScope, same, type Scope } from './scope';
import { bigint } from './types';

export function bindInsert(
  statement: Of<'insert'>,
  line: number,
  environment: Environment,
  source: BoundQuery | null = null,
): BoundChange {
  const { scope, prefix } = bindCommonTables(statement.with, null, environment);
  const view = throughView(statement.target, line, environment);
  if (view !== null) return bindInsert(insertInto(statement, view, line, environment), line, environment, source);
  const table = findTable(statement.target, line, environment);
  const explicit = statement.columns?.map((name) => columnNamed(table, name, line));
  const identity = table.columns.find((column) => column.identity !== null) ?? null;
  const duplicate = explicit?.find((column, index) => explicit.indexOf(column) !== index);
  if (duplicate !== undefined) {
    throw sqlError(264, [duplicate.name], { line });
  }
  for (const [index, column] of (explicit ?? []).entries()) {
    if (!column.rowversion) checkWritable(column, line);
    else if (source !== null || !givesDefault(statement, index)) throw sqlError(273, [], { line });
    else return bindInsert(withoutColumn(statement, index), line, environment);
  }
  const targets =
    explicit ??
    table.columns.filter((column) => column.computed === null && !column.rowversion && column.identity === null);
  const query =
    statement.source === null
      ? null
      : (source ??
        ('body' in statement.source
          ? bindInsertSource(statement.source, targets, table, scope, environment, line)
          : null));
  const given = query === null ? [] : targets;
  if (query !== null && query.columns.length !== targets.length) {
    if (explicit === undefined && identity !== null && query.columns.length === targets.length + 1) {
      throw sqlError(8101, [table.name], { line });
    }
    const form = explicit === undefined ? 'implicit' : isValues(statement) ? 'values' : 'select';
    throw countMismatch(query.columns.length, targets.length, form, line);
  }
  const rest = table.columns.filter(
    (column) => column.computed === null && !given.includes(column) && column.identity === null,
  );
  const alias = environment.aliases.next();
  const name = fullName(table, environment);
  const values = given.map((column, index) => {
    const from = query?.columns[index];
    if (from === undefined) return 'NULL';
    return convertForColumn(
      { ...from, sql: `${alias}.o${index + 1}`, trimmed: undefined, constant: undefined },
      column.type,
      name,
      column.name,
      line,
    );
  });
  const defaults = rest.map((column) =>
    column.rowversion
      ? rowversionValue
      : convertForColumn(defaultOf(table, column, environment) ?? nullValue, column.type, name, column.name, line),
  );
  const columns = [...given, ...rest].map((column) => `c${column.id}`);
  const top =
    statement.top === null
      ? ''
      : ` LIMIT ${convert(bindExpression(statement.top.count, scope, environment), bigint, { explicit: true })}`;
  const select =
    query === null
      ? `SELECT ${defaults.join(', ')}`
      : `SELECT ${[...values, ...defaults].join(', ')} FROM (${query.sql}) AS ${alias}${top}`;
  const sql =
    columns.length === 0
      ? `${prefix}INSERT INTO ${table.physical} AS ins DEFAULT VALUES`
      : `${prefix}INSERT INTO ${table.physical} AS ins (${columns.join(', ')}) ${select}`;
  return {
    table,
    sql,
    events: ['insert'],
    output: bindOutput(statement.output, table, emptyScope(), environment, line, ['inserted']),
    identity,
    variables: [],
    changed: new Set(table.columns.map((column) => column.id)),
    verb: 'INSERT',
  };
}

/** DEFAULT among VALUES means the column's own, and each row may use it. */
function bindInsertSource(
  query: Extract<Of<'insert'>['source'], { body: unknown }>,
  targets: readonly ColumnDefinition[],
  table: TableDefinition,
  scope: Scope,
  environment: Environment,
  line: number,
): BoundQuery {
  const { body } = query;
  if (body.kind === 'values' && body.rows.length > 1000) {
    throw sqlError(10738, [], { line });
  }
  if (body.kind !== 'values') return bindQuery(query, scope, environment, { top: true });
  const rows = body.rows.map((row) =>
    row.map((cell, index): Expression => {
      const column = targets[index];
      if (cell.kind !== 'default' || column === undefined) return cell;
      const found = table.defaults.find((candidate) => candidate.columnId === column.id);
      return found === undefined ? { kind: 'literal', type: 'null', text: '', line } : parseExpressionText(found.text);
    }),
  );
  if (rows.length === 1) {
    // One row keeps its expressions' own types, so that each is converted to its column and to nothing in between.
    const columns = (rows[0] ?? []).map((cell): BoundColumn => ({
      ...bindExpression(cell, scope, environment),
      name: '',
    }));
    return {
      sql: `SELECT ${columns.map((column, index) => `${column.isNull === true ? 'NULL::int4' : column.sql} AS o${index + 1}`).join(', ')}`,
      columns,
    };
  }
  return bindQuery({ ...query, body: { ...body, rows } }, scope, environment, { top: true });
}

const rowsOf = (statement: Of<'insert'>): Expression[][] | null =>
  statement.source !== null && 'body' in statement.source && statement.source.body.kind === 'values'
    ? statement.source.body.rows
    : null;

const isValues = (statement: Of<'insert'>): boolean => rowsOf(statement) !== null;

const givesDefault = (statement: Of<'insert'>, index: number): boolean =>
  rowsOf(statement)?.every((row) => row[index]?.kind === 'default') === true;

/** A rowversion column may be named when all it gets is DEFAULT: as if it were not there. */
function withoutColumn(statement: Of<'insert'>, index: number): Of<'insert'> {
  const { source } = statement;
  const rest = <T>(list: readonly T[]): T[] => list.filter((_, at) => at !== index);
  if (source === null || !('body' in source) || source.body.kind !== 'values') return statement;
  const body = { ...source.body, rows: source.body.rows.map(rest) };
  return { ...statement, columns: rest(statement.columns ?? []), source: { ...source, body } };
}

/** An INSERT through a view as one into its table. */
function insertInto(statement: Of<'insert'>, view: Through, line: number, environment: Environment): Of<'insert'> {
  const [base] = view.select.from;
  if (view.select.from.length !== 1 || base?.kind !== 'table')
    throw notSupported('INSERT through a view over several tables', line);
  const names = view.select.items.map((item) =>
    item.kind === 'expression' && item.expression.kind === 'column' ? (item.expression.path.at(-1) ?? '') : '',
  );
  const star = view.select.items.some((item) => item.kind === 'star');
  const columns = (statement.columns ?? view.columns).map((name) => {
    if (star) return name;
    const behind = names[view.columns.findIndex((column) => same(column, name))];
    if (behind === undefined) throw invalidColumn(name, line);
    if (behind !== '') return behind;
    throw sqlError(4406, [view.name], { line });
  });
  const table = findTable(base.path, line, environment);
  const filled =
    statement.columns === null
      ? columns.filter((name) => table.columns.find((column) => same(column.name, name))?.identity === null)
      : columns;
  return { ...statement, target: base.path, columns: filled };
}
