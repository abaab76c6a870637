import { type Clock } from '../../../lib/platform/clock';
import { createHeap } from './heap';

/** Something that happens at a time: a lock that ends, a message that expires or becomes due. */
export interface Deadline {
  cancel(): void;
}

export interface Deadlines {
  schedule(atMs: number, action: () => void): Deadline;
  scheduleIn(delayMs: number, action: () => void): Deadline;
  /** Forgets every deadline and stops waiting. */
  stop(): void;
}

interface Entry {
  atMs: number;
  order: number;
  action: (() => void) | undefined;
}

const longestSleepMs = 3_600_000; // well within what a timer can hold
const tidyAbove = 1_024;

/**
 * All deadlines of the broker in one heap behind one sleep, so that time passes only through the clock and tens of
 * thousands of locks cost one timer. Cancelled entries are swept out when they are the majority: a message that lives
 * for days leaves nothing behind when it is settled.
 */
export function createDeadlines(clock: Clock, onError: (error: unknown) => void): Deadlines {
  const heap = createHeap<Entry>((a, b) => (a.atMs === b.atMs ? a.order < b.order : a.atMs < b.atMs));
  let cancelled = 0;
  let order = 0;
  let sleep: { untilMs: number; controller: AbortController } | undefined;
  let stopped = false;

  const run = (): void => {
    const nowMs = clock.nowMs();
    for (let next = heap.peek(); next !== undefined && next.atMs <= nowMs; next = heap.peek()) {
      heap.pop();
      const { action } = next;
      next.action = undefined;
      if (action === undefined) {
        cancelled -= 1;
        continue;
      }
      try {
        action();
      } catch (error) {
        onError(error);
      }
    }
    arm();
  };

  const arm = (): void => {
    const next = heap.peek();
    if (next === undefined || stopped) return;
    if (sleep !== undefined && sleep.untilMs <= next.atMs) return;
    sleep?.controller.abort();
    const controller = new AbortController();
    const delayMs = Math.min(Math.max(next.atMs - clock.nowMs(), 0), longestSleepMs);
    const current = { untilMs: clock.nowMs() + delayMs, controller };
    sleep = current;
    clock.sleep(delayMs, controller.signal).then(
      () => {
        if (sleep !== current) return;
        sleep = undefined;
        run();
      },
      () => undefined, // replaced by an earlier deadline, or stopped
    );
  };

  const schedule = (atMs: number, action: () => void): Deadline => {
    const entry: Entry = { atMs, order: (order += 1), action };
    heap.push(entry);
    arm();
    return {
      cancel() {
        if (entry.action === undefined) return;
        entry.action = undefined;
        cancelled += 1;
        if (cancelled > tidyAbove && cancelled * 2 > heap.size) {
          heap.retain((kept) => kept.action !== undefined);
          cancelled = 0;
        }
      },
    };
  };

  return {
    schedule,
    scheduleIn: (delayMs, action) => schedule(clock.nowMs() + delayMs, action),
    stop() {
      stopped = true;
      heap.retain(() => false);
      sleep?.controller.abort();
      sleep = undefined;
    },
  };
}
