import { buffer } from 'node:stream/consumers';
import { ZipFile } from 'yazl';
import { AppError } from '../platform/errors';
import { createProblemList } from '../platform/problems';
import { checkEntryName } from './entry-name';
import { packageLimits } from './limits';

/** Zip dates have no time zone; a fixed one makes the same files the same bytes, and so the same hash, everywhere. */
const entryOptions = { mtime: new Date(1980, 0, 1), mode: 0o100644, forceDosTimestamp: true };

/**
 * Packs loose `.sql` files into the archive that `readPackage` reads as a folder package. The order of `files` does not
 * matter.
 *
 * @throws AppError `packages.entryName` (422) with a problem for each name that no archive may contain
 */
export async function packFolder(files: readonly { name: string; bytes: Buffer }[]): Promise<Buffer> {
  const problems = createProblemList(packageLimits.problems, 'package.more');
  const zip = new ZipFile();
  for (const { name, bytes } of [...files].sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const path = checkEntryName(name, packageLimits, problems);
    if (path === '') problems.add('package.entry.name', 'A file has no name.', name);
    // Large files are stored as they are: a repetitive script must not look like a bomb because we compressed it.
    const compress = bytes.length <= packageLimits.ratioFloorBytes;
    if (problems.count === 0 && path !== null) zip.addBuffer(bytes, path, { ...entryOptions, compress });
  }
  if (problems.count > 0) {
    const message = 'Some of the files have names that a package must not contain.';
    throw new AppError('packages.entryName', message, { status: 422, details: { problems: problems.list() } });
  }
  zip.end();
  return buffer(zip.outputStream);
}
