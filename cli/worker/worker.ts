import { z } from 'zod';
import { createTargetWorker, type WorkerDeps } from '../../lib/builds/work';
import { type Clock } from '../../lib/platform/clock';
import { isAppError, isTransient, messageOf } from '../../lib/platform/errors';
import { createLaneReceiver, type LaneReceiver, type Settlement } from '../../lib/platform/lane-receiver';
import { type Logger } from '../../lib/platform/logger';
import { withRetry } from '../../lib/platform/retry';
import { type Admission, type AppClient } from './app-client';
import { createRemoteStores } from './stores';

export interface WorkerOptions {
  concurrency: number;
  graceMs: number;
  /** Null: work until stopped. */
  exitWhenIdleMs: number | null;
  version: string;
}

export interface WorkerRunDeps {
  app: AppClient;
  work: Pick<WorkerDeps, 'buildDatabase' | 'parsePackage' | 'longestDeliveryMs'>;
  clock: Clock;
  random: () => number;
  logger: Logger;
}

/** An app that is being deployed is away for a minute or two. */
const admissionPatience = { attempts: 20, firstDelayMs: 1_000, maximumDelayMs: 15_000 };
const idleLookMs = 1_000;
const inactiveLookMs = 15_000;

/**
 * Works off the cluster's queue until `stop` is aborted: then it takes no new lane, ends the targets that it has, for
 * `graceMs` at most, and lets go. What it has to let go of comes again elsewhere; the database knows what it has.
 *
 * @returns whether everything that was begun was ended
 * @throws AppError `clusters.handshake.refused` when the app does not let it in to begin with
 */
export async function runWorker(
  { app, work, clock, random, logger }: WorkerRunDeps,
  { concurrency, graceMs, exitWhenIdleMs, version }: WorkerOptions,
  stop: AbortSignal,
): Promise<boolean> {
  const stopping = new AbortController();
  const over = new AbortController();
  const admitted = await firstAdmission({ app, clock, random, logger }, exitWhenIdleMs, stop);
  if (admitted === null) return true;
  const { queue, heartbeatIntervalMs } = admitted;
  const stores = createRemoteStores(app, logger);
  const buildTarget = createTargetWorker({ ...stores, ...work, clock, logger, random });
  let busy = 0;
  let lastWorkMs = clock.nowMs();

  const handle = async (body: unknown): Promise<Settlement> => {
    busy += 1;
    try {
      // Never aborted: a target that is stopped has an outcome, and one that is let go of has another chance.
      await buildTarget(body, new AbortController().signal);
      return { kind: 'done' };
    } catch (error) {
      return settlementOf(error, logger);
    } finally {
      busy -= 1;
      lastWorkMs = clock.nowMs();
    }
  };
  const report = async (): Promise<void> => {
    const heartbeat = { slots: concurrency, busy: Math.min(busy, 1_000), stopping: stopping.signal.aborted, version };
    await app
      .post('heartbeats', heartbeat, z.undefined())
      .catch((error: unknown) => logger.warn('the app did not hear a heartbeat', { error: messageOf(error) }));
  };
  const receiver: LaneReceiver = createLaneReceiver({
    ...queue,
    signature: async () => (await app.admission()).queue.signature,
    clock,
    logger,
  });

  const begin = (): void => {
    if (stopping.signal.aborted) return;
    logger.info('the worker takes nothing new and ends what it has', { busy, graceMs });
    stopping.abort();
  };
  stop.addEventListener('abort', begin, { once: true });
  if (stop.aborted) begin();
  await report();
  const heart = setInterval(() => void report(), heartbeatIntervalMs);
  const idle =
    exitWhenIdleMs === null
      ? undefined
      : setInterval(() => {
          if (busy === 0 && clock.nowMs() - lastWorkMs >= exitWhenIdleMs) begin();
        }, idleLookMs);
  logger.info('the worker works', { subscription: queue.subscription, concurrency });
  try {
    const ended = receiver.run(concurrency, handle, stopping.signal).then(() => true);
    const stopped = new Promise<void>((resolve) =>
      stopping.signal.addEventListener('abort', () => resolve(), { once: true }),
    );
    const givenUp = stopped.then(async () => {
      await report();
      await clock.sleep(graceMs, over.signal).catch(() => undefined);
      return false;
    });
    const complete = await Promise.race([ended, givenUp]);
    if (!complete) logger.warn('the grace time is over; what is at work comes again elsewhere', { busy });
    return complete;
  } finally {
    over.abort();
    clearInterval(heart);
    clearInterval(idle);
    await stores.flush();
    await receiver.close();
    logger.info('the worker has stopped');
  }
}

/** Waits while the app is away or the cluster switched off. Null: it was told to stop, or has been idle, before it began. */
async function firstAdmission(
  { app, clock, random, logger }: Pick<WorkerRunDeps, 'app' | 'clock' | 'random' | 'logger'>,
  exitWhenIdleMs: number | null,
  stop: AbortSignal,
): Promise<Admission | null> {
  const untilMs = exitWhenIdleMs === null ? Infinity : clock.nowMs() + exitWhenIdleMs;
  const interruptible = { nowMs: () => clock.nowMs(), sleep: (ms: number) => clock.sleep(ms, stop) };
  while (!stop.aborted) {
    try {
      return await withRetry(() => app.admission(), admissionPatience, isTransient, { clock: interruptible, random });
    } catch (error) {
      if (stop.aborted) break;
      if (!isAppError(error) || error.code !== 'clusters.handshake.inactive') throw error;
      if (clock.nowMs() >= untilMs) break;
      logger.info('the cluster is switched off; waiting until it is switched on', {});
      await clock.sleep(inactiveLookMs, stop).catch(() => undefined);
    }
  }
  return null;
}

function settlementOf(error: unknown, logger: Logger): Settlement {
  if (isAppError(error) && error.code === 'builds.notYours') {
    logger.info('a message of a build that the cluster does not have any more was dropped');
    return { kind: 'done' };
  }
  if (isAppError(error) && error.code === 'builds.messageMalformed') return { kind: 'refused', reason: error.message };
  logger.error('a target could not be given its outcome; it comes again', { error: messageOf(error) });
  return { kind: 'again' };
}
