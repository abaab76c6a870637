/** Remembers message ids for a window of time, so that a resend after a lost answer is stored once. */
export interface DuplicateWindow {
  /** True when the id was seen within the window; otherwise remembers it. */
  isDuplicate(messageId: string, nowMs: number): boolean;
  entries(): Iterable<[messageId: string, seenAtMs: number]>;
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
    isDuplicate(messageId, nowMs) {
      forgetOld(nowMs);
      const earlierMs = seenAtMs.get(messageId);
      if (earlierMs !== undefined && earlierMs + windowMs > nowMs) return true;
      seenAtMs.delete(messageId);
      seenAtMs.set(messageId, nowMs);
      return false;
    },
    entries: () => seenAtMs.entries(),
  };
}
