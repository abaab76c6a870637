import { containsAggregate } from '../binder/aggregates';
import { bindExpression, resolveType } from '../binder/environment';
import { same } from '../binder/scope';
import { columnType } from '../binder/sources';
import { firstColumn, isKind, mentions, pathOf, someNode } from '../parser/walk';
import { familyOf, fixedSize, typeName } from '../binder/types';
import { checkCollation } from '../emitter/typed';
import { sqlError } from '../errors';
import { type ColumnDefinition as ColumnSyntax, type ConstraintClause, type TableBody } from '../parser/ast';
import { type ColumnDefinition, type TableDefinition } from './definitions';
import { blankColumn, isNew, qualified, refused, tableScope, type TablePlan } from './table-plan';
import { addConstraint, addDefault } from './constraint-plan';
import { addIndex } from './index-plan';

/** Adds columns, constraints and indexes, in the order in which they can refer to one another. */
export function addBody(plan: TablePlan, body: TableBody, check = true): void {
  // computed columns may name those behind them; the ids keep the order of the script
  const ids = new Map(body.columns.map((column) => [column, plan.table.nextColumnId++]));
  for (const computed of [false, true])
    for (const column of body.columns)
      if ((column.computed !== null) === computed) addColumn(plan, column, body, ids.get(column) ?? 0);
  plan.table.columns.sort((a, b) => a.id - b.id);
  if (isNew(plan)) checkRowSize(plan.table);
  for (const constraint of body.constraints) {
    if (constraint.kind !== 'foreign' && !isColumnDefault(constraint, body)) addConstraint(plan, constraint, check);
  }
  for (const index of body.indexes) addIndex(plan, index);
  for (const constraint of body.constraints) if (constraint.kind === 'foreign') addConstraint(plan, constraint, check);
}

const isColumnDefault = (constraint: ConstraintClause, body: TableBody): boolean =>
  constraint.kind === 'default' && body.columns.some((column) => same(column.name, constraint.column));

/** @throws SqlError 1701 when a row cannot fit on a page, whatever is in its columns of variable length. */
function checkRowSize({ columns, name }: TableDefinition): void {
  const overhead = 6 + Math.ceil(columns.length / 8);
  const size = columns.reduce((sum, { type, computed }) => sum + (computed === null ? fixedSize(type) : 0), overhead);
  if (size > 8060) throw sqlError(1701, [name, size, overhead]);
}

function addColumn(plan: TablePlan, syntax: ColumnSyntax, body: TableBody, id: number): void {
  const { table, environment } = plan;
  const { line, name } = syntax;
  if (table.columns.some((column) => same(column.name, name))) throw sqlError(2705, [name, qualified(table)], { line });
  const inPrimaryKey = body.constraints.some(
    (constraint) =>
      constraint.kind === 'key' && constraint.primary && constraint.columns.some((key) => same(key.name, name)),
  );
  const own = body.constraints.filter((constraint) => constraint.kind === 'default' && same(constraint.column, name));
  if (own.length > 1) throw refused(8148, [name, table.name], line);
  if (own.length > 0 && syntax.identity !== null) throw refused(1754, [table.name, name], line);
  if (syntax.computed !== null) {
    if (!syntax.computed.persisted && (syntax.nullable === false || own.length > 0)) throw sqlError(8183, [], { line });
    checkComputed(plan, syntax.name, syntax.computed, line);
    const typed = bindExpression(syntax.computed.expression, tableScope(table, environment), environment);
    table.columns.push({
      ...blankColumn(id, name, typed.type),
      nullable: typed.nullable,
      computed: { text: syntax.computed.text, persisted: syntax.computed.persisted },
    });
    return;
  }
  if (syntax.type === null) return;
  const type = resolveType(environment, syntax.type, table.columns.length + 1);
  const alias =
    syntax.type.type === null
      ? environment.findType(syntax.type.schema === null ? [syntax.type.name] : [syntax.type.schema, syntax.type.name])
      : null;
  const required =
    inPrimaryKey ||
    syntax.identity !== null ||
    syntax.type.rowversion ||
    (alias?.kind === 'type' && !alias.nullable && syntax.nullable === null);
  if (inPrimaryKey && syntax.nullable === true) {
    throw refused(8111, [table.name], line);
  }
  const column: ColumnDefinition = {
    ...blankColumn(id, name, type),
    nullable: required ? false : (syntax.nullable ?? true),
    userType: syntax.type.type === null ? syntax.type.name : null,
    identity: syntax.identity,
    rowversion: syntax.type.rowversion,
    rowguid: syntax.rowguid,
    sparse: syntax.sparse,
    collation:
      syntax.collation === null || syntax.collation.toLowerCase() === 'database_default' ? null : syntax.collation,
  };
  checkIdentity(column, syntax, table, line);
  if (column.rowversion && table.columns.some((other) => other.rowversion))
    throw sqlError(2738, [table.name, name], { line });
  if (column.rowguid && type.name !== 'uniqueidentifier') throw sqlError(2761, [], { line });
  if (column.rowguid && table.columns.some((other) => other.rowguid)) throw sqlError(8196, [], { line });
  if (column.collation !== null) {
    if (familyOf(type) !== 'string') throw sqlError(447, [typeName(type)], { line });
    checkCollation(column.collation, line);
  }
  table.columns.push(column);
  const constraint = body.constraints.find((candidate) => candidate.kind === 'default' && same(candidate.column, name));
  const fallback = constraint?.kind === 'default' ? addDefault(plan, constraint, column) : null;
  plan.sql.push(...columnSql(plan, column, fallback, constraint?.kind === 'default' && constraint.withValues));
}

/** Functions whose answer is not their arguments' alone. */
const nondeterministic = new Set(
  `GETDATE GETUTCDATE SYSDATETIME SYSUTCDATETIME SYSDATETIMEOFFSET CURRENT_TIMESTAMP NEWID NEWSEQUENTIALID RAND CURRENT_USER SESSION_USER
  SYSTEM_USER USER USER_NAME SUSER_NAME SUSER_SNAME HOST_NAME APP_NAME DB_NAME OBJECT_ID OBJECT_NAME SCOPE_IDENTITY IDENT_CURRENT`.split(
    /\s+/,
  ),
);

/** @throws SqlError for the text of a computed column that SQL Server does not take. */
function checkComputed(
  plan: TablePlan,
  name: string,
  { expression, persisted }: NonNullable<ColumnSyntax['computed']>,
  line: number,
): void {
  const { table, environment } = plan;
  if (mentions(expression, 'subquery')) throw sqlError(1046, [], { line });
  if (containsAggregate(expression)) throw sqlError(175, [], { line });
  const scope = tableScope(table, environment);
  const computed = firstColumn(expression, (used) =>
    table.columns.some((column) => column.computed !== null && same(column.name, used)),
  );
  if (computed !== null) throw sqlError(1759, [computed, table.name], { line });
  const changes = (node: object): boolean =>
    isKind(node, 'call') && nondeterministic.has(String(pathOf(node)).toUpperCase());
  if (persisted && someNode(expression, changes)) throw sqlError(4936, [name, table.name], { line });
  if (!persisted || expression.kind !== 'cast' || expression.style !== null) return;
  // Dates as text depend on the session's language, unless a style says how.
  const families = [
    familyOf(bindExpression(expression.operand, scope, environment).type),
    familyOf(resolveType(environment, expression.type)),
  ];
  if (families.includes('string') && families.includes('temporal')) throw sqlError(4936, [name, table.name], { line });
}

function checkIdentity(column: ColumnDefinition, syntax: ColumnSyntax, table: TableDefinition, line: number): void {
  if (column.identity === null) return;
  if (syntax.nullable === true) throw sqlError(8147, [column.name, table.name], { line });
  if (Number(column.identity.increment) === 0) throw sqlError(2753, [column.name], { line });
  if (table.columns.some((other) => other.identity !== null)) {
    throw sqlError(2744, [table.name], { line });
  }
  const whole = familyOf(column.type) === 'integer' && column.type.name !== 'bit';
  if (!whole && !('precision' in column.type && column.type.scale === 0)) throw sqlError(2749, [column.name], { line });
}

function columnSql(plan: TablePlan, column: ColumnDefinition, fallback: string | null, withValues: boolean): string[] {
  const { table } = plan;
  const { physical } = table;
  const notNull = column.nullable ? '' : ' NOT NULL';
  if (column.identity !== null) {
    const { seed, increment } = column.identity;
    const sequence = physical.replace(/\.[tv]/, '.s');
    const bare = sequence.split('.')[1] ?? '';
    // nothing bounds an identity but its type
    return [
      `CREATE ${table.temporary ? `TEMP SEQUENCE ${bare}` : `SEQUENCE ${sequence}`} START ${seed} INCREMENT ${increment} MINVALUE -9223372036854775807 MAXVALUE 9223372036854775807`,
      `ALTER TABLE ${physical} ADD COLUMN c${column.id} ${columnType(column)} NOT NULL DEFAULT nextval('${sequence}')`,
      `ALTER SEQUENCE ${sequence} OWNED BY ${physical}.c${column.id}`,
    ];
  }
  const base = `ALTER TABLE ${physical} ADD COLUMN c${column.id} ${columnType(column)}${notNull}`;
  const initial = column.rowversion ? "decode(lpad(to_hex(nextval('catalog.rowversions')), 16, '0'), 'hex')" : fallback;
  if (isNew(plan) || initial === null || (column.nullable && !withValues)) return [base];
  return [`${base} DEFAULT ${initial}`, `ALTER TABLE ${physical} ALTER COLUMN c${column.id} DROP DEFAULT`];
}
