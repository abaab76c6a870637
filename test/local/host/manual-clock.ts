import { setImmediate as nextTurn } from 'node:timers/promises';
import { type Clock } from '../../../lib/platform/clock';

/** A clock that moves only when told to. */
export interface ManualClock extends Clock {
  /** Moves on, stopping at everything that becomes due on the way. */
  advanceTo(timeMs: number): Promise<void>;
}

export function manualClock(startMs: number): ManualClock {
  let nowMs = startMs;
  const sleepers = new Set<{ atMs: number; wake: () => void }>();
  const settle = async (): Promise<void> => {
    for (let turn = 0; turn < 10; turn += 1) await nextTurn();
  };
  return {
    nowMs: () => nowMs,
    sleep: (ms, signal) =>
      new Promise((resolve, reject) => {
        const sleeper = { atMs: nowMs + ms, wake: resolve };
        const abort = (): void => {
          sleepers.delete(sleeper);
          reject(new Error('aborted'));
        };
        if (signal?.aborted === true) return abort();
        signal?.addEventListener('abort', abort);
        sleepers.add(sleeper);
      }),
    async advanceTo(timeMs) {
      await settle();
      for (;;) {
        const [next] = [...sleepers].filter(({ atMs }) => atMs <= timeMs).sort((a, b) => a.atMs - b.atMs);
        if (next === undefined) break;
        nowMs = Math.max(nowMs, next.atMs);
        sleepers.delete(next);
        next.wake();
        await settle();
      }
      nowMs = timeMs;
    },
  };
}
