import { bindCondition, bindExpression, resolveType, type Environment } from '../binder/environment';
import { emptyScope, same, type Scope } from '../binder/scope';
import { columnsOf } from '../binder/sources';
import { convertForColumn, convert } from '../emitter/convert';
import { collationOf, pgType, quote, type Typed } from '../emitter/typed';
import { familyOf, lengthOf } from '../binder/types';
import { SqlError } from '../errors';
import {
  type ColumnDefinition as ColumnSyntax,
  type ConstraintClause,
  type IndexClause,
  type TableBody,
} from '../parser/ast';
import { type ColumnDefinition, type IndexDefinition, type TableDefinition } from './definitions';

/** A change of a table: its definition as it will be, and the PostgreSQL statements that make it so, in order. */
export interface TablePlan {
  table: TableDefinition;
  schemaId: number;
  databaseId: number;
  /** false for table variables, which no catalog view shows. */
  recorded: boolean;
  sql: string[];
  /** Behind everything else: foreign keys may reference the table itself. */
  late: string[];
  /** A name that is taken, for message 2714: all names that the plan adds. */
  names: string[];
  nextId(): number;
  environment: Environment;
}

export const qualified = (table: TableDefinition): string => `${table.schema}.${table.name}`;

const relation = (table: TableDefinition): string => `t${table.id}`;

/** Names that SQL Server makes up when a script gives none. */
function systemName(prefix: string, parts: readonly string[], id: number): string {
  const hash = ((id * 2654435761) >>> 0).toString(16).toUpperCase().padStart(8, '0');
  return [prefix, ...parts.map((part) => part.slice(0, 9)), hash].join('__');
}

/** A default's text as sys.default_constraints shows it: in parentheses, numbers in two pairs. */
export function definitionText(text: string): string {
  let inner = text.trim();
  while (inner.startsWith('(') && closes(inner)) inner = inner.slice(1, -1).trim();
  if (/^[A-Za-z_]+\(\)$/.test(inner)) inner = inner.toLowerCase();
  return /^-?[\d.]+$/.test(inner) ? `((${inner}))` : `(${inner})`;
}

/** Whether the first parenthesis is closed by the last character. */
function closes(text: string): boolean {
  let depth = 0;
  let quoted = false;
  for (let at = 0; at < text.length; at++) {
    const character = text[at];
    if (character === "'") quoted = !quoted;
    else if (!quoted && character === '(') depth++;
    else if (!quoted && character === ')' && --depth === 0) return at === text.length - 1;
  }
  return false;
}

/** The table's own columns, as CHECK constraints, index filters and computed columns name them. */
export function tableScope(table: TableDefinition, environment: Environment): Scope {
  const scope = emptyScope();
  scope.sources.push({
    name: table.name,
    path: null,
    pg: relation(table),
    columns: columnsOf(table, relation(table), environment),
    table,
  });
  return scope;
}

export function findColumn(table: TableDefinition, name: string, error: () => SqlError): ColumnDefinition {
  const column = table.columns.find((candidate) => same(candidate.name, name));
  if (column === undefined) throw error();
  return column;
}

export function addBody(plan: TablePlan, body: TableBody, check = true): void {
  for (const column of body.columns) addColumn(plan, column, body);
  for (const constraint of body.constraints) {
    if (constraint.kind !== 'foreign' && !isColumnDefault(constraint, body)) addConstraint(plan, constraint, check);
  }
  for (const index of body.indexes) addIndex(plan, index);
  for (const constraint of body.constraints) if (constraint.kind === 'foreign') addConstraint(plan, constraint, check);
}

const isColumnDefault = (constraint: ConstraintClause, body: TableBody): boolean =>
  constraint.kind === 'default' && body.columns.some((column) => same(column.name, constraint.column));

/** Whether rows may exist already: then a new column needs a value for them. */
const isNew = (plan: TablePlan): boolean => plan.sql[0]?.startsWith('CREATE ') === true;

function addColumn(plan: TablePlan, syntax: ColumnSyntax, body: TableBody): void {
  const { table, environment } = plan;
  const { line, name } = syntax;
  if (table.columns.some((column) => same(column.name, name))) {
    throw new SqlError(
      2705,
      `Column names in each table must be unique. Column name '${name}' in table '${qualified(table)}' is specified more than once.`,
      { state: 3, line, scope: 'scope' },
    );
  }
  const inPrimaryKey = body.constraints.some(
    (constraint) =>
      constraint.kind === 'key' && constraint.primary && constraint.columns.some((key) => same(key.name, name)),
  );
  const id = table.nextColumnId++;
  if (syntax.computed !== null) {
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
    throw new SqlError(8111, `Cannot define PRIMARY KEY constraint on nullable column in table '${table.name}'.`, {
      line,
      scope: 'scope',
      followedBy: couldNotCreate,
    });
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
  checkIdentity(column, table, line);
  table.columns.push(column);
  const constraint = body.constraints.find((candidate) => candidate.kind === 'default' && same(candidate.column, name));
  const fallback = constraint?.kind === 'default' ? addDefault(plan, constraint, column) : null;
  plan.sql.push(...columnSql(plan, column, fallback, constraint?.kind === 'default' && constraint.withValues));
}

export const blankColumn = (id: number, name: string, type: ColumnDefinition['type']): ColumnDefinition => ({
  id,
  name,
  type,
  userType: null,
  nullable: true,
  identity: null,
  computed: null,
  rowversion: false,
  rowguid: false,
  sparse: false,
  collation: null,
});

function checkIdentity(column: ColumnDefinition, table: TableDefinition, line: number): void {
  if (column.identity === null) return;
  if (table.columns.some((other) => other.identity !== null)) {
    throw new SqlError(
      2744,
      `Multiple identity columns specified for table '${table.name}'. Only one identity column per table is allowed.`,
      { state: 2, line, scope: 'scope' },
    );
  }
  const whole = familyOf(column.type) === 'integer' && column.type.name !== 'bit';
  if (!whole && !('precision' in column.type && column.type.scale === 0)) {
    throw new SqlError(
      2749,
      `Identity column '${column.name}' must be of data type int, bigint, smallint, tinyint, or decimal or numeric with a scale of 0, unencrypted, and constrained to be nonnullable.`,
      { state: 2, line, scope: 'scope' },
    );
  }
}

export function columnType(column: ColumnDefinition): string {
  return familyOf(column.type) === 'string'
    ? `text COLLATE ${collationOf(column.collation ?? '')}`
    : pgType(column.type);
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

const couldNotCreate = {
  number: 1750,
  message: 'Could not create constraint or index. See previous errors.',
  state: 0,
};

function record(plan: TablePlan, id: number, name: string, type: string, info: object): void {
  plan.names.push(name);
  if (!plan.recorded) return;
  plan.late.push(
    `INSERT INTO catalog.objects (database_id, id, schema_id, name, type, parent_id, info) VALUES (${plan.databaseId}, ${id}, ${plan.schemaId}, ${quote(name)}, '${type}', ${plan.table.id}, ${quote(JSON.stringify(info))})`,
  );
}

function addDefault(
  plan: TablePlan,
  clause: Extract<ConstraintClause, { kind: 'default' }>,
  column: ColumnDefinition,
): string {
  const { table, environment } = plan;
  const typed: Typed = bindExpression(clause.expression, emptyScope(), environment);
  const sql = convertForColumn(typed, column.type, qualified(table), column.name, clause.line);
  if (table.defaults.some((existing) => existing.columnId === column.id)) {
    throw new SqlError(1781, 'Column already has a DEFAULT bound to it.', {
      line: clause.line,
      scope: 'scope',
      followedBy: couldNotCreate,
    });
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
      const column = findColumn(
        table,
        clause.column,
        () =>
          new SqlError(
            1752,
            `Column '${clause.column}' in table '${table.name}' is invalid for creating a default constraint.`,
            { state: 0, line: clause.line, scope: 'scope', followedBy: couldNotCreate },
          ),
      );
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
  const sql = bindCondition(clause.condition, tableScope(table, environment), environment);
  const id = plan.nextId();
  const column =
    clause.column === null ? undefined : table.columns.find((candidate) => same(candidate.name, clause.column ?? ''));
  const name = clause.name ?? systemName('CK', column === undefined ? [table.name] : [table.name, column.name], id);
  const info = {
    text: clause.text,
    columnId: column?.id ?? null,
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
    throw new SqlError(1779, `Table '${table.name}' already has a primary key defined on it.`, {
      state: 0,
      line,
      scope: 'scope',
      followedBy: couldNotCreate,
    });
  }
  const columns = clause.columns.map((key) => ({
    column: findColumn(
      table,
      key.name,
      () =>
        new SqlError(1911, `Column name '${key.name}' does not exist in the target table or view.`, {
          line,
          scope: 'scope',
          followedBy: couldNotCreate,
        }),
    ),
    descending: key.descending,
  }));
  for (const { column } of columns) {
    if (clause.primary && column.nullable) {
      throw new SqlError(8111, `Cannot define PRIMARY KEY constraint on nullable column in table '${table.name}'.`, {
        line,
        scope: 'scope',
        followedBy: couldNotCreate,
      });
    }
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
  checkClustered(table, index, line);
  table.indexes.push(index);
  plan.sql.push(...indexSql(table, index, plan.environment, line));
  record(plan, id, name, clause.primary ? 'PK' : 'UQ', { systemNamed: clause.name === null });
}

function checkClustered(table: TableDefinition, index: IndexDefinition, line: number): void {
  const other = table.indexes.find((candidate) => candidate.clustered);
  if (!index.clustered || other === undefined) return;
  throw new SqlError(
    1902,
    `Cannot create more than one clustered index on table '${qualified(table)}'. Drop the existing clustered index '${other.name}' before creating another.`,
    { state: 3, line, scope: 'scope' },
  );
}

function addForeignKey(plan: TablePlan, clause: Extract<ConstraintClause, { kind: 'foreign' }>, check: boolean): void {
  const { table, environment } = plan;
  const { line } = clause;
  const id = plan.nextId();
  const own = same(clause.references.at(-1) ?? '', table.name) && same(clause.references.at(-2) ?? 'dbo', table.schema);
  const target = own ? table : environment.find(clause.references, line);
  const name = clause.name ?? systemName('FK', [table.name, clause.columns[0] ?? ''], id);
  if (target?.kind !== 'table') {
    throw new SqlError(1767, `Foreign key '${name}' references invalid table '${clause.references.join('.')}'.`, {
      state: 0,
      line,
      scope: 'scope',
      followedBy: couldNotCreate,
    });
  }
  const columns = clause.columns.map((column) =>
    findColumn(
      table,
      column,
      () =>
        new SqlError(
          1769,
          `Foreign key '${name}' references invalid column '${column}' in referencing table '${table.name}'.`,
          { line, scope: 'scope', followedBy: couldNotCreate },
        ),
    ),
  );
  const primary = target.indexes.find((index) => index.primary);
  const referenced =
    clause.referenced.length > 0
      ? clause.referenced.map((column) =>
          findColumn(
            target,
            column,
            () =>
              new SqlError(
                1770,
                `Foreign key '${name}' references invalid column '${column}' in referenced table '${target.name}'.`,
                { state: 0, line, scope: 'scope', followedBy: couldNotCreate },
              ),
          ),
        )
      : (primary?.columns ?? []).map((key) =>
          findColumn(
            target,
            target.columns.find((column) => column.id === key.id)?.name ?? '',
            () =>
              new SqlError(
                1773,
                `Foreign key '${name}' has implicit reference to object '${clause.references.join('.')}' which does not have a primary key defined on it.`,
                { state: 0, line, scope: 'scope', followedBy: couldNotCreate },
              ),
          ),
        );
  checkForeignKey(name, columns, referenced, table, target, line);
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
  if (columns.length !== referenced.length) {
    throw new SqlError(
      8139,
      `Number of referencing columns in foreign key differs from number of referenced columns, table '${table.name}'.`,
      { state: 0, line, scope: 'scope', followedBy: couldNotCreate },
    );
  }
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
  if (key === undefined) {
    throw new SqlError(
      1776,
      `There are no primary or candidate keys in the referenced table '${qualified(target)}' that match the referencing column list in the foreign key '${name}'.`,
      { state: 0, line, scope: 'scope', followedBy: couldNotCreate },
    );
  }
  columns.forEach((column, index) => {
    const other = referenced[index];
    const text = (one: ColumnDefinition): string =>
      familyOf(one.type) === 'string' ? JSON.stringify({ ...one.type }) : pgType(one.type);
    if (other !== undefined && text(other) !== text(column)) {
      throw new SqlError(
        1778,
        `Column '${qualified(target)}.${other.name}' is not the same data type as referencing column '${table.name}.${column.name}' in foreign key '${name}'.`,
        { state: 0, line, scope: 'scope', followedBy: couldNotCreate },
      );
    }
  });
}

export function addIndex(plan: TablePlan, clause: IndexClause): void {
  const { table, environment } = plan;
  const { line } = clause;
  if (clause.ignoreDuplicates)
    throw new SqlError(
      49999,
      'The local SQL stand-in does not support IGNORE_DUP_KEY = ON. SQL Server may; see local/sql/README.md.',
      { line, scope: 'batch' },
    );
  if (table.indexes.some((index) => same(index.name, clause.name))) {
    throw new SqlError(
      1913,
      `The operation failed because an index or statistics with name '${clause.name}' already exists on table '${qualified(table)}'.`,
      { line },
    );
  }
  const missing = (name: string) => (): SqlError =>
    new SqlError(1911, `Column name '${name}' does not exist in the target table or view.`, { line });
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
      throw new SqlError(
        1919,
        `Column '${column.name}' in table '${qualified(table)}' is of a type that is invalid for use as a key column in an index.`,
        { line },
      );
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

/** A stored value converted in place, for ALTER COLUMN. */
export const convertStored = (
  column: ColumnDefinition,
  to: ColumnDefinition,
  table: TableDefinition,
  databaseName: string,
): string =>
  familyOf(column.type) === familyOf(to.type)
    ? convertForColumn(
        { sql: `c${column.id}`, type: column.type, nullable: true, collation: null },
        to.type,
        `${databaseName}.${qualified(table)}`,
        to.name,
      )
    : convert({ sql: `c${column.id}`, type: column.type, nullable: true, collation: null }, to.type);

export function tableInfo(table: TableDefinition): string {
  const { columns, indexes, nextColumnId, nextIndexId } = table;
  return quote(JSON.stringify({ columns, indexes, nextColumnId, nextIndexId }));
}
