import { type BatchAnswer, type SqlConnection } from '../../sql/model';
import { type RunContext } from './context';
import { type Fault, faultOf, ownFault } from './fault';
import { type NumberedScript, needsXactAbort } from './plan';
import { type PreambleAnswer, readPreambleAnswer } from './preamble-answer';
import { lockResource, preamble, rollback } from './protocol';
import { type BuildStamp } from './tables';

/** One database that was logged in to, locked, and asked what it remembers. */
export interface DatabaseSession extends PreambleAnswer {
  connection: SqlConnection;
  scripts: readonly NumberedScript[];
  xactAbort: boolean;
  stamp: BuildStamp;
}

export type SessionOpening = { ok: true; session: DatabaseSession } | { ok: false; fault: Fault };

/** One login and one round trip. Where this fails nothing is left open. */
export async function openSession(
  context: RunContext,
  database: string,
  scripts: readonly NumberedScript[],
): Promise<SessionOpening> {
  const { request, limits } = context;
  const place = { database };
  const connected = await context.connect({
    server: request.target.server,
    port: request.target.port,
    database,
    signal: request.signal,
  });
  if (connected.ok || connected.error.kind !== 'token') context.counters.logins += 1;
  if (!connected.ok) return { ok: false, fault: faultOf('login', connected.error, place) };

  const { connection } = connected;
  const { transactional } = request.options;
  const xactAbort = needsXactAbort(scripts);
  const text = preamble({
    buildId: request.buildId,
    targetId: request.target.id,
    runOnceScriptIds: scripts.filter(({ script }) => !script.allowMultipleRuns).map(({ script }) => script.scriptId),
    transactional,
    xactAbort,
    lockTimeoutMs: limits.lockTimeoutMs,
  });
  const answer = await ask(context, connection, text, {
    timeoutMs: limits.lockTimeoutMs + limits.protocolTimeoutMs,
    cancellable: true,
  });
  const found = answer.error === null ? readPreambleAnswer(answer) : null;
  const fault =
    answer.error === null ? judgePreamble(found, transactional, database) : faultOf('preamble', answer.error, place);
  if (fault !== null || found === null) {
    await connection.close();
    return { ok: false, fault: fault ?? unreadable(database) };
  }
  return {
    ok: true,
    session: {
      ...found,
      connection,
      scripts,
      xactAbort,
      stamp: {
        buildId: request.buildId,
        targetId: request.target.id,
        attempt: request.attempt,
        packageSha256: context.pkg.sha256,
        packageHash: context.pkg.packageHash,
        buildFileName: request.options.buildFileName,
        description: request.options.description,
        requestedBy: request.options.requestedBy,
        database: found.databaseName,
        version: context.version,
      },
    },
  };
}

function unreadable(database: string): Fault {
  return ownFault({ code: 'sql.protocol', action: 'permanent' }, 'The answer to the first request could not be read.', {
    database,
  });
}

/** Return values of sp_getapplock: 0 granted, 1 after a wait, -1 timed out, -2 cancelled, -3 deadlock victim, -999 bad call. */
function judgePreamble(found: PreambleAnswer | null, transactional: boolean, database: string): Fault | null {
  const place = { database };
  if (found === null) return unreadable(database);
  const { lockResult } = found;
  if (lockResult === -1 || lockResult === -2) {
    return ownFault(
      { code: 'sql.lockBusy', action: 'retry' },
      `Another session holds the lock "${lockResource}" of this database: another build is at work there, or one that died has not been noticed yet.`,
      place,
    );
  }
  if (lockResult === -3) {
    return ownFault({ code: 'sql.conflict', action: 'rerun' }, 'Waiting for the lock ended in a deadlock.', place);
  }
  if (lockResult < 0) {
    return ownFault({ code: 'sql.lock', action: 'permanent' }, `sp_getapplock answered ${lockResult}.`, place);
  }
  if (transactional && found.transactionCount !== 1) {
    return ownFault(
      { code: 'sql.protocol', action: 'permanent' },
      `The transaction was begun, but the server counts ${found.transactionCount}.`,
      place,
    );
  }
  return null;
}

/** One request of the protocol itself: counted, and never more rows than our own tables answer. */
export async function ask(
  context: RunContext,
  connection: SqlConnection,
  text: string,
  options: { timeoutMs?: number; cancellable?: boolean } = {},
): Promise<BatchAnswer> {
  context.counters.roundTrips += 1;
  return connection.execute(text, {
    timeoutMs: options.timeoutMs ?? context.limits.protocolTimeoutMs,
    maximumRows: Number.POSITIVE_INFINITY,
    ...(options.cancellable === true ? { signal: context.request.signal } : {}),
  });
}

/**
 * Ends a session without leaving anything. The rollback is sent so that the lock is free at once; where it cannot be sent
 * the server rolls back by itself when it sees the connection end.
 */
export async function abandonSession(context: RunContext, session: DatabaseSession): Promise<void> {
  if (session.connection.open && session.connection.transaction !== null) {
    await ask(context, session.connection, rollback);
  }
  await session.connection.close();
}
