import { nvarchar } from '../binder/types';
import { type ColumnDefinition, type ModuleDefinition, type TableDefinition } from '../catalog/definitions';
import { literal } from '../emitter/typed';
import { notSupported, SqlError, sqlError } from '../errors';
import { type ExecuteStatement, type ModuleDefinition as ModuleSyntax, type Statement } from '../parser/ast';
import { parseNameText } from '../parser/parser';
import { type SqlType } from '../session';
import { compileChange, applyChange } from './changes';
import { type ErrorHandling } from './error-handling';
import { type Runtime } from './runtime';
import { type Variable } from './state';
import { type ProcedureArgument } from './calls';
import { convertValue, mismatch, runDynamic } from './dynamic-sql';
import { findSystemProcedure } from './system-procedures';
import { fromSqlValue, type Text } from './values';

/** EXEC: dynamic SQL, a procedure of the database, or a system procedure. */
export async function runExecute(statement: ExecuteStatement, runtime: Runtime, errors: ErrorHandling): Promise<void> {
  const { target } = statement;
  if (target.kind === 'text') {
    let text = '';
    for (const part of target.parts) text += (await runtime.evaluateAs(part, nvarchar('max'))) ?? '';
    await runDynamic(text, new Map(), runtime, errors, statement);
    return;
  }
  const args = await bindArguments(statement, runtime);
  let path: readonly string[];
  if (target.kind === 'module') path = target.path;
  else {
    const name = runtime.frame().variables.get(target.name)?.value ?? '';
    path = parseNameText(name) ?? [name];
  }
  const result = await callProcedure(path, args, runtime, errors, statement.line);
  for (const arg of args) if (arg.target !== null && arg.output) assignOutput(arg.target, arg, runtime);
  if (statement.result !== null) {
    const variable = runtime.frame().variables.get(statement.result);
    if (variable !== undefined) variable.value = String(result);
  }
}

async function bindArguments(statement: ExecuteStatement, runtime: Runtime): Promise<ProcedureArgument[]> {
  const args: ProcedureArgument[] = [];
  for (const { name, value, output } of statement.args) {
    if (value.kind === 'default') {
      args.push({ name, value: null, type: { name: 'int' }, output: false, useDefault: true, target: null });
      continue;
    }
    const table = value.kind === 'variable' ? runtime.frame().tables.get(value.name) : undefined;
    if (table !== undefined) {
      args.push({ name, value: null, type: { name: 'int' }, output, useDefault: false, target: null, table });
      continue;
    }
    const evaluated = await runtime.evaluate(value);
    args.push({ name, ...evaluated, output, useDefault: false, target: value.kind === 'variable' ? value.name : null });
  }
  return args;
}

function assignOutput(target: string, arg: ProcedureArgument, runtime: Runtime): void {
  const variable = runtime.frame().variables.get(target);
  if (variable !== undefined) variable.value = arg.value;
}

/** Calls by name; the result is the return status. Output values are written back into the arguments. */
export async function callProcedure(
  path: readonly string[],
  args: ProcedureArgument[],
  runtime: Runtime,
  errors: ErrorHandling,
  line: number,
): Promise<number> {
  const { state } = runtime;
  const name = path.at(-1) ?? '';
  const schema = path.at(-2)?.toLowerCase() ?? '';
  const found = schema === 'sys' ? null : await runtime.find(path, line);
  if (found?.kind !== 'procedure') {
    const system = findSystemProcedure(name);
    if (found === null && system !== undefined) {
      const result = await system({ args, runtime, errors, line });
      state.error = 0;
      return result;
    }
    if (found !== null)
      throw sqlError(2809, ['procedure', path.join('.'), found.kind.replace(/^.*(?=Function)/, '').toLowerCase()], {
        line,
      });
    throw sqlError(2812, [path.join('.')], { line });
  }
  const syntax = runtime.syntax(found);
  const variables = await parameters(found, args, runtime);
  const tables = tableParameters(syntax, args, variables);
  const frame = runtime.newFrame({ procedure: found.name, procedureId: found.id, variables, tables });
  const before = state.transaction.count;
  state.error = 0;
  await runtime.runModule(found, syntax, frame);
  found.columns.forEach((parameter, index) => {
    const arg =
      args.find((candidate) => candidate.name?.toLowerCase() === parameter.name.toLowerCase()) ??
      (args[index]?.name === null ? args[index] : undefined);
    if (arg?.output === true && parameter.rowguid) arg.value = frame.variables.get(parameter.name)?.value ?? null;
  });
  if (state.transaction.count !== before) mismatch(before, line, runtime, errors);
  return frame.returnValue;
}

/** Table-valued parameters: the caller's table variable itself, which the procedure may only read, or an empty one. */
function tableParameters(
  syntax: ModuleSyntax,
  args: readonly ProcedureArgument[],
  variables: Map<string, Variable>,
): Map<string, TableDefinition> {
  const tables = new Map<string, TableDefinition>();
  for (const [index, { name, type, readonly }] of syntax.parameters.entries()) {
    if (!readonly) continue;
    variables.delete(name);
    const arg =
      args.find((candidate) => candidate.name?.toLowerCase() === name) ??
      (args[index]?.name === null ? args[index] : undefined);
    if (arg !== undefined && arg.table === undefined && !arg.useDefault) {
      throw sqlError(206, [arg.type.name, type.name], { scope: 'statement' });
    }
    if (arg?.table !== undefined) tables.set(name, { ...arg.table, name, readOnly: true });
    else throw notSupported('table-valued parameters that are left out', type.line);
  }
  return tables;
}

/** Parameters of a procedure with the values of a call. */
async function parameters(
  procedure: ModuleDefinition,
  args: readonly ProcedureArgument[],
  runtime: Runtime,
): Promise<Map<string, Variable>> {
  const { columns, name } = procedure;
  const variables = new Map<string, Variable>();
  const given = new Map<string, ProcedureArgument>();
  args.forEach((arg, index) => {
    const parameter =
      arg.name === null
        ? columns[index]
        : columns.find((column) => column.name.toLowerCase() === arg.name?.toLowerCase());
    if (parameter === undefined) {
      if (arg.name === null) throw sqlError(8144, [name], { procedure: name });
      throw sqlError(8145, [arg.name, name], { procedure: name });
    }
    if (arg.output && !parameter.rowguid) throw sqlError(8162, [parameter.name], { procedure: name });
    if (given.has(parameter.name)) throw sqlError(8143, [parameter.name], { procedure: name });
    given.set(parameter.name, arg);
  });
  for (const parameter of columns)
    if (given.get(parameter.name)?.table === undefined)
      variables.set(parameter.name, {
        type: parameter.type,
        value: await parameterValue(parameter, given.get(parameter.name), name, runtime),
      });
  return variables;
}

async function parameterValue(
  parameter: ColumnDefinition,
  arg: ProcedureArgument | undefined,
  procedure: string,
  runtime: Runtime,
): Promise<Text> {
  if (arg !== undefined && !arg.useDefault) {
    try {
      return await convertValue(arg.value, arg.type, parameter.type, runtime);
    } catch (error) {
      // A parameter's value is not told, whatever the conversion.
      if (!(error instanceof SqlError) || ![235, 241, 242, 245, 8169].includes(error.number)) throw error;
      throw sqlError(8114, [arg.type.name, parameter.type.name], { procedure });
    }
  }
  if (parameter.computed === null) throw sqlError(201, [procedure, parameter.name], { procedure });
  const [result] = await runtime.run(`SELECT ${parameter.computed.text}`);
  return result?.rows[0]?.[0] ?? null;
}

type Insert = Extract<Statement, { kind: 'insert' }>;

/** INSERT ... EXEC: the rows are collected, then inserted by one statement. */
export async function runInsertExecute(
  statement: Insert,
  source: ExecuteStatement,
  line: number,
  runtime: Runtime,
): Promise<void> {
  const { state } = runtime;
  const rows: { values: Text[]; types: SqlType[] }[] = [];
  const outer = state.sink;
  if (state.collecting) throw sqlError(8164, [], { line });
  state.collecting = true;
  const limit = 50_000;
  let types: SqlType[] = [];
  state.sink = {
    ...outer,
    columns: (columns) => (types = columns.map((column) => column.type)),
    row: (values) => {
      if (rows.length >= limit) throw notSupported(`INSERT ... EXEC of more than ${limit} rows`, line);
      rows.push({ values: values.map((value, index) => fromSqlValue(value, types[index] ?? { name: 'int' })), types });
    },
    done: () => undefined,
  };
  try {
    await runExecute(source, runtime, {
      raise: () => Promise.reject(new Error('unreachable')),
      report: () => undefined,
    });
  } finally {
    state.sink = outer;
    state.collecting = false;
  }
  const width = rows[0]?.types.length ?? types.length;
  if (rows.length === 0) {
    state.rowCount = 0;
    runtime.done(0);
    return;
  }
  const names = Array.from({ length: width }, (_, index) => `o${index + 1}`);
  const values = rows.map(
    (row) => `(${row.values.map((value, index) => literal(value, row.types[index] ?? { name: 'int' })).join(', ')})`,
  );
  const columns = (rows[0]?.types ?? []).map((type) => ({ name: '', sql: '', type, nullable: true, collation: null }));
  const query = {
    sql: `SELECT ${names.join(', ')} FROM (VALUES ${values.join(', ')}) AS q(${names.join(', ')})`,
    columns,
  };
  const compiled = await runtime.compile((environment) => compileChange(statement, line, environment, query));
  await applyChange(compiled, statement, line, runtime);
}
