export interface BackoffPolicy {
  firstMs: number;
  maximumMs: number;
}

/** Azure SQL asks for 5 s before the first retry (sooner makes a reconfiguration last longer), then up to a minute. */
export const azureSqlBackoff: BackoffPolicy = { firstMs: 5_000, maximumMs: 60_000 };

/**
 * Wait before retry number `retry` (1, 2, ...): doubling up to the maximum, and up to a fifth on top, so that a fleet that
 * was thrown out together does not come back together. Never shorter than `firstMs`.
 */
export function backoffMs(policy: BackoffPolicy, retry: number, random: () => number): number {
  const base = Math.min(policy.maximumMs, policy.firstMs * 2 ** Math.max(0, retry - 1));
  return Math.round(base * (1 + 0.2 * random()));
}
