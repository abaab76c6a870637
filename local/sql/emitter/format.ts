import { digitsOf, familyOf, nvarchar } from '../binder/types';
import { notSupported, sqlError } from '../errors';
import { convert } from './convert';
import { value, type Call } from './built-in';
import { quote, type Typed } from './typed';

/** FORMAT with a constant pattern, in the culture en-US: .NET's patterns as PostgreSQL has them. */
export function formatFunction(call: Call): Typed {
  const { args, line } = call;
  const [arg, pattern, culture] = args;
  if (culture?.constant !== undefined && culture.constant.toLowerCase() !== 'en-us')
    throw notSupported(`FORMAT in the culture ${culture.constant}`, line);
  if (arg === undefined || pattern?.constant === undefined || (culture !== undefined && culture.constant === undefined))
    throw notSupported('FORMAT with a computed pattern', line);
  const family = familyOf(arg.type);
  const text =
    family === 'temporal' && arg.type.name !== 'datetimeoffset' && arg.type.name !== 'time'
      ? `to_char(${convert(arg, { name: 'datetime2', scale: 6 }, { explicit: true })}, ${quote(datePattern(pattern.constant, line))})`
      : ['integer', 'decimal', 'float'].includes(family) && arg.type.name !== 'bit'
        ? formatNumber(arg, pattern.constant, line)
        : null;
  if (text === null && (family === 'string' || family === 'binary' || arg.type.name === 'bit'))
    throw sqlError(8116, [arg.type.name, 1, 'format'], { line });
  if (text === null) throw notSupported(`FORMAT of ${arg.type.name}`, line);
  return value(text, nvarchar(4000));
}

const datePieces: Readonly<Record<string, string>> = {
  ...{ yyyy: 'YYYY', yy: 'YY', MMMM: 'FMMonth', MMM: 'Mon', MM: 'MM', M: 'FMMM', dddd: 'FMDay', ddd: 'Dy', dd: 'DD' },
  ...{ d: 'FMDD', HH: 'HH24', H: 'FMHH24', hh: 'HH12', h: 'FMHH12', mm: 'MI', m: 'FMMI', ss: 'SS', s: 'FMSS' },
  ...{ fff: 'MS', tt: 'AM' },
};
const standardDates: Readonly<Record<string, string>> = {
  d: 'M/d/yyyy',
  D: 'dddd, MMMM d, yyyy',
  t: 'h:mm tt',
  T: 'h:mm:ss tt',
  g: 'M/d/yyyy h:mm tt',
  G: 'M/d/yyyy h:mm:ss tt',
  s: "yyyy-MM-dd'T'HH:mm:ss",
  Y: 'MMMM yyyy',
  y: 'MMMM yyyy',
};

function datePattern(pattern: string, line: number): string {
  const long = pattern.length === 1 ? standardDates[pattern] : pattern;
  if (long === undefined) throw notSupported(`FORMAT(..., '${pattern}')`, line);
  return [...long.matchAll(/'([^']*)'|([A-Za-z])\2*|[^A-Za-z']+|'/g)]
    .map(([piece, literal]) => {
      const known = datePieces[piece];
      if (known !== undefined) return known;
      if (literal === undefined && /[A-Za-z'%\\]/.test(piece)) throw notSupported(`FORMAT(..., '${pattern}')`, line);
      return `"${(literal ?? piece).replaceAll('"', '\\"')}"`;
    })
    .join('');
}

function formatNumber(arg: Typed, pattern: string, line: number): string {
  const sql = familyOf(arg.type) === 'float' ? `(${arg.sql})::numeric` : `(${arg.sql})::numeric`;
  const [, letter = '', digits = ''] = /^([A-Za-z])(\d{0,2})$/.exec(pattern) ?? [];
  const places = digits === '' ? 2 : Number(digits);
  switch (letter.toUpperCase()) {
    case 'N':
      return written(sql, 1, true, places, places);
    case 'F':
      return written(sql, 1, false, places, places);
    case 'P':
      return `(${written(`${sql} * 100`, 1, true, places, places)} || ' %')`;
    case 'C': {
      const amount = written(`abs(${sql})`, 1, true, places, places);
      return `(CASE WHEN ${sql} < 0 THEN '($' || ${amount} || ')' ELSE '$' || ${amount} END)`;
    }
    case 'D':
      if (digitsOf(arg.type)[1] > 0 || familyOf(arg.type) !== 'integer')
        throw notSupported(`FORMAT(..., '${pattern}')`, line);
      return written(sql, Math.max(1, Number(digits)), false, 0, 0);
    default:
  }
  const [, whole = '', fraction = ''] = /^([#,]*[0,]*)(?:\.(0*#*))?$/.exec(pattern) ?? [];
  if (pattern === '' || (whole === '' && fraction === '') || whole.endsWith(','))
    throw notSupported(`FORMAT(..., '${pattern}')`, line);
  const minimum = whole.replace(/[^0]/g, '').length;
  return written(sql, minimum, whole.includes(','), fraction.replace(/#/g, '').length, fraction.length);
}

const written = (sql: string, integral: number, grouped: boolean, least: number, most: number): string =>
  `tsql.format_number(${sql}, ${integral}, ${grouped}, ${least}, ${most})`;
