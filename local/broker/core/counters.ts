import { type Settlement } from './message';

/** Exact counts of what clients did with one entity. */
export interface EntityCounters {
  /** Transfers that were sent, a batch counting once. */
  sends: number;
  sentMessages: number;
  deliveries: number;
  settlements: Record<Settlement['kind'], number>;
  lockExpirations: number;
}

/** By path of the entity: queue, topic, subscription, dead-letter queue, event hub. */
export interface Counters {
  of(path: string): EntityCounters;
  /** A copy of all counters that are not zero. */
  read(): Record<string, EntityCounters>;
  reset(): void;
}

export function createCounters(): Counters {
  const byPath = new Map<string, EntityCounters>();
  const zero = (): EntityCounters => ({
    sends: 0,
    sentMessages: 0,
    deliveries: 0,
    settlements: { complete: 0, abandon: 0, defer: 0, deadLetter: 0 },
    lockExpirations: 0,
  });
  const isZero = ({ sends, deliveries, settlements, lockExpirations }: EntityCounters): boolean =>
    sends + deliveries + lockExpirations + Object.values(settlements).reduce((sum, count) => sum + count, 0) === 0;

  return {
    of(path) {
      const known = byPath.get(path);
      if (known !== undefined) return known;
      const created = zero();
      byPath.set(path, created);
      return created;
    },
    read: () =>
      Object.fromEntries(
        [...byPath].flatMap(([path, counters]) => (isZero(counters) ? [] : [[path, structuredClone(counters)]])),
      ),
    reset() {
      for (const counters of byPath.values()) Object.assign(counters, zero());
    },
  };
}
