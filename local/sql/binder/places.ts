import { convert } from '../emitter/convert';
import { type ColumnDefinition, type TableDefinition } from '../catalog/definitions';
import { notSupported, sqlError } from '../errors';
import { type OrderItem, type Path, type Select, type TableSource } from '../parser/ast';
import { containsAggregate } from './aggregates';
import { findTable, type Of } from './change';
import { bindCondition, bindExpression, type Environment } from './environment';
import { bindCommonTables } from './query';
import { bindItems } from './select-items';
import { emptyScope, same, type Scope } from './scope';
import { applyHints, bindFrom, bindSource, storedColumn } from './sources';
import { bigint } from './types';

/** Finds what UPDATE and DELETE change: the table itself, or a FROM item by its alias or name. */
function bindTarget(
  statement: Of<'update'> | Of<'delete'>,
  line: number,
  scope: Scope,
  environment: Environment,
): { table: TableDefinition; alias: string; from: string[] } {
  const { target } = statement;
  const before = scope.sources.length;
  if (statement.from.length > 0) {
    const from = bindFrom(statement.from, scope, environment);
    const named = scope.sources.find(
      (source) =>
        source.table !== null &&
        (target.length === 1
          ? same(source.name, target[0] ?? '')
          : source.path !== null && same(source.path.at(-1) ?? '', target.at(-1) ?? '')),
    );
    const byTable =
      named ??
      scope.sources.find(
        (source) =>
          source.table !== null && same(source.table.name, target.at(-1) ?? '') && isSource(statement.from, target),
      );
    if (byTable?.table != null) {
      applyHints(statement.hints, byTable.table, environment);
      return { table: byTable.table, alias: byTable.pg, from };
    }
    const updatable = scope.sources.find((source) => same(source.name, target.at(-1) ?? ''));
    if (updatable !== undefined)
      throw notSupported('changing data through a derived table, view or common table expression that is joined', line);
    const table = findTable(target, line, environment);
    const text = bindSource(
      { kind: 'table', path: target, alias: null, hints: statement.hints, line },
      scope,
      environment,
    );
    return { table, alias: scope.sources.at(-1)?.pg ?? '', from: [text, ...from] };
  }
  const [name] = target;
  if (name?.startsWith('@') === true) {
    const text = bindSource({ kind: 'variable', name, alias: null, line }, scope, environment);
    return { table: findTable(target, line, environment), alias: scope.sources[before]?.pg ?? '', from: [text] };
  }
  const table = findTable(target, line, environment);
  const text = bindSource(
    { kind: 'table', path: target, alias: null, hints: statement.hints, line },
    scope,
    environment,
  );
  return { table, alias: scope.sources[before]?.pg ?? '', from: [text] };
}

const isSource = (sources: readonly TableSource[], target: Path): boolean =>
  sources.some((source) =>
    source.kind === 'table'
      ? source.alias === null && same(source.path.at(-1) ?? '', target.at(-1) ?? '')
      : source.kind === 'join' && isSource([source.left, source.right], target),
  );

/** A view or common table expression over one table, through which its rows can be changed. */
export interface Through {
  name: string;
  select: Select;
  orderBy: readonly OrderItem[];
  /** Names of the columns where they are given; else those of the select list. */
  columns: readonly string[];
}

function throughCommonTable(statement: Of<'update'> | Of<'delete'>): Through | null {
  const [name = '', ...more] = statement.target;
  const found = statement.with.find((candidate) => more.length === 0 && same(candidate.name, name));
  const body = found?.query.body;
  if (found === undefined || body?.kind !== 'select' || statement.from.length > 0) return null;
  return { name, select: body, orderBy: found.query.orderBy, columns: found.columns };
}

/** A view by its text; null where the target is none. @throws SqlError 49999 for a view that cannot be changed through. */
export function throughView(target: Path, line: number, environment: Environment): Through | null {
  if (target.length === 1 && environment.tables.has(target[0]?.toLowerCase() ?? '')) return null;
  const view = target[0]?.startsWith('@') === true ? null : environment.find(target, line);
  if (view?.kind !== 'view') return null;
  const { view: query, withCheckOption } = environment.syntax(view);
  if (query?.body.kind === 'set') throw sqlError(4426, [view.name], { line });
  if (query?.body.kind === 'select') {
    const { distinct, groupBy, items } = query.body;
    const aggregates = items.some((item) => item.kind !== 'star' && containsAggregate(item.expression));
    if (distinct || groupBy.length > 0 || aggregates) throw sqlError(4403, [view.name], { line });
  }
  if (query?.body.kind !== 'select' || query.with.length > 0 || withCheckOption)
    throw notSupported(
      'changing data through this view (only a plain SELECT over one table can be changed through)',
      line,
    );
  return {
    name: view.name,
    select: query.body,
    orderBy: query.orderBy,
    columns: view.columns.map((column) => column.name),
  };
}

export interface Places {
  table: TableDefinition;
  alias: string;
  scope: Scope;
  /** FROM and WHERE of a query whose rows are changed. */
  from: string;
  where: string | null;
  /** Rows must be picked first, because the change's own FROM cannot say it: joins, TOP, CTE. */
  picked: boolean;
  /** Columns of the table by the names that a view gives them; null: their own. */
  renamed: ReadonlyMap<string, ColumnDefinition> | null;
}

export function bindPlaces(statement: Of<'update'> | Of<'delete'>, line: number, environment: Environment): Places {
  const { scope: outer, prefix } = bindCommonTables(statement.with, null, environment);
  const through =
    throughCommonTable(statement) ??
    (statement.from.length > 0 ? null : throughView(statement.target, line, environment));
  if (through !== null) return bindThrough(statement, through, outer, prefix, environment, line);
  const scope = emptyScope(outer);
  const { table, alias, from } = bindTarget(statement, line, scope, environment);
  const where = statement.where && bindCondition(statement.where, scope, environment);
  const picked = statement.from.length > 0 || statement.top !== null || prefix !== '';
  return { table, alias, scope, from: `${prefix}\u0003${from.join(', ')}`, where, picked, renamed: null };
}

/** The CTE's columns become the scope; window functions in it force a subquery that also yields ctid. */
function bindThrough(
  statement: Of<'update'> | Of<'delete'>,
  through: Through,
  outer: Scope,
  prefix: string,
  environment: Environment,
  line: number,
): Places {
  const inner = emptyScope(outer);
  const { select } = through;
  const [source, ...others] = select.from;
  if (statement.kind === 'delete' && (others.length > 0 || source?.kind === 'join'))
    throw sqlError(4405, [through.name], { line });
  if (select.from.length !== 1 || select.groupBy.length > 0 || select.distinct)
    throw notSupported(
      'changing data through a view or common table expression that joins, groups or is distinct',
      line,
    );
  const from = select.from.map((source) => bindSource(source, inner, environment));
  const [target] = inner.sources;
  if (target?.table == null)
    throw notSupported(
      'changing data through a view or common table expression over something else than a table',
      line,
    );
  const columns = bindItems(select.items, inner, environment);
  const where = select.where && bindCondition(select.where, inner, environment);
  const ordered = through.orderBy.map(
    (item) =>
      `${bindExpression(item.expression, inner, environment).sql} ${item.descending ? 'DESC NULLS LAST' : 'ASC NULLS FIRST'}`,
  );
  const limit =
    select.top === null
      ? ''
      : ` LIMIT ${convert(bindExpression(select.top.count, emptyScope(), environment), bigint, { explicit: true })}`;
  const pg = environment.aliases.next();
  const list = columns.map((column, index) => `${column.sql} AS o${index + 1}`).join(', ');
  const sql = `(SELECT ${list}, ${target.pg}.ctid AS place FROM ${from.join(', ')}${where === null ? '' : ` WHERE ${where}`}${ordered.length > 0 ? ` ORDER BY ${ordered.join(', ')}` : ''}${limit}) AS ${pg}`;
  const scope = emptyScope(outer);
  scope.sources.push({
    name: through.name,
    path: null,
    pg,
    table: null,
    columns: columns.map((column, index) => ({
      ...column,
      name: through.columns[index] ?? column.name,
      sql: `${pg}.o${index + 1}`,
      trimmed: undefined,
    })),
  });
  const renamed = new Map(
    columns.flatMap((column, index) => {
      const stored = target.table?.columns.find((candidate) => storedColumn(target.pg, candidate).sql === column.sql);
      return stored === undefined ? [] : [[(through.columns[index] ?? column.name).toLowerCase(), stored] as const];
    }),
  );
  const condition = statement.where && bindCondition(statement.where, scope, environment);
  return {
    table: target.table,
    alias: pg,
    scope,
    from: `${prefix}\u0003${sql}`,
    where: condition,
    picked: true,
    renamed,
  };
}

export const topText = (statement: Of<'update'> | Of<'delete'>, scope: Scope, environment: Environment): string => {
  if (statement.top === null) return '';
  if (statement.top.percent) throw notSupported('TOP (n) PERCENT in UPDATE and DELETE');
  return ` LIMIT ${convert(bindExpression(statement.top.count, emptyScope(scope), environment), bigint, { explicit: true })}`;
};
