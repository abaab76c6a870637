import { fromBuffer, type Entry, type ZipFile } from 'yauzl';
import { messageOf } from '../platform/errors';
import { type ProblemList } from '../platform/problems';
import { type PackageLimits } from './limits';

/** An entry as the central directory and the local header agree on it. */
export interface ZipEntry {
  name: string;
  isCompressed: boolean;
  compressedSize: number;
  size: number;
  crc32: number;
  /** Offsets into the archive: the local header, and the data behind it. */
  start: number;
  dataStart: number;
}

/**
 * Lists the entries of a zip archive and refuses what a package must not contain: encryption, unknown compression, links
 * and devices, more or larger entries than allowed, headers that contradict one another, overlapping or hidden entries.
 * Decompresses nothing. File format: PKWARE APPNOTE 6.3.
 */
export async function readZipDirectory(
  bytes: Buffer,
  limits: PackageLimits,
  problems: ProblemList,
): Promise<ZipEntry[]> {
  let listed: Entry[];
  try {
    listed = await listEntries(bytes, limits, problems);
  } catch (error) {
    problems.add('package.archive.broken', `The archive cannot be read: ${messageOf(error).replace(/\.+$/, '')}.`);
    return [];
  }
  const entries = listed.flatMap((entry) => checkEntry(bytes, entry, limits, problems) ?? []);
  refuseOverlaps(entries, problems);
  return entries;
}

async function listEntries(bytes: Buffer, limits: PackageLimits, problems: ProblemList): Promise<Entry[]> {
  // Sizes and names are checked here, where all problems can be collected; yauzl would stop at the first.
  const options = { lazyEntries: true, decodeStrings: false, validateEntrySizes: false, autoClose: false };
  const zip = await new Promise<ZipFile>((resolve, reject) => {
    fromBuffer(bytes, options, (error, file) => (error === null ? resolve(file) : reject(error)));
  });
  if (zip.entryCount > limits.entries) {
    const message = `The archive has ${zip.entryCount} entries; ${limits.entries} are allowed.`;
    problems.add('package.archive.tooManyEntries', message);
    return [];
  }
  const entries: Entry[] = [];
  await new Promise<void>((resolve, reject) => {
    zip.on('entry', (entry: Entry) => {
      entries.push(entry);
      zip.readEntry();
    });
    zip.on('end', resolve);
    zip.on('error', reject);
    zip.readEntry();
  });
  const end: unknown = zip.readEntryCursor;
  if (typeof end === 'number' && signatureAt(bytes, end) === centralHeaderSignature) {
    problems.add('package.archive.hiddenEntries', 'The archive has more entries than its directory says.');
  } else if (typeof end === 'number' && !endsDirectory(bytes, end, zip.comment)) {
    problems.add(
      'package.archive.twoArchives',
      'Between the directory of the archive and its end there is something else.',
    );
  }
  return entries;
}

/**
 * Whether the end record, with what zip64 puts before it, is right behind the directory. Some tools count offsets from the
 * beginning and others backwards from the end: of two archives in a row they would see different ones.
 */
function endsDirectory(bytes: Buffer, end: number, comment: unknown): boolean {
  const endRecord = bytes.length - endRecordBytes - (Buffer.isBuffer(comment) ? comment.length : 0);
  if (end === endRecord || signatureAt(bytes, end) !== zip64EndSignature) return end === endRecord;
  return end + zip64EndHeadBytes + Number(bytes.readBigUInt64LE(end + 4)) + zip64LocatorBytes === endRecord;
}

const centralHeaderSignature = 0x02014b50;
const localHeaderSignature = 0x04034b50;
const localHeaderBytes = 30;
const endRecordBytes = 22;
const zip64EndSignature = 0x06064b50;
const zip64EndHeadBytes = 12;
const zip64LocatorBytes = 20;
const flagEncrypted = 0x1;
const flagSizesFollow = 0x8;
const methodStored = 0;
const methodDeflated = 8;
const unixTypeMask = 0xf000;
const unixFolder = 0x4000;
const unixFile = 0x8000;
const unixLink = 0xa000;

function checkEntry(bytes: Buffer, entry: Entry, limits: PackageLimits, problems: ProblemList): ZipEntry | null {
  const rawName: unknown = entry.fileName; // a Buffer with decodeStrings: false, whatever its type says
  if (!Buffer.isBuffer(rawName)) throw new TypeError('yauzl decoded an entry name');
  const name = rawName.toString('utf8');
  const before = problems.count;
  const refuse = (code: string, message: string): void => problems.add(code, message, shown(name));

  if (!Buffer.from(name).equals(rawName)) {
    refuse('package.entry.nameEncoding', 'The name is not UTF-8. Create the archive with UTF-8 names.');
  }
  const unixType = (entry.externalFileAttributes >>> 16) & unixTypeMask;
  if (unixType === unixLink) refuse('package.entry.symlink', 'Symbolic links are not allowed.');
  else if (unixType !== 0 && unixType !== unixFile && unixType !== unixFolder) {
    refuse('package.entry.specialFile', 'Only files and folders are allowed.');
  }
  if ((entry.generalPurposeBitFlag & flagEncrypted) !== 0) {
    refuse('package.entry.encrypted', 'Encrypted entries cannot be read.');
  } else if (entry.compressionMethod !== methodStored && entry.compressionMethod !== methodDeflated) {
    const message = `Compression method ${entry.compressionMethod} is not supported; use deflate or none.`;
    refuse('package.entry.compression', message);
  }
  checkSizes(entry, limits, refuse);
  const dataStart = checkLocalHeader(bytes, entry, rawName, refuse);
  if (problems.count > before || dataStart === null) return null;
  return {
    name,
    isCompressed: entry.compressionMethod === methodDeflated,
    compressedSize: entry.compressedSize,
    size: entry.uncompressedSize,
    crc32: entry.crc32,
    start: entry.relativeOffsetOfLocalHeader,
    dataStart,
  };
}

type Refuse = (code: string, message: string) => void;

function checkSizes(entry: Entry, limits: PackageLimits, refuse: Refuse): void {
  const { compressedSize, uncompressedSize } = entry;
  if (uncompressedSize > limits.entryBytes) {
    const message = `The entry is ${uncompressedSize} bytes large; ${limits.entryBytes} are allowed.`;
    refuse('package.entry.tooLarge', message);
  }
  if (uncompressedSize > limits.ratioFloorBytes && uncompressedSize > compressedSize * limits.compressionRatio) {
    refuse('package.entry.ratio', `The entry is compressed more than ${limits.compressionRatio} times.`);
  }
  const isEncrypted = (entry.generalPurposeBitFlag & flagEncrypted) !== 0; // then a key stands before the data
  if (entry.compressionMethod === methodStored && !isEncrypted && compressedSize !== uncompressedSize) {
    refuse('package.entry.headerMismatch', 'The entry is stored, but its two sizes differ.');
  }
}

/** Other tools believe the local header. Where it disagrees with the directory they would see another package. */
function checkLocalHeader(bytes: Buffer, entry: Entry, rawName: Buffer, refuse: Refuse): number | null {
  const start = entry.relativeOffsetOfLocalHeader;
  const mismatch = (what: string): null => {
    refuse('package.entry.headerMismatch', `The entry's own header ${what}.`);
    return null;
  };
  if (signatureAt(bytes, start) !== localHeaderSignature || start + localHeaderBytes > bytes.length) {
    return mismatch('is not where the directory says');
  }
  const nameStart = start + localHeaderBytes;
  const dataStart = nameStart + bytes.readUInt16LE(start + 26) + bytes.readUInt16LE(start + 28);
  if (dataStart + entry.compressedSize > bytes.length) return mismatch('places its data beyond the archive');
  if (!bytes.subarray(nameStart, nameStart + bytes.readUInt16LE(start + 26)).equals(rawName)) {
    return mismatch('has another name than the directory');
  }
  const flags = bytes.readUInt16LE(start + 6);
  if (((flags ^ entry.generalPurposeBitFlag) & flagEncrypted) !== 0) return mismatch('disagrees about encryption');
  if (bytes.readUInt16LE(start + 8) !== entry.compressionMethod) return mismatch('has another compression method');
  if ((flags & flagSizesFollow) === 0) {
    const agrees = (offset: number, value: number): boolean => {
      const local = bytes.readUInt32LE(offset);
      return local === value || local === 0xffffffff; // all ones: the value is in a zip64 field
    };
    if (!agrees(start + 18, entry.compressedSize) || !agrees(start + 22, entry.uncompressedSize)) {
      return mismatch('has other sizes than the directory');
    }
  }
  return dataStart;
}

/** Entries that share data make an archive of megabytes unpack to petabytes. */
function refuseOverlaps(entries: readonly ZipEntry[], problems: ProblemList): void {
  let end = 0;
  for (const entry of [...entries].sort((a, b) => a.start - b.start)) {
    if (entry.start < end) {
      problems.add('package.entry.overlap', 'The entry shares bytes of the archive with another.', shown(entry.name));
    }
    end = Math.max(end, entry.dataStart + entry.compressedSize);
  }
}

function signatureAt(bytes: Buffer, offset: number): number | null {
  return offset + 4 <= bytes.length ? bytes.readUInt32LE(offset) : null;
}

function shown(name: string): string {
  return name.slice(0, 100).replace(/[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]/gu, '\ufffd');
}
