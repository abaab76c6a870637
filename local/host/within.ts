import { type Clock } from '../../lib/platform/clock';

/**
 * Settles as `work` does, but rejects with `late()` once `ms` are over, and at once when `signal` is aborted. The work
 * itself goes on; whoever gives up on it decides what that means.
 */
export async function within<T>(
  clock: Clock,
  ms: number,
  work: Promise<T>,
  late: () => Error,
  signal?: AbortSignal,
): Promise<T> {
  const done = new AbortController();
  const stop = (): void => done.abort();
  signal?.addEventListener('abort', stop);
  if (signal?.aborted === true) stop();
  const timeout = clock.sleep(ms, done.signal).then(
    () => {
      throw late();
    },
    () => {
      if (signal?.aborted === true) throw new Error('given up');
      return work;
    },
  );
  return Promise.race([work, timeout]).finally(() => {
    signal?.removeEventListener('abort', stop);
    done.abort();
  });
}
