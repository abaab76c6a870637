import { type Clock } from '../../lib/platform/clock';
import { allLogColumns } from '../../lib/builds/run/tables';
import {
  type ResponseSink,
  type SqlColumn,
  type SqlEngine,
  type SqlRequest,
  type SqlType,
} from '../../local/sql/session';
import { type Profile } from './model';

/**
 * A SQL engine that executes nothing: it answers the requests of the run protocol as a database would that was built
 * before, and everything else with success. What is left is the client, the wire and the injected times.
 */
export function createNullEngine(profile: Profile, clock: Clock): SqlEngine {
  let sessions = 0;
  return {
    login: async ({ database }) => {
      const descriptor = BigInt((sessions += 1));
      return {
        ok: true,
        session: {
          spid: 51,
          database,
          async execute(request, sink) {
            const isScript = request.kind === 'batch' && !isOwn(request.text);
            const delayMs = profile.replyMs + (isScript ? profile.scriptMs : 0);
            if (delayMs > 0) await clock.sleep(delayMs);
            answer(request, sink, { descriptor, database });
          },
          reset: async () => undefined,
          close: async () => undefined,
        },
      };
    },
    dropServer: async () => undefined,
    listServers: () => [],
    createServer: async () => undefined,
    createDatabase: async () => undefined,
    dropDatabase: async () => undefined,
    listDatabases: async () => [],
    close: async () => undefined,
  };
}

const preambleMark = 'sp_getapplock';
const epilogueMark = 'COMMIT TRANSACTION;';

/** The protocol's own requests, and the settings that the driver sends after each login. */
function isOwn(text: string): boolean {
  return text.includes(preambleMark) || text.includes(epilogueMark) || /^\s*set ansi_nulls/i.test(text);
}

function answer(request: SqlRequest, sink: ResponseSink, session: { descriptor: bigint; database: string }): void {
  const { descriptor } = session;
  if (request.kind === 'transaction') {
    const { kind } = request.operation;
    if (kind === 'begin') sink.environment({ kind: 'beginTransaction', descriptor });
    if (kind === 'commit') sink.environment({ kind: 'commitTransaction', descriptor });
    return;
  }
  if (request.kind === 'batch' && request.text.includes(preambleMark)) {
    sink.environment({ kind: 'beginTransaction', descriptor });
    answerPreamble(request.text, sink, session);
    return;
  }
  if (request.kind === 'batch' && request.text.includes(epilogueMark)) {
    sink.environment({ kind: 'commitTransaction', descriptor });
  }
  sink.done({ rowCount: null, inProcedure: false, isSelect: false, failed: false });
}

const text = (length: number): SqlType => ({ name: 'nvarchar', length });
const int: SqlType = { name: 'int' };
const columnsOf = (types: Readonly<Record<string, SqlType>>): SqlColumn[] =>
  Object.entries(types).map(([name, type]) => ({ name, type, nullable: true }));

const sessionColumns = columnsOf({
  Answer: text(7),
  LockResult: int,
  TransactionCount: int,
  TransactionId: text(20),
  DatabaseName: text(128),
});
const tableColumns = columnsOf({ Answer: text(6), TableName: text(128), ColumnName: text(128) });
const journalColumns = columnsOf({
  Answer: text(7),
  BuildId: text(100),
  TargetId: text(100),
  Sequence: int,
  ScriptId: text(36),
  ScriptFileName: text(400),
  ScriptSha256: text(64),
  ScriptHash: text(40),
  State: text(10),
  StartedAt: { name: 'datetime2', scale: 3 },
});
const logColumns = columnsOf({
  Answer: text(3),
  ScriptId: text(36),
  ScriptFileHash: text(100),
  LastCommit: { name: 'datetime' },
});

/** Both tables are there, and neither knows anything of this build. */
function answerPreamble(batch: string, sink: ResponseSink, session: { descriptor: bigint; database: string }): void {
  const select = (columns: SqlColumn[], rows: readonly (readonly (string | number)[])[]): void => {
    sink.columns(columns);
    for (const row of rows) void sink.row(row);
    sink.done({ rowCount: rows.length, inProcedure: false, isSelect: true, failed: false });
  };
  select(sessionColumns, [['session', 0, 1, session.descriptor.toString(), session.database]]);
  select(tableColumns, [
    ...journalColumns.slice(1).map(({ name }) => ['column', 'Sqlfleet_Journal', name]),
    ...Array.from(allLogColumns, (name) => ['column', 'SqlBuild_Logging', name]),
  ]);
  const queriesOf = (table: string): number => batch.split(`FROM ${table} WHERE`).length - 1;
  for (let query = 0; query < queriesOf('dbo.Sqlfleet_Journal'); query += 1) select(journalColumns, []);
  for (let query = 0; query < queriesOf('dbo.SqlBuild_Logging'); query += 1) select(logColumns, []);
}
