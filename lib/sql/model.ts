/** What one batch, or a login, ran into. A value: nothing in here is thrown. */
export interface SqlError {
  /**
   * `server`: SQL Server said so. `timeout`: our own limit. `cancelled`: our own signal. `network`: the connection could
   * not be made or was lost. `certificate`: TLS refused the server. `token`: no access token was to be had.
   */
  kind: 'server' | 'timeout' | 'cancelled' | 'network' | 'certificate' | 'token';
  message: string;
  /** SQL Server error number; null unless `kind` is `server`. */
  number: number | null;
  severity: number | null;
  state: number | null;
  /** 1-based line within the batch, or within the procedure. */
  line: number | null;
  procedure: string | null;
  /** Code of the driver or of the operating system, such as `ECONNRESET`. */
  driverCode: string | null;
  /** Numbers of all errors of the answer, the one above included, in order. */
  numbers: readonly number[];
}

/** What happened to the session's transaction during one batch, in order, as the token stream told it. */
export type TransactionEvent = { kind: 'began'; descriptor: string } | { kind: 'ended'; by: 'commit' | 'rollback' };

export interface ResultSet {
  columns: readonly string[];
  rows: readonly (readonly unknown[])[];
  /** Rows that the server sent, also those that were not kept. */
  rowCount: number;
}

/** PRINT, RAISERROR up to severity 10, and notices of the server. */
export interface ServerNotice {
  number: number;
  message: string;
}

export interface BatchAnswer {
  error: SqlError | null;
  resultSets: readonly ResultSet[];
  /** Counts that statements reported, in order. Bounded like the notices. */
  rowsAffected: readonly number[];
  notices: readonly ServerNotice[];
  transactionEvents: readonly TransactionEvent[];
  /** Statements after the transaction's end reported affected rows: they ran outside of any transaction of ours. */
  countedOutsideTransaction: boolean;
}

export interface BatchOptions {
  /** Then the batch is cancelled by an attention. */
  timeoutMs: number;
  signal?: AbortSignal;
  /** Rows that are kept over all result sets. */
  maximumRows: number;
}

/** One session. One batch at a time; what goes wrong is in the answer. */
export interface SqlConnection {
  execute(text: string, options: BatchOptions): Promise<BatchAnswer>;
  /** Descriptor of the session's transaction, null outside of any. */
  readonly transaction: string | null;
  /** false once the connection is lost or closed. */
  readonly open: boolean;
  /** Ends the session; the server rolls back what was not committed. Idempotent. */
  close(): Promise<void>;
}

export interface ConnectRequest {
  /** Logical server's host name. */
  server: string;
  /** null: the server's default port. */
  port: number | null;
  database: string;
  /** Gives the login up. */
  signal?: AbortSignal;
}

export type ConnectAnswer = { ok: true; connection: SqlConnection } | { ok: false; error: SqlError };

/** Exactly one login, without any retry. */
export type Connect = (request: ConnectRequest) => Promise<ConnectAnswer>;
