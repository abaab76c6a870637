import { notSupported, sqlError } from '../errors';
import {
  bigint,
  commonType,
  datetime,
  decimal,
  digitsOf,
  familyOf,
  float,
  int,
  nvarchar,
  sysname,
} from '../binder/types';
import { type SqlType } from '../session';
import { convert } from './convert';
import { argument, defined, text, value, type BuiltIn, type Call } from './built-in';
import { dateFunctions } from './date-functions';
import { formatFunction } from './format';
import { jsonFunctions } from './json-functions';
import { stringFunctions } from './string-functions';
import { hole } from './holes';
import { pgType, plain, type Typed } from './typed';

const mathFloat = (name: string): BuiltIn =>
  defined(1, 1, (call) => value(`${name}(${argument(call, 0, float)})`, float));

/** A function of one number that keeps the number's type. */
const mathSame = (name: string): BuiltIn =>
  defined(1, 1, (call) => {
    const arg = call.args[0];
    const type = arg === undefined || familyOf(arg.type) === 'string' ? float : arg.type;
    const whole = type.name === 'bit' || type.name === 'tinyint' || type.name === 'smallint' ? int : type;
    const result =
      whole.name === 'decimal' || whole.name === 'numeric'
        ? name === 'abs' || name === 'sign'
          ? whole
          : decimal(38, 0)
        : whole;
    return value(`${name}(${argument(call, 0, whole)})::${pgType(result)}`, result);
  });

const mathFunctions: Record<string, BuiltIn> = {
  ABS: mathSame('abs'),
  CEILING: mathSame('ceil'),
  FLOOR: mathSame('floor'),
  SIGN: mathSame('sign'),
  ROUND: defined(2, 3, (call) => {
    const [arg] = call.args;
    const type =
      arg === undefined || familyOf(arg.type) === 'string'
        ? float
        : arg.type.name === 'tinyint' || arg.type.name === 'smallint'
          ? int
          : arg.type;
    const digits = argument(call, 1, int);
    const cut =
      call.args.length > 2
        ? `(CASE WHEN ${argument(call, 2, int)} <> 0 THEN trunc((${argument(call, 0, type)})::numeric, ${digits}) ELSE round((${argument(call, 0, type)})::numeric, ${digits}) END)`
        : `round((${argument(call, 0, type)})::numeric, ${digits})`;
    return value(convert(value(cut, decimal(38, 18)), type, { explicit: true }).replace('::numeric(38,18)', ''), type);
  }),
  POWER: defined(2, 2, (call) => {
    const [arg] = call.args;
    const type =
      arg === undefined || familyOf(arg.type) === 'string'
        ? float
        : familyOf(arg.type) === 'integer' && arg.type.name !== 'bigint'
          ? int
          : 'precision' in arg.type
            ? decimal(38, arg.type.scale)
            : arg.type;
    return value(
      convert(value(`power((${argument(call, 0, type)})::float8, ${argument(call, 1, float)})`, float), type, {
        explicit: true,
      }),
      type,
    );
  }),
  SQUARE: defined(1, 1, (call) => value(`power(${argument(call, 0, float)}, 2)`, float)),
  SQRT: mathFloat('sqrt'),
  EXP: mathFloat('exp'),
  LOG: defined(1, 2, (call) =>
    value(
      call.args.length > 1
        ? `(ln(${argument(call, 0, float)}) / ln(${argument(call, 1, float)}))`
        : `ln(${argument(call, 0, float)})`,
      float,
    ),
  ),
  LOG10: mathFloat('log10'),
  SIN: mathFloat('sin'),
  COS: mathFloat('cos'),
  TAN: mathFloat('tan'),
  ASIN: mathFloat('asin'),
  ACOS: mathFloat('acos'),
  ATAN: mathFloat('atan'),
  ATN2: defined(2, 2, (call) => value(`atan2(${argument(call, 0, float)}, ${argument(call, 1, float)})`, float)),
  DEGREES: mathFloat('degrees'),
  RADIANS: mathFloat('radians'),
  PI: defined(0, 0, () => value('pi()', float, false)),
  RAND: defined(0, 1, () => value('random()', float, false)),
};

/** First of several values, all converted to what they have in common. */
export function unified(args: readonly Typed[], emit: (sqls: string[]) => string, line: number): Typed {
  const known = args.filter((arg) => arg.isNull !== true);
  const type = known.map((arg) => arg.type).reduce((a, b) => commonType(a, b), known[0]?.type ?? int);
  return {
    sql: emit(args.map((arg) => convert(arg, type, { line }))),
    type,
    nullable: args.every((arg) => arg.nullable),
    collation: known.find((arg) => arg.collation !== null)?.collation ?? null,
  };
}

const logicFunctions: Record<string, BuiltIn> = {
  ISNULL: defined(2, 2, (call) => {
    const [first, second] = call.args;
    if (first === undefined || second === undefined) return value('NULL', int);
    if (first.isNull === true) return second;
    const type = first.type;
    return {
      sql: `coalesce(${first.sql}, ${convert(second, type, { explicit: familyOf(type) === 'string', line: call.line })})`,
      type,
      nullable: first.nullable && second.nullable,
      collation: first.collation,
    };
  }),
  COALESCE: defined(2, 254, (call) => {
    if (call.args.every((arg) => arg.isNull === true)) throw sqlError(4127, [], { line: call.line });
    return unified(call.args, (sqls) => `coalesce(${sqls.join(', ')})`, call.line);
  }),
  GREATEST: defined(1, 254, (call) => unified(call.args, (sqls) => `greatest(${sqls.join(', ')})`, call.line)),
  LEAST: defined(1, 254, (call) => unified(call.args, (sqls) => `least(${sqls.join(', ')})`, call.line)),
  CHOOSE: defined(2, 254, (call) =>
    unified(
      call.args.slice(1),
      (sqls) =>
        `(CASE ${argument(call, 0, int)} ${sqls.map((sql, index) => `WHEN ${index + 1} THEN ${sql}`).join(' ')} END)`,
      call.line,
    ),
  ),
  ISNUMERIC: defined(1, 1, (call) => {
    const [arg] = call.args;
    if (arg !== undefined && familyOf(arg.type) !== 'string')
      return value(
        `(CASE WHEN ${arg.sql} IS NULL THEN 0 ELSE ${digitsOf(arg.type)[0] > 0 && familyOf(arg.type) !== 'temporal' ? 1 : 0} END)`,
        int,
        false,
      );
    return value(`tsql.isnumeric(${plain(text(call, 0))})`, int, false);
  }),
  ISDATE: defined(1, 1, (call) =>
    value(
      `(CASE WHEN tsql.try_text_to_timestamp(${plain(text(call, 0))}, 0, 'datetime', 'varchar') IS NULL THEN 0 ELSE 1 END)`,
      int,
      false,
    ),
  ),
  CHECKSUM: defined(1, 254, (call) =>
    value(`hashtext(concat_ws('|', ${call.args.map((arg) => `(${arg.sql})::text`).join(', ')}))`, int, false),
  ),
  NEWID: defined(0, 0, () => value('gen_random_uuid()', { name: 'uniqueidentifier' }, false)),
  NEWSEQUENTIALID: defined(0, 0, () => value('tsql.sequential_guid()', { name: 'uniqueidentifier' }, false)),
  FORMAT: defined(2, 3, formatFunction),
};

/** Session state: the interpreter fills the hole. */
const state = (name: string, type: SqlType): BuiltIn => defined(0, 1, () => value(hole(name), type));

const onCatalog = (emit: (call: Call) => string, type: SqlType, min: number, max: number): BuiltIn =>
  defined(min, max, (call) => value(emit(call), type));

/** One line each, as a table. */
// prettier-ignore
const systemFunctions: Record<string, BuiltIn> = {
  ERROR_NUMBER: state('error_number', int),
  ERROR_SEVERITY: state('error_severity', int),
  ERROR_STATE: state('error_state', int),
  ERROR_LINE: state('error_line', int),
  ERROR_PROCEDURE: state('error_procedure', sysname),
  ERROR_MESSAGE: state('error_message', nvarchar(4000)),
  XACT_STATE: state('xact_state', { name: 'smallint' }),
  CURRENT_TRANSACTION_ID: state('transaction_id', bigint),
  SCOPE_IDENTITY: state('scope_identity', decimal(38, 0)),
  ROWCOUNT_BIG: state('rowcount_big', bigint),
  HOST_NAME: state('host_name', sysname),
  APP_NAME: state('app_name', sysname),
  SUSER_SNAME: state('login', sysname),
  SUSER_NAME: state('login', sysname),
  ORIGINAL_LOGIN: state('login', sysname),
  SYSTEM_USER: state('login', sysname),
  SUSER_ID: defined(0, 1, () => value('1', int)),
  CURRENT_USER: state('user', sysname),
  SESSION_USER: state('user', sysname),
  USER: state('user', sysname),
  TRIGGER_NESTLEVEL: state('trigger_nestlevel', int),
  USER_NAME: defined(0, 1, (call) => value(call.args.length > 0 ? `tsql.principal_name(${call.databaseId}, ${argument(call, 0, int)})` : hole('user'), sysname)),
  USER_ID: onCatalog((call) => (call.args.length > 0 ? `tsql.principal_id(${call.databaseId}, ${text(call, 0)})` : '1'), int, 0, 1),
  DATABASE_PRINCIPAL_ID: onCatalog((call) => (call.args.length > 0 ? `tsql.principal_id(${call.databaseId}, ${text(call, 0)})` : '1'), int, 0, 1),
  DB_NAME: onCatalog((call) => (call.args.length > 0 ? `tsql.database_name(${argument(call, 0, int)})` : hole('database')), sysname, 0, 1),
  DB_ID: onCatalog((call) => (call.args.length > 0 ? `tsql.database_id(${text(call, 0)})` : String(call.databaseId)), int, 0, 1),
  SCHEMA_NAME: onCatalog((call) => (call.args.length > 0 ? `tsql.schema_name(${call.databaseId}, ${argument(call, 0, int)})` : "'dbo'"), sysname, 0, 1),
  SCHEMA_ID: onCatalog((call) => (call.args.length > 0 ? `tsql.schema_id(${call.databaseId}, ${text(call, 0)})` : '1'), int, 0, 1),
  OBJECT_ID: onCatalog((call) => objectId(call, 0, call.args.length > 1 ? text(call, 1) : 'NULL'), int, 1, 2),
  OBJECT_NAME: onCatalog((call) => `tsql.object_name(${call.databaseId}, ${argument(call, 0, int)})`, sysname, 1, 2),
  OBJECT_SCHEMA_NAME: onCatalog((call) => `tsql.object_schema_name(${call.databaseId}, ${argument(call, 0, int)})`, sysname, 1, 2),
  OBJECT_DEFINITION: onCatalog((call) => `(tsql.object_row(${argument(call, 0, int)})).source`, nvarchar('max'), 1, 1),
  OBJECTPROPERTY: onCatalog((call) => `tsql.object_property(${argument(call, 0, int)}, lower(${text(call, 1)}))`, int, 2, 2),
  OBJECTPROPERTYEX: onCatalog((call) => `tsql.object_property(${argument(call, 0, int)}, lower(${text(call, 1)}))`, int, 2, 2),
  COLUMNPROPERTY: onCatalog((call) => `tsql.column_property(${argument(call, 0, int)}, ${text(call, 1)}, lower(${text(call, 2)}))`, int, 3, 3),
  INDEXPROPERTY: onCatalog((call) => `tsql.index_property(${argument(call, 0, int)}, ${text(call, 1)}, lower(${text(call, 2)}))`, int, 3, 3),
  COL_LENGTH: onCatalog((call) => `tsql.col_length(${objectId(call, 0, 'NULL')}, ${text(call, 1)})`, { name: 'smallint' }, 2, 2),
  COL_NAME: onCatalog((call) => `tsql.col_name(${argument(call, 0, int)}, ${argument(call, 1, int)})`, sysname, 2, 2),
  TYPE_ID: onCatalog((call) => `tsql.type_id(${call.databaseId}, ${text(call, 0)})`, int, 1, 1),
  TYPE_NAME: onCatalog((call) => `tsql.type_name(${call.databaseId}, ${argument(call, 0, int)})`, sysname, 1, 1),
  IDENT_CURRENT: onCatalog((call) => `tsql.ident_current(${call.databaseId}, ${objectId(call, 0, 'NULL')})`, decimal(38, 0), 1, 1),
  IDENT_SEED: onCatalog((call) => `tsql.identity_part(${objectId(call, 0, 'NULL')}, 'seed')`, decimal(38, 0), 1, 1),
  IDENT_INCR: onCatalog((call) => `tsql.identity_part(${objectId(call, 0, 'NULL')}, 'increment')`, decimal(38, 0), 1, 1),
  IS_MEMBER: defined(1, 1, (call) => value(`(CASE WHEN lower(${text(call, 0)}) IN ('db_owner', 'public') THEN 1 WHEN tsql.principal_id(${call.databaseId}, ${text(call, 0)}) IS NULL THEN NULL ELSE 0 END)`, int)),
  IS_ROLEMEMBER: defined(1, 2, (call) => value(`(CASE WHEN lower(${text(call, 0)}) IN ('db_owner', 'public') THEN 1 WHEN tsql.principal_id(${call.databaseId}, ${text(call, 0)}) IS NULL THEN NULL ELSE 0 END)`, int)),
  IS_SRVROLEMEMBER: defined(1, 2, () => value('0', int)),
  HAS_PERMS_BY_NAME: defined(3, 5, () => value('1', int)),
  HAS_DBACCESS: onCatalog((call) => `(CASE WHEN tsql.database_id(${text(call, 0)}) IS NULL THEN NULL ELSE 1 END)`, int, 1, 1),
  SERVERPROPERTY: onCatalog((call) => serverProperty(call), nvarchar(128), 1, 1),
  DATABASEPROPERTYEX: onCatalog((call) => `tsql.database_property(${text(call, 0)}, lower(${text(call, 1)}))`, nvarchar(128), 2, 2),
  CONNECTIONPROPERTY: onCatalog((call) => `(CASE lower(${text(call, 0)}) WHEN 'net_transport' THEN 'TCP' WHEN 'auth_scheme' THEN 'SQL' END)`, nvarchar(128), 1, 1),
  SESSIONPROPERTY: defined(1, 1, (call) => value(hole(`session_property:${call.args[0]?.constant?.toUpperCase() ?? ''}`), int)),
  CURSOR_STATUS: defined(2, 2, (call) => value(hole(`cursor_status:${constant(call, 0)}:${constant(call, 1)}`), { name: 'smallint' })),
  SESSION_CONTEXT: defined(1, 1, (call) => value(hole(`session_context:${constant(call, 0)}`), nvarchar(4000))),
  CONTEXT_INFO: state('context_info', { name: 'varbinary', length: 128 }),
  FULLTEXTSERVICEPROPERTY: defined(1, 1, () => value('0', int)),
  STATS_DATE: defined(2, 2, () => value('NULL::timestamp', datetime)),
};

/** An argument that has to be known when the statement is compiled. */
function constant(call: Call, index: number): string {
  const known = call.args[index]?.constant;
  if (known === undefined) throw notSupported(`${call.name} of an expression`, call.line);
  return known;
}

const objectId = (call: Call, index: number, type: string): string =>
  `tsql.object_id(${call.databaseId}, ${hole('spid')}, ${text(call, index)}, ${type})`;

/** SERVERPROPERTY answers sql_variant; here nvarchar, which converts to all that scripts compare it with. */
function serverProperty(call: Call): string {
  return `(CASE lower(${text(call, 0)}) WHEN 'edition' THEN 'SQL Azure' WHEN 'engineedition' THEN '5' WHEN 'productversion' THEN '12.0.2000.8'
    WHEN 'productmajorversion' THEN '12' WHEN 'productlevel' THEN 'RTM' WHEN 'collation' THEN 'SQL_Latin1_General_CP1_CI_AS'
    WHEN 'servername' THEN ${hole('server')} WHEN 'machinename' THEN ${hole('server')} WHEN 'isfulltextinstalled' THEN '0'
    WHEN 'isintegratedsecurityonly' THEN '0' WHEN 'ishadrenabled' THEN '0' END)`;
}

const functions: ReadonlyMap<string, BuiltIn> = new Map(
  Object.entries({
    ...stringFunctions,
    ...mathFunctions,
    ...logicFunctions,
    ...systemFunctions,
    ...dateFunctions,
    ...jsonFunctions,
  }),
);

/** @throws SqlError 195 for an unknown function, 174 or 189 for a wrong number of arguments. */
export function emitBuiltIn(call: Call): Typed {
  const builtIn = functions.get(call.name.toUpperCase());
  const { line } = call;
  if (builtIn === undefined) throw sqlError(195, [call.name, 'built-in function name'], { state: 10, line });
  const { min, max } = builtIn;
  const count = call.args.length;
  if (count >= min && count <= max) return builtIn.emit(call);
  const name = call.name.toLowerCase();
  throw min === max ? sqlError(174, [name, min], { line }) : sqlError(189, [name, min, max], { line });
}

/** @@ variables, which are functions in all but name. */
// prettier-ignore
export const globalVariables: Readonly<Record<string, SqlType>> = {
  '@@rowcount': int, '@@error': int, '@@trancount': int, '@@identity': decimal(38, 0), '@@fetch_status': int,
  '@@cursor_rows': int, '@@spid': { name: 'smallint' }, '@@version': nvarchar(300), '@@servername': sysname,
  '@@servicename': sysname, '@@nestlevel': int, '@@procid': int, '@@options': int, '@@lock_timeout': int,
  '@@datefirst': { name: 'tinyint' }, '@@dbts': { name: 'varbinary', length: 8 }, '@@language': sysname,
  '@@max_connections': int, '@@microsoftversion': int, '@@textsize': int, '@@connections': int,
  '@@max_precision': { name: 'tinyint' },
};
