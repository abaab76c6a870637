import { isJsonArray, memberOf, type Json, type JsonObject, type Value } from '../json';
import { aggregateFunctions } from './aggregates';
import { scalarFunctions } from './functions';
import { QuerySyntaxError, type BinaryOperator, type Expression, type Query, type Source } from './syntax';
import { compare, compareForOrder, equals } from './values';

/** What the names of a query stand for while one combination of its sources is looked at. */
export type Row = Readonly<Record<string, Value>>;

interface Scope {
  row: Row;
  /** Results of the aggregate functions of the SELECT, in the order in which they appear. */
  aggregates: readonly Value[];
}
type Evaluator = (scope: Scope) => Value;

export interface CompiledQuery {
  /** The combinations of its sources that one document (or one row of an outer query) stands for, filtered by WHERE. */
  rows(outer: Row, root: Value): Row[];
  project(row: Row): Value;
  orderKeys(row: Row): Value[];
  /** Compares two sets of order keys as ORDER BY asks. */
  compareKeys(left: readonly Value[], right: readonly Value[]): number;
  /** Results of groups (or of the whole, for aggregates without GROUP BY). Null: the query does not group. */
  group: ((rows: Iterable<Row>) => Value[]) | null;
}

export interface QueryContext {
  parameters: ReadonlyMap<string, Json>;
  nowMs: number;
}

/**
 * Turns a query into functions. `outerNames` are the names that an enclosing query has defined.
 * @throws QuerySyntaxError for unknown names, parameters and functions, before any document is read.
 */
export function compileQuery(query: Query, context: QueryContext, outerNames: ReadonlySet<string>): CompiledQuery {
  const names = new Set(outerNames);
  const sources = query.from.map((source, at) => compileSource(source, at === 0, context, names));
  const aggregates: Aggregate[] = [];
  const plain: Compiler = { context, names, aggregates: null };
  const selecting: Compiler = { context, names, aggregates };

  const where = query.where === null ? null : compile(query.where, plain);
  const groupKeys = query.groupBy.map((value) => compile(value, plain));
  const select = compileSelect(query, selecting);
  const order = query.orderBy.map(({ value, descending }) => ({ key: compile(value, selecting), descending }));
  const isGrouped = groupKeys.length > 0 || aggregates.length > 0;
  if (isGrouped && order.length > 0) throw new QuerySyntaxError('ORDER BY together with grouping is not supported.');

  const group = (rows: Iterable<Row>): Value[] => {
    const groups = new Map<string, { row: Row; accumulators: ReturnType<Aggregate['create']>[] }>();
    const start = (row: Row) => ({ row, accumulators: aggregates.map((aggregate) => aggregate.create()) });
    if (groupKeys.length === 0) groups.set('[]', start({}));
    for (const row of rows) {
      const scope: Scope = { row, aggregates: [] };
      const key = JSON.stringify(groupKeys.map((value) => [value(scope)]));
      let current = groups.get(key);
      if (current === undefined) groups.set(key, (current = start(row)));
      current.accumulators.forEach((accumulator, at) => accumulator.add(aggregates[at]?.argument(scope)));
    }
    return [...groups.values()].map(({ row, accumulators }) =>
      select({ row, aggregates: accumulators.map((accumulator) => accumulator.result()) }),
    );
  };

  return {
    rows: (outer, root) =>
      sources
        .reduce<Row[]>((rows, expand) => rows.flatMap((row) => expand(row, root)), [outer])
        .filter((row) => where === null || where({ row, aggregates: [] }) === true),
    project: (row) => select({ row, aggregates: [] }),
    orderKeys: (row) => order.map(({ key }) => key({ row, aggregates: [] })),
    compareKeys: (left, right) => {
      for (const [at, { descending }] of order.entries()) {
        const result = compareForOrder(left[at], right[at]);
        if (result !== 0) return descending ? -result : result;
      }
      return 0;
    },
    group: isGrouped ? group : null,
  };
}

/** The value of TOP, OFFSET or LIMIT. */
export function countOf(expression: Expression, context: QueryContext, what: string): number {
  const value = compile(expression, { context, names: new Set(), aggregates: null })({ row: {}, aggregates: [] });
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0) return value;
  throw new QuerySyntaxError(`${what} needs a whole number, not ${JSON.stringify(value)}.`);
}

/** Results without repetition, the first of equal ones. */
export function distinct(results: readonly Value[]): Value[] {
  return [...new Map(results.map((result) => [JSON.stringify([result]), result])).values()];
}

interface Aggregate {
  create: () => ReturnType<NonNullable<(typeof aggregateFunctions)[string]>>;
  argument: Evaluator;
}
interface Compiler {
  context: QueryContext;
  names: ReadonlySet<string>;
  /** Where aggregates are collected; null where none may stand. */
  aggregates: Aggregate[] | null;
}

function compileSource(
  source: Source,
  isFirst: boolean,
  context: QueryContext,
  names: Set<string>,
): (row: Row, root: Value) => Row[] {
  const { alias, path } = source;
  if (path === null) {
    names.add(alias);
    return (row, root) => [{ ...row, [alias]: root === undefined ? row[alias] : root }];
  }
  const base = baseName(path);
  // `FROM x IN c.items`: nothing has introduced c, so it stands for the document.
  const introducesRoot = isFirst && !names.has(base);
  if (introducesRoot) names.add(base);
  const elements = compile(path, { context, names, aggregates: null });
  names.add(alias);
  return (row, root) => {
    const outer = introducesRoot ? { ...row, [base]: root } : row;
    const array = elements({ row: outer, aggregates: [] });
    return isJsonArray(array) ? array.map((element) => ({ ...outer, [alias]: element })) : [];
  };
}

function baseName(path: Expression): string {
  if (path.kind === 'member') return baseName(path.of);
  if (path.kind === 'name') return path.name;
  throw new QuerySyntaxError('A source must be a path such as c.items.');
}

function compileSelect({ select, from }: Query, compiler: Compiler): Evaluator {
  if (select.kind === 'value') return compile(select.value, compiler);
  if (select.kind === 'all') {
    const [source, ...more] = from;
    if (source === undefined || more.length > 0) throw new QuerySyntaxError('SELECT * needs exactly one source.');
    return ({ row }) => row[source.alias];
  }
  const columns = select.columns.map(({ name, value }) => ({ name, value: compile(value, compiler) }));
  return (scope) => toObject(columns.map(({ name, value }) => [name, value(scope)]));
}

function compile(expression: Expression, compiler: Compiler): Evaluator {
  const inner = (child: Expression): Evaluator => compile(child, compiler);
  switch (expression.kind) {
    case 'literal':
      return () => expression.value;
    case 'parameter': {
      const { parameters } = compiler.context;
      if (!parameters.has(expression.name)) throw new QuerySyntaxError(`Parameter ${expression.name} has no value.`);
      const value = parameters.get(expression.name);
      return () => value;
    }
    case 'name': {
      const { name } = expression;
      if (!compiler.names.has(name)) throw new QuerySyntaxError(`Identifier '${name}' could not be resolved.`);
      return ({ row }) => row[name];
    }
    case 'member': {
      const of = inner(expression.of);
      const name = inner(expression.name);
      return (scope) => {
        const key = name(scope);
        return typeof key === 'string' || typeof key === 'number' ? memberOf(of(scope), key) : undefined;
      };
    }
    case 'unary': {
      const operand = inner(expression.operand);
      const apply = unaryOperators[expression.operator];
      return (scope) => apply(operand(scope));
    }
    case 'binary':
      return compileBinary(expression.operator, inner(expression.left), inner(expression.right));
    case 'conditional': {
      const [test, yes, no] = [inner(expression.test), inner(expression.yes), inner(expression.no)];
      return (scope) => (test(scope) === true ? yes(scope) : no(scope));
    }
    case 'between': {
      const [value, low, high] = [inner(expression.value), inner(expression.low), inner(expression.high)];
      return (scope) => {
        const [fromLow, toHigh] = [compare(value(scope), low(scope)), compare(value(scope), high(scope))];
        return fromLow === undefined || toHigh === undefined ? undefined : fromLow >= 0 && toHigh <= 0;
      };
    }
    case 'in': {
      const value = inner(expression.value);
      const list = expression.list.map(inner);
      return (scope) => {
        const wanted = value(scope);
        return wanted === undefined ? undefined : list.some((each) => equals(wanted, each(scope)) === true);
      };
    }
    case 'like':
      return compileLike(
        inner(expression.value),
        inner(expression.pattern),
        expression.escape && inner(expression.escape),
      );
    case 'call':
      return compileCall(expression.name, expression.args, compiler);
    case 'array': {
      const elements = expression.elements.map(inner);
      return (scope) => elements.map((element) => element(scope)).filter((value) => value !== undefined);
    }
    case 'object': {
      const properties = expression.properties.map(({ name, value }) => ({ name, value: inner(value) }));
      return (scope) => toObject(properties.map(({ name, value }) => [name, value(scope)]));
    }
    case 'subquery':
      return compileSubquery(expression.form, expression.query, compiler);
  }
}

const unaryOperators: Readonly<Record<'not' | '-' | '+' | '~', (value: Value) => Value>> = {
  not: (value) => (typeof value === 'boolean' ? !value : undefined),
  '-': (value) => (typeof value === 'number' ? -value : undefined),
  '+': (value) => (typeof value === 'number' ? value : undefined),
  '~': (value) => (typeof value === 'number' ? ~value : undefined),
};

function compileBinary(operator: BinaryOperator, left: Evaluator, right: Evaluator): Evaluator {
  const both =
    (apply: (left: Value, right: Value) => Value): Evaluator =>
    (scope) =>
      apply(left(scope), right(scope));
  const ordered = (test: (order: number) => boolean): Evaluator =>
    both((a, b) => {
      const order = compare(a, b);
      return order === undefined ? undefined : test(order);
    });
  const numeric = (apply: (a: number, b: number) => number): Evaluator =>
    both((a, b) => (typeof a === 'number' && typeof b === 'number' ? apply(a, b) : undefined));
  switch (operator) {
    // Three-valued: what is decided by one side is decided, whatever the other side is.
    case 'and':
      return (scope) => {
        const a = left(scope);
        if (a === false) return false;
        const b = right(scope);
        return b === false ? false : a === true && b === true ? true : undefined;
      };
    case 'or':
      return (scope) => {
        const a = left(scope);
        if (a === true) return true;
        const b = right(scope);
        return b === true ? true : a === false && b === false ? false : undefined;
      };
    case '??':
      return (scope) => {
        const a = left(scope);
        return a === undefined ? right(scope) : a;
      };
    case '=':
      return both(equals);
    case '!=':
      return both((a, b) => unaryOperators.not(equals(a, b)));
    case '<':
      return ordered((order) => order < 0);
    case '<=':
      return ordered((order) => order <= 0);
    case '>':
      return ordered((order) => order > 0);
    case '>=':
      return ordered((order) => order >= 0);
    case '||':
      return both((a, b) => (typeof a === 'string' && typeof b === 'string' ? a + b : undefined));
    case '+':
      return numeric((a, b) => a + b);
    case '-':
      return numeric((a, b) => a - b);
    case '*':
      return numeric((a, b) => a * b);
    case '/':
      return numeric((a, b) => a / b);
    case '%':
      return numeric((a, b) => a % b);
    case '&':
      return numeric((a, b) => a & b);
    case '|':
      return numeric((a, b) => a | b);
    case '^':
      return numeric((a, b) => a ^ b);
  }
}

function compileLike(value: Evaluator, pattern: Evaluator, escape: Evaluator | null): Evaluator {
  return (scope) => {
    const [text, like, escapeWith] = [value(scope), pattern(scope), escape?.(scope)];
    if (typeof text !== 'string' || typeof like !== 'string') return undefined;
    let expression = '';
    for (let at = 0; at < like.length; at += 1) {
      const character = like[at] ?? '';
      if (character === escapeWith) expression += quote(like[(at += 1)] ?? '');
      else if (character === '%') expression += '.*';
      else if (character === '_') expression += '.';
      else if (character === '[') {
        const end = like.indexOf(']', at);
        if (end === -1) return undefined;
        expression += `[${like.slice(at + 1, end).replaceAll('\\', '\\\\')}]`;
        at = end;
      } else expression += quote(character);
    }
    return new RegExp(`^${expression}$`, 's').test(text);
  };
}

function quote(character: string): string {
  return character.replace(/[.*+?^${}()|[\]\\]/, '\\$&');
}

function compileCall(name: string, args: readonly Expression[], compiler: Compiler): Evaluator {
  const create = aggregateFunctions[name];
  if (create !== undefined) {
    const { aggregates } = compiler;
    const [argument] = args;
    if (aggregates === null || argument === undefined) throw new QuerySyntaxError(`${name} cannot stand here.`);
    const at = aggregates.push({ create, argument: compile(argument, { ...compiler, aggregates: null }) }) - 1;
    return (scope) => scope.aggregates[at];
  }
  const apply = scalarFunctions[name];
  if (apply === undefined) throw new QuerySyntaxError(`Function ${name} is not supported.`);
  const values = args.map((arg) => compile(arg, compiler));
  const { nowMs } = compiler.context;
  return (scope) =>
    apply(
      values.map((value) => value(scope)),
      nowMs,
    );
}

function compileSubquery(form: 'scalar' | 'exists' | 'array', query: Query, compiler: Compiler): Evaluator {
  const inner = compileQuery(query, compiler.context, compiler.names);
  const results = (row: Row): Json[] => {
    const rows = inner.rows(row, undefined);
    if (query.orderBy.length > 0) rows.sort((a, b) => inner.compareKeys(inner.orderKeys(a), inner.orderKeys(b)));
    let values = inner.group === null ? rows.map((each) => inner.project(each)) : inner.group(rows);
    if (query.distinct) values = distinct(values);
    if (query.top !== null) values = values.slice(0, countOf(query.top, compiler.context, 'TOP'));
    return values.filter((value) => value !== undefined);
  };
  if (query.limit !== null) throw new QuerySyntaxError('OFFSET in a subquery is not supported.');
  if (form === 'exists') return ({ row }) => results(row).length > 0;
  if (form === 'array') return ({ row }) => results(row);
  return ({ row }) => results(row)[0];
}

function toObject(entries: readonly [string, Value][]): JsonObject {
  const object: Record<string, Json> = {};
  for (const [name, value] of entries) if (value !== undefined) object[name] = value;
  return object;
}
