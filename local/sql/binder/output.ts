import { convertForColumn } from '../emitter/convert';
import { value } from '../emitter/built-in';
import { type TableDefinition } from '../catalog/definitions';
import { sqlError } from '../errors';
import { type OutputClause } from '../parser/ast';
import { columnNamed, findTable, fullName, type BoundChange } from './change';
import { type Environment } from './environment';
import { bindItems } from './select-items';
import { type Scope, type Source } from './scope';
import { columnsOf } from './sources';
import { varchar } from './types';

/** OUTPUT's columns; `inserted` and `deleted` are sources that map to the new and old row. */
export function bindOutput(
  output: OutputClause | null,
  table: TableDefinition,
  scope: Scope,
  environment: Environment,
  line: number,
  images: readonly Image[],
  merge = false,
): BoundChange['output'] {
  if (output === null) return null;
  const inner: Scope = {
    ...scope,
    sources: [...pseudoSources(table, images, environment), ...scope.sources],
    grouping: null,
  };
  if (merge) {
    const action: Source = {
      name: '',
      path: null,
      pg: '',
      table: null,
      columns: [{ ...value('merge_action()', varchar(10), false), name: '$action' }],
    };
    inner.sources = [action, ...inner.sources];
  }
  const columns = bindItems(output.items, inner, environment);
  if (output.into === null) return { sql: columns.map((column) => column.sql), columns, into: null };
  const target = findTable(output.into.path, line, environment);
  const names = output.into.columns;
  const targets =
    names.length > 0
      ? names.map((name) => columnNamed(target, name, line))
      : target.columns.filter((column) => column.computed === null && column.identity === null);
  if (targets.length !== columns.length) {
    throw sqlError(213, [], { line });
  }
  const sql = columns.map((column, index) => {
    const to = targets[index];
    return to === undefined
      ? column.sql
      : convertForColumn(column, to.type, fullName(target, environment), to.name, line);
  });
  return { sql, columns, into: { table: target, columns: targets } };
}

type Image = 'inserted' | 'deleted';

function pseudoSources(table: TableDefinition, images: readonly Image[], environment: Environment): Source[] {
  return images.map((name) => ({
    name,
    path: null,
    pg: name === 'inserted' ? 'n' : 'o',
    columns: columnsOf(table, name === 'inserted' ? 'n' : 'o', environment),
    table: null,
  }));
}
