import { messageOf } from '../../lib/platform/errors';

/** `work` on demand, one at a time: however often it is asked for while it runs, it runs once more. */
export function coalesced(work: () => Promise<void>): () => void {
  let running = false;
  let again = false;
  const run = async (): Promise<void> => {
    running = true;
    do {
      again = false;
      await work().catch((error: unknown) => console.error(messageOf(error)));
    } while (again);
    running = false;
  };
  return () => {
    again = true;
    if (!running) void run();
  };
}
