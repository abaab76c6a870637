/** One event in a partition. */
export interface StoredEvent {
  sequenceNumber: number;
  /** Bytes of all events before it: clients treat it as text and hand it back. */
  offset: number;
  enqueuedAtMs: number;
  partitionKey: string | null;
  payload: Buffer;
}

/** Where a reader begins. */
export type EventPosition =
  | { from: 'earliest' }
  | { from: 'latest' }
  | { from: 'offset' | 'sequenceNumber' | 'enqueuedTime'; value: number; inclusive: boolean };

export interface PartitionLimits {
  maxBytesPerPartition: number;
  maxEventsPerPartition: number;
  retentionMs: number;
}

/** The events of one partition, oldest first, bounded: the oldest go when there are too many, too large or too old. */
export interface PartitionLog {
  readonly id: string;
  /** The number and offset that the next event gets. */
  readonly next: { sequenceNumber: number; offset: number };
  readonly first: StoredEvent | undefined;
  readonly last: StoredEvent | undefined;
  append(events: readonly Pick<StoredEvent, 'partitionKey' | 'payload'>[], atMs: number): void;
  /** For a restart: goes on from here. */
  moveTo(sequenceNumber: number, offset: number): void;
  /** The sequence number of the first event that a reader at this position gets. */
  resolve(position: EventPosition): number;
  /** The event with this number, or the oldest after it when it is gone already. */
  at(sequenceNumber: number): StoredEvent | undefined;
  events(): Iterable<StoredEvent>;
  /** Calls back after every append, until the returned function is called. */
  onAppend(notify: () => void): () => void;
}

const tidyAbove = 1_024;

export function createPartitionLog(id: string, limits: PartitionLimits): PartitionLog {
  let events: StoredEvent[] = [];
  let head = 0;
  let bytes = 0;
  let next = { sequenceNumber: 0, offset: 0 };
  const listeners = new Set<() => void>();

  const dropOldest = (nowMs: number): void => {
    for (let oldest = events[head]; oldest !== undefined; oldest = events[head]) {
      const tooMany = events.length - head > limits.maxEventsPerPartition || bytes > limits.maxBytesPerPartition;
      if (!tooMany && oldest.enqueuedAtMs + limits.retentionMs > nowMs) break;
      bytes -= oldest.payload.length;
      head += 1;
    }
    if (head > tidyAbove && head * 2 > events.length) {
      events = events.slice(head);
      head = 0;
    }
  };

  /** Index of the first event for which the test holds; events are ordered by all that is tested. */
  const firstWhere = (holds: (event: StoredEvent) => boolean): number => {
    let low = head;
    let high = events.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const event = events[middle];
      if (event !== undefined && holds(event)) high = middle;
      else low = middle + 1;
    }
    return low;
  };

  const keyOf = (event: StoredEvent, from: 'offset' | 'sequenceNumber' | 'enqueuedTime'): number =>
    from === 'enqueuedTime' ? event.enqueuedAtMs : event[from];

  return {
    id,
    get next() {
      return next;
    },
    get first() {
      return events[head];
    },
    get last() {
      return events.length > head ? events.at(-1) : undefined;
    },
    append(added, atMs) {
      for (const { partitionKey, payload } of added) {
        events.push({ ...next, enqueuedAtMs: atMs, partitionKey, payload });
        next = { sequenceNumber: next.sequenceNumber + 1, offset: next.offset + payload.length };
        bytes += payload.length;
      }
      dropOldest(atMs);
      for (const notify of listeners) notify();
    },
    moveTo(sequenceNumber, offset) {
      next = { sequenceNumber, offset };
    },
    resolve(position) {
      if (position.from === 'earliest') return 0;
      if (position.from === 'latest') return next.sequenceNumber;
      const { from, value, inclusive } = position;
      const index = firstWhere((event) => (inclusive ? keyOf(event, from) >= value : keyOf(event, from) > value));
      return events[index]?.sequenceNumber ?? next.sequenceNumber;
    },
    at: (sequenceNumber) => events[firstWhere((event) => event.sequenceNumber >= sequenceNumber)],
    *events() {
      yield* events.slice(head);
    },
    onAppend(notify) {
      listeners.add(notify);
      return () => listeners.delete(notify);
    },
  };
}
