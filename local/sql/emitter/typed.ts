import { sqlError } from '../errors';
import { type SqlType } from '../session';

/** How strings are compared: PostgreSQL collations of schema tsql, or byte by byte. */
export type Collation = 'tsql.ci' | 'tsql.cs' | 'tsql.ai' | '"C"';

/** PostgreSQL text of an expression, and what T-SQL knows about its value. */
export interface Typed {
  sql: string;
  type: SqlType;
  nullable: boolean;
  /** null: of a literal or a variable; a column's collation wins over it. */
  collation: Collation | null;
  /** The same value without trailing blanks, where that is known without asking for rtrim. */
  trimmed?: string;
  /** The literal NULL, which takes the type of its surroundings. */
  isNull?: boolean;
  /** The value of an integer or string literal. */
  constant?: string;
  identity?: boolean;
  /** A string that is JSON already: FOR JSON and JSON_MODIFY take it as it is. */
  json?: boolean;
  /** A single element that nodes() yielded: paths start at it. */
  node?: boolean;
}

/** @throws SqlError 448 for a name that no collation can have. */
export function checkCollation(name: string, line: number): void {
  const known = /^(database_default|catalog_default|\w+_(BIN2?|(CI|CS)_(AI|AS)(_KS)?(_WS)?(_SC)?(_VSS)?)(_UTF8)?)$/i;
  if (!known.test(name)) throw sqlError(448, [name], { line });
}

/** SQL Server's collation names by what they compare. */
export function collationOf(name: string): Collation {
  const upper = name.toUpperCase();
  if (upper.includes('_BIN')) return '"C"';
  if (upper.includes('_CS')) return 'tsql.cs';
  return upper.includes('_AI') ? 'tsql.ai' : 'tsql.ci';
}

export function pgType(type: SqlType): string {
  switch (type.name) {
    case 'bit':
    case 'tinyint':
    case 'smallint':
      return 'int2';
    case 'int':
      return 'int4';
    case 'bigint':
      return 'int8';
    case 'real':
      return 'float4';
    case 'float':
      return 'float8';
    case 'decimal':
    case 'numeric':
      return `numeric(${type.precision},${type.scale})`;
    case 'money':
      return 'numeric(19,4)';
    case 'smallmoney':
      return 'numeric(10,4)';
    case 'char':
    case 'varchar':
    case 'nchar':
    case 'nvarchar':
    case 'text':
    case 'ntext':
    case 'xml':
      return 'text';
    case 'binary':
    case 'varbinary':
    case 'image':
      return 'bytea';
    case 'uniqueidentifier':
      return 'uuid';
    case 'date':
      return 'date';
    case 'time':
      return `time(${Math.min(6, type.scale)})`;
    case 'datetime':
    case 'smalldatetime':
      return 'timestamp';
    case 'datetime2':
      return `timestamp(${Math.min(6, type.scale)})`;
    case 'datetimeoffset':
      return 'tsql.datetimeoffset';
  }
}

/** A string for functions that look into it with regular expressions, which PostgreSQL has only for plain collations. */
export const plain = (sql: string): string => `(${sql} COLLATE pg_catalog.pg_c_utf8)`;

/** A string constant; \u0001 and \u0002 are ours, see holes.ts. */
export function quote(text: string): string {
  const quoted = `'${text.replaceAll("'", "''")}'`;
  return /[\u0001\u0002]/.test(quoted)
    ? `(${quoted.replaceAll('\u0001', "'||chr(1)||'").replaceAll('\u0002', "'||chr(2)||'")})`
    : quoted;
}

/** A value in PostgreSQL's text form as a constant of its type. */
export function literal(value: string | null, type: SqlType): string {
  if (value === null) return `NULL::${pgType(type)}`;
  switch (type.name) {
    case 'int':
      return value.startsWith('-') ? `(${value})` : value;
    case 'bit':
    case 'tinyint':
    case 'smallint':
    case 'bigint':
      return `(${value})::${pgType(type)}`;
    default:
      return `${quote(value)}::${pgType(type)}`;
  }
}
