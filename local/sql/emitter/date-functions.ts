import { sqlError } from '../errors';
import { bigint, datetime, familyOf, int, nvarchar } from '../binder/types';
import { type SqlType } from '../session';
import { notSupported } from '../errors';
import { argument, defined, text, value, type BuiltIn, type Call } from './built-in';
import { convert } from './convert';
import { hole } from './holes';
import { type Typed } from './typed';

/** The moment of the statement, the same for all of its rows, as SQL Server has it. Azure SQL's clock is UTC. */
const now = "(statement_timestamp() AT TIME ZONE 'UTC')";
const datetime2: SqlType = { name: 'datetime2', scale: 7 };

const abbreviations = {
  year: 'YEAR YY YYYY',
  quarter: 'QUARTER QQ Q',
  month: 'MONTH MM M',
  dayofyear: 'DAYOFYEAR DY Y',
  day: 'DAY DD D',
  week: 'WEEK WK WW',
  isoweek: 'ISO_WEEK ISOWK ISOWW',
  weekday: 'WEEKDAY DW W',
  hour: 'HOUR HH',
  minute: 'MINUTE MI N',
  second: 'SECOND SS S',
  millisecond: 'MILLISECOND MS',
  microsecond: 'MICROSECOND MCS',
  nanosecond: 'NANOSECOND NS',
  tzoffset: 'TZOFFSET TZ',
};
const parts = new Map(
  Object.entries(abbreviations).flatMap(([part, words]) => words.split(' ').map((word) => [word, part] as const)),
);

/** Functions whose first argument is a keyword, not an expression. */
export const takesDatePart = new Set([
  'DATEADD',
  'DATEDIFF',
  'DATEDIFF_BIG',
  'DATEPART',
  'DATENAME',
  'DATETRUNC',
  'DATE_BUCKET',
]);

/** @throws SqlError 155 for a word that is no date part. */
export function datePart(word: string, functionName: string, line: number): string {
  const part = parts.get(word.toUpperCase());
  if (part !== undefined) return part;
  throw sqlError(155, [word, functionName.toLowerCase()], { line });
}

function createDateFunctions(): Record<string, BuiltIn> {
  /** A date argument as `timestamp`; strings are read as datetime2. */
  const timestamp = (call: Call, index: number): string => {
    const arg = call.args[index];
    if (arg === undefined || arg.isNull === true) return 'NULL::timestamp';
    return convert(arg, familyOf(arg.type) === 'temporal' || familyOf(arg.type) === 'string' ? datetime2 : datetime, {
      explicit: true,
      line: call.line,
    });
  };
  const part = (call: Call): string => call.args[0]?.constant ?? '';
  /** @throws SqlError 9810 for an hour of a date and a year of a time. */
  const partOf = (call: Call, index: number): string => {
    const name = part(call);
    const type = call.args[index]?.type.name;
    const ofTime = ['hour', 'minute', 'second', 'millisecond', 'microsecond', 'nanosecond'].includes(name);
    if ((type === 'date' && ofTime) || (type === 'time' && !ofTime))
      throw sqlError(9810, [name, call.name.toLowerCase(), type], { line: call.line });
    return name;
  };
  /** Days since the first day of the week, which SET DATEFIRST says. */
  const weekday = (sql: string): string =>
    `((extract(dow FROM ${sql})::int4 - ${hole('@@datefirst')}::int4 % 7 + 7) % 7)`;
  const field = (name: string, sql: string): string => {
    switch (name) {
      case 'dayofyear':
        return `extract(doy FROM ${sql})::int4`;
      case 'weekday':
        return `(${weekday(sql)} + 1)`;
      case 'week':
        return `(((extract(doy FROM ${sql})::int4 - 1 + ${weekday(`date_trunc('year', ${sql})`)}) / 7) + 1)`;
      case 'isoweek':
        return `extract(week FROM ${sql})::int4`;
      case 'second':
        return `floor(extract(second FROM ${sql}))::int4`;
      case 'millisecond':
        return `(floor(extract(milliseconds FROM ${sql}))::int4 % 1000)`;
      case 'microsecond':
        return `(extract(microseconds FROM ${sql})::int4 % 1000000)`;
      case 'nanosecond':
        return `((extract(microseconds FROM ${sql})::int4 % 1000000) * 1000)`;
      default:
        return `extract(${name} FROM ${sql})::int4`;
    }
  };
  const fieldOf = (name: string): BuiltIn => defined(1, 1, (call) => value(field(name, timestamp(call, 0)), int));
  const today = (type: SqlType): BuiltIn =>
    defined(0, 0, () => ({ ...value(convert(value(now, datetime2, false), type), type, false) }));
  const backTo = (arg: Typed | undefined, sql: string): Typed => {
    const type = arg !== undefined && familyOf(arg.type) === 'temporal' ? arg.type : datetime;
    return value(convert(value(sql, { name: 'datetime2', scale: 6 }), type, { explicit: true }), type);
  };

  const offset: SqlType = { name: 'datetimeoffset', scale: 7 };
  const offsetLike = (arg: Typed | undefined): SqlType =>
    arg !== undefined && 'scale' in arg.type && !('precision' in arg.type)
      ? { name: 'datetimeoffset', scale: arg.type.scale }
      : offset;
  const ints = (call: Call, from: number, to: number): string =>
    Array.from({ length: to - from }, (_, index) => argument(call, from + index, int)).join(', ');
  /** The precision of a ...FROMPARTS function, its last argument. */
  const scaleOf = (call: Call, index: number): number => {
    const constant = call.args[index]?.constant;
    if (constant === undefined) throw notSupported(`${call.name} with a computed precision`, call.line);
    return Number(constant);
  };
  /** Hour, minute, second, fractions and their precision, as PostgreSQL's make_timestamp takes them. */
  const clock = (call: Call, from: number): string => {
    const scale = scaleOf(call, call.args.length - 1);
    return `${ints(call, from, from + 2)}, ${argument(call, from + 2, int)} + ${argument(call, from + 3, int)} / 1${'0'.repeat(scale)}.0`;
  };

  return {
    GETDATE: today(datetime),
    GETUTCDATE: today(datetime),
    CURRENT_TIMESTAMP: today(datetime),
    SYSDATETIME: today(datetime2),
    SYSUTCDATETIME: today(datetime2),
    SYSDATETIMEOFFSET: today({ name: 'datetimeoffset', scale: 7 }),
    DATEADD: defined(3, 3, (call) => {
      const arg = call.args[2];
      const named = partOf(call, 2);
      const name = named === 'dayofyear' || named === 'weekday' ? 'day' : named;
      const type = arg !== undefined && familyOf(arg.type) === 'temporal' ? arg.type.name : 'datetime';
      return backTo(arg, `tsql.dateadd('${name}', ${argument(call, 1, bigint)}, ${timestamp(call, 2)}, '${type}')`);
    }),
    DATEDIFF: defined(3, 3, (call) =>
      value(
        `tsql.checked_datediff(tsql.datediff('${diffPart(part(call))}', ${timestamp(call, 1)}, ${timestamp(call, 2)}))`,
        int,
      ),
    ),
    DATEDIFF_BIG: defined(3, 3, (call) =>
      value(`tsql.datediff('${diffPart(part(call))}', ${timestamp(call, 1)}, ${timestamp(call, 2)})`, bigint),
    ),
    DATEPART: defined(2, 2, (call) => {
      const [, arg] = call.args;
      if (part(call) !== 'tzoffset') return value(field(partOf(call, 1), timestamp(call, 1)), int);
      if (arg?.type.name !== 'datetimeoffset' && arg?.type.name !== 'datetime2')
        throw sqlError(9810, ['tzoffset', 'datepart', arg?.type.name ?? ''], { line: call.line });
      return value(arg.type.name === 'datetime2' ? '0' : `(${arg.sql}).minutes`, int);
    }),
    DATETRUNC: defined(2, 2, (call) => {
      const [, arg] = call.args;
      const name = partOf(call, 1);
      const sql = timestamp(call, 1);
      if (name === 'week')
        return backTo(arg, `(date_trunc('day', ${sql}) - extract(dow FROM ${sql})::int4 * interval '1 day')`);
      const unit =
        { dayofyear: 'day', isoweek: 'week', millisecond: 'milliseconds', microsecond: 'microseconds' }[name] ?? name;
      return backTo(arg, `date_trunc('${unit}', ${sql})`);
    }),
    SWITCHOFFSET: defined(2, 2, (call) =>
      value(
        `ROW((${argument(call, 0, offset)}).utc, tsql.offset_minutes(${text(call, 1)}))::tsql.datetimeoffset`,
        offsetLike(call.args[0]),
      ),
    ),
    TODATETIMEOFFSET: defined(2, 2, (call) => {
      const minutes = `tsql.offset_minutes(${text(call, 1)})`;
      const sql = `ROW(${timestamp(call, 0)} - ${minutes} * interval '1 minute', ${minutes})::tsql.datetimeoffset`;
      return value(sql, offsetLike(call.args[0]));
    }),
    TIMEFROMPARTS: defined(5, 5, (call) =>
      value(`make_timestamp(1900, 1, 1, ${clock(call, 0)})::time(${Math.min(6, scaleOf(call, 4))})`, {
        name: 'time',
        scale: scaleOf(call, 4),
      }),
    ),
    DATETIME2FROMPARTS: defined(8, 8, (call) =>
      value(`make_timestamp(${ints(call, 0, 3)}, ${clock(call, 3)})::timestamp(${Math.min(6, scaleOf(call, 7))})`, {
        name: 'datetime2',
        scale: scaleOf(call, 7),
      }),
    ),
    DATETIMEOFFSETFROMPARTS: defined(10, 10, (call) => {
      const minutes = `(${argument(call, 7, int)} * 60 + ${argument(call, 8, int)})`;
      const sql = `ROW(make_timestamp(${ints(call, 0, 3)}, ${clock(call, 3)}) - ${minutes} * interval '1 minute', ${minutes})::tsql.datetimeoffset`;
      return value(sql, { name: 'datetimeoffset', scale: scaleOf(call, 9) });
    }),
    SMALLDATETIMEFROMPARTS: defined(5, 5, (call) =>
      value(`make_timestamp(${ints(call, 0, 5)}, 0)`, { name: 'smalldatetime' }),
    ),
    DATENAME: defined(2, 2, (call) => {
      const sql = timestamp(call, 1);
      const name = partOf(call, 1);
      if (name === 'month') return value(`to_char(${sql}, 'FMMonth')`, nvarchar(30));
      return value(name === 'weekday' ? `to_char(${sql}, 'FMDay')` : `(${field(name, sql)})::text`, nvarchar(30));
    }),
    YEAR: fieldOf('year'),
    MONTH: fieldOf('month'),
    DAY: fieldOf('day'),
    EOMONTH: defined(1, 2, (call) =>
      value(
        `(date_trunc('month', ${timestamp(call, 0)}) + (1 + ${call.args.length > 1 ? argument(call, 1, int) : '0'}) * interval '1 month' - interval '1 day')::date`,
        { name: 'date' },
      ),
    ),
    DATEFROMPARTS: defined(3, 3, (call) =>
      value(`make_date(${argument(call, 0, int)}, ${argument(call, 1, int)}, ${argument(call, 2, int)})`, {
        name: 'date',
      }),
    ),
    DATETIMEFROMPARTS: defined(7, 7, (call) => {
      const fields = [0, 1, 2, 3, 4].map((index) => argument(call, index, int)).join(', ');
      return value(
        `tsql.round_datetime(make_timestamp(${fields}, ${argument(call, 5, int)} + ${argument(call, 6, int)} / 1000.0))`,
        datetime,
      );
    }),
  };
}

const diffPart = (name: string): string =>
  name === 'dayofyear' || name === 'weekday' ? 'day' : name === 'isoweek' ? 'week' : name;

export const dateFunctions = createDateFunctions();
