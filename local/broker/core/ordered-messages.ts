import { createHeap } from './heap';
import { type StoredMessage } from './message';

/** Messages that wait for a receiver, handed out by sequence number. Every operation is at most logarithmic. */
export interface OrderedMessages {
  readonly size: number;
  /** Adds a message that is new, or that came back from a receiver. */
  add(message: StoredMessage): void;
  /** Takes a message out that is no longer to be delivered (expired, or received by its number). */
  remove(message: StoredMessage): void;
  peek(): StoredMessage | undefined;
  take(): StoredMessage | undefined;
}

export function createOrderedMessages(): OrderedMessages {
  const heap = createHeap<StoredMessage>((a, b) => a.sequenceNumber < b.sequenceNumber);
  const members = new Set<StoredMessage>();
  // A message that was removed and added again has two entries; the stale one must not be delivered as a second copy.
  const stale = new Map<StoredMessage, number>();

  const dropStale = (): void => {
    for (let first = heap.peek(); first !== undefined; first = heap.peek()) {
      const count = stale.get(first) ?? 0;
      if (count === 0) return;
      heap.pop();
      if (count === 1) stale.delete(first);
      else stale.set(first, count - 1);
    }
  };

  return {
    get size() {
      return members.size;
    },
    add(message) {
      members.add(message);
      heap.push(message);
    },
    remove(message) {
      if (members.delete(message)) stale.set(message, (stale.get(message) ?? 0) + 1);
    },
    peek() {
      dropStale();
      return heap.peek();
    },
    take() {
      dropStale();
      const message = heap.pop();
      if (message !== undefined) members.delete(message);
      return message;
    },
  };
}
