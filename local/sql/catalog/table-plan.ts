import { type Environment } from '../binder/environment';
import { emptyScope, same, type Scope } from '../binder/scope';
import { columnsOf } from '../binder/sources';
import { convertForColumn, convert } from '../emitter/convert';
import { quote } from '../emitter/typed';
import { familyOf } from '../binder/types';
import { notSupported, sqlError, type SqlError } from '../errors';
import { type ColumnDefinition, type TableDefinition } from './definitions';

/** A change of a table: its definition as it will be, and the PostgreSQL statements that make it so, in order. */
export interface TablePlan {
  table: TableDefinition;
  schemaId: number;
  databaseId: number;
  /** false for table variables, which no catalog view shows. */
  recorded: boolean;
  sql: string[];
  /** Behind everything else: foreign keys may reference the table itself. */
  late: string[];
  /** A name that is taken, for message 2714: all names that the plan adds. */
  names: string[];
  nextId(): number;
  environment: Environment;
}

/** false: rows may exist already, and a new column needs a value for them. */
export const isNew = (plan: TablePlan): boolean => plan.sql[0]?.startsWith('CREATE ') === true;

export const qualified = (table: TableDefinition): string => `${table.schema}.${table.name}`;

export const relation = (table: TableDefinition): string => `t${table.id}`;

/** Names that SQL Server makes up when a script gives none. */
export function systemName(prefix: string, parts: readonly string[], id: number): string {
  const hash = ((id * 2654435761) >>> 0).toString(16).toUpperCase().padStart(8, '0');
  return [prefix, ...parts.map((part) => part.slice(0, 9)), hash].join('__');
}

/** A default's text as sys.default_constraints shows it: in parentheses, numbers in two pairs. */
export function definitionText(text: string): string {
  let inner = text.trim();
  while (inner.startsWith('(') && closes(inner)) inner = inner.slice(1, -1).trim();
  if (/^[A-Za-z_]+\(\)$/.test(inner)) inner = inner.toLowerCase();
  return /^-?[\d.]+$/.test(inner) ? `((${inner}))` : `(${inner})`;
}

/** Whether the first parenthesis is closed by the last character. */
function closes(text: string): boolean {
  let depth = 0;
  let quoted = false;
  for (let at = 0; at < text.length; at++) {
    const character = text[at];
    if (character === "'") quoted = !quoted;
    else if (!quoted && character === '(') depth++;
    else if (!quoted && character === ')' && --depth === 0) return at === text.length - 1;
  }
  return false;
}

/** The table's own columns, as CHECK constraints, index filters and computed columns name them. */
export function tableScope(table: TableDefinition, environment: Environment): Scope {
  const scope = emptyScope();
  scope.sources.push({
    name: table.name,
    path: null,
    pg: relation(table),
    columns: columnsOf(table, relation(table), environment),
    table,
  });
  return scope;
}

export function findColumn(table: TableDefinition, name: string, error: () => SqlError): ColumnDefinition {
  const column = table.columns.find((candidate) => same(candidate.name, name));
  if (column === undefined) throw error();
  return column;
}

export const blankColumn = (id: number, name: string, type: ColumnDefinition['type']): ColumnDefinition => ({
  id,
  name,
  type,
  userType: null,
  nullable: true,
  identity: null,
  computed: null,
  rowversion: false,
  rowguid: false,
  sparse: false,
  collation: null,
});

/** A constraint that cannot be: SQL Server says so twice. */
export const refused = (number: Parameters<typeof sqlError>[0], args: string[], line: number): SqlError =>
  sqlError(number, args, {
    line,
    followedBy: { number: 1750, message: 'Could not create constraint or index. See previous errors.', state: 0 },
  });

export function record(plan: TablePlan, id: number, name: string, type: string, info: object): void {
  plan.names.push(name);
  if (!plan.recorded) return;
  plan.late.push(
    `INSERT INTO catalog.objects (database_id, id, schema_id, name, type, parent_id, info) VALUES (${plan.databaseId}, ${id}, ${plan.schemaId}, ${quote(name)}, '${type}', ${plan.table.id}, ${quote(JSON.stringify(info))})`,
  );
}

/** A stored value converted in place, for ALTER COLUMN. */
export const convertStored = (
  column: ColumnDefinition,
  to: ColumnDefinition,
  table: TableDefinition,
  databaseName: string,
): string =>
  familyOf(column.type) === familyOf(to.type)
    ? convertForColumn(
        { sql: `c${column.id}`, type: column.type, nullable: true, collation: null },
        to.type,
        `${databaseName}.${qualified(table)}`,
        to.name,
      )
    : convert({ sql: `c${column.id}`, type: column.type, nullable: true, collation: null }, to.type);

export function tableInfo(table: TableDefinition): string {
  const { columns, indexes, nextColumnId, nextIndexId } = table;
  return quote(JSON.stringify({ columns, indexes, nextColumnId, nextIndexId }));
}

/** Scalar functions live in one backend; what every backend enforces cannot call them. */
export function refuseFunctions(sql: string, where: string, line: number): void {
  if (sql.includes('pg_temp.f')) throw notSupported(`user-defined functions in ${where}`, line);
}
