import { createHash } from 'node:crypto';
import { compatibleBatches } from './compatible-batches';

/**
 * SQL Build Manager's hash of a script: SHA-1 (upper-case hex) over its batches joined by GO lines, in ASCII with `?` for
 * every other UTF-16 unit. So LF and CRLF files hash alike, and so do scripts that differ in non-ASCII characters only.
 * `stripTransactionText` is honoured for every kind of file, as the predecessor does where it reports hashes.
 */
export function scriptTextHash(text: string, options: { stripTransactionText: boolean }): string {
  return batchesHash(compatibleBatches(text, options));
}

/** The same over batches that are split already. */
export function batchesHash(batches: Iterable<string>): string {
  const hash = createHash('sha1');
  let before: string | null = null;
  for (const batch of batches) {
    if (before !== null) hash.update(before.endsWith('\r\n') ? 'GO\r\n' : '\r\nGO\r\n');
    hash.update(ascii(batch));
    before = batch;
  }
  return hash.digest('hex').toUpperCase();
}

/** SQL Build Manager's hash of a package: SHA-1 over the script hashes in build order, each followed by CRLF. */
export function packageHash(scriptHashes: readonly string[]): string {
  const text = scriptHashes.map((hash) => `${hash}\r\n`).join('');
  return createHash('sha1').update(text).digest('hex').toUpperCase();
}

/** Per UTF-16 unit: a character beyond the basic plane becomes two question marks. */
function ascii(text: string): Buffer {
  const bytes = Buffer.alloc(text.length, '?');
  for (let index = 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index);
    if (code < 0x80) bytes[index] = code;
  }
  return bytes;
}
