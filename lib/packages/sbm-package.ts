import { type ProblemList } from '../platform/problems';
import { baseName, checkEntryName, collisionKey } from './entry-name';
import { packageHash } from './hashes';
import { type PackageLimits } from './limits';
import { type Script } from './model';
import { type FolderContent } from './folder-package';
import { type Project, type ScriptAttributes } from './project-xml';
import { createScript, scriptIdFor } from './script';

/**
 * Scripts of a `.sbm`: what its project document names, in build order, each with its effective attributes. Entry names
 * may carry Windows folders; only their last part counts.
 *
 * @param files relative path with `/` -> content, the project document included
 * @param projectEntry name of the project document, for problems
 */
export function readSbmPackage(
  files: ReadonlyMap<string, Buffer>,
  project: Project,
  projectEntry: string,
  limits: PackageLimits,
  problems: ProblemList,
  warnings: ProblemList,
): FolderContent {
  const byName = filesByName(files, problems);
  const used = new Set<string>();
  const scripts: Script[] = [];
  const hashes: string[] = [];
  const seen = new Map<string, ScriptAttributes>();
  for (const { attributes, order } of inBuildOrder(project.scripts)) {
    const name = scriptFileName(attributes, projectEntry, limits, problems);
    const bytes = name === null ? undefined : byName.get(collisionKey(name));
    if (name !== null && bytes === undefined) {
      const message = `The script ${name} is not in the package.`;
      problems.add('package.script.missing', message, projectEntry, attributes.line);
    }
    if (name === null || bytes === undefined) continue;
    used.add(collisionKey(name));
    const head = scriptHead(attributes, name, order, projectEntry, limits, problems, warnings);

    const earlier = seen.get(head.scriptId);
    seen.set(head.scriptId, attributes);
    if (earlier !== undefined && isSameScript(earlier, attributes)) {
      // A release of the predecessor writes its list of scripts several times. It hashes each, but means it once.
      const repeated = scripts.find(({ scriptId }) => scriptId === head.scriptId);
      hashes.push(repeated?.hash ?? '');
      warnings.add('package.script.repeated', `${name} is listed again; it runs once.`, projectEntry, attributes.line);
      continue;
    }
    if (earlier !== undefined) {
      const message = `ScriptId ${head.scriptId} is already used in line ${earlier.line}. Give each script its own.`;
      problems.add('package.script.duplicateId', message, projectEntry, attributes.line);
    }
    const script = createScript(head, bytes, limits, problems, warnings);
    scripts.push(script);
    hashes.push(script.hash);
  }
  warnOfUnused(files, used, warnings);
  if (project.scripts.length === 0) problems.add('package.empty', 'The package names no scripts.', projectEntry);
  const isComplete = hashes.length === project.scripts.length;
  return { scripts, packageHash: isComplete ? packageHash(hashes) : '' };
}

function filesByName(files: ReadonlyMap<string, Buffer>, problems: ProblemList): Map<string, Buffer> {
  const byName = new Map<string, Buffer>();
  for (const [path, bytes] of files) {
    const key = collisionKey(baseName(path));
    if (byName.has(key)) {
      const message = 'Another folder of the archive has a file of the same name; folders do not count in a .sbm.';
      problems.add('package.entry.duplicate', message, path);
    } else {
      byName.set(key, bytes);
    }
  }
  return byName;
}

/** Ascending, stable. Scripts without an order come last; they get the numbers behind the largest. */
function inBuildOrder(scripts: readonly ScriptAttributes[]): { attributes: ScriptAttributes; order: number }[] {
  const ordered = scripts.filter(({ buildOrder }) => buildOrder !== null);
  const unordered = scripts.filter(({ buildOrder }) => buildOrder === null);
  const last = ordered.reduce((largest, { buildOrder }) => Math.max(largest, buildOrder ?? 0), 0);
  return [
    ...ordered
      .map((attributes) => ({ attributes, order: attributes.buildOrder ?? 0 }))
      .sort((a, b) => a.order - b.order),
    ...unordered.map((attributes, index) => ({ attributes, order: last + index + 1 })),
  ];
}

function scriptFileName(
  { fileName, line }: ScriptAttributes,
  projectEntry: string,
  limits: PackageLimits,
  problems: ProblemList,
): string | null {
  if (fileName === null || fileName.trim() === '') {
    problems.add('package.script.fileName', 'A script has no FileName.', projectEntry, line);
    return null;
  }
  const path = checkEntryName(fileName, limits, {
    add: (code, message) => problems.add(code, `FileName: ${message}`, projectEntry, line),
  });
  return path === null ? null : baseName(path);
}

function scriptHead(
  attributes: ScriptAttributes,
  fileName: string,
  order: number,
  projectEntry: string,
  limits: PackageLimits,
  problems: ProblemList,
  warnings: ProblemList,
): Omit<Script, 'text' | 'batches' | 'hash' | 'sha256'> {
  const { line } = attributes;
  for (const attribute of attributes.meaningless) {
    const message = `${attribute} of ${fileName} cannot be understood, so the default applies, as with SQL Build Manager.`;
    warnings.add('package.script.attribute', message, projectEntry, line);
  }
  const database = (attributes.database ?? '').trim();
  if (database.length > limits.databaseCharacters || /\p{C}/u.test(database)) {
    const message = `The Database of ${fileName} is longer than ${limits.databaseCharacters} characters or contains control characters.`;
    problems.add('package.script.database', message, projectEntry, line);
  }
  return {
    scriptId: attributes.scriptId ?? scriptIdFor(`${fileName.toLowerCase()}\n${database.toLowerCase()}`),
    fileName,
    order,
    description: attributes.description ?? '',
    rollBackOnError: attributes.rollBackOnError ?? true,
    causesBuildFailure: attributes.causesBuildFailure ?? true,
    database,
    stripTransactionText: attributes.stripTransactionText ?? false,
    allowMultipleRuns: attributes.allowMultipleRuns ?? true,
    timeoutSeconds: timeoutOf(attributes, fileName, projectEntry, problems, warnings),
    tag: attributes.tag ?? '',
    addedBy: attributes.addedBy ?? '',
    modifiedBy: attributes.modifiedBy ?? '',
    dateAdded: attributes.dateAdded ?? '',
    dateModified: attributes.dateModified ?? '',
  };
}

/** 0 is ADO.NET's "wait for ever", which no build does. */
function timeoutOf(
  { scriptTimeOut, line }: ScriptAttributes,
  fileName: string,
  projectEntry: string,
  problems: ProblemList,
  warnings: ProblemList,
): number | null {
  if (scriptTimeOut === 0) {
    const message = `ScriptTimeOut 0 of ${fileName}: the build's default timeout applies.`;
    warnings.add('package.script.timeout', message, projectEntry, line);
    return null;
  }
  if (scriptTimeOut !== null && scriptTimeOut < 0) {
    problems.add('package.script.timeout', `The ScriptTimeOut of ${fileName} is negative.`, projectEntry, line);
    return null;
  }
  return scriptTimeOut;
}

function isSameScript(one: ScriptAttributes, other: ScriptAttributes): boolean {
  return JSON.stringify({ ...one, line: 0 }) === JSON.stringify({ ...other, line: 0 });
}

function warnOfUnused(files: ReadonlyMap<string, Buffer>, used: ReadonlySet<string>, warnings: ProblemList): void {
  for (const path of files.keys()) {
    const name = baseName(path);
    if (/\.(?:sql|prc|udf|trg|tab|viw)$/i.test(name) && !used.has(collisionKey(name))) {
      warnings.add('package.entry.ignored', 'The project does not name this script, so it never runs.', path);
    }
  }
}
