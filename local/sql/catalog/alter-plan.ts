import { bindCondition, type Environment } from '../binder/environment';
import { resolveType } from '../binder/environment';
import { same } from '../binder/scope';
import { columnType } from '../binder/sources';
import { lengthOf } from '../binder/types';
import { notSupported, sqlError } from '../errors';
import { type AlterTableAction, type ColumnDefinition as ColumnSyntax } from '../parser/ast';
import { parseConditionText } from '../parser/parser';
import { type ColumnDefinition, type TableDefinition } from './definitions';
import { addBody } from './column-plan';
import { convertStored, findColumn, tableScope, type TablePlan } from './table-plan';
import { foreignKeySql } from './constraint-plan';

/** Adds to `plan` what ALTER TABLE asks for. @throws SqlError as SQL Server words it. */
export function planAlterTable(plan: TablePlan, action: AlterTableAction, line: number): void {
  switch (action.kind) {
    case 'add':
      addBody(plan, action.body, action.check);
      return;
    case 'alterColumn':
      alterColumn(plan, action.column, line);
      return;
    case 'columnOption':
      columnOption(plan, action, line);
      return;
    case 'drop':
      for (const name of action.constraints) dropConstraint(plan, name, action.ifExists, line);
      for (const name of action.columns) dropColumn(plan, name, action.ifExists, line);
      return;
    case 'constraintState':
      constraintState(plan, action, line);
      return;
    case 'triggerState':
      triggerState(plan, action.names, action.enabled, line);
      return;
    case 'physical':
      return;
  }
}

/** What a column cannot change under: [description for message 5074, whether a longer string of the same type is fine]. */
function dependents(
  table: TableDefinition,
  column: ColumnDefinition,
): { name: string; kind: 'object' | 'index' | 'column'; default: boolean; key: boolean }[] {
  const mentions = (text: string): boolean =>
    new RegExp(`(^|[^\\w@#$])(\\[${escape(column.name)}\\]|${escape(column.name)})($|[^\\w@#$])`, 'i').test(
      text.replace(/'[^']*'/g, ''),
    );
  return [
    ...table.defaults
      .filter((item) => item.columnId === column.id)
      .map(({ name }) => ({ name, kind: 'object' as const, default: true, key: false })),
    ...table.checks
      .filter((item) => item.columnId === column.id || mentions(item.text))
      .map(({ name }) => ({ name, kind: 'object' as const, default: false, key: false })),
    ...table.foreignKeys
      .filter((item) => item.columns.includes(column.id))
      .map(({ name }) => ({ name, kind: 'object' as const, default: false, key: true })),
    ...table.indexes
      .filter(
        (index) =>
          index.columns.some((key) => key.id === column.id) ||
          index.included.includes(column.id) ||
          (index.filter !== null && mentions(index.filter)),
      )
      .map((index) => ({
        name: index.name,
        kind: index.constraintId === null ? ('index' as const) : ('object' as const),
        default: false,
        key: index.constraintId !== null,
      })),
    ...table.columns
      .filter((other) => other.computed !== null && mentions(other.computed.text))
      .map(({ name }) => ({ name, kind: 'column' as const, default: false, key: false })),
  ];
}

const escape = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');

function refuseDependents(
  found: readonly { name: string; kind: string }[],
  column: string,
  action: string,
  line: number,
): void {
  const [first] = found;
  if (first === undefined) return;
  const message = `ALTER TABLE ${action} COLUMN ${column} failed because one or more objects access this column.`;
  throw sqlError(5074, [first.kind, first.name, column], { line, followedBy: { number: 4922, message, state: 9 } });
}

function alterColumn(plan: TablePlan, syntax: ColumnSyntax, line: number): void {
  const { table, environment } = plan;
  const column = findColumn(table, syntax.name, () =>
    sqlError(4924, ['ALTER TABLE ALTER COLUMN', syntax.name, table.name], { line }),
  );
  if (syntax.type === null) throw notSupported('ALTER COLUMN to a computed column', line);
  if (column.computed !== null || column.rowversion) {
    throw sqlError(4928, [column.name, column.computed === null ? 'timestamp' : 'COMPUTED'], { line });
  }
  if (syntax.type.rowversion) throw sqlError(4927, [column.name, 'timestamp'], { line });
  const type = resolveType(environment, syntax.type);
  const nullable = syntax.nullable ?? (column.identity === null ? true : false);
  const after: ColumnDefinition = {
    ...column,
    type,
    nullable,
    userType: syntax.type.type === null ? syntax.type.name : null,
    collation: syntax.collation ?? column.collation,
  };
  const sameName = type.name === column.type.name;
  const variable = ['varchar', 'nvarchar', 'varbinary'].includes(type.name);
  const grows =
    sameName &&
    variable &&
    (lengthOf(type) === 'max' ||
      (lengthOf(column.type) !== 'max' && Number(lengthOf(type)) >= Number(lengthOf(column.type))));
  const identical = JSON.stringify(type) === JSON.stringify(column.type);
  const blocking = dependents(table, column).filter((item) => {
    if (item.default) return !sameName;
    if (identical && nullable === column.nullable) return false;
    if (column.nullable && !nullable && item.kind !== 'column') return true;
    return item.key ? !(grows && !isPrimary(table, item.name)) : !grows;
  });
  refuseDependents(blocking, column.name, 'ALTER', line);
  table.columns[table.columns.indexOf(column)] = after;
  if (!identical) {
    const using = convertStored(column, after, table, environment.databaseName);
    // The identity's default would have to be converted too, and means the same afterwards.
    plan.sql.push(`ALTER TABLE ${table.physical} ALTER COLUMN c${column.id} TYPE ${columnType(after)} USING ${using}`);
  }
  if (nullable !== column.nullable)
    plan.sql.push(`ALTER TABLE ${table.physical} ALTER COLUMN c${column.id} ${nullable ? 'DROP' : 'SET'} NOT NULL`);
}

const isPrimary = (table: TableDefinition, name: string): boolean =>
  table.indexes.some((index) => index.primary && index.name === name);

function columnOption(
  plan: TablePlan,
  action: Extract<AlterTableAction, { kind: 'columnOption' }>,
  line: number,
): void {
  const column = findColumn(plan.table, action.column, () =>
    sqlError(4924, ['ALTER TABLE ALTER COLUMN', action.column, plan.table.name], { line }),
  );
  if (action.option === 'PERSISTED') {
    if (column.computed === null) throw notSupported('PERSISTED for a column that is not computed', line);
    column.computed = { ...column.computed, persisted: action.add };
  } else if (action.option === 'ROWGUIDCOL') column.rowguid = action.add;
  else column.sparse = action.add;
}

function dropColumn(plan: TablePlan, name: string, ifExists: boolean, line: number): void {
  const { table } = plan;
  const column = table.columns.find((candidate) => same(candidate.name, name));
  if (column === undefined) {
    if (ifExists) return;
    throw sqlError(4924, ['ALTER TABLE DROP COLUMN', name, table.name], { line });
  }
  const references = table.referencedBy.length > 0 ? dependents(table, column) : dependents(table, column);
  refuseDependents(references, column.name, 'DROP', line);
  if (table.columns.length === 1) throw sqlError(4923, [column.name, table.name], { line });
  table.columns.splice(table.columns.indexOf(column), 1);
  if (column.computed === null) plan.sql.push(`ALTER TABLE ${table.physical} DROP COLUMN c${column.id}`);
}

function dropConstraint(plan: TablePlan, name: string, ifExists: boolean, line: number): void {
  const { table } = plan;
  const follows = { number: 3727, message: 'Could not drop constraint. See previous errors.', state: 0 };
  const forget = (id: number): void => void plan.late.push(`DELETE FROM catalog.objects WHERE id = ${id}`);
  const take = <T extends { id: number; name: string }>(list: T[]): T | undefined => {
    const at = list.findIndex((item) => same(item.name, name));
    return at < 0 ? undefined : list.splice(at, 1)[0];
  };
  const fallback = take(table.defaults);
  if (fallback !== undefined) return forget(fallback.id);
  const check = take(table.checks);
  if (check !== undefined) {
    if (!check.disabled) plan.sql.push(`ALTER TABLE ${table.physical} DROP CONSTRAINT k${check.id}`);
    return forget(check.id);
  }
  const foreign = take(table.foreignKeys);
  if (foreign !== undefined) {
    if (!foreign.disabled) plan.sql.push(`ALTER TABLE ${table.physical} DROP CONSTRAINT f${foreign.id}`);
    return forget(foreign.id);
  }
  const key = table.indexes.find((index) => index.constraintId !== null && same(index.name, name));
  if (key?.constraintId == null) {
    if (ifExists) return;
    throw sqlError(3728, [name], { line, followedBy: follows });
  }
  const [reference] = table.referencedBy;
  if (reference !== undefined && key.primary)
    throw sqlError(3725, [key.name, referencing(plan.environment, reference.tableId), reference.name], {
      line,
      followedBy: follows,
    });
  table.indexes.splice(table.indexes.indexOf(key), 1);
  plan.sql.push(...dropIndexSql(table, key.id));
  forget(key.constraintId);
}

const referencing = (environment: Environment, id: number): string => environment.findById(id)?.name ?? '';

export const dropIndexSql = (table: TableDefinition, indexId: number): string[] => {
  const schema = table.physical.split('.')[0] ?? '';
  return [
    `DROP INDEX IF EXISTS ${schema}.i${table.id}_${indexId}`,
    `DROP INDEX IF EXISTS ${schema}.i${table.id}_${indexId}x`,
  ];
};

function constraintState(
  plan: TablePlan,
  action: Extract<AlterTableAction, { kind: 'constraintState' }>,
  line: number,
): void {
  const { table, environment } = plan;
  const matches = (name: string): boolean =>
    action.names.length === 0 || action.names.some((wanted) => same(wanted, name));
  for (const wanted of action.names) {
    if ([...table.checks, ...table.foreignKeys].some((item) => same(item.name, wanted))) continue;
    throw sqlError(4917, [wanted], {
      line,
      followedBy: {
        number: 4916,
        message: `Could not enable or disable the constraint. See previous errors.`,
        state: 0,
      },
    });
  }
  const save = (id: number, info: object): void =>
    void plan.late.push(`UPDATE catalog.objects SET info = info || '${JSON.stringify(info)}' WHERE id = ${id}`);
  for (const check of table.checks.filter((item) => matches(item.name))) {
    if (action.enabled) {
      // WITH CHECK looks at all rows, also when the constraint was enabled before
      plan.sql.push(`ALTER TABLE ${table.physical} DROP CONSTRAINT IF EXISTS k${check.id}`);
      const sql = bindCondition(parseConditionText(check.text), tableScope(table, environment), environment);
      plan.sql.push(
        `ALTER TABLE ${table.physical} ADD CONSTRAINT k${check.id} CHECK (${sql})${action.check ? '' : ' NOT VALID'}`,
      );
    } else if (!check.disabled) plan.sql.push(`ALTER TABLE ${table.physical} DROP CONSTRAINT k${check.id}`);
    save(check.id, {
      disabled: !action.enabled,
      notTrusted: !action.enabled || (check.disabled || check.notTrusted ? !action.check : false),
    });
  }
  for (const key of table.foreignKeys.filter((item) => matches(item.name))) {
    const target = environment.findById(key.referencedId);
    if (target?.kind !== 'table') continue;
    if (action.enabled && (key.disabled || (key.notTrusted && action.check))) {
      plan.sql.push(
        `ALTER TABLE ${table.physical} DROP CONSTRAINT IF EXISTS f${key.id}`,
        foreignKeySql(table, key, target.physical, action.check),
      );
    } else if (!action.enabled && !key.disabled)
      plan.sql.push(`ALTER TABLE ${table.physical} DROP CONSTRAINT f${key.id}`);
    save(key.id, {
      disabled: !action.enabled,
      notTrusted: !action.enabled || (key.disabled || key.notTrusted ? !action.check : false),
    });
  }
}

export function triggerState(plan: TablePlan, names: readonly string[], enabled: boolean, line: number): void {
  const { table } = plan;
  for (const name of names) {
    if (table.triggers.some((trigger) => same(trigger.name, name))) continue;
    throw sqlError(4920, [name, table.name], { line });
  }
  const ids = table.triggers
    .filter((trigger) => names.length === 0 || names.some((name) => same(name, trigger.name)))
    .map((trigger) => trigger.id);
  if (ids.length > 0)
    plan.late.push(
      `UPDATE catalog.objects SET info = info || '{"disabled":${!enabled}}' WHERE id IN (${ids.join(', ')})`,
    );
}
