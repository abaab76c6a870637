import { type ProblemList } from '../platform/problems';
import { packageHash } from './hashes';
import { type PackageLimits } from './limits';
import { type Package, type Script } from './model';
import { createScript, scriptIdFor } from './script';

export type FolderContent = Pick<Package, 'scripts' | 'packageHash'>;

/**
 * Scripts of a folder of `.sql` files: run-once, in the order of their paths, rolled back and failing the build on any
 * error. Other files are ignored with a warning.
 *
 * @param files relative path with `/` -> content; paths are checked already
 */
export function readFolderPackage(
  files: ReadonlyMap<string, Buffer>,
  limits: PackageLimits,
  problems: ProblemList,
  warnings: ProblemList,
): FolderContent {
  const scripts: Script[] = [];
  for (const [path, bytes] of [...files].sort(([a], [b]) => comparePaths(a, b))) {
    if (!/\.sql$/i.test(path)) {
      warnings.add('package.entry.ignored', 'Only .sql files are built.', path);
      continue;
    }
    const head = {
      // In lower case: a file whose letter case changed is still the script that has run.
      scriptId: scriptIdFor(path.normalize('NFC').toLowerCase()),
      fileName: path,
      order: scripts.length,
      description: '',
      rollBackOnError: true,
      causesBuildFailure: true,
      database: '',
      stripTransactionText: false,
      allowMultipleRuns: false,
      timeoutSeconds: null,
      tag: '',
      addedBy: '',
      modifiedBy: '',
      dateAdded: '',
      dateModified: '',
    };
    scripts.push(createScript(head, bytes, limits, problems, warnings));
  }
  warnOfUnpaddedNumbers(scripts, warnings);
  if (scripts.length === 0) problems.add('package.empty', 'The package contains no .sql files.');
  return { scripts, packageHash: packageHash(scripts.map(({ hash }) => hash)) };
}

/** Folder by folder, without regard to letter case, in the order of UTF-16 units: the same on every machine. */
function comparePaths(a: string, b: string): number {
  const left = a.toLowerCase().split('/');
  const right = b.toLowerCase().split('/');
  for (let index = 0; index < Math.min(left.length, right.length); index += 1) {
    const [one = '', other = ''] = [left[index], right[index]];
    if (one !== other) return one < other ? -1 : 1;
  }
  return left.length - right.length;
}

/** `10.sql` runs before `2.sql`, which hardly anybody means. Once is enough to say it. */
function warnOfUnpaddedNumbers(scripts: readonly Script[], warnings: ProblemList): void {
  for (const [index, { fileName }] of scripts.entries()) {
    const before = scripts[index - 1]?.fileName;
    if (before === undefined || !hasLargerNumber(before, fileName)) continue;
    const message = `${before} runs before it: paths are ordered as text. Pad numbers with zeros if you mean another order.`;
    warnings.add('package.order.numbers', message, fileName);
    return;
  }
}

/** Whether the first thing in which two paths differ is a number, and it is larger in the first one. */
function hasLargerNumber(before: string, after: string): boolean {
  const [one, other] = [before.toLowerCase(), after.toLowerCase()];
  let start = 0;
  while (start < one.length && one[start] === other[start]) start += 1;
  while (/\d/.test(one[start - 1] ?? '')) start -= 1;
  const number = (path: string): number => Number(/^\d+/.exec(path.slice(start))?.[0] ?? NaN);
  return number(one) > number(other);
}
