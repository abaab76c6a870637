import { createCache } from '../platform/cache';
import { type BlobStore } from '../platform/blobs';
import { type Clock } from '../platform/clock';
import { AppError, isTransient, messageOf } from '../platform/errors';
import { sha256 } from '../platform/hash';
import { type Logger } from '../platform/logger';
import { type ProgressEvents } from '../platform/progress-events';
import { withRetry } from '../platform/retry';
import { type Package } from '../packages/model';
import { type DatabaseBuildRequest, type DatabaseBuildResult } from './model';
import { type Attempt, outcomeOfResult, outcomeWithoutRun } from './outcome';
import { type Build, type Manifest, type Outcome, targetMessageSchema } from './schema';
import { type BuildStore, type OutcomeStore } from './store';

/** What of a build its workers go by. */
export type WorkOrder = Pick<Build, 'control' | 'state' | 'dispatch'>;

export interface WorkerDeps {
  builds: Pick<BuildStore, 'readManifest'> & { read(buildId: string): Promise<WorkOrder> };
  outcomes: Pick<OutcomeStore, 'exists' | 'create'>;
  inputs: Pick<BlobStore, 'get'>;
  logs: Pick<BlobStore, 'put'>;
  events: Pick<ProgressEvents, 'publish'>;
  buildDatabase(request: DatabaseBuildRequest, pkg: Package): Promise<DatabaseBuildResult>;
  parsePackage(bytes: Buffer, name: string): Promise<Package>;
  clock: Clock;
  logger: Logger;
  /** How long one delivery may work: less than the host's time limit, after which nobody would hear how it ended. */
  longestDeliveryMs: number;
  /** In [0, 1). */
  random: () => number;
}

/** Packages are large and shared by all targets of a build; few builds run at once. */
const packagesKept = 4;
const manifestsKept = 32;
/** A cancel is seen this late at most, and the build document read this often at most, however many targets end. */
const controlAgeMs = 1_000;
/**
 * Some ten minutes. A delivery that is given back comes again at once, and after ten of them the queue gives the target
 * up: a store that is away for a minute would fail every target at work. Waiting here keeps the lane, and so the load, back.
 */
const patience = { attempts: 30, firstDelayMs: 1_000, maximumDelayMs: 30_000 };

/**
 * Builds the database of one message: used by the Service Bus trigger and by external workers alike. Resolves when the
 * target has its outcome, whatever it is; rejects when that could not be achieved, so that the message is delivered again.
 *
 * @throws AppError `builds.messageMalformed` for a message that nobody can understand: it ends as a dead letter.
 */
export function createTargetWorker(deps: WorkerDeps) {
  const nowMs = (): number => deps.clock.nowMs();
  const patiently = <T>(operation: () => Promise<T>): Promise<T> => withRetry(operation, patience, isTransient, deps);
  const manifests = createCache({
    capacity: manifestsKept,
    maximumAgeMs: Infinity,
    nowMs,
    load: (key) => {
      const [buildId = '', run = ''] = key.split(' ');
      return deps.builds.readManifest(buildId, Number(run));
    },
  });
  const packages = createCache({
    capacity: packagesKept,
    maximumAgeMs: Infinity,
    nowMs,
    load: async (key) => {
      const { blob, sha256: expected, name } = (await manifests.get(key)).package;
      const bytes = await deps.inputs.get(blob);
      // Pinned: what runs is what was validated, even if somebody swapped the blob since.
      if (bytes === null || sha256(bytes) !== expected) {
        throw new AppError('builds.inputChanged', 'The stored package is not the one that was submitted.');
      }
      return deps.parsePackage(bytes, name);
    },
  });
  const builds = createCache({
    capacity: manifestsKept,
    maximumAgeMs: controlAgeMs,
    nowMs,
    // By run: a retry takes the cancel back, and its first targets come while the cancel is still remembered.
    load: (key) => deps.builds.read(key.split(' ')[0] ?? ''),
  });

  const stopReason = ({ control, state }: WorkOrder, manifest: Manifest): string | null => {
    if (control.cancelled !== null) return `cancelled by ${control.cancelled.actor}`;
    if (state === 'failed') return 'the build failed';
    return nowMs() > manifest.deadlineMs ? 'the build reached its deadline' : null;
  };

  const run = async (
    attempt: Attempt,
    manifest: Manifest,
    deliveryEndMs: number,
    signal: AbortSignal,
  ): Promise<Outcome> => {
    const pkg = await patiently(() => packages.get(`${attempt.buildId} ${attempt.run}`));
    const { target } = attempt;
    const deadlineMs = Math.min(manifest.deadlineMs, deliveryEndMs);
    const isStopped = async (): Promise<boolean> => {
      try {
        return stopReason(await builds.get(`${attempt.buildId} ${attempt.run}`), manifest) !== null;
      } catch {
        // The store is away: then nobody has said so.
        return false;
      }
    };
    const request = { ...attempt, options: manifest.options, deadlineMs, signal, isStopped };
    const result = await deps.buildDatabase(request, pkg);
    const name = `${target.id}.${attempt.attempt}.sql`;
    try {
      await deps.logs.put(`${attempt.buildId}/databases/${name}`, result.log, 'application/sql; charset=utf-8');
      return outcomeOfResult(attempt, result, name);
    } catch (error) {
      // The result stands without its log; a second run to get one would be worse.
      deps.logger.error('the log of a database could not be stored', {
        buildId: attempt.buildId,
        targetId: target.id,
        error: messageOf(error),
      });
      return outcomeOfResult(attempt, result, null);
    }
  };

  return async (body: unknown, signal: AbortSignal): Promise<void> => {
    const deliveryEndMs = nowMs() + deps.longestDeliveryMs;
    const message = targetMessageSchema.safeParse(body);
    if (!message.success) {
      const places = message.error.issues.map(({ path, message: text }) => `${path.join('.')}: ${text}`).join('; ');
      throw new AppError('builds.messageMalformed', `The message is no target of a build: ${places}`);
    }
    const attempt: Attempt = message.data;
    const { buildId, target } = attempt;
    // A redelivered or repeated message whose target has ended must not run again: a failed one could succeed by then,
    // and its outcome would no longer tell the truth.
    if (await patiently(() => deps.outcomes.exists(buildId, target.id, attempt.attempt))) return;
    const manifest = await patiently(() => manifests.get(`${buildId} ${attempt.run}`));
    const about = {
      buildId,
      targetId: target.id,
      server: target.server,
      databases: target.overrides.map((override) => override.target),
      tag: target.tag,
      attempt: attempt.attempt,
    };
    const build = await patiently(() => builds.get(`${buildId} ${attempt.run}`));
    if (message.data.dispatch < build.dispatch) {
      // The build left this cluster, and the target was sent again to where it went.
      deps.logger.info('a message of an earlier dispatch was dropped', { ...about, dispatch: message.data.dispatch });
      return;
    }
    const stopped = stopReason(build, manifest);
    if (stopped === null) deps.events.publish(buildId, { type: 'targetStarted', ...about, at: isoNow(nowMs) });
    const outcome =
      stopped === null
        ? await run(attempt, manifest, deliveryEndMs, signal)
        : outcomeWithoutRun(attempt, 'skipped', stopped, nowMs());
    const created = await patiently(() => deps.outcomes.create(outcome));
    if (created === 'exists') {
      deps.logger.warn('a second delivery of a target ended after the first', { ...about, status: outcome.status });
      return;
    }
    const { status, durationMs, failure } = outcome;
    const error = failure && { code: failure.code, number: failure.number, script: failure.script };
    deps.events.publish(buildId, { type: 'targetFinished', ...about, status, durationMs, error, at: isoNow(nowMs) });
  };
}

function isoNow(nowMs: () => number): string {
  return new Date(nowMs()).toISOString();
}
