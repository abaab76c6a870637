import { type ErrorScope, messages } from './messages';
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

  /** The same error with other options. */
  with(options: SqlError['options']): SqlError {
    return new SqlError(this.number, this.message, { ...this.options, ...options });
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

/**
 * A message of SQL Server's with its arguments filled in. Severity, state and reach are the usual ones of that number,
 * unless `options` says otherwise.
 */
export function sqlError(
  number: keyof typeof messages,
  args: readonly (string | number)[] = [],
  options: SqlError['options'] = {},
): SqlError {
  const [severity, state, text, scope] = messages[number];
  const message = text.replace(/%(\d)/g, (_, position: string) => String(args[Number(position) - 1] ?? ''));
  return new SqlError(number, message, { severity, state, scope, ...options });
}

export const invalidObject = (name: string, line?: number): SqlError => sqlError(208, [name], { line });

export const invalidColumn = (name: string, line?: number): SqlError => sqlError(207, [name], { line });

export const undeclaredVariable = (name: string, line?: number): SqlError => sqlError(137, [name], { line });
