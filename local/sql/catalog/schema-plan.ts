import { resolveType, type Environment } from '../binder/environment';
import { same } from '../binder/scope';
import { familyOf } from '../binder/types';
import { quote } from '../emitter/typed';
import { notSupported, sqlError } from '../errors';
import { type messages } from '../messages';
import { type SequenceOptions, type StatementBody } from '../parser/ast';
import { type SqlType } from '../session';
import { type ObjectDefinition } from './definitions';

type Kinds =
  | 'createSchema'
  | 'alterSchema'
  | 'createSequence'
  | 'alterSequence'
  | 'createSynonym'
  | 'createType'
  | 'drop'
  | 'createPrincipal'
  | 'roleMember'
  | 'permission';
export type SchemaObjectStatement = Extract<StatementBody, { kind: Kinds }>;

export interface SchemaContext {
  databaseId: number;
  schema: { id: number; name: string };
  /** What the statement's path names now. */
  object: ObjectDefinition | null;
  environment: Environment;
}

/** PostgreSQL statements for everything whose definition is little more than a row of the catalog. */
export function planSchemaObject(statement: SchemaObjectStatement, context: SchemaContext): string[] {
  switch (statement.kind) {
    case 'createSchema':
      return createSchema(statement.name, statement.owner, context);
    case 'alterSchema':
      return transfer(statement, context);
    case 'createSequence':
      return createSequence(statement, context);
    case 'alterSequence':
      return alterSequence(statement, context);
    case 'createSynonym':
      return [insertObject(context, statement.path.at(-1) ?? '', 'SN', 'o', { target: statement.target })];
    case 'createType': {
      const { base, body, nullable, path } = statement;
      const exists = `tsql.type_id(${context.databaseId}, ${quote(path.map((part) => `[${part}]`).join('.'))}) IS NOT NULL`;
      const info = { base: base && resolveType(context.environment, base), nullable, body };
      return [
        failWhen(exists, 219, path.join('.')),
        insertObject(context, path.at(-1) ?? '', body === null ? 'AT' : 'TT', 't', info),
      ];
    }
    case 'drop':
      return dropSchemaObject(statement, context);
    case 'createPrincipal':
      return createPrincipal(statement.name, statement.type, statement.options, context);
    case 'roleMember':
      return roleMember(statement, context);
    case 'permission':
      return permission(statement, context);
  }
}

/** Raises a T-SQL error inside PostgreSQL when a condition holds. */
const failWhen = (condition: string, number: keyof typeof messages, ...args: string[]): string =>
  `SELECT tsql.fail(${number}, 'statement', ${quote(sqlError(number, args).message)}) WHERE ${condition}`;

const principal = (name: string, { databaseId }: SchemaContext): string =>
  `(SELECT id FROM catalog.principals WHERE database_id = ${databaseId} AND lower(name) = lower(${quote(name)}))`;

function createSchema(name: string, owner: string | null, context: SchemaContext): string[] {
  const { databaseId } = context;
  return [
    ...(owner === null ? [] : [failWhen(`${principal(owner, context)} IS NULL`, 15151, 'find', 'user', owner)]),
    failWhen(`tsql.schema_id(${databaseId}, ${quote(name)}) IS NOT NULL`, 2714, name),
    `INSERT INTO catalog.schemas (database_id, id, name) SELECT ${databaseId}, coalesce(max(id) FILTER (WHERE id < 16384), 4) + 1, ${quote(name)} FROM catalog.schemas WHERE database_id = ${databaseId}`,
  ];
}

function transfer(
  statement: Extract<SchemaObjectStatement, { kind: 'alterSchema' }>,
  context: SchemaContext,
): string[] {
  const { object, databaseId } = context;
  const schemaId = `tsql.schema_id(${databaseId}, ${quote(statement.schema)})`;
  if (object === null) throw sqlError(15151, ['find', 'object', statement.path.at(-1) ?? '']);
  return [
    failWhen(`${schemaId} IS NULL`, 15151, 'alter', 'schema', statement.schema),
    `UPDATE catalog.objects SET schema_id = ${schemaId} WHERE id = ${object.id} OR parent_id = ${object.id}`,
  ];
}

function insertObject(
  { databaseId, schema }: SchemaContext,
  name: string,
  type: string,
  space: string,
  info: object,
): string {
  return `INSERT INTO catalog.objects (database_id, schema_id, space, name, type, info) VALUES (${databaseId}, ${schema.id}, '${space}', ${quote(name)}, '${type}', ${quote(JSON.stringify(info))})`;
}

const bounds: Readonly<Record<string, readonly [string, string]>> = {
  tinyint: ['0', '255'],
  smallint: ['-32768', '32767'],
  int: ['-2147483648', '2147483647'],
  bigint: ['-9223372036854775808', '9223372036854775807'],
};

function createSequence(
  statement: Extract<SchemaObjectStatement, { kind: 'createSequence' }>,
  context: SchemaContext,
): string[] {
  const { options } = statement;
  const type: SqlType = statement.type === null ? { name: 'bigint' } : resolveType(context.environment, statement.type);
  const [low = '', high = ''] = bounds[type.name] ?? bounds.bigint ?? [];
  const increment = options.increment ?? '1';
  const full = statement.path.join('.');
  if (increment === '0') throw sqlError(11700, [full]);
  if (type.name === 'bit' || !(familyOf(type) === 'integer' || ('precision' in type && type.scale === 0)))
    throw sqlError(11702, [full]);
  const minimum = options.minimum ?? low;
  const maximum = options.maximum ?? high;
  const start = options.start ?? (increment.startsWith('-') ? maximum : minimum);
  if (BigInt(minimum) >= BigInt(maximum)) throw sqlError(11705, [full]);
  if (BigInt(start) < BigInt(minimum) || BigInt(start) > BigInt(maximum)) throw sqlError(11703, [full]);
  const info = { type, start, increment, minimum, maximum, cycle: options.cycle ?? false };
  const name = statement.path.at(-1) ?? '';
  const pg = `AS int8 START ${start} INCREMENT ${increment} MINVALUE ${minimum} MAXVALUE ${maximum} ${options.cycle === true ? 'CYCLE' : 'NO CYCLE'}`;
  return [
    insertObject(context, name, 'SO', 'o', info),
    // its id comes from the row that was just written
    `DO $do$ BEGIN EXECUTE format('CREATE SEQUENCE d${context.databaseId}.q%s ${pg}', (SELECT id FROM catalog.objects WHERE database_id = ${context.databaseId} AND schema_id = ${context.schema.id} AND space = 'o' AND lower(name) = lower(${quote(name)}))); END $do$`,
  ];
}

function alterSequence(
  statement: Extract<SchemaObjectStatement, { kind: 'alterSequence' }>,
  context: SchemaContext,
): string[] {
  const { object } = context;
  const { options } = statement;
  if (object?.kind !== 'sequence') throw sqlError(15151, ['alter', 'sequence', statement.path.join('.')]);
  const clauses: string[] = [];
  if (options.increment !== undefined) clauses.push(`INCREMENT ${options.increment}`);
  if (options.minimum != null) clauses.push(`MINVALUE ${options.minimum}`);
  if (options.maximum != null) clauses.push(`MAXVALUE ${options.maximum}`);
  if (options.cycle !== undefined) clauses.push(options.cycle ? 'CYCLE' : 'NO CYCLE');
  if (options.restart !== undefined) clauses.push(`RESTART WITH ${options.restart ?? object.start}`);
  const changed: SequenceOptions & { start?: string } = {
    increment: options.increment,
    minimum: options.minimum ?? undefined,
    maximum: options.maximum ?? undefined,
    cycle: options.cycle,
  };
  if (options.restart != null) changed.start = options.restart;
  const info = JSON.stringify(Object.fromEntries(Object.entries(changed).filter(([, item]) => item !== undefined)));
  return [
    `ALTER SEQUENCE d${context.databaseId}.q${object.id} ${clauses.join(' ')}`,
    `UPDATE catalog.objects SET info = info || ${quote(info)} WHERE id = ${object.id}`,
  ];
}

function dropSchemaObject(
  statement: Extract<SchemaObjectStatement, { kind: 'drop' }>,
  context: SchemaContext,
): string[] {
  const { databaseId } = context;
  const [path = []] = statement.paths;
  const name = path.at(-1) ?? '';
  const { what, ifExists } = statement;
  const missing = (exists: string): string[] => {
    if (ifExists) return [];
    const full = path.join('.');
    if (what === 'type') return [failWhen(`NOT EXISTS (${exists})`, 218, full)];
    return [failWhen(`NOT EXISTS (${exists})`, 15151, 'drop', what, full)];
  };
  const fixed = what === 'schema' ? /^(dbo|guest|sys|information_schema|db_\w+)$/i : /^(dbo|guest|sys|public|db_\w+)$/i;
  if (what !== 'type' && fixed.test(name)) throw sqlError(15150, ['drop', what, name]);
  if (what === 'schema') {
    const schemaId = `tsql.schema_id(${databaseId}, ${quote(name)})`;
    return [
      ...missing(`SELECT FROM catalog.schemas WHERE database_id = ${databaseId} AND id = ${schemaId}`),
      `SELECT tsql.fail(3729, 'statement', format('Cannot drop schema ''%s'' because it is being referenced by object ''%s''.', ${quote(name)}, (SELECT name FROM catalog.objects WHERE database_id = ${databaseId} AND schema_id = ${schemaId} ORDER BY id LIMIT 1))) WHERE EXISTS (SELECT FROM catalog.objects WHERE database_id = ${databaseId} AND schema_id = ${schemaId})`,
      `DELETE FROM catalog.schemas WHERE database_id = ${databaseId} AND id = ${schemaId}`,
    ];
  }
  if (what === 'type') {
    const id = `tsql.type_id(${databaseId}, ${quote(path.map((part) => `[${part}]`).join('.'))})`;
    return [
      ...missing(`SELECT FROM catalog.objects WHERE id = ${id}`),
      `SELECT tsql.fail(3732, 'statement', ${quote(`Cannot drop type '${path.join('.')}' because it is being referenced by object.`)}) WHERE EXISTS (SELECT FROM catalog.objects o, jsonb_array_elements(o.info -> 'columns') c WHERE o.database_id = ${databaseId} AND lower(c ->> 'userType') = lower(${quote(name)}))`,
      `DELETE FROM catalog.objects WHERE id = ${id} AND space = 't'`,
    ];
  }
  const id = principal(name, context);
  return [
    ...missing(`SELECT FROM catalog.principals WHERE database_id = ${databaseId} AND id = ${id}`),
    failWhen(`EXISTS (SELECT FROM catalog.role_members WHERE database_id = ${databaseId} AND role_id = ${id})`, 15144),
    `DELETE FROM catalog.role_members WHERE database_id = ${databaseId} AND (member_id = ${id} OR role_id = ${id})`,
    `DELETE FROM catalog.permissions WHERE database_id = ${databaseId} AND grantee_id = ${id}`,
    `DELETE FROM catalog.principals WHERE database_id = ${databaseId} AND id = ${id}`,
  ];
}

function createPrincipal(name: string, type: string, options: string, context: SchemaContext): string[] {
  const { databaseId } = context;
  return [
    failWhen(`${principal(name, context)} IS NOT NULL`, 15023, name),
    `INSERT INTO catalog.principals (database_id, id, name, type, options) SELECT ${databaseId}, coalesce(max(id) FILTER (WHERE id < 16384), 4) + 1, ${quote(name)}, '${type}', ${quote(options)} FROM catalog.principals WHERE database_id = ${databaseId}`,
  ];
}

function roleMember(
  statement: Extract<SchemaObjectStatement, { kind: 'roleMember' }>,
  context: SchemaContext,
): string[] {
  const [role, member] = [principal(statement.role, context), principal(statement.member, context)];
  const check = [
    failWhen(`${role} IS NULL`, 15151, 'alter', 'role', statement.role),
    failWhen(`${member} IS NULL`, 15151, statement.add ? 'add' : 'drop', 'principal', statement.member),
  ];
  const change = statement.add
    ? `INSERT INTO catalog.role_members SELECT ${context.databaseId}, ${role}, ${member} ON CONFLICT DO NOTHING`
    : `DELETE FROM catalog.role_members WHERE database_id = ${context.databaseId} AND role_id = ${role} AND member_id = ${member}`;
  return [...check, change];
}

/** GRANT, DENY and REVOKE are recorded; every login here is the owner, so none of them decides anything. */
function permission(
  statement: Extract<SchemaObjectStatement, { kind: 'permission' }>,
  context: SchemaContext,
): string[] {
  const { databaseId } = context;
  const name = statement.path.at(-1) ?? '';
  const onObject = statement.class === 'OBJECT';
  let major = '0';
  if (onObject) {
    if (context.object === null) throw sqlError(15151, ['find', 'object', name]);
    major = String(context.object.id);
    const { kind } = context.object;
    const rows = ['table', 'view', 'inlineFunction', 'tableFunction'].includes(kind);
    const wrong = statement.permissions.find((right) =>
      kind === 'procedure' || kind === 'scalarFunction'
        ? ['SELECT', 'INSERT', 'UPDATE', 'DELETE'].includes(right)
        : rows && right === 'EXECUTE',
    );
    if (wrong !== undefined) throw sqlError(4606, [wrong]);
  } else if (statement.class === 'SCHEMA') major = `tsql.schema_id(${databaseId}, ${quote(name)})`;
  else if (!same(statement.class, 'DATABASE')) throw notSupported(`permissions on ${statement.class}`);
  return statement.principals.flatMap((grantee) => {
    const id = principal(grantee, context);
    const checks = [failWhen(`${id} IS NULL`, 15151, 'find', 'user', grantee)];
    if (statement.class === 'SCHEMA') checks.push(failWhen(`${major} IS NULL`, 15151, 'find', 'schema', name));
    return [
      ...checks,
      ...statement.permissions.flatMap((right) => {
        const key = `database_id = ${databaseId} AND class = '${statement.class}' AND major_id = ${major} AND grantee_id = ${id} AND permission = ${quote(right)}`;
        const remove = `DELETE FROM catalog.permissions WHERE ${key}`;
        if (statement.action === 'REVOKE') return [remove];
        return [
          remove,
          `INSERT INTO catalog.permissions SELECT ${databaseId}, '${statement.class}', ${major}, ${id}, ${quote(right)}, '${statement.action === 'GRANT' ? 'G' : 'D'}'`,
        ];
      }),
    ];
  });
}
