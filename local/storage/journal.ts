import { closeSync, existsSync, mkdirSync, openSync, readFileSync, renameSync, truncateSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';

/**
 * An append-only file of JSON lines from which a stand-in rebuilds its state after a restart.
 *
 * A record is with the operating system when `append` returns, so a killed process loses nothing that it acknowledged
 * (a power cut may; this is a stand-in). A torn last line, left by a kill in mid-write, is cut off when opened.
 */
export interface Journal {
  append(...records: readonly unknown[]): void;
  /** Bytes appended since the last compaction: the owner's hint for when to compact. */
  readonly bytesAppended: number;
  /** Atomically replaces the whole file by `records` (the live state). */
  compact(records: Iterable<unknown>): void;
  close(): void;
}

/**
 * Opens the journal at `path`, creating it where it is missing, and hands every record to `replay` in order.
 * @throws Error when a line other than the last is not JSON: the file was damaged, nothing is guessed.
 */
export function openJournal(path: string, replay: (record: unknown) => void): Journal {
  mkdirSync(dirname(path), { recursive: true });
  if (existsSync(path)) replayFile(path, replay);
  let descriptor = openSync(path, 'a');
  let bytesAppended = 0;

  return {
    append(...records) {
      if (records.length === 0) return;
      const bytes = Buffer.from(records.map(toLine).join(''));
      writeFully(descriptor, bytes);
      bytesAppended += bytes.length;
    },
    get bytesAppended() {
      return bytesAppended;
    },
    compact(records) {
      const temporary = `${path}.compacting`;
      const target = openSync(temporary, 'w');
      let chunk = '';
      for (const record of records) {
        chunk += toLine(record);
        if (chunk.length > 1 << 20) {
          writeFully(target, Buffer.from(chunk));
          chunk = '';
        }
      }
      writeFully(target, Buffer.from(chunk));
      closeSync(target);
      closeSync(descriptor);
      renameSync(temporary, path);
      descriptor = openSync(path, 'a');
      bytesAppended = 0;
    },
    close() {
      closeSync(descriptor);
    },
  };
}

/** For tests and throw-away clouds: keeps nothing. */
export function noJournal(): Journal {
  return { append: () => undefined, bytesAppended: 0, compact: () => undefined, close: () => undefined };
}

function toLine(record: unknown): string {
  return `${JSON.stringify(record)}\n`;
}

function writeFully(descriptor: number, bytes: Buffer): void {
  for (let offset = 0; offset < bytes.length;) offset += writeSync(descriptor, bytes, offset);
}

function replayFile(path: string, replay: (record: unknown) => void): void {
  const bytes = readFileSync(path);
  let start = 0;
  for (let line = 1; ; line += 1) {
    const end = bytes.indexOf(0x0a, start);
    if (end === -1) break;
    replay(parseLine(bytes.toString('utf8', start, end), path, line));
    start = end + 1;
  }
  if (start < bytes.length) truncateSync(path, start);
}

function parseLine(text: string, path: string, line: number): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new Error(`${path} is damaged at line ${line}. Start with --fresh to begin with an empty cloud.`, { cause });
  }
}
