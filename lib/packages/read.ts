import { createHash } from 'node:crypto';
import { sha256 } from '../platform/hash';
import { createProblemList, type ProblemList } from '../platform/problems';
import { readArchive } from './archive';
import { baseName, checkEntryName, collisionKey, isDesktopLitter } from './entry-name';
import { readFolderPackage, type FolderContent } from './folder-package';
import { packageLimits, type PackageLimits } from './limits';
import { type PackageKind, type PackageReading } from './model';
import { projectFileName, readProject, type Project } from './project-xml';
import { readSbmPackage } from './sbm-package';

export interface ReadOptions {
  /** File name as submitted. A name ending in `.sbm` must be a `.sbm`; otherwise the content decides. */
  name: string;
  limits?: PackageLimits;
}

/**
 * Reads a package from the bytes of a `.sbm` file or of a zip archive of `.sql` files, and reports everything that is
 * wrong with it at once. Never throws for anything the bytes contain; memory and time are bounded by the limits.
 */
export async function readPackage(
  bytes: Buffer,
  { name, limits = packageLimits }: ReadOptions,
): Promise<PackageReading> {
  const problems = createProblemList(limits.problems, 'package.more');
  const warnings = createProblemList(limits.problems, 'package.more');
  const files = await readArchive(bytes, limits, problems);
  if (files.size === 0) {
    if (problems.count === 0) problems.add('package.empty', 'The archive contains no files.');
    return { valid: false, package: null, problems: problems.list(), warnings: warnings.list() };
  }
  const project = findProject(files, limits, problems);
  const isSbm = project !== null || /\.sbm$/i.test(name);
  const content = isSbm
    ? sbmContent(files, project, limits, problems, warnings)
    : readFolderPackage(files, limits, problems, warnings);
  return reading(isSbm ? 'sbm' : 'folder', name, sha256(bytes), content, problems, warnings);
}

/**
 * Reads a package from loose files: relative path -> content. The hash that identifies it covers paths and contents, so
 * the order of the map does not matter.
 */
export function readFolder(
  files: ReadonlyMap<string, Buffer>,
  { name, limits = packageLimits }: ReadOptions,
): PackageReading {
  const problems = createProblemList(limits.problems, 'package.more');
  const warnings = createProblemList(limits.problems, 'package.more');
  const checked = checkFiles(files, limits, problems);
  const content = readFolderPackage(checked, limits, problems, warnings);
  return reading('folder', name, folderSha256(checked), content, problems, warnings);
}

function reading(
  kind: PackageKind,
  name: string,
  hash: string,
  content: FolderContent | null,
  problems: ProblemList,
  warnings: ProblemList,
): PackageReading {
  // A run-once script of nothing would count as run, and its later text as drift.
  if (content !== null && problems.count === 0 && content.scripts.every(({ batches }) => batches.length === 0)) {
    problems.add('package.empty', 'There is nothing to execute in the package.');
  }
  const read = content === null ? null : { kind, name, ...content, sha256: hash };
  return read !== null && problems.count === 0
    ? { valid: true, package: read, problems: [], warnings: warnings.list() }
    : { valid: false, package: read, problems: problems.list(), warnings: warnings.list() };
}

interface FoundProject {
  entry: string;
  /** Null: it is the project, but it cannot be read. */
  project: Project | null;
}

/** Parsing is the dearest step, and an archive can hold thousands of documents. */
const documentsTried = 4;

/** By its name; failing that, old packages may have any `.xml`, of which the first that lists scripts is taken. */
function findProject(
  files: ReadonlyMap<string, Buffer>,
  limits: PackageLimits,
  problems: ProblemList,
): FoundProject | null {
  const candidates: FoundProject[] = [];
  for (const [path, bytes] of files) {
    if (collisionKey(baseName(path)) === collisionKey(projectFileName)) {
      return { entry: path, project: readProject(bytes, path, limits, problems) };
    }
  }
  const documents = [...files].filter(([path]) => /\.xml$/i.test(path));
  for (const [path, bytes] of documents.slice(0, documentsTried)) {
    // Other documents may be anything; only a readable project counts.
    const project = readProject(bytes, path, limits, createProblemList(0, 'package.more'));
    if (project !== null) candidates.push({ entry: path, project });
  }
  return candidates.find(({ project }) => (project?.scripts.length ?? 0) > 0) ?? candidates[0] ?? null;
}

function sbmContent(
  files: ReadonlyMap<string, Buffer>,
  found: FoundProject | null,
  limits: PackageLimits,
  problems: ProblemList,
  warnings: ProblemList,
): FolderContent | null {
  if (found === null) {
    problems.add('package.project.missing', `The package contains no ${projectFileName}.`);
    return null;
  }
  if (found.project === null) return null;
  return readSbmPackage(files, found.project, found.entry, limits, problems, warnings);
}

function checkFiles(
  files: ReadonlyMap<string, Buffer>,
  limits: PackageLimits,
  problems: ProblemList,
): Map<string, Buffer> {
  const checked = new Map<string, Buffer>();
  const seen = new Set<string>();
  let total = 0;
  for (const [name, bytes] of files) {
    const path = checkEntryName(name, limits, problems);
    if (path === null || path === '' || isDesktopLitter(path)) continue;
    total += bytes.length;
    if (bytes.length > limits.entryBytes) {
      const message = `The file is ${bytes.length} bytes large; ${limits.entryBytes} are allowed.`;
      problems.add('package.entry.tooLarge', message, path);
    } else if (seen.has(collisionKey(path))) {
      problems.add('package.entry.duplicate', 'Another name differs from this one only in case.', path);
    } else {
      seen.add(collisionKey(path));
      checked.set(path, bytes);
    }
  }
  if (files.size > limits.entries || total > limits.totalBytes) {
    const message = `The folder has ${files.size} files with ${total} bytes; ${limits.entries} with ${limits.totalBytes} are allowed.`;
    problems.add('package.archive.tooLarge', message);
    return new Map();
  }
  return checked;
}

function folderSha256(files: ReadonlyMap<string, Buffer>): string {
  const hash = createHash('sha256');
  const lines = [...files].map(([path, bytes]) => `${sha256(bytes)} ${path}\n`);
  for (const line of lines.sort()) hash.update(line);
  return hash.digest('hex');
}
