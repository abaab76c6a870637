import { type Clock } from '../../../lib/platform/clock';

/** A lock that the broker takes back when it is not renewed in time: of a message, or of a session. */
export interface RenewableLock {
  /** Undefined: not known, nothing to renew. */
  lockedUntilMs(): number | undefined;
  renew(): Promise<unknown>;
}

const retryAfterMs = 500;

/**
 * Renews `lock` at half of its remaining time, until `signal` is aborted, `maxMs` are over, or the lock is lost. The
 * SDK's own renewer is not used: after a reconnect it keeps renewing locks of messages that nobody handles any more.
 */
export async function keepLock(
  lock: RenewableLock,
  maxMs: number,
  clock: Clock,
  signal: AbortSignal,
  onFailure: (error: unknown) => void,
): Promise<void> {
  const endMs = clock.nowMs() + maxMs;
  const pause = (ms: number): Promise<void> => clock.sleep(ms, signal).catch(() => undefined);
  let failed = false;
  while (!signal.aborted) {
    const lockedUntilMs = lock.lockedUntilMs();
    if (lockedUntilMs === undefined) return;
    const nowMs = clock.nowMs();
    if (nowMs >= endMs || nowMs >= lockedUntilMs) return;
    const waitMs = failed ? retryAfterMs : (lockedUntilMs - nowMs) / 2;
    await pause(Math.min(waitMs, endMs - nowMs));
    if (signal.aborted || clock.nowMs() >= endMs) return;
    try {
      await lock.renew();
      failed = false;
    } catch (error) {
      if (!failed && !signal.aborted) onFailure(error);
      failed = true;
    }
  }
}
