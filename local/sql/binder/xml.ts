import { convert } from '../emitter/convert';
import { value } from '../emitter/built-in';
import { quote, type Typed } from '../emitter/typed';
import { notSupported, sqlError } from '../errors';
import { type Expression, type TableSource } from '../parser/ast';
import { parseTypeText } from '../parser/parser';
import { bindExpression, resolveType, type Environment } from './environment';
import { emptyScope, type Scope } from './scope';
import { nvarchar } from './types';

/**
 * The methods of xml, over the part of XQuery that is XPath 1.0: steps, attributes, text(), positions and comparisons. A
 * value is put into a root of its own, for it may be a fragment; what nodes() yields is one element each.
 */
const xmlMethods = ['value', 'query', 'exist'] as const;

const wrapped = ({ sql }: Typed): string => `(('<r>' || (${sql}) || '</r>')::xml)`;

/** @throws SqlError 49999 for a path that XPath does not have, or that leaves the node. */
function translate(path: string, node: boolean, line: number): string {
  const refuse = (): never => {
    throw notSupported(`the XQuery expression ${path}`, line);
  };
  const text = path.trim();
  if (
    !/^(?:[\w@/.*[\]()\s=!<>'",:-]|\btext\(\))*$/.test(text) ||
    /\.\.|:[^:]|\b(for|let|return|declare|sql)\b/.test(text)
  )
    refuse();
  const [, inner, position] = /^\((.*)\)\[(\d+)\]$/.exec(text) ?? [];
  if (inner !== undefined && !/[()]\[/.test(inner.replaceAll('text()', '')))
    return `(${translate(inner, node, line)})[${position ?? '1'}]`;
  if (/\((?!\))/.test(text)) refuse();
  if (text === '.') return node ? '*' : '.';
  if (text.startsWith('/') && node) refuse();
  if (text.startsWith('//')) return `.${text}`;
  const relative = text.replace(/^\.?\/(?!\/)/, '');
  if (relative.startsWith('.//')) return node ? `*${relative.slice(1)}` : relative;
  return node ? `*/${relative}` : relative;
}

/** value() wants at most one node, and must see that from the path. */
function isSingleton(path: string): boolean {
  const text = path.trim();
  if (/^\(.*\)\[\d+\]$/.test(text)) return true;
  return (
    text
      .split('/')
      .filter((step) => step !== '')
      .every((step) => step === '.' || /^@[\w-]+$/.test(step) || /\[\d+\]$/.test(step)) && !text.includes('//')
  );
}

const stringOf = (expression: Expression | undefined, line: number): string => {
  if (expression?.kind === 'literal' && (expression.type === 'string' || expression.type === 'nstring'))
    return expression.text;
  throw notSupported('computed arguments of xml methods', line);
};

/** `x.value(...)` where x is a column or variable; null where it is none, or the name is no method's. */
export function bindXmlMethod(
  { path, args, line }: Extract<Expression, { kind: 'call' }>,
  scope: Scope,
  environment: Environment,
): Typed | null {
  const method = xmlMethods.find((name) => name === path.at(-1)?.toLowerCase());
  const subject = method === undefined ? null : subjectOf(path.slice(0, -1), line, scope, environment);
  if (subject === null) return null;
  if (subject.type.name !== 'xml') throw sqlError(258, [subject.type.name], { line });
  const xpath = stringOf(args[0], line);
  const node = subject.node === true;
  const own = translate(xpath, node, line);
  const rows = `xmltable(${quote(`/r/${own}`)} PASSING ${wrapped(subject)} COLUMNS n xml PATH '.')`;
  switch (method) {
    case 'exist':
      return value(`(CASE WHEN (${subject.sql}) IS NOT NULL THEN (EXISTS (SELECT FROM ${rows} AS q))::int::int2 END)`, {
        name: 'bit',
      });
    case 'query':
      return value(`(SELECT coalesce(string_agg(q.n::text, ''), '') FROM ${rows} AS q)`, { name: 'xml' });
    default: {
      if (!isSingleton(xpath)) throw sqlError(2389, ['value()'], { line });
      const type = resolveType(environment, parseTypeText(stringOf(args[1], line)));
      const text = `(SELECT q.v FROM xmltable('/r' PASSING ${wrapped(subject)} COLUMNS v text PATH ${quote(own)}) AS q)`;
      return value(convert(value(text, nvarchar('max')), type, { explicit: true, line }), type);
    }
  }
}

function subjectOf(path: readonly string[], line: number, scope: Scope, environment: Environment): Typed | null {
  const [name = ''] = path;
  try {
    return bindExpression(
      name.startsWith('@') ? { kind: 'variable', name, line } : { kind: 'column', path, line },
      scope,
      environment,
    );
  } catch (error) {
    if (name.startsWith('@')) throw error;
    return null;
  }
}

/** `x.nodes(...) AS t(c)`: one row for each node. */
export function bindNodes(
  source: Extract<TableSource, { kind: 'xmlNodes' }>,
  scope: Scope,
  environment: Environment,
): string {
  const { operand, path, alias, column, line } = source;
  const subject = bindExpression(operand, emptyScope(scope), environment);
  if (subject.type.name !== 'xml') throw sqlError(258, [subject.type.name], { line });
  if (/@[\w-]+$|text\(\)/.test(path)) throw notSupported('nodes() of attributes and texts', line);
  const pg = environment.aliases.next();
  const own = translate(path, subject.node === true, line);
  scope.sources.push({
    name: alias,
    path: null,
    pg,
    table: null,
    columns: [{ ...value(`${pg}.n`, { name: 'xml' }), name: column, node: true, collation: 'tsql.ci' }],
  });
  return `(SELECT q.n::text AS n FROM xmltable(${quote(`/r/${own}`)} PASSING ${wrapped(subject)} COLUMNS n xml PATH '.') AS q) AS ${pg}`;
}
