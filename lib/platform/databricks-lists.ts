import { databricksErrorCode } from './databricks-http';
import { AppError } from './errors';

const mostPages = 1_000;
const listTries = 6;

/** The last page has no token, or an empty one. */
export function nextOf(token: string | undefined): string | null {
  return token === undefined || token === '' ? null : token;
}

/**
 * Reads a list to its end. A list of several pages that changes meanwhile may show an item twice or not at all, so it is read
 * until two readings in a row agree; one page is consistent by itself.
 *
 * @throws AppError `databricks.listChanging` (transient)
 */
export async function completeList<T>(readPage: ReadPage<T>, idOf: (item: T) => string): Promise<T[]> {
  let previous: string | null = null;
  for (let tries = 1; tries <= listTries; tries += 1) {
    const reading = await readAll(readPage, idOf);
    if ('stale' in reading) {
      // A page token may be refused because it has expired, or the list has changed since: begin again.
      if (tries === listTries) throw reading.stale;
      previous = null;
      continue;
    }
    if (reading.pages === 1) return reading.items;
    const current = reading.items.map(idOf).sort().join('\n');
    if (reading.consistent && current === previous) return reading.items;
    previous = reading.consistent ? current : null;
  }
  throw new AppError('databricks.listChanging', 'A list of the workspace keeps changing while it is read. Try again.', {
    status: 503,
    retry: { kind: 'backoff' },
  });
}

type ReadPage<T> = (pageToken: string | null) => Promise<{ items: T[]; next: string | null }>;

/** `stale`: a page behind the first was refused. */
async function readAll<T>(
  readPage: ReadPage<T>,
  idOf: (item: T) => string,
): Promise<{ items: T[]; pages: number; consistent: boolean } | { stale: unknown }> {
  const items = new Map<string, T>();
  const seen = new Set<string>();
  let consistent = true;
  let next: string | null = null;
  let pages = 0;
  do {
    let page: Awaited<ReturnType<typeof readPage>>;
    try {
      page = await readPage(next);
    } catch (error) {
      if (next === null || databricksErrorCode(error) === null) throw error;
      return { stale: error };
    }
    for (const item of page.items) {
      consistent &&= !items.has(idOf(item));
      items.set(idOf(item), item);
    }
    next = page.next;
    pages += 1;
    if (next !== null && (seen.has(next) || pages >= mostPages)) {
      throw new AppError('databricks.malformed', 'A list of the workspace goes round in circles.');
    }
    if (next !== null) seen.add(next);
  } while (next !== null);
  return { items: [...items.values()], pages, consistent };
}
