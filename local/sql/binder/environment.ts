import { undeclaredVariable, sqlError } from '../errors';
import { type ModuleDefinition, type ObjectDefinition, type TableDefinition } from '../catalog/definitions';
import {
  type Condition,
  type Expression,
  type ModuleDefinition as ModuleSyntax,
  type Path,
  type Query,
  type TypeName,
} from '../parser/ast';
import { type Typed } from '../emitter/typed';
import { type SqlType } from '../session';
import { type BoundQuery, type QueryOptions } from './bound';
import { type Scope } from './scope';

/** What the binder asks about the world outside a statement. All answers are in memory; see catalog/names.ts. */
export interface Environment {
  databaseId: number;
  databaseName: string;
  spid: number;
  /**
   * The object that a name means, null where there is none.
   *
   * @throws NeedsDefinition when it has to be read from the catalog first; SqlError 40515 for another database's.
   */
  find(path: Path, line: number): ObjectDefinition | null;
  findType(path: Path): ObjectDefinition | null;
  findById(id: number): ObjectDefinition | null;
  /** Triggers that are running: their own changes do not fire them again. */
  running: ReadonlySet<number>;
  /** SET ANSI_NULLS OFF: `= NULL` would mean IS NULL. */
  nullsEqual: boolean;
  variables: ReadonlyMap<string, SqlType>;
  /** Table variables by name; `inserted` and `deleted` inside a trigger. */
  tables: ReadonlyMap<string, TableDefinition>;
  /** Functions with statements are compiled to PostgreSQL: their name there, and the table that they return. */
  compiledFunction(id: number): { name: string; table: TableDefinition | null };
  /** Syntax tree of a view's or function's text. */
  syntax: (module: ModuleDefinition) => ModuleSyntax;
  bind: Binders;
  aliases: { next(): string };
  /** Table locks that hints of the statement ask for; taken before it runs. */
  locks: TableLock[];
}

/** Expressions, conditions and queries hold one another: each is bound through here. */
export interface Binders {
  expression: (expression: Expression, scope: Scope, environment: Environment) => Typed;
  condition: (condition: Condition, scope: Scope, environment: Environment) => string;
  query: (query: Query, parent: Scope | null, environment: Environment, options?: QueryOptions) => BoundQuery;
  scalarSubquery: (query: Query, scope: Scope, environment: Environment) => Typed;
}

/** PostgreSQL text and T-SQL type of an expression. @throws SqlError for what SQL Server refuses to compile. */
export const bindExpression: Binders['expression'] = (expression, scope, environment) =>
  environment.bind.expression(expression, scope, environment);

/** PostgreSQL text of a search condition. */
export const bindCondition: Binders['condition'] = (condition, scope, environment) =>
  environment.bind.condition(condition, scope, environment);

/** PostgreSQL text of a query, to be put into parentheses or run as it is. */
export const bindQuery: Binders['query'] = (query, parent, environment, options) =>
  environment.bind.query(query, parent, environment, options);

/** A query as a value. */
export const bindScalarSubquery: Binders['scalarSubquery'] = (query, scope, environment) =>
  environment.bind.scalarSubquery(query, scope, environment);

export interface TableLock {
  physical: string;
  mode: 'SHARE' | 'SHARE ROW EXCLUSIVE' | 'EXCLUSIVE';
}

export function variableType(environment: Environment, name: string, line: number): SqlType {
  const type = environment.variables.get(name);
  if (type !== undefined) return type;
  if (environment.tables.has(name)) {
    throw sqlError(137, [name], { state: 1, line });
  }
  throw undeclaredVariable(name, line);
}

/** T-SQL text of a table type's columns; null for any other type. */
export function tableTypeBody(environment: Pick<Environment, 'findType'>, name: TypeName): string | null {
  if (name.type !== null) return null;
  const found = environment.findType(name.schema === null ? [name.name] : [name.schema, name.name]);
  return found?.kind === 'type' ? found.body : null;
}

/** @throws SqlError 2715 for an unknown type. */
export function resolveType(environment: Pick<Environment, 'findType'>, name: TypeName, ordinal = 1): SqlType {
  if (name.type !== null) return name.type;
  const found = environment.findType(name.schema === null ? [name.name] : [name.schema, name.name]);
  if (found?.kind === 'type' && found.base !== null) return found.base;
  const full = name.schema === null ? name.name : `${name.schema}.${name.name}`;
  throw sqlError(2715, [ordinal, full], { line: name.line });
}
