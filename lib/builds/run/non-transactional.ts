import { type Attempt, createScriptBoard, type Ending, newAttempt, type ScriptBoard } from './attempt';
import { type RunContext } from './context';
import { abandonSession, ask, type DatabaseSession, openSession } from './database-session';
import { type DatabaseScripts } from './databases';
import { commitFault, type Fault, notExecuted } from './fault';
import { planDatabase, type Step } from './plan';
import { checkpoint } from './protocol';
import { refusalOf } from './refusal';
import { runScriptAlone } from './script-run';
import { allLogColumns, type RanScript } from './tables';

/** A session and its scripts. `pending` is the script that ended and whose row is not written yet. */
interface Work {
  session: DatabaseSession;
  steps: readonly Step[];
  pending: RanScript | null;
}

/**
 * One try at one target without a transaction: a journal row `started` before each script and its final row after it, in
 * small transactions of their own; the end of one script and the start of the next share a round trip. What ran stays.
 *
 * A script whose start is recorded and whose end is not may have run, in part or wholly. It is never run again by itself.
 */
export async function attemptNonTransactional(
  context: RunContext,
  databases: readonly DatabaseScripts[],
): Promise<Attempt> {
  const numbered = databases
    .flatMap(({ database, scripts }) => scripts.map((script) => ({ ...script, database })))
    .sort((left, right) => left.sequence - right.sequence);
  const board = createScriptBoard(numbered);
  const attempt = newAttempt();
  const sessions: DatabaseSession[] = [];
  try {
    attempt.ending = await run(context, databases, sessions, board, attempt);
  } finally {
    for (const session of sessions) await abandonSession(context, session);
  }
  closeLog(context, attempt.ending);
  return { ...attempt, scripts: board.list() };
}

async function run(
  context: RunContext,
  databases: readonly DatabaseScripts[],
  sessions: DatabaseSession[],
  board: ScriptBoard,
  attempt: Attempt,
): Promise<Ending> {
  const { signal } = context.request;
  const works: Work[] = [];
  for (const { database, scripts } of databases) {
    if (signal.aborted) return { kind: 'cancelled' };
    const opened = await openSession(context, database, scripts);
    if (!opened.ok) {
      const { fault } = opened;
      return fault.action === 'cancelled' ? { kind: 'cancelled' } : { kind: 'failed', fault };
    }
    sessions.push(opened.session);
    const plan = planDatabase({
      buildId: context.request.buildId,
      targetId: context.request.target.id,
      scripts: opened.session.scripts,
      journal: opened.session.journal,
      log: opened.session.log,
    });
    if (plan.kind === 'drift' || plan.kind === 'interrupted') return refusalOf(plan, opened.session.databaseName);
    works.push({ session: opened.session, steps: plan.steps, pending: null });
  }
  attempt.asked = true;

  const steps = works
    .flatMap((work) => work.steps.map((step) => ({ work, step })))
    .sort((left, right) => left.step.sequence - right.step.sequence);
  attempt.durable = steps.some(({ step }) => step.decision === 'doneByThisBuild');
  for (const { work, step } of steps) {
    const { databaseName } = work.session;
    if (step.decision === 'run') {
      const ending = await runStep(context, board, attempt, work, step);
      if (ending !== null) return ending;
    } else {
      board.set(step, step.decision === 'skipRunOnce' ? 'skippedRunOnce' : 'ran', databaseName, 0, null);
    }
  }
  for (const work of works) {
    const fault = await record(context, work, null);
    if (fault !== null) return endingOf(fault, work);
  }
  return { kind: attempt.durable ? 'committed' : 'alreadyApplied' };
}

/** @returns the ending when the build cannot go on, else null. */
async function runStep(
  context: RunContext,
  board: ScriptBoard,
  attempt: Attempt,
  work: Work,
  step: Step,
): Promise<Ending | null> {
  const { session } = work;
  if (context.request.signal.aborted) return settle(context, work, { kind: 'cancelled' });
  const startedAtMs = context.clock.nowMs();
  const started: RanScript = {
    script: step.script,
    sequence: step.sequence,
    state: 'started',
    startedAtMs,
    finishedAtMs: null,
  };
  const unrecorded = await record(context, work, started);
  if (unrecorded !== null) return endingOf(unrecorded, work);

  const batchesBefore = context.counters.batches;
  const end = await runScriptAlone(context, session, step);
  if (context.counters.batches > batchesBefore) {
    attempt.began = true;
    attempt.durable = true;
  }
  const finishedAtMs = context.clock.nowMs();
  const ended = (state: RanScript['state']): void => void (work.pending = { ...started, state, finishedAtMs });
  const show = (status: 'ran' | 'failedIgnored' | 'failed', fault: Fault | null): void =>
    board.set(step, status, session.databaseName, finishedAtMs - startedAtMs, fault?.failure ?? null);
  switch (end.kind) {
    case 'ran':
      ended('done');
      show('ran', null);
      return null;
    case 'ignored':
      ended('ignored');
      show('failedIgnored', end.fault);
      return null;
    case 'cancelled':
      // Between two of its batches: what the first ones did stays, so the script counts as failed, not as never begun.
      ended('failed');
      return settle(context, work, { kind: 'cancelled' });
    case 'failed':
      show('failed', end.fault);
      if (!session.connection.open) return { kind: 'interrupted', fault: end.fault };
      ended('failed');
      return settle(context, work, { kind: 'failed', fault: end.fault });
  }
}

/** A row could not be written. Where that leaves no script in doubt it is an ordinary failure. */
function endingOf(fault: Fault, work: Work): Ending {
  return fault.action === 'unknown' || work.pending !== null
    ? { kind: 'interrupted', fault }
    : { kind: 'failed', fault };
}

/** Writes the last script's row before the build ends early. */
async function settle(context: RunContext, work: Work, ending: Ending): Promise<Ending> {
  const fault = await record(context, work, null);
  return fault === null ? ending : { kind: 'interrupted', fault };
}

/** One round trip between two scripts, none where there is nothing to write. @returns what went wrong, else null. */
async function record(context: RunContext, work: Work, next: RanScript | null): Promise<Fault | null> {
  const { session, pending } = work;
  if (pending === null && next === null) return null;
  const text = checkpoint({ stamp: session.stamp, tables: session.tables, ended: pending, next }, session.xactAbort);
  const answer = await ask(context, session.connection, text);
  const committed = answer.transactionEvents.some((event) => event.kind === 'ended' && event.by === 'commit');
  if (!committed) {
    const place = { database: session.databaseName };
    return answer.error === null ? notExecuted(place) : commitFault(answer.error, place);
  }
  work.pending = null;
  session.tables = { journal: true, logColumns: session.tables.logColumns ?? allLogColumns };
  return null;
}

function closeLog(context: RunContext, ending: Ending): void {
  if (ending.kind === 'failed' || ending.kind === 'interrupted') {
    context.log.failure('The build of this database', ending.fault.failure);
    context.log.note('Completed: with an error, without a transaction. What ran stays.');
  }
  if (ending.kind === 'committed') context.log.note('Completed: without a transaction.');
}
