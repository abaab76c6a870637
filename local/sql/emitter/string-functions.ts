import { bigint, familyOf, float, int, isWide, lengthOf, nvarchar, sysname, varchar } from '../binder/types';
import { notSupported, sqlError } from '../errors';
import { argument, defined, text, value, type BuiltIn, type Call } from './built-in';
import { convert } from './convert';
import { plain, quote, type Typed } from './typed';

/** varchar or nvarchar of a length, as wide as the argument it is made from, and in its collation. */
function like(arg: Typed | undefined, sql: string, length?: number | 'max'): Typed {
  const wide = arg === undefined || isWide(arg.type) || familyOf(arg.type) !== 'string';
  const size = length ?? (arg !== undefined && familyOf(arg.type) === 'string' ? lengthOf(arg.type) : 'max');
  return { sql, type: wide ? nvarchar(size) : varchar(size), nullable: true, collation: arg?.collation ?? null };
}

const stringTo = (template: (sql: string) => string): BuiltIn =>
  defined(1, 1, (call) => like(call.args[0], template(text(call, 0))));

const repeated = (sql: string, count: string): string => `repeat(${sql}, CASE WHEN ${count} >= 0 THEN ${count} END)`;

export const stringFunctions: Record<string, BuiltIn> = {
  LEN: defined(1, 1, (call) => {
    const max =
      call.args[0] !== undefined && lengthOf(call.args[0].type) === 'max' && familyOf(call.args[0].type) === 'string';
    return value(
      `length(${call.args[0]?.trimmed ?? `rtrim(${text(call, 0)})`})${max ? '::int8' : ''}`,
      max ? bigint : int,
    );
  }),
  DATALENGTH: defined(1, 1, (call) => {
    const [arg] = call.args;
    if (arg === undefined) return value('NULL::int4', int);
    switch (familyOf(arg.type)) {
      case 'string':
        return value(`(length(${arg.sql}) * ${isWide(arg.type) ? 2 : 1})`, int);
      case 'binary':
        return value(`length(${arg.sql})`, int);
      default:
        return value(
          `(CASE WHEN ${arg.sql} IS NOT NULL THEN tsql.type_size(${quote(JSON.stringify(arg.type))}) END)`,
          int,
        );
    }
  }),
  LEFT: defined(2, 2, (call) =>
    like(call.args[0], `tsql.side(${text(call, 0)}, ${argument(call, 1, int)}, true)`, constantLength(call, 1)),
  ),
  RIGHT: defined(2, 2, (call) =>
    like(call.args[0], `tsql.side(${text(call, 0)}, ${argument(call, 1, int)}, false)`, constantLength(call, 1)),
  ),
  SUBSTRING: defined(3, 3, (call) => {
    const [arg] = call.args;
    if (arg !== undefined && arg.isNull !== true && !['string', 'binary'].includes(familyOf(arg.type)))
      throw sqlError(8116, [arg.type.name, 1, 'substring'], { line: call.line });
    if (arg !== undefined && familyOf(arg.type) === 'binary') {
      return value(`substring(${arg.sql} FROM ${argument(call, 1, int)} FOR ${argument(call, 2, int)})`, arg.type);
    }
    return like(
      arg,
      `tsql.substring(${text(call, 0)}, ${argument(call, 1, int)}, ${argument(call, 2, int)})`,
      constantLength(call, 2),
    );
  }),
  UPPER: stringTo((sql) => `upper(${sql})`),
  LOWER: stringTo((sql) => `lower(${sql})`),
  LTRIM: stringTo((sql) => `ltrim(${sql})`),
  RTRIM: stringTo((sql) => `rtrim(${sql})`),
  TRIM: defined(1, 2, (call) =>
    like(call.args[0], call.args.length > 1 ? `btrim(${text(call, 0)}, ${text(call, 1)})` : `btrim(${text(call, 0)})`),
  ),
  REVERSE: stringTo((sql) => `reverse(${sql})`),
  SPACE: defined(1, 1, (call) => value(repeated("' '", argument(call, 0, int)), varchar(8000))),
  REPLICATE: defined(2, 2, (call) => {
    const max = call.args[0] !== undefined && lengthOf(call.args[0].type) === 'max';
    return like(
      call.args[0],
      repeated(text(call, 0), argument(call, 1, int)),
      max ? 'max' : call.args[0] !== undefined && isWide(call.args[0].type) ? 4000 : 8000,
    );
  }),
  REPLACE: defined(3, 3, (call) =>
    like(
      call.args[0],
      `tsql.replace(${text(call, 0)}, ${text(call, 1)}, ${text(call, 2)})`,
      'max' === (call.args[0] && lengthOf(call.args[0].type)) ? 'max' : 4000,
    ),
  ),
  STUFF: defined(4, 4, (call) =>
    like(
      call.args[0],
      `tsql.stuff(${text(call, 0)}, ${argument(call, 1, int)}, ${argument(call, 2, int)}, ${text(call, 3)})`,
      'max' === (call.args[0] && lengthOf(call.args[0].type)) ? 'max' : 4000,
    ),
  ),
  CHARINDEX: defined(2, 3, (call) =>
    value(
      `tsql.charindex(${text(call, 0)}, ${text(call, 1)}, ${call.args.length > 2 ? argument(call, 2, int) : '1'})`,
      int,
    ),
  ),
  PATINDEX: defined(2, 2, (call) => value(`tsql.patindex(${plain(text(call, 0))}, ${plain(text(call, 1))})`, int)),
  CONCAT: defined(2, 254, (call) =>
    concatenation(call, `concat(${call.args.map((_, index) => text(call, index)).join(', ')})`),
  ),
  CONCAT_WS: defined(3, 254, (call) =>
    concatenation(call, `concat_ws(${call.args.map((_, index) => text(call, index)).join(', ')})`),
  ),
  QUOTENAME: defined(1, 2, (call) =>
    value(`tsql.quotename(${text(call, 0)}, ${call.args.length > 1 ? text(call, 1) : "'['"})`, nvarchar(258)),
  ),
  STR: defined(1, 3, (call) =>
    value(
      `tsql.str(${argument(call, 0, float)}, ${call.args.length > 1 ? argument(call, 1, int) : '10'}, ${call.args.length > 2 ? argument(call, 2, int) : '0'})`,
      varchar(20),
    ),
  ),
  CHAR: defined(1, 1, (call) =>
    value(
      `(CASE WHEN ${argument(call, 0, int)} BETWEEN 1 AND 255 THEN tsql.text_of_bytes(tsql.bytes_of_int(${argument(call, 0, int)}, 1), false) END)`,
      varchar(1),
    ),
  ),
  NCHAR: defined(1, 1, (call) => value(`chr(${argument(call, 0, int)})`, nvarchar(1))),
  ASCII: defined(1, 1, (call) => value(`nullif(ascii(${text(call, 0)}), 0)`, int)),
  UNICODE: defined(1, 1, (call) => value(`nullif(ascii(${text(call, 0)}), 0)`, int)),
  TRANSLATE: defined(3, 3, (call) =>
    like(call.args[0], `tsql.translate(${text(call, 0)}, ${text(call, 1)}, ${text(call, 2)})`),
  ),
  SOUNDEX: defined(1, 1, (call) => value(`tsql.soundex(${plain(text(call, 0))})`, varchar(4))),
  DIFFERENCE: defined(2, 2, (call) => {
    const [a, b] = [0, 1].map((index) => `tsql.soundex(${plain(text(call, index))})`);
    const equal = [1, 2, 3, 4].map((at) => `(substr(${a}, ${at}, 1) = substr(${b}, ${at}, 1))::int`);
    return value(`(${equal.join(' + ')})`, int);
  }),
  PARSENAME: defined(2, 2, (call) =>
    value(
      `(tsql.parse_name(${text(call, 0)}))[array_length(tsql.parse_name(${text(call, 0)}), 1) + 1 - ${argument(call, 1, int)}]`,
      sysname,
    ),
  ),
  HASHBYTES: defined(2, 2, (call) => {
    const algorithm = call.args[0]?.constant?.toUpperCase() ?? '';
    const digest = { MD5: 'md5', SHA: 'sha1', SHA1: 'sha1', SHA2_256: 'sha256', SHA2_512: 'sha512' }[algorithm];
    if (digest === undefined) throw notSupported(`HASHBYTES(${algorithm || 'expression'})`, call.line);
    const [, arg] = call.args;
    const bytes =
      arg === undefined ? 'NULL::bytea' : convert(arg, { name: 'varbinary', length: 'max' }, { explicit: true });
    return value(`tsql.digest(${bytes}, '${digest}')`, { name: 'varbinary', length: 8000 });
  }),
};

function constantLength(call: Call, index: number): number | 'max' | undefined {
  const constant = call.args[index]?.constant;
  const limit = call.args[0] === undefined ? 'max' : lengthOf(call.args[0].type);
  if (constant === undefined || !/^\d+$/.test(constant)) return undefined;
  return limit === 'max'
    ? Number(constant) <= 4000
      ? Math.max(1, Number(constant))
      : 'max'
    : Math.max(1, Math.min(limit, Number(constant)));
}

function concatenation(call: Call, sql: string): Typed {
  const wide = call.args.some((arg) => isWide(arg.type));
  const max = call.args.some((arg) => familyOf(arg.type) === 'string' && lengthOf(arg.type) === 'max');
  const length = max ? 'max' : wide ? 4000 : 8000;
  return {
    ...value(sql, wide ? nvarchar(length) : varchar(length), false),
    collation: call.args.find((arg) => arg.collation !== null)?.collation ?? null,
  };
}
