/** A binary min-heap: the smallest item first, as `before` orders them. */
export interface Heap<T> {
  readonly size: number;
  push(item: T): void;
  peek(): T | undefined;
  pop(): T | undefined;
  /** Drops every item that `keep` refuses, in linear time. */
  retain(keep: (item: T) => boolean): void;
}

export function createHeap<T>(before: (a: T, b: T) => boolean): Heap<T> {
  let items: T[] = [];

  const siftUp = (from: number): void => {
    const item = items[from];
    if (item === undefined) return;
    let index = from;
    while (index > 0) {
      const parentIndex = (index - 1) >> 1;
      const parent = items[parentIndex];
      if (parent === undefined || !before(item, parent)) break;
      items[index] = parent;
      index = parentIndex;
    }
    items[index] = item;
  };

  const siftDown = (from: number): void => {
    const item = items[from];
    if (item === undefined) return;
    let index = from;
    for (;;) {
      const left = items[2 * index + 1];
      if (left === undefined) break;
      const right = items[2 * index + 2];
      const [child, childIndex] =
        right !== undefined && before(right, left) ? [right, 2 * index + 2] : [left, 2 * index + 1];
      if (!before(child, item)) break;
      items[index] = child;
      index = childIndex;
    }
    items[index] = item;
  };

  return {
    get size() {
      return items.length;
    },
    push(item) {
      items.push(item);
      siftUp(items.length - 1);
    },
    peek: () => items[0],
    pop() {
      const first = items[0];
      const last = items.pop();
      if (last !== undefined && items.length > 0) {
        items[0] = last;
        siftDown(0);
      }
      return first;
    },
    retain(keep) {
      items = items.filter(keep);
      for (let index = (items.length >> 1) - 1; index >= 0; index -= 1) siftDown(index);
    },
  };
}
