import { type Statement } from './ast';

/** Questions about syntax trees that do not depend on their shape. */

/** Whether `test` holds for a node or for one below it. Where `stop` holds, nothing below is looked at. */
export function someNode(
  node: object,
  test: (node: object) => boolean,
  stop: (node: object) => boolean = () => false,
): boolean {
  if (test(node)) return true;
  if (stop(node)) return false;
  return Object.values(node).some(
    (part: unknown) => typeof part === 'object' && part !== null && someNode(part, test, stop),
  );
}

export const isKind = (node: object, ...kinds: string[]): boolean =>
  'kind' in node && typeof node.kind === 'string' && kinds.includes(node.kind);

/** The dotted name that a node carries. */
export const pathOf = (node: object): string[] | null =>
  'path' in node && Array.isArray(node.path) ? node.path.map(String) : null;

/** A query: its own names and aggregates are no affair of what surrounds it. */
export const isQuery = (node: object): boolean => 'body' in node;

/** Whether a node of one of these kinds is in a syntax tree, outside of its subqueries. */
export const mentions = (node: object, ...kinds: string[]): boolean =>
  someNode(node, (part) => isKind(part, ...kinds), isQuery);

/** The first column that a syntax tree names outside of its subqueries, if `fits` holds for its name. */
export function firstColumn(node: object, fits: (name: string) => boolean = () => true): string | null {
  let found: string | null = null;
  someNode(
    node,
    (part) => {
      const path = isKind(part, 'column') ? pathOf(part) : null;
      if (path === null || !fits(path.at(-1) ?? '')) return false;
      found = path.join('.');
      return true;
    },
    isQuery,
  );
  return found;
}

/** The statements inside of a statement. */
export function nestedOf(statement: Statement): readonly Statement[] {
  switch (statement.kind) {
    case 'if':
      return statement.otherwise === null ? [statement.then] : [statement.then, statement.otherwise];
    case 'while':
      return [statement.body];
    case 'block':
      return statement.body;
    case 'try':
      return [...statement.body, ...statement.handler];
    default:
      return [];
  }
}
