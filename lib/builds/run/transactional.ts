import { type Attempt, createScriptBoard, type Ending, newAttempt, type ScriptBoard } from './attempt';
import { type RunContext } from './context';
import { abandonSession, ask, type DatabaseSession, openSession } from './database-session';
import { type DatabaseScripts } from './databases';
import { commitFault, type Fault, notExecuted } from './fault';
import { planDatabase, type Step } from './plan';
import { epilogue } from './protocol';
import { refusalOf } from './refusal';
import { runScriptInTransaction } from './script-run';
import { type RanScript } from './tables';

/** A session with what is to be done in it, and what was. */
interface Work {
  session: DatabaseSession;
  steps: readonly Step[];
  ran: RanScript[];
  fate: 'rolledBack' | 'committed' | 'unknown';
}

/** What one try has come to so far. Kept outside of the steps, so that whatever they run into can be cleaned up. */
interface Progress {
  sessions: DatabaseSession[];
  works: Work[];
  board: ScriptBoard;
  attempt: Attempt;
}

/**
 * One try at one target: every database in one transaction, scripts in build order, then one COMMIT per database, one
 * after another. There is no atomicity over several databases; a try that commits in one and not in the next is finished
 * by the next try, which finds the journal rows of the first.
 */
export async function attemptTransactional(
  context: RunContext,
  databases: readonly DatabaseScripts[],
): Promise<Attempt> {
  const board = createScriptBoard(
    databases
      .flatMap(({ database, scripts }) => scripts.map((numbered) => ({ ...numbered, database })))
      .sort((left, right) => left.sequence - right.sequence),
  );
  const attempt = newAttempt();
  const sessions: DatabaseSession[] = [];
  const works: Work[] = [];
  try {
    attempt.ending = await run(context, databases, { sessions, works, board, attempt });
  } finally {
    // What is not committed by now is rolled back, whatever happened.
    for (const session of sessions) await abandonSession(context, session);
  }
  if (attempt.ending.kind !== 'committed') closeLog(context, attempt.ending, attempt.began);
  for (const { ran, fate } of works) if (fate === 'rolledBack') board.rolledBack(ran.map(({ sequence }) => sequence));
  return { ...attempt, scripts: board.list() };
}

async function run(context: RunContext, databases: readonly DatabaseScripts[], progress: Progress): Promise<Ending> {
  const { sessions, board, attempt } = progress;
  const { signal, options } = context.request;
  for (const { database, scripts } of databases) {
    if (signal.aborted) return { kind: 'cancelled' };
    const opened = await openSession(context, database, scripts);
    if (!opened.ok) return endingOf(opened.fault);
    sessions.push(opened.session);
  }
  attempt.asked = true;

  const planned = planAll(context, sessions, board);
  if (planned.kind === 'refused') return planned.ending;
  progress.works.push(...planned.works);
  attempt.durable = planned.doneByThisBuild;
  const open = planned.works.filter(({ steps }) => steps.some(({ decision }) => decision === 'run'));
  if (open.length === 0) return { kind: planned.doneByThisBuild ? 'committed' : 'alreadyApplied' };

  context.log.begin(open.every(({ session }) => session.xactAbort));
  for (const { work, step } of inBuildOrder(open)) {
    if (signal.aborted) return { kind: 'cancelled' };
    attempt.began = true;
    const failed = await runStep(context, progress, work, step);
    if (failed !== null) return failed;
  }
  if (signal.aborted) return { kind: 'cancelled' };
  return options.trial ? { kind: 'trialRolledBack' } : commitAll(context, open, attempt);
}

type PlanOfAll = { kind: 'planned'; works: Work[]; doneByThisBuild: boolean } | { kind: 'refused'; ending: Ending };

/** Plans every database before anything runs in any of them. */
function planAll(context: RunContext, sessions: readonly DatabaseSession[], board: ScriptBoard): PlanOfAll {
  const works: Work[] = [];
  for (const session of sessions) {
    const plan = planDatabase({
      buildId: context.request.buildId,
      targetId: context.request.target.id,
      scripts: session.scripts,
      journal: session.journal,
      log: session.log,
    });
    if (plan.kind === 'drift' || plan.kind === 'interrupted') {
      return { kind: 'refused', ending: refusalOf(plan, session.databaseName) };
    }
    for (const step of plan.steps) {
      if (step.decision === 'doneByThisBuild') board.set(step, 'ran', session.databaseName, 0, null);
      if (step.decision === 'skipRunOnce') {
        board.set(step, 'skippedRunOnce', session.databaseName, 0, null);
        context.log.note(`${step.script.fileName}: skipped, it runs once and ran in ${session.databaseName} before.`);
      }
    }
    works.push({ session, steps: plan.steps, ran: [], fate: 'rolledBack' });
  }
  const doneByThisBuild = works.some(({ steps }) => steps.some(({ decision }) => decision === 'doneByThisBuild'));
  return { kind: 'planned', works, doneByThisBuild };
}

/** Scripts run in the package's order, also where that goes back and forth between databases. */
function inBuildOrder(works: readonly Work[]): { work: Work; step: Step }[] {
  return works
    .flatMap((work) => work.steps.filter(({ decision }) => decision === 'run').map((step) => ({ work, step })))
    .sort((left, right) => left.step.sequence - right.step.sequence);
}

/** @returns the ending when the build cannot go on, else null. */
async function runStep(
  context: RunContext,
  { attempt, board }: Progress,
  work: Work,
  step: Step,
): Promise<Ending | null> {
  const { session } = work;
  const startedAtMs = context.clock.nowMs();
  const end = await runScriptInTransaction(context, session, step);
  const finishedAtMs = context.clock.nowMs();
  const durationMs = finishedAtMs - startedAtMs;
  const record = (state: RanScript['state']): void =>
    void work.ran.push({ script: step.script, sequence: step.sequence, state, startedAtMs, finishedAtMs });
  switch (end.kind) {
    case 'ran':
      record('done');
      board.set(step, 'ran', session.databaseName, durationMs, null);
      return null;
    case 'ignored':
      record('ignored');
      board.set(step, 'failedIgnored', session.databaseName, durationMs, end.fault.failure);
      return null;
    case 'failed':
      board.set(step, 'failed', session.databaseName, durationMs, end.fault.failure);
      attempt.durable ||= end.remains !== 'nothing';
      if (end.remains === 'all') work.fate = 'unknown';
      return endingOf(end.fault);
    case 'cancelled':
      return { kind: 'cancelled' };
  }
}

async function commitAll(context: RunContext, works: readonly Work[], attempt: Attempt): Promise<Ending> {
  for (const work of works) {
    const fault = await commit(context, work.session, work.ran);
    if (fault === null) {
      work.fate = 'committed';
      attempt.durable = true;
      continue;
    }
    if (fault.action !== 'unknown') return { kind: 'failed', fault };
    work.fate = 'unknown';
    return { kind: 'commitUnknown', fault };
  }
  context.log.statement('COMMIT TRANSACTION;');
  context.log.note('Completed: committed.');
  return { kind: 'committed' };
}

/**
 * Only the COMMIT that the token stream shows counts. A script that left `SET NOEXEC ON` behind makes the server answer
 * every request without an error and without doing anything.
 */
async function commit(context: RunContext, session: DatabaseSession, ran: readonly RanScript[]): Promise<Fault | null> {
  const text = epilogue({
    stamp: session.stamp,
    transactionId: session.transactionId,
    rows: ran,
    tables: session.tables,
  });
  const answer = await ask(context, session.connection, text);
  const committed = answer.transactionEvents.some((event) => event.kind === 'ended' && event.by === 'commit');
  if (committed) {
    await session.connection.close();
    return null;
  }
  const place = { database: session.databaseName };
  return answer.error === null ? notExecuted(place) : commitFault(answer.error, place);
}

function endingOf(fault: Fault): Ending {
  return fault.action === 'cancelled' ? { kind: 'cancelled' } : { kind: 'failed', fault };
}

function closeLog(context: RunContext, ending: Ending, began: boolean): void {
  if (ending.kind === 'failed') context.log.failure('The build of this database', ending.fault.failure);
  if (!began) return;
  if (ending.kind === 'commitUnknown') {
    context.log.note('COMMIT TRANSACTION was sent, and the answer was lost. What follows says how it ended.');
    return;
  }
  context.log.statement('IF @@TRANCOUNT > 0 ROLLBACK TRANSACTION;');
  context.log.note(ending.kind === 'trialRolledBack' ? 'Completed: trial, rolled back.' : 'Completed: rolled back.');
}
