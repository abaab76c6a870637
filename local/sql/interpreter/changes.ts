import { type BoundQuery } from '../binder/bound';
import { variableType, type Environment } from '../binder/environment';
import { bindDelete, bindMerge, bindUpdate } from '../binder/dml';
import { bindInsert } from '../binder/insert';
import { type BoundChange } from '../binder/change';
import { insteadOf } from '../binder/instead-of';
import { familyOf } from '../binder/types';
import { type TableDefinition } from '../catalog/definitions';
import { notSupported, sqlError } from '../errors';
import { convert } from '../emitter/convert';
import { type DmlStatement } from '../parser/ast';
import { describeColumns, withLocks } from './queries';
import { type ChangedRows, type CompiledChange } from './compiled';
import { type Runtime } from './runtime';
import { type SqlType } from '../session';
import { runTriggers } from './triggers';
import { toSqlValue, type Text } from './values';

export function compileChange(
  statement: DmlStatement,
  line: number,
  environment: Environment,
  source: BoundQuery | null = null,
): CompiledChange {
  const instead = insteadOf(statement, line, environment);
  const bound = bind(statement, line, instead?.environment ?? environment, source);
  const variableTypes = bound.variables.map(({ name }) => variableType(environment, name, line));
  return { ...bound, locks: environment.locks, variableTypes, shadow: instead?.shadow ?? null };
}

function bind(statement: DmlStatement, line: number, environment: Environment, source: BoundQuery | null): BoundChange {
  switch (statement.kind) {
    case 'insert':
      return bindInsert(statement, line, environment, source);
    case 'update':
      return bindUpdate(statement, line, environment);
    case 'delete':
      return bindDelete(statement, line, environment);
    case 'merge':
      return bindMerge(statement, line, environment);
  }
}

/** Runs INSERT, UPDATE, DELETE or MERGE with its OUTPUT clause and the triggers of its table. */
export async function runChange(statement: DmlStatement, line: number, runtime: Runtime): Promise<void> {
  if (statement.kind === 'insert' && statement.source !== null && !('body' in statement.source))
    throw notSupported('INSERT ... EXEC', line);
  const limit = runtime.state.options.rowCount;
  if (limit > 0 && statement.top === null) {
    const count = { kind: 'literal', type: 'int', text: String(limit), line } as const;
    const limited = { ...statement, top: { count, percent: false, withTies: false } };
    const bound = await runtime.compile((environment) => compileChange(limited, line, environment));
    return applyChange(bound, statement, line, runtime);
  }
  const compile = (environment: Environment): CompiledChange => compileChange(statement, line, environment);
  // what a trigger changes depends on which triggers are running
  const compiled = await (runtime.state.triggerNesting > 0
    ? runtime.compile(compile)
    : runtime.compileOnce(runtime.memos.changes, statement, compile));
  await applyChange(compiled, statement, line, runtime);
}

export async function applyChange(
  compiled: CompiledChange,
  statement: DmlStatement,
  line: number,
  runtime: Runtime,
): Promise<void> {
  const { table } = compiled;
  const prepared = statement.kind === 'insert' ? withIdentity(compiled, statement.columns, line, runtime) : compiled;
  const { shadow } = compiled;
  if (shadow !== null) {
    await runtime.state.transaction.atomically(runtime.state.signal, async () => {
      await runtime.run(shadow.sql.join(';'));
      const rows = await changeRows(prepared, runtime, true);
      await runtime.run(`DROP TABLE ${table.physical}`);
      await runTriggers([shadow.trigger], compiled, rows, runtime);
    });
    return;
  }
  const triggers = table.triggers.filter(
    (trigger) =>
      trigger.timing === 'after' &&
      !trigger.disabled &&
      trigger.events.some((event) => compiled.events.includes(event)),
  );
  const explicit =
    statement.kind === 'insert' && prepared.identity !== null && runtime.state.identityInsert === table.id;
  if (triggers.length > 0) {
    await runtime.state.transaction.atomically(runtime.state.signal, async () => {
      await runTriggers(triggers, compiled, await changeRows(prepared, runtime, true), runtime);
    });
  } else await changeRows(prepared, runtime, false);
  if (explicit) await advanceIdentity(table, runtime);
}

/** The next identity value follows the highest that was inserted by hand. */
async function advanceIdentity(table: TableDefinition, runtime: Runtime): Promise<void> {
  const value = runtime.state.identityValue;
  const identity = table.columns.find((column) => column.identity !== null)?.identity;
  if (value === null || identity == null) return;
  const beyond = identity.increment.startsWith('-') ? '<' : '>';
  const sequence = table.physical.replace(/\.[tv]/, '.s');
  await runtime.run(
    `SELECT setval('${sequence}', ${value}) FROM ${sequence} WHERE ${value} ${beyond} last_value OR (${value} = last_value AND NOT is_called)`,
  );
}

/** IDENTITY_INSERT: explicit values need it ON, and ON needs explicit values. */
function withIdentity(
  compiled: CompiledChange,
  columns: readonly string[] | null,
  line: number,
  runtime: Runtime,
): CompiledChange {
  const { identity, table } = compiled;
  if (identity === null) return compiled;
  const explicit = columns?.some((column) => column.toLowerCase() === identity.name.toLowerCase()) === true;
  const on = runtime.state.identityInsert === table.id;
  if (explicit && !on) {
    throw sqlError(544, [table.name], { line });
  }
  if (!explicit && on) throw sqlError(545, [table.name], { line });
  return compiled;
}

/**
 * One statement in PostgreSQL does the change; what OUTPUT, SCOPE_IDENTITY and triggers need of its rows comes back in the
 * same round trip through RETURNING.
 */
async function changeRows(compiled: CompiledChange, runtime: Runtime, forTriggers: boolean): Promise<ChangedRows> {
  const { output, identity, verb } = compiled;
  const capture = forTriggers ? `pg_temp.x${runtime.nextId()}` : null;
  const returned: string[] = [];
  const add = (sql: string): string => {
    returned.push(`${sql} AS x${returned.length}`);
    return `x${returned.length - 1}`;
  };
  const outputNames = output?.sql.map(add) ?? [];
  const identityName = identity === null ? null : add(`n.c${identity.id}`);
  const variableNames = compiled.variables.map(({ typed }, index) =>
    add(convert(typed, compiled.variableTypes[index] ?? typed.type)),
  );
  const images =
    capture === null
      ? []
      : imageColumns(compiled.table).map(({ sql, name }) => {
          returned.push(`${sql} AS ${name}`);
          return name;
        });
  const { sql } = compiled;
  if (returned.length === 0) {
    const results = await runtime.run(withLocks(sql, compiled.locks, runtime), verb);
    return finish(results.at(-1)?.count ?? 0, null, runtime);
  }
  const change = `WITH change AS (${sql} RETURNING WITH (OLD AS o, NEW AS n) ${returned.join(', ')})`;
  if (capture === null && output?.into === null)
    return streamOutput(compiled, change, outputNames, identityName, runtime);
  const steps = withSteps(compiled, change, { outputNames, identityName, variableNames, images, capture });
  const results = await runtime.run(withLocks(steps, compiled.locks, runtime), verb);
  const summary = results.at(-1)?.rows[0] ?? [];
  const count = Number(summary[0] ?? 0);
  if (identityName !== null && summary[1] != null) setIdentity(summary[1], runtime);
  compiled.variables.forEach(({ name }, index) => {
    const variable = runtime.frame().variables.get(name);
    if (variable !== undefined && count > 0) variable.value = summary[2 + index] ?? null;
  });
  return finish(count, capture, runtime);
}

/** Keeps the returned rows where they are needed, and ends with one row: count, identity, variables. */
function withSteps(
  compiled: CompiledChange,
  change: string,
  names: {
    outputNames: string[];
    identityName: string | null;
    variableNames: string[];
    images: string[];
    capture: string | null;
  },
): string {
  const { output } = compiled;
  const { capture, identityName, variableNames } = names;
  const identity = identityName === null ? 'NULL' : `max(${identityName})`;
  const summary = `SELECT count(*), ${[identity, ...variableNames.map((name) => `(array_agg(${name}))[count(*)]`)].join(', ')}`;
  if (output?.into == null && capture === null) return `${change} ${summary} FROM change`;
  const insertInto =
    output?.into == null
      ? ''
      : `INSERT INTO ${output.into.table.physical} (${output.into.columns.map((column) => `c${column.id}`).join(', ')}) SELECT ${names.outputNames.join(', ')} FROM `;
  if (capture === null) return `${change}, kept AS (${insertInto}change) ${summary} FROM change`;
  const create = `CREATE TEMP TABLE ${capture.slice('pg_temp.'.length)} ON COMMIT DROP AS ${emptyCapture(compiled, names)}`;
  const fill = `${change} INSERT INTO ${capture} SELECT * FROM change`;
  return [create, fill, ...(insertInto === '' ? [] : [`${insertInto}${capture}`]), `${summary} FROM ${capture}`].join(
    ';',
  );
}

/** The capture table's shape: PostgreSQL cannot create a table from a data change. */
function emptyCapture(
  compiled: CompiledChange,
  names: { outputNames: string[]; identityName: string | null; variableNames: string[] },
): string {
  const typed = (type: SqlType): string =>
    convert({ sql: 'NULL', type, nullable: true, collation: null, isNull: true }, type) +
    (familyOf(type) === 'string' ? ' COLLATE tsql.ci' : '');
  const into = compiled.output?.into;
  const columns = names.outputNames.map(
    (name, index) =>
      `${typed(into?.columns[index]?.type ?? compiled.output?.columns[index]?.type ?? { name: 'int' })} AS ${name}`,
  );
  if (names.identityName !== null && compiled.identity !== null)
    columns.push(`${typed(compiled.identity.type)} AS ${names.identityName}`);
  names.variableNames.forEach((name, index) =>
    columns.push(`${typed(compiled.variableTypes[index] ?? { name: 'int' })} AS ${name}`),
  );
  for (const { name, type } of imageColumns(compiled.table)) columns.push(`${typed(type)} AS ${name}`);
  return `SELECT ${columns.join(', ')} WHERE false`;
}

/** Old and new values of all stored columns, and which of them a row has. */
export function imageColumns(table: TableDefinition): { sql: string; name: string; type: SqlType }[] {
  const stored = table.columns.filter((column) => column.computed === null);
  return [
    { sql: '(o.tableoid IS NOT NULL)::int::int2', name: 'has_old', type: { name: 'bit' } },
    { sql: '(n.tableoid IS NOT NULL)::int::int2', name: 'has_new', type: { name: 'bit' } },
    ...stored.map((column) => ({ sql: `o.c${column.id}`, name: `o${column.id}`, type: column.type })),
    ...stored.map((column) => ({ sql: `n.c${column.id}`, name: `n${column.id}`, type: column.type })),
  ];
}

async function streamOutput(
  compiled: CompiledChange,
  change: string,
  outputNames: readonly string[],
  identityName: string | null,
  runtime: Runtime,
): Promise<ChangedRows> {
  const { output } = compiled;
  if (output === null) return { count: 0, captured: null };
  runtime.state.sink.columns(describeColumns(output.columns));
  let count = 0;
  let last: Text = null;
  const list = [...outputNames, ...(identityName === null ? [] : [identityName])];
  await runtime.run(
    withLocks(`${change} SELECT ${list.join(', ')} FROM change`, compiled.locks, runtime),
    compiled.verb,
    {
      onRow: (row) => {
        count++;
        if (identityName !== null) last = row[outputNames.length] ?? last;
        return sendRow(row, compiled, runtime);
      },
    },
  );
  if (last !== null) setIdentity(last, runtime);
  return finish(count, null, runtime, true);
}

function sendRow(row: readonly Text[], compiled: CompiledChange, runtime: Runtime): void | Promise<void> {
  const columns = compiled.output?.columns ?? [];
  return runtime.state.sink.row(columns.map((column, index) => toSqlValue(row[index] ?? null, column.type)));
}

function setIdentity(value: Text, runtime: Runtime): void {
  runtime.state.identityValue = value;
  runtime.frame().scopeIdentity = value;
}

function finish(count: number, captured: string | null, runtime: Runtime, isSelect = false): ChangedRows {
  runtime.state.rowCount = count;
  if (captured === null) runtime.done(count, isSelect);
  return { count, captured };
}
