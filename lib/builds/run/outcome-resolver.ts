import { type DatabaseBuildResult } from '../model';
import { type Attempt, createScriptBoard, newAttempt } from './attempt';
import { type DatabaseBuilderDeps, type RunContext } from './context';
import { type BuildDatabase, createRunner } from './database-builder';
import { abandonSession, type DatabaseSession, openSession } from './database-session';
import { type DatabaseScripts } from './databases';
import { ownFault } from './fault';
import { planDatabase } from './plan';
import { refusalOf } from './refusal';

/** The databases were asked, and they have nothing of this build, or some of it. */
const notApplied = 'sql.notApplied';
const partlyApplied = 'sql.partlyApplied';

/**
 * Finds out how a target stands, without running anything: for messages that the queue gave up, and for targets whose
 * outcome is unknown. Takes the same lock as a build, so an answer is never about a build that is still at work.
 *
 * Answers `committed`, `alreadyApplied`, `rolledBack` (nothing of this build is there), `failed` (some of it is), or
 * `unknown` (could not be asked before the deadline, or a script without a transaction was interrupted).
 */
export function createOutcomeResolver(deps: DatabaseBuilderDeps): BuildDatabase {
  const resolve = createRunner(deps, attemptToAsk);
  return async (request, pkg) => {
    const result = await resolve(request, pkg);
    return { ...result, status: statusOf(result) };
  };
}

function statusOf({ status, failure }: DatabaseBuildResult): DatabaseBuildResult['status'] {
  if (status === 'committed' || status === 'alreadyApplied') return status;
  if (failure?.code === notApplied || failure?.code === 'sql.drift') return 'rolledBack';
  return failure?.code === partlyApplied ? 'failed' : 'unknown';
}

async function attemptToAsk(context: RunContext, databases: readonly DatabaseScripts[]): Promise<Attempt> {
  const attempt = newAttempt();
  const sessions: DatabaseSession[] = [];
  try {
    for (const { database, scripts } of databases) {
      const opened = await openSession(context, database, scripts);
      if (!opened.ok) {
        const { fault } = opened;
        attempt.ending = fault.action === 'cancelled' ? { kind: 'cancelled' } : { kind: 'failed', fault };
        return attempt;
      }
      sessions.push(opened.session);
    }
    attempt.asked = true;
    judge(context, sessions, attempt);
    return attempt;
  } finally {
    for (const session of sessions) await abandonSession(context, session);
  }
}

function judge({ request }: RunContext, sessions: readonly DatabaseSession[], attempt: Attempt): void {
  let remaining = 0;
  const board = createScriptBoard(
    sessions.flatMap(({ scripts, databaseName }) => scripts.map((script) => ({ ...script, database: databaseName }))),
  );
  for (const session of sessions) {
    const plan = planDatabase({
      buildId: request.buildId,
      targetId: request.target.id,
      scripts: session.scripts,
      journal: session.journal,
      log: session.log,
    });
    if (plan.kind === 'drift' || plan.kind === 'interrupted') {
      attempt.ending = refusalOf(plan, session.databaseName);
      return;
    }
    for (const step of plan.steps) {
      if (step.decision === 'run') remaining += 1;
      if (step.decision === 'doneByThisBuild') {
        attempt.durable = true;
        board.set(step, 'ran', session.databaseName, 0, null);
      }
      if (step.decision === 'skipRunOnce') board.set(step, 'skippedRunOnce', session.databaseName, 0, null);
    }
  }
  attempt.scripts = board.list();
  if (remaining === 0) attempt.ending = { kind: attempt.durable ? 'committed' : 'alreadyApplied' };
  else {
    const message = attempt.durable
      ? `${remaining} scripts of the build are not in the database, the others are`
      : 'the database has nothing of this build';
    const database = sessions.map(({ databaseName }) => databaseName).join(', ');
    attempt.ending = {
      kind: 'failed',
      fault: ownFault({ code: attempt.durable ? partlyApplied : notApplied, action: 'permanent' }, message, {
        database,
      }),
    };
  }
}
