import { type ObjectDefinition, type TableDefinition } from '../catalog/definitions';
import { notSupported, SqlError, sqlError } from '../errors';
import { type ErrorScope } from '../messages';

/** What PostgreSQL says about an error, as `pg` hands it over. */
export interface PostgresError extends Error {
  code: string;
  detail?: string;
  hint?: string;
  table?: string;
  column?: string;
  constraint?: string;
}

export function isPostgresError(error: unknown): error is PostgresError {
  return (
    error instanceof Error &&
    'code' in error &&
    typeof error.code === 'string' &&
    error.code.length === 5 &&
    'severity' in error
  );
}

export interface ErrorContext {
  /** INSERT, UPDATE, DELETE, MERGE: messages name the statement. */
  verb: string;
  databaseName: string;
  spid: number;
  /** What stands behind PostgreSQL's name of a table. */
  table(name: string): Promise<ObjectDefinition | null>;
}

const scopes = new Set<string>(['statement', 'scope', 'batch', 'transaction']);
const isScope = (text: string | undefined): text is ErrorScope => text !== undefined && scopes.has(text);

const overflowTypes: Readonly<Record<string, string>> = {
  integer: 'int',
  bigint: 'bigint',
  smallint: 'smallint',
  'double precision': 'float',
  real: 'real',
};

/** A PostgreSQL error as the error that SQL Server raises in its place. */
export async function translateError(error: PostgresError, context: ErrorContext): Promise<SqlError> {
  switch (error.code) {
    case 'TSQL0':
      return new SqlError(Number(error.hint), error.message, {
        scope: isScope(error.detail) ? error.detail : 'statement',
      });
    case '22012':
      return sqlError(8134);
    case '22003':
      return sqlError(8115, [overflowType(error.message)]);
    case '21000':
      return error.message.includes('MERGE') || error.message.includes('second time') ? sqlError(8672) : sqlError(512);
    case '40P01':
      return sqlError(1205, [context.spid]);
    case '40001':
      return sqlError(3960, [context.databaseName]);
    case '55P03':
      return sqlError(1222);
    case '23505':
      return error.constraint === 'objects_name' ? nameTaken(error) : constraintError(error, context);
    case '23503':
    case '23502':
    case '23514':
      return constraintError(error, context);
    case '22008':
      return error.message.startsWith('date') ? sqlError(289, ['date']) : sqlError(517);
    case '2201E':
    case '2201F':
      return sqlError(3623);
    case '2201W':
      return sqlError(127);
    case '2201X':
      return sqlError(10742);
    case '42P10':
      return sqlError(145);
    case '42P20':
      return sqlError(4108);
    case '42803':
      if (error.message.includes('nested')) return sqlError(130);
      return notSupported(`this grouping (${error.message})`);
    case '2200H':
      return sqlError(11728);
    case '53200':
    case '54001':
      return sqlError(8623);
    default:
      return notSupported(`this statement (PostgreSQL ${error.code}: ${error.message})`);
  }
}

/** Two sessions gave something the same name at the same time; only PostgreSQL noticed. */
function nameTaken(error: PostgresError): SqlError {
  const [, name = ''] = /=\(\d+, \d+, \w, (.*)\) already exists/.exec(error.detail ?? '') ?? [];
  return sqlError(2714, [name]);
}

function overflowType(message: string): string {
  const [, name = ''] = /^(?:"[^"]*" is out of range for type )?([a-z ]+?)(?: out of range)?$/.exec(message) ?? [];
  return overflowTypes[name] ?? (message.includes('numeric') ? 'numeric' : 'int');
}

const idIn = (name: string | undefined): number => Number(/^[a-z]+(\d+)/.exec(name ?? '')?.[1] ?? Number.NaN);

async function constraintError(error: PostgresError, context: ErrorContext): Promise<SqlError> {
  const found = await context.table(error.table ?? '');
  if (found?.kind !== 'table') return notSupported(`this constraint (PostgreSQL ${error.code}: ${error.message})`);
  switch (error.code) {
    case '23505':
      return duplicateKey(error, found);
    case '23502': {
      const column = found.columns.find((candidate) => candidate.id === idIn(error.column));
      const owner = found.temporary
        ? found.name.replace(/^#/, 'tempdb.dbo.#')
        : `${context.databaseName}.${found.schema}.${found.name}`;
      const verb = context.verb === '' ? 'ALTER TABLE' : context.verb === 'MERGE' ? 'UPDATE' : context.verb;
      return sqlError(515, [column?.name ?? '', owner, verb]);
    }
    case '23514': {
      const check = found.checks.find((candidate) => candidate.id === idIn(error.constraint));
      const column = found.columns.find((candidate) => candidate.id === check?.columnId);
      return conflict(context, 'CHECK', check?.name ?? '', found, column?.name);
    }
    default:
      return foreignKeyError(error, found, context);
  }
}

function conflict(
  context: ErrorContext,
  kind: string,
  name: string,
  table: TableDefinition,
  column: string | undefined,
): SqlError {
  const verb = context.verb === '' ? 'ALTER TABLE' : context.verb;
  const where = `database "${table.temporary ? 'tempdb' : context.databaseName}", table "${table.schema}.${table.name}"${column === undefined ? '' : `, column '${column}'`}`;
  return sqlError(547, [verb, kind, name, where]);
}

function duplicateKey(error: PostgresError, table: TableDefinition): SqlError {
  const indexId = Number(/_(\d+)x?$/.exec(error.constraint ?? '')?.[1]);
  const index = table.indexes.find((candidate) => candidate.id === indexId);
  const [, values = ''] = /\)=\((.*)\)(?: already exists\.| is duplicated\.)$/s.exec(error.detail ?? '') ?? [];
  const key = `The duplicate key value is (${values
    .split(', ')
    .map((part) => (part === 'null' ? '<NULL>' : part))
    .join(', ')}).`;
  const owner = `${table.schema}.${table.name}`;
  if ((error.detail ?? '').includes('is duplicated'))
    return sqlError(1505, [owner, index?.name ?? pendingName(error), key]);
  if (index?.constraintId != null) {
    const kind = index.primary ? 'PRIMARY' : 'UNIQUE';
    return sqlError(2627, [kind, index.name, owner, key]);
  }
  return sqlError(2601, [owner, index?.name ?? '', key]);
}

const pendingName = (error: PostgresError): string => error.constraint ?? '';

async function foreignKeyError(error: PostgresError, table: TableDefinition, context: ErrorContext): Promise<SqlError> {
  const id = idIn(error.constraint);
  const own = table.foreignKeys.find((candidate) => candidate.id === id);
  // PostgreSQL names the referencing table in both directions; only the text tells which side was changed.
  const referencing = error.message.startsWith('update or delete on');
  if (!referencing && own !== undefined) {
    const target = await context.table(`t${own.referencedId}`);
    if (target?.kind === 'table') {
      const column =
        own.referencedColumns.length === 1
          ? target.columns.find((candidate) => candidate.id === own.referencedColumns[0])?.name
          : undefined;
      return conflict(context, 'FOREIGN KEY', own.name, target, column);
    }
  }
  const column =
    own?.columns.length === 1 ? table.columns.find((candidate) => candidate.id === own.columns[0])?.name : undefined;
  return conflict(context, 'REFERENCE', own?.name ?? '', table, column);
}
