import { type BatchAnswer } from '../../sql/model';
import { quoteName } from '../../sql/literals';
import { type SqlFailure } from '../model';

/**
 * The log of one database: SQL that does what the build did when somebody runs it, with everything else in comments.
 * Only line comments are used, and every line of foreign text gets its own, so nothing in a message or a result can end
 * the comment, and no `GO` of it can stand at the beginning of a line.
 */
export interface RunLog {
  note(text: string): void;
  statement(text: string): void;
  begin(xactAbort: boolean): void;
  /** A batch of a script, before its answer is known. */
  batch(entry: { title: string; database: string; text: string; repeat: number }): void;
  answer(title: string, answer: BatchAnswer, durationMs: number): void;
  failure(title: string, failure: SqlFailure): void;
  text(): string;
}

const maximumCell = 200;
const maximumNotice = 2_000;
const maximumShownRows = 100;
const lineBreak = /\r\n|[\r\n\u0085\u2028\u2029]/;

export function createRunLog(): RunLog {
  const parts: string[] = [];
  let database: string | null = null;
  const comment = (text: string): void => {
    for (const line of text.split(lineBreak)) parts.push(`-- ${line}`.trimEnd());
  };
  const log: RunLog = {
    note: comment,
    statement: (text) => void parts.push(text, 'GO'),
    begin(xactAbort) {
      log.statement(`SET XACT_ABORT ${xactAbort ? 'ON' : 'OFF'};\nBEGIN TRANSACTION;`);
    },
    batch(entry) {
      parts.push('');
      comment(entry.title);
      if (entry.database !== database) {
        database = entry.database;
        log.statement(`USE ${quoteName(database)};`);
      }
      parts.push(entry.text.replace(/\r?\n$/, ''), entry.repeat === 1 ? 'GO' : `GO ${entry.repeat}`);
    },
    answer(title, answer, durationMs) {
      const counts = answer.rowsAffected.length === 0 ? '' : `; rows affected: ${answer.rowsAffected.join(', ')}`;
      comment(`${title} result: ${answer.error === null ? 'ok' : 'error'} in ${durationMs} ms${counts}`);
      for (const notice of answer.notices) comment(cut(notice.message, maximumNotice));
      for (const { columns, rows, rowCount } of answer.resultSets) {
        comment(columns.map((column) => cut(column, maximumCell)).join(' | '));
        for (const row of rows.slice(0, maximumShownRows)) comment(row.map(cell).join(' | '));
        if (rowCount > rows.length) comment(`... ${rowCount - rows.length} more rows`);
      }
    },
    failure(title, failure) {
      const where = failure.line === null ? '' : `, line ${failure.line}`;
      const number = failure.number === null ? failure.code : `${failure.code}, ${failure.number}`;
      comment(`${title} failed (${number}${where}): ${failure.message}`);
    },
    text: () => parts.join('\n') + '\n',
  };
  return log;
}

function cell(value: unknown): string {
  if (value === null || value === undefined) return 'NULL';
  if (value instanceof Date) return value.toISOString();
  if (Buffer.isBuffer(value)) return cut(`0x${value.subarray(0, maximumCell).toString('hex')}`, maximumCell);
  if (typeof value === 'string') return cut(value, maximumCell);
  if (typeof value === 'bigint') return value.toString();
  return cut(JSON.stringify(value) ?? '', maximumCell);
}

function cut(text: string, length: number): string {
  return text.length <= length ? text : `${text.slice(0, length)}...`;
}
