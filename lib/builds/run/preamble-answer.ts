import { z } from 'zod';
import { type BatchAnswer } from '../../sql/model';
import { journalStates, type JournalRow, type LogRow } from './plan';
import { type ExistingTables } from './protocol';

/** What the preamble found, read from its result sets. */
export interface PreambleAnswer {
  /** What `sp_getapplock` returned: 0 or 1 granted, negative not. */
  lockResult: number;
  transactionCount: number;
  transactionId: string;
  /** As the server spells it. */
  databaseName: string;
  tables: ExistingTables;
  journal: JournalRow[];
  log: LogRow[];
}

const time = z.date().transform((date) => date.getTime());
const lowerCase = z.string().transform((text) => text.toLowerCase());

const answerSchema = z.discriminatedUnion('Answer', [
  z.object({
    Answer: z.literal('session'),
    LockResult: z.int(),
    TransactionCount: z.int(),
    TransactionId: z.string(),
    DatabaseName: z.string(),
  }),
  z.object({ Answer: z.literal('column'), TableName: z.string(), ColumnName: lowerCase }),
  z.object({
    Answer: z.literal('journal'),
    BuildId: z.string(),
    TargetId: z.string(),
    Sequence: z.int(),
    ScriptId: lowerCase,
    ScriptFileName: z.string(),
    ScriptSha256: z.string(),
    ScriptHash: z.string(),
    State: z.enum(journalStates),
    StartedAt: time,
  }),
  z.object({
    Answer: z.literal('log'),
    ScriptId: lowerCase,
    ScriptFileHash: z.string().nullable(),
    LastCommit: time,
  }),
]);

/** @returns null when the answer is not one to the preamble: something between us and the server changed it. */
export function readPreambleAnswer(answer: BatchAnswer): PreambleAnswer | null {
  const rows = answer.resultSets.flatMap(({ columns, rows: cells }) =>
    cells.map((values) => Object.fromEntries(columns.map((column, index) => [column, values[index]]))),
  );
  const parsed = z.array(answerSchema).safeParse(rows);
  if (!parsed.success) return null;
  const session = parsed.data.find((row) => row.Answer === 'session');
  if (session === undefined) return null;

  const columnsOf = (table: string): string[] =>
    parsed.data.flatMap((row) =>
      row.Answer === 'column' && row.TableName.toLowerCase() === table ? [row.ColumnName] : [],
    );
  const logColumns = columnsOf('sqlbuild_logging');
  return {
    lockResult: session.LockResult,
    transactionCount: session.TransactionCount,
    transactionId: session.TransactionId,
    databaseName: session.DatabaseName,
    tables: {
      journal: columnsOf('sqlfleet_journal').length > 0,
      logColumns: logColumns.length > 0 ? new Set(logColumns) : null,
    },
    journal: parsed.data.flatMap((row) =>
      row.Answer === 'journal'
        ? [
            {
              buildId: row.BuildId,
              targetId: row.TargetId,
              sequence: row.Sequence,
              scriptId: row.ScriptId,
              fileName: row.ScriptFileName,
              sha256: row.ScriptSha256,
              hash: row.ScriptHash,
              state: row.State,
              startedAtMs: row.StartedAt,
            },
          ]
        : [],
    ),
    log: parsed.data.flatMap((row) =>
      row.Answer === 'log' ? [{ scriptId: row.ScriptId, hash: row.ScriptFileHash, lastCommitMs: row.LastCommit }] : [],
    ),
  };
}
