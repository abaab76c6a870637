import { type Clock } from '../../lib/platform/clock';

/** Alarms at points in time, kept by one sleeper. An alarm that lost its purpose rings all the same: who set it looks. */
export interface Timers {
  set(dueAtMs: number, ring: () => void): void;
  stop(): void;
}

interface Alarm {
  dueAtMs: number;
  ring: () => void;
}

/** Node's timers overflow at 2^31 ms: longer sleeps are taken in steps. */
const longestSleepMs = 24 * 60 * 60 * 1000;

export function createTimers(clock: Clock): Timers {
  const heap: Alarm[] = [];
  let sleeper: AbortController | null = null;
  let isStopped = false;

  function sleep(): void {
    sleeper?.abort();
    sleeper = null;
    const next = heap[0];
    if (next === undefined || isStopped) return;
    const controller = new AbortController();
    sleeper = controller;
    const ms = Math.min(Math.max(next.dueAtMs - clock.nowMs(), 0), longestSleepMs);
    clock.sleep(ms, controller.signal).then(
      () => {
        if (controller.signal.aborted) return;
        ringDue();
        sleep();
      },
      () => undefined, // woken for an earlier alarm, or stopped
    );
  }

  function ringDue(): void {
    for (let next = heap[0]; next !== undefined && next.dueAtMs <= clock.nowMs() && !isStopped; next = heap[0]) {
      pop(heap);
      next.ring();
    }
  }

  return {
    set(dueAtMs, ring) {
      const alarm = { dueAtMs, ring };
      push(heap, alarm);
      if (heap[0] === alarm) sleep();
    },
    stop() {
      isStopped = true;
      sleeper?.abort();
      heap.length = 0;
    },
  };
}

function push(heap: Alarm[], alarm: Alarm): void {
  let index = heap.push(alarm) - 1;
  while (index > 0) {
    const parentIndex = (index - 1) >> 1;
    const parent = heap[parentIndex];
    if (parent === undefined || parent.dueAtMs <= alarm.dueAtMs) break;
    heap[index] = parent;
    heap[parentIndex] = alarm;
    index = parentIndex;
  }
}

function pop(heap: Alarm[]): void {
  const last = heap.pop();
  if (last === undefined || heap.length === 0) return;
  heap[0] = last;
  for (let index = 0; ;) {
    let childIndex = 2 * index + 1;
    const left = heap[childIndex];
    const right = heap[childIndex + 1];
    if (left === undefined) return;
    if (right !== undefined && right.dueAtMs < left.dueAtMs) childIndex += 1;
    const child = heap[childIndex];
    if (child === undefined || child.dueAtMs >= last.dueAtMs) return;
    heap[index] = child;
    heap[childIndex] = last;
    index = childIndex;
  }
}
