import { resolveType, tableTypeBody } from '../binder/environment';
import { shadowTable } from '../binder/instead-of';
import { same } from '../binder/scope';
import { type ObjectDefinition, type TableDefinition } from '../catalog/definitions';
import { dropIndexSql, planAlterTable, triggerState } from '../catalog/alter-plan';
import { addBody } from '../catalog/column-plan';
import { addIndex } from '../catalog/index-plan';
import { tableInfo, type TablePlan } from '../catalog/table-plan';
import { planModule } from '../catalog/module-plan';
import { notSupported, SqlError, sqlError } from '../errors';
import { quote } from '../emitter/typed';
import { type ModuleDefinition, type Path, type Query, type StatementBody, type TableBody } from '../parser/ast';
import { checkFunctionBody, precompile } from './compile-batch';
import { emptyTable, planFor, planTableVariable } from './table-drafts';
import { compileQuery, withLocks, withNumbers } from './queries';
import { type Variable } from './state';
import { planSchemaObject, type SchemaObjectStatement } from '../catalog/schema-plan';
import { parseTableBodyText } from '../parser/parser';
import { refuseBound, refuseBoundColumn } from './bindings';
import { type Runtime } from './runtime';
import { rememberTableVariable } from './table-variables';

type Of<Kind extends StatementBody['kind']> = Extract<StatementBody, { kind: Kind }>;

/** Schema of a new object: [id, name as it is written in the catalog]. */
async function schemaOf(path: Path, runtime: Runtime): Promise<{ id: number; name: string }> {
  const { state } = runtime;
  const name = path.at(-2) ?? '';
  const database = path.at(-3) ?? '';
  if (database !== '' && !same(database, state.database.name)) throw sqlError(40515, [path.join('.')]);
  if (same(name, 'sys') || same(name, 'INFORMATION_SCHEMA')) throw sqlError(2760, [name]);
  if (name === '' || same(name, 'dbo')) return { id: 1, name: 'dbo' };
  const [result] = await runtime.run(
    `SELECT id, name FROM catalog.schemas WHERE database_id = ${state.database.id} AND lower(name) = lower(${quote(name)})`,
  );
  const [row] = result?.rows ?? [];
  if (row === undefined) {
    throw sqlError(2760, [name]);
  }
  return { id: Number(row[0]), name: row[1] ?? name };
}

/** Runs a plan: all of it or nothing, in one round trip. */
async function apply(plan: TablePlan, catalog: string[], runtime: Runtime, verb: string): Promise<void> {
  const statements = [...plan.sql, ...catalog, ...plan.late];
  try {
    await runtime.run(statements.join(';'), verb);
  } catch (error) {
    throw nameTaken(error, plan.names);
  }
  runtime.state.transaction.catalogChanged();
}

/** Message 2714 with the name as the script wrote it. */
function nameTaken(error: unknown, names: readonly string[]): unknown {
  if (!(error instanceof SqlError) || error.number !== 2714) return error;
  const taken = names.find((name) => error.message.toLowerCase().includes(`'${name.toLowerCase()}'`));
  return taken === undefined ? error : alreadyThere(taken);
}

export const alreadyThere = (name: string): SqlError => sqlError(2714, [name]);

/** A table's own ids: one for itself and one for each constraint. */
const idsNeeded = (body: TableBody): number => 1 + body.constraints.length;

export async function createTable(statement: Of<'createTable'>, line: number, runtime: Runtime): Promise<void> {
  const { path, body } = statement;
  const { state } = runtime;
  const name = path.at(-1) ?? '';
  if (name.startsWith('##')) throw notSupported('global temporary tables (##name)', line);
  const temporary = name.startsWith('#');
  const schema = temporary ? { id: 100000 + state.spid, name: 'dbo' } : await schemaOf(path, runtime);
  const existing = await runtime.find(temporary ? [name] : [schema.name, name], line);
  if (existing !== null) throw alreadyThere(name);
  await createTableFrom(name, schema, body, temporary, runtime);
}

async function createTableFrom(
  name: string,
  schema: { id: number; name: string },
  body: TableBody,
  temporary: boolean,
  runtime: Runtime,
): Promise<TableDefinition> {
  const { state } = runtime;
  const ids = await allocateIds(idsNeeded(body), runtime);
  const id = ids[0] ?? 0;
  const physical = temporary ? `pg_temp.t${id}` : `d${state.database.id}.t${id}`;
  const plan = await runtime.compile((environment) => {
    const table = emptyTable(id, physical, schema.name, name, temporary);
    const draft = planFor(table, schema.id, runtime, environment, ids.slice(1));
    draft.sql.push(temporary ? `CREATE TEMP TABLE t${id} ()` : `CREATE TABLE ${physical} ()`);
    addBody(draft, body);
    if (table.columns.length === 0) throw sqlError(1709, [name]);
    return draft;
  });
  const record = `INSERT INTO catalog.objects (database_id, id, schema_id, name, type, info) VALUES (${plan.databaseId}, ${id}, ${schema.id}, ${quote(name)}, 'U', ${tableInfo(plan.table)})`;
  await apply(plan, [record], runtime, 'CREATE TABLE');
  if (temporary) {
    state.transaction.pin(`table:${id}`);
    runtime.frame().temporary.push(name);
  }
  return plan.table;
}

async function allocateIds(count: number, runtime: Runtime): Promise<number[]> {
  const [result] = await runtime.run(`SELECT nextval('catalog.object_ids') FROM generate_series(1, ${count})`);
  return (result?.rows ?? []).map((row) => Number(row[0]));
}

/** DECLARE @t TABLE: a temporary table of PostgreSQL that no catalog knows. */
export async function declareTable(name: string, body: TableBody, runtime: Runtime): Promise<void> {
  const id = runtime.nextId();
  const plan = await runtime.compile((environment) => planTableVariable(name, body, id, runtime, environment));
  await runtime.run(plan.sql.join(';'), 'DECLARE');
  runtime.state.transaction.pin(`variable:${id}`);
  rememberTableVariable(plan.table, plan.sql);
  runtime.frame().tables.set(name, plan.table);
}

export async function findTableOr(
  path: Path,
  error: SqlError,
  line: number,
  runtime: Runtime,
): Promise<TableDefinition> {
  const found = await runtime.find(path, line);
  if (found?.kind !== 'table') throw error;
  return found;
}

/** A copy that a plan may change: the original stays what the catalog says. */
const draftOf = (table: TableDefinition): TableDefinition => structuredClone(table);

const cannotFind = (path: Path, state = 1): SqlError => sqlError(4902, [path.join('.')], { state });

/** @throws SqlError `number` for a view, or a synonym, where a table is wanted. */
async function refuseOther(path: Path, number: 4708 | 4909, line: number, runtime: Runtime): Promise<void> {
  const found = (await rawFind(path, 'synonym', line, runtime)) ?? (await runtime.find(path, line));
  if (found?.kind === 'view' || found?.kind === 'synonym') throw sqlError(number, [path.join('.')]);
}

export async function alterTable(statement: Of<'alterTable'>, line: number, runtime: Runtime): Promise<void> {
  const { path, action } = statement;
  await refuseOther(path, 4909, line, runtime);
  const table = await findTableOr(path, cannotFind(path), line, runtime);
  if (action.kind === 'alterColumn') await refuseBoundColumn('ALTER', table, action.column.name, runtime);
  if (action.kind === 'drop')
    for (const column of action.columns) await refuseBoundColumn('DROP', table, column, runtime);
  const ids = action.kind === 'add' ? await allocateIds(action.body.constraints.length + 1, runtime) : [];
  const schemaId = table.temporary
    ? 100000 + runtime.state.spid
    : (await schemaOf([table.schema, table.name], runtime)).id;
  const plan = await runtime.compile((environment) => {
    const draft = planFor(draftOf(table), schemaId, runtime, environment, ids);
    planAlterTable(draft, action, line);
    return draft;
  });
  try {
    await apply(plan, [saveTable(plan.table)], runtime, action.kind === 'alterColumn' ? 'UPDATE' : 'ALTER TABLE');
  } catch (error) {
    throw action.kind === 'add' ? notNullWithoutValue(error, table, action.body) : error;
  }
}

const saveTable = (table: TableDefinition): string => {
  const modified = "modified = statement_timestamp() AT TIME ZONE 'UTC', version = version + 1";
  return `UPDATE catalog.objects SET info = ${tableInfo(table)}, ${modified} WHERE id = ${table.id}`;
};

/** PostgreSQL says 23502 for what SQL Server says in its own words when a column is added. */
function notNullWithoutValue(error: unknown, table: TableDefinition, body: TableBody): unknown {
  const column = body.columns.find((candidate) => candidate.nullable === false);
  if (!(error instanceof SqlError) || error.number !== 515 || column === undefined) return error;
  return sqlError(4901, [column.name, table.name]);
}

export async function createIndex(statement: Of<'createIndex'>, line: number, runtime: Runtime): Promise<void> {
  const { path, index, dropExisting } = statement;
  const found = await runtime.find(path, line);
  if (found?.kind === 'view') {
    if (!runtime.syntax(found).schemaBinding) throw sqlError(1939, [found.name]);
    throw notSupported('indexed views', line);
  }
  if (found?.kind !== 'table') throw sqlError(1088, [path.join('.')], { state: 12 });
  const plan = await runtime.compile((environment) => {
    const draft = planFor(draftOf(found), 0, runtime, environment, []);
    const existing = dropExisting
      ? draft.table.indexes.find((candidate) => same(candidate.name, index.name))
      : undefined;
    if (dropExisting && existing === undefined) throw sqlError(7999, [index.name, path.join('.')]);
    if (existing !== undefined) {
      draft.table.indexes.splice(draft.table.indexes.indexOf(existing), 1);
      draft.sql.push(...dropIndexSql(draft.table, existing.id));
    }
    addIndex(draft, index);
    return draft;
  });
  try {
    await apply(plan, [saveTable(plan.table)], runtime, 'CREATE INDEX');
  } catch (error) {
    throw error instanceof SqlError && error.number === 1505
      ? new SqlError(1505, error.message.replace(/i\d+_\d+x?/, index.name))
      : error;
  }
}

export async function dropIndex(statement: Of<'dropIndex'>, line: number, runtime: Runtime): Promise<void> {
  for (const { name, path } of statement.indexes) {
    const found = await runtime.find(path, line);
    const index = found?.kind === 'table' ? found.indexes.find((candidate) => same(candidate.name, name)) : undefined;
    if (found?.kind !== 'table' || index === undefined) {
      if (statement.ifExists) continue;
      throw sqlError(3701, ['index', [...path, name].join('.')], { state: 7 });
    }
    if (index.constraintId !== null)
      throw sqlError(3723, [[...path, name].join('.'), index.primary ? 'PRIMARY' : 'UNIQUE'], {
        state: index.primary ? 4 : 5,
      });
    const table = draftOf(found);
    table.indexes = table.indexes.filter((candidate) => candidate.id !== index.id);
    await runtime.run([...dropIndexSql(table, index.id), saveTable(table)].join(';'), 'DROP INDEX');
    runtime.state.transaction.catalogChanged();
  }
}

export async function alterIndex(statement: Of<'alterIndex'>, line: number, runtime: Runtime): Promise<void> {
  const { name, path, action } = statement;
  const found = await findTableOr(path, sqlError(1088, [path.join('.')]), line, runtime);
  const index = found.indexes.find((candidate) => name === null || same(candidate.name, name));
  if (name !== null && index === undefined) throw sqlError(2727, [name]);
  if (action === 'disable') throw notSupported('ALTER INDEX ... DISABLE', line);
}

/** CREATE, UPDATE and DROP STATISTICS: nothing is kept, so that there is nothing to drop. */
export async function runStatistics(
  { action, path, names }: Of<'statistics'>,
  line: number,
  runtime: Runtime,
): Promise<void> {
  const found = await runtime.find(path, line);
  const none = [path.join('.')];
  if (action === 'drop') throw sqlError(3701, ['statistics', [...path, ...names].join('.')], { state: 6 });
  if (found?.kind !== 'table' && found?.kind !== 'view')
    throw action === 'create' ? sqlError(1088, none, { state: 12 }) : sqlError(2706, none);
  for (const name of names)
    if (!found.columns.some((column) => same(column.name, name))) throw sqlError(1911, [name], { line });
}

export async function truncate(statement: Of<'truncate'>, line: number, runtime: Runtime): Promise<void> {
  const { path } = statement;
  await refuseOther(path, 4708, line, runtime);
  const table = await findTableOr(path, sqlError(4701, [path.join('.')]), line, runtime);
  if (table.referencedBy.some((reference) => reference.tableId !== table.id)) throw sqlError(4712, [path.join('.')]);
  await runtime.run(`TRUNCATE ${table.physical} RESTART IDENTITY`, 'TRUNCATE TABLE');
}

export async function dropTable(path: Path, ifExists: boolean, line: number, runtime: Runtime): Promise<void> {
  const found = (await rawFind(path, 'synonym', line, runtime)) ?? (await runtime.find(path, line));
  if (found?.kind !== 'table') {
    if (found !== null) throw wrongKind('table', path, found.kind);
    if (ifExists) return;
    throw sqlError(3701, ['table', path.join('.')]);
  }
  if (found.referencedBy.some((reference) => reference.tableId !== found.id)) {
    throw sqlError(3726, [path.join('.')]);
  }
  if (!found.temporary) await refuseBound('DROP TABLE', found, path.join('.'), runtime);
  await runtime.run(`DROP TABLE ${found.physical};${forgetObject(found.id)}`, 'DROP TABLE');
  runtime.state.transaction.catalogChanged();
  if (found.temporary) {
    runtime.state.transaction.unpin(`table:${found.id}`);
    for (const frame of runtime.state.frames)
      frame.temporary = frame.temporary.filter((name) => !same(name, found.name));
  }
}

export const forgetObject = (id: number): string =>
  `DELETE FROM catalog.permissions WHERE class = 'OBJECT' AND major_id = ${id};DELETE FROM catalog.extended_properties WHERE class = 1 AND major_id = ${id};DELETE FROM catalog.objects WHERE id = ${id} OR parent_id = ${id}`;

/** SELECT ... INTO: the new table takes names, types and an identity from the query. */
export async function selectInto(from: Query, into: Path, line: number, runtime: Runtime): Promise<void> {
  const { state } = runtime;
  const { query, numbered } = withNumbers(from);
  const name = into.at(-1) ?? '';
  const temporary = name.startsWith('#');
  const schema = temporary ? { id: 100000 + state.spid, name: 'dbo' } : await schemaOf(into, runtime);
  if ((await runtime.find(temporary ? [name] : [schema.name, name], line)) !== null) throw alreadyThere(name);
  const compiled = await runtime.compile((environment) => compileQuery(query, environment));
  const seen = new Set<string>();
  let identity: string | null = null;
  const body: TableBody = { columns: [], constraints: [], indexes: [] };
  compiled.columns.forEach((column, index) => {
    if (column.name === '') throw sqlError(1038, [], { line });
    const key = column.name.toLowerCase();
    if (seen.has(key)) throw sqlError(2705, [column.name, name], { line, scope: 'statement' });
    seen.add(key);
    const numbers = numbered.get(column.name);
    const identityColumn = numbers !== undefined || (column.identity === true && identity === null);
    if (identityColumn) identity = `c${index + 1}`;
    body.columns.push({
      name: column.name,
      type: { name: column.type.name, schema: null, type: column.type, rowversion: false, line },
      nullable: column.nullable && !identityColumn,
      identity: identityColumn ? (numbers ?? { seed: '1', increment: '1' }) : null,
      computed: null,
      rowguid: false,
      sparse: false,
      collation: null,
      line,
    });
  });
  await state.transaction.atomically(state.signal, async () => {
    const table = await createTableFrom(name, schema, body, temporary, runtime);
    const padded = compiled.columns.map((column, index) =>
      column.type.name === 'char' || column.type.name === 'nchar' ? `rtrim(q.o${index + 1})` : `q.o${index + 1}`,
    );
    const insert = `INSERT INTO ${table.physical} SELECT ${padded.join(', ')} FROM (${compiled.sql}) AS q`;
    const results = await runtime.run(withLocks(insert, compiled.locks, runtime), 'INSERT');
    if (identity !== null)
      await runtime.run(
        `SELECT setval('${table.physical.replace(/\.t/, '.s')}', coalesce(max(${identity}), 1), max(${identity}) IS NOT NULL) FROM ${table.physical}`,
      );
    state.rowCount = results.at(-1)?.count ?? 0;
  });
  runtime.done(state.rowCount);
}

/** A body is compiled when it is created: what its existing tables lack is refused, what does not exist yet is not. */
async function compileBody(definition: ModuleDefinition, name: string, runtime: Runtime): Promise<void> {
  const variables = new Map<string, Variable>();
  const tables = new Map<string, TableDefinition>();
  for (const { name: parameter, type, readonly, line } of definition.parameters) {
    if (variables.has(parameter) || tables.has(parameter)) throw sqlError(134, [parameter], { line });
    const body = await runtime.compile((environment) => tableTypeBody(environment, type));
    if (body === null) {
      variables.set(parameter, {
        type: await runtime.compile((environment) => resolveType(environment, type)),
        value: null,
      });
      continue;
    }
    if (!readonly) throw sqlError(352, [parameter], { line });
    if (definition.kind !== 'procedure') throw notSupported('table-valued parameters of functions', line);
    const plan = await runtime.compile((environment) =>
      planTableVariable(parameter, parseTableBodyText(body), 0, runtime, environment),
    );
    tables.set(parameter, { ...plan.table, readOnly: true });
  }
  const { returns } = definition;
  if (returns?.kind === 'table') {
    const plan = await runtime.compile((environment) =>
      planTableVariable(returns.variable, returns.body, 0, runtime, environment),
    );
    tables.set(returns.variable, plan.table);
  }
  if (definition.trigger !== null) {
    const table = await runtime.find(definition.trigger.table);
    if (table?.kind === 'table' || table?.kind === 'view')
      for (const image of ['inserted', 'deleted']) tables.set(image, shadowTable(table));
  }
  try {
    if (returns !== null && returns.kind !== 'inline') checkFunctionBody(definition.body, returns.kind === 'scalar');
    await runtime.withFrame(runtime.newFrame({ variables, tables, procedure: name }), () =>
      precompile(definition.body, runtime),
    );
  } catch (error) {
    throw error instanceof SqlError ? error.with({ procedure: name }) : error;
  }
}

export async function createModule(statement: Of<'createModule'>, line: number, runtime: Runtime): Promise<void> {
  const { definition, mode, source } = statement;
  const name = definition.path.at(-1) ?? '';
  const temporary = name.startsWith('#');
  if (temporary && (definition.kind !== 'procedure' || name.startsWith('##')))
    throw notSupported('temporary modules other than #procedures', line);
  const schema = temporary
    ? { id: 100000 + runtime.state.spid, name: 'dbo' }
    : await schemaOf(definition.path, runtime);
  const existing = await runtime.find(temporary ? [name] : [schema.name, name], line);
  await compileBody(definition, name, runtime);
  if (existing !== null && mode !== 'create')
    await refuseBound(`ALTER ${definition.kind.toUpperCase()}`, existing, definition.path.join('.'), runtime);
  const [id = 0] = existing === null ? await allocateIds(1, runtime) : [existing.id];
  const sql = await runtime.compile((environment) =>
    planModule(
      { definition, mode, source, schema, existing, id, databaseId: temporary ? 2 : runtime.state.database.id, line },
      environment,
    ),
  );
  try {
    await runtime.run(sql, mode === 'alter' ? 'ALTER' : 'CREATE');
  } catch (error) {
    throw nameTaken(error, [name]);
  }
  if (temporary) runtime.state.transaction.pin(`procedure:${id}`);
  runtime.state.transaction.catalogChanged();
}

const dropWords: Readonly<Record<string, string>> = {
  scalarFunction: 'function',
  inlineFunction: 'function',
  tableFunction: 'function',
  procedure: 'procedure',
  view: 'view',
  trigger: 'trigger',
  sequence: 'sequence object',
  synonym: 'synonym',
};

export async function drop(statement: Of<'drop'>, line: number, runtime: Runtime): Promise<void> {
  for (const path of statement.paths) {
    if (statement.what === 'table') {
      await dropTable(path, statement.ifExists, line, runtime);
      continue;
    }
    if (['schema', 'type', 'user', 'role'].includes(statement.what)) {
      await runSchemaObject({ ...statement, paths: [path] }, runtime);
      continue;
    }
    const found = await rawFind(path, statement.what, line, runtime);
    const fits = found !== null && (dropWords[found.kind]?.split(' ')[0] ?? '') === statement.what;
    if (found === null || !fits) {
      if (statement.ifExists && found === null) continue;
      const name = path.join('.');
      if (found === null) throw sqlError(3701, [dropName(statement.what), name]);
      throw wrongKind(statement.what, path, found.kind);
    }
    await refuseBound(`DROP ${statement.what.toUpperCase()}`, found, path.join('.'), runtime);
    const physical = found.kind === 'sequence' ? `DROP SEQUENCE d${runtime.state.database.id}.q${found.id};` : '';
    await runtime.run(`${physical}${forgetObject(found.id)}`, 'DROP');
    runtime.state.transaction.unpin(`procedure:${found.id}`);
    runtime.state.transaction.catalogChanged();
  }
}

function wrongKind(what: string, path: Path, found: string): SqlError {
  const kind = dropWords[found] ?? found;
  return sqlError(3705, [what.toUpperCase(), path.join('.'), kind, kind.toUpperCase()]);
}

const dropName = (what: string): string => (what === 'sequence' ? 'sequence object' : what);

/** DROP SYNONYM means the synonym, everything else what stands behind it. */
async function rawFind(path: Path, what: string, line: number, runtime: Runtime): Promise<ObjectDefinition | null> {
  if (what !== 'synonym') return runtime.find(path, line);
  const [result] = await runtime.run(
    `SELECT o.id FROM catalog.objects o WHERE o.id = tsql.object_id(${runtime.state.database.id}, ${runtime.state.spid}, ${quote(path.map((part) => `[${part}]`).join('.'))}, 'SN')`,
  );
  const id = result?.rows[0]?.[0];
  return id == null ? null : runtime.describe(Number(id));
}

export async function setTriggerState(statement: Of<'triggerState'>, line: number, runtime: Runtime): Promise<void> {
  const table = await findTableOr(statement.table, cannotFind(statement.table), line, runtime);
  const plan = await runtime.compile((environment) => {
    const draft = planFor(draftOf(table), 0, runtime, environment, []);
    triggerState(
      draft,
      statement.names.map((name) => name.at(-1) ?? ''),
      statement.enabled,
      line,
    );
    return draft;
  });
  await apply(plan, [], runtime, 'ALTER TABLE');
}

/** Schemas, sequences, synonyms, types, users, roles, permissions: rows of the catalog and little else. */
export async function runSchemaObject(statement: SchemaObjectStatement, runtime: Runtime): Promise<void> {
  const { state } = runtime;
  const path = 'path' in statement ? statement.path : [];
  const schema =
    'path' in statement && statement.kind !== 'permission' && statement.kind !== 'alterSchema'
      ? await schemaOf(path, runtime)
      : { id: 1, name: 'dbo' };
  const object =
    'path' in statement && path.length > 0 && statement.kind !== 'createType' ? await runtime.find(path) : null;
  const sql = await runtime.compile((environment) =>
    planSchemaObject(statement, { databaseId: state.database.id, schema, object, environment }),
  );
  if (sql.length === 0) return;
  try {
    await runtime.run(sql.join(';'), statement.kind);
  } catch (error) {
    throw nameTaken(error, path.slice(-1));
  }
  state.transaction.catalogChanged();
}
