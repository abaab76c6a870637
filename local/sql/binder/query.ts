import { notSupported, sqlError } from '../errors';
import { convert } from '../emitter/convert';
import { value } from '../emitter/built-in';
import { type Typed } from '../emitter/typed';
import {
  type CommonTable,
  type Expression,
  type OrderItem,
  type Query,
  type QueryBody,
  type Select,
  type Top,
} from '../parser/ast';
import { isKind, isQuery, mentions, pathOf, someNode } from '../parser/walk';
import { containsAggregate, direction } from './aggregates';
import { forJson } from './for-json';
import { forXml } from './for-xml';
import { bindCondition, bindExpression, bindQuery, type Environment } from './environment';
import { type BoundColumn, type BoundQuery, type QueryOptions } from './bound';
import { groupKey, sortKey } from './conditions';
import { bindItems } from './select-items';
import { depthColumn, emptyScope, same, type BoundCommonTable, type Scope } from './scope';
import { bindFrom } from './sources';
import { bigint, commonType, familyOf, int, isLarge, typeText } from './types';

/** PostgreSQL text of a query, to be put into parentheses or run as it is. */
export function queryBinder(
  query: Query,
  parent: Scope | null,
  environment: Environment,
  options: QueryOptions = {},
): BoundQuery {
  const { scope, prefix } = bindCommonTables(query.with, parent, environment);
  const { json, xml } = query;
  const bound = bindBody(query.body, query, scope, environment, (json ?? xml) ? { top: true } : options);
  const written =
    json !== null
      ? forJson(query, json, bound, environment)
      : xml !== null
        ? forXml(query, xml, bound, environment)
        : bound;
  return { ...written, sql: prefix + written.sql };
}

/** WITH: ordinary ones are put in where they are named; a recursive one becomes PostgreSQL's. */
export function bindCommonTables(
  definitions: readonly CommonTable[],
  parent: Scope | null,
  environment: Environment,
): { scope: Scope; prefix: string } {
  const scope = emptyScope(parent);
  if (definitions.length === 0) return { scope, prefix: '' };
  const visible = new Map<string, BoundCommonTable>(scope.commonTables);
  const recursive: string[] = [];
  for (const definition of definitions) {
    if (definitions.find((other) => same(other.name, definition.name)) !== definition)
      throw sqlError(239, [definition.name], { line: definition.query.line });
    const before: Scope = { ...scope, sources: [], commonTables: new Map(visible) };
    const entry: BoundCommonTable = { definition, scope: before, recursive: null };
    if (refers(definition.query, definition.name)) recursive.push(bindRecursive(entry, environment));
    visible.set(definition.name.toLowerCase(), entry);
  }
  scope.commonTables = visible;
  return { scope, prefix: recursive.length > 0 ? `WITH RECURSIVE ${recursive.join(', ')} ` : '' };
}

/** Whether a name stands among the tables of a syntax tree, its subqueries included. */
const refers = (node: object, name: string): boolean => someNode(node, (part) => isReference(part, name));

function isReference(node: object, name: string): boolean {
  const path = isKind(node, 'table') ? pathOf(node) : null;
  return path?.length === 1 && same(path[0] ?? '', name);
}

/** The branches of a recursive query: those before it, and the one that names it. @throws SqlError for what it may not do. */
function recursiveParts({ name, query }: CommonTable): { anchor: QueryBody; step: Select } {
  const { line } = query;
  const members = (body: QueryBody): QueryBody[] =>
    body.kind === 'set' && body.operator === 'unionAll' ? [...members(body.left), ...members(body.right)] : [body];
  const all = members(query.body);
  const steps = all.filter((member) => refers(member, name));
  const [first, ...more] = all.filter((member) => !refers(member, name));
  const [step] = steps;
  if (all.length < 2 || step?.kind !== 'select') throw sqlError(252, [name], { line });
  if (first === undefined) throw sqlError(246, [name], { line });
  if (steps.length > 1) throw notSupported('several recursive members of one common table expression', line);
  let count = 0;
  someNode(step.from, (node) => isReference(node, name) && ++count > 1, isQuery);
  if (count > 1) throw sqlError(253, [name], { line });
  if (count === 0) throw sqlError(465, [], { line });
  if (step.distinct) throw sqlError(460, [name], { line });
  if (step.top !== null) throw sqlError(461, [name], { line });
  const outer = ['left', 'right', 'full', 'outerApply'];
  const isOuter = (node: object): boolean => 'join' in node && outer.includes(String(node.join));
  if (someNode(step.from, isOuter, isQuery)) throw sqlError(462, [name], { line });
  if (step.groupBy.length > 0 || step.having !== null || step.items.some(containsAggregate))
    throw sqlError(467, [name], { line });
  const anchor = more.reduce<QueryBody>(
    (left, right) => ({ kind: 'set', operator: 'unionAll', left, right, line }),
    first,
  );
  return { anchor, step };
}

function bindRecursive(entry: BoundCommonTable, environment: Environment): string {
  const { definition, scope } = entry;
  const { line } = definition.query;
  const parts = recursiveParts(definition);
  const anchor = bindBody(parts.anchor, null, scope, environment, {});
  const pg = environment.aliases.next();
  // One column more than T-SQL sees counts how deep the recursion is.
  const depth = { ...value(`${pg}.o${anchor.columns.length + 1}`, int, false), name: depthColumn };
  entry.recursive = {
    pg,
    columns: [
      ...anchor.columns.map((column, index) => ({
        ...column,
        name: definition.columns[index] ?? column.name,
        sql: `${pg}.o${index + 1}`,
        nullable: true,
        trimmed: undefined,
        constant: undefined,
      })),
      depth,
    ],
  };
  const inner: Scope = {
    ...scope,
    commonTables: new Map([...scope.commonTables, [definition.name.toLowerCase(), entry]]),
  };
  const step = bindBody(withDepth(parts.step), null, inner, environment, {});
  if (step.columns.length !== anchor.columns.length + 1) throw sqlError(205, [], { line });
  anchor.columns.forEach((column, index) => {
    const other = step.columns[index];
    if (other === undefined || other.isNull === true || typeText(other.type) === typeText(column.type)) return;
    throw sqlError(240, [definition.columns[index] ?? column.name, definition.name], { line });
  });
  const member = (query: BoundQuery, level: (alias: string) => string): string => {
    const alias = environment.aliases.next();
    const columns = anchor.columns.map((target, index) => {
      const column = query.columns[index] ?? target;
      const sql = convert(
        { ...column, sql: `${alias}.o${index + 1}`, trimmed: undefined, constant: undefined },
        target.type,
        { explicit: true },
      );
      return `${sql}${familyOf(target.type) === 'string' ? ' COLLATE tsql.ci' : ''} AS o${index + 1}`;
    });
    return `SELECT ${columns.join(', ')}, ${level(alias)} AS o${columns.length + 1} FROM (${query.sql}) AS ${alias}`;
  };
  const next = (alias: string): string =>
    `tsql.next_depth(${alias}.o${step.columns.length}, ${definition.maximumRecursion})`;
  return `${pg} AS (${member(anchor, () => '0')} UNION ALL ${member(step, next)})`;
}

/** Adds the depth to the columns of the recursive part. */
function withDepth(body: Select): Select {
  const { line } = body;
  const expression: Expression = { kind: 'column', path: [depthColumn], line };
  return { ...body, items: [...body.items, { kind: 'expression', expression, alias: depthColumn, line }] };
}

function bindBody(
  body: QueryBody,
  query: Query | null,
  scope: Scope,
  environment: Environment,
  options: QueryOptions,
): BoundQuery {
  switch (body.kind) {
    case 'nested': {
      const inner = bindQuery(body.query, scope, environment, { top: true });
      return query === null || !hasOrder(query) ? inner : ordered(inner, query, scope, environment);
    }
    case 'values':
      return bindValues(body.rows, body.line, scope, environment);
    case 'set':
      return bindSet(body, query, scope, environment);
    case 'select':
      return bindSelect(body, query, emptyScope(scope), environment, options);
  }
}

const hasOrder = (query: Query): boolean => query.orderBy.length > 0 || query.offset !== null;

function bindValues(rows: Expression[][], line: number, scope: Scope, environment: Environment): BoundQuery {
  const bound = rows.map((row) => {
    const own = { ...scope, sequences: new Set<number>() };
    return row.map((cell) => bindExpression(cell, own, environment));
  });
  const width = bound[0]?.length ?? 0;
  if (bound.some((row) => row.length !== width)) throw sqlError(10709, [], { line });
  const columns = Array.from({ length: width }, (_, index) =>
    unify(
      bound.map((row) => row[index]).filter((cell) => cell !== undefined),
      '',
    ),
  );
  const texts = bound.map(
    (row) => `(${row.map((cell, index) => convert(cell, columns[index]?.type ?? int, { line })).join(', ')})`,
  );
  const alias = environment.aliases.next();
  const names = columns.map((_, index) => `o${index + 1}`);
  return {
    sql: `SELECT ${names.join(', ')} FROM (VALUES ${texts.join(', ')}) AS ${alias}(${names.join(', ')})`,
    columns,
  };
}

/** What values of several rows or branches become: one column. */
function unify(cells: readonly Typed[], name: string): BoundColumn {
  const known = cells.filter((cell) => cell.isNull !== true);
  const type = known.map((cell) => cell.type).reduce((a, b) => commonType(a, b), known[0]?.type ?? int);
  const collation = known.find((cell) => cell.collation !== null)?.collation ?? null;
  return {
    ...value(
      '',
      type,
      cells.some((cell) => cell.nullable),
    ),
    collation,
    name,
    isNull: known.length === 0,
  };
}

function bindSet(
  body: Extract<QueryBody, { kind: 'set' }>,
  query: Query | null,
  scope: Scope,
  environment: Environment,
): BoundQuery {
  const left = bindBody(body.left, null, scope, environment, {});
  const right = bindBody(body.right, null, scope, environment, {});
  if (left.columns.length !== right.columns.length) throw sqlError(205, [], { line: body.line });
  const columns = left.columns.map((column, index) => unify([column, right.columns[index] ?? column], column.name));
  const large = body.operator === 'unionAll' ? undefined : columns.find((column) => isLarge(column.type));
  if (large !== undefined) throw sqlError(5335, [large.type.name], { line: body.line });
  const side = (bound: BoundQuery): string => {
    const alias = environment.aliases.next();
    const items = bound.columns.map((column, index) => {
      const target = columns[index];
      const type = target?.type ?? column.type;
      const collate = familyOf(type) === 'string' ? ` COLLATE ${target?.collation ?? 'tsql.ci'}` : '';
      return `${convert({ ...column, sql: `${alias}.o${index + 1}`, trimmed: undefined, constant: undefined }, type, { line: body.line })}${collate} AS o${index + 1}`;
    });
    return `SELECT ${items.join(', ')} FROM (${bound.sql}) AS ${alias}`;
  };
  const bound = {
    sql: combine(body.operator, side(left), side(right), columns, environment),
    columns: columns.map((column) => ({ ...column, isNull: false })),
  };
  return query === null || !hasOrder(query) ? bound : ordered(bound, query, scope, environment);
}

const operators = { union: 'UNION', unionAll: 'UNION ALL', except: 'EXCEPT', intersect: 'INTERSECT' } as const;

/** Strings are the same whatever blanks they end with, which PostgreSQL's own operators do not know. */
function combine(
  operator: keyof typeof operators,
  left: string,
  right: string,
  columns: readonly BoundColumn[],
  environment: Environment,
): string {
  if (operator === 'unionAll' || !columns.some(({ type }) => familyOf(type) === 'string'))
    return `(${left} ${operators[operator]} ${right})`;
  const [a, b] = [environment.aliases.next(), environment.aliases.next()];
  const of = (alias: string): BoundColumn[] =>
    columns.map((column, index) => ({ ...column, sql: `${alias}.o${index + 1}`, trimmed: undefined, isNull: false }));
  const list = of(a).map(({ sql }, index) => `${sql} AS o${index + 1}`);
  if (operator === 'union')
    return `(SELECT ${distinctOn(of(a))}${list.join(', ')} FROM (${left} UNION ALL ${right}) AS ${a})`;
  const other = of(b).map(groupKey);
  const equal = of(a).map((column, index) => `${groupKey(column)} IS NOT DISTINCT FROM ${other[index] ?? ''}`);
  const exists = `EXISTS (SELECT FROM (${right}) AS ${b} WHERE ${equal.join(' AND ')})`;
  return `(SELECT ${distinctOn(of(a))}${list.join(', ')} FROM (${left}) AS ${a} WHERE ${operator === 'except' ? 'NOT ' : ''}${exists})`;
}

/** ORDER BY behind a set operation sees only its columns. */
function ordered(bound: BoundQuery, query: Query, scope: Scope, environment: Environment): BoundQuery {
  const alias = environment.aliases.next();
  const inner = emptyScope(scope);
  inner.sources.push({
    name: '',
    path: null,
    pg: alias,
    table: null,
    columns: bound.columns.map((column, index) => ({ ...column, sql: `${alias}.o${index + 1}`, trimmed: undefined })),
  });
  const visible = inner.sources.flatMap((source) => source.columns);
  const items = query.orderBy.map((item, index) => {
    const text = orderItem(item, index + 1, visible, false, inner, environment);
    const { expression } = item;
    if (expression.kind !== 'column' && expression.kind !== 'literal')
      throw sqlError(104, [], { line: expression.line });
    return text;
  });
  const names = bound.columns.map((_, index) => `${alias}.o${index + 1} AS o${index + 1}`);
  const sql = `SELECT ${names.join(', ')} FROM (${bound.sql}) AS ${alias} ORDER BY ${items.join(', ')}${limit(query, null, scope, environment)}`;
  return { ...bound, sql };
}

function orderItem(
  item: OrderItem,
  ordinal: number,
  columns: readonly BoundColumn[],
  distinct: boolean,
  scope: Scope,
  environment: Environment,
): string {
  const { expression } = item;
  /** By position; a string that no column stands behind has no collation of its own in PostgreSQL. */
  const output = (index: number): string => {
    const column = columns[index];
    if (column !== undefined) checkComparable(column, expression.line);
    if (column?.type.name === 'uniqueidentifier' && !distinct) return `${sortKey(column)} ${direction(item)}`;
    if (column === undefined || distinct || column.collation !== null || familyOf(column.type) !== 'string')
      return `${index + 1} ${direction(item)}`;
    return `${column.sql} COLLATE tsql.ci ${direction(item)}`;
  };
  if (expression.kind === 'literal' && expression.type === 'int') {
    const position = Number(expression.text);
    if (position < 1 || position > columns.length) throw sqlError(108, [expression.text], { line: expression.line });
    return output(position - 1);
  }
  if (expression.kind === 'column' && expression.path.length === 1) {
    const index = columns.findIndex((column) => column.name.toLowerCase() === expression.path[0]?.toLowerCase());
    if (index >= 0) return output(index);
  }
  if (expression.kind === 'literal') throw sqlError(408, [ordinal], { line: expression.line });
  if (expression.kind === 'variable') throw sqlError(1008, [ordinal], { line: expression.line });
  const typed = bindExpression(expression, scope, environment);
  checkComparable(typed, expression.line);
  const selected = distinct ? columns.findIndex((column) => column.sql === typed.sql) : -1;
  if (selected >= 0) return output(selected);
  const collate = familyOf(typed.type) === 'string' ? ` COLLATE ${typed.collation ?? 'tsql.ci'}` : '';
  return `${sortKey(typed)}${collate} ${direction(item)}`;
}

const isLiteral = (expression: Expression | null | undefined, test: (value: number) => boolean): boolean =>
  expression?.kind === 'literal' && test(Number(expression.text));

/** @throws SqlError for a TOP that SQL Server refuses to compile. */
function checkTop({ count, percent, withTies }: Top, query: Query | null, line: number): void {
  if (count.kind === 'literal' && (count.type === 'string' || (count.type !== 'int' && !percent)))
    throw sqlError(1060, [], { line });
  if (!percent && isLiteral(count, (value) => value < 0)) throw sqlError(127, [], { line });
  if (percent && isLiteral(count, (value) => value < 0 || value > 100)) throw sqlError(1031, [], { line });
  if (withTies && (query?.orderBy.length ?? 0) === 0) throw sqlError(1062, [], { line });
}

/** OFFSET, FETCH and TOP. */
function limit(query: Query | null, top: Top | null, scope: Scope, environment: Environment): string {
  const count = (expression: Expression): string =>
    convert(bindExpression(expression, emptyScope(scope), environment), bigint, { explicit: true });
  const { line } = query ?? top?.count ?? { line: 1 };
  if (top !== null) checkTop(top, query, line);
  if (top !== null && query?.offset != null) throw sqlError(10741, [], { line });
  if (isLiteral(query?.offset, (value) => value < 0)) throw sqlError(10742, [], { line });
  if (isLiteral(query?.fetch, (value) => value < 1)) throw sqlError(10744, [], { line });
  let text = '';
  if (top !== null && !top.percent)
    text += ` FETCH FIRST (${count(top.count)}) ROWS ${top.withTies ? 'WITH TIES' : 'ONLY'}`;
  if (query?.offset != null) text += ` OFFSET ${count(query.offset)}`;
  if (query?.fetch != null) text += ` LIMIT ${count(query.fetch)}`;
  return text;
}

function bindSelect(
  select: Select,
  query: Query | null,
  scope: Scope,
  environment: Environment,
  options: QueryOptions,
): BoundQuery {
  checkNextValue(select, query, scope);
  const from = bindFrom(select.from, scope, environment);
  if (select.where !== null && containsAggregate(select.where)) throw sqlError(147, [], { line: select.where.line });
  const where = select.where && bindCondition(select.where, scope, environment);
  const grouped =
    select.groupBy.length > 0 ||
    select.having !== null ||
    select.items.some((item) => item.kind !== 'star' && containsAggregate(item.expression)) ||
    (query?.orderBy.some((item) => containsAggregate(item.expression)) ?? false);
  const keys = select.groupBy.map((expression) => bindKey(expression, scope, environment));
  if (grouped)
    scope.grouping = {
      keys: new Map(keys.map((key) => [key.sql, representative(key, select.groupSets !== null)])),
      violations: [],
      insideAggregate: 0,
    };
  const columns = options.items?.(scope) ?? bindItems(select.items, scope, environment);
  checkGrouping(scope, 8120);
  const having = select.having && bindCondition(select.having, scope, environment);
  checkGrouping(scope, 8121);
  const { orderBy } = query ?? { orderBy: [] };
  if (orderBy.length > 0 && options.top !== true && select.top === null && query?.offset == null)
    throw sqlError(1033, [], { line: select.line });
  const large = select.distinct ? columns.find((column) => isLarge(column.type)) : undefined;
  if (large !== undefined) throw sqlError(421, [large.type.name], { line: select.line });
  if (select.distinct) checkDistinctOrder(orderBy, columns, scope, environment);
  const order = orderBy.map((item, index) => orderItem(item, index + 1, columns, select.distinct, scope, environment));
  checkGrouping(scope, 8127);
  scope.grouping = null;
  const items = columns.map(
    (column, index) =>
      `${column.isNull === true ? 'NULL::int4' : column.sql}${select.distinct && familyOf(column.type) === 'string' ? ` COLLATE ${column.collation ?? 'tsql.ci'}` : ''} AS o${index + 1}`,
  );
  const rows = [
    `SELECT ${select.distinct ? distinctOn(columns) : ''}${items.join(', ')}`,
    from.length > 0 ? ` FROM ${from.join(', ')}` : '',
    where === null ? '' : ` WHERE ${where}`,
    keys.length > 0 ? ` GROUP BY ${groupText(select, keys)}` : '',
    having === null ? '' : ` HAVING ${having}`,
  ].join('');
  const parts = [
    // DISTINCT ON would decide about the order
    select.distinct && rows.startsWith('SELECT DISTINCT ON') && order.length > 0
      ? `SELECT * FROM (${rows}) AS ${environment.aliases.next()}`
      : rows,
    order.length > 0
      ? ` ORDER BY ${order.join(', ')}`
      : grouped || select.distinct || options.top !== true
        ? ''
        : naturalOrder(scope),
    limit(query, select.top, scope, environment),
    // ORDER BY n behind TOP WITH TIES and row locks keep their order in PostgreSQL's grammar
    rowLocks(scope, grouped || select.distinct),
  ];
  return { sql: percent(parts.join(''), select.top, scope, environment), columns };
}

/** Without ORDER BY, SQL Server reads a table along its clustered index; people count on what they always see. */
function naturalOrder(scope: Scope): string {
  const [source, ...more] = scope.sources;
  const index = more.length > 0 ? undefined : source?.table?.indexes.find((candidate) => candidate.clustered);
  if (source === undefined || index === undefined) return '';
  const computed = (id: number): boolean => source.table?.columns.find((column) => column.id === id)?.computed !== null;
  if (index.columns.some(({ id }) => computed(id))) return '';
  const key = (id: number): string => {
    const type = source.table?.columns.find((column) => column.id === id)?.type ?? int;
    return sortKey(value(`${source.pg}.c${id}`, type));
  };
  return ` ORDER BY ${index.columns.map(({ id, descending }) => `${key(id)} ${descending ? 'DESC NULLS LAST' : 'ASC NULLS FIRST'}`).join(', ')}`;
}

/** A sequence yields one value for each row that is sent, so it stands in the select list and nowhere else. */
function checkNextValue(
  { items, where, having, groupBy, distinct, top, line }: Select,
  query: Query | null,
  scope: Scope,
): void {
  const has = (part: object | null): boolean => part !== null && mentions(part, 'nextValue');
  if ([where, having, groupBy].some(has)) throw sqlError(11720, [], { line });
  if (!has(items)) return;
  if (scope.parent?.parent != null) throw sqlError(11719, [], { line });
  if (distinct) throw sqlError(11721, [], { line });
  if (top !== null || query?.offset != null) throw sqlError(11739, [], { line });
  if ((query?.orderBy.length ?? 0) > 0) throw sqlError(11723, [], { line });
}

/** An expression of GROUP BY. @throws SqlError 144, 164, or what `checkComparable` says. */
function bindKey(expression: Expression, scope: Scope, environment: Environment): Typed {
  const { line } = expression;
  if (containsAggregate(expression) || mentions(expression, 'subquery')) throw sqlError(144, [], { line });
  if (!mentions(expression, 'column') && expression.kind !== 'call') throw sqlError(164, [], { line });
  const key = bindExpression(expression, scope, environment);
  checkComparable(key, line);
  return key;
}

/** @throws SqlError 305 or 306 for what can be neither compared nor sorted. */
export function checkComparable({ type }: Typed, line: number): void {
  if (isLarge(type)) throw sqlError(type.name === 'xml' ? 305 : 306, [], { line });
}

/** DISTINCT, of strings by what they are grouped by: which of several equal ones is shown is nobody's promise. */
function distinctOn(columns: readonly BoundColumn[]): string {
  if (!columns.some((column) => familyOf(column.type) === 'string' && column.isNull !== true)) return 'DISTINCT ';
  const keys = columns.map((column, index) =>
    familyOf(column.type) === 'string' && column.isNull !== true ? groupKey(column) : String(index + 1),
  );
  return `DISTINCT ON (${keys.join(', ')}) `;
}

/** The value of a group outside of its aggregates: one of those that `=` does not tell apart. */
function representative(key: Typed, sets: boolean): string {
  if (familyOf(key.type) !== 'string') return key.sql;
  const some = `any_value(${key.sql})${key.collation === null ? ' COLLATE tsql.ci' : ''}`;
  return sets ? `(CASE WHEN grouping(${groupKey(key)}) = 0 THEN ${some} END)` : `(${some})`;
}

/** The keys, inside of ROLLUP, CUBE or GROUPING SETS where they stand there. */
const groupText = ({ groupSets }: Select, keys: readonly Typed[]): string =>
  (groupSets ?? keys.map((_, index) => index))
    .map((part) => (typeof part === 'string' ? part : groupKey(keys[part] ?? value('NULL', int))))
    .join(groupSets === null ? ', ' : ' ');

/** SELECT DISTINCT sorts by what it selects. */
function checkDistinctOrder(
  orderBy: readonly OrderItem[],
  columns: readonly BoundColumn[],
  scope: Scope,
  environment: Environment,
): void {
  for (const { expression } of orderBy) {
    if (expression.kind === 'literal') continue;
    const name =
      expression.kind === 'column' && expression.path.length === 1 ? expression.path[0]?.toLowerCase() : undefined;
    if (name !== undefined && columns.some((column) => column.name.toLowerCase() === name)) continue;
    const { sql } = bindExpression(expression, scope, environment);
    if (columns.some((column) => column.sql === sql)) continue;
    throw sqlError(145, [], { line: expression.line });
  }
}

function checkGrouping(scope: Scope, number: 8120 | 8121 | 8127): void {
  const [violation] = scope.grouping?.violations ?? [];
  if (violation === undefined) return;
  throw sqlError(number, [violation.name], { line: violation.line });
}

function rowLocks(scope: Scope, impossible: boolean): string {
  const locks = scope.sources.flatMap((source) =>
    'rowLock' in source && typeof source.rowLock === 'string' ? [`${source.pg}${source.rowLock}`] : [],
  );
  return locks.length === 0 || impossible ? '' : locks.map((lock) => ` FOR UPDATE OF ${lock}`).join('');
}

/** TOP (n) PERCENT, of which 100 is common (in views) and means nothing. */
function percent(sql: string, top: Top | null, scope: Scope, environment: Environment): string {
  if (top?.percent !== true) return sql;
  if (top.count.kind === 'literal' && Number(top.count.text) === 100) return sql;
  const count = convert(
    bindExpression(top.count, emptyScope(scope), environment),
    { name: 'float' },
    { explicit: true },
  );
  const alias = environment.aliases.next();
  return `SELECT * FROM (${sql}) AS ${alias} LIMIT (SELECT ceil(count(*) * ${count} / 100) FROM (${sql}) AS ${alias}c)`;
}

export function scalarSubqueryBinder(query: Query, scope: Scope, environment: Environment): Typed {
  const bound = bindQuery(query, scope, environment);
  const [column, ...more] = bound.columns;
  if (column === undefined || more.length > 0) throw sqlError(116, [], { line: query.line });
  return { sql: `(${bound.sql})`, type: column.type, nullable: true, collation: column.collation, json: column.json };
}
