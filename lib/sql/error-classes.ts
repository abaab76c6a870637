import { type SqlError } from './model';

/** Where a build was when the error came. `commit` begins when the batch with the COMMIT in it is sent. */
export type SqlPhase = 'login' | 'preamble' | 'script' | 'commit';

/**
 * What to do about it:
 * - `retry`: a new connection, with back-off, until the deadline.
 * - `retryBriefly`: the same, but for about two minutes only: it may be transient, or a wrong name.
 * - `throttle`: as `retry`, and the server's share of the work has to shrink.
 * - `rerun`: the transaction is gone and nothing is wrong with the script; run it again, a few times.
 * - `timeout`: a script took too long; run again only as often as the build allows.
 * - `cancelled`: our own signal.
 * - `unknown`: the COMMIT may have taken place. Ask the journal.
 * - `permanent`: trying again would end the same.
 */
export type SqlAction =
  'retry' | 'retryBriefly' | 'throttle' | 'rerun' | 'timeout' | 'cancelled' | 'unknown' | 'permanent';

export interface ErrorClass {
  /** Stable dotted code. */
  code: string;
  action: SqlAction;
}

const throttled = new Set([10928, 10929, 10936, 40501, 49918, 49919, 49920]);
/** Fail-over, reconfiguration, restart: the server goes away and comes back. */
const unavailable = new Set([596, 615, 926, 4221, 40143, 40166, 40197, 40540, 40613, 42108, 42109]);
/** The transaction lost against another one, or met a stale snapshot or an in-memory conflict. */
const conflicts = new Set([1205, 3960, 41301, 41302, 41305, 41325, 41839]);
/** A limit of the database or of the governor. The same transaction would meet it again. */
const resourceLimits = new Set([1105, 1132, 9002, 40544, 40549, 40550, 40551, 40552, 40553]);
const loginRefused = new Set([916, 18452, 18456, 18470, 18486, 18487, 18488, 40532]);
const firewall = new Set([40615, 47073]);
const databaseNotFound = 4060;
const permissionDenied = new Set([229, 230, 262, 297, 300]);
/** From this severity on the server ends the session. */
const fatalSeverity = 20;

/**
 * The one place that judges errors: by phase, kind, SQL number and severity.
 *
 * Sources: Microsoft's list of transient errors, Entity Framework Core's execution strategy (which leaves time-outs out,
 * because a statement that timed out may have completed), and what the driver was seen to report.
 */
export function classify(phase: SqlPhase, error: SqlError): ErrorClass {
  if (error.kind === 'server') return phase === 'login' ? classifyRefusal(error) : classifyServerError(phase, error);
  switch (error.kind) {
    case 'cancelled':
      return phase === 'commit' ? commitUnknown : { code: 'sql.cancelled', action: 'cancelled' };
    case 'certificate':
      return { code: 'sql.certificate', action: 'permanent' };
    case 'token':
      return { code: 'sql.token', action: 'retry' };
    case 'timeout':
      if (phase === 'commit') return commitUnknown;
      return phase === 'script'
        ? { code: 'sql.timeout', action: 'timeout' }
        : { code: 'sql.unavailable', action: 'retry' };
    case 'network':
      if (phase === 'commit') return commitUnknown;
      if (phase !== 'login') return { code: 'sql.connectionLost', action: 'retry' };
      return error.driverCode === 'ENOTFOUND'
        ? { code: 'sql.serverNotFound', action: 'retryBriefly' }
        : { code: 'sql.unreachable', action: 'retry' };
  }
}

const commitUnknown: ErrorClass = { code: 'sql.commitUnknown', action: 'unknown' };

function classifyRefusal(error: SqlError): ErrorClass {
  const has = (set: ReadonlySet<number>): boolean => error.numbers.some((number) => set.has(number));
  if (has(throttled)) return { code: 'sql.throttled', action: 'throttle' };
  if (has(unavailable)) return { code: 'sql.unavailable', action: 'retry' };
  // 4060 is followed by 18456, which would hide that the database may just be coming up.
  if (error.numbers.includes(databaseNotFound)) return { code: 'sql.databaseNotFound', action: 'retryBriefly' };
  if (has(firewall)) return { code: 'sql.firewall', action: 'permanent' };
  if (has(loginRefused)) return { code: 'sql.login', action: 'permanent' };
  // Not known: more tries of a login that is refused for good lock accounts.
  return { code: 'sql.login', action: 'permanent' };
}

function classifyServerError(phase: SqlPhase, error: SqlError): ErrorClass {
  const has = (set: ReadonlySet<number>): boolean => error.numbers.some((number) => set.has(number));
  if (has(conflicts)) return { code: 'sql.conflict', action: 'rerun' };
  if (has(throttled)) return { code: 'sql.throttled', action: 'throttle' };
  if (has(unavailable)) return { code: 'sql.unavailable', action: 'retry' };
  if (has(resourceLimits)) return { code: 'sql.resourceLimit', action: 'permanent' };
  if ((error.severity ?? 0) >= fatalSeverity) return { code: 'sql.fatal', action: 'permanent' };
  if (phase === 'script') return { code: 'sql.scriptError', action: 'permanent' };
  return { code: has(permissionDenied) ? 'sql.permission' : 'sql.protocol', action: 'permanent' };
}
