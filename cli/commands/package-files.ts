import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, join, relative, resolve, sep } from 'node:path';
import { type InputProblem, messageOf } from '../../lib/platform/errors';
import { packageLimits } from '../../lib/packages/limits';
import { type LooseFile, packFolder } from '../../lib/packages/pack-folder';
import { projectFileName } from '../../lib/packages/project-xml';
import { usageProblem } from './command';

/** Reads a file of the command line, or says why not; null after a problem. */
export async function readFileOf(
  path: string | undefined,
  folder: string,
  problems: InputProblem[],
): Promise<LooseFile | null> {
  if (path === undefined) return null;
  try {
    return { name: basename(path), bytes: await readFile(resolve(folder, path)) };
  } catch (error) {
    problems.push(usageProblem(path, `cannot be read: ${messageOf(error)}`));
    return null;
  }
}

/**
 * The package that a path names, as it is handed in: a file as it is, a folder packed. Of a folder the `.sql` files count,
 * those of subfolders too; of an unpacked `.sbm`, which has a project document, everything. What begins with a dot is left out.
 */
export async function readPackageOf(
  path: string | undefined,
  folder: string,
  problems: InputProblem[],
): Promise<LooseFile | null> {
  if (path === undefined) return null;
  const root = resolve(folder, path);
  const found = await stat(root).catch(() => null);
  if (found?.isDirectory() !== true) return readFileOf(path, folder, problems);

  const before = problems.length;
  const names = await filesBelow(root, path, problems);
  const isProject = names.some((name) => name.toLowerCase() === projectFileName.toLowerCase());
  const wanted = isProject ? names : names.filter((name) => /\.sql$/i.test(name));
  if (wanted.length === 0) problems.push(usageProblem(path, 'has no .sql files'));
  const files = await readAll(wanted, root, path, problems);
  const packed = await packFolder(files);
  if (!packed.ok) problems.push(...packed.problems);
  if (!packed.ok || problems.length > before) return null;
  return { name: `${basename(root)}.${isProject ? 'sbm' : 'zip'}`, bytes: packed.bytes };
}

async function filesBelow(root: string, path: string, problems: InputProblem[]): Promise<string[]> {
  const names: string[] = [];
  const walk = async (current: string): Promise<void> => {
    for (const entry of await readdir(current, { withFileTypes: true })) {
      if (entry.name.startsWith('.')) continue;
      const full = join(current, entry.name);
      const name = relative(root, full).split(sep).join('/');
      if (entry.isDirectory()) await walk(full);
      else if (entry.isFile()) names.push(name);
      // Not followed: what it points to may be anywhere, and elsewhere tomorrow.
      else problems.push(usageProblem(join(path, name), 'is neither a file nor a folder; links are not followed'));
    }
  };
  await walk(root);
  return names.sort();
}

async function readAll(
  names: readonly string[],
  root: string,
  path: string,
  problems: InputProblem[],
): Promise<LooseFile[]> {
  const files: LooseFile[] = [];
  let bytes = 0;
  for (const name of names) {
    bytes += (await stat(join(root, name))).size;
    if (bytes > packageLimits.totalBytes) {
      problems.push(usageProblem(path, `is larger than the ${packageLimits.totalBytes} bytes that a package may have`));
      return [];
    }
    files.push({ name, bytes: await readFile(join(root, name)) });
  }
  return files;
}
