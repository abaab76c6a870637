import { bindCondition, bindExpression, resolveType, type Environment } from '../binder/environment';
import { bindBinary } from '../binder/expressions';
import { emptyScope } from '../binder/scope';
import { convert } from '../emitter/convert';
import { fillHoles } from '../emitter/holes';
import { pgType, quote } from '../emitter/typed';
import { type TableDefinition } from '../catalog/definitions';
import { notSupported, sqlError, undeclaredVariable } from '../errors';
import {
  type AssignOperator,
  type Expression,
  type ModuleDefinition,
  type Statement,
  type TableBody,
} from '../parser/ast';
import { nestedOf } from '../parser/walk';
import { type SqlType } from '../session';
import { compileChange } from './changes';
import { compileQuery } from './queries';
import { type Runtime } from './runtime';
import { holeText } from './session-values';
import { planTableVariable } from './table-drafts';
import { type Transaction } from './transaction';

/** Thrown while compiling a statement whose function this backend does not have yet. */
export class NeedsFunction extends Error {
  constructor(readonly id: number) {
    super('a function has to be compiled first');
  }
}

/** A function that was compiled under the catalog as it is now. */
export function compiledFunction(
  id: number,
  transaction: Pick<Transaction, 'functions' | 'cache'>,
): { name: string; table: TableDefinition | null } {
  const known = transaction.functions.get(id);
  const cache = transaction.cache();
  if (known === undefined || known.cache !== cache || known.generation !== cache.generation)
    throw new NeedsFunction(id);
  return known;
}

/**
 * A function is called once for each row, inside a query: PostgreSQL has to do it. Its T-SQL becomes a temporary PL/pgSQL
 * function of the backend at hand, its table variables temporary tables that each call empties first.
 */
export async function compileFunction(id: number, runtime: Runtime): Promise<void> {
  const { transaction } = runtime.state;
  const module = await runtime.describe(id);
  if (module?.kind !== 'scalarFunction' && module?.kind !== 'tableFunction')
    throw notSupported('calling this kind of function in an expression');
  const syntax = runtime.syntax(module);
  const tables = new Map<string, TableDefinition>();
  const create: string[] = [];
  for (const { name, body } of tablesOf(syntax)) {
    const plan = await runtime.compile((environment) =>
      planTableVariable(name, body, runtime.nextId(), runtime, environment),
    );
    tables.set(name, plan.table);
    create.push(...plan.sql);
  }
  const { returns } = syntax;
  const table = (returns?.kind === 'table' ? tables.get(returns.variable) : null) ?? null;
  const result = table ?? module.columns.at(-1)?.type ?? { name: 'int' };
  const parameters = table === null ? module.columns.slice(0, -1) : module.columns;
  const name = `pg_temp.f${id}_${runtime.nextId()}`;
  const remember = (): void => {
    const cache = transaction.cache();
    transaction.functions.set(id, { name, table, cache, generation: cache.generation });
  };
  // Known before it exists: a function may call itself.
  remember();
  try {
    const sql = await runtime.compile((environment) =>
      functionText(name, syntax, parameters, result, { ...environment, tables }, runtime),
    );
    await runtime.run([...create, sql].join(';'), 'CREATE FUNCTION');
  } catch (error) {
    transaction.functions.delete(id);
    throw error;
  }
  // it must not outlive this session's hold on the backend
  transaction.pin('function');
  transaction.unpin('function');
  remember();
}

function functionText(
  name: string,
  syntax: ModuleDefinition,
  parameters: readonly { name: string; type: SqlType }[],
  result: SqlType | TableDefinition,
  outer: Environment,
  runtime: Runtime,
): string {
  const types = new Map(parameters.map((parameter) => [parameter.name, parameter.type]));
  declareAll(syntax.body, types, outer);
  const names = new Map([...types.keys()].map((variable, index) => [variable, `v${index + 1}`]));
  names.set('@@rowcount', 'affected');
  const environment: Environment = { ...outer, variables: types, locks: [] };
  const stored = 'columns' in result ? result.columns.filter((column) => column.computed === null) : [];
  let loops = 0;

  const fill = (sql: string): string => fillHoles(sql, (hole) => names.get(hole) ?? holeText(hole, runtime));
  const value = (expression: Expression, type: SqlType): string =>
    fill(convert(bindExpression(expression, emptyScope(), environment), type, { line: expression.line }));
  const assign = (variable: string, operator: AssignOperator, expression: Expression, line: number): string => {
    const type = types.get(variable);
    if (type === undefined) throw undeclaredVariable(variable, line);
    if (operator === '=') return `${names.get(variable) ?? ''} := ${value(expression, type)};`;
    const op = operator.slice(0, 1);
    const binary =
      op === '-' || op === '*' || op === '/' || op === '%' || op === '&' || op === '|' || op === '^' ? op : '+';
    const current = bindExpression({ kind: 'variable', name: variable, line }, emptyScope(), environment);
    const computed = bindBinary(binary, current, bindExpression(expression, emptyScope(), environment), line);
    return `${names.get(variable) ?? ''} := ${fill(convert(computed, type, { line }))};`;
  };
  const emit = (statement: Statement): string => {
    switch (statement.kind) {
      case 'block':
        return statement.body.map(emit).join('\n');
      case 'declare':
        return statement.variables
          .map((item) => (item.value === null ? '' : assign(item.name, '=', item.value, item.line)))
          .join('\n');
      case 'setVariable':
        return assign(statement.variable, statement.operator, statement.value, statement.line);
      case 'if': {
        const otherwise = statement.otherwise === null ? '' : `ELSE ${emit(statement.otherwise)} `;
        return `IF (${fill(bindCondition(statement.condition, emptyScope(), environment))}) THEN ${emit(statement.then)} ${otherwise}END IF;`;
      }
      case 'while':
        return `WHILE (${fill(bindCondition(statement.condition, emptyScope(), environment))}) LOOP ${emit(statement.body)} END LOOP;`;
      case 'break':
        return 'EXIT;';
      case 'continue':
        return 'CONTINUE;';
      case 'return':
        if ('columns' in result)
          return `RETURN QUERY SELECT ${stored.map(({ id }) => `c${id}`).join(', ')} FROM ${result.physical}; RETURN;`;
        return `RETURN ${statement.value === null ? 'NULL' : value(statement.value, result)};`;
      case 'declareTable':
        return '';
      case 'insert':
      case 'update':
      case 'delete':
      case 'merge': {
        const change = compileChange(statement, statement.line, environment);
        if (change.output !== null || change.variables.length > 0)
          throw notSupported('OUTPUT and UPDATE ... SET @x = in a function', statement.line);
        return `${fill(change.sql)}; GET DIAGNOSTICS affected = ROW_COUNT;`;
      }
      case 'execute':
        return `PERFORM tsql.fail(557, 'statement', ${quote(sqlError(557).message)});`;
      case 'query': {
        const query = compileQuery(statement.query, environment);
        if (query.variables.length === 0)
          throw notSupported('a SELECT that returns rows in a function', statement.line);
        const row = `row${++loops}`;
        const sets = query.variables.map(
          (variable, index) => `${names.get(variable.name) ?? ''} := ${row}.o${index + 1};`,
        );
        return `DECLARE ${row} record; BEGIN affected := 0; FOR ${row} IN ${fill(query.sql)} LOOP ${sets.join(' ')} affected := affected + 1; END LOOP; END;`;
      }
      default:
        throw notSupported(`${statement.kind} in a function`, statement.line);
    }
  };

  const body = syntax.body.map(emit).join('\n');
  const empty = [...outer.tables.values()].map(({ physical, columns }) => {
    const { identity } = columns.find((column) => column.identity !== null) ?? {};
    const restart =
      identity == null ? '' : `PERFORM setval('${physical.replace('.v', '.s')}', ${identity.seed}, false);`;
    return `DELETE FROM ${physical};${restart}`;
  });
  const locals = [...types]
    .slice(parameters.length)
    .map(([variable, type]) => `${names.get(variable) ?? ''} ${pgType(type)};`);
  const list = parameters.map((parameter) => `${names.get(parameter.name) ?? ''} ${pgType(parameter.type)}`);
  return `CREATE FUNCTION ${name}(${list.join(', ')}) RETURNS ${'columns' in result ? 'SETOF record' : pgType(result)} LANGUAGE plpgsql ${empty.length > 0 ? 'VOLATILE' : 'STABLE'} AS $tsql_function$
#variable_conflict use_variable
DECLARE affected int4 := 0; ${locals.join(' ')}
BEGIN
${empty.join('')}
${body}
RETURN${'columns' in result ? '' : ' NULL'};
END $tsql_function$`;
}

/** All variables of a body: T-SQL's have the scope of the whole function. */
function declareAll(statements: readonly Statement[], types: Map<string, SqlType>, environment: Environment): void {
  for (const statement of statements) {
    if (statement.kind === 'declare') {
      for (const { name, type } of statement.variables) types.set(name, resolveType(environment, type));
    } else declareAll(nestedOf(statement), types, environment);
  }
}

/** The table that a function returns, and its table variables. */
function tablesOf({ returns, body }: ModuleDefinition): { name: string; body: TableBody }[] {
  const declared = (statements: readonly Statement[]): { name: string; body: TableBody }[] =>
    statements.flatMap((statement) =>
      statement.kind === 'declareTable' ? [statement] : declared(nestedOf(statement)),
    );
  return [...(returns?.kind === 'table' ? [{ name: returns.variable, body: returns.body }] : []), ...declared(body)];
}
