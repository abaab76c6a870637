import { type Clock } from './clock';

export interface RetryPolicy {
  attempts: number;
  firstDelayMs: number;
  maximumDelayMs: number;
}

/** Delay before attempt number `attempt` (2, 3, ...): exponential, with full jitter so that a fleet does not retry in step. */
function retryDelayMs(policy: RetryPolicy, attempt: number, random: () => number): number {
  const ceiling = Math.min(policy.maximumDelayMs, policy.firstDelayMs * 2 ** (attempt - 2));
  return Math.round(ceiling * (0.5 + random() / 2));
}

/** Runs `operation` until it succeeds, `isRetryable` says no, or the attempts are used up; then the last error is thrown. */
export async function withRetry<T>(
  operation: () => Promise<T>,
  policy: RetryPolicy,
  isRetryable: (error: unknown) => boolean,
  deps: { clock: Clock; random: () => number },
): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await operation();
    } catch (error) {
      if (attempt >= policy.attempts || !isRetryable(error)) throw error;
      await deps.clock.sleep(retryDelayMs(policy, attempt + 1, deps.random));
    }
  }
}
