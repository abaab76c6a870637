import {
  type BinaryOperator,
  type CompareOperator,
  type Condition,
  type Expression,
  type OrderItem,
  type QueryBody,
  type Window,
} from './ast';
import { sqlError } from '../errors';
import { type Cursor } from './cursor';
import { parseType } from './types';

/** Binding strength, weakest first; `+` and the bit operators share one level in T-SQL. */
const precedence: readonly (readonly BinaryOperator[])[] = [
  ['+', '-', '&', '|', '^'],
  ['*', '/', '%'],
];

export function parseExpression(cursor: Cursor, level = 0): Expression {
  const operators = precedence[level];
  if (operators === undefined) return parsePostfix(cursor);
  let left = parseExpression(cursor, level + 1);
  for (;;) {
    const { line } = cursor.peek();
    const operator = cursor.acceptOne(operators);
    if (operator === null) return left;
    left = { kind: 'binary', operator, left, right: parseExpression(cursor, level + 1), line };
  }
}

function parsePostfix(cursor: Cursor): Expression {
  let operand = parseUnary(cursor);
  for (;;) {
    const { line } = cursor.peek();
    if (cursor.accept('COLLATE')) operand = { kind: 'collate', operand, collation: cursor.name(), line };
    else if (cursor.accept('AT', 'TIME', 'ZONE'))
      operand = { kind: 'atTimeZone', operand, zone: parseUnary(cursor), line };
    else return operand;
  }
}

function parseUnary(cursor: Cursor): Expression {
  const { line } = cursor.peek();
  if (cursor.accept('-')) {
    const operand = parseUnary(cursor);
    // A negative literal is one literal: -2147483648 is an int, although 2147483648 is not.
    if (
      operand.kind === 'literal' &&
      ['int', 'decimal', 'float', 'money'].includes(operand.type) &&
      !operand.text.startsWith('-')
    ) {
      return { ...operand, text: `-${operand.text}` };
    }
    return { kind: 'negate', operand, line };
  }
  if (cursor.accept('+')) return { kind: 'plus', operand: parseUnary(cursor), line };
  if (cursor.accept('~')) return { kind: 'bitNot', operand: parseUnary(cursor), line };
  return parsePrimary(cursor);
}

const niladic = new Set(['CURRENT_TIMESTAMP', 'CURRENT_USER', 'SESSION_USER', 'SYSTEM_USER', 'USER', 'CURRENT_DATE']);
/** Reserved words that are functions when a parenthesis follows. */
const callableWords = new Set(['LEFT', 'RIGHT', 'COALESCE', 'NULLIF', 'UPDATE', 'IDENTITY', 'CONTAINS', 'FREETEXT']);

function parsePrimary(cursor: Cursor): Expression {
  const token = cursor.peek();
  const { line } = token;
  switch (token.kind) {
    case 'int':
    case 'decimal':
    case 'float':
    case 'money':
    case 'string':
    case 'nstring':
    case 'binary':
      cursor.next();
      return { kind: 'literal', type: token.kind, text: token.text, line };
    case 'variable':
      cursor.next();
      if (cursor.is('.') && cursor.peek(2).upper !== '(') throw sqlError(137, [token.text], { line });
      if (cursor.accept('.')) return parseCall(cursor, [token.text, cursor.next().text], line);
      return { kind: 'variable', name: token.text, line };
    case 'operator':
      if (cursor.accept('(')) return parseParenthesis(cursor, line);
      if (token.upper === '*') cursor.fail();
      return cursor.fail();
    case 'end':
      return cursor.fail();
    case 'word':
    case 'quoted':
      break;
  }
  if (token.kind === 'word') {
    if (cursor.accept('NULL')) return { kind: 'literal', type: 'null', text: '', line };
    if (cursor.accept('DEFAULT')) return { kind: 'default', line };
    if (cursor.accept('CASE')) return parseCase(cursor, line);
    if (niladic.has(token.upper)) {
      cursor.next();
      return call([token.upper], [], line);
    }
    const special = parseSpecialCall(cursor, line);
    if (special !== null) return special;
    if (callableWords.has(token.upper) && cursor.peek(1).upper === '(') {
      cursor.next();
      return parseCall(cursor, [token.upper], line);
    }
  }
  const path = cursor.path();
  if (cursor.accept('::')) cursor.unsupported('static methods of a type (::)');
  return cursor.is('(') ? parseCall(cursor, path, line) : { kind: 'column', path, line };
}

function call(path: readonly string[], args: Expression[], line: number): Expression {
  return { kind: 'call', path, args, distinct: false, star: false, over: null, orderWithin: [], line };
}

function parseParenthesis(cursor: Cursor, line: number): Expression {
  if (cursor.is('SELECT') || cursor.is('WITH')) {
    const query = cursor.grammar.query(cursor);
    cursor.expect(')');
    const subquery: Expression = { kind: 'subquery', query, line };
    if (query.xml?.type !== true || !cursor.is('.')) return subquery;
    query.xml.text = true;
    return parseXmlValue(cursor, subquery, line);
  }
  const inner = parseExpression(cursor);
  cursor.expect(')');
  return inner;
}

/** `.value('.', 'nvarchar(max)')` behind FOR XML PATH(''), TYPE: the string as that type. */
function parseXmlValue(cursor: Cursor, operand: Expression, line: number): Expression {
  cursor.expect('.', 'VALUE', '(');
  const path = cursor.next().text;
  cursor.expect(',');
  const { text } = cursor.next();
  cursor.expect(')');
  const [, name = '', size = ''] = /^\s*(n?varchar)\s*\(\s*(max|\d+)\s*\)\s*$/i.exec(text) ?? [];
  if (!/^(\.|\(?(\.\/)?text\(\)\)?)?(\[1\])?$/.test(path) || name === '') return cursor.unsupported('xml methods');
  const length = size.toLowerCase() === 'max' ? 'max' : Number(size);
  const type = { name: name.toLowerCase() === 'varchar' ? 'varchar' : 'nvarchar', length } as const;
  const typeName = { name: type.name, schema: null, type, rowversion: false, line };
  return { kind: 'cast', operand, type: typeName, style: null, try: false, name: 'CAST', line };
}

function parseCase(cursor: Cursor, line: number): Expression {
  if (!cursor.is('WHEN')) {
    const input = parseExpression(cursor);
    const whens: { when: Expression; then: Expression }[] = [];
    while (cursor.accept('WHEN')) {
      const when = parseExpression(cursor);
      cursor.expect('THEN');
      whens.push({ when, then: parseExpression(cursor) });
    }
    return { kind: 'case', input, whens, otherwise: parseElse(cursor), line };
  }
  const whens: { when: Condition; then: Expression }[] = [];
  while (cursor.accept('WHEN')) {
    const when = parseCondition(cursor);
    cursor.expect('THEN');
    whens.push({ when, then: parseExpression(cursor) });
  }
  return { kind: 'searchedCase', whens, otherwise: parseElse(cursor), line };
}

function parseElse(cursor: Cursor): Expression | null {
  const otherwise = cursor.accept('ELSE') ? parseExpression(cursor) : null;
  cursor.expect('END');
  return otherwise;
}

/** Functions with a grammar of their own. */
function parseSpecialCall(cursor: Cursor, line: number): Expression | null {
  const name = cursor.peek().upper;
  if (cursor.is('NEXT', 'VALUE', 'FOR')) {
    cursor.expect('NEXT', 'VALUE', 'FOR');
    const path = cursor.path();
    if (cursor.is('OVER')) cursor.unsupported('NEXT VALUE FOR ... OVER');
    return { kind: 'nextValue', path, line };
  }
  if (cursor.peek(1).upper !== '(') return null;
  switch (name) {
    case 'CAST':
    case 'TRY_CAST': {
      cursor.expect(name, '(');
      const operand = parseExpression(cursor);
      cursor.expect('AS');
      const type = parseType(cursor, 30);
      cursor.expect(')');
      return { kind: 'cast', operand, type, style: null, try: name === 'TRY_CAST', name, line };
    }
    case 'CONVERT':
    case 'TRY_CONVERT': {
      cursor.expect(name, '(');
      const type = parseType(cursor, 30);
      cursor.expect(',');
      const operand = parseExpression(cursor);
      const style = cursor.accept(',') ? parseExpression(cursor) : null;
      cursor.expect(')');
      return { kind: 'cast', operand, type, style, try: name === 'TRY_CONVERT', name, line };
    }
    case 'PARSE':
    case 'TRY_PARSE':
      return cursor.unsupported(name);
    case 'IIF': {
      cursor.expect(name, '(');
      const when = parseCondition(cursor);
      cursor.expect(',');
      const then = parseExpression(cursor);
      cursor.expect(',');
      const otherwise = parseExpression(cursor);
      cursor.expect(')');
      return { kind: 'searchedCase', whens: [{ when, then }], otherwise, line };
    }
    case 'TRIM': {
      cursor.expect(name, '(');
      const first = parseExpression(cursor);
      const args = cursor.accept('FROM') ? [parseExpression(cursor), first] : [first];
      cursor.expect(')');
      return call(['TRIM'], args, line);
    }
    default:
      return null;
  }
}

function parseCall(cursor: Cursor, path: readonly string[], line: number): Expression {
  cursor.expect('(');
  const distinct = cursor.accept('DISTINCT') || (cursor.accept('ALL') && false);
  const star = !distinct && /^COUNT(_BIG)?$/i.test(path.at(-1) ?? '') && cursor.accept('*');
  const args = star || (!distinct && cursor.is(')')) ? [] : cursor.list(() => parseExpression(cursor));
  if (distinct && args.length > 1) cursor.fail(cursor.peek(-1));
  cursor.expect(')');
  if (cursor.is('.') && cursor.peek(1).kind === 'word') cursor.unsupported('methods of xml and spatial types');
  const orderWithin: OrderItem[] = [];
  if (cursor.accept('WITHIN', 'GROUP')) {
    cursor.expect('(', 'ORDER', 'BY');
    orderWithin.push(...parseOrderItems(cursor));
    cursor.expect(')');
  }
  const over = cursor.accept('OVER') ? parseWindow(cursor) : null;
  return { kind: 'call', path, args, distinct, star, over, orderWithin, line };
}

function parseWindow(cursor: Cursor): Window {
  cursor.expect('(');
  const partitionBy = cursor.accept('PARTITION', 'BY') ? cursor.list(() => parseExpression(cursor)) : [];
  const orderBy = cursor.accept('ORDER', 'BY') ? parseOrderItems(cursor) : [];
  const frame = cursor.is('ROWS') || cursor.is('RANGE') ? parseFrame(cursor) : '';
  if (frame !== '' && orderBy.length === 0) throw sqlError(10756, [], { line: cursor.peek(-1).line });
  cursor.expect(')');
  return { partitionBy, orderBy, frame };
}

/** ROWS or RANGE. @throws SqlError 4193 or 4194 for a frame that SQL Server does not have. */
function parseFrame(cursor: Cursor): string {
  const { upper: unit, line } = cursor.next();
  const bound = (): string => {
    if (cursor.accept('CURRENT', 'ROW')) return 'CURRENT ROW';
    const count = cursor.accept('UNBOUNDED') ? 'UNBOUNDED' : String(cursor.integer());
    if (unit === 'RANGE' && count !== 'UNBOUNDED') throw sqlError(4194, [], { line });
    const side = cursor.acceptOne(['PRECEDING', 'FOLLOWING'] as const);
    return side === null ? cursor.fail() : `${count} ${side}`;
  };
  if (!cursor.accept('BETWEEN')) {
    const only = bound();
    if (only.endsWith('FOLLOWING')) cursor.fail(cursor.peek(-1));
    return `${unit} ${only}`;
  }
  const start = bound();
  cursor.expect('AND');
  const end = bound();
  const place = (text: string): number => (text.endsWith('PRECEDING') ? 0 : text === 'CURRENT ROW' ? 1 : 2);
  if (place(start) > place(end) || start === 'UNBOUNDED FOLLOWING' || end === 'UNBOUNDED PRECEDING')
    throw sqlError(4193, [start.replace(/\d+/, '...'), end.replace(/\d+/, '...')], { line });
  return `${unit} BETWEEN ${start} AND ${end}`;
}

export function parseOrderItems(cursor: Cursor): OrderItem[] {
  return cursor.list(() => {
    const expression = parseExpression(cursor);
    const descending = cursor.accept('DESC');
    if (!descending) cursor.accept('ASC');
    return { expression, descending };
  });
}

export function parseCondition(cursor: Cursor): Condition {
  let left = parseAnd(cursor);
  while (cursor.is('OR')) {
    const { line } = cursor.next();
    left = { kind: 'or', left, right: parseAnd(cursor), line };
  }
  return left;
}

function parseAnd(cursor: Cursor): Condition {
  let left = parseNot(cursor);
  while (cursor.is('AND')) {
    const { line } = cursor.next();
    left = { kind: 'and', left, right: parseNot(cursor), line };
  }
  return left;
}

function parseNot(cursor: Cursor): Condition {
  const { line } = cursor.peek();
  if (cursor.accept('NOT')) return { kind: 'not', operand: parseNot(cursor), line };
  return parsePredicate(cursor);
}

function parsePredicate(cursor: Cursor): Condition {
  const { line } = cursor.peek();
  if (cursor.accept('EXISTS')) return { kind: 'exists', query: parseSubquery(cursor), line };
  if (cursor.is('UPDATE', '(')) {
    cursor.expect('UPDATE', '(');
    const column = cursor.name();
    cursor.expect(')');
    return { kind: 'updated', column, line };
  }
  if (cursor.is('CONTAINS', '(') || cursor.is('FREETEXT', '(')) cursor.unsupported('full-text search');
  if (cursor.is('(')) {
    // A parenthesis holds a condition or an expression; only what follows it tells.
    const condition = cursor.attempt(() => {
      cursor.expect('(');
      const inner = parseCondition(cursor);
      cursor.expect(')');
      return inner;
    });
    if (condition !== undefined) return condition;
    // `(a, b) IN (...)`: SQL Server reads `(a` as a condition that is none
    cursor.attempt(() => {
      cursor.expect('(');
      parseExpression(cursor);
      throw sqlError(4145, [','], { line, scope: cursor.is(',') ? 'batch' : 'scope' });
    });
  }
  return parseComparison(cursor, parseExpression(cursor), line);
}

const comparisons = ['=', '<>', '!=', '<=', '>=', '<', '>', '!<', '!>'] as const;
const sameAs: Record<(typeof comparisons)[number], CompareOperator> = {
  '=': '=',
  '<>': '<>',
  '!=': '<>',
  '<': '<',
  '<=': '<=',
  '!>': '<=',
  '>': '>',
  '>=': '>=',
  '!<': '>=',
};

function parseComparison(cursor: Cursor, operand: Expression, line: number): Condition {
  if (cursor.accept('IS')) {
    const negated = cursor.accept('NOT');
    if (cursor.accept('DISTINCT', 'FROM'))
      return { kind: 'distinctFrom', left: operand, right: parseExpression(cursor), negated, line };
    cursor.expect('NULL');
    return { kind: 'isNull', operand, negated, line };
  }
  const negated = cursor.accept('NOT');
  if (cursor.accept('IN')) {
    if (cursor.is('(', 'SELECT') || cursor.is('(', 'WITH') || cursor.is('(', '(', 'SELECT'))
      return { kind: 'inQuery', operand, query: parseSubquery(cursor), negated, line };
    return { kind: 'in', operand, list: cursor.parenthesized(() => parseExpression(cursor)), negated, line };
  }
  if (cursor.accept('BETWEEN')) {
    const low = parseExpression(cursor);
    cursor.expect('AND');
    return { kind: 'between', operand, low, high: parseExpression(cursor), negated, line };
  }
  if (cursor.accept('LIKE')) {
    const pattern = parseExpression(cursor);
    const escape = cursor.accept('ESCAPE') ? parseExpression(cursor) : null;
    return { kind: 'like', operand, pattern, escape, negated, line };
  }
  if (negated) cursor.fail();
  const token = comparisons.find((candidate) => cursor.accept(candidate));
  if (token === undefined) {
    if (cursor.peek().kind === 'operator' && ![')', ';', ','].includes(cursor.peek().upper)) cursor.fail();
    const at = cursor.peek().kind === 'end' ? cursor.peek(-1) : cursor.peek();
    throw sqlError(4145, [at.text], { line: at.line });
  }
  const operator = sameAs[token];
  const quantifier = cursor.acceptOne(['ANY', 'SOME', 'ALL'] as const);
  if (quantifier !== null) {
    const query = parseSubquery(cursor);
    return { kind: 'quantified', operator, quantifier: quantifier === 'ALL' ? 'all' : 'any', operand, query, line };
  }
  return { kind: 'compare', operator, left: operand, right: parseExpression(cursor), line };
}

export function parseSubquery(cursor: Cursor): ReturnType<Cursor['grammar']['query']> {
  cursor.expect('(');
  const query = cursor.grammar.query(cursor);
  cursor.expect(')');
  refuseInto(query.body);
  return query;
}

/** SELECT ... INTO is a statement, and nothing else. */
export function refuseInto(body: QueryBody): void {
  if (body.kind === 'set') {
    refuseInto(body.left);
    refuseInto(body.right);
  } else if (body.kind === 'select' && body.into !== null) throw sqlError(156, ['INTO'], { line: body.line });
}
