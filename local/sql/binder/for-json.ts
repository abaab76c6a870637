import { notSupported, sqlError } from '../errors';
import { value } from '../emitter/built-in';
import { jsonText } from '../emitter/json-functions';
import { quote } from '../emitter/typed';
import { type JsonClause, type Query } from '../parser/ast';
import { type BoundQuery } from './bound';
import { type Environment } from './environment';
import { nvarchar } from './types';

/** AUTO nests by tables; with one of them there is nothing to nest. */
export function refuseSeveral(format: string, mode: string, { body, line }: Query): void {
  if (mode !== 'auto') return;
  const [source, ...more] = body.kind === 'select' ? body.from : [];
  if (source === undefined || source.kind === 'join' || more.length > 0)
    throw notSupported(`FOR ${format} AUTO over anything but one table`, line);
}

/** FOR JSON: one string of all rows, or no row where there are none. */
export function forJson(query: Query, clause: JsonClause, bound: BoundQuery, environment: Environment): BoundQuery {
  const { line } = query;
  refuseSeveral('JSON', clause.mode, query);
  const alias = environment.aliases.next();
  const object = jsonObject(
    bound.columns.map((column, index) => {
      if (column.name === '') throw sqlError(13605, [], { line });
      return {
        path: clause.mode === 'path' ? column.name.split('.') : [column.name],
        text: jsonText({ ...column, sql: `${alias}.o${index + 1}`, trimmed: undefined, constant: undefined }),
      };
    }),
    clause.nulls,
    line,
  );
  const rows = `string_agg(${object}, ',')`;
  const array = clause.wrapper ? `'[' || ${rows} || ']'` : rows;
  const sql = clause.root === null ? array : `${quote(`{${JSON.stringify(clause.root)}:`)} || ${array} || '}'`;
  return {
    sql: `SELECT ${sql} AS o1 FROM (${bound.sql}) AS ${alias} HAVING count(*) > 0`,
    columns: [
      { ...value('', nvarchar('max')), name: 'JSON_F52E2B61-18A1-11d1-B105-00805F49916B', json: clause.wrapper },
    ],
  };
}

/** PostgreSQL text of an object: names with dots nest, NULL leaves a property out unless asked for. */
function jsonObject(columns: readonly { path: string[]; text: string }[], nulls: boolean, line: number): string {
  const names = [...new Set(columns.map(({ path }) => path[0] ?? ''))];
  const parts = names.map((name) => {
    const own = columns.filter(({ path }) => path[0] === name);
    const key = `${quote(JSON.stringify(name).replaceAll('/', '\\/'))} || ':' || `;
    const [first] = own;
    if (first?.path.length === 1) {
      if (own.length > 1) throw sqlError(13601, [name], { line });
      return nulls ? `(${key}coalesce(${first.text}, 'null'))` : `(${key}${first.text})`;
    }
    const positions = own.map((column) => columns.indexOf(column));
    if (
      own.some(({ path }) => path.length === 1) ||
      positions.some((at, index) => index > 0 && at !== (positions[index - 1] ?? 0) + 1)
    )
      throw sqlError(13601, [first?.path.join('.') ?? name], { line });
    const inner = jsonObject(
      own.map(({ path, text }) => ({ path: path.slice(1), text })),
      nulls,
      line,
    );
    return `(${key}nullif(${inner}, '{}'))`;
  });
  return `'{' || concat_ws(',', ${parts.join(', ')}) || '}'`;
}
