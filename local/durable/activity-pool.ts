/** Runs at most `limit` jobs at once, in the order in which they came. */
export interface ActivityPool {
  add(job: () => Promise<void>): void;
  /** Starts no more jobs and waits until the running ones have ended. */
  drain(): Promise<void>;
}

/** @param limit `durableTask.maxConcurrentActivityFunctions` of host.json. */
export function createActivityPool(limit: number): ActivityPool {
  let queue: Array<() => Promise<void>> = [];
  let head = 0;
  let running = 0;
  let isDraining = false;
  let onIdle: (() => void) | null = null;

  function startNext(): void {
    while (running < limit && head < queue.length && !isDraining) {
      const job = queue[head++];
      if (job === undefined) continue;
      running += 1;
      void job().finally(() => {
        running -= 1;
        if (running === 0) onIdle?.();
        startNext();
      });
    }
    if (head > 1024 && head * 2 > queue.length) {
      queue = queue.slice(head);
      head = 0;
    }
  }

  return {
    add(job) {
      queue.push(job);
      startNext();
    },
    drain() {
      isDraining = true;
      return new Promise((resolve) => {
        if (running === 0) resolve();
        else onIdle = resolve;
      });
    },
  };
}
