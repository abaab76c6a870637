import { bindCondition, bindExpression, resolveType, type Environment } from '../binder/environment';
import { bindBinary } from '../binder/expressions';
import { emptyScope } from '../binder/scope';
import { convert } from '../emitter/convert';
import { fillHoles } from '../emitter/holes';
import { pgType } from '../emitter/typed';
import { notSupported, undeclaredVariable } from '../errors';
import { type AssignOperator, type Expression, type ModuleDefinition, type Statement } from '../parser/ast';
import { type SqlType } from '../session';
import { compileQuery } from './queries';
import { type Runtime } from './runtime';
import { holeText } from './session-values';
import { type Transaction } from './transaction';

/** Thrown while compiling a statement whose scalar function this backend does not have yet. */
export class NeedsFunction extends Error {
  constructor(readonly id: number) {
    super('a scalar function has to be compiled first');
  }
}

/** PostgreSQL's name of a function that was compiled under the catalog as it is now. */
export function functionName(id: number, transaction: Pick<Transaction, 'functions' | 'cache'>): string {
  const known = transaction.functions.get(id);
  const cache = transaction.cache();
  if (known === undefined || known.cache !== cache || known.generation !== cache.generation)
    throw new NeedsFunction(id);
  return known.name;
}

/**
 * A scalar function is called once for each row, inside a query: PostgreSQL has to do it. Its T-SQL becomes a temporary
 * PL/pgSQL function of the backend at hand.
 */
export async function compileScalarFunction(id: number, runtime: Runtime): Promise<void> {
  const { transaction } = runtime.state;
  const module = await runtime.describe(id);
  if (module?.kind !== 'scalarFunction') throw notSupported('calling this kind of function in an expression');
  const syntax = runtime.syntax(module);
  const result = module.columns.at(-1)?.type ?? { name: 'int' };
  const name = `pg_temp.f${id}_${runtime.nextId()}`;
  const remember = (): void => {
    const cache = transaction.cache();
    transaction.functions.set(id, { name, cache, generation: cache.generation });
  };
  // Known before it exists: a function may call itself.
  remember();
  try {
    const sql = await runtime.compile((environment) =>
      functionText(name, syntax, module.columns.slice(0, -1), result, environment, runtime),
    );
    await runtime.run(sql, 'CREATE FUNCTION');
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
  result: SqlType,
  outer: Environment,
  runtime: Runtime,
): string {
  const types = new Map(parameters.map((parameter) => [parameter.name, parameter.type]));
  declareAll(syntax.body, types, outer);
  const names = new Map([...types.keys()].map((variable, index) => [variable, `v${index + 1}`]));
  const environment: Environment = { ...outer, variables: types, tables: new Map(), locks: [] };
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
        return `RETURN ${statement.value === null ? 'NULL' : value(statement.value, result)};`;
      case 'query': {
        const query = compileQuery(statement.query, environment);
        if (query.variables.length === 0)
          throw notSupported('a SELECT that returns rows in a function', statement.line);
        const row = `row${++loops}`;
        const sets = query.variables.map(
          (variable, index) => `${names.get(variable.name) ?? ''} := ${row}.o${index + 1};`,
        );
        return `DECLARE ${row} record; BEGIN FOR ${row} IN ${fill(query.sql)} LOOP ${sets.join(' ')} END LOOP; END;`;
      }
      default:
        throw notSupported(`${statement.kind} in a scalar function`, statement.line);
    }
  };

  const body = syntax.body.map(emit).join('\n');
  const locals = [...types]
    .slice(parameters.length)
    .map(([variable, type]) => `${names.get(variable) ?? ''} ${pgType(type)};`);
  const list = parameters.map((parameter) => `${names.get(parameter.name) ?? ''} ${pgType(parameter.type)}`);
  return `CREATE FUNCTION ${name}(${list.join(', ')}) RETURNS ${pgType(result)} LANGUAGE plpgsql STABLE AS $tsql_function$
#variable_conflict use_variable
DECLARE ${locals.join(' ')}
BEGIN
${body}
RETURN NULL;
END $tsql_function$`;
}

/** All variables of a body: T-SQL's have the scope of the whole function. */
function declareAll(statements: readonly Statement[], types: Map<string, SqlType>, environment: Environment): void {
  for (const statement of statements) {
    if (statement.kind === 'declare') {
      for (const { name, type } of statement.variables) types.set(name, resolveType(environment, type));
    } else if (statement.kind === 'block') declareAll(statement.body, types, environment);
    else if (statement.kind === 'if')
      declareAll(
        statement.otherwise === null ? [statement.then] : [statement.then, statement.otherwise],
        types,
        environment,
      );
    else if (statement.kind === 'while') declareAll([statement.body], types, environment);
    else if (statement.kind === 'declareTable')
      throw notSupported('table variables in a scalar function', statement.line);
  }
}
