import { notSupported, sqlError } from '../errors';
import { convert } from '../emitter/convert';
import { hole } from '../emitter/holes';
import { plain, quote, type Collation, type Typed } from '../emitter/typed';
import { type CompareOperator, type Condition, type Expression } from '../parser/ast';
import { bindCondition, bindExpression, bindQuery, type Environment } from './environment';
import { same, type Scope } from './scope';
import { checkImplicit, commonType, familyOf, isLarge, isWide, nvarchar, typeName } from './types';

/** PostgreSQL text of a search condition. */
export function conditionBinder(condition: Condition, scope: Scope, environment: Environment): string {
  const bind = (expression: Expression): Typed => bindExpression(expression, scope, environment);
  const nested = (inner: Condition): string => bindCondition(inner, scope, environment);
  const { line } = condition;
  switch (condition.kind) {
    case 'and':
    case 'or':
      return `(${nested(condition.left)} ${condition.kind.toUpperCase()} ${nested(condition.right)})`;
    case 'not':
      return `(NOT ${nested(condition.operand)})`;
    case 'compare':
      if (environment.nullsEqual && [condition.left, condition.right].some(isNullLiteral))
        throw notSupported('comparing with NULL under SET ANSI_NULLS OFF', line);
      return compare(condition.operator, bind(condition.left), bind(condition.right), line);
    case 'distinctFrom': {
      const [left, right] = [bind(condition.left), bind(condition.right)];
      const same = `((${left.sql} IS NULL AND ${right.sql} IS NULL) OR ${compare('=', left, right, line)} IS TRUE)`;
      return negate(same, !condition.negated);
    }
    case 'isNull':
      return `(${bind(condition.operand).sql} IS ${condition.negated ? 'NOT ' : ''}NULL)`;
    case 'between': {
      const operand = bind(condition.operand);
      const low = compare('>=', operand, bind(condition.low), line);
      const high = compare('<=', operand, bind(condition.high), line);
      return negate(`(${low} AND ${high})`, condition.negated);
    }
    case 'in': {
      const operand = bind(condition.operand);
      return negate(
        `(${condition.list.map((item) => compare('=', operand, bind(item), line)).join(' OR ')})`,
        condition.negated,
      );
    }
    case 'inQuery': {
      const [operand, query] = quantified(bind(condition.operand), condition.query, scope, environment, line);
      return negate(`(${operand} IN ${query})`, condition.negated);
    }
    case 'quantified': {
      const [operand, query] = quantified(bind(condition.operand), condition.query, scope, environment, line);
      return `(${operand} ${condition.operator} ${condition.quantifier === 'any' ? 'ANY' : 'ALL'} ${query})`;
    }
    case 'like':
      return negate(
        like(bind(condition.operand), bind(condition.pattern), condition.escape && bind(condition.escape), line),
        condition.negated,
      );
    case 'exists':
      return `EXISTS (${bindQuery(condition.query, scope, environment).sql})`;
    case 'updated':
      if (environment.tables.get('inserted')?.columns.some((column) => same(column.name, condition.column)) === false)
        throw sqlError(207, [condition.column], { line });
      return hole(`updated:${condition.column}`);
  }
}

const isNullLiteral = (expression: Expression): boolean => expression.kind === 'literal' && expression.type === 'null';

const negate = (sql: string, negated: boolean): string => (negated ? `(NOT ${sql})` : sql);

/** A comparison under SQL Server's rules: common type, the columns' collation, trailing blanks ignored. */
export function compare(operator: CompareOperator, left: Typed, right: Typed, line: number): string {
  const a = left.isNull === true ? { ...left, type: right.type } : left;
  const b = right.isNull === true ? { ...right, type: left.type } : right;
  const [familyA, familyB] = [familyOf(a.type), familyOf(b.type)];
  if ((isLarge(a.type) || isLarge(b.type)) && a.isNull !== true && b.isNull !== true) {
    if (a.type.name === 'xml' || b.type.name === 'xml') throw sqlError(305, [], { line });
    throw sqlError(402, [typeName(a.type), typeName(b.type), operatorNames[operator]], { line });
  }
  if (familyA === 'string' && familyB === 'string') {
    const collation = collationFor(a, b, line);
    return `(${comparable(a)} COLLATE ${collation} ${operator} ${comparable(b)})`;
  }
  const common = commonType(a.type, b.type);
  const numeric = ['integer', 'decimal', 'float'];
  const side = (value: Typed): string => {
    if (value.isNull === true) return convert(value, common);
    if (numeric.includes(familyOf(value.type)) && numeric.includes(familyOf(common))) return value.sql;
    checkImplicit(value.type, common, line);
    const converted =
      familyOf(value.type) === 'string' && 'precision' in common
        ? convert(value, { ...common, precision: 38, scale: Math.max(common.scale, 10) })
        : convert(value, common, { line });
    if (common.name === 'uniqueidentifier' && operator !== '=' && operator !== '<>')
      return `tsql.guid_key(${converted})`;
    return common.name === 'datetimeoffset' ? `(${converted}).utc` : converted;
  };
  return `(${side(a)} ${operator} ${side(b)})`;
}

const operatorNames: Record<CompareOperator, string> = {
  '=': 'equal to',
  '<>': 'not equal to',
  '<': 'less than',
  '<=': 'less than or equal to',
  '>': 'greater than',
  '>=': 'greater than or equal to',
};

/** What a value is grouped by: strings as `=` compares them, in their collation and without their trailing blanks. */
export const groupKey = (typed: Typed): string =>
  familyOf(typed.type) === 'string' && typed.isNull !== true
    ? `${comparable(typed)} COLLATE ${typed.collation ?? 'tsql.ci'}`
    : typed.sql;

/** What ORDER BY, MIN and MAX go by: a uniqueidentifier's bytes have an order of their own. */
export const sortKey = ({ sql, type, isNull }: Typed): string =>
  type.name === 'uniqueidentifier' && isNull !== true ? `tsql.guid_key(${sql})` : sql;

/** Text whose trailing blanks do not count. */
export const comparable = (value: Typed): string => value.trimmed ?? `rtrim(${value.sql})`;

function collationFor(a: Typed, b: Typed, line: number): Collation {
  if (a.collation !== null && b.collation !== null && a.collation !== b.collation) {
    // An explicit COLLATE shows in the text; between two columns the conflict is an error.
    const [explicit, ...more] = [a, b].filter((side) => side.sql.includes(` COLLATE ${side.collation ?? ''})`));
    if (explicit?.collation != null && more.length === 0) return explicit.collation;
    throw sqlError(468, [], { line });
  }
  return a.collation ?? b.collation ?? 'tsql.ci';
}

/** Both sides of IN, ANY and ALL. */
function quantified(
  operand: Typed,
  query: Parameters<typeof bindQuery>[0],
  scope: Scope,
  environment: Environment,
  line: number,
): [string, string] {
  const bound = bindQuery(query, scope, environment);
  const [column, ...more] = bound.columns;
  if (column === undefined || more.length > 0) throw sqlError(116, [], { line });
  const alias = environment.aliases.next();
  const inner: Typed = { ...column, sql: `${alias}.o1`, trimmed: undefined };
  const from = `FROM (${bound.sql}) AS ${alias}`;
  if (familyOf(operand.type) === 'string' && familyOf(column.type) === 'string')
    return [
      `${comparable(operand)} COLLATE ${collationFor(operand, column, line)}`,
      `(SELECT ${comparable(inner)} ${from})`,
    ];
  const common = commonType(operand.type, column.type);
  return [convert(operand, common, { line }), `(SELECT ${convert(inner, common, { line })} ${from})`];
}

function like(operand: Typed, pattern: Typed, escape: Typed | null, line: number): string {
  if (operand.type.name === 'xml') throw sqlError(8116, ['xml', 1, 'like'], { line });
  if (escape?.constant !== undefined && escape.constant.length !== 1) throw sqlError(506, [escape.constant], { line });
  if (operand.isNull === true || pattern.isNull === true) return 'NULL::boolean';
  const text =
    familyOf(operand.type) === 'string' ? operand.sql : convert(operand, nvarchar('max'), { explicit: true, line });
  const wanted =
    familyOf(pattern.type) === 'string' ? pattern.sql : convert(pattern, nvarchar('max'), { explicit: true, line });
  // Blanks at the end of a varchar do not count, at the end of the pattern they do.
  const subject =
    familyOf(operand.type) !== 'string' ||
    isWide(operand.type) ||
    isWide(pattern.type) ||
    pattern.constant?.endsWith(' ') === true
      ? text
      : comparable(operand);
  const caseSensitive = operand.collation === 'tsql.cs' || operand.collation === '"C"';
  const regex =
    pattern.constant !== undefined && escape === null
      ? quote(likeRegex(pattern.constant))
      : `tsql.like_regex(${plain(wanted)}, ${escape?.sql ?? 'NULL'})`;
  return `(${subject} COLLATE pg_catalog.pg_c_utf8 ${caseSensitive ? '~' : '~*'} ${regex})`;
}

/** A constant LIKE pattern as a regular expression; tsql.like_regex does the same to others. */
export function likeRegex(pattern: string): string {
  let result = '^';
  for (let at = 0; at < pattern.length; at++) {
    const character = pattern[at] ?? '';
    const close = character === '[' ? pattern.indexOf(']', at + 2) : -1;
    if (character === '%') result += '.*';
    else if (character === '_') result += '.';
    else if (character === '[') {
      if (close < 0) return '(?!)';
      const body = pattern.slice(at + 1, close);
      const negated = body.startsWith('^') && body.length > 1;
      result += `[${negated ? '^' : ''}${(negated ? body.slice(1) : body).replace(/[[\\^\]]/g, '\\$&')}]`;
      at = close;
    } else result += /[\p{L}\p{N}_ ]/u.test(character) || character > '\u007f' ? character : `\\${character}`;
  }
  return `${result}$`;
}
