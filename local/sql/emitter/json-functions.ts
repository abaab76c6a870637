import { familyOf, int, nvarchar } from '../binder/types';
import { notSupported, sqlError } from '../errors';
import { argument, defined, text, value, type BuiltIn, type Call } from './built-in';
import { convert } from './convert';
import { plain, type Typed } from './typed';

/** A value as JSON text: numbers as they are, JSON as it is, everything else as a string. NULL stays NULL. */
export function jsonText(arg: Typed): string {
  const quoted = (sql: string): string => `tsql.json_string(${sql})`;
  if (arg.isNull === true) return 'NULL::text';
  const { sql, type } = arg;
  switch (familyOf(type)) {
    case 'integer':
      return type.name === 'bit' ? `(CASE ${sql} WHEN 1 THEN 'true' WHEN 0 THEN 'false' END)` : `(${sql})::text`;
    case 'decimal':
      return `(${sql})::text`;
    case 'float':
      return `tsql.float_text(${sql}, 2)`;
    case 'binary':
      return quoted(`replace(encode(${sql}, 'base64'), E'\\n', '')`);
    case 'temporal':
      if (type.name === 'datetimeoffset') throw notSupported('datetimeoffset as JSON');
      return quoted(
        convert(arg, nvarchar(40), { explicit: true, style: ['date', 'time'].includes(type.name) ? undefined : '126' }),
      );
    case 'string':
      return arg.json === true ? sql : quoted(sql);
    default:
      return quoted(convert(arg, nvarchar(40), { explicit: true }));
  }
}

const document = (call: Call): string => plain(text(call, 0));
const path = (call: Call): string => (call.args.length > 1 ? plain(text(call, 1)) : "'$'");

export const jsonFunctions: Record<string, BuiltIn> = {
  ISJSON: defined(1, 1, (call) => value(`tsql.isjson(${document(call)})`, int)),
  JSON_VALUE: defined(2, 2, (call) => value(`tsql.json_value(${document(call)}, ${path(call)})`, nvarchar(4000))),
  JSON_QUERY: defined(1, 2, (call) => ({
    ...value(`tsql.json_query(${document(call)}, ${path(call)})`, nvarchar('max')),
    json: true,
  })),
  JSON_MODIFY: defined(3, 3, (call) => {
    const [, , arg] = call.args;
    if (arg === undefined || (arg.isNull !== true && familyOf(arg.type) === 'temporal'))
      throw sqlError(8116, [arg?.type.name ?? '', 3, 'json_modify'], { line: call.line });
    const sql = `tsql.json_modify(${document(call)}, ${path(call)}, ${plain(jsonText(arg))})`;
    return { ...value(sql, nvarchar('max')), json: true };
  }),
  STRING_ESCAPE: defined(2, 2, (call) => {
    if (call.args[1]?.constant?.toLowerCase() !== 'json') throw notSupported('STRING_ESCAPE other than for json');
    const sql = `tsql.json_string(${argument(call, 0, nvarchar('max'))})`;
    return value(`substr(${sql}, 2, length(${sql}) - 2)`, nvarchar('max'));
  }),
};
