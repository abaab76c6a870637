import { sqlError } from '../errors';
import { type SqlType } from '../session';
import { type TypeName } from './ast';
import { type Cursor } from './cursor';

const synonyms: Record<string, string> = {
  INTEGER: 'INT',
  DEC: 'DECIMAL',
  CHARACTER: 'CHAR',
  ROWVERSION: 'TIMESTAMP',
};

const unsupportedTypes = new Set(['SQL_VARIANT', 'GEOGRAPHY', 'GEOMETRY', 'HIERARCHYID', 'VECTOR', 'JSON']);

/**
 * A data type. `defaultLength` is what varchar without a length means: 1 in a declaration, 30 in CAST and CONVERT.
 *
 * @throws SqlError 49999 for types that the stand-in does not have.
 */
export function parseType(cursor: Cursor, defaultLength = 1): TypeName {
  const token = cursor.peek();
  const { line } = token;
  if (token.upper === 'NATIONAL' || token.upper === 'DOUBLE') return parseWordyType(cursor, defaultLength);
  const path = cursor.path();
  const last = path.at(-1) ?? '';
  const schema = path.length > 1 ? (path.at(-2) ?? null) : null;
  let upper = last.toUpperCase();
  upper = synonyms[upper] ?? upper;
  if ((upper === 'CHAR' || upper === 'BINARY') && cursor.accept('VARYING')) upper = `VAR${upper}`;
  if (schema !== null && schema.toLowerCase() !== 'sys')
    return { name: last, schema, type: null, rowversion: false, line };
  if (unsupportedTypes.has(upper)) cursor.unsupported(`the data type ${last}`);
  const args = parseArguments(cursor);
  const type = builtInType(upper, args, defaultLength, line);
  if (args.length > (argumentCounts[upper] ?? (type === null ? 2 : 0))) throw sqlError(2716, [last], { line });
  return { name: type === null ? last : type.name, schema: null, type, rowversion: upper === 'TIMESTAMP', line };
}

function parseWordyType(cursor: Cursor, defaultLength: number): TypeName {
  const { line } = cursor.peek();
  if (cursor.accept('DOUBLE', 'PRECISION'))
    return { name: 'float', schema: null, type: { name: 'float' }, rowversion: false, line };
  cursor.expect('NATIONAL');
  const text = cursor.accept('TEXT');
  if (!text && !cursor.accept('CHARACTER')) cursor.expect('CHAR');
  const upper = text ? 'NTEXT' : cursor.accept('VARYING') ? 'NVARCHAR' : 'NCHAR';
  const type = builtInType(upper, parseArguments(cursor), defaultLength, line);
  return { name: upper.toLowerCase(), schema: null, type, rowversion: false, line };
}

/** How many numbers may stand in parentheses; 0 for all other built-in types. */
const argumentCounts: Readonly<Record<string, number>> = {
  ...{ CHAR: 1, VARCHAR: 1, NCHAR: 1, NVARCHAR: 1, BINARY: 1, VARBINARY: 1, FLOAT: 1 },
  ...{ TIME: 1, DATETIME2: 1, DATETIMEOFFSET: 1, DECIMAL: 2, NUMERIC: 2 },
};

type Argument = number | 'max';

function parseArguments(cursor: Cursor): Argument[] {
  if (!cursor.is('(')) return [];
  return cursor.parenthesized((): Argument => {
    if (cursor.accept('MAX')) return 'max';
    return cursor.integer();
  });
}

function builtInType(upper: string, args: Argument[], defaultLength: number, line: number): SqlType | null {
  const [first, second] = args;
  const number = (value: Argument | undefined, fallback: number): number =>
    typeof value === 'number' ? value : fallback;
  const simple = simpleTypes.find((name) => name === upper.toLowerCase());
  if (simple !== undefined) return { name: simple };
  switch (upper) {
    case 'FLOAT':
      if (number(first, 53) > 53) throw sqlError(2750, [number(first, 53), 53], { line });
      if (number(first, 53) < 1) throw sqlError(1001, [line, number(first, 53)], { line });
      return number(first, 53) <= 24 ? { name: 'real' } : { name: 'float' };
    case 'DECIMAL':
    case 'NUMERIC': {
      const precision = number(first, 18);
      const scale = number(second, 0);
      if (precision < 1) throw sqlError(1001, [line, precision], { line });
      if (precision > 38) throw sqlError(2750, [precision, 38], { line });
      if (scale > precision) throw sqlError(192, [], { line });
      return { name: upper === 'DECIMAL' ? 'decimal' : 'numeric', precision, scale };
    }
    case 'CHAR':
    case 'VARCHAR':
    case 'BINARY':
    case 'VARBINARY':
      return sized(upper, first ?? defaultLength, 8000, line);
    case 'NCHAR':
    case 'NVARCHAR':
      return sized(upper, first ?? defaultLength, 4000, line);
    case 'TIME':
    case 'DATETIME2':
    case 'DATETIMEOFFSET': {
      const scale = number(first, 7);
      if (scale > 7) throw sqlError(1002, [line, scale], { line });
      return { name: temporalNames[upper], scale };
    }
    case 'SYSNAME':
      return { name: 'nvarchar', length: 128 };
    case 'TIMESTAMP':
      return { name: 'binary', length: 8 };
    default:
      return null;
  }
}

// prettier-ignore
const simpleTypes = [
  'bit', 'tinyint', 'smallint', 'int', 'bigint', 'money', 'smallmoney', 'real', 'text', 'ntext', 'image', 'xml',
  'uniqueidentifier', 'date', 'datetime', 'smalldatetime',
] as const;

const temporalNames = { TIME: 'time', DATETIME2: 'datetime2', DATETIMEOFFSET: 'datetimeoffset' } as const;
const sizedNames = {
  CHAR: 'char',
  VARCHAR: 'varchar',
  NCHAR: 'nchar',
  NVARCHAR: 'nvarchar',
  BINARY: 'binary',
  VARBINARY: 'varbinary',
} as const;

function sized(upper: keyof typeof sizedNames, length: Argument, limit: number, line: number): SqlType {
  if (typeof length === 'number') {
    if (length < 1) throw sqlError(1001, [line, length], { line });
    if (length > limit) throw sqlError(length > 8000 ? 131 : 2717, [length, sizedNames[upper]], { line });
  }
  return { name: sizedNames[upper], length };
}
