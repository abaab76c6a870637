import { resolveType } from '../binder/environment';
import { same } from '../binder/scope';
import { isWide, sysname } from '../binder/types';
import { value } from '../emitter/built-in';
import { streamRows } from './queries';
import { type TableDefinition } from '../catalog/definitions';
import { tableInfo } from '../catalog/table-plan';
import { quote } from '../emitter/typed';
import { notSupported, SqlError, sqlError } from '../errors';
import { missingProcedures } from '../missing';
import { parseNameText, parseParameterList } from '../parser/parser';
import { type SqlColumn } from '../session';
import { runSchemaObject } from './definitions';
import { boundBy } from './bindings';
import { extendedProperty } from './extended-properties';
import { type ProcedureArgument, type ProcedureCall } from './calls';
import { convertValue, runDynamic } from './dynamic-sql';
import { type Runtime } from './runtime';
import { type Variable } from './state';
import { type Text } from './values';

type SystemProcedure = (call: ProcedureCall) => Promise<number>;

/** The procedures that SQL Server brings along. */
export function findSystemProcedure(name: string): SystemProcedure | undefined {
  const key = name.toLowerCase();
  if (!missingProcedures.has(key) && !key.startsWith('xp_')) return procedures[key];
  return () => Promise.reject(notSupported(`the system procedure ${name}`));
}

/** Values of a call by parameter name, in the order in which the procedure declares them. */
function named(call: ProcedureCall, ...names: string[]): (Text | undefined)[] {
  return names.map((name, index) => {
    const arg =
      call.args.find((candidate) => candidate.name !== null && same(candidate.name, name)) ??
      (call.args[index]?.name === null ? call.args[index] : undefined);
    return arg === undefined || arg.useDefault ? undefined : arg.value;
  });
}

const procedures: Record<string, SystemProcedure> = {
  sp_executesql: executeSql,
  sp_getapplock: getAppLock,
  sp_releaseapplock: releaseAppLock,
  sp_rename: rename,
  sp_addextendedproperty: (call) => extendedProperty('add', call),
  sp_updateextendedproperty: (call) => extendedProperty('update', call),
  sp_dropextendedproperty: (call) => extendedProperty('drop', call),
  sp_addrolemember: (call) => roleMember(call, true),
  sp_droprolemember: (call) => roleMember(call, false),
  sp_refreshview: (call) => refresh(call, '@viewname'),
  sp_refreshsqlmodule: (call) => refresh(call, '@name'),
  sp_recompile: (call) => refresh(call, '@objname'),
  sp_updatestats: async () => 0,
  sp_set_session_context: setContext,
  sp_tableoption: async () => 0,
  sp_helptext: helpText,
  sp_addrole: (call) => principal(call, 'R'),
  sp_adduser: (call) => principal(call, 'S'),
  sp_grantdbaccess: (call) => principal(call, 'S'),
  sp_droprole: (call) => dropPrincipal(call, 'role'),
  sp_dropuser: (call) => dropPrincipal(call, 'user'),
  sp_revokedbaccess: (call) => dropPrincipal(call, 'user'),
  sp_addtype: addType,
  sp_helprotect: listPermissions,
  sp_helpindex: helpIndex,
  sp_msforeachtable: forEachTable,
};

/** sp_executesql: text, parameter list, values. */
async function executeSql(call: ProcedureCall): Promise<number> {
  const { runtime } = call;
  const [statement, declaration, ...rest] = call.args;
  for (const [arg, parameter] of [
    [statement, '@statement'],
    [declaration, '@params'],
  ] as const) {
    const wide = arg === undefined || arg.value === null || isWide(arg.type);
    if (!wide) throw sqlError(214, [parameter, 'ntext/nchar/nvarchar'], { procedure: 'sp_executesql' });
  }
  const text = statement?.value ?? null;
  if (text === null) return 0;
  const declared = declaration?.value ?? '';
  const list = parseParameterList(declared, { quotedIdentifier: runtime.state.options.quotedIdentifier });
  const variables = new Map<string, Variable>();
  const outputs: { arg: ProcedureArgument; name: string }[] = [];
  for (const [index, parameter] of list.entries()) {
    const type = await runtime.compile((environment) => resolveType(environment, parameter.type));
    const arg =
      rest.find((candidate) => candidate.name !== null && same(candidate.name, parameter.name)) ??
      (rest[index]?.name === null ? rest[index] : undefined);
    if (arg === undefined) throw sqlError(8178, [declared, text, parameter.name]);
    variables.set(parameter.name, { type, value: await convertValue(arg.value, arg.type, type, runtime) });
    if (arg.output && parameter.output) outputs.push({ arg, name: parameter.name });
  }
  if (rest.length > list.length) throw sqlError(8144, ['']);
  const frame = await runDynamic(text, variables, runtime, call.errors, call);
  for (const { arg, name } of outputs) arg.value = frame.variables.get(name)?.value ?? null;
  return 0;
}

const lockModes: Readonly<Record<string, boolean>> = { exclusive: true, shared: false };

async function getAppLock(call: ProcedureCall): Promise<number> {
  const { state } = call.runtime;
  const [resource, mode, owner, timeout, principal] = named(
    call,
    '@Resource',
    '@LockMode',
    '@LockOwner',
    '@LockTimeout',
    '@DbPrincipal',
  );
  if (resource == null || resource.length > 255 || mode == null) return -999;
  const exclusive = lockModes[mode.toLowerCase()];
  if (exclusive === undefined) {
    if (['update', 'intentshared', 'intentexclusive'].includes(mode.toLowerCase()))
      throw notSupported(`sp_getapplock with @LockMode = '${mode}'`, call.line);
    return -999;
  }
  const ownedBy = (owner ?? 'Transaction').toLowerCase();
  if (ownedBy !== 'transaction' && ownedBy !== 'session') return -999;
  if (ownedBy === 'transaction' && state.transaction.count === 0) return -999;
  const timeoutMs = timeout == null ? state.options.lockTimeoutMs : Number(timeout);
  return state.transaction.lock(
    `${state.database.id}/${principal ?? 'public'}/${resource}`,
    exclusive,
    ownedBy,
    timeoutMs,
    state.signal,
  );
}

async function releaseAppLock(call: ProcedureCall): Promise<number> {
  const { state } = call.runtime;
  const [resource, owner, principal] = named(call, '@Resource', '@LockOwner', '@DbPrincipal');
  const ownedBy = (owner ?? 'Transaction').toLowerCase() === 'session' ? 'session' : 'transaction';
  const released = await state.transaction.unlock(
    `${state.database.id}/${principal ?? 'public'}/${resource ?? ''}`,
    ownedBy,
    state.signal,
  );
  if (released) return 0;
  throw sqlError(1223, [principal ?? 'public', resource ?? ''], { line: call.line });
}

const caution = 'Caution: Changing any part of an object name could break scripts and stored procedures.';

async function rename(call: ProcedureCall): Promise<number> {
  const { runtime } = call;
  const [oldName, newName, kind] = named(call, '@objname', '@newname', '@objtype');
  const path = parseNameText(oldName ?? '');
  const wanted = (kind ?? '').toUpperCase();
  if (path === null || newName == null || newName === '') throw ambiguous(wanted);
  if (wanted === 'COLUMN' || wanted === 'INDEX') {
    const table = await runtime.find(path.slice(0, -1), call.line);
    if (table?.kind !== 'table') throw ambiguous(wanted);
    await renameInTable(table, path.at(-1) ?? '', newName, wanted, oldName ?? '', runtime);
  } else if (wanted === '' || wanted === 'OBJECT') {
    const found = path.length > 3 ? null : await runtime.find(path, call.line);
    if (found === null) {
      // without a kind the name may also be a column's
      const table = path.length > 1 && wanted === '' ? await runtime.find(path.slice(0, -1), call.line) : null;
      if (table?.kind !== 'table' || !table.columns.some((column) => same(column.name, path.at(-1) ?? '')))
        throw sqlError(15225, [oldName ?? '', runtime.state.database.name, kind ?? '(null)'], {
          procedure: 'sp_rename',
        });
      await renameInTable(table, path.at(-1) ?? '', newName, 'COLUMN', oldName ?? '', runtime);
    } else {
      if ((await boundBy(found, null, runtime)) !== null)
        throw sqlError(15336, [oldName ?? ''], { procedure: 'sp_rename' });
      await renameObject(found.id, newName, runtime);
    }
  } else if (wanted === 'USERDATATYPE') throw notSupported("sp_rename of 'USERDATATYPE'");
  else throw sqlError(15249, [kind ?? '']);
  runtime.state.transaction.catalogChanged();
  runtime.info(caution, { number: 15477 });
  return 0;
}

const ambiguous = (kind: string): SqlError =>
  sqlError(15248, [kind === '' ? 'null' : kind], { procedure: 'sp_rename' });

async function renameInTable(
  table: TableDefinition,
  name: string,
  newName: string,
  kind: 'COLUMN' | 'INDEX',
  full: string,
  runtime: Runtime,
): Promise<void> {
  const draft = structuredClone(table);
  const list: { name: string; constraintId?: number | null }[] = kind === 'COLUMN' ? draft.columns : draft.indexes;
  const item = list.find((candidate) => same(candidate.name, name));
  if (item === undefined) throw ambiguous(kind);
  if (list.some((candidate) => candidate !== item && same(candidate.name, newName))) {
    throw sqlError(15335, [newName, kind], { procedure: 'sp_rename' });
  }
  const old = item.name;
  item.name = newName;
  const statements = [
    `UPDATE catalog.objects SET info = ${tableInfo(draft)}, version = version + 1 WHERE id = ${table.id}`,
  ];
  if (item.constraintId != null)
    statements.push(`UPDATE catalog.objects SET name = ${quote(newName)} WHERE id = ${item.constraintId}`);
  if (kind === 'COLUMN') {
    // SQL Server refuses when a constraint's text names the column
    const enforced = table.checks.find((check) =>
      new RegExp(`\\b${old.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}\\b`, 'i').test(check.text),
    );
    if (enforced !== undefined || (await boundBy(table, old, runtime)) !== null)
      throw sqlError(15336, [full], { procedure: 'sp_rename' });
  }
  await runtime.run(statements.join(';'), 'sp_rename');
}

async function renameObject(id: number, newName: string, runtime: Runtime): Promise<void> {
  const statements = [
    `UPDATE catalog.objects SET name = ${quote(newName)} WHERE id = ${id}`,
    // a key constraint and its index share their name
    `UPDATE catalog.objects SET info = jsonb_set(info, '{indexes}', (SELECT jsonb_agg(CASE WHEN (i ->> 'constraintId')::int = ${id} THEN i || jsonb_build_object('name', ${quote(newName)}::text) ELSE i END) FROM jsonb_array_elements(info -> 'indexes') i)) WHERE id = (SELECT parent_id FROM catalog.objects WHERE id = ${id}) AND info @> '{"indexes":[{"constraintId":${id}}]}'`,
  ];
  try {
    await runtime.run(statements.join(';'), 'sp_rename');
  } catch (error) {
    if (!(error instanceof SqlError) || error.number !== 2714) throw error;
    throw sqlError(15335, [newName, 'object'], { procedure: 'sp_rename' });
  }
}

async function helpText(call: ProcedureCall): Promise<number> {
  const { runtime } = call;
  const [name] = named(call, '@objname');
  const found = await runtime.find(parseNameText(name ?? '') ?? [''], call.line);
  if (found === null || !('source' in found))
    throw sqlError(15009, [name ?? '', runtime.state.database.name], { procedure: 'sp_helptext' });
  runtime.state.sink.columns([{ name: 'Text', type: { name: 'nvarchar', length: 255 }, nullable: true }]);
  const lines = found.source.split(/(?<=\n)/);
  for (const line of lines) await runtime.state.sink.row([line]);
  runtime.done(lines.length, true);
  return 0;
}

/** sp_set_session_context: a value that the session keeps, maybe for good. */
async function setContext(call: ProcedureCall): Promise<number> {
  const { context } = call.runtime.state;
  const [key, , fixed] = named(call, '@key', '@value', '@read_only');
  const arg = call.args.find(({ name }) => name !== null && same(name, '@value')) ?? call.args[1];
  if (key == null || arg === undefined)
    throw sqlError(201, ['sp_set_session_context', key == null ? '@key' : '@value']);
  if (context.get(key)?.fixed === true) throw sqlError(15664, [key], { procedure: 'sp_set_session_context' });
  const value = await convertValue(arg.value, arg.type, { name: 'nvarchar', length: 4000 }, call.runtime);
  context.set(key, { value, fixed: fixed === '1' });
  return 0;
}

/** What depends on a name is looked up at each use; the name must mean something. */
async function refresh(call: ProcedureCall, parameter: string): Promise<number> {
  const [name] = named(call, parameter);
  const found = await call.runtime.find(parseNameText(name ?? '') ?? [''], call.line);
  if (found === null) throw sqlError(15165, [name ?? ''], { procedure: 'sp_refreshsqlmodule_internal' });
  return 0;
}

async function principal(call: ProcedureCall, type: 'R' | 'S'): Promise<number> {
  const [name, user] = named(call, '@rolename', '@ownername');
  await runSchemaObject({ kind: 'createPrincipal', name: user ?? name ?? '', type, options: '' }, call.runtime);
  return 0;
}

async function dropPrincipal(call: ProcedureCall, what: 'role' | 'user'): Promise<number> {
  const [name] = named(call, '@rolename');
  await runSchemaObject({ kind: 'drop', what, paths: [[name ?? '']], ifExists: false }, call.runtime);
  return 0;
}

/** sp_addtype: CREATE TYPE as it was before SQL Server 2005. */
async function addType(call: ProcedureCall): Promise<number> {
  const [name, base, nullability] = named(call, '@typename', '@phystype', '@nulltype');
  const [parameter] = parseParameterList(`@p ${base ?? ''}`, { quotedIdentifier: true });
  const nullable = (nullability ?? 'NULL').toUpperCase() !== 'NOT NULL';
  const type = { kind: 'createType', path: [name ?? ''], base: parameter?.type ?? null, nullable, body: null } as const;
  await runSchemaObject(type, call.runtime);
  return 0;
}

/** sp_helprotect without parameters: what was granted on objects. */
async function listPermissions({ runtime, args, line }: ProcedureCall): Promise<number> {
  if (args.length > 0) throw notSupported('sp_helprotect with parameters', line);
  const names = ['Owner', 'Object', 'Grantee', 'Grantor', 'ProtectType', 'Action', 'Column'];
  const columns = names.map((name) => ({ ...value('', sysname), name }));
  const sql = `SELECT tsql.object_schema_name(database_id, major_id), tsql.object_name(database_id, major_id), tsql.principal_name(database_id, grantee_id), 'dbo',
    CASE state WHEN 'G' THEN 'Grant' ELSE 'Deny' END, initcap(permission), '.' FROM catalog.permissions WHERE class = 'OBJECT' AND database_id = ${runtime.state.database.id}`;
  await streamRows(sql, columns, 'SELECT', runtime);
  return 0;
}

/** sp_helpindex: name, description and keys of each index. */
async function helpIndex(call: ProcedureCall): Promise<number> {
  const { runtime } = call;
  const [name] = named(call, '@objname');
  const table = await runtime.find(parseNameText(name ?? '') ?? [''], call.line);
  if (table?.kind !== 'table')
    throw sqlError(15009, [name ?? '', runtime.state.database.name], { procedure: 'sp_helpindex' });
  const type = (length: number): SqlColumn['type'] => ({ name: 'nvarchar', length });
  const sizes = { index_name: 128, index_description: 210, index_keys: 2078 };
  runtime.state.sink.columns(
    Object.entries(sizes).map(([column, length]) => ({ name: column, type: type(length), nullable: true })),
  );
  const sorted = [...table.indexes].sort((a, b) => a.name.localeCompare(b.name));
  for (const index of sorted) {
    const words = [index.clustered ? 'clustered' : 'nonclustered', ...(index.unique ? ['unique'] : [])];
    if (index.constraintId !== null) words.push(index.primary ? 'primary key' : 'unique key');
    const keys = index.columns.map(
      ({ id, descending }) =>
        `${table.columns.find((column) => column.id === id)?.name ?? ''}${descending ? '(-)' : ''}`,
    );
    await runtime.state.sink.row([index.name, `${words.join(', ')} located on PRIMARY`, keys.join(', ')]);
  }
  runtime.done(sorted.length, true);
  return 0;
}

/** sp_MSforeachtable: a command for each table, whose name stands where the command has a question mark. */
async function forEachTable(call: ProcedureCall): Promise<number> {
  const { runtime } = call;
  const [command] = named(call, '@command1');
  if (call.args.length > 1 || command == null)
    throw notSupported('sp_MSforeachtable with more than @command1', call.line);
  const [tables] = await runtime.run(
    `SELECT format('[%s].[%s]', s.name, o.name) FROM catalog.objects o JOIN catalog.schemas s ON s.database_id = o.database_id AND s.id = o.schema_id WHERE o.database_id = ${runtime.state.database.id} AND o.type = 'U' ORDER BY o.id`,
  );
  for (const [table] of tables?.rows ?? [])
    await runDynamic(command.replaceAll('?', table ?? ''), new Map(), runtime, call.errors, call);
  return 0;
}

async function roleMember(call: ProcedureCall, add: boolean): Promise<number> {
  const [role, member] = named(call, '@rolename', '@membername');
  await runSchemaObject({ kind: 'roleMember', role: role ?? '', member: member ?? '', add }, call.runtime);
  return 0;
}
