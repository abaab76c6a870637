import { bigInteger, guid, integer, nvarchar } from '../../sql/literals';
import {
  allLogColumns,
  type BuildStamp,
  createJournal,
  createLog,
  deleteJournalRow,
  insertJournal,
  insertLog,
  type RanScript,
} from './tables';

/**
 * Every request to a target database besides its scripts, as T-SQL text. Plain T-SQL that Azure SQL Database and SQL Server
 * take at compatibility level 150 and above. `docs/run-protocol.md` shows it as a whole.
 */

/** One per database and shared by all builds: whoever holds it is the only one that runs scripts there. */
export const lockResource = 'sqlfleet';

/** Number of the errors that the protocol itself raises; the state says which check failed. */
export const protocolErrorNumber = 51000;

const maximumIdsPerQuery = 500;

export interface PreambleInput {
  buildId: string;
  targetId: string;
  /** Ids of the scripts for which also other builds' rows and the log matter. */
  runOnceScriptIds: readonly string[];
  transactional: boolean;
  xactAbort: boolean;
  lockTimeoutMs: number;
}

/**
 * One round trip: begin, lock, read. Its result sets are told apart by their first column `Answer`: `session` (always),
 * then only where the lock was granted `column`, `journal`, `log`.
 */
export function preamble(input: PreambleInput): string {
  const owner = input.transactional ? 'Transaction' : 'Session';
  return [
    `SET XACT_ABORT ${input.xactAbort ? 'ON' : 'OFF'};`,
    ...(input.transactional ? ['BEGIN TRANSACTION;'] : []),
    'DECLARE @lock int;',
    `EXEC @lock = sp_getapplock @Resource = N'${lockResource}', @LockMode = N'Exclusive', @LockOwner = N'${owner}', @LockTimeout = ${integer(input.lockTimeoutMs)};`,
    `SELECT 'session' AS Answer, @lock AS LockResult, @@TRANCOUNT AS TransactionCount, CONVERT(varchar(20), CURRENT_TRANSACTION_ID()) AS TransactionId, DB_NAME() AS DatabaseName;`,
    'IF @lock >= 0',
    'BEGIN',
    `  SELECT 'column' AS Answer, OBJECT_NAME(object_id) AS TableName, name AS ColumnName FROM sys.columns WHERE object_id IN (OBJECT_ID(N'dbo.Sqlfleet_Journal', N'U'), OBJECT_ID(N'dbo.SqlBuild_Logging', N'U'));`,
    `  IF OBJECT_ID(N'dbo.Sqlfleet_Journal', N'U') IS NOT NULL`,
    '  BEGIN',
    `    ${selectJournal} WHERE BuildId = ${nvarchar(input.buildId)} AND TargetId = ${nvarchar(input.targetId)};`,
    ...idLists(input.runOnceScriptIds).map((ids) => `    ${selectJournal} WHERE ScriptId IN (${ids});`),
    '  END;',
    ...(input.runOnceScriptIds.length === 0
      ? []
      : [
          `  IF OBJECT_ID(N'dbo.SqlBuild_Logging', N'U') IS NOT NULL`,
          '  BEGIN',
          ...idLists(input.runOnceScriptIds).map((ids) => `    ${selectLog(ids)}`),
          '  END;',
        ]),
    'END;',
  ].join('\n');
}

const selectJournal = `SELECT 'journal' AS Answer, BuildId, TargetId, Sequence, CONVERT(varchar(36), ScriptId) AS ScriptId, ScriptFileName, ScriptSha256, ScriptHash, State, StartedAt FROM dbo.Sqlfleet_Journal`;

function selectLog(ids: string): string {
  return `SELECT 'log' AS Answer, CONVERT(varchar(36), ScriptId) AS ScriptId, ScriptFileHash, MAX(CommitDate) AS LastCommit FROM dbo.SqlBuild_Logging WHERE AllowScriptBlock = 1 AND ScriptId IN (${ids}) GROUP BY ScriptId, ScriptFileHash;`;
}

function idLists(ids: readonly string[]): string[] {
  const distinct = [...new Set(ids)].map(guid);
  const lists: string[] = [];
  for (let start = 0; start < distinct.length; start += maximumIdsPerQuery) {
    lists.push(distinct.slice(start, start + maximumIdsPerQuery).join(', '));
  }
  return lists;
}

/** Tables as the preamble found them. */
export interface ExistingTables {
  journal: boolean;
  /** Lower-case names of the log's columns; null when there is no log. */
  logColumns: ReadonlySet<string> | null;
}

export interface EpilogueInput {
  stamp: BuildStamp;
  transactionId: string;
  rows: readonly RanScript[];
  tables: ExistingTables;
}

/**
 * One round trip: checks that the transaction is still the one that the preamble began, writes the rows, commits.
 *
 * The SET options undo what a script may have left behind: ROWCOUNT would cut the rows short, and without XACT_ABORT a
 * failed insert would be committed over. NOEXEC and its like cannot be undone without hiding that scripts did not run, so
 * the caller believes only the COMMIT that the token stream showed.
 */
export function epilogue(input: EpilogueInput): string {
  const { stamp, rows, tables } = input;
  return [
    'SET XACT_ABORT ON;',
    'SET ROWCOUNT 0;',
    check('@@TRANCOUNT = 0', 1, 'A script ended the transaction of this build.'),
    check('@@TRANCOUNT > 1', 2, 'A script began a transaction and did not end it.'),
    check(
      `CURRENT_TRANSACTION_ID() <> ${bigInteger(input.transactionId)}`,
      3,
      'A script replaced the transaction of this build.',
    ),
    check(`DB_NAME() <> ${nvarchar(stamp.database)}`, 4, 'A script changed to another database.'),
    ...(tables.journal ? [] : [createJournal]),
    ...(tables.logColumns === null ? [createLog] : []),
    ...insertJournal(stamp, rows),
    ...insertLog(stamp, rows, tables.logColumns ?? allLogColumns),
    'COMMIT TRANSACTION;',
  ].join('\n');
}

function check(condition: string, state: number, message: string): string {
  return `IF ${condition}\nBEGIN\n  THROW ${protocolErrorNumber}, ${nvarchar(message)}, ${integer(state)};\nEND;`;
}

/** Ends the transaction without a trace, whatever depth a script left it at. */
export const rollback = 'IF @@TRANCOUNT > 0 ROLLBACK TRANSACTION;';

export function savepointName(sequence: number): string {
  return `sqlfleet_${integer(sequence)}`;
}

export function setSavepoint(sequence: number): string {
  return `SAVE TRANSACTION ${savepointName(sequence)};`;
}

/**
 * Undoes one script. The inner COMMITs only count down what the script began and did not end; the work is undone already.
 * Answers `TransactionState`: 1 when the transaction can go on.
 */
export function rollbackToSavepoint(sequence: number): string {
  return [
    'IF XACT_STATE() = 1',
    'BEGIN',
    `  ROLLBACK TRANSACTION ${savepointName(sequence)};`,
    '  WHILE @@TRANCOUNT > 1 COMMIT TRANSACTION;',
    'END;',
    transactionState,
  ].join('\n');
}

/** Answers `TransactionState`: 1 usable, 0 none, -1 doomed. */
export const transactionState = `SELECT 'state' AS Answer, CONVERT(int, XACT_STATE()) AS TransactionState;`;

export interface CheckpointInput {
  stamp: BuildStamp;
  tables: ExistingTables;
  /** The script that just ended, with its final state; null before the first. */
  ended: RanScript | null;
  /** The script that runs next, in state `started`; null after the last. */
  next: RanScript | null;
}

/**
 * Between two scripts of a package that runs without a transaction: one small transaction that ends the one and starts
 * the other. XACT_ABORT and ROWCOUNT as in the epilogue, and set back for the scripts; with IMPLICIT_TRANSACTIONS left on,
 * BEGIN would begin two transactions and COMMIT end one.
 */
export function checkpoint(input: CheckpointInput, xactAbort: boolean): string {
  const { stamp, tables, ended, next } = input;
  return [
    'SET XACT_ABORT ON;',
    'SET ROWCOUNT 0;',
    'SET IMPLICIT_TRANSACTIONS OFF;',
    check('@@TRANCOUNT > 0', 2, 'A script began a transaction and did not end it.'),
    check(`DB_NAME() <> ${nvarchar(stamp.database)}`, 4, 'A script changed to another database.'),
    'BEGIN TRANSACTION;',
    ...(tables.journal ? [] : [createJournal]),
    ...(tables.logColumns === null ? [createLog] : []),
    ...[ended, next].flatMap((row) =>
      row === null ? [] : [deleteJournalRow(stamp, row.sequence), ...insertJournal(stamp, [row])],
    ),
    ...(ended === null ? [] : insertLog(stamp, [ended], tables.logColumns ?? allLogColumns)),
    'COMMIT TRANSACTION;',
    `SET XACT_ABORT ${xactAbort ? 'ON' : 'OFF'};`,
  ].join('\n');
}
