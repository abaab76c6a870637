import { type ObjectDefinition, type TableDefinition } from '../catalog/definitions';
import { notSupported, SqlError, type ErrorScope } from '../errors';

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
  describe(id: number): Promise<ObjectDefinition | null>;
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
      return new SqlError(8134, 'Divide by zero error encountered.');
    case '22003':
      return new SqlError(
        8115,
        `Arithmetic overflow error converting expression to data type ${overflowType(error.message)}.`,
        { state: 2 },
      );
    case '21000':
      return error.message.includes('MERGE') || error.message.includes('second time')
        ? new SqlError(
            8672,
            'The MERGE statement attempted to UPDATE or DELETE the same row more than once. This happens when a target row matches more than one source row. A MERGE statement cannot UPDATE/DELETE the same row of the target table multiple times. Refine the ON clause to ensure a target row matches at most one source row, or use the GROUP BY clause to group the source rows.',
          )
        : new SqlError(
            512,
            'Subquery returned more than 1 value. This is not permitted when the subquery follows =, !=, <, <= , >, >= or when the subquery is used as an expression.',
          );
    case '40P01':
      return new SqlError(
        1205,
        `Transaction (Process ID ${context.spid}) was deadlocked on lock resources with another process and has been chosen as the deadlock victim. Rerun the transaction.`,
        { severity: 13, state: 51, scope: 'transaction' },
      );
    case '40001':
      return new SqlError(
        3960,
        `Snapshot isolation transaction aborted due to update conflict. You cannot use snapshot isolation to access a table directly or indirectly in database '${context.databaseName}' to update, delete, or insert the row that has been modified or deleted by another transaction. Retry the transaction or change the isolation level for the update/delete statement.`,
        { state: 2, scope: 'transaction' },
      );
    case '55P03':
      return new SqlError(1222, 'Lock request time out period exceeded.', { state: 51 });
    case '23505':
      return error.constraint === 'objects_name' ? nameTaken(error) : constraintError(error, context);
    case '23503':
    case '23502':
    case '23514':
      return constraintError(error, context);
    case '22008':
      return new SqlError(517, "Adding a value to a 'datetime' column caused an overflow.");
    case '2201E':
    case '2201F':
      return new SqlError(3623, 'An invalid floating point operation occurred.');
    case '42P10':
      return new SqlError(145, 'ORDER BY items must appear in the select list if SELECT DISTINCT is specified.', {
        severity: 15,
        scope: 'scope',
      });
    case '42P20':
      return new SqlError(4108, 'Windowed functions can only appear in the SELECT or ORDER BY clauses.', {
        severity: 15,
        scope: 'scope',
      });
    case '42803':
      if (error.message.includes('nested')) {
        const what = 'Cannot perform an aggregate function on an expression containing an aggregate or a subquery.';
        return new SqlError(130, what, { severity: 15, scope: 'scope' });
      }
      return new SqlError(8120, `The statement groups in a way that is not valid: ${error.message}.`, {
        scope: 'scope',
      });
    case '2200H':
      return new SqlError(
        11728,
        'The sequence object has reached its minimum or maximum value. Restart the sequence object to allow new values to be generated.',
      );
    case '53200':
    case '54001':
      return new SqlError(
        8623,
        'The query processor ran out of internal resources and could not produce a query plan.',
      );
    default:
      return notSupported(`this statement (PostgreSQL ${error.code}: ${error.message})`);
  }
}

/** Two sessions gave something the same name at the same time; only PostgreSQL noticed. */
function nameTaken(error: PostgresError): SqlError {
  const [, name = ''] = /=\(\d+, \d+, \w, (.*)\) already exists/.exec(error.detail ?? '') ?? [];
  return new SqlError(2714, `There is already an object named '${name}' in the database.`, { state: 6 });
}

function overflowType(message: string): string {
  const [, name = ''] = /^(?:"[^"]*" is out of range for type )?([a-z ]+?)(?: out of range)?$/.exec(message) ?? [];
  return overflowTypes[name] ?? (message.includes('numeric') ? 'numeric' : 'int');
}

const idIn = (name: string | undefined): number => Number(/^[a-z]+(\d+)/.exec(name ?? '')?.[1] ?? Number.NaN);

async function constraintError(error: PostgresError, context: ErrorContext): Promise<SqlError> {
  const found = await context.describe(idIn(error.table));
  if (found?.kind !== 'table') return notSupported(`this constraint (PostgreSQL ${error.code}: ${error.message})`);
  switch (error.code) {
    case '23505':
      return duplicateKey(error, found);
    case '23502': {
      const column = found.columns.find((candidate) => candidate.id === idIn(error.column));
      const owner = found.temporary
        ? `tempdb.dbo.${found.name}`
        : `${context.databaseName}.${found.schema}.${found.name}`;
      const verb = context.verb === '' ? 'ALTER TABLE' : context.verb === 'MERGE' ? 'UPDATE' : context.verb;
      return new SqlError(
        515,
        `Cannot insert the value NULL into column '${column?.name ?? ''}', table '${owner}'; column does not allow nulls. ${verb} fails.`,
        { state: 2 },
      );
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
  return new SqlError(
    547,
    `The ${verb} statement conflicted with the ${kind} constraint "${name}". The conflict occurred in ${where}.`,
    { state: 0 },
  );
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
  if ((error.detail ?? '').includes('is duplicated')) {
    const what = `The CREATE UNIQUE INDEX statement terminated because a duplicate key was found for the object name '${owner}' and the index name '${index?.name ?? pendingName(error)}'. ${key}`;
    return new SqlError(1505, what);
  }
  if (index?.constraintId != null) {
    const kind = index.primary ? 'PRIMARY' : 'UNIQUE';
    return new SqlError(
      2627,
      `Violation of ${kind} KEY constraint '${index.name}'. Cannot insert duplicate key in object '${owner}'. ${key}`,
      { severity: 14 },
    );
  }
  return new SqlError(
    2601,
    `Cannot insert duplicate key row in object '${owner}' with unique index '${index?.name ?? ''}'. ${key}`,
    { severity: 14 },
  );
}

const pendingName = (error: PostgresError): string => error.constraint ?? '';

async function foreignKeyError(error: PostgresError, table: TableDefinition, context: ErrorContext): Promise<SqlError> {
  const id = idIn(error.constraint);
  const own = table.foreignKeys.find((candidate) => candidate.id === id);
  // PostgreSQL names the referencing table in both directions; only the text tells which side was changed.
  const referencing = error.message.startsWith('update or delete on');
  if (!referencing && own !== undefined) {
    const target = await context.describe(own.referencedId);
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
