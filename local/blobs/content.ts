import { createReadStream, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';

/** A piece of a blob's content: one file, written once and never changed. */
export interface Chunk {
  file: string;
  length: number;
}

/** Keeps content apart from what is known about it: files by number, no names, no order. */
export interface ContentStore {
  write(bytes: Buffer): Promise<Chunk>;
  /** `count` bytes from `offset`. Small ranges come as a buffer, large ones as a stream. */
  read(chunks: readonly Chunk[], offset: number, count: number): Promise<Buffer | Readable>;
  discard(chunks: readonly Chunk[]): void;
  /** Deletes what a kill left behind: files that no chunk refers to. Call once, before the first write. */
  keepOnly(chunks: Iterable<Chunk>): void;
}

const bufferedBytes = 1024 * 1024;

/** `folder` null keeps content in memory. */
export function createContentStore(folder: string | null): ContentStore {
  let lastNumber = 0;
  if (folder === null) return createMemoryContent();
  mkdirSync(folder, { recursive: true });

  const slices = function* (chunks: readonly Chunk[], offset: number, count: number) {
    let start = 0;
    for (const { file, length } of chunks) {
      const from = Math.max(offset - start, 0);
      const to = Math.min(offset + count - start, length);
      if (from < to) yield { path: join(folder, file), from, to };
      start += length;
    }
  };

  return {
    async write(bytes) {
      const file = String((lastNumber += 1));
      await writeFile(join(folder, file), bytes);
      return { file, length: bytes.length };
    },
    async read(chunks, offset, count) {
      if (count > bufferedBytes) {
        return Readable.from(
          (async function* () {
            for (const { path, from, to } of slices(chunks, offset, count)) {
              yield* createReadStream(path, { start: from, end: to - 1 });
            }
          })(),
          { objectMode: false },
        );
      }
      const parts = [];
      for (const { path, from, to } of slices(chunks, offset, count))
        parts.push((await readFile(path)).subarray(from, to));
      return Buffer.concat(parts);
    },
    discard(chunks) {
      // Nobody waits for it, and what stays behind is cleared away at the next start.
      for (const { file } of chunks) rm(join(folder, file), { force: true }).catch(() => undefined);
    },
    keepOnly(chunks) {
      const kept = new Set([...chunks].map((chunk) => chunk.file));
      for (const file of readdirSync(folder)) {
        if (!kept.has(file)) rmSync(join(folder, file));
        lastNumber = Math.max(lastNumber, Number(file) || 0);
      }
    },
  };
}

function createMemoryContent(): ContentStore {
  const files = new Map<string, Buffer>();
  let lastNumber = 0;
  return {
    async write(bytes) {
      const file = String((lastNumber += 1));
      files.set(file, bytes);
      return { file, length: bytes.length };
    },
    async read(chunks, offset, count) {
      return Buffer.concat(chunks.map(({ file }) => files.get(file) ?? Buffer.alloc(0))).subarray(
        offset,
        offset + count,
      );
    },
    discard: (chunks) => chunks.forEach(({ file }) => files.delete(file)),
    keepOnly: () => undefined,
  };
}
