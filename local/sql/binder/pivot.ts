import { sqlError } from '../errors';
import { type Expression, type Query, type Select, type SelectItem, type TableSource } from '../parser/ast';
import { same, type SourceColumn } from './scope';
import { typeText } from './types';

/** Those of the source that is pivoted. */
type Columns = readonly SourceColumn[];
type Pivot = Extract<TableSource, { kind: 'pivot' }>;
type Unpivot = Extract<TableSource, { kind: 'unpivot' }>;

const columnOf = (name: string, line: number): Expression => ({ kind: 'column', path: [name], line });
const item = (expression: Expression, alias: string, line: number): SelectItem => ({
  kind: 'expression',
  expression,
  alias,
  line,
});

function derived(select: Select, alias: string): Extract<TableSource, { kind: 'derived' }> {
  const { line } = select;
  const query: Query = {
    with: [],
    body: select,
    orderBy: [],
    offset: null,
    fetch: null,
    xml: null,
    json: null,
    line,
  };
  return { kind: 'derived', query, alias, columns: [], line };
}

const selectOf = (items: SelectItem[], from: TableSource, line: number): Select => ({
  ...{ kind: 'select', distinct: false, top: null, into: null, where: null, having: null, groupSets: null },
  ...{ groupBy: [], items, from: [from], line },
});

/** PIVOT as what it means: a query grouped by all other columns, with an aggregate for each value. */
export function pivotQuery(pivot: Pivot, columns: Columns): TableSource {
  const { source, call, column, values, alias, line } = pivot;
  const [arg, ...more] = call.args;
  if (arg?.kind !== 'column' || more.length > 0 || call.distinct) throw sqlError(102, [')'], { line });
  const used = [column, arg.path.at(-1) ?? ''];
  for (const name of used)
    if (!columns.some((candidate) => same(candidate.name, name))) throw sqlError(207, [name], { line });
  const rest = columns.map(({ name }) => name).filter((name) => !used.some((other) => same(other, name)));
  const select = selectOf(
    [
      ...rest.map((name) => item(columnOf(name, line), name, line)),
      ...values.map((text) => {
        const literal: Expression = { kind: 'literal', type: 'nstring', text, line };
        const when = { kind: 'compare', operator: '=', left: columnOf(column, line), right: literal, line } as const;
        const chosen: Expression = { kind: 'searchedCase', whens: [{ when, then: arg }], otherwise: null, line };
        return item({ ...call, args: [chosen] }, text, line);
      }),
    ],
    source,
    line,
  );
  return derived({ ...select, groupBy: rest.map((name) => columnOf(name, line)) }, alias);
}

/** UNPIVOT: each row once for each of the columns, with its name and its value where it has one. */
export function unpivotQuery(unpivot: Unpivot, columns: Columns): TableSource {
  const { source, value, column, names, alias, line } = unpivot;
  const chosen = names.map((name) => {
    const found = columns.find((candidate) => same(candidate.name, name));
    if (found === undefined) throw sqlError(207, [name], { line });
    return found;
  });
  const odd = chosen.find(({ type }) => chosen[0] !== undefined && typeText(type) !== typeText(chosen[0].type));
  if (odd !== undefined) throw sqlError(8167, [odd.name], { line });
  const rest = columns.map(({ name }) => name).filter((name) => !names.some((other) => same(other, name)));
  const rows = chosen.map(({ name }): Expression[] => [
    { kind: 'literal', type: 'nstring', text: name, line },
    columnOf(name, line),
  ]);
  const query: Query = {
    ...{ with: [], orderBy: [], offset: null, fetch: null, xml: null, json: null, line },
    body: { kind: 'values', rows, line },
  };
  const list: TableSource = { kind: 'derived', query, alias: 'unpivoted', columns: [column, value], line };
  const from: TableSource = { kind: 'join', join: 'crossApply', left: source, right: list, on: null, line };
  const items = [...rest, value, column].map((name) => item(columnOf(name, line), name, line));
  const where = { kind: 'isNull', operand: columnOf(value, line), negated: true, line } as const;
  return derived({ ...selectOf(items, from, line), where }, alias);
}
