import { SqlError, undeclaredVariable } from '../errors';
import { type ModuleDefinition, type ObjectDefinition, type TableDefinition } from '../catalog/definitions';
import { type ModuleDefinition as ModuleSyntax, type Path, type TypeName } from '../parser/ast';
import { type SqlType } from '../session';

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
  variables: ReadonlyMap<string, SqlType>;
  /** Table variables by name; `inserted` and `deleted` inside a trigger. */
  tables: ReadonlyMap<string, TableDefinition>;
  /** Scalar functions are compiled to PostgreSQL; this answers the function's name there. */
  scalarFunction(id: number): string;
  /** Syntax tree of a view's or function's text. */
  syntax: (module: ModuleDefinition) => ModuleSyntax;
  aliases: { next(): string };
  /** Table locks that hints of the statement ask for; taken before it runs. */
  locks: TableLock[];
}

export interface TableLock {
  physical: string;
  mode: 'SHARE' | 'SHARE ROW EXCLUSIVE' | 'EXCLUSIVE';
}

export function variableType(environment: Environment, name: string, line: number): SqlType {
  const type = environment.variables.get(name);
  if (type !== undefined) return type;
  if (environment.tables.has(name)) {
    throw new SqlError(137, `Must declare the scalar variable "${name}".`, {
      severity: 15,
      state: 1,
      line,
      scope: 'scope',
    });
  }
  throw undeclaredVariable(name, line);
}

/** @throws SqlError 2715 for an unknown type. */
export function resolveType(environment: Pick<Environment, 'findType'>, name: TypeName, ordinal = 1): SqlType {
  if (name.type !== null) return name.type;
  const found = environment.findType(name.schema === null ? [name.name] : [name.schema, name.name]);
  if (found?.kind === 'type' && found.base !== null) return found.base;
  const full = name.schema === null ? name.name : `${name.schema}.${name.name}`;
  throw new SqlError(2715, `Column, parameter, or variable #${ordinal}: Cannot find data type ${full}.`, {
    state: 6,
    line: name.line,
    scope: 'scope',
  });
}
