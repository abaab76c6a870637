import { type SqlError } from '../errors';
import { type Statement } from '../parser/ast';
import { next, type Flow, type Runtime } from './runtime';
import { type Frame } from './state';
import { keepTableVariables } from './table-variables';

/** The rest of the batch (`frame` null) or of one procedure is not run. The client knows already. */
export class Abandon extends Error {
  constructor(readonly frame: Frame | null) {
    super('abandoned');
  }
}

/** An error on its way to a CATCH block. */
export class Raised extends Error {
  constructor(
    readonly error: SqlError,
    readonly line: number,
    readonly procedure: string,
    readonly frame: Frame,
  ) {
    super(error.message);
  }
}

export interface ErrorHandling {
  /** Decides what a statement's error does: to CATCH, on to the next statement, or out of the procedure or batch. */
  raise(error: SqlError, statement: Statement): Promise<Flow>;
  /** Sends it to the client as it is. */
  report(error: SqlError, line: number, procedure: string): void;
}

const changesData = new Set(['insert', 'update', 'delete', 'merge']);
/** Numbers that are followed by "The statement has been terminated." */
const terminating = new Set([515, 547, 2601, 2627, 2628, 8134, 8115, 220, 517, 512]);

export function createErrorHandling(runtime: () => Runtime): ErrorHandling {
  const report: ErrorHandling['report'] = (error, line, procedure) => {
    const { state } = runtime();
    state.sink.message(error.toMessage(line, procedure));
    const { followedBy } = error.options;
    if (followedBy === undefined) return;
    const second = error.toMessage(line, procedure);
    state.sink.message({ ...second, number: followedBy.number, message: followedBy.message, state: followedBy.state });
  };

  return {
    report,
    raise: async (error, statement) => {
      const { state } = runtime();
      const frame = runtime().frame();
      const { transaction } = state;
      const line = error.options.line ?? statement.line;
      const procedure = error.options.procedure ?? frame.procedure;
      const severity = error.options.severity ?? 16;
      const scope = error.options.scope ?? 'statement';
      const strict = state.options.xactAbort && error.options.raised !== true;
      state.error = error.number;
      // A name that is missing at run time ends its own scope: only a caller's TRY sees it.
      const handlers = scope === 'scope' ? state.tryDepth - frame.tryDepth : state.tryDepth;
      if (severity > 10 && severity < 20 && handlers > 0) {
        if (transaction.count > 0 && (strict || scope === 'transaction')) transaction.doomed = true;
        throw new Raised(error, line, procedure, frame);
      }
      // a procedure that says nothing else returns how bad its last error was
      if (frame.procedure !== '' && error.options.raised !== true) frame.returnValue = 10 - severity;
      report(error, line, procedure);
      if (changesData.has(statement.kind) && scope === 'statement' && !strict && terminating.has(error.number)) {
        state.sink.message({
          number: 3621,
          severity: 0,
          state: 0,
          message: 'The statement has been terminated.',
          procedure,
          line,
        });
      }
      state.sink.done({ rowCount: null, inProcedure: state.frames.length > 1, isSelect: false, failed: true });
      state.rowCount = 0;
      if (strict || scope === 'transaction') {
        if (transaction.count > 0) await rollBack(runtime());
        throw new Abandon(null);
      }
      if (scope === 'batch') throw new Abandon(null);
      if (scope === 'scope') throw new Abandon(frame);
      return next;
    },
  };
}

/** Rolls everything back and tells the client so. */
export async function rollBack(runtime: Pick<Runtime, 'state' | 'run'>): Promise<void> {
  const { state } = runtime;
  const { descriptor } = state.transaction;
  const restore = await keepTableVariables(runtime);
  await state.transaction.rollback();
  await restore();
  state.sink.environment({ kind: 'rollbackTransaction', descriptor });
}
