import { bindCondition, type Environment } from '../binder/environment';
import { same } from '../binder/scope';
import { columnsOf } from '../binder/sources';
import { familyOf, lengthOf } from '../binder/types';
import { type SqlError, sqlError } from '../errors';
import { type IndexClause } from '../parser/ast';
import { type IndexDefinition, type TableDefinition } from './definitions';
import { findColumn, qualified, refuseFunctions, relation, tableScope, type TablePlan } from './table-plan';

export function addIndex(plan: TablePlan, clause: IndexClause): void {
  const { table, environment } = plan;
  const { line } = clause;
  if (clause.ignoreDuplicates) throw sqlError(49999, [], { line });
  if (table.indexes.some((index) => same(index.name, clause.name))) {
    throw sqlError(1913, [clause.name, qualified(table)], { line });
  }
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
    filter: clause.filter === null ? null : clause.filterText,
    disabled: false,
  };
  checkClustered(table, index, line);
  table.indexes.push(index);
  const filter =
    clause.filter === null ? '' : ` WHERE ${bindCondition(clause.filter, tableScope(table, environment), environment)}`;
  plan.sql.push(...indexSql(table, index, environment, line, filter));
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
