import { type SortedRow } from './query';

/**
 * Remembers the order of the rows of the last few queries with ORDER BY, so that reading one page by page sorts once and
 * not once per page. An entry holds while the documents are the version that it was made from and none has expired.
 */
export interface SortedRows {
  of(key: string, state: { version: number; nowSeconds: number }, sort: () => SortedRow[]): readonly SortedRow[];
}

const remembered = 8;

export function createSortedRows(): SortedRows {
  const entries = new Map<string, { version: number; freshUntil: number; rows: readonly SortedRow[] }>();
  return {
    of(key, { version, nowSeconds }, sort) {
      const known = entries.get(key);
      entries.delete(key);
      const entry =
        known !== undefined && known.version === version && nowSeconds < known.freshUntil
          ? known
          : made(version, sort());
      entries.set(key, entry);
      const [oldest] = entries.keys();
      if (entries.size > remembered && oldest !== undefined) entries.delete(oldest);
      return entry.rows;
    },
  };
}

function made(version: number, rows: readonly SortedRow[]) {
  let freshUntil = Infinity;
  for (const { item } of rows) freshUntil = Math.min(freshUntil, item.expiresAt ?? Infinity);
  return { version, freshUntil, rows };
}
