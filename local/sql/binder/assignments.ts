import { convertForColumn } from '../emitter/convert';
import { value } from '../emitter/built-in';
import { type Typed } from '../emitter/typed';
import { type ColumnDefinition, type TableDefinition } from '../catalog/definitions';
import { notSupported, sqlError } from '../errors';
import { binaryOf, type Assignment, type Expression } from '../parser/ast';
import { isKind, someNode } from '../parser/walk';
import { containsAggregate } from './aggregates';
import { checkWritable, columnNamed, defaultOf, fullName, nullValue, rowversionValue } from './change';
import { bindExpression, type Environment } from './environment';
import { bindBinary } from './expressions';
import { type Scope } from './scope';

export interface BoundAssignments {
  columns: { column: ColumnDefinition; sql: string; typed: Typed }[];
  variables: { name: string; typed: Typed }[];
}

export function bindAssignments(
  assignments: readonly Assignment[],
  table: TableDefinition,
  scope: Scope,
  environment: Environment,
  renamed: ReadonlyMap<string, ColumnDefinition> | null = null,
): BoundAssignments {
  const result: BoundAssignments = { columns: [], variables: [] };
  // each row would see what the row before it assigned
  const assigned = new Set(assignments.flatMap(({ variable }) => (variable === null ? [] : [variable])));
  const accumulates = (node: object): boolean =>
    isKind(node, 'variable') && 'name' in node && assigned.has(String(node.name));
  const again = assignments.find(
    ({ value: expression, operator, variable }) =>
      someNode(expression, accumulates) || (variable !== null && operator !== '='),
  );
  if (again !== undefined) throw notSupported('UPDATE ... SET @x = @x + ...', again.line);
  const name = fullName(table, environment);
  for (const { column: path, variable, operator, value: expression, line } of assignments) {
    const columnName = path?.at(-1);
    const column = columnName === undefined ? null : assignable(table, columnName, renamed, line);
    let typed: Typed;
    if (expression.kind === 'default' && column !== null) typed = defaultOf(table, column, environment) ?? nullValue;
    else {
      if (containsAggregate(expression)) throw sqlError(157, [], { line });
      typed = bindExpression(expression, scope, environment);
    }
    const binary = binaryOf(operator);
    if (binary !== null) {
      const current: Expression =
        column === null ? { kind: 'variable', name: variable ?? '', line } : { kind: 'column', path: path ?? [], line };
      typed = bindBinary(binary, bindExpression(current, scope, environment), typed, line);
    }
    if (column !== null) {
      checkWritable(column, line);
      if (column.identity !== null) throw sqlError(8102, [column.name], { line });
      if (result.columns.some((other) => other.column === column)) {
        throw sqlError(264, [column.name], { line });
      }
      result.columns.push({ column, typed, sql: convertForColumn(typed, column.type, name, column.name, line) });
    }
    if (variable !== null)
      result.variables.push({
        name: variable,
        typed: column === null ? typed : { ...value(`n.c${column.id}`, column.type) },
      });
  }
  for (const column of table.columns) {
    if (column.rowversion) result.columns.push({ column, typed: nullValue, sql: rowversionValue });
  }
  return result;
}

/** The column behind a name in SET. */
function assignable(
  table: TableDefinition,
  name: string,
  renamed: ReadonlyMap<string, ColumnDefinition> | null,
  line: number,
): ColumnDefinition {
  if (renamed === null) return columnNamed(table, name, line);
  const column = renamed.get(name.toLowerCase());
  if (column !== undefined) return column;
  throw sqlError(4406, [table.name], { line });
}
