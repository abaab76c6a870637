import { buffer } from 'node:stream/consumers';
import { ZipFile } from 'yazl';
import { type InputProblem } from '../platform/errors';
import { createProblemList } from '../platform/problems';
import { checkEntryName } from './entry-name';
import { packageLimits } from './limits';

/** Zip dates have no time zone; a fixed one makes the same files the same bytes, and so the same hash, everywhere. */
const entryOptions = { mtime: new Date(1980, 0, 1), mode: 0o100644, forceDosTimestamp: true };

export interface LooseFile {
  name: string;
  bytes: Buffer;
}

export type PackedFolder = { ok: true; bytes: Buffer } | { ok: false; problems: InputProblem[] };

/**
 * Packs loose `.sql` files into the archive that `readPackage` reads as a folder package. The order of `files` does not
 * matter. Names that no archive may contain are problems, one each.
 */
export async function packFolder(files: readonly LooseFile[]): Promise<PackedFolder> {
  const problems = createProblemList(packageLimits.problems, 'package.more');
  const named = files.map(({ name, bytes }) => {
    const path = checkEntryName(name, packageLimits, problems);
    if (path === '') problems.add('package.entry.name', 'A file has no name.', name);
    return { name: path ?? '', bytes };
  });
  return problems.count > 0 ? { ok: false, problems: problems.list() } : { ok: true, bytes: await zipFiles(named) };
}

/** The same files give the same bytes, in whatever order they come. Names must have been checked. */
export async function zipFiles(files: readonly LooseFile[]): Promise<Buffer> {
  const zip = new ZipFile();
  for (const { name, bytes } of [...files].sort((a, b) => (a.name < b.name ? -1 : 1))) {
    // Large files are stored as they are: a repetitive script must not look like a bomb because we compressed it.
    zip.addBuffer(bytes, name, { ...entryOptions, compress: bytes.length <= packageLimits.ratioFloorBytes });
  }
  zip.end();
  return buffer(zip.outputStream);
}
