import { type Connection, Request } from 'tedious';
import { clientError, serverError, type ServerError, transportError } from './errors';
import { type BatchAnswer, type BatchOptions, type ResultSet, type ServerNotice, type SqlError } from './model';
import { type TransactionWatch } from './transaction-watch';

const maximumNotices = 200;
const maximumCounts = 1_000;

interface Collector {
  errors: ServerError[];
  notices: ServerNotice[];
}

export interface BatchRunner {
  run(text: string, options: BatchOptions): Promise<BatchAnswer>;
}

/**
 * Sends batches over a logged-in connection and collects what comes back.
 *
 * Time-outs are ours and not the driver's, because the driver stops its timer at the first packet of an answer: a script
 * that prints something and then hangs would never time out.
 */
export function createBatchRunner(connection: Connection, watch: TransactionWatch): BatchRunner {
  let collector: Collector | null = null;
  connection.on('errorMessage', (error) => collector?.errors.push(error));
  connection.on('infoMessage', (info) => {
    if (collector !== null && collector.notices.length < maximumNotices) {
      collector.notices.push({ number: info.number, message: info.message });
    }
  });

  return {
    async run(text, options) {
      if (collector !== null) throw new Error('A session runs one batch at a time.');
      const collected: Collector = { errors: [], notices: [] };
      collector = collected;
      watch.take();
      try {
        return await send(connection, watch, text, options, collected);
      } finally {
        collector = null;
      }
    },
  };
}

function send(
  connection: Connection,
  watch: TransactionWatch,
  text: string,
  options: BatchOptions,
  collected: Collector,
): Promise<BatchAnswer> {
  return new Promise((resolve) => {
    const resultSets: { columns: string[]; rows: unknown[][]; rowCount: number }[] = [];
    const rowsAffected: number[] = [];
    let keptRows = 0;
    let countedOutsideTransaction = false;
    let stopped: SqlError | null = null;

    const hadTransaction = watch.current !== null;
    const onStatementEnd = (count: number | undefined): void => {
      if (count === undefined) return;
      if (rowsAffected.length < maximumCounts) rowsAffected.push(count);
      if (hadTransaction && count > 0 && watch.current === null) countedOutsideTransaction = true;
    };

    const request = new Request(text, (error: Error | null | undefined) => {
      clearTimeout(timer);
      options.signal?.removeEventListener('abort', onAbort);
      resolve({
        error: errorOf(error, stopped, collected.errors),
        resultSets: resultSets satisfies ResultSet[],
        rowsAffected,
        notices: collected.notices,
        transactionEvents: watch.take(),
        countedOutsideTransaction,
      });
    });
    request.on('columnMetadata', (columns) => {
      const names = Array.isArray(columns) ? columns.map((column) => column.colName) : Object.keys(columns);
      resultSets.push({ columns: names, rows: [], rowCount: 0 });
    });
    request.on('row', (cells: unknown) => {
      const resultSet = resultSets.at(-1);
      if (resultSet === undefined) return;
      resultSet.rowCount += 1;
      if (keptRows === options.maximumRows) return;
      keptRows += 1;
      resultSet.rows.push(valuesOf(cells));
    });
    request.on('done', onStatementEnd);
    request.on('doneInProc', onStatementEnd);
    request.on('doneProc', onStatementEnd);

    /** Attention. Where the server does not acknowledge it in time the driver destroys the connection. */
    const stop = (reason: SqlError): void => {
      stopped ??= reason;
      request.cancel();
    };
    const onAbort = (): void => stop(clientError('cancelled', 'The build was cancelled.'));
    const timer = setTimeout(
      () => stop(clientError('timeout', `Timeout expired: no answer within ${options.timeoutMs / 1000} s.`)),
      Math.min(options.timeoutMs, longestTimerMs),
    );

    request.setTimeout(0);
    connection.execSqlBatch(request);
    if (options.signal?.aborted === true) onAbort();
    else options.signal?.addEventListener('abort', onAbort, { once: true });
  });
}

/** setTimeout fires at once above this. */
const longestTimerMs = 2 ** 31 - 1;

function errorOf(
  error: Error | null | undefined,
  stopped: SqlError | null,
  errors: readonly ServerError[],
): SqlError | null {
  if (error === null || error === undefined) return null;
  if (stopped !== null) {
    return isUnacknowledged(error)
      ? { ...stopped, driverCode: 'ETIMEOUT', message: `${stopped.message} ${error.message}.` }
      : stopped;
  }
  const [first, ...rest] = errors;
  if (first !== undefined) return serverError([first, ...rest]);
  return 'code' in error && error.code === failedWithoutMessage ? serverError([wordless]) : transportError(error);
}

/** The driver's code for a statement that the server marked as failed without saying why. */
const failedWithoutMessage = 'UNKNOWN';
const wordless: ServerError = {
  number: 0,
  class: 16,
  state: 0,
  message: 'The server reported an error without a message.',
  procName: '',
  lineNumber: 0,
};

function isUnacknowledged(error: Error): boolean {
  return error.message.startsWith('Failed to cancel request');
}

function valuesOf(cells: unknown): unknown[] {
  if (!Array.isArray(cells)) return [];
  return cells.map((cell: unknown) =>
    typeof cell === 'object' && cell !== null && 'value' in cell ? cell.value : null,
  );
}
