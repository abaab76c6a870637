import { type Names } from '../catalog/names';
import { type TableDefinition } from '../catalog/definitions';
import { type Transaction } from './transaction';
import { type SqlError } from '../errors';
import { type LoginIdentity, type ResponseSink, type SqlType } from '../session';
import { type Text } from './values';

export interface Variable {
  type: SqlType;
  value: Text;
}

export interface SessionOptions {
  xactAbort: boolean;
  noCount: boolean;
  /** SET NOEXEC ON: batches are compiled and not run. */
  noExecute: boolean;
  implicitTransactions: boolean;
  quotedIdentifier: boolean;
  lockTimeoutMs: number;
  isolation: string;
  dateFirst: number;
  dateFormat: string;
  language: string;
  rowCount: number;
  /** ANSI_NULLS and its like: only what they are set to, for SESSIONPROPERTY. */
  flags: Map<string, boolean>;
}

export const defaultOptions = (): SessionOptions => ({
  xactAbort: false,
  noCount: false,
  noExecute: false,
  implicitTransactions: false,
  quotedIdentifier: true,
  lockTimeoutMs: -1,
  isolation: 'READ COMMITTED',
  dateFirst: 7,
  dateFormat: 'mdy',
  language: 'us_english',
  rowCount: 0,
  flags: new Map(),
});

/** One batch, procedure, trigger or piece of dynamic SQL that runs. */
export interface Frame {
  variables: Map<string, Variable>;
  /** Table variables; `inserted` and `deleted` in a trigger. */
  tables: Map<string, TableDefinition>;
  /** '' outside of modules. */
  procedure: string;
  procedureId: number;
  level: number;
  tryDepth: number;
  /** Temporary tables that end with this frame. */
  temporary: string[];
  /** Columns that the statement which fired this trigger changes. */
  updated: ReadonlySet<number> | null;
  triggerTable: TableDefinition | null;
  /** Identity value that this scope inserted last. */
  scopeIdentity: Text;
  returnValue: number;
  options: { noCount: boolean; xactAbort: boolean } | null;
}

/** Everything that one session remembers between statements. */
export interface SessionState {
  spid: number;
  identity: LoginIdentity;
  database: { id: number; name: string };
  options: SessionOptions;
  transaction: Transaction;
  names(): Names;
  frames: Frame[];
  rowCount: number;
  error: number;
  identityValue: Text;
  /** Errors whose CATCH blocks run, innermost last. */
  caught: { error: SqlError; line: number; procedure: string }[];
  /** CATCH and TRY blocks that are open in all frames. */
  tryDepth: number;
  /** sp_set_session_context by key, and SET CONTEXT_INFO under ''. */
  context: Map<string, { value: Text; fixed: boolean }>;
  /** Object id of the table with IDENTITY_INSERT ON. */
  identityInsert: number | null;
  fetchStatus: number;
  cursorRows: number;
  triggerNesting: number;
  /** INSERT ... EXEC is waiting for rows, which it can only do once at a time. */
  collecting: boolean;
  sink: ResponseSink;
  signal: AbortSignal;
}
