import { BrokerError, conditions } from './errors';
import { type FilterableProperties, type PropertyValue } from './message';

/**
 * The SQL filter language of subscription rules as far as filters are made of comparisons: =, <>, <, LIKE, IN, EXISTS,
 * IS NULL, AND, OR, NOT, with SQL's third truth value for what a missing property leaves open. Arithmetic, parameters
 * and functions are refused.
 */

/** `undefined` is unknown: a missing property, and whatever is computed from one. */
type Value = PropertyValue | undefined;
type Expression = (properties: FilterableProperties) => Value;

interface Token {
  kind: 'name' | 'quoted' | 'string' | 'number' | 'symbol' | 'end';
  text: string;
  at: number;
}

const tokenPattern =
  /\s*(?:(?<string>'(?:[^']|'')*')|(?<number>-?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)|(?<quoted>\[(?:[^\]]|\]\])*\]|"(?:[^"]|"")*")|(?<name>[a-z_]\w*)|(?<symbol><=|>=|<>|!=|[=<>(),.]))/iy;

const systemProperties: Record<string, string> = {
  messageid: 'messageId',
  correlationid: 'correlationId',
  to: 'to',
  replyto: 'replyTo',
  label: 'subject',
  subject: 'subject',
  sessionid: 'sessionId',
  replytosessionid: 'replyToSessionId',
  contenttype: 'contentType',
};

/** @throws BrokerError saying where the expression stops being understood. */
export function compileSqlFilter(expression: string): (properties: FilterableProperties) => boolean {
  const compiled = parse(tokenize(expression), expression);
  return (properties) => compiled(properties) === true;
}

function tokenize(text: string): Token[] {
  const tokens: Token[] = [];
  const pattern = new RegExp(tokenPattern);
  while (text.slice(pattern.lastIndex).trim() !== '') {
    const at = pattern.lastIndex;
    const groups = pattern.exec(text)?.groups;
    if (groups === undefined) throw notUnderstood(text, at);
    for (const kind of ['string', 'number', 'quoted', 'name', 'symbol'] as const) {
      const found = groups[kind];
      if (found !== undefined) tokens.push({ kind, text: found, at });
    }
  }
  tokens.push({ kind: 'end', text: '', at: text.length });
  return tokens;
}

function parse(tokens: readonly Token[], source: string): Expression {
  let position = 0;
  const peek = (): Token => tokens[position] ?? { kind: 'end', text: '', at: source.length };
  const next = (): Token => {
    const token = peek();
    position += 1;
    return token;
  };
  const accept = (...words: string[]): string | undefined => {
    const { kind, text } = peek();
    if (kind !== 'name' && kind !== 'symbol') return undefined;
    const word = words.find((candidate) => candidate === text.toUpperCase());
    if (word !== undefined) position += 1;
    return word;
  };
  const expect = (word: string): void => {
    if (accept(word) === undefined) throw notUnderstood(source, peek().at);
  };

  const either = (): Expression => {
    let left = both();
    while (accept('OR') !== undefined) {
      const [a, b] = [left, both()];
      left = (properties) => or(a(properties), b(properties));
    }
    return left;
  };
  const both = (): Expression => {
    let left = negation();
    while (accept('AND') !== undefined) {
      const [a, b] = [left, negation()];
      left = (properties) => not(or(not(a(properties)), not(b(properties))));
    }
    return left;
  };
  const negation = (): Expression => {
    if (accept('NOT') === undefined) return predicate();
    const inner = negation();
    return (properties) => not(inner(properties));
  };

  const predicate = (): Expression => {
    if (accept('EXISTS') !== undefined) {
      expect('(');
      const property = operand();
      expect(')');
      return (properties) => property(properties) !== undefined;
    }
    const left = operand();
    const comparison = accept('=', '<>', '!=', '<=', '>=', '<', '>');
    if (comparison !== undefined) {
      const right = operand();
      return (properties) => compare(comparison, left(properties), right(properties));
    }
    if (accept('IS') !== undefined) {
      const negated = accept('NOT') !== undefined;
      expect('NULL');
      return (properties) => ((left(properties) ?? null) === null) !== negated;
    }
    const negated = accept('NOT') !== undefined;
    const positive = (test: Expression): Expression => (negated ? (properties) => not(test(properties)) : test);
    if (accept('LIKE') !== undefined) {
      const pattern = operand();
      return positive((properties) => like(left(properties), pattern(properties)));
    }
    if (accept('IN') !== undefined) {
      expect('(');
      const choices = [operand()];
      while (accept(',') !== undefined) choices.push(operand());
      expect(')');
      return positive((properties) =>
        choices.map((choice) => compare('=', left(properties), choice(properties))).reduce(or),
      );
    }
    if (negated) throw notUnderstood(source, peek().at);
    return left;
  };

  const operand = (): Expression => {
    if (accept('(') !== undefined) {
      const inner = either();
      expect(')');
      return inner;
    }
    if (accept('TRUE') !== undefined) return () => true;
    if (accept('FALSE') !== undefined) return () => false;
    if (accept('NULL') !== undefined) return () => null;
    const token = next();
    switch (token.kind) {
      case 'string':
        return constant(token.text.slice(1, -1).replaceAll("''", "'"));
      case 'number':
        return constant(Number(token.text));
      case 'name':
      case 'quoted':
        return property(token);
      default:
        throw notUnderstood(source, token.at);
    }
  };

  const property = (first: Token): Expression => {
    const scoped = first.kind === 'name' && accept('.') !== undefined;
    const scope = scoped ? first.text.toLowerCase() : 'user';
    const token = scoped ? next() : first;
    if (token.kind !== 'name' && token.kind !== 'quoted') throw notUnderstood(source, token.at);
    const name = token.kind === 'quoted' ? unquote(token.text) : token.text;
    if (scope === 'user') return ({ application }) => application[name];
    const system = systemProperties[name.toLowerCase()];
    if (scope !== 'sys' || system === undefined) throw notUnderstood(source, first.at);
    return (properties) => properties.system[system] ?? undefined;
  };

  const whole = either();
  if (peek().kind !== 'end') throw notUnderstood(source, peek().at);
  return whole;
}

const constant =
  (value: Value): Expression =>
  () =>
    value;

function or(a: Value, b: Value): Value {
  if (a === true || b === true) return true;
  return a === false && b === false ? false : undefined;
}

function not(value: Value): Value {
  return typeof value === 'boolean' ? !value : undefined;
}

function compare(operator: string, left: Value, right: Value): Value {
  const [a, b] = [comparable(left), comparable(right)];
  if (a === null || b === null || typeof a !== typeof b) return undefined;
  switch (operator) {
    case '=':
      return a === b;
    case '<':
      return a < b;
    case '>':
      return a > b;
    case '<=':
      return a <= b;
    case '>=':
      return a >= b;
    default:
      return a !== b;
  }
}

function comparable(value: Value): string | number | boolean | null {
  return value instanceof Date ? value.getTime() : (value ?? null);
}

function like(value: Value, pattern: Value): Value {
  if (typeof value !== 'string' || typeof pattern !== 'string') return undefined;
  const expression = escapeForRegExp(pattern).replaceAll('%', '.*').replaceAll('_', '.');
  return new RegExp(`^${expression}$`, 's').test(value);
}

function escapeForRegExp(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');
}

function unquote(text: string): string {
  return text.startsWith('[') ? text.slice(1, -1).replaceAll(']]', ']') : text.slice(1, -1).replaceAll('""', '"');
}

function notUnderstood(source: string, at: number): BrokerError {
  return new BrokerError(
    conditions.argument,
    `The SQL expression is not understood at character ${at + 1}: ${source.slice(at, at + 40) || '(end)'}`,
  );
}
