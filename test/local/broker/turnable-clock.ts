import { setTimeout as delay } from 'node:timers/promises';
import { type Clock } from '../../../lib/platform/clock';

/** A clock that runs with real time and can be turned forward, so that a lock of a minute ends within a test. */
export interface TurnableClock extends Clock {
  /** Everything that falls due within `ms` happens before this resolves. */
  advance(ms: number): Promise<void>;
}

export function turnableClock(): TurnableClock {
  let offsetMs = 0;
  const sleepers = new Set<() => void>();
  const nowMs = (): number => Date.now() + offsetMs;

  return {
    nowMs,
    async sleep(ms, signal) {
      const dueMs = nowMs() + ms;
      while (nowMs() < dueMs) {
        const waker = new AbortController();
        const wake = (): void => waker.abort();
        sleepers.add(wake);
        const both = signal === undefined ? waker.signal : AbortSignal.any([signal, waker.signal]);
        try {
          await delay(dueMs - nowMs(), undefined, { signal: both });
        } catch (error) {
          if (signal?.aborted === true) throw error;
        } finally {
          sleepers.delete(wake);
        }
      }
    },
    async advance(ms) {
      offsetMs += ms;
      for (const wake of [...sleepers]) wake();
      await delay(10); // lets what woke up run, and what it sends leave
    },
  };
}
