import { promisify } from 'node:util';
import { crc32, inflateRaw } from 'node:zlib';
import { type ProblemList } from '../platform/problems';
import { checkEntryName, collisionKey, isDesktopLitter } from './entry-name';
import { type PackageLimits } from './limits';
import { readZipDirectory, type ZipEntry } from './zip-directory';

const inflate = promisify<Buffer, { maxOutputLength: number }, Buffer>(inflateRaw);

/**
 * Unpacks a zip archive into memory: relative paths with `/`, in the order of the archive. Every entry is decompressed
 * and checked, needed or not. Memory is bounded by the limits whatever the headers claim, because decompression stops
 * where the declared size ends.
 */
export async function readArchive(
  bytes: Buffer,
  limits: PackageLimits,
  problems: ProblemList,
): Promise<Map<string, Buffer>> {
  const files = new Map<string, Buffer>();
  if (bytes.length > limits.packageBytes) {
    const message = `The package is ${bytes.length} bytes large; ${limits.packageBytes} are allowed.`;
    problems.add('package.archive.tooLarge', message);
    return files;
  }
  if (!looksLikeZip(bytes)) {
    problems.add('package.archive.notZip', 'A package is a zip archive: a .sbm file, or zipped .sql files.');
    return files;
  }
  const entries = namedEntries(await readZipDirectory(bytes, limits, problems), limits, problems);
  const total = entries.reduce((sum, { entry }) => sum + entry.size, 0);
  if (total > limits.totalBytes) {
    const message = `The archive unpacks to ${total} bytes; ${limits.totalBytes} are allowed.`;
    problems.add('package.archive.unpacksTooLarge', message);
    return files;
  }
  for (const { path, entry } of entries) {
    const content = await unpack(bytes, entry, path, problems);
    if (content === null) continue;
    if (looksLikeZip(content)) {
      problems.add('package.entry.nestedArchive', 'An archive inside the package is not read.', path);
    } else {
      files.set(path, content);
    }
  }
  return files;
}

/** Local file header, or the end record of an archive without entries. */
export function looksLikeZip(bytes: Buffer): boolean {
  if (bytes.length < 4) return false;
  const signature = bytes.readUInt32LE(0);
  return signature === 0x04034b50 || signature === 0x06054b50;
}

interface NamedEntry {
  path: string;
  entry: ZipEntry;
}

function namedEntries(entries: readonly ZipEntry[], limits: PackageLimits, problems: ProblemList): NamedEntry[] {
  const seen = new Map<string, string>();
  return entries.flatMap((entry) => {
    const path = checkEntryName(entry.name, limits, problems);
    if (path === null || isDesktopLitter(path)) return [];
    if (/[\\/]$/.test(entry.name) || path === '') {
      if (entry.size > 0) problems.add('package.entry.folderWithData', 'A folder entry must be empty.', path);
      return [];
    }
    const earlier = seen.get(collisionKey(path));
    if (earlier !== undefined) {
      const message = earlier === path ? 'The name is there twice.' : `The name differs only in case from ${earlier}.`;
      problems.add('package.entry.duplicate', message, path);
      return [];
    }
    seen.set(collisionKey(path), path);
    return [{ path, entry }];
  });
}

async function unpack(bytes: Buffer, entry: ZipEntry, path: string, problems: ProblemList): Promise<Buffer | null> {
  const data = bytes.subarray(entry.dataStart, entry.dataStart + entry.compressedSize);
  let content: Buffer;
  try {
    content = entry.isCompressed ? await inflate(data, { maxOutputLength: Math.max(1, entry.size) }) : data;
  } catch (error) {
    if (isTooLong(error))
      problems.add('package.entry.headerMismatch', 'The entry unpacks to more than it declares.', path);
    else problems.add('package.entry.corrupt', 'The compressed data of the entry is damaged.', path);
    return null;
  }
  if (content.length !== entry.size) {
    problems.add('package.entry.headerMismatch', 'The entry unpacks to another size than it declares.', path);
    return null;
  }
  if (crc32(content) !== entry.crc32) {
    problems.add('package.entry.corrupt', 'The checksum of the entry is wrong.', path);
    return null;
  }
  return content;
}

/** By its code: the error may come from another realm, where it is an instance of another Error. */
function isTooLong(error: unknown): boolean {
  return typeof error === 'object' && error !== null && 'code' in error && error.code === 'ERR_BUFFER_TOO_LARGE';
}
