import { type Package } from '../../packages/model';
import { type DatabaseBuildRequest, type DatabaseBuildResult, type ScriptRun } from '../model';
import { type Attempt } from './attempt';
import { createContext, type DatabaseBuilderDeps, type RunContext } from './context';
import { type DatabaseScripts, groupByDatabase } from './databases';
import { defaultLimits } from './limits';
import { cancelledVerdict, decideNext, noTries, type Tries, type Verdict } from './next';
import { attemptNonTransactional } from './non-transactional';
import { createRunLog } from './run-log';
import { attemptTransactional } from './transactional';

export type BuildDatabase = (request: DatabaseBuildRequest, pkg: Package) => Promise<DatabaseBuildResult>;

/** One try at all databases of a target. */
export type AttemptTarget = (context: RunContext, databases: readonly DatabaseScripts[]) => Promise<Attempt>;

/**
 * The only code that touches a target. Runs a package against the databases of one target: tries until there is an outcome
 * that no further try would better, or the deadline. Never throws for anything that a database or a script did.
 */
export function createDatabaseBuilder(deps: DatabaseBuilderDeps): BuildDatabase {
  return createRunner(deps, (context, databases) =>
    (context.request.options.transactional ? attemptTransactional : attemptNonTransactional)(context, databases),
  );
}

/** What building a database and asking one how it stands have in common: tries, back-off, deadline, log, counters. */
export function createRunner(deps: DatabaseBuilderDeps, attemptTarget: AttemptTarget): BuildDatabase {
  const limits = { ...defaultLimits, ...deps.limits };
  return async (request, pkg) => {
    const log = createRunLog();
    const context = createContext(deps, limits, request, pkg, log);
    const startedAtMs = deps.clock.nowMs();
    const databases = groupByDatabase(pkg.scripts, request.target.overrides);
    writeHeader(context, databases, startedAtMs);

    const { verdict, scripts } = refuse(context, databases) ?? (await runTries(context, databases, attemptTarget));
    log.note(`Outcome: ${verdict.status}${verdict.reason === '' ? '' : `: ${verdict.reason}`}`);
    return {
      ...verdict,
      scripts,
      startedAt: new Date(startedAtMs).toISOString(),
      durationMs: deps.clock.nowMs() - startedAtMs,
      counters: context.counters,
      log: log.text(),
    };
  };
}

interface Conclusion {
  verdict: Verdict;
  scripts: ScriptRun[];
}

/** What cannot be promised is refused before a login. */
function refuse({ request, pkg, clock }: RunContext, databases: readonly DatabaseScripts[]): Conclusion | null {
  const conclude = (status: Verdict['status'], reason: string): Conclusion => ({
    verdict: { status, reason, failure: null },
    scripts: [],
  });
  const { options, signal, deadlineMs } = request;
  if (options.trial && !options.transactional)
    return conclude('rejected', 'a trial needs a transaction, else nothing can be rolled back');
  if (options.timeoutRetryCount > 0 && !options.transactional) {
    return conclude('rejected', 'retries after a time-out need a transaction, else a script could run twice');
  }
  if (pkg.scripts.length === 0) return conclude('alreadyApplied', 'the package has no scripts');
  // An empty name would log in to the login's default database, which is master.
  if (databases.some(({ database }) => database === '')) return conclude('rejected', 'the target names no database');
  if (signal.aborted) return conclude('skipped', 'cancelled before anything ran');
  if (clock.nowMs() >= deadlineMs) return conclude('skipped', 'the deadline came before the first try');
  return null;
}

async function runTries(
  context: RunContext,
  databases: readonly DatabaseScripts[],
  attemptTarget: AttemptTarget,
): Promise<Conclusion> {
  const { request, clock, counters, limits, log, random } = context;
  const { transactional, timeoutRetryCount } = request.options;
  let tries: Tries = noTries;
  for (;;) {
    const attempt = await attemptTarget(context, databases);
    if ('fault' in attempt.ending && attempt.ending.fault.action === 'throttle') counters.throttled += 1;
    const next = decideNext({
      attempt,
      tries,
      limits,
      timeoutRetryCount,
      transactional,
      nowMs: clock.nowMs(),
      deadlineMs: request.deadlineMs,
      random,
    });
    if (next.kind === 'finish') return { verdict: next.verdict, scripts: attempt.scripts };
    tries = next.tries;
    counters.timeoutRetries = tries.timeoutRetries;
    if ('fault' in attempt.ending)
      log.note(`Again in ${next.delayMs} ms, after: ${attempt.ending.fault.failure.message}`);
    if (!(await slept(context, next.delayMs))) {
      return { verdict: withCause(cancelledVerdict(tries), attempt), scripts: attempt.scripts };
    }
  }
}

/** Whoever cancels because a server is away finds out later which ones were. */
function withCause(verdict: Verdict, { ending }: Attempt): Verdict {
  if (!('fault' in ending) || verdict.status === 'unknown') return verdict;
  return { ...verdict, reason: `${verdict.reason}; the last try had failed: ${ending.fault.failure.message}` };
}

/** How late a wait notices that the build was cancelled. */
const stopLookMs = 5_000;

/** @returns false when the signal came first, or the build was cancelled. */
async function slept({ clock, request }: RunContext, delayMs: number): Promise<boolean> {
  const sliceMs = request.isStopped === undefined ? delayMs : stopLookMs;
  for (let leftMs = delayMs; leftMs > 0; leftMs -= sliceMs) {
    try {
      await clock.sleep(Math.min(leftMs, sliceMs), request.signal);
    } catch {
      // The only reason for which a sleep ends early.
    }
    if (request.signal.aborted || (await request.isStopped?.()) === true) return false;
  }
  return !request.signal.aborted;
}

function writeHeader(context: RunContext, databases: readonly DatabaseScripts[], startedAtMs: number): void {
  const { log, pkg, request, version } = context;
  const { target, options } = request;
  log.note(
    `${version}: build ${request.buildId}, attempt ${request.attempt}, begun ${new Date(startedAtMs).toISOString()}`,
  );
  log.note(`Server ${target.server}, databases ${databases.map(({ database }) => database).join(', ')}`);
  log.note(`Package ${pkg.name}, hash ${pkg.packageHash}, SHA-256 ${pkg.sha256}`);
  log.note(
    `${options.transactional ? 'In a transaction' : 'Without a transaction'}${options.trial ? ', as a trial' : ''}`,
  );
  log.note('This file is SQL that does what the build did.');
}
