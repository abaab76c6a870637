import { statSync } from 'node:fs';
import { join } from 'node:path';
import { noJournal, openJournal } from '../storage/journal';

export interface CompactingJournal {
  append: (...records: unknown[]) => void;
  /** Rewrites the file as the present state. */
  compact(): void;
  close(): void;
}

export interface CompactingJournalOptions {
  /** undefined: nothing is kept. */
  folder: string | undefined;
  name: string;
  replay: (record: unknown) => void;
  /** The records that add up to the present state. */
  snapshot: () => Iterable<unknown>;
}

/** Rewriting is worth it only when it saves a good deal. */
const smallestBytes = 4 * 1024 * 1024;
const timesLiveState = 4;

/**
 * A journal that stays within a multiple of the state that it holds: when several times as much was appended as was live
 * at the last compaction, it is compacted again, so that the cost per record is constant in the long run.
 */
export function openCompactingJournal(options: CompactingJournalOptions): CompactingJournal {
  const { folder, name, replay, snapshot } = options;
  if (folder === undefined) return { ...noJournal(), compact: () => undefined };
  const path = join(folder, name);
  const journal = openJournal(path, replay);
  let liveBytes = 0;
  let compactionDue = false;
  let closed = false;

  const compact = (): void => {
    compactionDue = false;
    if (closed) return;
    journal.compact(snapshot());
    liveBytes = statSync(path).size;
  };

  return {
    append(...records) {
      if (closed) throw new Error('the broker has stopped');
      journal.append(...records);
      if (compactionDue || journal.bytesAppended < Math.max(smallestBytes, timesLiveState * liveBytes)) return;
      // Not here: a record is appended before its change takes effect, so the state does not have it yet.
      compactionDue = true;
      setImmediate(compact);
    },
    compact,
    close() {
      closed = true;
      journal.close();
    },
  };
}
