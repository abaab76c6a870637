import { type SqlMessage } from './session';

/** A T-SQL error on its way to TRY/CATCH or to the client. `line` 0: the statement that was running fills it in. */
export class SqlError extends Error {
  override readonly name = 'SqlError';
  constructor(
    readonly number: number,
    message: string,
    readonly options: {
      severity?: number;
      state?: number;
      line?: number;
      procedure?: string;
      /** What SQL Server does beyond ending the statement; decides whether the batch goes on. */
      scope?: ErrorScope;
      /** By RAISERROR, which XACT_ABORT does not look at. */
      raised?: boolean;
      /** The second message that SQL Server sends behind some errors. */
      followedBy?: { number: number; message: string; state: number };
    } = {},
  ) {
    super(message);
  }

  toMessage(line: number, procedure: string): SqlMessage {
    return {
      number: this.number,
      severity: this.options.severity ?? 16,
      state: this.options.state ?? 1,
      message: this.message,
      procedure: this.options.procedure ?? procedure,
      line: this.options.line ?? line,
    };
  }
}

/**
 * How far an error reaches with XACT_ABORT OFF:
 * `statement` the batch goes on; `scope` ends this batch or procedure, its caller goes on, and TRY of the same scope does
 * not catch it (a name that is missing at run time); `batch` ends the whole batch, the transaction stays (THROW);
 * `transaction` ends the batch and dooms or rolls back the transaction (conversions, deadlock victim).
 */
export type ErrorScope = 'statement' | 'scope' | 'batch' | 'transaction';

/** The one number for whatever the stand-in does not do. SQL Server itself never sends it. */
export const notSupportedNumber = 49999;

/** @param construct what was asked for, as an author would look for it in README.md. */
export function notSupported(construct: string, line?: number): SqlError {
  return new SqlError(
    notSupportedNumber,
    `The local SQL stand-in does not support ${construct}. SQL Server may; see local/sql/README.md.`,
    { line, scope: 'batch' },
  );
}

export const invalidObject = (name: string, line?: number): SqlError =>
  new SqlError(208, `Invalid object name '${name}'.`, { line, scope: 'scope' });

export const invalidColumn = (name: string, line?: number): SqlError =>
  new SqlError(207, `Invalid column name '${name}'.`, { line, scope: 'scope' });

export const undeclaredVariable = (name: string, line?: number): SqlError =>
  new SqlError(137, `Must declare the scalar variable "${name}".`, { severity: 15, state: 2, line, scope: 'scope' });
