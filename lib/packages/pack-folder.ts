import { buffer } from 'node:stream/consumers';
import { ZipFile } from 'yazl';

/** Zip dates have no time zone; a fixed one makes the same files the same bytes, and so the same hash, everywhere. */
const entryOptions = { mtime: new Date(1980, 0, 1), mode: 0o100644, forceDosTimestamp: true };

/** Packs loose `.sql` files into the archive that `readPackage` reads as a folder package. The order of `files` does not matter. */
export async function packFolder(files: readonly { name: string; bytes: Buffer }[]): Promise<Buffer> {
  const zip = new ZipFile();
  for (const { name, bytes } of [...files].sort((a, b) => (a.name < b.name ? -1 : 1))) {
    zip.addBuffer(bytes, name, entryOptions);
  }
  zip.end();
  return buffer(zip.outputStream);
}
