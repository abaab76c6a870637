import { datetime, guid, integer, nvarcharOfLength, nvarchar, quoteName, varchar } from '../../sql/literals';
import { type Script } from '../../packages/model';
import { type JournalState } from './plan';

/** The two tables in every target database, as T-SQL. */

/** Our own: one row per script, build and target. */
export const createJournal = `IF OBJECT_ID(N'dbo.Sqlfleet_Journal', N'U') IS NULL
BEGIN
  CREATE TABLE dbo.Sqlfleet_Journal (
    BuildId nvarchar(100) NOT NULL,
    TargetId nvarchar(100) NOT NULL,
    Sequence int NOT NULL,
    ScriptId uniqueidentifier NOT NULL,
    ScriptFileName nvarchar(400) NOT NULL,
    ScriptSha256 varchar(64) NOT NULL,
    ScriptHash varchar(40) NOT NULL,
    PackageSha256 varchar(64) NOT NULL,
    State varchar(10) NOT NULL,
    Attempt int NOT NULL,
    StartedAt datetime2(3) NOT NULL,
    FinishedAt datetime2(3) NULL,
    CONSTRAINT PK_Sqlfleet_Journal PRIMARY KEY CLUSTERED (BuildId, TargetId, Sequence)
  );
  CREATE INDEX IX_Sqlfleet_Journal_ScriptId ON dbo.Sqlfleet_Journal (ScriptId);
END;`;

/** The predecessor's, in exactly its shape, so that both tools read each other's history. */
export const createLog = `IF OBJECT_ID(N'dbo.SqlBuild_Logging', N'U') IS NULL
BEGIN
  CREATE TABLE dbo.SqlBuild_Logging (
    BuildFileName varchar(300) NOT NULL,
    ScriptFileName varchar(300) NOT NULL,
    ScriptId uniqueidentifier NULL,
    ScriptFileHash varchar(100) NULL,
    CommitDate datetime NOT NULL,
    Sequence int NULL,
    UserId varchar(50) NULL,
    AllowScriptBlock bit NULL CONSTRAINT DF_SqlBuildLogging_AllowScriptBlock DEFAULT (1),
    AllowBlockUpdateId varchar(50) NULL,
    ScriptText text NULL,
    Tag varchar(200) NULL,
    TargetDatabase varchar(200) NULL,
    RunWithVersion varchar(20) NULL,
    BuildProjectHash varchar(45) NULL,
    BuildRequestedBy varchar(256) NULL,
    ScriptRunStart datetime NULL,
    ScriptRunEnd datetime NULL,
    Description varchar(150) NULL
  );
  CREATE CLUSTERED INDEX IX_SqlBuild_Logging_2 ON dbo.SqlBuild_Logging (ScriptId);
  CREATE NONCLUSTERED INDEX IX_SqlBuild_Logging ON dbo.SqlBuild_Logging (BuildFileName);
  CREATE NONCLUSTERED INDEX IX_SqlBuild_Logging_1 ON dbo.SqlBuild_Logging (ScriptFileName);
  CREATE NONCLUSTERED INDEX IX_SqlBuild_Logging_CommitCheck ON dbo.SqlBuild_Logging (ScriptId, CommitDate DESC)
    INCLUDE (ScriptFileHash, AllowScriptBlock);
END;`;

/** What both tables say about one script that this build ran in this database. */
export interface RanScript {
  script: Script;
  sequence: number;
  state: JournalState;
  startedAtMs: number;
  /** null while it is running. */
  finishedAtMs: number | null;
}

/** What is the same in all rows of one build of one database. */
export interface BuildStamp {
  buildId: string;
  targetId: string;
  attempt: number;
  packageSha256: string;
  packageHash: string;
  buildFileName: string;
  description: string;
  requestedBy: string;
  /** As the server names it. */
  database: string;
  /** Name and version of this product, for `RunWithVersion`. */
  version: string;
}

const maximumRowsPerStatement = 100;
const maximumCharactersPerStatement = 1 << 20;

/** INSERTs for the journal. */
export function insertJournal(stamp: BuildStamp, rows: readonly RanScript[]): string[] {
  const columns =
    'BuildId, TargetId, Sequence, ScriptId, ScriptFileName, ScriptSha256, ScriptHash, PackageSha256, State, Attempt, StartedAt, FinishedAt';
  const values = rows.map(
    ({ script, sequence, state, startedAtMs, finishedAtMs }) =>
      `(${[
        nvarchar(stamp.buildId),
        nvarchar(stamp.targetId),
        integer(sequence),
        guid(script.scriptId),
        nvarcharOfLength(script.fileName, 400),
        varchar(script.sha256, 64),
        varchar(script.hash, 40),
        varchar(stamp.packageSha256, 64),
        varchar(state, 10),
        integer(stamp.attempt),
        datetime(startedAtMs),
        finishedAtMs === null ? 'NULL' : datetime(finishedAtMs),
      ].join(', ')})`,
  );
  return insertStatements(`INSERT INTO dbo.Sqlfleet_Journal (${columns})`, values);
}

/** DELETE of one script's journal row, before a new state of it is inserted. */
export function deleteJournalRow(stamp: BuildStamp, sequence: number): string {
  return `DELETE FROM dbo.Sqlfleet_Journal WHERE BuildId = ${nvarchar(stamp.buildId)} AND TargetId = ${nvarchar(stamp.targetId)} AND Sequence = ${integer(sequence)};`;
}

type LogColumn = readonly [name: string, value: (stamp: BuildStamp, row: RanScript) => string];

const logColumns: readonly LogColumn[] = [
  ['BuildFileName', (stamp) => varchar(stamp.buildFileName, 300)],
  ['ScriptFileName', (_, row) => varchar(row.script.fileName, 300)],
  ['ScriptId', (_, row) => guid(row.script.scriptId)],
  ['ScriptFileHash', (_, row) => varchar(row.script.hash, 100)],
  ['CommitDate', () => 'GETUTCDATE()'],
  ['Sequence', (_, row) => integer(row.sequence)],
  ['UserId', (stamp) => varchar(stamp.requestedBy, 50)],
  ['AllowScriptBlock', () => '1'],
  ['ScriptText', (_, row) => `CONVERT(varchar(max), ${nvarchar(textOf(row.script))})`],
  ['Tag', (_, row) => varchar(row.script.tag, 200)],
  ['TargetDatabase', (stamp) => varchar(stamp.database, 200)],
  ['RunWithVersion', (stamp) => varchar(stamp.version, 20)],
  ['BuildProjectHash', (stamp) => varchar(stamp.packageHash, 45)],
  ['BuildRequestedBy', (stamp) => varchar(stamp.requestedBy, 256)],
  ['ScriptRunStart', (_, row) => datetime(row.startedAtMs)],
  ['ScriptRunEnd', (_, row) => (row.finishedAtMs === null ? 'NULL' : datetime(row.finishedAtMs))],
  ['Description', (stamp) => varchar(stamp.description, 150)],
];

/** Lower-case names of the columns that are written. */
export const allLogColumns: ReadonlySet<string> = new Set(logColumns.map(([name]) => name.toLowerCase()));

/** The batched text, as the predecessor logs it. */
function textOf(script: Script): string {
  return script.batches.map((batch) => batch.text).join('\r\nGO\r\n');
}

/**
 * INSERTs for the log, of the scripts that ran to their end.
 * @param existing columns that the table has, in lower case; older shapes lack some.
 */
export function insertLog(stamp: BuildStamp, rows: readonly RanScript[], existing: ReadonlySet<string>): string[] {
  const columns = logColumns.filter(([name]) => existing.has(name.toLowerCase()));
  const values = rows
    .filter((row) => row.state === 'done')
    .map((row) => `(${columns.map(([, value]) => value(stamp, row)).join(', ')})`);
  const names = columns.map(([name]) => quoteName(name)).join(', ');
  return insertStatements(`INSERT INTO dbo.SqlBuild_Logging (${names})`, values);
}

/** Several rows per statement, but bounded: SQL Server takes 1,000, and a package's whole text may be in the rows. */
function insertStatements(head: string, values: readonly string[]): string[] {
  const statements: string[] = [];
  let pending: string[] = [];
  let characters = 0;
  const flush = (): void => {
    if (pending.length > 0) statements.push(`${head} VALUES\n${pending.join(',\n')};`);
    pending = [];
    characters = 0;
  };
  for (const value of values) {
    if (pending.length === maximumRowsPerStatement || characters + value.length > maximumCharactersPerStatement)
      flush();
    pending.push(value);
    characters += value.length;
  }
  flush();
  return statements;
}
