import { columnNames, firstColumn, mentions } from '../parser/walk';
import { containsAggregate } from '../binder/aggregates';
import { bindCondition, bindExpression } from '../binder/environment';
import { emptyScope, same } from '../binder/scope';
import { convertForColumn } from '../emitter/convert';
import { pgType, type Typed } from '../emitter/typed';
import { familyOf } from '../binder/types';
import { sqlError } from '../errors';
import { type ConstraintClause } from '../parser/ast';
import { type ColumnDefinition, type IndexDefinition, type TableDefinition } from './definitions';
import {
  refused,
  definitionText,
  findColumn,
  isNew,
  qualified,
  record,
  refuseFunctions,
  systemName,
  tableScope,
  type TablePlan,
} from './table-plan';
import { repeatsCascade } from './cascade-paths';
import { checkClustered, indexSql, refuseRepeated } from './index-plan';

export function addDefault(
  plan: TablePlan,
  clause: Extract<ConstraintClause, { kind: 'default' }>,
  column: ColumnDefinition,
): string {
  const { table, environment } = plan;
  if (mentions(clause.expression, 'subquery')) throw sqlError(1046, [], { line: clause.line });
  const named = firstColumn(clause.expression);
  if (named !== null) throw sqlError(128, [named], { line: clause.line });
  const typed: Typed = bindExpression(clause.expression, emptyScope(), environment);
  const sql = convertForColumn(typed, column.type, qualified(table), column.name, clause.line);
  if (table.defaults.some((existing) => existing.columnId === column.id)) {
    throw refused(1781, [], clause.line);
  }
  const id = plan.nextId();
  const name = clause.name ?? systemName('DF', [table.name, column.name], id);
  const info = { columnId: column.id, text: definitionText(clause.text), systemNamed: clause.name === null };
  table.defaults.push({ id, name, ...info });
  record(plan, id, name, 'D', info);
  return sql;
}

export function addConstraint(plan: TablePlan, clause: ConstraintClause, check: boolean): void {
  const { table } = plan;
  switch (clause.kind) {
    case 'default': {
      const column = findColumn(table, clause.column, () => refused(1752, [clause.column, table.name], clause.line));
      if (column.computed !== null || column.rowversion) throw refused(1752, [column.name, table.name], clause.line);
      const sql = addDefault(plan, clause, column);
      if (clause.withValues)
        plan.sql.push(`UPDATE ${table.physical} SET c${column.id} = ${sql} WHERE c${column.id} IS NULL`);
      return;
    }
    case 'check':
      addCheck(plan, clause, check);
      return;
    case 'key':
      addKey(plan, clause);
      return;
    case 'foreign':
      addForeignKey(plan, clause, check);
      return;
  }
}

function addCheck(plan: TablePlan, clause: Extract<ConstraintClause, { kind: 'check' }>, check: boolean): void {
  const { table, environment } = plan;
  if (mentions(clause.condition, 'subquery', 'exists', 'inQuery')) throw sqlError(1046, [], { line: clause.line });
  if (containsAggregate(clause.condition)) throw sqlError(175, [], { line: clause.line });
  const sql = bindCondition(clause.condition, tableScope(table, environment), environment);
  refuseFunctions(sql, 'CHECK constraints', clause.line);
  const id = plan.nextId();
  const column =
    clause.column === null ? undefined : table.columns.find((candidate) => same(candidate.name, clause.column ?? ''));
  if (column !== undefined && isNew(plan) && firstColumn(clause.condition, (used) => !same(used, column.name)) !== null)
    throw refused(8141, [column.name, table.name], clause.line);
  // A condition over one column is that column's, wherever it was written.
  const [only, ...others] = columnNames(clause.condition);
  const subject =
    column ?? (others.length > 0 ? undefined : table.columns.find((candidate) => same(candidate.name, only ?? '')));
  const name = clause.name ?? systemName('CK', subject === undefined ? [table.name] : [table.name, subject.name], id);
  const info = {
    text: clause.text,
    columnId: subject?.id ?? null,
    disabled: false,
    notTrusted: !check,
    systemNamed: clause.name === null,
  };
  table.checks.push({ id, name, ...info });
  plan.sql.push(`ALTER TABLE ${table.physical} ADD CONSTRAINT k${id} CHECK (${sql})${check ? '' : ' NOT VALID'}`);
  record(plan, id, name, 'C', info);
}

function addKey(plan: TablePlan, clause: Extract<ConstraintClause, { kind: 'key' }>): void {
  const { table } = plan;
  const { line } = clause;
  if (clause.primary && table.indexes.some((index) => index.primary)) {
    if (isNew(plan)) throw sqlError(8110, [table.name], { line });
    throw refused(1779, [table.name], line);
  }
  const columns = clause.columns.map((key) => ({
    column: findColumn(table, key.name, () => refused(1911, [key.name], line)),
    descending: key.descending,
  }));
  for (const { column } of columns) {
    if (clause.primary && column.nullable) throw refused(8111, [table.name], line);
  }
  const id = plan.nextId();
  const name = clause.name ?? systemName(clause.primary ? 'PK' : 'UQ', [table.name], id);
  const clustered = clause.clustered ?? (clause.primary && !table.indexes.some((index) => index.clustered));
  const index: IndexDefinition = {
    id: table.nextIndexId++,
    name,
    unique: true,
    clustered,
    primary: clause.primary,
    constraintId: id,
    columns: columns.map(({ column, descending }) => ({ id: column.id, descending })),
    included: [],
    filter: null,
    disabled: false,
  };
  if (isNew(plan) && index.clustered && table.indexes.some((other) => other.clustered))
    throw sqlError(8112, [table.name], { line });
  checkClustered(table, index, line);
  refuseRepeated(
    clause.columns.map((key) => key.name),
    line,
  );
  table.indexes.push(index);
  plan.sql.push(...indexSql(table, index, plan.environment, line));
  record(plan, id, name, clause.primary ? 'PK' : 'UQ', { systemNamed: clause.name === null });
}

function addForeignKey(plan: TablePlan, clause: Extract<ConstraintClause, { kind: 'foreign' }>, check: boolean): void {
  const { table, environment } = plan;
  if (table.temporary) return; // SQL Server skips them, too
  const { line } = clause;
  const id = plan.nextId();
  const own = same(clause.references.at(-1) ?? '', table.name) && same(clause.references.at(-2) ?? 'dbo', table.schema);
  const target = own ? table : environment.find(clause.references, line);
  const name = clause.name ?? systemName('FK', [table.name, clause.columns[0] ?? ''], id);
  if (target?.kind === 'view') throw refused(1768, [name, clause.references.join('.')], line);
  if (target?.kind !== 'table') throw refused(1767, [name, clause.references.join('.')], line);
  const columns = clause.columns.map((column) =>
    findColumn(table, column, () => refused(1769, [name, column, table.name], line)),
  );
  const primary = target.indexes.find((index) => index.primary);
  const referenced =
    clause.referenced.length > 0
      ? clause.referenced.map((column) =>
          findColumn(target, column, () => refused(1770, [name, column, target.name], line)),
        )
      : (primary?.columns ?? []).map((key) =>
          findColumn(target, target.columns.find((column) => column.id === key.id)?.name ?? '', () =>
            refused(1773, [name, clause.references.join('.')], line),
          ),
        );
  checkForeignKey(name, columns, referenced, table, target, line);
  if ([clause.onDelete, clause.onUpdate].includes('SET_NULL') && columns.some((column) => !column.nullable))
    throw refused(1761, [name], line);
  if (repeatsCascade(table, { ...clause, referencedId: target.id }, environment))
    throw refused(1785, [name, table.name], line);
  const info = {
    columns: columns.map((column) => column.id),
    referencedId: target.id,
    referencedColumns: referenced.map((column) => column.id),
    onDelete: clause.onDelete,
    onUpdate: clause.onUpdate,
    disabled: false,
    notTrusted: !check,
    systemNamed: clause.name === null,
  };
  table.foreignKeys.push({ id, name, ...info });
  plan.sql.push(foreignKeySql(table, { id, ...info }, target.physical, check));
  record(plan, id, name, 'F', info);
}

export function foreignKeySql(
  table: TableDefinition,
  key: { id: number; columns: number[]; referencedColumns: number[]; onDelete: string; onUpdate: string },
  target: string,
  check: boolean,
): string {
  const list = (ids: readonly number[]): string => ids.map((column) => `c${column}`).join(', ');
  const actions = `ON DELETE ${key.onDelete.replace('_', ' ')} ON UPDATE ${key.onUpdate.replace('_', ' ')}`;
  return `ALTER TABLE ${table.physical} ADD CONSTRAINT f${key.id} FOREIGN KEY (${list(key.columns)}) REFERENCES ${target} (${list(key.referencedColumns)}) ${actions}${check ? '' : ' NOT VALID'}`;
}

function checkForeignKey(
  name: string,
  columns: readonly ColumnDefinition[],
  referenced: readonly ColumnDefinition[],
  table: TableDefinition,
  target: TableDefinition,
  line: number,
): void {
  if (columns.length !== referenced.length) throw refused(8139, [table.name], line);
  const wanted = referenced
    .map((column) => column.id)
    .sort()
    .join();
  const key = target.indexes.find(
    (index) =>
      index.unique &&
      index.filter === null &&
      index.columns
        .map((column) => column.id)
        .sort()
        .join() === wanted,
  );
  if (key === undefined) throw refused(1776, [qualified(target), name], line);
  columns.forEach((column, index) => {
    const other = referenced[index];
    const text = (one: ColumnDefinition): string =>
      familyOf(one.type) === 'string' ? JSON.stringify({ ...one.type }) : pgType(one.type);
    if (other !== undefined && text(other) !== text(column))
      throw other.type.name === column.type.name
        ? refused(1753, [qualified(target), other.name, table.name, column.name, name], line)
        : refused(1778, [qualified(target), other.name, table.name, column.name, name], line);
  });
}
