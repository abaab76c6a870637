import { type ModuleDefinition, type TableDefinition, type TriggerDefinition } from '../catalog/definitions';
import { notSupported } from '../errors';
import { type DmlStatement, type Path, type TableSource } from '../parser/ast';
import { type Environment } from './environment';
import { same } from './scope';
import { bindView, columnType } from './sources';

/**
 * A change whose object has an INSTEAD OF trigger is made in a copy of the object: that yields the rows for `inserted`
 * and `deleted`, and leaves the object to the trigger.
 */
export interface Shadow {
  trigger: TriggerDefinition;
  /** PostgreSQL statements that make the copy. */
  sql: string[];
}

/** A table or view as the copy that a trigger's change is made in; also the shape of `inserted` and `deleted`. */
export function shadowTable(object: TableDefinition | ModuleDefinition): TableDefinition {
  const none = { defaults: [], indexes: [], nextColumnId: 0, nextIndexId: 0 };
  const base: TableDefinition =
    object.kind === 'table'
      ? object
      : {
          ...none,
          ...object,
          kind: 'table',
          physical: '',
          temporary: false,
          checks: [],
          foreignKeys: [],
          referencedBy: [],
        };
  return { ...base, physical: `pg_temp.shadow${object.id}`, checks: [], foreignKeys: [] };
}

/** The statement's own view of the world when a trigger takes its place, and the copy that it needs; null when none does. */
export function insteadOf(
  statement: DmlStatement,
  line: number,
  environment: Environment,
): { environment: Environment; shadow: Shadow } | null {
  const path = targetPath(statement);
  const [name = ''] = path;
  const hidden =
    path.length === 1 &&
    (environment.tables.has(name.toLowerCase()) || statement.with.some((table) => same(table.name, name)));
  if (name.startsWith('@') || hidden) return null;
  const object = environment.find(path, line);
  if (object?.kind !== 'table' && object?.kind !== 'view') return null;
  const trigger = object.triggers.find(
    ({ timing, disabled, events, id }) =>
      timing === 'insteadOf' &&
      !disabled &&
      !environment.running.has(id) &&
      (statement.kind === 'merge' || events.includes(statement.kind)),
  );
  if (trigger === undefined) return null;
  if (statement.kind === 'merge') throw notSupported('MERGE into what has an INSTEAD OF trigger', line);
  const table = shadowTable(object);
  const find: Environment['find'] = (wanted, at) => {
    const found = environment.find(wanted, at);
    return found?.id === object.id ? table : found;
  };
  return {
    environment: { ...environment, find },
    shadow: { trigger, sql: copy(object, table, statement, environment) },
  };
}

function copy(
  object: TableDefinition | ModuleDefinition,
  table: TableDefinition,
  statement: DmlStatement,
  environment: Environment,
): string[] {
  const stored = table.columns.filter((column) => column.computed === null);
  const name = table.physical.slice('pg_temp.'.length);
  const list = stored.map((column) => `c${column.id} ${columnType(column)}`);
  const create = `CREATE TEMP TABLE ${name} (${list.join(', ')}) ON COMMIT DROP`;
  if (statement.kind === 'insert') return [create];
  const rows =
    object.kind === 'table'
      ? `SELECT ${stored.map((column) => `c${column.id}`).join(', ')} FROM ${object.physical}`
      : `SELECT ${stored.map(({ type }, index) => (type.name === 'char' || type.name === 'nchar' ? `rtrim(o${index + 1})` : `o${index + 1}`)).join(', ')} FROM (${bindView(object, environment).sql}) AS q`;
  return [create, `INSERT INTO ${name} ${rows}`];
}

/** The object that a change names, also by an alias of its FROM. */
function targetPath(statement: DmlStatement): Path {
  const { target } = statement;
  const from = statement.kind === 'update' || statement.kind === 'delete' ? statement.from : [];
  const aliased = (source: TableSource): Path | null => {
    if (source.kind === 'join') return aliased(source.left) ?? aliased(source.right);
    return source.kind === 'table' && source.alias !== null && same(source.alias, target[0] ?? '') ? source.path : null;
  };
  const found = target.length === 1 ? from.map(aliased).find((path) => path !== null) : undefined;
  return found ?? target;
}
