import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { z } from 'zod';

const collectorSchema = z.custom<() => void>((value) => typeof value === 'function');

/**
 * What this process needs, for benchmarks: what is alive once garbage is collected, and the CPU time that it has used. What the
 * system gave it says little: V8 lets its heap grow with the work done as long as there is room.
 */
export function processFigures(): { liveBytes: number; cpuMs: number } {
  collectGarbage();
  const { heapUsed, external } = process.memoryUsage();
  const { user, system } = process.cpuUsage();
  return { liveBytes: heapUsed + external, cpuMs: (user + system) / 1_000 };
}

/** The function is there only with a flag, which a process that runs already can still be given. */
function collectGarbage(): void {
  setFlagsFromString('--expose-gc');
  const collect = collectorSchema.parse(runInNewContext('gc'));
  setFlagsFromString('--no-expose-gc');
  collect();
  // Twice: what finalizers let go of is garbage only now.
  collect();
}
