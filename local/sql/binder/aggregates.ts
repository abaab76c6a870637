import { notSupported, type SqlError, sqlError } from '../errors';
import { convert } from '../emitter/convert';
import { value } from '../emitter/built-in';
import { pgType, type Typed } from '../emitter/typed';
import { type Expression, type OrderItem, type Window } from '../parser/ast';
import { isKind, isQuery, mentions, pathOf, someNode } from '../parser/walk';
import { groupKey, sortKey } from './conditions';
import { bindExpression, type Environment } from './environment';
import { type Scope } from './scope';
import {
  bigint,
  decimal,
  digitsOf,
  familyOf,
  float,
  int,
  isLarge,
  isNumeric,
  isWide,
  longer,
  lengthOf,
  nvarchar,
  typeName,
  varchar,
} from './types';

type Call = Extract<Expression, { kind: 'call' }>;

const aggregates = new Set(
  `COUNT COUNT_BIG SUM AVG MIN MAX STRING_AGG STDEV STDEVP VAR VARP CHECKSUM_AGG GROUPING GROUPING_ID APPROX_COUNT_DISTINCT`.split(
    /\s+/,
  ),
);
const rankings = new Set(
  `ROW_NUMBER RANK DENSE_RANK NTILE LAG LEAD FIRST_VALUE LAST_VALUE PERCENT_RANK CUME_DIST`.split(' '),
);

export const isAggregate = (upper: string, call: Call): boolean =>
  aggregates.has(upper) || rankings.has(upper) || (call.star && call.path.length === 1);

/** Whether an expression or condition aggregates its SELECT: COUNT(*) does, COUNT(*) OVER () does not. */
export const containsAggregate = (node: object): boolean =>
  someNode(
    node,
    (part) => {
      const path = isKind(part, 'call') ? pathOf(part) : null;
      return path?.length === 1 && aggregates.has(path[0]?.toUpperCase() ?? '') && 'over' in part && part.over === null;
    },
    isQuery,
  );

export function bindAggregate(name: string, call: Call, scope: Scope, environment: Environment): Typed {
  const inside = call.over === null ? scope.grouping : null;
  if (inside !== null) inside.insideAggregate++;
  try {
    return bindCall(name, call, scope, environment);
  } finally {
    if (inside !== null) inside.insideAggregate--;
  }
}

function bindCall(name: string, call: Call, scope: Scope, environment: Environment): Typed {
  const { line } = call;
  if (
    aggregates.has(name) &&
    call.over === null &&
    call.args.some((arg) => containsAggregate(arg) || mentions(arg, 'subquery', 'exists', 'inQuery'))
  )
    throw sqlError(130, [], { line });
  if (call.orderWithin.length > 0 && name !== 'STRING_AGG') throw sqlError(10757, [name], { line });
  const args = call.args.map((arg) => bindExpression(arg, scope, environment));
  const over = call.over === null ? '' : ` OVER (${windowText(call.over, scope, environment)})`;
  if (rankings.has(name) && call.over === null) {
    throw sqlError(10753, [name], { line: call.line });
  }
  if (rankings.has(name) && call.over?.orderBy.length === 0) throw sqlError(4112, [name], { line });
  if (rankings.has(name) && !/^(FIRST|LAST)_VALUE$/.test(name) && call.over?.frame !== '')
    throw sqlError(10752, [name], { line });
  if (call.distinct && call.over !== null) throw sqlError(10759, [], { line });
  return emit(name, call, args, over, scope, environment);
}

function emit(name: string, call: Call, args: Typed[], over: string, scope: Scope, environment: Environment): Typed {
  const { line } = call;
  const [arg] = args;
  const distinct = call.distinct ? 'DISTINCT ' : '';
  if (aggregates.has(name) && arg?.isNull === true) throw sqlError(8117, ['NULL', name.toLowerCase()], { line });
  if (call.distinct && arg !== undefined && isLarge(arg.type))
    throw sqlError(8117, [typeName(arg.type), name.toLowerCase()], { line });
  if (name === 'COUNT' || name === 'COUNT_BIG') {
    if (!call.star && call.args.length !== 1) throw sqlError(174, [name.toLowerCase(), 1], { line });
    const what = call.star ? '*' : distinct + (arg === undefined ? '*' : arg.isNull === true ? 'NULL' : groupKey(arg));
    return value(`count(${what})${over}${name === 'COUNT' ? '::int4' : ''}`, name === 'COUNT' ? int : bigint, false);
  }
  if (['ROW_NUMBER', 'RANK', 'DENSE_RANK'].includes(name))
    return value(`${name.toLowerCase()}()${over}`, bigint, false);
  if (name === 'PERCENT_RANK' || name === 'CUME_DIST') return value(`${name.toLowerCase()}()${over}`, float, false);
  if (arg === undefined) throw sqlError(174, [name.toLowerCase(), '1'], { line });
  const invalid = (): SqlError => sqlError(8117, [typeName(arg.type), name.toLowerCase()], { line });
  switch (name) {
    case 'NTILE':
      if (Number(arg.constant ?? 1) < 1) throw sqlError(4116, ['ntile'], { line });
      return value(`ntile(${arg.sql})${over}`, bigint, false);
    case 'LAG':
    case 'LEAD': {
      const [, offset, otherwise] = args;
      const rest =
        offset === undefined
          ? ''
          : `, ${offset.sql}${otherwise === undefined ? '' : `, ${convert(otherwise, arg.type, { explicit: true })}`}`;
      return {
        ...arg,
        sql: `${name.toLowerCase()}(${arg.sql}${rest})${over}`,
        nullable: true,
        trimmed: undefined,
        constant: undefined,
      };
    }
    case 'FIRST_VALUE':
    case 'LAST_VALUE':
      return {
        ...arg,
        sql: `${name.toLowerCase()}(${arg.sql})${over}`,
        nullable: true,
        trimmed: undefined,
        constant: undefined,
      };
    case 'MIN':
    case 'MAX': {
      if (arg.type.name === 'bit' || isLarge(arg.type)) throw invalid();
      const isGuid = arg.type.name === 'uniqueidentifier';
      const collated =
        familyOf(arg.type) === 'string' ? `${arg.sql} COLLATE ${arg.collation ?? 'tsql.ci'}` : sortKey(arg);
      const found = `${name.toLowerCase()}(${collated})${over}`;
      return {
        ...arg,
        sql: isGuid ? `tsql.guid_of_key(${found})` : found,
        nullable: true,
        trimmed: undefined,
        constant: undefined,
        identity: false,
      };
    }
    case 'SUM':
    case 'AVG': {
      if (!isNumeric(arg.type) || arg.type.name === 'bit') throw invalid();
      const type = sumType(name, arg);
      const sum = `${name.toLowerCase()}(${distinct}${arg.sql})${over}`;
      return value(
        familyOf(type) === 'integer' && name === 'AVG' ? `trunc(${sum})::${pgType(type)}` : `(${sum})::${pgType(type)}`,
        type,
      );
    }
    case 'STRING_AGG': {
      const [, separator, ...more] = args;
      if (separator === undefined || more.length > 0) throw sqlError(174, ['string_agg', 2], { line });
      if (separator.isNull !== true && familyOf(separator.type) !== 'string')
        throw sqlError(8116, [typeName(separator.type), 2, 'string_agg'], { line });
      const order = call.orderWithin.length > 0 ? ` ORDER BY ${orderText(call.orderWithin, scope, environment)}` : '';
      const text = familyOf(arg.type) === 'string' ? arg.sql : convert(arg, nvarchar('max'), { explicit: true });
      const wide = isWide(arg.type);
      const length = familyOf(arg.type) === 'string' ? longer(lengthOf(arg.type), wide ? 4000 : 8000) : 4000;
      return {
        ...value(
          `string_agg(${text}, ${separator.isNull === true ? "''" : separator.sql}${order})`,
          wide || familyOf(arg.type) !== 'string' ? nvarchar(length) : varchar(length),
        ),
        collation: arg.collation,
      };
    }
    case 'STDEV':
    case 'STDEVP':
    case 'VAR':
    case 'VARP': {
      const functions = { STDEV: 'stddev_samp', STDEVP: 'stddev_pop', VAR: 'var_samp', VARP: 'var_pop' } as const;
      return value(`${functions[name]}(${distinct}(${arg.sql})::float8)${over}`, float);
    }
    case 'GROUPING':
    case 'GROUPING_ID': {
      const keys = scope.grouping?.keys;
      const wrong = args.findIndex(({ sql }) => keys?.has(sql) !== true);
      if (wrong >= 0) throw sqlError(8161, [wrong + 1, name], { line });
      return value(
        `grouping(${args.map(groupKey).join(', ')})`,
        name === 'GROUPING' ? { name: 'tinyint' } : int,
        false,
      );
    }
    default:
      throw notSupported(`the aggregate ${name}`, line);
  }
}

function sumType(name: 'SUM' | 'AVG', arg: Typed): Typed['type'] {
  const { type } = arg;
  switch (familyOf(type)) {
    case 'integer':
      return type.name === 'bigint' ? type : int;
    case 'float':
      return float;
    default: {
      if (type.name === 'money' || type.name === 'smallmoney') return { name: 'money' };
      const [, scale] = digitsOf(type);
      return decimal(38, name === 'AVG' ? Math.max(6, scale) : scale);
    }
  }
}

function windowText(window: Window, scope: Scope, environment: Environment): string {
  const parts: string[] = [];
  if (window.partitionBy.length > 0) {
    parts.push(
      `PARTITION BY ${window.partitionBy.map((item) => groupKey(bindExpression(item, scope, environment))).join(', ')}`,
    );
  }
  for (const { expression } of window.orderBy)
    if (expression.kind === 'literal')
      throw sqlError(expression.type === 'int' ? 5308 : 5309, [], { line: expression.line });
  if (window.orderBy.length > 0) parts.push(`ORDER BY ${orderText(window.orderBy, scope, environment)}`);
  if (window.frame !== '') parts.push(window.frame);
  return parts.join(' ');
}

/** NULL sorts first in T-SQL. */
export const direction = (item: OrderItem): string => (item.descending ? 'DESC NULLS LAST' : 'ASC NULLS FIRST');

function orderText(items: readonly OrderItem[], scope: Scope, environment: Environment): string {
  return items
    .map((item) => {
      const typed = bindExpression(item.expression, scope, environment);
      const key = typed.type.name === 'uniqueidentifier' ? sortKey(typed) : groupKey(typed);
      return `${typed.isNull === true ? 'NULL::int4' : key} ${direction(item)}`;
    })
    .join(', ');
}
