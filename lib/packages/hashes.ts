import { createHash } from 'node:crypto';
import { splitCompatibleBatches } from './compatible-batches';

/**
 * SQL Build Manager's hash of a script: SHA-1 (upper-case hex) over its batches joined by GO lines, in ASCII with `?` for
 * every other UTF-16 unit. So LF and CRLF files hash alike, and so do scripts that differ in non-ASCII characters only.
 * `stripTransactionText` is honoured for every kind of file, as the predecessor does where it reports hashes.
 */
export function scriptTextHash(text: string, options: { stripTransactionText: boolean }): string {
  return batchesHash(splitCompatibleBatches(text, options));
}

/** The same over batches that are split already. */
export function batchesHash(batches: readonly string[]): string {
  const last = batches.length - 1;
  const joined = batches.map((batch, index) => {
    if (index === last) return batch;
    return batch.endsWith('\r\n') ? `${batch}GO\r\n` : `${batch}\r\nGO\r\n`;
  });
  return sha1(joined.join(''));
}

/** SQL Build Manager's hash of a package: SHA-1 over the script hashes in build order, each followed by CRLF. */
export function packageHash(scriptHashes: readonly string[]): string {
  return sha1(scriptHashes.map((hash) => `${hash}\r\n`).join(''));
}

function sha1(text: string): string {
  const ascii = text.replace(/[^\x00-\x7f]/g, '?'); // per UTF-16 unit: no `u` flag
  return createHash('sha1').update(ascii, 'latin1').digest('hex').toUpperCase();
}
