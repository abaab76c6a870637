import { messageOf } from '../platform/errors';
import { type SqlError } from './model';

/** An ERROR token of the server. */
export interface ServerError {
  number: number;
  class: number;
  state: number;
  message: string;
  procName: string;
  lineNumber: number;
}

/**
 * The error of an answer that has one or more ERROR tokens. The first one says what happened; those after it say what
 * that led to ("could not create constraint", "the statement has been terminated").
 */
export function serverError(errors: readonly [ServerError, ...ServerError[]]): SqlError {
  const [first] = errors;
  return {
    kind: 'server',
    message: errors.map((error) => error.message).join(' '),
    number: first.number,
    severity: Math.max(...errors.map((error) => error.class)),
    state: first.state,
    line: first.lineNumber > 0 ? first.lineNumber : null,
    procedure: first.procName === '' ? null : first.procName,
    driverCode: null,
    numbers: errors.map((error) => error.number),
  };
}

/** An error that did not come from the server. */
export function clientError(
  kind: Exclude<SqlError['kind'], 'server'>,
  message: string,
  driverCode: string | null = null,
): SqlError {
  return {
    kind,
    message,
    number: null,
    severity: null,
    state: null,
    line: null,
    procedure: null,
    driverCode,
    numbers: [],
  };
}

/** Codes of a TLS handshake that failed because of who the server is, not because of the network. */
const certificateCode = /^(?:CERT_|ERR_TLS_CERT_|UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|HOSTNAME_MISMATCH|INVALID_CA)/;

/** Whatever the driver or a socket reported, as a value. The most telling code is the innermost one. */
export function transportError(error: unknown): SqlError {
  const code = innermostCode(error);
  const kind = code !== null && certificateCode.test(code) ? 'certificate' : 'network';
  return clientError(kind, messageOf(error), code);
}

/** Structural: an error of another realm is no `instanceof Error` here. */
function innermostCode(error: unknown): string | null {
  if (typeof error !== 'object' || error === null) return null;
  const causes: unknown[] = 'errors' in error && Array.isArray(error.errors) ? error.errors : [];
  const inner = innermostCode(causes[0] ?? ('cause' in error ? error.cause : undefined));
  if (inner !== null) return inner;
  return 'code' in error && typeof error.code === 'string' ? error.code : null;
}
