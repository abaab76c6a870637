/**
 * The seam between the wire (TDS) and the engine (T-SQL over PostgreSQL). The wire knows no SQL, the engine no packets.
 */

/** A T-SQL type as the wire describes it. Lengths are in characters for n-types, in bytes for the others. */
export type SqlType =
  | { name: 'bit' | 'tinyint' | 'smallint' | 'int' | 'bigint' | 'real' | 'float' | 'money' | 'smallmoney' }
  | { name: 'decimal' | 'numeric'; precision: number; scale: number }
  | { name: 'char' | 'varchar' | 'nchar' | 'nvarchar' | 'binary' | 'varbinary'; length: number | 'max' }
  | { name: 'text' | 'ntext' | 'image' | 'xml' | 'uniqueidentifier' | 'date' | 'datetime' | 'smalldatetime' }
  | { name: 'time' | 'datetime2' | 'datetimeoffset'; scale: number };

/**
 * A value as it crosses the seam: bit boolean; tinyint..int and real/float number; bigint bigint; decimal, numeric and
 * money their canonical decimal text; character types string; binary types Buffer; uniqueidentifier upper-case text;
 * date 'YYYY-MM-DD'; time 'hh:mm:ss.fffffff'; datetime, smalldatetime and datetime2 'YYYY-MM-DD hh:mm:ss.fffffff';
 * datetimeoffset the same (local time) followed by ' +hh:mm'. Fractions have as many digits as there are, 0 to 7.
 */
export type SqlValue = null | boolean | number | bigint | string | Buffer;

export interface SqlColumn {
  name: string;
  type: SqlType;
  nullable: boolean;
  identity?: boolean;
  computed?: boolean;
}

/** ERROR (severity above 10) or INFO (0 to 10) of the server, as a client sees it. */
export interface SqlMessage {
  number: number;
  severity: number;
  state: number;
  message: string;
  procedure: string;
  /** 1-based line within the batch or procedure. */
  line: number;
}

export type EnvironmentChange =
  | { kind: 'database'; from: string; to: string }
  | { kind: 'language'; from: string; to: string }
  /** The server's transaction began, ended; the wire turns it into ENVCHANGE 8, 9, 10 with the descriptor. */
  | { kind: 'beginTransaction' | 'commitTransaction' | 'rollbackTransaction'; descriptor: bigint };

/** Where the engine writes the response of one request, in the order in which the client is to see it. */
export interface ResponseSink {
  columns(columns: readonly SqlColumn[]): void;
  /** Awaited by the engine: back-pressure from the socket. */
  row(values: readonly SqlValue[]): void | Promise<void>;
  /** Ends a statement. rowCount null: the statement counts nothing, or NOCOUNT is on. `inProcedure` selects DONEINPROC. */
  done(statement: { rowCount: number | null; inProcedure: boolean; isSelect: boolean; failed: boolean }): void;
  message(message: SqlMessage): void;
  environment(change: EnvironmentChange): void;
  returnStatus(value: number): void;
  returnValue(parameter: { name: string; type: SqlType; value: SqlValue; ordinal: number }): void;
}

export interface RpcParameter {
  /** With its leading @; '' when it was passed by position. */
  name: string;
  type: SqlType;
  value: SqlValue;
  output: boolean;
  /** The caller asked for the parameter's default. */
  useDefault: boolean;
}

export type SqlRequest =
  | { kind: 'batch'; text: string }
  /** sp_executesql, sp_prepare and their like arrive by name too; the wire resolves well-known procedure ids. */
  | { kind: 'procedure'; name: string; parameters: readonly RpcParameter[] }
  | { kind: 'transaction'; operation: TransactionOperation };

export type TransactionOperation =
  | { kind: 'begin'; isolation: IsolationLevel | null; name: string }
  | { kind: 'commit'; name: string }
  | { kind: 'rollback'; name: string }
  | { kind: 'save'; name: string };

export type IsolationLevel = 'readUncommitted' | 'readCommitted' | 'repeatableRead' | 'serializable' | 'snapshot';

export interface SqlSession {
  readonly spid: number;
  /** The session's current database, which USE can change. */
  readonly database: string;
  /**
   * Runs one request to its end. Errors of the batch go to the sink; a rejection means the engine itself broke.
   * `signal` is the client's attention: stop as SQL Server does (XACT_ABORT ON rolls back, OFF keeps the transaction).
   */
  execute(request: SqlRequest, sink: ResponseSink, signal: AbortSignal): Promise<void>;
  /** sp_reset_connection: called before the next request when the client set the reset bit. */
  reset(): Promise<void>;
  /** The connection is gone: roll back, release locks, drop temporary objects. Idempotent. */
  close(): Promise<void>;
}

export interface LoginIdentity {
  /** Logical server that the client connected to. */
  server: string;
  /** '' means the login's default database, master. */
  database: string;
  /** SQL login name, or the object id of an access token's principal. */
  user: string;
  applicationName: string;
  hostName: string;
}

/** Why a login is refused: 4060 (database), 18456 (login). Sent as ERROR, then the connection is closed. */
export type LoginResult = { ok: true; session: SqlSession } | { ok: false; message: SqlMessage };

export interface SqlEngine {
  /** `user` was authenticated by the wire already; the engine decides about the database and the user's rights in it. */
  login(identity: LoginIdentity): Promise<LoginResult>;
  createServer(server: string): Promise<void>;
  /** With its databases; their sessions end. Does nothing where there is none. */
  dropServer(server: string): Promise<void>;
  listServers(): string[];
  /** Does nothing where the database exists already. */
  createDatabase(server: string, database: string): Promise<void>;
  dropDatabase(server: string, database: string): Promise<void>;
  listDatabases(server: string): Promise<string[]>;
  close(): Promise<void>;
}
