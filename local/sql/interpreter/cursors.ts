import { containsAggregate } from '../binder/aggregates';
import { type BoundColumn } from '../binder/bound';
import { bindQuery, type Environment } from '../binder/environment';
import { type Scope } from '../binder/scope';
import { bindItems } from '../binder/select-items';
import { storedColumn } from '../binder/sources';
import { int } from '../binder/types';
import { type ColumnDefinition } from '../catalog/definitions';
import { convert } from '../emitter/convert';
import { literal } from '../emitter/typed';
import { notSupported, sqlError } from '../errors';
import { type Condition, type CursorDefinition, type DmlStatement, type Query, type Statement } from '../parser/ast';
import { compileQuery, describeColumns } from './queries';
import { type Runtime } from './runtime';
import { toSqlValue, type Text } from './values';

/** A cursor reads its rows when it is opened, as a STATIC one does; more than this is no cursor's work. */
const maximumRows = 100_000;

export interface OpenCursor {
  name: string;
  definition: CursorDefinition;
  columns: readonly BoundColumn[];
  rows: Text[][] | null;
  /** The key of the only table, whose values follow those of the columns in each row: for WHERE CURRENT OF. */
  key: ColumnDefinition[];
  /** 1-based; 0 before the first row, one beyond the last behind it. */
  position: number;
}

/** By the session for global cursors, by the frame for local ones, which end with it. */
const cursorsOf = new WeakMap<object, Map<string, OpenCursor>>();

function cursors(owner: object): Map<string, OpenCursor> {
  const known = cursorsOf.get(owner) ?? new Map<string, OpenCursor>();
  cursorsOf.set(owner, known);
  return known;
}

/** sp_reset_connection and the end of a session. */
export const closeAllCursors = (state: object): boolean => cursorsOf.delete(state);

/** CURSOR_STATUS: 1 open, 0 open and empty, -1 closed, -2 a variable without a cursor, -3 no such cursor. */
export function cursorStatus(scope: string, name: string, { state, frame }: Pick<Runtime, 'state' | 'frame'>): number {
  const variable = scope === 'variable';
  const cursor = cursors(scope === 'global' ? state : frame()).get(name.toLowerCase());
  if (cursor === undefined || (scope !== 'global' && name.startsWith('@') !== variable))
    return variable && frame().variables.has(name.toLowerCase()) ? -2 : -3;
  return cursor.rows === null ? -1 : cursor.rows.length > 0 ? 1 : 0;
}

function find(name: string, runtime: Runtime): OpenCursor {
  const key = name.toLowerCase();
  const cursor = cursors(runtime.frame()).get(key) ?? cursors(runtime.state).get(key);
  if (cursor !== undefined) return cursor;
  if (!name.startsWith('@')) throw sqlError(16916, [name]);
  throw sqlError(16950, [name]);
}

export async function declareCursor(definition: CursorDefinition, runtime: Runtime): Promise<void> {
  const key = definition.name.toLowerCase();
  const owner = cursors(definition.local ? runtime.frame() : runtime.state);
  if (owner.has(key) && !key.startsWith('@')) throw sqlError(16915, [definition.name]);
  const { columns } = await runtime.compile((environment) => compileQuery(definition.query, environment));
  owner.set(key, { name: definition.name, definition, columns, rows: null, key: [], position: 0 });
}

export async function openCursor(name: string, runtime: Runtime): Promise<void> {
  const cursor = find(name, runtime);
  if (cursor.rows !== null) throw sqlError(16905);
  const compiled = await runtime.compile((environment) => compileWithKey(cursor.definition.query, environment));
  const rows: Text[][] = [];
  await runtime.run(compiled.sql, 'OPEN', {
    onRow: (row) => {
      if (rows.length < maximumRows + 1) rows.push(row);
    },
  });
  if (rows.length > maximumRows) throw notSupported(`cursors over more than ${maximumRows} rows`);
  cursor.columns = compiled.columns;
  cursor.key = compiled.key;
  cursor.rows = rows;
  cursor.position = 0;
  runtime.state.cursorRows = rows.length;
}

/** The query of a cursor; over one table that has a key it yields the key, too. */
function compileWithKey(
  query: Query,
  environment: Environment,
): { sql: string; columns: BoundColumn[]; key: ColumnDefinition[] } {
  const { body } = query;
  const [source, ...more] = body.kind === 'select' ? body.from : [];
  const plain = body.kind === 'select' && source?.kind === 'table' && more.length === 0 && !body.distinct;
  const table = plain ? environment.find(source.path, source.line) : null;
  const index =
    table?.kind === 'table' ? table.indexes.find(({ unique, filter }) => unique && filter === null) : undefined;
  const grouped = body.kind === 'select' && (body.groupBy.length > 0 || body.items.some(containsAggregate));
  if (body.kind !== 'select' || table?.kind !== 'table' || index === undefined || grouped)
    return { ...compileQuery(query, environment), key: [] };
  const key = index.columns.flatMap(({ id }) => table.columns.filter((column) => column.id === id));
  const items = (scope: Scope): BoundColumn[] => [
    ...bindItems(body.items, scope, environment),
    ...key.map((column) => ({ ...storedColumn(scope.sources[0]?.pg ?? '', column), name: '' })),
  ];
  const { sql, columns } = bindQuery(query, null, environment, { top: true, items });
  return { sql, columns: columns.slice(0, columns.length - key.length), key };
}

type Positioned = Extract<DmlStatement, { kind: 'update' | 'delete' }>;

/** UPDATE or DELETE ... WHERE CURRENT OF as one by the key of the row that was fetched last. */
export function atCursor<T extends Positioned>(statement: T, line: number, runtime: Runtime): T {
  if (statement.cursor === null) return statement;
  const cursor = find(statement.cursor, runtime);
  if (cursor.rows === null) throw sqlError(16917);
  if (cursor.key.length === 0)
    throw notSupported('WHERE CURRENT OF a cursor over anything but one table with a key', line);
  const row = cursor.rows[cursor.position - 1];
  if (row === undefined) throw sqlError(16931);
  const conditions = cursor.key.map((column, index): Condition => {
    const name = `@current of ${cursor.name} ${index}`;
    runtime.frame().variables.set(name, { type: column.type, value: row[cursor.columns.length + index] ?? null });
    return {
      kind: 'compare',
      operator: '=',
      left: { kind: 'column', path: [column.name], line },
      right: { kind: 'variable', name, line },
      line,
    };
  });
  const where = conditions.reduce((left, right): Condition => ({ kind: 'and', left, right, line }));
  return { ...statement, cursor: null, where };
}

export function closeCursor(name: string, action: 'close' | 'deallocate', runtime: Runtime): void {
  const cursor = find(name, runtime);
  if (action === 'deallocate') {
    const key = name.toLowerCase();
    cursors(cursors(runtime.frame()).has(key) ? runtime.frame() : runtime.state).delete(key);
  } else if (cursor.rows === null) throw sqlError(16917);
  else cursor.rows = null;
}

export async function fetchCursor(statement: Extract<Statement, { kind: 'fetch' }>, runtime: Runtime): Promise<void> {
  const { state } = runtime;
  const cursor = find(statement.name, runtime);
  if (cursor.rows === null) throw sqlError(16917, [], { state: 2 });
  const { direction } = statement;
  if (direction !== 'NEXT' && !cursor.definition.scroll) {
    throw sqlError(16911, [direction.toLowerCase()]);
  }
  const offset = statement.offset === null ? 0 : Number((await runtime.evaluateAs(statement.offset, int)) ?? 0);
  const wanted =
    {
      NEXT: cursor.position + 1,
      PRIOR: cursor.position - 1,
      FIRST: 1,
      LAST: cursor.rows.length,
      ABSOLUTE: offset < 0 ? cursor.rows.length + 1 + offset : offset,
      RELATIVE: cursor.position + offset,
    }[direction] ?? 0;
  cursor.position = Math.max(0, Math.min(cursor.rows.length + 1, wanted));
  const row = cursor.rows[cursor.position - 1];
  if (statement.into.length > 0 && statement.into.length !== cursor.columns.length) throw sqlError(16924);
  state.fetchStatus = row === undefined ? -1 : 0;
  if (statement.into.length === 0) {
    state.sink.columns(describeColumns(cursor.columns));
    if (row !== undefined)
      await state.sink.row(cursor.columns.map((column, index) => toSqlValue(row[index] ?? null, column.type)));
    state.rowCount = row === undefined ? 0 : 1;
    runtime.done(state.rowCount, true);
    return;
  }
  state.rowCount = row === undefined ? 0 : 1;
  if (row !== undefined) await assignRow(row, cursor.columns, statement.into, runtime);
}

/** Values into variables, converted where the types differ. */
async function assignRow(
  row: readonly Text[],
  columns: readonly BoundColumn[],
  names: readonly string[],
  runtime: Runtime,
): Promise<void> {
  const conversions: { name: string; sql: string }[] = [];
  names.forEach((name, index) => {
    const variable = runtime.frame().variables.get(name);
    const column = columns[index];
    if (variable === undefined || column === undefined) return;
    const value = row[index] ?? null;
    if (value === null || JSON.stringify(column.type) === JSON.stringify(variable.type)) variable.value = value;
    else
      conversions.push({
        name,
        sql: convert(
          { sql: literal(value, column.type), type: column.type, nullable: true, collation: null },
          variable.type,
        ),
      });
  });
  if (conversions.length === 0) return;
  const [result] = await runtime.run(`SELECT ${conversions.map(({ sql }) => sql).join(', ')}`);
  conversions.forEach(({ name }, index) => {
    const variable = runtime.frame().variables.get(name);
    if (variable !== undefined) variable.value = result?.rows[0]?.[index] ?? null;
  });
}
