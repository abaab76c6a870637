/**
 * Values in the order of their numeric keys. Made for keys that almost always grow: appending and removing are cheap,
 * reading may start anywhere. Removed places are reclaimed when they outnumber the living ones.
 */
export interface OrderedIndex<T> {
  /** The key must be a new one. */
  insert(key: number, value: T): void;
  remove(key: number): void;
  /** Puts another value in the place of the one under `key`. */
  replace(key: number, value: T): void;
  /** Values with keys above `key`, in order. The index must not change while it is being read. */
  after(key: number): Generator<T>;
  readonly size: number;
}

const reclaimFrom = 64;

export function createOrderedIndex<T>(): OrderedIndex<T> {
  let keys: number[] = [];
  let values: (T | undefined)[] = [];
  let size = 0;

  /** Position of the first key that is at least `key`. */
  const seek = (key: number): number => {
    let low = 0;
    let high = keys.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((keys[middle] ?? Infinity) < key) low = middle + 1;
      else high = middle;
    }
    return low;
  };
  const reclaim = (): void => {
    const living = values.map((value) => value !== undefined);
    keys = keys.filter((_, at) => living[at]);
    values = values.filter((value) => value !== undefined);
  };

  return {
    insert(key, value) {
      const at = seek(key);
      if (at === keys.length) {
        keys.push(key);
        values.push(value);
      } else {
        keys.splice(at, 0, key);
        values.splice(at, 0, value);
      }
      size += 1;
    },
    remove(key) {
      const at = seek(key);
      if (keys[at] !== key || values[at] === undefined) return;
      values[at] = undefined;
      size -= 1;
      if (keys.length > reclaimFrom && keys.length > size * 2) reclaim();
    },
    replace(key, value) {
      const at = seek(key);
      if (keys[at] === key) values[at] = value;
    },
    *after(key) {
      for (let at = seek(key + 1); at < values.length; at += 1) {
        const value = values[at];
        if (value !== undefined) yield value;
      }
    },
    get size() {
      return size;
    },
  };
}
