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
  const packed = await packFolder(files);
  if (!packed.ok) {
    const { problems } = packed;
    return { valid: false, package: null, problems, warnings: [], name, bytes: Buffer.alloc(0) };
  }
  return { ...(await readPackage(packed.bytes, { name })), name, bytes: packed.bytes };
}
