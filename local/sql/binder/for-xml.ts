import { notSupported, sqlError } from '../errors';
import { convert } from '../emitter/convert';
import { value } from '../emitter/built-in';
import { quote, type Typed } from '../emitter/typed';
import { type Query, type XmlClause } from '../parser/ast';
import { type BoundColumn, type BoundQuery } from './bound';
import { type Environment } from './environment';
import { refuseSeveral } from './for-json';
import { familyOf, nvarchar } from './types';

/** FOR XML: one string of all rows, or no row where there are none. */
export function forXml(query: Query, clause: XmlClause, bound: BoundQuery, environment: Environment): BoundQuery {
  const { line } = query;
  refuseSeveral('XML', clause.mode, query);
  const names = [clause.row, clause.root ?? '', ...bound.columns.map((column) => column.name)];
  const odd = names.find((name) => /[^\w@/().*-]/.test(name));
  if (odd !== undefined) throw notSupported(`the name ${odd} in FOR XML`, line);
  const alias = environment.aliases.next();
  const columns = bound.columns.map((column, index) => ({
    ...column,
    sql: `${alias}.o${index + 1}`,
    trimmed: undefined,
    constant: undefined,
  }));
  const [first, ...more] = columns;
  const joined =
    clause.mode === 'path' &&
    clause.row === '' &&
    more.length === 0 &&
    /^(|text\(\)|data\(\))$/.test(first?.name ?? 'x');
  let rows: string;
  if (joined && first !== undefined) {
    const text = clause.text ? plainText(first) : xmlText(first, false);
    rows = `string_agg(${text}, '${first.name === 'data()' ? ' ' : ''}')`;
  } else if (clause.text)
    throw notSupported("methods of FOR XML ..., TYPE other than of PATH('') over one column without a name", line);
  else rows = `string_agg(${row(columns, clause, query)}, '')`;
  const sql = clause.root === null ? rows : `'<${clause.root}>' || ${rows} || '</${clause.root}>'`;
  const name = clause.type ? '' : 'XML_F52E2B61-18A1-11d1-B105-00805F49916B';
  return {
    sql: `SELECT ${sql} AS o1 FROM (${bound.sql}) AS ${alias} HAVING count(*) > 0`,
    columns: [{ ...value('', clause.type ? { name: 'xml' } : nvarchar('max')), name }],
  };
}

function plainText(column: Typed): string {
  const { type } = column;
  if (column.isNull === true) return 'NULL::text';
  if (type.name === 'bit') return `(${column.sql})::text`;
  if (familyOf(type) === 'binary') return `replace(encode(${column.sql}, 'base64'), E'\\n', '')`;
  const style =
    familyOf(type) === 'temporal' && !['date', 'time', 'datetimeoffset'].includes(type.name) ? '126' : undefined;
  return convert(column, nvarchar('max'), { explicit: true, style: familyOf(type) === 'float' ? '2' : style });
}

/** A value with its special characters escaped; xml stays as it is. */
function xmlText(column: Typed, attribute: boolean): string {
  const text = plainText(column);
  if (column.type.name === 'xml') return text;
  const escaped = `replace(replace(replace(${text}, '&', '&amp;'), '<', '&lt;'), '>', '&gt;')`;
  return attribute ? `replace(${escaped}, '"', '&quot;')` : escaped;
}

const element = (name: string, content: string): string =>
  `${quote(`<${name}>`)} || ${content} || ${quote(`</${name}>`)}`;

/** One row: an element with attributes and children, as the mode has them. */
function row(columns: readonly BoundColumn[], clause: XmlClause, query: Query): string {
  const { line } = query;
  const { body } = query;
  const source = body.kind === 'select' ? body.from[0] : undefined;
  const table =
    source?.kind === 'table'
      ? (source.alias ?? source.path.at(-1))
      : source !== undefined && 'alias' in source
        ? source.alias
        : null;
  const name = clause.mode === 'auto' ? (table ?? 'row') : clause.row;
  const attributes: string[] = [];
  const children: { path: string[]; text: string }[] = [];
  for (const column of columns) {
    const own = column.name;
    if (clause.mode !== 'path') {
      if (own === '') throw sqlError(6809, [], { line });
      if (clause.elements) children.push({ path: [own], text: xmlText(column, false) });
      else attributes.push(`' ${own}="' || ${xmlText(column, true)} || '"'`);
    } else if (own.startsWith('@')) {
      if (children.length > 0) throw sqlError(6852, [own], { line });
      if (name === '') throw sqlError(6864, [], { line });
      attributes.push(`' ${own.slice(1)}="' || ${xmlText(column, true)} || '"'`);
    } else {
      const path = /^(text\(\)|data\(\)|\*|)$/.test(own) ? [] : own.split('/');
      if (path.some((step) => /[@()*]/.test(step))) throw notSupported(`the name ${own} in FOR XML PATH`, line);
      children.push({ path, text: xmlText(column, false) });
    }
  }
  if (/\W/.test(name)) throw notSupported(`the name ${name} in FOR XML`, line);
  const start = attributes.length === 0 ? "''" : `concat(${attributes.join(', ')})`;
  const content = nested(children);
  if (name === '') return content;
  return `'<${name}' || ${start} || coalesce('>' || nullif(${content}, '') || '</${name}>', '/>')`;
}

/** Children in their order; neighbours under one element share it. NULL leaves a child out. */
function nested(children: readonly { path: string[]; text: string }[]): string {
  const parts: string[] = [];
  for (let at = 0; at < children.length;) {
    const {
      path: [name, ...below],
      text,
    } = children[at] ?? { path: [], text: "''" };
    if (name === undefined || below.length === 0) {
      parts.push(name === undefined ? text : `(${element(name, text)})`);
      at++;
      continue;
    }
    let end = at;
    while (end < children.length && children[end]?.path[0] === name && (children[end]?.path.length ?? 0) > 1) end++;
    const inner = nested(children.slice(at, end).map((child) => ({ ...child, path: child.path.slice(1) })));
    parts.push(`(${element(name, `nullif(${inner}, '')`)})`);
    at = end;
  }
  return parts.length === 0 ? "''" : `concat(${parts.join(', ')})`;
}
