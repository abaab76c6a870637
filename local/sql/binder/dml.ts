import { type BoundColumn, type BoundQuery } from './bound';
import { bindCondition, bindExpression, bindQuery, type Environment } from './environment';
import { invalidColumn, invalidObject, notSupported, SqlError } from '../errors';
import { type ColumnDefinition, type TableDefinition } from '../catalog/definitions';
import { convertForColumn } from '../emitter/convert';
import { value } from '../emitter/built-in';
import { type Typed } from '../emitter/typed';
import {
  type Assignment,
  type DmlStatement,
  type Expression,
  type OutputClause,
  type Path,
  type Select,
  type TableSource,
} from '../parser/ast';
import { parseExpressionText } from '../parser/parser';
import { bindBinary } from './expressions';
import { bindCommonTables } from './query';
import { bindItems } from './select-items';
import { emptyScope, same, type Scope, type Source } from './scope';
import { applyHints, bindSource, columnsOf } from './sources';
import { bigint, varchar } from './types';
import { convert } from '../emitter/convert';

/** A data change, ready to run. */
export interface BoundChange {
  table: TableDefinition;
  /** Up to and including RETURNING's place; `returning` completes it. */
  sql: string;
  /** What RETURNING may name: old rows as `o`, new rows as `n`. */
  events: ('insert' | 'update' | 'delete')[];
  output: {
    sql: string[];
    columns: BoundColumn[];
    into: { table: TableDefinition; columns: ColumnDefinition[] } | null;
  } | null;
  /** Column that yields SCOPE_IDENTITY. */
  identity: ColumnDefinition | null;
  /** UPDATE ... SET @x = column: read from the new rows. */
  variables: { name: string; typed: Typed }[];
  /** Columns named by UPDATE's SET or by INSERT, for UPDATE(column) in triggers. */
  changed: ReadonlySet<number>;
  verb: 'INSERT' | 'UPDATE' | 'DELETE' | 'MERGE';
}

type Of<Kind extends DmlStatement['kind']> = Extract<DmlStatement, { kind: Kind }>;

const fullName = (table: TableDefinition, environment: Environment): string =>
  table.temporary ? `tempdb.dbo.${table.name}` : `${environment.databaseName}.${table.schema}.${table.name}`;

export function findTable(path: Path, line: number, environment: Environment): TableDefinition {
  const pseudo = path.length === 1 ? environment.tables.get(path[0]?.toLowerCase() ?? '') : undefined;
  if (pseudo !== undefined) {
    if (path[0]?.startsWith('@') === true) return pseudo;
    throw new SqlError(286, 'The logical tables INSERTED and DELETED cannot be updated.', { line, scope: 'scope' });
  }
  if (path[0]?.startsWith('@') === true) {
    throw new SqlError(1087, `Must declare the table variable "${path[0]}".`, {
      severity: 15,
      state: 2,
      line,
      scope: 'scope',
    });
  }
  const object = environment.find(path, line);
  if (object?.kind === 'table') return object;
  if (object?.kind === 'view') throw notSupported('changing data through a view', line);
  throw invalidObject(path.join('.'), line);
}

function columnNamed(table: TableDefinition, name: string, line: number): ColumnDefinition {
  const column = table.columns.find((candidate) => same(candidate.name, name));
  if (column === undefined) throw invalidColumn(name, line);
  return column;
}

function checkWritable(column: ColumnDefinition, line: number): void {
  if (column.computed !== null) {
    const what = `The column "${column.name}" cannot be modified because it is either a computed column or is the result of a UNION operator.`;
    throw new SqlError(271, what, { line, scope: 'scope' });
  }
  if (column.rowversion) throw new SqlError(272, 'Cannot update a timestamp column.', { line, scope: 'scope' });
}

/** The value that a column gets when nobody gives one. */
function defaultOf(table: TableDefinition, column: ColumnDefinition, environment: Environment): Typed | null {
  const found = table.defaults.find((candidate) => candidate.columnId === column.id);
  return found === undefined ? null : bindExpression(parseExpressionText(found.text), emptyScope(), environment);
}

const nullValue: Typed = { ...value('NULL', { name: 'int' }), isNull: true };

/** OUTPUT's columns; `inserted` and `deleted` are sources that map to the new and old row. */
function bindOutput(
  output: OutputClause | null,
  table: TableDefinition,
  scope: Scope,
  environment: Environment,
  line: number,
  merge = false,
): BoundChange['output'] {
  if (output === null) return null;
  const inner: Scope = { ...scope, sources: [...pseudoSources(table, environment), ...scope.sources], grouping: null };
  if (merge) {
    const action: Source = {
      name: '',
      path: null,
      pg: '',
      table: null,
      columns: [{ ...value('merge_action()', varchar(10), false), name: '$action' }],
    };
    inner.sources = [action, ...inner.sources];
  }
  const columns = bindItems(output.items, inner, environment);
  if (output.into === null) return { sql: columns.map((column) => column.sql), columns, into: null };
  const target = findTable(output.into.path, line, environment);
  const names = output.into.columns;
  const targets =
    names.length > 0
      ? names.map((name) => columnNamed(target, name, line))
      : target.columns.filter((column) => column.computed === null && column.identity === null);
  if (targets.length !== columns.length) {
    throw new SqlError(213, 'Column name or number of supplied values does not match table definition.', {
      line,
      scope: 'scope',
    });
  }
  const sql = columns.map((column, index) => {
    const to = targets[index];
    return to === undefined
      ? column.sql
      : convertForColumn(column, to.type, fullName(target, environment), to.name, line);
  });
  return { sql, columns, into: { table: target, columns: targets } };
}

function pseudoSources(table: TableDefinition, environment: Environment): Source[] {
  return (['inserted', 'deleted'] as const).map((name) => ({
    name,
    path: null,
    pg: name === 'inserted' ? 'n' : 'o',
    columns: columnsOf(table, name === 'inserted' ? 'n' : 'o', environment),
    table: null,
  }));
}

export function bindInsert(
  statement: Of<'insert'>,
  line: number,
  environment: Environment,
  source: BoundQuery | null = null,
): BoundChange {
  const { scope, prefix } = bindCommonTables(statement.with, null, environment);
  const table = findTable(statement.target, line, environment);
  const explicit = statement.columns?.map((name) => columnNamed(table, name, line));
  const identity = table.columns.find((column) => column.identity !== null) ?? null;
  const duplicate = explicit?.find((column, index) => explicit.indexOf(column) !== index);
  if (duplicate !== undefined) {
    throw new SqlError(
      264,
      `The column name '${duplicate.name}' is specified more than once in the SET clause or column list of an INSERT. A column cannot be assigned more than one value in the same clause.`,
      { line, scope: 'scope' },
    );
  }
  for (const column of explicit ?? []) {
    if (column.rowversion) {
      throw new SqlError(
        273,
        'Cannot insert an explicit value into a timestamp column. Use INSERT with a column list to exclude the timestamp column, or insert a DEFAULT into the timestamp column.',
        { line, scope: 'scope' },
      );
    }
    checkWritable(column, line);
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
  if (query !== null && query.columns.length !== targets.length)
    throw countMismatch(query.columns.length, targets.length, explicit !== undefined, identity, line);
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
    output: bindOutput(statement.output, table, emptyScope(), environment, line),
    identity,
    variables: [],
    changed: new Set(table.columns.map((column) => column.id)),
    verb: 'INSERT',
  };
}

export const rowversionValue = "decode(lpad(to_hex(nextval('catalog.rowversions')), 16, '0'), 'hex')";

function countMismatch(
  given: number,
  wanted: number,
  explicit: boolean,
  identity: ColumnDefinition | null,
  line: number,
): SqlError {
  if (explicit) {
    const [number, word] =
      given < wanted
        ? [109, 'more columns in the INSERT statement than values specified in the VALUES clause']
        : [110, 'fewer columns in the INSERT statement than values specified in the VALUES clause'];
    return new SqlError(
      number,
      `There are ${word}. The number of values in the VALUES clause must match the number of columns specified in the INSERT statement.`,
      { severity: 15, line, scope: 'scope' },
    );
  }
  void identity;
  return new SqlError(213, 'Column name or number of supplied values does not match table definition.', {
    line,
    scope: 'scope',
  });
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
    const from = statement.from.map((source) => bindSource(source, scope, environment));
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

/** A common table expression over one table can be changed through: its query yields the rows' places. */
function throughCommonTable(statement: Of<'update'> | Of<'delete'>): { select: Select; columns: string[] } | null {
  const [name, ...more] = statement.target;
  const found = statement.with.find((candidate) => more.length === 0 && same(candidate.name, name ?? ''));
  const body = found?.query.body;
  return found !== undefined && body?.kind === 'select' && statement.from.length === 0
    ? { select: body, columns: found.columns }
    : null;
}

interface Places {
  table: TableDefinition;
  alias: string;
  scope: Scope;
  /** FROM and WHERE of a query whose rows are changed. */
  from: string;
  where: string | null;
  /** Rows must be picked first, because the change's own FROM cannot say it: joins, TOP, CTE. */
  picked: boolean;
}

function bindPlaces(statement: Of<'update'> | Of<'delete'>, line: number, environment: Environment): Places {
  const { scope: outer, prefix } = bindCommonTables(statement.with, null, environment);
  const through = throughCommonTable(statement);
  if (through !== null) return bindThrough(statement, through, outer, prefix, environment, line);
  const scope = emptyScope(outer);
  const { table, alias, from } = bindTarget(statement, line, scope, environment);
  const where = statement.where && bindCondition(statement.where, scope, environment);
  const picked = statement.from.length > 0 || statement.top !== null || prefix !== '';
  return { table, alias, scope, from: `${prefix}\u0003${from.join(', ')}`, where, picked };
}

/** The CTE's columns become the scope; window functions in it force a subquery that also yields ctid. */
function bindThrough(
  statement: Of<'update'> | Of<'delete'>,
  through: { select: Select; columns: string[] },
  outer: Scope,
  prefix: string,
  environment: Environment,
  line: number,
): Places {
  const inner = emptyScope(outer);
  const { select } = through;
  if (select.from.length !== 1 || select.groupBy.length > 0 || select.distinct)
    throw notSupported('changing data through a common table expression that joins, groups or is distinct', line);
  const from = select.from.map((source) => bindSource(source, inner, environment));
  const [target] = inner.sources;
  if (target?.table == null)
    throw notSupported('changing data through a common table expression over something else than a table', line);
  const columns = bindItems(select.items, inner, environment);
  const where = select.where && bindCondition(select.where, inner, environment);
  const cte = statement.with.find((candidate) => same(candidate.name, statement.target[0] ?? ''));
  const ordered =
    cte?.query.orderBy.map(
      (item) =>
        `${bindExpression(item.expression, inner, environment).sql} ${item.descending ? 'DESC NULLS LAST' : 'ASC NULLS FIRST'}`,
    ) ?? [];
  const limit =
    select.top === null
      ? ''
      : ` LIMIT ${convert(bindExpression(select.top.count, emptyScope(), environment), bigint, { explicit: true })}`;
  const pg = environment.aliases.next();
  const list = columns.map((column, index) => `${column.sql} AS o${index + 1}`).join(', ');
  const sql = `(SELECT ${list}, ${target.pg}.ctid AS place FROM ${from.join(', ')}${where === null ? '' : ` WHERE ${where}`}${ordered.length > 0 ? ` ORDER BY ${ordered.join(', ')}` : ''}${limit}) AS ${pg}`;
  const scope = emptyScope(outer);
  scope.sources.push({
    name: statement.target[0] ?? '',
    path: null,
    pg,
    table: null,
    columns: columns.map((column, index) => ({ ...column, sql: `${pg}.o${index + 1}`, trimmed: undefined })),
  });
  const condition = statement.where && bindCondition(statement.where, scope, environment);
  return { table: target.table, alias: pg, scope, from: `${prefix}\u0003${sql}`, where: condition, picked: true };
}

const topText = (statement: Of<'update'> | Of<'delete'>, scope: Scope, environment: Environment): string => {
  if (statement.top === null) return '';
  if (statement.top.percent) throw notSupported('TOP (n) PERCENT in UPDATE and DELETE');
  return ` LIMIT ${convert(bindExpression(statement.top.count, emptyScope(scope), environment), bigint, { explicit: true })}`;
};

export function bindDelete(statement: Of<'delete'>, line: number, environment: Environment): BoundChange {
  if (statement.cursor !== null) throw notSupported('WHERE CURRENT OF', line);
  const places = bindPlaces(statement, line, environment);
  const { table, alias } = places;
  const [prefix = '', from = ''] = places.from.split('\u0003');
  const where = places.where === null ? '' : ` WHERE ${places.where}`;
  const place = `${alias}.${places.scope.sources[0]?.pg === alias && places.scope.sources[0].table === null ? 'place' : 'ctid'}`;
  const output = bindOutput(statement.output, table, places.picked ? emptyScope() : places.scope, environment, line);
  const sql = places.picked
    ? `${prefix}DELETE FROM ${table.physical} AS del WHERE del.ctid IN (SELECT ${place} FROM ${from}${where}${topText(statement, places.scope, environment)})`
    : `DELETE FROM ${from}${where}`;
  return { table, sql, events: ['delete'], output, identity: null, variables: [], changed: new Set(), verb: 'DELETE' };
}

interface BoundAssignments {
  columns: { column: ColumnDefinition; sql: string; typed: Typed }[];
  variables: { name: string; typed: Typed }[];
}

function bindAssignments(
  assignments: readonly Assignment[],
  table: TableDefinition,
  scope: Scope,
  environment: Environment,
): BoundAssignments {
  const result: BoundAssignments = { columns: [], variables: [] };
  const name = fullName(table, environment);
  for (const { column: path, variable, operator, value: expression, line } of assignments) {
    const columnName = path?.at(-1);
    const column = columnName === undefined ? null : columnNamed(table, columnName, line);
    let typed: Typed;
    if (expression.kind === 'default' && column !== null) typed = defaultOf(table, column, environment) ?? nullValue;
    else typed = bindExpression(expression, scope, environment);
    if (operator !== '=') {
      const current: Expression =
        column === null ? { kind: 'variable', name: variable ?? '', line } : { kind: 'column', path: path ?? [], line };
      const op = operator.slice(0, 1);
      if (
        op === '+' ||
        op === '-' ||
        op === '*' ||
        op === '/' ||
        op === '%' ||
        op === '&' ||
        op === '|' ||
        op === '^'
      ) {
        typed = bindBinary(op, bindExpression(current, scope, environment), typed, line);
      }
    }
    if (column !== null) {
      checkWritable(column, line);
      if (column.identity !== null)
        throw new SqlError(8102, `Cannot update identity column '${column.name}'.`, { line, scope: 'scope' });
      if (result.columns.some((other) => other.column === column)) {
        throw new SqlError(
          264,
          `The column name '${column.name}' is specified more than once in the SET clause or column list of an INSERT. A column cannot be assigned more than one value in the same clause.`,
          { line, scope: 'scope' },
        );
      }
      result.columns.push({ column, typed, sql: convertForColumn(typed, column.type, name, column.name, line) });
    }
    if (variable !== null)
      result.variables.push({
        name: variable,
        typed: column === null ? typed : { ...value(`n.c${column.id}`, column.type) },
      });
  }
  for (const column of table.columns) {
    if (column.rowversion) result.columns.push({ column, typed: nullValue, sql: rowversionValue });
  }
  return result;
}

export function bindUpdate(statement: Of<'update'>, line: number, environment: Environment): BoundChange {
  if (statement.cursor !== null) throw notSupported('WHERE CURRENT OF', line);
  const places = bindPlaces(statement, line, environment);
  const { table, alias, scope } = places;
  const [prefix = '', from = ''] = places.from.split('\u0003');
  const { columns, variables } = bindAssignments(statement.assignments, table, scope, environment);
  const where = places.where === null ? '' : ` WHERE ${places.where}`;
  const first = columns[0];
  // only variables: still an update of the rows that qualify, changing nothing
  const sets =
    first === undefined
      ? [`c${table.columns[0]?.id ?? 1} = ${places.picked ? 'upd' : alias}.c${table.columns[0]?.id ?? 1}`]
      : columns.map(({ column, sql }) => `c${column.id} = ${sql}`);
  const changed = new Set(columns.filter(({ column }) => !column.rowversion).map(({ column }) => column.id));
  const base = { table, events: ['update' as const], identity: null, changed, verb: 'UPDATE' as const };
  if (!places.picked) {
    const output = bindOutput(statement.output, table, scope, environment, line);
    return { ...base, sql: `UPDATE ${from} SET ${sets.join(', ')}${where}`, output, variables };
  }
  const through = scope.sources[0]?.pg === alias && scope.sources[0].table === null;
  const pick = environment.aliases.next();
  const picks = columns.map(({ sql }, index) => `${sql} AS v${index}`);
  const outerVariables = variables.map(({ name, typed }, index) => {
    if (typed.sql.startsWith('n.c')) return { name, typed };
    picks.push(`${typed.sql} AS w${index}`);
    return { name, typed: { ...typed, sql: `${pick}.w${index}` } };
  });
  // OUTPUT may name columns of the other tables: they travel through the pick.
  const exported: string[] = [];
  const outputScope: Scope = {
    ...emptyScope(),
    sources: scope.sources.map((source) => ({
      ...source,
      columns: source.columns.map((column, index) => ({
        ...column,
        sql: `${pick}.${source.pg}_${index}`,
        trimmed: undefined,
      })),
    })),
  };
  const output = bindOutput(statement.output, table, outputScope, environment, line);
  for (const source of scope.sources) {
    source.columns.forEach((column, index) => {
      if (output?.sql.some((text) => text.includes(`${pick}.${source.pg}_${index}`)) === true)
        exported.push(`${column.sql} AS ${source.pg}_${index}`);
    });
  }
  const pickedSets =
    first === undefined
      ? sets
      : columns.map(
          ({ column }, index) => `c${column.id} = ${column.rowversion ? rowversionValue : `${pick}.v${index}`}`,
        );
  const place = `${alias}.${through ? 'place' : 'ctid'}`;
  const top = topText(statement, scope, environment);
  const list = [`${place} AS place`, ...picks, ...exported].join(', ');
  const query =
    top === ''
      ? `SELECT DISTINCT ON (${place}) ${list} FROM ${from}${where}`
      : `SELECT ${list} FROM ${from}${where}${top}`;
  return {
    ...base,
    sql: `${prefix}UPDATE ${table.physical} AS upd SET ${pickedSets.join(', ')} FROM (${query}) AS ${pick} WHERE upd.ctid = ${pick}.place`,
    output,
    variables: outerVariables,
  };
}

export function bindMerge(statement: Of<'merge'>, line: number, environment: Environment): BoundChange {
  const { scope: outer, prefix } = bindCommonTables(statement.with, null, environment);
  const table = findTable(statement.target, line, environment);
  applyHints(statement.hints, table, environment);
  const pg = environment.aliases.next();
  const target: Source = {
    name: statement.alias ?? statement.target.at(-1) ?? '',
    path: statement.alias === null ? statement.target : null,
    pg,
    columns: columnsOf(table, pg, environment),
    table,
  };
  const sourceScope = emptyScope(outer);
  const source = bindSource(statement.source, sourceScope, environment);
  const both: Scope = { ...emptyScope(outer), sources: [target, ...sourceScope.sources] };
  const on = bindCondition(statement.on, both, environment);
  const name = fullName(table, environment);
  const events = new Set<'insert' | 'update' | 'delete'>();
  const changed = new Set<number>();
  const branches = statement.branches.map(({ when, condition, action }) => {
    const scope: Scope =
      when === 'notMatched'
        ? { ...both, sources: sourceScope.sources }
        : when === 'notMatchedBySource'
          ? { ...both, sources: [target] }
          : both;
    const head = {
      matched: 'WHEN MATCHED',
      notMatched: 'WHEN NOT MATCHED BY TARGET',
      notMatchedBySource: 'WHEN NOT MATCHED BY SOURCE',
    }[when];
    const and = condition === null ? '' : ` AND ${bindCondition(condition, scope, environment)}`;
    events.add(action.kind);
    if (action.kind === 'delete') return `${head}${and} THEN DELETE`;
    if (action.kind === 'update') {
      const { columns } = bindAssignments(action.assignments, table, scope, environment);
      for (const { column } of columns) changed.add(column.id);
      return `${head}${and} THEN UPDATE SET ${columns.map(({ column, sql }) => `c${column.id} = ${sql}`).join(', ')}`;
    }
    const insertable = table.columns.filter(
      (column) => column.computed === null && column.identity === null && !column.rowversion,
    );
    const targets =
      action.columns.length > 0
        ? action.columns.map((columnName) => columnNamed(table, columnName, line))
        : action.values === null
          ? []
          : insertable;
    if (action.values !== null && targets.length !== action.values.length)
      throw countMismatch(action.values.length, targets.length, action.columns.length > 0, null, line);
    const given = targets.map((column, index) => {
      const expression = action.values?.[index];
      const typed =
        expression === undefined || expression.kind === 'default'
          ? (defaultOf(table, column, environment) ?? nullValue)
          : bindExpression(expression, scope, environment);
      return convertForColumn(typed, column.type, name, column.name, line);
    });
    const rest = table.columns.filter(
      (column) => column.computed === null && column.identity === null && !targets.includes(column),
    );
    const defaults = rest.map((column) =>
      column.rowversion
        ? rowversionValue
        : convertForColumn(defaultOf(table, column, environment) ?? nullValue, column.type, name, column.name, line),
    );
    for (const column of table.columns) changed.add(column.id);
    return `${head}${and} THEN INSERT (${[...targets, ...rest].map((column) => `c${column.id}`).join(', ')}) VALUES (${[...given, ...defaults].join(', ')})`;
  });
  return {
    table,
    sql: `${prefix}MERGE INTO ${table.physical} AS ${pg} USING ${source} ON ${on} ${branches.join(' ')}`,
    events: [...events],
    output: bindOutput(statement.output, table, sourceScope, environment, line, true),
    identity: table.columns.find((column) => column.identity !== null) ?? null,
    variables: [],
    changed,
    verb: 'MERGE',
  };
}
