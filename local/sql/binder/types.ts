import { sqlError } from '../errors';
import { type SqlType } from '../session';

export type Family = 'string' | 'integer' | 'decimal' | 'float' | 'temporal' | 'binary' | 'guid';

export const familyOf = (type: SqlType): Family => families[type.name];

// prettier-ignore
const families: Record<SqlType['name'], Family> = {
  bit: 'integer', tinyint: 'integer', smallint: 'integer', int: 'integer', bigint: 'integer', real: 'float', float: 'float',
  decimal: 'decimal', numeric: 'decimal', money: 'decimal', smallmoney: 'decimal', char: 'string', varchar: 'string',
  nchar: 'string', nvarchar: 'string', text: 'string', ntext: 'string', xml: 'string', binary: 'binary', varbinary: 'binary',
  image: 'binary', uniqueidentifier: 'guid', date: 'temporal', time: 'temporal', datetime: 'temporal', smalldatetime: 'temporal',
  datetime2: 'temporal', datetimeoffset: 'temporal',
};

/** "Data type precedence" of the T-SQL reference, lowest first. */
const precedence: readonly string[] =
  `binary varbinary char varchar nchar nvarchar uniqueidentifier image text ntext bit tinyint smallint int bigint smallmoney money numeric decimal real
  float time date smalldatetime datetime datetime2 datetimeoffset xml`.split(/\s+/);

/** text, ntext, image and xml can be tested for NULL and little else. */
export const isLarge = (type: SqlType): boolean => ['text', 'ntext', 'image', 'xml'].includes(type.name);
export const isWide = (type: SqlType): boolean => ['nchar', 'nvarchar', 'ntext', 'xml'].includes(type.name);
export const isNumeric = (type: SqlType): boolean => ['integer', 'decimal', 'float'].includes(familyOf(type));
export const int: SqlType = { name: 'int' };
export const bigint: SqlType = { name: 'bigint' };
export const bit: SqlType = { name: 'bit' };
export const float: SqlType = { name: 'float' };
export const datetime: SqlType = { name: 'datetime' };
export const sysname: SqlType = { name: 'nvarchar', length: 128 };
export const nvarchar = (length: number | 'max'): SqlType => ({ name: 'nvarchar', length });
export const varchar = (length: number | 'max'): SqlType => ({ name: 'varchar', length });
export const decimal = (precision: number, scale: number): SqlType => ({ name: 'numeric', precision, scale });

/** Characters or bytes that a sized type holds; `max` for the unlimited ones. */
export function lengthOf(type: SqlType): number | 'max' {
  return 'length' in type ? type.length : 'max';
}

/** Bytes that a type takes in every row; 0 for what is as long as its value. */
export function fixedSize(type: SqlType): number {
  switch (type.name) {
    case 'nchar':
      return Number(type.length) * 2;
    case 'char':
    case 'binary':
      return Number(type.length);
    case 'uniqueidentifier':
      return 16;
    case 'datetimeoffset':
      return 10;
    case 'decimal':
    case 'numeric':
      return type.precision < 10 ? 5 : type.precision < 20 ? 9 : type.precision < 29 ? 13 : 17;
    case 'int':
    case 'real':
    case 'smallmoney':
    case 'smalldatetime':
      return 4;
    case 'bigint':
    case 'float':
    case 'money':
    case 'datetime':
    case 'datetime2':
      return 8;
    default:
      return familyOf(type) === 'string' || familyOf(type) === 'binary' ? 0 : 1;
  }
}

/** Any number as decimal: [precision, scale]. */
export function digitsOf(type: SqlType): [number, number] {
  switch (type.name) {
    case 'decimal':
    case 'numeric':
      return [type.precision, type.scale];
    case 'money':
      return [19, 4];
    case 'smallmoney':
      return [10, 4];
    case 'bit':
      return [1, 0];
    case 'tinyint':
      return [3, 0];
    case 'smallint':
      return [5, 0];
    case 'bigint':
      return [19, 0];
    default:
      return [10, 0];
  }
}

/** The type that values of both types become in CASE, UNION, COALESCE and comparisons. */
export function commonType(a: SqlType, b: SqlType): SqlType {
  const [low, high] = precedence.indexOf(a.name) <= precedence.indexOf(b.name) ? [a, b] : [b, a];
  const family = familyOf(high);
  if (family === 'string' && familyOf(low) === 'string') return commonString(low, high);
  if (family === 'binary' && 'length' in high && 'length' in low)
    return { ...high, length: longer(low.length, high.length) };
  if (high.name === 'decimal' || high.name === 'numeric') {
    const [precisionA, scaleA] = digitsOf(a);
    const [precisionB, scaleB] = digitsOf(b);
    const scale = Math.max(scaleA, scaleB);
    const precision = Math.min(38, Math.max(precisionA - scaleA, precisionB - scaleB) + scale);
    return { name: high.name, precision, scale };
  }
  if ('scale' in high && 'scale' in low && !('precision' in high))
    return { ...high, scale: Math.max(high.scale, low.scale) };
  return high;
}

function commonString(low: SqlType, high: SqlType): SqlType {
  if (!('length' in high)) return high;
  const lowLength = lengthOf(low);
  const name = low.name === high.name ? high.name : isWide(high) ? 'nvarchar' : 'varchar';
  return { name, length: longer(lowLength, high.length) };
}

export const longer = (a: number | 'max', b: number | 'max'): number | 'max' =>
  a === 'max' || b === 'max' ? 'max' : Math.max(a, b);

/** Type of `a + b` for strings: beyond 8,000 bytes the result is cut, unless one side is max. */
export function concatenatedType(a: SqlType, b: SqlType): SqlType {
  const wide = isWide(a) || isWide(b);
  const lengthA = lengthOf(a);
  const lengthB = lengthOf(b);
  const length = lengthA === 'max' || lengthB === 'max' ? 'max' : Math.min(wide ? 4000 : 8000, lengthA + lengthB);
  return wide ? nvarchar(length) : varchar(length);
}

/** "Precision, scale, and length" of the T-SQL reference. */
export function arithmeticType(operator: '+' | '-' | '*' | '/' | '%', a: SqlType, b: SqlType): SqlType {
  const common = commonType(a, b);
  if (common.name !== 'decimal' && common.name !== 'numeric') return common;
  const [p1, s1] = digitsOf(a);
  const [p2, s2] = digitsOf(b);
  let scale = Math.max(s1, s2);
  let precision: number;
  switch (operator) {
    case '+':
    case '-': {
      const integral = Math.max(p1 - s1, p2 - s2);
      precision = integral + scale + 1;
      if (precision > 38) scale = Math.max(0, Math.min(scale, 38 - integral));
      break;
    }
    case '*':
      scale = s1 + s2;
      precision = p1 + p2 + 1;
      scale = fitScale(precision, scale);
      break;
    case '/':
      scale = Math.max(6, s1 + p2 + 1);
      precision = p1 - s1 + s2 + scale;
      scale = fitScale(precision, scale);
      break;
    case '%':
      precision = Math.min(p1 - s1, p2 - s2) + scale;
      break;
  }
  return decimal(Math.min(38, precision), scale);
}

function fitScale(precision: number, scale: number): number {
  if (precision <= 38) return scale;
  const integral = precision - scale;
  if (integral < 32) return Math.min(scale, 38 - integral);
  return Math.min(scale, 6);
}

/** As a type is written in messages and in INFORMATION_SCHEMA: without length. */
export const typeName = (type: SqlType): string => type.name;

/** As a type is written in scripts. */
export function typeText(type: SqlType): string {
  if ('length' in type) return `${type.name}(${type.length})`;
  if ('precision' in type) return `${type.name}(${type.precision},${type.scale})`;
  if ('scale' in type) return `${type.name}(${type.scale})`;
  return type.name;
}

/** @throws SqlError 257 or 206 where SQL Server demands CONVERT, or has no conversion at all. */
export function checkImplicit(from: SqlType, to: SqlType, line?: number): void {
  const [a, b] = [familyOf(from), familyOf(to)];
  if (a === b && a !== 'temporal') return;
  const clash = (): never => {
    throw sqlError(206, [typeName(from), typeName(to)], { line });
  };
  const demandsConvert = (): never => {
    throw sqlError(257, [typeName(from), typeName(to)], { line });
  };
  if (a === 'temporal' && b === 'temporal') {
    if ((from.name === 'date' && to.name === 'time') || (from.name === 'time' && to.name === 'date')) clash();
    return;
  }
  const old = (type: SqlType): boolean => type.name === 'datetime' || type.name === 'smalldatetime';
  if (a === 'temporal' && isNumeric(to)) return old(from) ? demandsConvert() : clash();
  if (b === 'temporal' && isNumeric(from)) return old(to) ? undefined : clash();
  if ((isLarge(from) || isLarge(to)) && (a === 'string' || a === 'binary') !== (b === 'string' || b === 'binary'))
    clash();
  if (a === 'guid' && (isNumeric(to) || b === 'temporal')) clash();
  if (b === 'guid' && (isNumeric(from) || a === 'temporal')) clash();
  if (a === 'string' && b === 'binary') demandsConvert();
  if (a === 'temporal' && b === 'binary') demandsConvert();
  if (a === 'binary' && b === 'temporal' && !old(to)) clash();
  if (a === 'binary' && b === 'float') clash();
  if (a === 'float' && b === 'binary') demandsConvert();
  if ((from.name === 'money' || from.name === 'smallmoney') && b === 'string' && from.name !== to.name)
    demandsConvert();
}
