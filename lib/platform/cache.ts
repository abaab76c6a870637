export interface Cache<T> {
  get(key: string): Promise<T>;
}

/**
 * Loads each key once and keeps the most recently used `capacity` values, for at most `maximumAgeMs`. Concurrent callers
 * of one key share one load; a failed load is not kept.
 */
export function createCache<T>(options: {
  capacity: number;
  maximumAgeMs: number;
  nowMs: () => number;
  load: (key: string) => Promise<T>;
}): Cache<T> {
  const entries = new Map<string, { value: Promise<T>; loadedAtMs: number }>();
  return {
    get(key) {
      const known = entries.get(key);
      entries.delete(key);
      const entry =
        known !== undefined && options.nowMs() - known.loadedAtMs < options.maximumAgeMs
          ? known
          : { value: options.load(key), loadedAtMs: options.nowMs() };
      entries.set(key, entry);
      if (entry !== known) {
        entry.value.catch(() => {
          if (entries.get(key) === entry) entries.delete(key);
        });
      }
      for (const oldest of entries.keys()) {
        if (entries.size <= options.capacity) break;
        entries.delete(oldest);
      }
      return entry.value;
    },
  };
}
