import { Connection, type ConnectionConfiguration, Request } from 'tedious';

export interface Reply {
  columns: { name: string; type: string }[];
  rows: unknown[][];
  /** Texts of the informational messages. */
  information: string[];
  /** As the driver reports it: the sum over all statements. */
  rowCount: number;
  error: (Error & { number?: number; code?: string; lineNumber?: number; procName?: string }) | null;
  returnStatus: number | null;
  outputs: Record<string, unknown>;
}

export const user = 'fleet';
export const password = 'P@ssw0rd!ünï';

type Overrides = Partial<NonNullable<ConnectionConfiguration['options']>> & {
  authentication?: ConnectionConfiguration['authentication'];
};

/** An unmodified tedious connection. Rejects with the driver's error; `numbers` collects the numbers of login errors. */
export function connect(port: number, overrides: Overrides = {}, numbers: number[] = []): Promise<Connection> {
  const { authentication, ...options } = overrides;
  const connection = new Connection({
    server: '127.0.0.1',
    authentication: authentication ?? { type: 'default', options: { userName: user, password } },
    options: {
      port,
      encrypt: false,
      trustServerCertificate: true,
      maxRetriesOnTransientErrors: 0,
      connectTimeout: 5_000,
      requestTimeout: 5_000,
      useColumnNames: false,
      ...options,
    },
  });
  connection.on('error', () => undefined);
  connection.on('errorMessage', (error: { number: number }) => numbers.push(error.number));
  return new Promise((resolve, reject) => {
    connection.connect((error) => (error ? reject(error) : resolve(connection)));
  });
}

export function close(connection: Connection): Promise<void> {
  return new Promise((resolve) => {
    if (connection.closed) return resolve();
    connection.once('end', () => resolve());
    connection.close();
  });
}

export function batch(connection: Connection, text: string): Promise<Reply> {
  return send(connection, text, (request) => connection.execSqlBatch(request));
}

/** Runs a request by whatever means of the driver. */
export function send(
  connection: Connection,
  text: string,
  execute: (request: Request) => void,
  prepare: (request: Request) => void = () => undefined,
): Promise<Reply> {
  return new Promise((resolve) => {
    const reply: Reply = {
      columns: [],
      rows: [],
      information: [],
      rowCount: 0,
      error: null,
      returnStatus: null,
      outputs: {},
    };
    const onInformation = (info: { message: string }): void => void reply.information.push(info.message);
    const request = new Request(text, (error, rowCount) => {
      connection.off('infoMessage', onInformation);
      resolve({ ...reply, error: error ?? null, rowCount: rowCount ?? 0 });
    });
    request.on('columnMetadata', (columns) => {
      const list = Array.isArray(columns) ? columns : Object.values(columns);
      reply.columns = list.map((column) => ({ name: column.colName, type: column.type.name }));
    });
    request.on('row', (row: { value: unknown }[]) => reply.rows.push(row.map((cell) => cell.value)));
    request.on('returnValue', (name, value) => (reply.outputs[name] = value));
    request.on('doneProc', (_count, _more, status) => (reply.returnStatus = status ?? null));
    connection.on('infoMessage', onInformation);
    prepare(request);
    execute(request);
  });
}
