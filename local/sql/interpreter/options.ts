import { notSupported, sqlError } from '../errors';
import { type Path, type Statement } from '../parser/ast';
import { parseNameText } from '../parser/parser';
import { findTableOr } from './definitions';
import { type Runtime } from './runtime';

/** Options whose setting is remembered and changes nothing here, because the stand-in always behaves as if it were the default. */
const fixedOn = new Set(
  `ANSI_NULLS ANSI_WARNINGS ANSI_PADDING CONCAT_NULL_YIELDS_NULL ARITHABORT ANSI_NULL_DFLT_ON`.split(' '),
);
const fixedOff = new Set(
  `NUMERIC_ROUNDABORT ANSI_NULL_DFLT_OFF CURSOR_CLOSE_ON_COMMIT FMTONLY PARSEONLY ARITHIGNORE DISABLE_DEF_CNST_CHK`.split(
    /\s+/,
  ),
);
/** Options that only ask for information or speed. */
const withoutEffect = new Set(
  `STATISTICS IO,STATISTICS TIME,STATISTICS PROFILE,TEXTSIZE,DEADLOCK_PRIORITY,FORCEPLAN,QUERY_GOVERNOR_COST_LIMIT,NO_BROWSETABLE,REMOTE_PROC_TRANSACTIONS`.split(
    ',',
  ),
);

export async function setOption(statement: Extract<Statement, { kind: 'setOption' }>, runtime: Runtime): Promise<void> {
  const { options } = runtime.state;
  const on = statement.value === 'ON';
  runtime.state.rowCount = 0;
  const number = async (): Promise<number> =>
    statement.argument === null
      ? Number(statement.value)
      : Number((await runtime.evaluateAs(statement.argument, { name: 'int' })) ?? 0);
  for (const option of statement.options) {
    switch (option) {
      case 'XACT_ABORT':
        options.xactAbort = on;
        break;
      case 'NOCOUNT':
        options.noCount = on;
        break;
      case 'QUOTED_IDENTIFIER':
        options.quotedIdentifier = on;
        break;
      case 'NOEXEC':
        options.noExecute = on;
        break;
      case 'IMPLICIT_TRANSACTIONS':
        options.implicitTransactions = on;
        break;
      case 'ANSI_DEFAULTS':
        options.quotedIdentifier = on;
        options.implicitTransactions = on;
        break;
      case 'LOCK_TIMEOUT':
        options.lockTimeoutMs = await number();
        break;
      case 'ROWCOUNT':
        options.rowCount = await number();
        break;
      case 'DATEFIRST':
        options.dateFirst = await number();
        if (options.dateFirst < 1 || options.dateFirst > 7)
          throw sqlError(195, ['DATEFIRST', 'SET option'], { line: statement.line });
        break;
      case 'CONTEXT_INFO': {
        const binary = { name: 'varbinary', length: 128 } as const;
        const value = statement.argument && (await runtime.evaluateAs(statement.argument, binary));
        runtime.state.context.set('', { value, fixed: false });
        break;
      }
      case 'DATEFORMAT':
        options.dateFormat = statement.value.toLowerCase();
        if (!['mdy', 'dmy', 'ymd'].includes(options.dateFormat))
          throw notSupported(`SET DATEFORMAT ${statement.value}`, statement.line);
        break;
      case 'LANGUAGE':
        if (!['us_english', 'english'].includes(statement.value.toLowerCase()))
          throw notSupported(`SET LANGUAGE ${statement.value}`, statement.line);
        runtime.info('Changed language setting to us_english.', { number: 5703 });
        break;
      default:
        setFlag(option, on, statement.line, runtime);
    }
  }
}

function setFlag(option: string, on: boolean, line: number, { state }: Runtime): void {
  if (withoutEffect.has(option)) return;
  if (fixedOn.has(option) || fixedOff.has(option)) {
    // What would change the results of ordinary statements is refused. The others are turned off by generated scripts that never rely on it.
    const unusual = fixedOn.has(option) ? !on : on;
    if (unusual && ['CONCAT_NULL_YIELDS_NULL', 'NUMERIC_ROUNDABORT', 'FMTONLY', 'PARSEONLY'].includes(option))
      throw notSupported(`SET ${option} ${on ? 'ON' : 'OFF'}`, line);
    state.options.flags.set(option, on);
    return;
  }
  throw sqlError(195, [option, 'SET option'], { line, scope: 'batch' });
}

const isolationLevels: Readonly<Record<string, string>> = {
  'READ UNCOMMITTED': 'READ COMMITTED', // readers never wait and never see what is not committed
  'READ COMMITTED': 'READ COMMITTED',
  'REPEATABLE READ': 'REPEATABLE READ',
  SNAPSHOT: 'REPEATABLE READ',
  SERIALIZABLE: 'SERIALIZABLE',
};

export function setIsolation(level: string, { state }: Pick<Runtime, 'state'>): void {
  const isolation = isolationLevels[level];
  if (isolation === undefined) throw sqlError(102, [level], { scope: 'batch' });
  state.options.isolation = isolation;
}

export async function setIdentityInsert(path: Path, on: boolean, line: number, runtime: Runtime): Promise<void> {
  const { state } = runtime;
  const table = await findTableOr(path, sqlError(1088, [path.join('.')], { state: 11 }), line, runtime);
  if (!table.columns.some((column) => column.identity !== null)) throw sqlError(8106, [path.join('.')]);
  if (!on) {
    if (state.identityInsert === table.id) state.identityInsert = null;
    return;
  }
  if (state.identityInsert !== null && state.identityInsert !== table.id) {
    const other = await runtime.describe(state.identityInsert);
    if (other?.kind === 'table') throw sqlError(8107, [state.database.name, other.schema, other.name, path.join('.')]);
  }
  state.identityInsert = table.id;
}

/** DBCC CHECKIDENT. */
export async function checkIdentity(
  statement: Extract<Statement, { kind: 'checkIdent' }>,
  line: number,
  runtime: Runtime,
): Promise<void> {
  const name = (await runtime.evaluateAs(statement.table, { name: 'nvarchar', length: 776 })) ?? '';
  const path = parseNameText(name) ?? [name];
  const table = await findTableOr(path, sqlError(2501, [name]), line, runtime);
  const column = table.columns.find((candidate) => candidate.identity !== null);
  if (column?.identity == null) throw sqlError(7997, [table.name]);
  const sequence = table.physical.replace(/\.t/, '.s');
  const [before] = await runtime.run(`SELECT CASE WHEN is_called THEN last_value END FROM ${sequence}`);
  const current = before?.rows[0]?.[0] ?? null;
  if (statement.reseed !== null) {
    const value = await runtime.evaluateAs(statement.reseed, { name: 'bigint' });
    // on a table that never had rows the next value is the seed itself
    await runtime.run(`SELECT setval('${sequence}', ${value ?? '1'}, ${current !== null})`);
  } else if (!statement.noReseed) {
    await runtime.run(
      `SELECT setval('${sequence}', max(c${column.id})) FROM ${table.physical} HAVING max(c${column.id}) > coalesce(${current ?? 'NULL'}, 0)`,
    );
  }
  if (statement.silent) return;
  runtime.info(`Checking identity information: current identity value '${current ?? 'NULL'}'.`, { number: 7998 });
  runtime.info('DBCC execution completed. If DBCC printed error messages, contact your system administrator.', {
    number: 2528,
  });
}
