import { invalidObject, notSupported, SqlError, sqlError } from '../errors';
import { systemView } from '../catalog/system-views';
import { type ColumnDefinition, type ModuleDefinition, type TableDefinition } from '../catalog/definitions';
import { value } from '../emitter/built-in';
import { convert } from '../emitter/convert';
import { fillHoles, hole } from '../emitter/holes';
import { collationOf, pgType, plain, quote, type Collation, type Typed } from '../emitter/typed';
import { parseExpressionText } from '../parser/parser';
import { type Query, type TableSource } from '../parser/ast';
import { type BoundQuery } from './bound';
import { bindCondition, bindExpression, bindQuery, resolveType, type Environment } from './environment';
import { pivotQuery, unpivotQuery } from './pivot';
import { emptyScope, matchesSource, same, type Scope, type Source, type SourceColumn } from './scope';
import { bindNodes } from './xml';
import { bigint, commonType, familyOf, int, nvarchar, sysname } from './types';

/** PostgreSQL text of one FROM item; its columns become visible in `scope`. */
export function bindSource(source: TableSource, scope: Scope, environment: Environment): string {
  switch (source.kind) {
    case 'table':
      return bindNamed(source, scope, environment);
    case 'variable': {
      const table = environment.tables.get(source.name);
      if (table === undefined) throw sqlError(1087, [source.name], { line: source.line });
      return addTable(table, source.alias ?? source.name, null, scope, environment);
    }
    case 'derived':
      return addDerived(
        bindQuery(source.query, emptyScope(scope.parent), environment),
        source.alias,
        source.columns,
        scope,
        environment,
        source.line,
      );
    case 'function':
      return bindFunction(source, scope, environment);
    case 'openJson':
      return bindOpenJson(source, scope, environment);
    case 'xmlNodes':
      return bindNodes(source, scope, environment);
    case 'pivot':
      return bindSource(pivotQuery(source, columnsBelow(source, scope, environment)), scope, environment);
    case 'unpivot':
      return bindSource(unpivotQuery(source, columnsBelow(source, scope, environment)), scope, environment);
    case 'join':
      return bindJoin(source, scope, environment);
  }
}

/** The columns of what is pivoted, found out by binding it once for nothing. */
function columnsBelow({ source }: { source: TableSource }, scope: Scope, environment: Environment): SourceColumn[] {
  const inner = emptyScope(scope.parent);
  bindSource(source, inner, environment);
  return inner.sources.flatMap(({ columns }) => columns);
}

/** OPENJSON: keys and values, or the columns that WITH names. */
function bindOpenJson(
  source: Extract<TableSource, { kind: 'openJson' }>,
  scope: Scope,
  environment: Environment,
): string {
  const { schema, alias, line } = source;
  const [document = "''", path = "'$'"] = source.args.map((arg) =>
    plain(convert(bindExpression(arg, emptyScope(scope), environment), nvarchar('max'), { explicit: true, line })),
  );
  const pg = environment.aliases.next();
  const column = (name: string, type: SourceColumn['type'], index: number): SourceColumn => ({
    ...value(`${pg}.o${index + 1}`, type),
    name,
    collation: familyOf(type) === 'string' ? 'tsql.ci' : null,
  });
  if (schema === null) {
    const columns = [column('key', nvarchar(4000), 0), column('value', nvarchar('max'), 1), column('type', int, 2)];
    scope.sources.push({ name: alias ?? 'openjson', path: null, pg, columns, table: null });
    return `(SELECT key AS o1, value AS o2, type AS o3 FROM tsql.open_json(${document}, ${path})) AS ${pg}`;
  }
  const types = schema.map(({ type }, index) => resolveType(environment, type, index + 1));
  const items = schema.map(({ name, path: own, json }, index) => {
    const type = types[index] ?? int;
    if (json && !(type.name === 'nvarchar' && type.length === 'max')) throw sqlError(13618, [], { line });
    const wanted = quote(own ?? `$."${name}"`);
    const typed = value(`tsql.${json ? 'json_query' : 'json_value'}(${pg}j.j, ${wanted})`, nvarchar('max'));
    return `${convert(typed, type, { explicit: true, line })} AS o${index + 1}`;
  });
  const columns = schema.map(({ name }, index) => column(name, types[index] ?? int, index));
  scope.sources.push({ name: alias ?? 'openjson', path: null, pg, columns, table: null });
  return `(SELECT ${items.join(', ')} FROM tsql.json_rows(${document}, ${path}) AS ${pg}j(j)) AS ${pg}`;
}

/** All of FROM. @throws SqlError 1011, 1012 or 1013 where two items have one name. */
export function bindFrom(sources: readonly TableSource[], scope: Scope, environment: Environment): string[] {
  const texts = sources.map((source) => bindSource(source, scope, environment));
  const line = sources[0]?.line ?? 1;
  scope.sources.forEach((source, index) => {
    const other = scope.sources.slice(0, index).find((before) => same(before.name, source.name));
    if (other === undefined || source.name === '') return;
    const [a, b] = [other.path, source.path].map((path) => path?.join('.'));
    if (a === undefined && b === undefined) throw sqlError(1011, [source.name], { line });
    if (a === undefined || b === undefined) throw sqlError(1012, [source.name, a ?? b ?? ''], { line });
    if (matchesSource(other, source.path ?? [])) throw sqlError(1013, [a, b], { line });
  });
  return texts;
}

const joins = { inner: 'JOIN', left: 'LEFT JOIN', right: 'RIGHT JOIN', full: 'FULL JOIN' } as const;

function bindJoin(source: Extract<TableSource, { kind: 'join' }>, scope: Scope, environment: Environment): string {
  const left = bindSource(source.left, scope, environment);
  if (source.join === 'crossApply' || source.join === 'outerApply') {
    // The right side sees the left one.
    const inner = emptyScope(scope);
    const right = bindLateral(source.right, inner, scope, environment);
    return `${left} ${source.join === 'crossApply' ? 'CROSS JOIN' : 'LEFT JOIN'} ${right}${source.join === 'crossApply' ? '' : ' ON true'}`;
  }
  const first = scope.sources.length;
  const rightText = bindSource(source.right, scope, environment);
  const right = source.right.kind === 'join' ? `(${rightText})` : rightText;
  if (source.join === 'cross') return `${left} CROSS JOIN ${right}`;
  const on = source.on === null ? 'true' : bindCondition(source.on, scope, environment);
  markNullable(source.join, scope.sources, first);
  return `${left} ${joins[source.join]} ${right} ON ${on}`;
}

/** What an outer join may leave empty is nullable in the result. */
function markNullable(join: keyof typeof joins, sources: Source[], first: number): void {
  sources.forEach((source, index) => {
    const affected = join === 'full' || (join === 'left' && index >= first) || (join === 'right' && index < first);
    if (affected) source.columns = source.columns.map((column) => ({ ...column, nullable: true }));
  });
}

function bindLateral(source: TableSource, inner: Scope, scope: Scope, environment: Environment): string {
  if (source.kind === 'derived') {
    const bound = bindQuery(source.query, inner, environment);
    return `LATERAL ${addDerived(bound, source.alias, source.columns, scope, environment, source.line)}`;
  }
  if (source.kind === 'function') return `LATERAL ${bindFunction(source, scope, environment)}`;
  if (source.kind === 'xmlNodes') return `LATERAL ${bindNodes(source, scope, environment)}`;
  if (source.kind === 'openJson') return `LATERAL ${bindOpenJson(source, scope, environment)}`;
  return bindSource(source, scope, environment);
}

function bindNamed(source: Extract<TableSource, { kind: 'table' }>, scope: Scope, environment: Environment): string {
  const { path, line } = source;
  const name = source.alias ?? path.at(-1) ?? '';
  const qualifier = source.alias === null ? path : null;
  const common = path.length === 1 ? scope.commonTables.get(path[0]?.toLowerCase() ?? '') : undefined;
  if (common !== undefined) {
    if (common.recursive !== null) {
      const pg = environment.aliases.next();
      const { recursive } = common;
      const columns = recursive.columns.map((column, index) => ({ ...column, sql: `${pg}.o${index + 1}` }));
      scope.sources.push({ name, path: null, pg, columns, table: null });
      return `${recursive.pg} AS ${pg}`;
    }
    return addDerived(
      bindQuery(common.definition.query, common.scope, environment),
      name,
      common.definition.columns,
      scope,
      environment,
      line,
    );
  }
  const pseudo = path.length === 1 ? environment.tables.get(path[0]?.toLowerCase() ?? '') : undefined;
  if (pseudo !== undefined) return addTable(pseudo, name, qualifier, scope, environment);
  const view = systemView(path, environment);
  if (view !== null) {
    const pg = environment.aliases.next();
    const columns = view.columns.map((column, index) => ({
      name: column.name,
      sql: `${pg}.o${index + 1}`,
      type: column.type,
      nullable: true,
      collation: familyOf(column.type) === 'string' ? ('tsql.ci' as const) : null,
    }));
    scope.sources.push({ name, path: qualifier, pg, columns, table: null });
    return `(${view.sql}) AS ${pg}(${columns.map((_, index) => `o${index + 1}`).join(', ')})`;
  }
  const object = environment.find(path, line);
  switch (object?.kind) {
    case 'table':
      return addTable(object, name, qualifier, scope, environment, source.hints);
    case 'view':
      return addDerived(
        bindView(object, environment),
        name,
        object.columns.map((column) => column.name),
        scope,
        environment,
        line,
        qualifier,
      );
    case undefined:
      throw invalidObject(path.join('.'), line);
    case 'inlineFunction':
    case 'tableFunction':
      throw sqlError(216, [path.join('.')], { line });
    default:
      throw sqlError(208, [path.join('.')], { line });
  }
}

/** A function of several statements, which PostgreSQL calls. */
function bindTableFunction(
  source: Extract<TableSource, { kind: 'function' }>,
  object: ModuleDefinition,
  args: readonly Typed[],
  scope: Scope,
  environment: Environment,
): string {
  const { path, line, alias } = source;
  if (args.length !== object.columns.length)
    throw sqlError(args.length < object.columns.length ? 313 : 8144, [path.join('.')], { state: 3, line });
  const values = object.columns.map(({ type, computed }, index) => {
    const [given, arg] = [source.args[index], args[index]];
    if (given?.kind === 'default' || arg === undefined) return computed?.text ?? 'NULL';
    return convert(arg, type, { explicit: true, line });
  });
  const { name, table } = environment.compiledFunction(object.id);
  if (table === null) throw invalidObject(path.join('.'), line);
  const pg = environment.aliases.next();
  const stored = table.columns.filter((column) => column.computed === null);
  const columns = columnsOf(table, pg, environment).map((column, index) => ({
    ...column,
    name: source.columns[index] ?? column.name,
  }));
  scope.sources.push({
    name: alias ?? path.at(-1) ?? '',
    path: alias === null ? path : null,
    pg,
    columns,
    table: null,
  });
  return `${name}(${values.join(', ')}) AS ${pg}(${stored.map((column) => `c${column.id} ${columnType(column)}`).join(', ')})`;
}

/** @throws SqlError what its text lacks by now, followed by 4413. */
function bindViewQuery(view: ModuleDefinition, query: Query, environment: Environment): BoundQuery {
  try {
    return bindQuery(query, null, { ...environment, variables: new Map(), tables: new Map() });
  } catch (error) {
    if (!(error instanceof SqlError) || error.number === 49999 || error.options.followedBy !== undefined) throw error;
    const message = `Could not use view or function '${view.schema}.${view.name}' because of binding errors.`;
    throw error.with({ procedure: view.name, followedBy: { number: 4413, message, state: 1 } });
  }
}

export function bindView(view: ModuleDefinition, environment: Environment): BoundQuery {
  const { view: query } = environment.syntax(view);
  if (query === null) throw invalidObject(view.name);
  const bound = bindViewQuery(view, query, environment);
  if (bound.columns.length < view.columns.length) {
    throw sqlError(4502, [`${view.schema}.${view.name}`]);
  }
  return { ...bound, columns: bound.columns.slice(0, view.columns.length) };
}

/** PostgreSQL's type of a stored column. */
export const columnType = (column: ColumnDefinition): string =>
  familyOf(column.type) === 'string' ? `text COLLATE ${collationOf(column.collation ?? '')}` : pgType(column.type);

const collationOfColumn = (column: ColumnDefinition): Collation | null =>
  familyOf(column.type) !== 'string' ? null : column.collation === null ? 'tsql.ci' : collationOf(column.collation);

/** A stored column as an expression. Columns of type char are stored without trailing blanks, and read with them. */
export function storedColumn(pg: string, column: ColumnDefinition): SourceColumn {
  const raw = `${pg}.c${column.id}`;
  const padded = (column.type.name === 'char' || column.type.name === 'nchar') && 'length' in column.type;
  return {
    name: column.name,
    sql: padded && 'length' in column.type ? `rpad(${raw}, ${column.type.length})` : raw,
    type: column.type,
    nullable: column.nullable,
    collation: collationOfColumn(column),
    trimmed: padded ? raw : undefined,
    identity: column.identity !== null,
  };
}

/** All columns of a table under an alias; computed ones are their expressions. */
export function columnsOf(
  table: Pick<TableDefinition, 'columns'>,
  pg: string,
  environment: Environment,
): SourceColumn[] {
  const stored = table.columns.filter((column) => column.computed === null).map((column) => storedColumn(pg, column));
  if (stored.length === table.columns.length) return stored;
  const scope = emptyScope();
  scope.sources.push({ name: '', path: null, pg, columns: stored, table: null });
  return table.columns.map((column) => {
    if (column.computed === null) return storedColumn(pg, column);
    const typed = bindExpression(parseExpressionText(column.computed.text), scope, environment);
    return { ...typed, sql: `(${typed.sql})`, trimmed: undefined, constant: undefined, name: column.name };
  });
}

const hasIndex = (table: TableDefinition, name: string): boolean =>
  /^\d+$/.test(name) || table.indexes.some((index) => same(index.name, name));

function addTable(
  table: TableDefinition,
  name: string,
  path: readonly string[] | null,
  scope: Scope,
  environment: Environment,
  hints: readonly string[] = [],
): string {
  const pg = environment.aliases.next();
  const source: Source & { rowLock?: string } = { name, path, pg, columns: columnsOf(table, pg, environment), table };
  const missing = hints.find((hint) => hint.startsWith('=') && !hasIndex(table, hint.slice(1)));
  if (missing !== undefined)
    throw sqlError(308, [missing.slice(1), path?.join('.') ?? `${table.schema}.${table.name}`]);
  const rowLock = applyHints(hints, table, environment);
  if (rowLock !== null) source.rowLock = rowLock;
  scope.sources.push(source);
  return `${table.physical} AS ${pg}`;
}

/** Locks that hints name. NOLOCK and its like cannot matter: readers never wait here, and never see what is not committed. */
export function applyHints(hints: readonly string[], table: TableDefinition, environment: Environment): string | null {
  const has = (...names: string[]): boolean => names.some((name) => hints.includes(name));
  const { physical } = table;
  if (has('TABLOCKX') || (has('TABLOCK') && has('XLOCK', 'UPDLOCK')))
    environment.locks.push({ physical, mode: 'EXCLUSIVE' });
  else if (has('UPDLOCK', 'XLOCK') && has('HOLDLOCK', 'SERIALIZABLE'))
    environment.locks.push({ physical, mode: 'SHARE ROW EXCLUSIVE' });
  else if (has('HOLDLOCK', 'SERIALIZABLE', 'REPEATABLEREAD')) environment.locks.push({ physical, mode: 'SHARE' });
  else if (has('UPDLOCK', 'XLOCK')) return has('READPAST') ? ' SKIP LOCKED' : has('NOWAIT') ? ' NOWAIT' : '';
  return null;
}

function addDerived(
  bound: BoundQuery,
  name: string,
  names: readonly string[],
  scope: Scope,
  environment: Environment,
  line: number,
  path: readonly string[] | null = null,
): string {
  const pg = environment.aliases.next();
  if (names.length > 0 && names.length !== bound.columns.length)
    throw sqlError(names.length < bound.columns.length ? 8158 : 8159, [name], { line });
  const columns = bound.columns.map((column, index): SourceColumn => {
    const columnName = names[index] ?? column.name;
    if (columnName === '') throw sqlError(8155, [index + 1, name], { line });
    return {
      name: columnName,
      sql: `${pg}.o${index + 1}`,
      type: column.type,
      nullable: column.nullable,
      collation: column.collation,
      identity: column.identity,
      node: column.node,
    };
  });
  const seen = new Set<string>();
  for (const column of columns) {
    const key = column.name.toLowerCase();
    if (seen.has(key)) throw sqlError(8156, [column.name, name], { line });
    seen.add(key);
  }
  scope.sources.push({ name, path, pg, columns, table: null });
  return `(${bound.sql}) AS ${pg}`;
}

function bindFunction(
  source: Extract<TableSource, { kind: 'function' }>,
  scope: Scope,
  environment: Environment,
): string {
  const { path, line, alias } = source;
  const lower = path.at(-1)?.toLowerCase() ?? '';
  const args = source.args.map((arg) =>
    arg.kind === 'default'
      ? { ...value('NULL', nvarchar('max')), isNull: true }
      : bindExpression(arg, emptyScope(scope), environment),
  );
  const name = alias ?? path.at(-1) ?? '';
  if (lower === 'fn_listextendedproperty') {
    const pg = environment.aliases.next();
    const texts = args.map((arg) => convert(arg, nvarchar('max'), { explicit: true }));
    const columns = ['objtype', 'objname', 'name', 'value'].map((column, index): SourceColumn => ({
      name: column,
      sql: `${pg}.o${index + 1}`,
      type: sysname,
      nullable: true,
      collation: 'tsql.ci',
    }));
    scope.sources.push({ name, path: null, pg, columns, table: null });
    return `(SELECT objtype AS o1, objname AS o2, name AS o3, value AS o4 FROM tsql.list_properties(${[environment.databaseId, ...texts].join(', ')})) AS ${pg}`;
  }
  if (path.length === 1) {
    const pg = environment.aliases.next();
    const column = (position: number, own: string, type: SourceColumn['type']): SourceColumn => ({
      ...value(`${pg}.o${position}`, type),
      name: source.columns[position - 1] ?? own,
      collation: familyOf(type) === 'string' ? 'tsql.ci' : null,
    });
    if (lower === 'generate_series' && args.length >= 2) {
      const type = args.map((arg) => arg.type).reduce((a, b) => commonType(a, b));
      const [start, stop, step] = args.map((arg) => convert(arg, type, { explicit: true, line }));
      scope.sources.push({ name, path: null, pg, columns: [column(1, 'value', type)], table: null });
      return `(SELECT generate_series(${start}, ${stop}, ${step ?? `(CASE WHEN ${start} <= ${stop} THEN 1 ELSE -1 END)`}) AS o1) AS ${pg}`;
    }
    if (lower !== 'string_split') throw notSupported(`the table function ${path.join('.')}`, line);
    if (args.length < 2 || args.length > 3) throw sqlError(189, ['string_split', 2, 3], { line });
    if (args[1]?.constant !== undefined && args[1].constant.length !== 1)
      throw sqlError(214, ['separator', 'nchar(1)/nvarchar(1)'], { line });
    const [text = '', separator = ''] = args.map((arg) => convert(arg, nvarchar('max'), { explicit: true }));
    const columns = [column(1, 'value', nvarchar(4000))];
    if (args[2] !== undefined && args[2].constant === undefined) throw sqlError(8748, [], { line });
    if (args[2]?.constant === '1') columns.push(column(2, 'ordinal', bigint));
    scope.sources.push({ name, path: null, pg, columns, table: null });
    // of an empty string there is one part
    const parts = `(CASE WHEN ${text} = '' THEN ARRAY[''] ELSE string_to_array(${text}, ${separator}) END)`;
    return `(SELECT s.o1, s.o2 FROM unnest(${parts}) WITH ORDINALITY AS s(o1, o2)) AS ${pg}`;
  }
  const object = environment.find(path, line);
  if (object?.kind === 'tableFunction') return bindTableFunction(source, object, args, scope, environment);
  if (object?.kind !== 'inlineFunction') throw invalidObject(path.join('.'), line);
  const { parameters, returns } = environment.syntax(object);
  if (returns?.kind !== 'inline') throw invalidObject(path.join('.'), line);
  if (args.length !== parameters.length) {
    throw sqlError(args.length < parameters.length ? 313 : 8144, [path.join('.')], { state: 3, line });
  }
  const types = new Map(parameters.map((parameter) => [parameter.name, resolveType(environment, parameter.type)]));
  const bound = bindQuery(returns.query, null, { ...environment, variables: types, tables: new Map() });
  const values = new Map(
    parameters.map((parameter, index) => {
      const type = types.get(parameter.name) ?? nvarchar('max');
      const arg = source.args[index];
      const chosen =
        arg?.kind === 'default' && parameter.default !== null
          ? bindExpression(parameter.default, emptyScope(), environment)
          : args[index];
      return [parameter.name, chosen === undefined ? 'NULL' : `(${convert(chosen, type, { explicit: true, line })})`];
    }),
  );
  const sql = fillHoles(bound.sql, (inner) => values.get(inner) ?? hole(inner));
  return addDerived({ ...bound, sql }, name, source.columns, scope, environment, line, alias === null ? path : null);
}
