import { value } from '../emitter/built-in';
import { type Typed } from '../emitter/typed';
import { type ColumnDefinition, type TableDefinition } from '../catalog/definitions';
import { invalidColumn, invalidObject, type SqlError, sqlError } from '../errors';
import { type DmlStatement, type Path } from '../parser/ast';
import { parseExpressionText } from '../parser/parser';
import { type BoundColumn } from './bound';
import { bindExpression, type Environment } from './environment';
import { emptyScope, same } from './scope';

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

export type Of<Kind extends DmlStatement['kind']> = Extract<DmlStatement, { kind: Kind }>;

/** As messages name a table. */
export const fullName = (table: TableDefinition, environment: Environment): string =>
  table.temporary ? `tempdb.dbo.${table.name}` : `${environment.databaseName}.${table.schema}.${table.name}`;

export function findTable(path: Path, line: number, environment: Environment): TableDefinition {
  const pseudo = path.length === 1 ? environment.tables.get(path[0]?.toLowerCase() ?? '') : undefined;
  if (pseudo !== undefined) {
    if (pseudo.readOnly === true) {
      throw sqlError(10700, [pseudo.name], { line });
    }
    if (path[0]?.startsWith('@') === true) return pseudo;
    throw sqlError(286, [], { line });
  }
  if (path[0]?.startsWith('@') === true) {
    throw sqlError(1087, [path[0]], { line });
  }
  const object = environment.find(path, line);
  if (object?.kind === 'table') return object;
  throw invalidObject(path.join('.'), line);
}

export function columnNamed(table: TableDefinition, name: string, line: number): ColumnDefinition {
  const column = table.columns.find((candidate) => same(candidate.name, name));
  if (column === undefined) throw invalidColumn(name, line);
  return column;
}

export function checkWritable(column: ColumnDefinition, line: number): void {
  if (column.computed !== null) {
    throw sqlError(271, [column.name], { line });
  }
  if (column.rowversion) throw sqlError(272, [], { line });
}

/** The value that a column gets when nobody gives one. */
export function defaultOf(table: TableDefinition, column: ColumnDefinition, environment: Environment): Typed | null {
  const found = table.defaults.find((candidate) => candidate.columnId === column.id);
  return found === undefined ? null : bindExpression(parseExpressionText(found.text), emptyScope(), environment);
}

export const nullValue: Typed = { ...value('NULL', { name: 'int' }), isNull: true };

export const rowversionValue = "decode(lpad(to_hex(nextval('catalog.rowversions')), 16, '0'), 'hex')";

/** `form`: by what the columns were given; without a list of columns it is the table that does not match. */
export function countMismatch(
  given: number,
  wanted: number,
  form: 'values' | 'select' | 'implicit',
  line: number,
): SqlError {
  if (form === 'implicit') return sqlError(213, [], { line });
  if (form === 'select') return sqlError(given < wanted ? 120 : 121, [], { line });
  return sqlError(given < wanted ? 109 : 110, [], { line });
}
