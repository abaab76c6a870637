import { classify, type ErrorClass, type SqlPhase } from '../../sql/error-classes';
import { type SqlError } from '../../sql/model';
import { type ScriptBatch, type Script } from '../../packages/model';
import { type SqlFailure } from '../model';
import { protocolErrorNumber } from './protocol';

/** What went wrong, judged: the failure as it is reported, and what may be done about it. */
export interface Fault extends ErrorClass {
  failure: SqlFailure;
}

/** Where in the package an error came from. */
export interface FaultPlace {
  database: string;
  script?: Script;
  batch?: ScriptBatch;
}

export function faultOf(phase: SqlPhase, error: SqlError, place: FaultPlace): Fault {
  const judged = classify(phase, error);
  const procedure = error.procedure;
  return {
    ...judged,
    failure: {
      code: judged.code,
      message: error.message,
      number: error.number,
      severity: error.severity,
      state: error.state,
      // A line within a procedure has nothing to do with lines of the file.
      line:
        place.batch !== undefined && procedure === null && error.line !== null
          ? place.batch.line + error.line - 1
          : place.script === undefined
            ? null
            : error.line,
      procedure,
      script: place.script?.fileName ?? null,
      database: place.database,
    },
  };
}

/** A fault that we found ourselves, without an error of the server. */
export function ownFault(judged: ErrorClass, message: string, place: FaultPlace): Fault {
  return {
    ...judged,
    failure: {
      code: judged.code,
      message,
      number: null,
      severity: null,
      state: null,
      line: null,
      procedure: null,
      script: place.script?.fileName ?? null,
      database: place.database,
    },
  };
}

/** An error of a request that was to commit. Where one of its own checks raised it, a script is to blame. */
export function commitFault(error: SqlError, place: FaultPlace): Fault {
  const fault = faultOf('commit', error, place);
  if (error.number !== protocolErrorNumber) return fault;
  const code = 'sql.transactionLeft';
  return { code, action: 'permanent', failure: { ...fault.failure, code } };
}

/** The server answered a request of ours without an error and without having done it. */
export function notExecuted(place: FaultPlace): Fault {
  return ownFault(
    { code: 'sql.notExecuted', action: 'permanent' },
    'The server did not execute the last request. A script left SET NOEXEC, PARSEONLY or FMTONLY ON.',
    place,
  );
}
