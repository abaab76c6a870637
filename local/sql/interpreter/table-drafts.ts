import { type Environment } from '../binder/environment';
import { type TableDefinition } from '../catalog/definitions';
import { addBody } from '../catalog/column-plan';
import { type TablePlan } from '../catalog/table-plan';
import { type TableBody } from '../parser/ast';
import { type Runtime } from './runtime';

export function emptyTable(
  id: number,
  physical: string,
  schema: string,
  name: string,
  temporary: boolean,
): TableDefinition {
  return {
    kind: 'table',
    id,
    schema,
    name,
    physical,
    temporary,
    version: 1,
    columns: [],
    indexes: [],
    nextColumnId: 1,
    nextIndexId: 1,
    defaults: [],
    checks: [],
    foreignKeys: [],
    referencedBy: [],
    triggers: [],
  };
}

/** A plan that adds to a table; constraints take their ids from the list. */
export function planFor(
  table: TableDefinition,
  schemaId: number,
  runtime: Runtime,
  environment: Environment,
  ids: readonly number[],
): TablePlan {
  let used = 0;
  return {
    table,
    schemaId,
    databaseId: table.temporary ? 2 : runtime.state.database.id,
    recorded: true,
    sql: [],
    late: [],
    names: [table.name],
    nextId: () => ids[used++] ?? 0,
    environment,
  };
}

export function planTableVariable(
  name: string,
  body: TableBody,
  id: number,
  runtime: Runtime,
  environment: Environment,
): TablePlan {
  const table = emptyTable(id, `pg_temp.v${id}`, 'dbo', name, true);
  const plan = { ...planFor(table, 0, runtime, environment, []), recorded: false, nextId: () => runtime.nextId() };
  plan.sql.push(`CREATE TEMP TABLE v${id} ()`);
  addBody(plan, body);
  // its indexes and constraints are named after the definition's id
  plan.sql = plan.sql.map((sql) => sql.replaceAll(`t${id}.`, `v${id}.`));
  return plan;
}
