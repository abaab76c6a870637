import { type BatchAnswer } from '../../sql/model';
import { judgeTransaction } from '../../sql/transaction-watch';
import { type Script, type ScriptBatch } from '../../packages/model';
import { replaceTokens } from '../../packages/token-replacement';
import { type RunContext } from './context';
import { ask, type DatabaseSession } from './database-session';
import { type Fault, faultOf, ownFault } from './fault';
import { needsSavepoint, type NumberedScript } from './plan';
import { rollback, rollbackToSavepoint, savepointName, setSavepoint, transactionState } from './protocol';

/** How one script ended, once. */
export type ScriptEnd =
  | { kind: 'ran' }
  /** It failed, and its policy says that the build goes on. */
  | { kind: 'ignored'; fault: Fault }
  /**
   * `remains` is what is left of the build in this database once the session ends: `nothing`: the server rolls it all back;
   * `someOfIt`: only what this script did outside of the transaction; `all`: also what ran before it.
   */
  | { kind: 'failed'; fault: Fault; remains: 'nothing' | 'someOfIt' | 'all' }
  /** Before its next batch. */
  | { kind: 'cancelled' };

type BatchEnd = { kind: 'ok' } | { kind: 'survivable'; fault: Fault } | Exclude<ScriptEnd, { kind: 'ran' | 'ignored' }>;

/**
 * Runs one script inside the build's transaction, by its own policy:
 *
 * | RollBackOnError | CausesBuildFailure | an error ...                                                    |
 * |-----------------|--------------------|-----------------------------------------------------------------|
 * | true or false   | true               | fails the build, which is rolled back as a whole                |
 * | true            | false              | undoes this script alone, skips the rest of it, the build goes on |
 * | false           | false              | is passed over, the next batch runs                             |
 *
 * Whatever the policy, the build fails when the transaction did not survive the error.
 */
export async function runScriptInTransaction(
  context: RunContext,
  session: DatabaseSession,
  numbered: NumberedScript,
): Promise<ScriptEnd> {
  const { script, sequence } = numbered;
  if (needsSavepoint(script)) {
    const set = await ask(context, session.connection, setSavepoint(sequence));
    if (set.error !== null) return lostAround(session, script, set);
    context.log.statement(`SAVE TRANSACTION ${savepointName(sequence)};`);
  }

  let ignored: Fault | null = null;
  for (const step of executions(script)) {
    const end = await runBatchInTransaction(context, session, script, step);
    if (end.kind === 'ok') continue;
    if (end.kind !== 'survivable') return end;
    if (script.causesBuildFailure) return { kind: 'failed', fault: end.fault, remains: 'nothing' };
    const survived = await survive(context, session, numbered, end.fault);
    if (survived.kind === 'failed') return survived;
    ignored ??= end.fault;
    if (script.rollBackOnError) break;
  }
  return ignored === null ? { kind: 'ran' } : { kind: 'ignored', fault: ignored };
}

async function runBatchInTransaction(
  context: RunContext,
  session: DatabaseSession,
  script: Script,
  step: Execution,
): Promise<BatchEnd> {
  if (context.request.signal.aborted) return { kind: 'cancelled' };
  const answer = await runBatch(context, session, script, step);
  const place = { database: session.databaseName, script, batch: step.batch };
  const verdict = judgeTransaction(answer.transactionEvents);

  if (verdict === 'left') {
    const message = 'The script committed or replaced the transaction of this build.';
    return {
      kind: 'failed',
      fault: withServerError(leftTransaction(message, place), answer, place),
      remains: 'all',
    };
  }
  if (verdict === 'rolledBack' && (answer.error === null || answer.countedOutsideTransaction)) {
    const message = 'The script rolled back the transaction of this build and went on.';
    return {
      kind: 'failed',
      fault: withServerError(leftTransaction(message, place), answer, place),
      remains: 'someOfIt',
    };
  }
  if (answer.error === null) return { kind: 'ok' };

  const fault = faultOf('script', answer.error, place);
  const survivable =
    verdict === 'kept' && session.connection.open && (fault.action === 'permanent' || fault.action === 'timeout');
  return survivable ? { kind: 'survivable', fault } : { kind: 'failed', fault, remains: 'nothing' };
}

/** Makes sure that the transaction can go on after an error of a script that may fail. */
async function survive(
  context: RunContext,
  session: DatabaseSession,
  { script, sequence }: NumberedScript,
  fault: Fault,
): Promise<{ kind: 'survived' } | { kind: 'failed'; fault: Fault; remains: 'nothing' }> {
  const answer = await ask(
    context,
    session.connection,
    script.rollBackOnError ? rollbackToSavepoint(sequence) : transactionState,
  );
  if (answer.error !== null) return lostAround(session, script, answer);
  if (script.rollBackOnError) context.log.statement(`ROLLBACK TRANSACTION ${savepointName(sequence)};`);
  const state: unknown = answer.resultSets.at(-1)?.rows[0]?.[1];
  return state === 1 ? { kind: 'survived' } : { kind: 'failed', fault, remains: 'nothing' };
}

/**
 * Runs one script without a transaction of ours. There is nothing to roll back: `RollBackOnError` only decides whether the
 * rest of a failed script that may fail is skipped.
 */
export async function runScriptAlone(
  context: RunContext,
  session: DatabaseSession,
  { script }: NumberedScript,
): Promise<ScriptEnd> {
  const end = await runBatchesAlone(context, session, script);
  const { connection } = session;
  if (!connection.open || connection.transaction === null) return end;
  // A transaction that the script left open would swallow the journal row that is written next.
  await ask(context, connection, rollback);
  if (end.kind === 'failed' || end.kind === 'cancelled') return end;
  const message = 'The script began a transaction and did not end it. It was rolled back.';
  return {
    kind: 'failed',
    fault: leftTransaction(message, { database: session.databaseName, script }),
    remains: 'someOfIt',
  };
}

async function runBatchesAlone(context: RunContext, session: DatabaseSession, script: Script): Promise<ScriptEnd> {
  let ignored: Fault | null = null;
  for (const step of executions(script)) {
    if (context.request.signal.aborted) return { kind: 'cancelled' };
    const answer = await runBatch(context, session, script, step);
    if (answer.error === null) continue;
    const fault = faultOf('script', answer.error, { database: session.databaseName, script, batch: step.batch });
    if (script.causesBuildFailure || !session.connection.open) return { kind: 'failed', fault, remains: 'someOfIt' };
    ignored ??= fault;
    if (script.rollBackOnError) break;
  }
  return ignored === null ? { kind: 'ran' } : { kind: 'ignored', fault: ignored };
}

interface Execution {
  batch: ScriptBatch;
  /** 1-based. */
  number: number;
  /** 1-based, up to the batch's own `GO n`. */
  repetition: number;
}

function* executions(script: Script): Generator<Execution> {
  for (const [index, batch] of script.batches.entries()) {
    for (let repetition = 1; repetition <= batch.repeat; repetition += 1) {
      yield { batch, number: index + 1, repetition };
    }
  }
}

async function runBatch(
  context: RunContext,
  session: DatabaseSession,
  script: Script,
  { batch, number, repetition }: Execution,
): Promise<BatchAnswer> {
  const { clock, counters, log, pkg, limits } = context;
  const { options, target } = context.request;
  const text = replaceTokens(batch.text, {
    buildDescription: options.description,
    buildPackageHash: pkg.packageHash,
    buildFileName: options.buildFileName,
  });
  const title = `${script.fileName}, batch ${number} of ${script.batches.length}`;
  if (repetition === 1) {
    log.batch({
      title: `${title} (server ${target.server}, database ${session.databaseName})`,
      database: session.databaseName,
      text,
      repeat: batch.repeat,
    });
  }
  counters.batches += 1;
  const startedAtMs = clock.nowMs();
  const answer = await session.connection.execute(text, {
    timeoutMs: timeoutMs(context, script),
    maximumRows: limits.maximumLogRows,
  });
  log.answer(title, answer, clock.nowMs() - startedAtMs);
  if (answer.error !== null) {
    log.failure(title, faultOf('script', answer.error, { database: session.databaseName, script, batch }).failure);
  }
  return answer;
}

/** Per batch, as the predecessor's command time-out. 0 means no limit of its own: then the build's deadline is the limit. */
function timeoutMs(context: RunContext, script: Script): number {
  const seconds = script.timeoutSeconds ?? context.request.options.defaultScriptTimeoutSeconds;
  return seconds > 0 ? seconds * 1_000 : Math.max(1_000, context.request.deadlineMs - context.clock.nowMs());
}

function leftTransaction(message: string, place: { database: string; script: Script }): Fault {
  return ownFault({ code: 'sql.transactionLeft', action: 'permanent' }, message, place);
}

/** Our finding leads, the server's own words follow. */
function withServerError(
  fault: Fault,
  answer: BatchAnswer,
  place: { database: string; script: Script; batch: ScriptBatch },
): Fault {
  if (answer.error === null) return fault;
  const { failure } = faultOf('script', answer.error, place);
  return {
    ...fault,
    failure: { ...failure, code: fault.code, message: `${fault.failure.message} ${failure.message}` },
  };
}

/** A savepoint request that failed. The transaction cannot be trusted any more, but nothing of it was committed. */
function lostAround(
  session: DatabaseSession,
  script: Script,
  answer: BatchAnswer,
): { kind: 'failed'; fault: Fault; remains: 'nothing' } {
  const place = { database: session.databaseName, script };
  const fault =
    answer.error === null
      ? ownFault({ code: 'sql.protocol', action: 'permanent' }, 'A savepoint request was not answered.', place)
      : faultOf('preamble', answer.error, place);
  return { kind: 'failed', fault, remains: 'nothing' };
}
