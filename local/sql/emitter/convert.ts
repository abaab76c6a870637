import { sqlError } from '../errors';
import { type SqlType } from '../session';
import { checkImplicit, familyOf, isLarge, isWide, lengthOf, typeName } from '../binder/types';
import { hole } from './holes';
import { pgType, plain, quote, type Typed } from './typed';

export interface ConvertOptions {
  /** CAST or CONVERT: more is allowed, and strings are cut silently. */
  explicit?: boolean;
  /** CONVERT's third argument. */
  style?: string;
  /** TRY_CAST, TRY_CONVERT: NULL where the conversion fails. */
  try?: boolean;
  line?: number;
}

/** PostgreSQL text of a value converted to a T-SQL type. char(n) values are padded to their length. */
export function convert(value: Typed, to: SqlType, options: ConvertOptions = {}): string {
  if (value.isNull === true) return `NULL::${pgType(to)}`;
  if (options.explicit === true) checkExplicit(value.type, to, options.line);
  else checkImplicit(value.type, to, options.line);
  return converters[familyOf(to)](value, to, options);
}

function checkExplicit(from: SqlType, to: SqlType, line?: number): void {
  const [a, b] = [familyOf(from), familyOf(to)];
  const modern = (type: SqlType): boolean => ['date', 'time', 'datetime2', 'datetimeoffset'].includes(type.name);
  const impossible =
    (modern(from) && ['integer', 'decimal', 'float'].includes(b)) ||
    (modern(to) && ['integer', 'decimal', 'float'].includes(a)) ||
    (a === 'guid' && ['integer', 'decimal', 'float', 'temporal'].includes(b)) ||
    (b === 'guid' && ['integer', 'decimal', 'float', 'temporal'].includes(a)) ||
    (isLarge(from) && b !== (from.name === 'image' ? 'binary' : 'string') && from.name !== 'xml') ||
    (from.name === 'xml' && !['string', 'binary'].includes(b)) ||
    (isLarge(to) && !['string', 'binary'].includes(a)) ||
    (from.name === 'date' && to.name === 'time') ||
    (from.name === 'time' && to.name === 'date') ||
    (a === 'float' && to.name === 'image') ||
    (a === 'binary' && b === 'float');
  if (!impossible) return;
  throw sqlError(529, [typeName(from), typeName(to)], { line });
}

type Converter = (value: Typed, to: SqlType, options: ConvertOptions) => string;

const helper = (name: string, options: ConvertOptions, text: string, ...args: string[]): string =>
  `tsql.${options.try === true ? 'try_' : ''}${name}(${[plain(text), ...args].join(', ')})`;

const toInteger: Converter = ({ sql, type, constant }, to, options) => {
  const target = pgType(to);
  const from = familyOf(type);
  if (to.name === 'bit') {
    if (type.name === 'bit') return sql;
    return from === 'string'
      ? helper('text_to_bit', options, sql, quote(typeName(type)))
      : `((${asNumber(sql, type)}) <> 0)::int::int2`;
  }
  if (type.name === to.name) return sql;
  if (from === 'string')
    return `${helper('text_to_int', options, sql, quote(typeName(type)), quote(typeName(to)))}::${target}`;
  if (from === 'binary') return `tsql.int_of_bytes(${sql}, ${binaryWidth(to)})::${target}`;
  const whole =
    from === 'float' || type.name === 'decimal' || type.name === 'numeric' ? `trunc(${sql})` : asNumber(sql, type);
  if (to.name === 'tinyint' || to.name === 'smallint') {
    const fits = constant !== undefined && Number(constant) >= 0 && Number(constant) <= 255;
    const smaller = type.name === 'bit' || (type.name === 'tinyint' && to.name === 'smallint');
    return fits || smaller ? `(${whole})::int2` : `tsql.to_${to.name}((${whole})::numeric)`;
  }
  return from === 'float' ? `(${whole})::numeric::${target}` : `(${whole})::${target}`;
};

function asNumber(sql: string, type: SqlType): string {
  switch (familyOf(type)) {
    case 'temporal':
      return `round(extract(epoch FROM ${sql} - '1900-01-01'::timestamp) / 86400)`;
    case 'binary':
      return `tsql.int_of_bytes(${sql})`;
    default:
      return sql;
  }
}

const toDecimal: Converter = ({ sql, type }, to, options) => {
  const target = pgType(to);
  switch (familyOf(type)) {
    case 'string':
      return `${helper('text_to_numeric', options, sql, quote(typeName(type)), quote(typeName(to)))}::${target}`;
    case 'temporal':
      return `(extract(epoch FROM ${sql} - '1900-01-01'::timestamp) / 86400)::${target}`;
    case 'binary':
      return `tsql.int_of_bytes(${sql})::${target}`;
    case 'float':
      return `(${sql})::numeric::${target}`;
    default:
      return pgType(type) === target ? sql : `(${sql})::${target}`;
  }
};

const toFloat: Converter = ({ sql, type }, to, options) => {
  const target = pgType(to);
  switch (familyOf(type)) {
    case 'string':
      return `${helper('text_to_numeric', options, sql, quote(typeName(type)), quote(typeName(to)))}::${target}`;
    case 'temporal':
      return `(extract(epoch FROM ${sql} - '1900-01-01'::timestamp) / 86400)::${target}`;
    default:
      return type.name === to.name ? sql : `(${sql})::${target}`;
  }
};

const toTemporal: Converter = ({ sql, type }, to, options) => {
  const from = familyOf(type);
  const style = options.style ?? hole('date_format');
  if (to.name === 'datetimeoffset') {
    if (type.name === 'datetimeoffset') return sql;
    return from === 'string'
      ? helper('text_to_offset', options, sql)
      : `ROW(${toTimestamp(sql, type)}, 0)::tsql.datetimeoffset`;
  }
  const timestamp =
    from === 'string'
      ? helper(
          'text_to_timestamp',
          options,
          type.name === 'xml' ? sql : withoutOffset(sql, to),
          style,
          quote(typeName(to)),
          quote(typeName(type)),
        )
      : type.name === 'datetimeoffset' && style === '1'
        ? `(${sql}).utc`
        : toTimestamp(sql, type);
  switch (to.name) {
    case 'date':
      return type.name === 'date' ? sql : `(${timestamp})::date`;
    case 'time':
      return type.name === 'time' && pgType(type) === pgType(to) ? sql : `(${timestamp})::${pgType(to)}`;
    case 'datetime':
      return type.name === 'datetime' ? sql : `tsql.round_datetime(${timestamp})`;
    case 'smalldatetime':
      return type.name === 'smalldatetime' ? sql : `date_trunc('minute', ${timestamp} + interval '30 seconds')`;
    default:
      return pgType(type) === pgType(to) ? sql : `(${timestamp})::${pgType(to)}`;
  }
};

/** The new types accept a string with an offset and drop it. */
const withoutOffset = (sql: string, to: SqlType): string =>
  to.name === 'datetime' || to.name === 'smalldatetime'
    ? sql
    : `regexp_replace(${plain(sql)}, '(:[0-9.]+)\\s*(Z|[+-][0-9]{1,2}:[0-9]{2})\\s*$', '\\1')`;

/** Any temporal, numeric or binary value as `timestamp`. */
function toTimestamp(sql: string, type: SqlType): string {
  switch (familyOf(type)) {
    case 'temporal':
      if (type.name === 'datetimeoffset') return `tsql.offset_local(${sql})`;
      if (type.name === 'time') return `('1900-01-01'::date + ${sql})`;
      return type.name === 'date' ? `(${sql})::timestamp` : sql;
    case 'binary':
      return `('1900-01-01'::timestamp + (tsql.int_of_bytes(${sql}) >> 32) * interval '1 day' + (tsql.int_of_bytes(${sql}) & 4294967295) * interval '3333.333 microseconds')`;
    default:
      return `('1900-01-01'::timestamp + (${sql}) * interval '1 day')`;
  }
}

const toBinary: Converter = ({ sql, type }, to, options) => {
  const size = lengthOf(to);
  const from = familyOf(type);
  const bytes =
    from === 'binary'
      ? sql
      : from === 'string'
        ? options.style === '1' || options.style === '2'
          ? helper('bytes_of_hex', options, sql, String(options.style === '1'), quote(typeName(type)))
          : `tsql.bytes_of_text(${sql}, ${isWide(type)})`
        : from === 'guid'
          ? `tsql.bytes_of_guid(${sql})`
          : `tsql.bytes_of_int((${asNumber(sql, type)})::bigint, ${binaryWidth(type)})`;
  if (size === 'max') return bytes;
  if (from === 'integer' || from === 'decimal') {
    // numbers are cut and padded on their left
    const digits = `right(encode(${bytes}, 'hex'), ${size * 2})`;
    return `decode(${to.name === 'binary' ? `lpad(${digits}, ${size * 2}, '0')` : digits}, 'hex')`;
  }
  const cut =
    from === 'binary' && lengthOf(type) !== 'max' && Number(lengthOf(type)) <= size
      ? bytes
      : `substring(${bytes} FROM 1 FOR ${size})`;
  return to.name === 'binary' ? `decode(rpad(encode(${cut}, 'hex'), ${size * 2}, '0'), 'hex')` : cut;
};

const widths: Readonly<Record<string, number>> = { bit: 1, tinyint: 1, smallint: 2, bigint: 8, money: 8 };
const binaryWidth = (type: SqlType): number => widths[type.name] ?? 4;

const toGuid: Converter = ({ sql, type }, _to, options) => {
  if (familyOf(type) === 'guid') return sql;
  return familyOf(type) === 'string' ? helper('text_to_guid', options, sql) : `tsql.guid_of_bytes(${sql})`;
};

const toText: Converter = (value, to, options) => {
  const { type } = value;
  const size = lengthOf(to);
  const text = textOf(value, to, options);
  const from = familyOf(type);
  if (to.name === 'xml' && type.name !== 'xml') return helper('xml_of', options, text);
  if (size === 'max') return text;
  const sourceSize = from === 'string' ? lengthOf(type) : 64;
  let cut = text;
  if (value.constant !== undefined ? value.constant.length > size : sourceSize === 'max' || sourceSize > size) {
    if (from === 'integer' && type.name !== 'bigint' && !isWide(to)) cut = `tsql.int_text(${value.sql}, ${size})`;
    else if (from === 'integer') cut = `tsql.checked_text(${text}, ${size}, 'expression', ${quote(typeName(to))})`;
    else if (from === 'decimal' || from === 'float') {
      cut = `tsql.checked_text(${text}, ${size}, ${quote(type.name === 'decimal' ? 'numeric' : typeName(type))}, ${quote(typeName(to))})`;
    } else if (from === 'guid' && size < 36) {
      cut = `tsql.fail(8170, 'statement', 'Insufficient result space to convert uniqueidentifier value to char.')`;
    } else cut = `left(${text}, ${size})`;
  }
  return to.name === 'char' || to.name === 'nchar' ? `rpad(${cut}, ${size})` : cut;
};

function textOf({ sql, type }: Typed, to: SqlType, options: ConvertOptions): string {
  const style = options.style ?? '0';
  switch (type.name) {
    case 'money':
    case 'smallmoney':
      return `tsql.money_text(${sql}, ${style})`;
    case 'real':
    case 'float':
      return `tsql.float_text(${sql}, ${style})`;
    case 'uniqueidentifier':
      return `upper((${sql})::text)`;
    case 'date':
      return `tsql.date_style((${sql})::timestamp, ${options.style === undefined || style === '121' ? '23' : style}, 0)`;
    case 'datetime':
    case 'smalldatetime':
      return `tsql.date_style(${sql}, ${style}, ${type.name === 'datetime' ? 3 : 0})`;
    case 'datetime2':
      return `tsql.date_style(${sql}, ${options.style === undefined ? '121' : style}, ${type.scale})`;
    case 'time':
      return options.style === undefined || style === '121'
        ? `substr(tsql.timestamp_text('1900-01-01'::date + ${sql}, ${type.scale}), 12)`
        : `tsql.date_style('1900-01-01'::date + ${sql}, ${style}, ${type.scale})`;
    case 'datetimeoffset':
      return `tsql.offset_text(${sql}, ${type.scale})`;
    case 'binary':
    case 'varbinary':
    case 'image':
      if (style === '1') return `('0x' || upper(encode(${sql}, 'hex')))`;
      return style === '2' ? `upper(encode(${sql}, 'hex'))` : `tsql.text_of_bytes(${sql}, ${isWide(to)})`;
    default:
      if (familyOf(type) !== 'string') return `(${sql})::text`;
      return isWide(type) && !isWide(to) ? `tsql.to_varchar(${sql})` : sql;
  }
}

const converters: Record<ReturnType<typeof familyOf>, Converter> = {
  integer: toInteger,
  decimal: toDecimal,
  float: toFloat,
  temporal: toTemporal,
  binary: toBinary,
  guid: toGuid,
  string: toText,
};

/**
 * A value on its way into a column: strings that do not fit are an error there (2628), not cut. Columns of type char keep
 * no trailing blanks, which makes every comparison the one that SQL Server makes.
 */
export function convertForColumn(value: Typed, to: SqlType, table: string, column: string, line?: number): string {
  const size = lengthOf(to);
  const from = familyOf(value.type);
  const family = familyOf(to);
  if (value.isNull === true || (family !== 'string' && family !== 'binary') || size === 'max' || from !== family)
    return convert(value, to, { line });
  const unlimited: SqlType =
    'length' in to
      ? {
          name: to.name === 'binary' || to.name === 'varbinary' ? 'varbinary' : isWide(to) ? 'nvarchar' : 'varchar',
          length: 'max',
        }
      : to;
  const whole = convert(value, unlimited, { line });
  const sourceSize = value.constant?.length ?? lengthOf(value.type);
  const fitted =
    sourceSize === 'max' || sourceSize > size
      ? `tsql.fit(${whole}, ${size}, ${quote(table)}, ${quote(column)})`
      : whole;
  if (to.name === 'char' || to.name === 'nchar') return `rtrim(${fitted})`;
  return to.name === 'binary' ? `decode(rpad(encode(${fitted}, 'hex'), ${size * 2}, '0'), 'hex')` : fitted;
}
