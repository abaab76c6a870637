import { notSupported, SqlError, sqlError } from '../errors';
import { missingFunctions } from '../missing';
import { convert } from '../emitter/convert';
import { datePart, takesDatePart } from '../emitter/date-functions';
import { value } from '../emitter/built-in';
import { emitBuiltIn, globalVariables, unified } from '../emitter/functions';
import { hole } from '../emitter/holes';
import { timeZones } from '../emitter/time-zones';
import { checkCollation, collationOf, literal, pgType, quote, type Typed } from '../emitter/typed';
import { type BinaryOperator, type Expression } from '../parser/ast';
import { bindAggregate, isAggregate } from './aggregates';
import {
  bindCondition,
  bindExpression,
  bindScalarSubquery,
  resolveType,
  variableType,
  type Environment,
} from './environment';
import { resolveColumn, type Scope } from './scope';
import { bindXmlMethod } from './xml';
import {
  arithmeticType,
  checkImplicit,
  commonType,
  concatenatedType,
  datetime,
  decimal,
  familyOf,
  int,
  isNumeric,
  nvarchar,
  typeName,
  varchar,
} from './types';

/** PostgreSQL text and T-SQL type of an expression. @throws SqlError for what SQL Server refuses to compile. */
export function expressionBinder(expression: Expression, scope: Scope, environment: Environment): Typed {
  const { grouping } = scope;
  const before = grouping?.violations.length ?? 0;
  const typed = bindNode(expression, scope, environment);
  const key = grouping?.insideAggregate === 0 ? grouping.keys.get(typed.sql) : undefined;
  if (grouping === null || key === undefined) return typed;
  // Whatever equals a GROUP BY expression may name any columns.
  grouping.violations.length = before;
  return { ...typed, sql: key, trimmed: undefined };
}

function bindNode(expression: Expression, scope: Scope, environment: Environment): Typed {
  const { line } = expression;
  const bind = (inner: Expression): Typed => bindExpression(inner, scope, environment);
  switch (expression.kind) {
    case 'literal':
      return bindLiteral(expression.type, expression.text, line);
    case 'variable':
      return bindVariable(expression.name, line, environment);
    case 'column':
      return bindColumn(expression.path, line, scope);
    case 'plus':
      return bind(expression.operand);
    case 'negate': {
      const operand = bind(expression.operand);
      if (!isNumeric(operand.type) || operand.type.name === 'bit') throw invalidOperand(operand, 'minus', line);
      return {
        ...value(
          `(- ${operand.sql})`,
          operand.type.name === 'tinyint' ? { name: 'smallint' } : operand.type,
          operand.nullable,
        ),
      };
    }
    case 'bitNot': {
      const operand = bind(expression.operand);
      if (operand.type.name === 'bit') return value(`(1 - ${operand.sql})::int2`, operand.type, operand.nullable);
      if (familyOf(operand.type) !== 'integer') throw invalidOperand(operand, "'~'", line);
      return value(`(~ ${operand.sql})`, operand.type, operand.nullable);
    }
    case 'binary':
      return bindBinary(expression.operator, bind(expression.left), bind(expression.right), line);
    case 'case': {
      const { input } = expression;
      if (input === null) return value('NULL', int);
      const whens = expression.whens.map(({ when, then }) => ({
        when: bindCondition({ kind: 'compare', operator: '=', left: input, right: when, line }, scope, environment),
        then: bind(then),
      }));
      return bindCase(whens, expression.otherwise && bind(expression.otherwise), line);
    }
    case 'searchedCase': {
      const whens = expression.whens.map(({ when, then }) => ({
        when: bindCondition(when, scope, environment),
        then: bind(then),
      }));
      return bindCase(whens, expression.otherwise && bind(expression.otherwise), line);
    }
    case 'cast':
      return bindCast(expression, bind(expression.operand), environment);
    case 'collate': {
      const operand = bind(expression.operand);
      checkCollation(expression.collation, line);
      if (familyOf(operand.type) !== 'string') throw sqlError(447, [typeName(operand.type)], { line });
      const collation = collationOf(expression.collation === 'DATABASE_DEFAULT' ? '' : expression.collation);
      return { ...operand, sql: `(${operand.sql} COLLATE ${collation})`, trimmed: undefined, collation };
    }
    case 'atTimeZone':
      return bindTimeZone(bind(expression.operand), bind(expression.zone), line);
    case 'subquery':
      return bindScalarSubquery(expression.query, scope, environment);
    case 'call':
      return bindCall(expression, scope, environment);
    case 'nextValue': {
      const sequence = environment.find(expression.path, line);
      if (sequence?.kind !== 'sequence')
        throw sqlError(sequence === null ? 208 : 11726, [expression.path.join('.')], { line });
      const read = scope.sequences.has(sequence.id) ? 'currval' : 'nextval';
      scope.sequences.add(sequence.id);
      const sql = `${read}('d${environment.databaseId}.q${sequence.id}')::${pgType(sequence.type)}`;
      return value(sql, sequence.type, false);
    }
    case 'default':
      throw sqlError(156, ['DEFAULT'], { line });
  }
}

/** AT TIME ZONE: what has an offset keeps its moment, what has none keeps its clock. */
function bindTimeZone(operand: Typed, zone: Typed, line: number): Typed {
  const { type, sql } = operand;
  if (!['datetime', 'smalldatetime', 'datetime2', 'datetimeoffset'].includes(type.name))
    throw sqlError(8116, [type.name, 1, 'AT TIME ZONE'], { line });
  const name = zone.constant === undefined ? undefined : timeZones.get(zone.constant.toLowerCase());
  if (name === undefined && !/ Time$/i.test(zone.constant ?? ' time'))
    throw sqlError(9820, [zone.constant ?? ''], { line });
  if (name === undefined) throw notSupported(`AT TIME ZONE ${zone.constant ?? 'of an expression'}`, line);
  const utc = type.name === 'datetimeoffset' ? `(${sql}).utc` : `((${sql}) AT TIME ZONE '${name}' AT TIME ZONE 'UTC')`;
  const local = `(${utc} AT TIME ZONE 'UTC' AT TIME ZONE '${name}')`;
  const minutes = `(extract(epoch FROM ${local} - ${utc}) / 60)::int4`;
  const scale = type.name === 'datetime' ? 3 : 'scale' in type && !('precision' in type) ? type.scale : 0;
  return value(`ROW(${utc}, ${minutes})::tsql.datetimeoffset`, { name: 'datetimeoffset', scale }, operand.nullable);
}

function bindLiteral(type: Extract<Expression, { kind: 'literal' }>['type'], text: string, line: number): Typed {
  switch (type) {
    case 'int': {
      const number = BigInt(text);
      if (number >= -2147483648n && number <= 2147483647n)
        return { ...value(literal(text, int), int, false), constant: text };
      const digits = text.replace('-', '').replace(/^0+/, '').length;
      return value(`'${text}'::numeric(${digits},0)`, decimal(digits, 0), false);
    }
    case 'decimal': {
      const [whole = '', fraction = ''] = text.replace('-', '').split('.');
      const integral = whole.replace(/^0+/, '').length;
      const precision = Math.max(1, integral + fraction.length);
      if (precision > 38) throw sqlError(1007, [text], { line });
      return value(`'${text}'::numeric(${precision},${fraction.length})`, decimal(precision, fraction.length), false);
    }
    case 'float':
      return value(`'${/e[+-]?$/i.test(text) ? `${text}0` : text}'::float8`, { name: 'float' }, false);
    case 'money':
      return value(`'${text}'::numeric(19,4)`, { name: 'money' }, false);
    case 'binary': {
      const digits = text.slice(2).replace(/\\\r?\n/g, '');
      const hex = digits.length % 2 === 0 ? digits : `0${digits}`;
      return value(`'\\x${hex}'::bytea`, { name: 'varbinary', length: Math.max(1, hex.length / 2) }, false);
    }
    case 'null':
      return { ...value('NULL', int), isNull: true };
    case 'string':
    case 'nstring': {
      if (text.includes('\0')) throw notSupported('the character NUL in a string', line);
      const limit = type === 'string' ? 8000 : 4000;
      const length = text.length > limit ? 'max' : Math.max(1, text.length);
      const trimmed = text.replace(/ +$/, '');
      const sql = `${quote(text)}::text`;
      const stringType = type === 'string' ? varchar(length) : nvarchar(length);
      return {
        ...value(sql, stringType, false),
        constant: text,
        trimmed: trimmed === text ? sql : `${quote(trimmed)}::text`,
      };
    }
  }
}

function bindVariable(name: string, line: number, environment: Environment): Typed {
  if (name.startsWith('@@')) {
    const type = globalVariables[name];
    if (type === undefined) throw sqlError(137, [name], { line });
    return value(hole(name), type);
  }
  return value(hole(name), variableType(environment, name, line));
}

function bindColumn(path: readonly string[], line: number, scope: Scope): Typed {
  if (path.length === 1 && path[0]?.toLowerCase() === '$action') return resolveColumn(scope, ['$action'], line);
  return resolveColumn(scope, path, line);
}

const operatorNames: Record<BinaryOperator, string> = {
  '+': 'add',
  '-': 'subtract',
  '*': 'multiply',
  '/': 'divide',
  '%': 'modulo',
  '&': "'&'",
  '|': "'|'",
  '^': "'^'",
};

const invalidOperand = (operand: Typed, operator: string, line: number): SqlError =>
  sqlError(8117, [typeName(operand.type), operator], { line });

const incompatible = (operator: BinaryOperator, a: Typed, b: Typed, line: number): SqlError =>
  sqlError(402, [typeName(a.type), typeName(b.type), operatorNames[operator]], { line });

export function bindBinary(operator: BinaryOperator, left: Typed, right: Typed, line: number): Typed {
  const a = left.isNull === true && right.isNull !== true ? { ...left, type: right.type } : left;
  const b = right.isNull === true && left.isNull !== true ? { ...right, type: left.type } : right;
  const nullable = a.nullable || b.nullable;
  const [familyA, familyB] = [familyOf(a.type), familyOf(b.type)];
  if (operator === '&' || operator === '|' || operator === '^') return bindBits(operator, a, b, line);
  if (operator === '+' && familyA === 'string' && familyB === 'string') {
    const type = concatenatedType(a.type, b.type);
    return {
      sql: `(${convert(a, type)} || ${convert(b, type)})`,
      type,
      nullable,
      collation: a.collation ?? b.collation,
    };
  }
  if (operator === '+' && familyA === 'binary' && familyB === 'binary')
    return value(`(${a.sql} || ${b.sql})`, { name: 'varbinary', length: 'max' }, nullable);
  const common = commonType(a.type, b.type);
  if (familyA === 'guid' || familyB === 'guid') {
    if (isNumeric(common)) checkImplicit(familyA === 'guid' ? a.type : b.type, common, line);
    if (familyA !== familyB) throw incompatible(operator, a, b, line);
  }
  if (familyOf(common) === 'temporal') return bindDateArithmetic(operator, a, b, common, line);
  if (!isNumeric(common))
    throw invalidOperand(familyA === 'string' || familyA === 'guid' ? a : b, operatorNames[operator], line);
  // A string takes the type of its partner: '1' + 1 is 2.
  const type =
    familyA === 'string' || familyB === 'string' ? common : arithmeticType(operator, exactType(a, b), exactType(b, a));
  if (type.name === 'bit' || (operator === '%' && familyOf(type) === 'float')) throw incompatible(operator, a, b, line);
  const target = familyOf(type) === 'decimal' ? null : type;
  const operand = (side: Typed): string => {
    if (familyOf(side.type) === 'string' || side.isNull === true) return convert(side, common, { line });
    return target === null || side.type.name === target.name ? side.sql : `(${side.sql})::${pgType(target)}`;
  };
  const text = `${operand(a)} ${operator} ${operand(b)}`;
  switch (familyOf(type)) {
    case 'decimal': {
      if (operator !== '/') return value(`(${text})::${pgType(type)}`, type, nullable);
      const scale = type.name === 'decimal' || type.name === 'numeric' ? type.scale : 4;
      // T-SQL cuts a quotient; PostgreSQL computes as many digits as the dividend shows.
      return value(
        `trunc((${operand(a)})::numeric(100,${scale + 1}) / ${operand(b)}, ${scale})::${pgType(type)}`,
        type,
        nullable,
      );
    }
    case 'float':
      return value(`(${text})`, type, nullable);
    default:
      if (type.name === 'tinyint')
        return value(`tsql.to_tinyint((${operand(a)})::int4 ${operator} (${operand(b)})::int4)`, type, nullable);
      return value(`(${text})`, type, nullable);
  }
}

/** Beside a decimal, an integer literal counts as the decimal that it looks like: 10.0 / 3 has six digits. */
function exactType(operand: Typed, other: Typed): Typed['type'] {
  const { constant, type } = operand;
  if (constant === undefined || type.name !== 'int' || !('precision' in other.type)) return type;
  return decimal(Math.max(1, constant.replace(/^-?0*/, '').length), 0);
}

function bindBits(operator: '&' | '|' | '^', a: Typed, b: Typed, line: number): Typed {
  if (familyOf(a.type) !== 'integer' || familyOf(b.type) !== 'integer') throw incompatible(operator, a, b, line);
  const type = commonType(a.type, b.type);
  const sql = `((${a.sql})::${pgType(type)} ${operator === '^' ? '#' : operator} (${b.sql})::${pgType(type)})`;
  return value(sql, type, a.nullable || b.nullable);
}

function bindDateArithmetic(operator: BinaryOperator, a: Typed, b: Typed, common: Typed['type'], line: number): Typed {
  if (common.name !== 'datetime' && common.name !== 'smalldatetime') {
    const [temporal, other] = familyOf(a.type) === 'temporal' ? [a, b] : [b, a];
    if (isNumeric(other.type)) throw sqlError(206, [typeName(temporal.type), typeName(other.type)], { line });
    if (familyOf(other.type) === 'string' || other.type.name !== temporal.type.name)
      throw incompatible(operator, a, b, line);
    throw invalidOperand(temporal, operatorNames[operator], line);
  }
  if (operator !== '+' && operator !== '-')
    throw invalidOperand(familyOf(a.type) === 'temporal' ? a : b, operatorNames[operator], line);
  const modern = [a, b].some(({ type }) => familyOf(type) === 'temporal' && !/^(small)?datetime$/.test(type.name));
  if (modern) throw incompatible(operator, a, b, line);
  const left = convert(a, datetime, { explicit: true });
  const right = convert(b, datetime, { explicit: true });
  const sql = `tsql.round_datetime(${left} ${operator} (${right} - '1900-01-01'::timestamp))`;
  return value(sql, common, a.nullable || b.nullable);
}

function bindCase(whens: { when: string; then: Typed }[], otherwise: Typed | null, line: number): Typed {
  const results = [...whens.map(({ then }) => then), otherwise ?? { ...value('NULL', int), isNull: true }];
  if (results.every((result) => result.isNull === true)) throw sqlError(8133, [], { line });
  return unified(
    results,
    (sqls) =>
      `(CASE ${whens.map(({ when }, index) => `WHEN ${when} THEN ${sqls[index] ?? ''}`).join(' ')} ELSE ${sqls.at(-1) ?? ''} END)`,
    line,
  );
}

function bindCast(expression: Extract<Expression, { kind: 'cast' }>, operand: Typed, environment: Environment): Typed {
  const { style, line } = expression;
  let type;
  try {
    type = resolveType(environment, expression.type);
  } catch (error) {
    throw error instanceof SqlError && error.number === 2715 ? sqlError(243, [expression.type.name], { line }) : error;
  }
  let styleText: string | undefined;
  if (style !== null) {
    if (style.kind === 'literal') styleText = style.text;
    else if (style.kind === 'variable') styleText = hole(style.name);
    else throw notSupported('a computed style in CONVERT', line);
  }
  const sql = convert(operand, type, { explicit: true, style: styleText, try: expression.try, line });
  return { sql, type, nullable: operand.nullable || expression.try, collation: operand.collation };
}

function bindCall(expression: Extract<Expression, { kind: 'call' }>, scope: Scope, environment: Environment): Typed {
  const { path, line } = expression;
  const name = path.at(-1) ?? '';
  const upper = name.toUpperCase();
  if (path.length > 1)
    return bindXmlMethod(expression, scope, environment) ?? bindUserFunction(expression, scope, environment);
  if (isAggregate(upper, expression)) return bindAggregate(upper, expression, scope, environment);
  if (missingFunctions.has(upper)) throw notSupported(`the function ${name}`, line);
  if (expression.over !== null) throw sqlError(4113, [name], { line });
  if (expression.orderWithin.length > 0) throw sqlError(10757, [name], { line });
  if (upper === 'IDENTITY') throw sqlError(177, [], { line });
  if (upper === 'NULLIF') {
    const [a, b] = expression.args;
    if (a === undefined || b === undefined) throw sqlError(174, ['nullif', '2'], { line, scope: 'statement' });
    const when = bindCondition({ kind: 'compare', operator: '=', left: a, right: b, line }, scope, environment);
    const first = bindExpression(a, scope, environment);
    if (first.isNull === true) throw sqlError(4151, [], { line });
    return {
      ...first,
      sql: `(CASE WHEN ${when} THEN NULL ELSE ${first.sql} END)`,
      trimmed: undefined,
      constant: undefined,
      nullable: true,
    };
  }
  const args = expression.args.map((arg, index) => {
    if (index === 0 && takesDatePart.has(upper)) {
      const word = arg.kind === 'column' ? (arg.path[0] ?? '') : '';
      return { ...value('NULL', int), constant: datePart(word, upper, line) };
    }
    return bindExpression(arg, scope, environment);
  });
  return emitBuiltIn({ name, args, line, databaseId: environment.databaseId });
}

function bindUserFunction(
  expression: Extract<Expression, { kind: 'call' }>,
  scope: Scope,
  environment: Environment,
): Typed {
  const { path, line } = expression;
  const found = environment.find(path, line);
  if (found?.kind !== 'scalarFunction') throw sqlError(4121, [path[0] ?? '', path.join('.')], { line });
  const signature = found.columns; // the parameters, then the result
  const result = signature.at(-1);
  const parameters = signature.slice(0, -1);
  if (expression.args.length !== parameters.length || result === undefined) {
    const number = expression.args.length < parameters.length ? 313 : 8144;
    throw sqlError(number, [path.join('.')], { state: 3, line });
  }
  const args = expression.args.map((arg, index) => {
    const parameter = parameters[index];
    if (parameter === undefined) return '';
    if (arg.kind === 'default') {
      const text = parameter.computed?.text ?? 'NULL';
      return text;
    }
    return convert(bindExpression(arg, scope, environment), parameter.type, { explicit: true, line });
  });
  return value(`${environment.compiledFunction(found.id).name}(${args.join(', ')})`, result.type);
}
