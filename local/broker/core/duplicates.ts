/** Remembers message ids for a window of time, so that a resend after a lost answer is stored once. */
export interface DuplicateWindow {
  has(messageId: string, nowMs: number): boolean;
  /** Remembers the id; called once its message is stored, as otherwise a resend after a failure would be lost. */
  add(messageId: string, nowMs: number): void;
  /** What is still within the window. */
  entries(nowMs: number): Iterable<[messageId: string, seenAtMs: number]>;
}

export function createDuplicateWindow(windowMs: number, seen: Iterable<[string, number]> = []): DuplicateWindow {
  // A Map iterates in order of insertion, which with a fixed window is the order in which entries run out.
  const seenAtMs = new Map(seen);

  const forgetOld = (nowMs: number): void => {
    for (const [messageId, atMs] of seenAtMs) {
      if (atMs + windowMs > nowMs) return;
      seenAtMs.delete(messageId);
    }
  };

  return {
    has(messageId, nowMs) {
      const earlierMs = seenAtMs.get(messageId);
      return earlierMs !== undefined && earlierMs + windowMs > nowMs;
    },
    add(messageId, nowMs) {
      forgetOld(nowMs);
      seenAtMs.delete(messageId);
      seenAtMs.set(messageId, nowMs);
    },
    entries(nowMs) {
      forgetOld(nowMs);
      return seenAtMs.entries();
    },
  };
}
