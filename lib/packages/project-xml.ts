import { type ProblemList } from '../platform/problems';
import { type PackageLimits } from './limits';
import { decodeText } from '../platform/text-encoding';
import { parseXml, type XmlElement } from './xml';

export const projectFileName = 'SqlSyncBuildProject.xml';
export const projectNamespace = 'http://schemas.mckechney.com/SqlSyncBuildProject.xsd';

/** The attributes of one Script element; null where it is missing or says nothing that can be understood. */
export interface ScriptAttributes {
  fileName: string | null;
  buildOrder: number | null;
  description: string | null;
  rollBackOnError: boolean | null;
  causesBuildFailure: boolean | null;
  dateAdded: string | null;
  scriptId: string | null;
  database: string | null;
  stripTransactionText: boolean | null;
  allowMultipleRuns: boolean | null;
  addedBy: string | null;
  scriptTimeOut: number | null;
  dateModified: string | null;
  modifiedBy: string | null;
  tag: string | null;
  /** Attributes, as written, whose values say nothing that can be understood; they count as missing. */
  meaningless: string[];
  /** 1-based line of the element. */
  line: number;
}

/** What a package file says about its scripts, in document order. Null when the document could not be read. */
export interface Project {
  scripts: ScriptAttributes[];
}

/**
 * Reads `SqlSyncBuildProject.xml`. Like the predecessor's reader it goes by the document's own default namespace, ignores
 * elements that it does not know and turns values that it cannot parse into null.
 *
 * @returns null when the document is not a project; then a problem was reported
 */
export function readProject(
  bytes: Buffer,
  entry: string,
  limits: PackageLimits,
  problems: ProblemList,
): Project | null {
  const text = projectText(bytes, entry, limits, problems);
  const root = text === null ? null : parseXml(text, entry, limits, problems);
  if (root === null) return null;
  if (!isProjectRoot(root)) {
    problems.add('package.project.root', 'The root element is not SqlSyncBuildData.', entry, root.line);
    return null;
  }
  const scripts = childrenNamed([root], 'SqlSyncBuildProject')
    .flatMap((project) => childrenNamed([project], 'Scripts'))
    .flatMap((container) => childrenNamed([container], 'Script'));
  return { scripts: scripts.map(scriptAttributes) };
}

function projectText(bytes: Buffer, entry: string, limits: PackageLimits, problems: ProblemList): string | null {
  const refuse = (code: string, message: string): null => {
    problems.add(code, message, entry, null);
    return null;
  };
  if (bytes.length > limits.projectXmlBytes) {
    return refuse('package.xml.tooLarge', `The document is larger than ${limits.projectXmlBytes} bytes.`);
  }
  const decoded = decodeText(bytes);
  if (typeof decoded === 'string' || decoded.faultyLines.length > 0) {
    return refuse('package.xml.encoding', 'The document is neither UTF-8 nor UTF-16.');
  }
  const declared = /^<\?xml[^>]*?\sencoding\s*=\s*["']([^"']*)["']/.exec(decoded.text.slice(0, 200))?.[1];
  if (declared !== undefined && !/^(?:utf-8|utf-16|us-ascii)$/i.test(declared)) {
    return refuse('package.xml.encoding', `The encoding ${declared} is not supported; use UTF-8.`);
  }
  return decoded.text;
}

/** Whether a document without the usual name is a project all the same. */
function isProjectRoot(root: XmlElement): boolean {
  return root.name === 'SqlSyncBuildData';
}

function childrenNamed(parents: readonly XmlElement[], name: string): XmlElement[] {
  return parents.flatMap(({ children }) => children.filter((child) => child.name === name));
}

function scriptAttributes({ attributes, line }: XmlElement): ScriptAttributes {
  const text = (name: string): string | null => attributes.get(name) ?? null;
  const meaningless: string[] = [];
  const understood = <T>(name: string, parse: (value: string | null) => T | null): T | null => {
    const value = text(name);
    const meaning = parse(value);
    if (meaning === null && value !== null && value.trim() !== '') meaningless.push(`${name}="${value}"`);
    return meaning;
  };
  return {
    fileName: text('FileName'),
    buildOrder: understood('BuildOrder', parseDouble),
    description: text('Description'),
    rollBackOnError: understood('RollBackOnError', parseBoolean),
    causesBuildFailure: understood('CausesBuildFailure', parseBoolean),
    dateAdded: understood('DateAdded', parseDate),
    scriptId: understood('ScriptId', parseGuid),
    database: text('Database'),
    stripTransactionText: understood('StripTransactionText', parseBoolean),
    allowMultipleRuns: understood('AllowMultipleRuns', parseBoolean),
    addedBy: text('AddedBy'),
    scriptTimeOut: understood('ScriptTimeOut', parseInteger),
    dateModified: understood('DateModified', parseDate),
    modifiedBy: text('ModifiedBy'),
    tag: text('Tag'),
    meaningless,
    line,
  };
}

/** .NET's bool.TryParse: true and false in any letter case; 1 and 0 are not booleans. */
function parseBoolean(value: string | null): boolean | null {
  const word = value?.trim().toLowerCase();
  return word === 'true' ? true : word === 'false' ? false : null;
}

/** .NET's int.TryParse: an optional sign and digits, in 32 bits. */
function parseInteger(value: string | null): number | null {
  if (value === null || !/^\s*[+-]?\d+\s*$/.test(value)) return null;
  const number = Number(value);
  return number >= -(2 ** 31) && number < 2 ** 31 ? number : null;
}

/** .NET's double.TryParse in the invariant culture: thousands separators are skipped. Only finite numbers can order. */
function parseDouble(value: string | null): number | null {
  if (value === null || !/^\s*[+-]?(?:\d[\d,]*\.?\d*|\.\d+)(?:e[+-]?\d+)?\s*$/i.test(value)) return null;
  const number = Number(value.replaceAll(',', ''));
  return Number.isFinite(number) ? number : null;
}

/** xs:dateTime, kept as written: nobody computes with it. */
function parseDate(value: string | null): string | null {
  const written = value?.trim() ?? '';
  return /^\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?)?(?:Z|[+-]\d\d:\d\d)?$/.test(written) ? written : null;
}

/** A GUID in the usual forms, as lower-case text with dashes. */
function parseGuid(value: string | null): string | null {
  const digits = /^\s*[{(]?([0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12})[)}]?\s*$/i.exec(value ?? '')?.[1];
  if (digits === undefined) return null;
  const hex = digits.replaceAll('-', '').toLowerCase();
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}
