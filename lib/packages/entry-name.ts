import { type ProblemList } from '../platform/problems';
import { type PackageLimits } from './limits';

/**
 * Turns the name of an archive entry or folder file into a relative path with `/`, or reports why it is refused. Windows
 * separators are accepted, because old packages have them; whatever could leave the folder it is unpacked into is not.
 *
 * @returns the path, '' for the folder itself, or null after a problem was reported
 */
export function checkEntryName(name: string, limits: PackageLimits, problems: Pick<ProblemList, 'add'>): string | null {
  const shown = name.length > 100 ? `${name.slice(0, 100)}...` : name;
  const refuse = (code: string, message: string): null => {
    problems.add(code, message, printable(shown));
    return null;
  };
  if (name.length > limits.nameCharacters) {
    return refuse('package.entry.nameTooLong', `The name is longer than ${limits.nameCharacters} characters.`);
  }
  if (/[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]/u.test(name)) {
    return refuse('package.entry.controlCharacter', 'The name contains control or invisible characters.');
  }
  const path = name.replaceAll('\\', '/');
  if (path.startsWith('/') || /^[a-z]:/i.test(path)) {
    return refuse('package.entry.absolute', 'The name is an absolute path.');
  }
  const segments = path.split('/').filter((segment) => segment !== '' && segment !== '.');
  if (segments.includes('..')) return refuse('package.entry.traversal', 'The name leaves the package with "..".');
  if (segments.length > limits.folderDepth) {
    return refuse('package.entry.tooDeep', `The name is nested in more than ${limits.folderDepth} folders.`);
  }
  return segments.join('/');
}

/** Two names with the same key are one file on some file system. */
export function collisionKey(path: string): string {
  return path.normalize('NFC').toLowerCase();
}

export function baseName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

/** What archivers of desktop systems add by themselves. */
export function isDesktopLitter(path: string): boolean {
  const name = baseName(path);
  return (
    path.startsWith('__MACOSX/') || name.startsWith('._') || /^(?:\.DS_Store|Thumbs\.db|desktop\.ini)$/i.test(name)
  );
}

/** For showing a hostile name in an answer or a log line. */
function printable(name: string): string {
  return name.replace(/[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]/gu, '\ufffd');
}
