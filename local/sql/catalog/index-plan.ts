import { bindCondition, type Environment } from '../binder/environment';
import { same } from '../binder/scope';
import { columnsOf } from '../binder/sources';
import { familyOf, lengthOf } from '../binder/types';
import { type SqlError, sqlError } from '../errors';
import { type Condition, type Expression, type IndexClause } from '../parser/ast';
import { type IndexDefinition, type TableDefinition } from './definitions';
import { findColumn, qualified, refuseFunctions, relation, tableScope, type TablePlan } from './table-plan';

export function addIndex(plan: TablePlan, clause: IndexClause): void {
  const { table, environment } = plan;
  const { line } = clause;
  if (clause.ignoreDuplicates) throw sqlError(49999, [], { line });
  if (table.indexes.some((index) => same(index.name, clause.name))) {
    throw sqlError(1913, [clause.name, qualified(table)], { line });
  }
  refuseRepeated([...clause.columns.map((key) => key.name), ...clause.included], line);
  if (clause.filter !== null) checkFilter(clause.filter, clause.name, table);
  const missing = (name: string) => (): SqlError => sqlError(1911, [name], { line, scope: 'statement' });
  const index: IndexDefinition = {
    id: table.nextIndexId++,
    name: clause.name,
    unique: clause.unique,
    clustered: clause.clustered,
    primary: false,
    constraintId: null,
    columns: clause.columns.map((key) => ({
      id: findColumn(table, key.name, missing(key.name)).id,
      descending: key.descending,
    })),
    included: clause.included.map((name) => findColumn(table, name, missing(name)).id),
    filter: clause.filter === null ? null : (filterDefinition(clause.filter) ?? clause.filterText),
    disabled: false,
  };
  checkClustered(table, index, line);
  table.indexes.push(index);
  const filter =
    clause.filter === null ? '' : ` WHERE ${bindCondition(clause.filter, tableScope(table, environment), environment)}`;
  plan.sql.push(...indexSql(table, index, environment, line, filter));
}

/** A filter's text as sys.indexes shows it, without the outer parentheses; null where it is not known how. */
function filterDefinition(filter: Condition): string | null {
  switch (filter.kind) {
    case 'and': {
      const [left, right] = [filterDefinition(filter.left), filterDefinition(filter.right)];
      return left === null || right === null ? null : `${left} AND ${right}`;
    }
    case 'isNull':
      return `[${columnOf(filter.operand)}] IS ${filter.negated ? 'NOT ' : ''}NULL`;
    case 'compare': {
      if (filter.right.kind !== 'literal') return null;
      const { type, text } = filter.right;
      const quoted = `'${text.replaceAll("'", "''")}'`;
      const constant = type === 'string' ? quoted : type === 'nstring' ? `N${quoted}` : `(${text})`;
      return type === 'null' ? null : `[${columnOf(filter.left)}]${filter.operator}${constant}`;
    }
    default:
      return null;
  }
}

const columnOf = (expression: Expression): string =>
  expression.kind === 'column' ? (expression.path.at(-1) ?? '').replaceAll(']', ']]') : '';

/** @throws SqlError 1909 for a column that is named twice. */
export function refuseRepeated(names: readonly string[], line: number): void {
  const repeated = names.find((name, at) => names.findIndex((other) => same(other, name)) < at);
  if (repeated !== undefined) throw sqlError(1909, [repeated], { line });
}

/** A filter compares columns with constants, joined by AND. */
function checkFilter(filter: Condition, index: string, table: TableDefinition): void {
  const { line } = filter;
  const constant = (expression: Expression): boolean =>
    expression.kind === 'literal' || (expression.kind === 'cast' && constant(expression.operand));
  const stored = (path: readonly string[]): void => {
    const column = table.columns.find((candidate) => same(candidate.name, path.at(-1) ?? ''));
    if (column?.computed != null) throw sqlError(10609, [index, qualified(table), column.name], { line });
  };
  switch (filter.kind) {
    case 'and':
      checkFilter(filter.left, index, table);
      return checkFilter(filter.right, index, table);
    case 'or':
    case 'not':
    case 'like':
    case 'between':
      throw sqlError(156, [filter.kind.toUpperCase()], { line });
    case 'compare':
      if (filter.left.kind === 'column' && constant(filter.right)) return stored(filter.left.path);
      break;
    case 'in':
      if (filter.operand.kind === 'column' && filter.list.every(constant) && !filter.negated)
        return stored(filter.operand.path);
      break;
    case 'isNull':
      if (filter.operand.kind === 'column') return stored(filter.operand.path);
      break;
    default:
      break;
  }
  throw sqlError(10735, [index, qualified(table)], { line });
}

/**
 * An index as comparisons will look for it: strings without their trailing blanks. A key needs its plain columns, because
 * only those can be referenced; a second index then keeps 'a' and 'a ' apart from being two.
 */
export function indexSql(
  table: TableDefinition,
  index: IndexDefinition,
  environment: Environment,
  line: number,
  filter = '',
): string[] {
  const columns = columnsOf(table, relation(table), environment);
  const parts = index.columns.map(({ id, descending }) => {
    const position = table.columns.findIndex((column) => column.id === id);
    const column = table.columns[position];
    const typed = columns[position];
    if (column === undefined || typed === undefined) return { plain: '', key: '', differs: false };
    if (
      ['text', 'ntext', 'image', 'xml'].includes(column.type.name) ||
      (lengthOf(column.type) === 'max' && 'length' in column.type)
    ) {
      throw sqlError(1919, [column.name, qualified(table)], { line });
    }
    const order = descending ? ' DESC NULLS LAST' : ' ASC NULLS FIRST';
    const plain = column.computed === null ? `c${id}` : `(${typed.sql})`;
    const key =
      familyOf(column.type) === 'string'
        ? `(${typed.trimmed ?? `rtrim(${column.computed === null ? plain : typed.sql})`})`
        : plain;
    return {
      plain: plain + order,
      key: key + order,
      differs: familyOf(column.type) === 'string' && typed.trimmed === undefined,
    };
  });
  refuseFunctions([filter, ...parts.map((part) => part.key)].join(), 'indexes', line);
  const create = (suffix: string, list: string[]): string =>
    `CREATE ${index.unique ? 'UNIQUE ' : ''}INDEX i${table.id}_${index.id}${suffix} ON ${table.physical} (${list.join(', ')})${index.unique ? ' NULLS NOT DISTINCT' : ''}${filter}`;
  if (index.constraintId === null)
    return [
      create(
        '',
        parts.map((part) => part.key),
      ),
    ];
  const plain = create(
    '',
    parts.map((part) => part.plain),
  );
  return parts.some((part) => part.differs)
    ? [
        plain,
        create(
          'x',
          parts.map((part) => part.key),
        ),
      ]
    : [plain];
}

export function checkClustered(table: TableDefinition, index: IndexDefinition, line: number): void {
  const other = table.indexes.find((candidate) => candidate.clustered);
  if (!index.clustered || other === undefined) return;
  throw sqlError(1902, [qualified(table), other.name], { line });
}
