import { type InputProblem } from '../platform/errors';
import { looksLikeZip } from './archive';
import { type PackageReading } from './model';
import { type LooseFile, packFolder } from './pack-folder';
import { readPackage } from './read';

/** What somebody uploaded as the package: one archive, or loose `.sql` files. */
export type SubmittedFiles = readonly LooseFile[];

/** A package as it was read, and the bytes that it can be read from again: loose files are packed into an archive. */
export type SubmittedPackage = PackageReading & LooseFile;

/** Several files are a folder; one is whatever its bytes say, a lone `.sql` file being a folder of one. */
export async function readSubmitted(files: SubmittedFiles): Promise<SubmittedPackage> {
  const [first] = files;
  if (files.length === 1 && first !== undefined && !/\.sql$/i.test(first.name)) {
    return { ...(await readPackage(first.bytes, { name: first.name })), ...first };
  }
  const name = files.length === 1 && first !== undefined ? first.name : `folder of ${files.length} files`;
  const refused = (problems: InputProblem[]): SubmittedPackage => {
    return { valid: false, package: null, problems, warnings: [], name, bytes: Buffer.alloc(0) };
  };
  const archives = files.filter(isArchive);
  if (archives.length > 0) return refused(archives.map(notAlone));
  const packed = await packFolder(files);
  if (!packed.ok) return refused(packed.problems);
  return { ...(await readPackage(packed.bytes, { name })), name, bytes: packed.bytes };
}

function isArchive({ name, bytes }: LooseFile): boolean {
  return /\.(?:sbm|zip)$/i.test(name) || looksLikeZip(bytes);
}

/** Among loose files it would be left out, and the build would look as if it had been in it. */
function notAlone({ name }: LooseFile): InputProblem {
  const message = 'An archive is a whole package: hand in this one alone, or loose .sql files.';
  return { code: 'package.archive.notAlone', message, entry: name, line: null };
}
