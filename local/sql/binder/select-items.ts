import { invalidColumn, sqlError } from '../errors';
import { type SelectItem } from '../parser/ast';
import { type BoundColumn } from './bound';
import { bindExpression, type Environment } from './environment';
import { depthColumn, matchesSource, type Scope } from './scope';

/** The columns of a select list or an OUTPUT clause, with stars spelled out. */
export function bindItems(items: readonly SelectItem[], scope: Scope, environment: Environment): BoundColumn[] {
  return items.flatMap((item): BoundColumn[] => {
    switch (item.kind) {
      case 'star':
        return star(item.path, item.line, scope);
      case 'expression': {
        const typed = bindExpression(item.expression, scope, environment);
        const name = item.alias ?? (item.expression.kind === 'column' ? (item.expression.path.at(-1) ?? '') : '');
        return [{ ...typed, name, identity: item.expression.kind === 'column' && typed.identity }];
      }
      case 'assign':
        return [{ ...bindExpression(item.expression, scope, environment), name: '' }];
    }
  });
}

/** The sources that `name.*` means, in the innermost query that has them. */
function sourcesNamed(path: readonly string[], scope: Scope): Scope['sources'] {
  const found = scope.sources.filter((source) => matchesSource(source, path));
  return found.length > 0 || scope.parent === null ? found : sourcesNamed(path, scope.parent);
}

function star(path: readonly string[], line: number, scope: Scope): BoundColumn[] {
  const sources = path.length === 0 ? scope.sources : sourcesNamed(path, scope);
  if (sources.length === 0) {
    if (path.length === 0) throw sqlError(263, [], { line });
    throw path.length === 1 ? sqlError(107, [path.join('.')], { line }) : invalidColumn(`${path.join('.')}.*`, line);
  }
  const columns = sources.flatMap((source) =>
    source.columns.filter((column) => column.name !== '$action' && column.name !== depthColumn),
  );
  const { grouping } = scope;
  if (grouping === null) return columns;
  // a grouped SELECT * is fine for columns that are keys
  return columns.map((column) => {
    const key = grouping.keys.get(column.sql);
    if (key === undefined) grouping.violations.push({ name: column.name, line });
    return { ...column, sql: key ?? column.sql };
  });
}
