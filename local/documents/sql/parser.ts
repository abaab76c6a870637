import { tokenize, type Token } from './lexer';
import { QuerySyntaxError, type BinaryOperator, type Column, type Expression, type Query, type Source } from './syntax';

/** Binary operators from the loosest to the tightest; `??` and comparisons are handled beside them. */
const comparison: Readonly<Record<string, BinaryOperator>> = {
  '=': '=',
  '!=': '!=',
  '<>': '!=',
  '<': '<',
  '<=': '<=',
  '>': '>',
  '>=': '>=',
};
const levels: readonly (readonly BinaryOperator[])[] = [['|', '^', '&'], ['||'], ['+', '-'], ['*', '/', '%']];

const clauseWords = new Set([
  'select',
  'from',
  'where',
  'group',
  'order',
  'offset',
  'limit',
  'join',
  'in',
  'as',
  'and',
  'or',
  'not',
  'between',
  'like',
  'asc',
  'desc',
  'by',
  'value',
  'top',
  'distinct',
  'exists',
  'escape',
]);

/** Parses a query of the NoSQL query language. @throws QuerySyntaxError naming the word that is not understood. */
export function parseQuery(text: string): Query {
  const parser = createParser(tokenize(text));
  const query = parser.query();
  parser.end();
  return query;
}

/** Parses the condition of a patch: `FROM c WHERE ...`, a query without its SELECT. */
export function parseCondition(text: string): Query {
  return parseQuery(`SELECT * ${text}`);
}

function createParser(tokens: readonly Token[]): { query(): Query; end(): void } {
  let position = 0;

  const peek = (ahead = 0): Token => tokens[position + ahead] ?? { kind: 'end', text: '', at: 0 };
  const fail = (expected: string): never => {
    const { kind, text, at } = peek();
    throw new QuerySyntaxError(
      `Syntax error at position ${at}: ${expected} expected, ${kind === 'end' ? 'the query ends' : `found '${text}'`}.`,
    );
  };
  const isWord = (word: string, ahead = 0): boolean =>
    peek(ahead).kind === 'name' && peek(ahead).text.toLowerCase() === word;
  const isSymbol = (symbol: string, ahead = 0): boolean => peek(ahead).kind === 'symbol' && peek(ahead).text === symbol;
  const takeWord = (word: string): boolean => isWord(word) && ((position += 1), true);
  const takeSymbol = (symbol: string): boolean => isSymbol(symbol) && ((position += 1), true);
  const needWord = (word: string): void => void (takeWord(word) || fail(word.toUpperCase()));
  const needSymbol = (symbol: string): void => void (takeSymbol(symbol) || fail(`'${symbol}'`));
  const name = (): string => {
    const token = peek();
    if (token.kind !== 'name' || clauseWords.has(token.text.toLowerCase())) fail('a name');
    position += 1;
    return token.text;
  };
  const list = <T>(element: () => T): T[] => {
    const elements = [element()];
    while (takeSymbol(',')) elements.push(element());
    return elements;
  };
  const listUntil = <T>(symbol: string, element: () => T): T[] => {
    if (takeSymbol(symbol)) return [];
    const elements = list(element);
    needSymbol(symbol);
    return elements;
  };

  const query = (): Query => {
    needWord('select');
    const distinct = takeWord('distinct');
    const top = takeWord('top') ? primary() : null;
    const select = selection();
    const from = takeWord('from') ? sources() : [];
    const where = takeWord('where') ? expression() : null;
    const groupBy = takeWord('group') ? (needWord('by'), list(expression)) : [];
    const orderBy = takeWord('order') ? (needWord('by'), list(ordering)) : [];
    const offset = takeWord('offset') ? primary() : null;
    const limit = takeWord('limit') ? primary() : null;
    if ((offset === null) !== (limit === null)) fail('OFFSET together with LIMIT');
    return { distinct, top, select, from, where, groupBy, orderBy, offset, limit };
  };
  const selection = (): Query['select'] => {
    if (takeSymbol('*')) return { kind: 'all' };
    if (isWord('value') && !isSymbol('.', 1)) {
      position += 1;
      return { kind: 'value', value: expression() };
    }
    let unnamed = 0;
    const column = (): Column => {
      const value = expression();
      if (takeWord('as') || (peek().kind === 'name' && !clauseWords.has(peek().text.toLowerCase()))) {
        return { name: name(), value };
      }
      return { name: lastName(value) ?? `$${(unnamed += 1)}`, value };
    };
    return { kind: 'list', columns: list(column) };
  };
  const sources = (): Source[] => {
    const all = [source()];
    while (takeWord('join')) {
      const joined = source();
      if (joined.path === null) fail('IN after the name of a JOIN');
      all.push(joined);
    }
    return all;
  };
  const source = (): Source => {
    if (isSymbol('(')) fail('a name (a subquery as a source is not supported)');
    const first = name();
    if (takeWord('in')) return { alias: first, path: postfix(primary()) };
    if (isSymbol('.') || isSymbol('[')) fail('IN (a path as a source is not supported)');
    if (takeWord('as')) return { alias: name(), path: null };
    return {
      alias: peek().kind === 'name' && !clauseWords.has(peek().text.toLowerCase()) ? name() : first,
      path: null,
    };
  };
  const ordering = (): Query['orderBy'][number] => {
    if (isWord('rank')) fail('an expression (ORDER BY RANK is not supported)');
    const value = expression();
    return { value, descending: takeWord('desc') || (takeWord('asc'), false) };
  };

  const expression = (): Expression => {
    const test = coalescing();
    if (!takeSymbol('?')) return test;
    const yes = expression();
    needSymbol(':');
    return { kind: 'conditional', test, yes, no: expression() };
  };
  const coalescing = (): Expression => {
    let left = disjunction();
    while (takeSymbol('??')) left = { kind: 'binary', operator: '??', left, right: disjunction() };
    return left;
  };
  const disjunction = (): Expression => {
    let left = conjunction();
    while (takeWord('or')) left = { kind: 'binary', operator: 'or', left, right: conjunction() };
    return left;
  };
  const conjunction = (): Expression => {
    let left = negation();
    while (takeWord('and')) left = { kind: 'binary', operator: 'and', left, right: negation() };
    return left;
  };
  const negation = (): Expression =>
    takeWord('not') ? { kind: 'unary', operator: 'not', operand: negation() } : predicate();
  const predicate = (): Expression => {
    const value = arithmetic(0);
    const operator = peek().kind === 'symbol' ? comparison[peek().text] : undefined;
    if (operator !== undefined) {
      position += 1;
      return { kind: 'binary', operator, left: value, right: arithmetic(0) };
    }
    const negated = isWord('not') && ['in', 'between', 'like'].some((word) => isWord(word, 1)) && takeWord('not');
    const positive = setPredicate(value);
    return negated ? { kind: 'unary', operator: 'not', operand: positive } : positive;
  };
  const setPredicate = (value: Expression): Expression => {
    if (takeWord('in')) {
      needSymbol('(');
      return { kind: 'in', value, list: listUntil(')', expression) };
    }
    if (takeWord('between')) {
      const low = arithmetic(0);
      needWord('and');
      return { kind: 'between', value, low, high: arithmetic(0) };
    }
    if (takeWord('like')) {
      const pattern = arithmetic(0);
      return { kind: 'like', value, pattern, escape: takeWord('escape') ? primary() : null };
    }
    return value;
  };
  const arithmetic = (level: number): Expression => {
    const operators = levels[level];
    if (operators === undefined) return unary();
    let left = arithmetic(level + 1);
    for (;;) {
      const operator = operators.find((each) => isSymbol(each));
      if (operator === undefined) return left;
      position += 1;
      left = { kind: 'binary', operator, left, right: arithmetic(level + 1) };
    }
  };
  const unary = (): Expression => {
    for (const operator of ['-', '+', '~'] as const) {
      if (takeSymbol(operator)) return { kind: 'unary', operator, operand: unary() };
    }
    return postfix(primary());
  };
  const postfix = (of: Expression): Expression => {
    if (takeSymbol('.')) {
      const { kind, text } = peek();
      if (kind !== 'name') fail('a property name');
      position += 1;
      return postfix({ kind: 'member', of, name: { kind: 'literal', value: text } });
    }
    if (takeSymbol('[')) {
      const index = expression();
      needSymbol(']');
      return postfix({ kind: 'member', of, name: index });
    }
    return of;
  };

  const subquery = (form: 'scalar' | 'exists' | 'array'): Expression => {
    needSymbol('(');
    const inner = query();
    needSymbol(')');
    return { kind: 'subquery', form, query: inner };
  };
  const primary = (): Expression => {
    const token = peek();
    if (token.kind === 'number') return ((position += 1), { kind: 'literal', value: Number(token.text) });
    if (token.kind === 'string') return ((position += 1), { kind: 'literal', value: token.text });
    if (token.kind === 'parameter') return ((position += 1), { kind: 'parameter', name: token.text });
    if (isSymbol('(') && isWord('select', 1)) return subquery('scalar');
    if (takeSymbol('(')) {
      const inner = expression();
      needSymbol(')');
      return inner;
    }
    if (takeSymbol('[')) return { kind: 'array', elements: listUntil(']', expression) };
    if (takeSymbol('{')) return { kind: 'object', properties: listUntil('}', property) };
    return word();
  };
  const property = (): { name: string; value: Expression } => {
    const key = peek();
    if (key.kind !== 'name' && key.kind !== 'string') fail('a property name');
    position += 1;
    needSymbol(':');
    return { name: key.text, value: expression() };
  };
  const word = (): Expression => {
    if (takeWord('true')) return { kind: 'literal', value: true };
    if (takeWord('false')) return { kind: 'literal', value: false };
    if (takeWord('null')) return { kind: 'literal', value: null };
    if (takeWord('undefined')) return { kind: 'literal', value: undefined };
    if (isWord('exists') && isSymbol('(', 1)) return ((position += 1), subquery('exists'));
    if (isWord('array') && isSymbol('(', 1)) return ((position += 1), subquery('array'));
    if (isSymbol('(', 1) && peek().kind === 'name') {
      const called = peek().text;
      position += 2;
      return { kind: 'call', name: called.toUpperCase(), args: listUntil(')', expression) };
    }
    if (isWord('udf')) fail('an expression (user defined functions are not supported)');
    return { kind: 'name', name: name() };
  };

  return { query, end: () => void (peek().kind === 'end' || fail('the end of the query')) };
}

/** `c.address.city` is shown as `city`. */
function lastName(value: Expression): string | null {
  if (value.kind === 'name') return value.name;
  if (value.kind !== 'member' || value.name.kind !== 'literal') return null;
  return typeof value.name.value === 'string' ? value.name.value : null;
}
