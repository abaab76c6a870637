import { invalidColumn, sqlError } from '../errors';
import { type TableDefinition } from '../catalog/definitions';
import { type CommonTable, type Path } from '../parser/ast';
import { type Typed } from '../emitter/typed';

/** A column that expressions can name. */
export interface SourceColumn extends Typed {
  name: string;
}

/** One table, view, subquery or function in FROM. */
export interface Source {
  /** Correlation name; a table without alias goes by its own name. */
  name: string;
  /** Schema-qualified name of a table without alias, so that dbo.T.c finds it too. */
  path: Path | null;
  /** Name in the PostgreSQL statement. Never one of the user's, so that texts can be put inside one another. */
  pg: string;
  columns: readonly SourceColumn[];
  table: TableDefinition | null;
}

export interface Scope {
  sources: Source[];
  parent: Scope | null;
  /** WITH names that are visible here. */
  commonTables: ReadonlyMap<string, BoundCommonTable>;
  /** Sequences that this row has asked already: NEXT VALUE FOR answers a row the same however often it asks. */
  sequences: Set<number>;
  /** Set while the items of a grouped SELECT are bound. */
  grouping: Grouping | null;
  /** Replaces each column that this scope resolves; for aggregation into variables. */
  capture?: (column: SourceColumn) => Typed;
}

export interface BoundCommonTable {
  definition: CommonTable;
  scope: Scope;
  /** A recursive one that is being bound: its name in PostgreSQL and the columns of its anchor. */
  recursive: { pg: string; columns: readonly SourceColumn[] } | null;
}

export interface Grouping {
  /** PostgreSQL texts of the GROUP BY expressions, and what stands for them outside of aggregates. */
  keys: ReadonlyMap<string, string>;
  /** Columns named outside of an aggregate that no key covers so far. */
  violations: { name: string; line: number }[];
  insideAggregate: number;
}

export const emptyScope = (parent: Scope | null = null): Scope => ({
  sources: [],
  parent,
  commonTables: parent?.commonTables ?? new Map(),
  sequences: new Set(),
  grouping: null,
});

/** A recursive common table expression counts its depth in this column, which no `*` shows. */
export const depthColumn = '\u0005depth';

export const same = (a: string, b: string): boolean => a.toLowerCase() === b.toLowerCase();

export function matchesSource(source: Source, qualifier: Path): boolean {
  if (qualifier.length === 1) return same(source.name, qualifier[0] ?? '');
  if (source.path === null) return false;
  const wanted = qualifier.slice(-2).map((part) => part.toLowerCase());
  const own = source.path.slice(-2).map((part) => part.toLowerCase());
  if (own.length === 1) own.unshift('dbo');
  return wanted[1] === own[1] && (wanted[0] === own[0] || (wanted[0] === '' && own[0] === 'dbo'));
}

/**
 * The column that a name means: the innermost scope that has one.
 *
 * @throws SqlError 207, 209 or 4104.
 */
export function resolveColumn(scope: Scope, path: Path, line: number): Typed {
  const name = path.at(-1) ?? '';
  const qualifier = path.slice(0, -1);
  for (let current: Scope | null = scope; current !== null; current = current.parent) {
    const sources: Source[] =
      qualifier.length === 0 ? current.sources : current.sources.filter((source) => matchesSource(source, qualifier));
    const found = sources.flatMap((source) =>
      source.columns.filter((column) => same(column.name, name)).map((column) => ({ source, column })),
    );
    if (found.length > 1) throw sqlError(209, [name], { line });
    const [match] = found;
    if (match !== undefined) {
      const { grouping } = current;
      if (grouping !== null && grouping.insideAggregate === 0) {
        const key = grouping.keys.get(match.column.sql);
        if (key !== undefined) return { ...match.column, sql: key, trimmed: undefined };
        const owner = match.source.path === null ? match.source.name : match.source.path.join('.');
        grouping.violations.push({ name: `${owner}.${match.column.name}`, line });
      }
      return current.capture?.(match.column) ?? match.column;
    }
    if (qualifier.length > 0 && sources.length > 0) break; // the table is here, its column is not
  }
  if (qualifier.length === 0) throw invalidColumn(name, line);
  const known = findQualifier(scope, qualifier);
  if (known) throw invalidColumn(name, line);
  throw sqlError(4104, [path.join('.')], { line });
}

function findQualifier(scope: Scope | null, qualifier: Path): boolean {
  return (
    scope !== null &&
    (scope.sources.some((source) => matchesSource(source, qualifier)) || findQualifier(scope.parent, qualifier))
  );
}
