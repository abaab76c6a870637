import { XMLParser, XMLValidator } from 'fast-xml-parser';
import { messageOf } from '../platform/errors';
import { type ProblemList } from '../platform/problems';
import { type PackageLimits } from './limits';
import { replaceNewlines } from './newlines';

export interface XmlElement {
  /** As written; the documents read here use one default namespace and no prefixes. */
  name: string;
  attributes: ReadonlyMap<string, string>;
  children: readonly XmlElement[];
  /** 1-based line of the start tag. */
  line: number;
}

/**
 * Reads an XML document into elements and attributes, or reports why not. There are no entities but the five predefined
 * ones and character references: a DOCTYPE is refused, and nothing outside the text is ever looked at.
 *
 * @param entry name of the document in problems
 */
export function parseXml(
  written: string,
  entry: string,
  limits: PackageLimits,
  problems: ProblemList,
): XmlElement | null {
  const text = replaceNewlines(written, /\r\n?/, '\n'); // as XML 1.0 asks; the parser does it too, and its offsets are of this text
  const refuse = (code: string, message: string, line: number | null): null => {
    problems.add(code, message, entry, line);
    return null;
  };
  const trick = findTrick(text, limits);
  if (trick !== null) return refuse(trick.code, trick.message, lineAt(text, trick.offset));
  const verdict = XMLValidator.validate(text);
  if (verdict !== true) return refuse('package.xml.malformed', verdict.err.msg.slice(0, 200), verdict.err.line);

  let document: unknown;
  try {
    document = parser.parse(text);
  } catch (error) {
    return refuse('package.xml.malformed', messageOf(error).slice(0, 200), null);
  }
  const lines = lineIndex(text);
  const roots = readElements(document, lines, (line) =>
    problems.add('package.xml.entity', 'An attribute refers to an entity that is not defined.', entry, line),
  );
  const [root] = roots;
  if (root === undefined || roots.length > 1) return refuse('package.xml.malformed', 'There is no single root.', null);
  return root;
}

const parser = new XMLParser({
  preserveOrder: true,
  captureMetaData: true,
  ignoreAttributes: false,
  attributeNamePrefix: '',
  ignoreDeclaration: true,
  ignorePiTags: true,
  processEntities: false,
  parseTagValue: false,
  parseAttributeValue: false,
  trimValues: false,
});

interface Trick {
  code: string;
  message: string;
  offset: number;
}

/** One pass over the markup, before anything is built from it: refuses what would be dear or dangerous to parse. */
function findTrick(text: string, limits: PackageLimits): Trick | null {
  // XML 1.0 allows no other control characters; they are how wrongly decoded text shows.
  const control = text.search(/[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]/);
  if (control !== -1) {
    return { code: 'package.xml.malformed', message: 'A control character is not allowed in XML.', offset: control };
  }
  let depth = 0;
  let elements = 0;
  let offset = text.indexOf('<');
  while (offset !== -1) {
    const trick = (code: string, message: string): Trick => ({ code, message, offset });
    const closing = closingOf(text, offset);
    if (closing === 'declaration') {
      return trick('package.xml.doctype', 'A DOCTYPE or other declaration is not allowed.');
    }
    const end = closing === 'tag' ? endOfTag(text, offset, limits.xmlTagCharacters) : text.indexOf(closing, offset);
    if (end === -1) return trick('package.xml.malformed', 'The markup that begins here never ends, or is too long.');
    if (closing === 'tag') {
      if (text[offset + 1] === '/') depth -= 1;
      else {
        elements += 1;
        if (text[end - 1] !== '/') depth += 1;
      }
    }
    if (depth > limits.xmlDepth) return trick('package.xml.tooDeep', `Deeper than ${limits.xmlDepth} elements.`);
    if (elements > limits.xmlElements)
      return trick('package.xml.tooLarge', `More than ${limits.xmlElements} elements.`);
    offset = text.indexOf('<', end);
  }
  return null;
}

function closingOf(text: string, offset: number): '-->' | ']]>' | '?>' | 'declaration' | 'tag' {
  if (text.startsWith('<!--', offset)) return '-->';
  if (text.startsWith('<![CDATA[', offset)) return ']]>';
  if (text.startsWith('<!', offset)) return 'declaration';
  return text.startsWith('<?', offset) ? '?>' : 'tag';
}

function endOfTag(text: string, offset: number, limit: number): number {
  let quote = '';
  const last = Math.min(text.length, offset + limit);
  for (let position = offset + 1; position < last; position += 1) {
    const character = text.charAt(position);
    if (quote !== '') {
      if (character === quote) quote = '';
    } else if (character === '>') return position;
    else if (character === '"' || character === "'") quote = character;
  }
  return -1;
}

const metadata: unknown = XMLParser.getMetaDataSymbol();

/** The parser's ordered form: one object per node, with the tag's name as key and its children as value. */
function readElements(nodes: unknown, lines: readonly number[], onEntity: (line: number) => void): XmlElement[] {
  if (!Array.isArray(nodes)) return [];
  return nodes.flatMap((node: unknown): XmlElement[] => {
    if (!isRecord(node)) return [];
    const name = Object.keys(node).find((key) => key !== ':@' && key !== '#text');
    if (name === undefined) return [];
    const line = lineOf(lines, startIndexOf(node));
    const written = node[':@'];
    const attributes = new Map<string, string>();
    for (const [key, value] of Object.entries(isRecord(written) ? written : {})) {
      const decoded = typeof value === 'string' ? decodeAttribute(value) : null;
      if (decoded === null) onEntity(line);
      else attributes.set(key, decoded);
    }
    return [{ name, attributes, children: readElements(node[name], lines, onEntity), line }];
  });
}

function startIndexOf(node: Record<PropertyKey, unknown>): number {
  const data = typeof metadata === 'symbol' ? node[metadata] : undefined;
  return isRecord(data) && typeof data['startIndex'] === 'number' ? data['startIndex'] : 0;
}

const predefined = new Map([
  ['lt', '<'],
  ['gt', '>'],
  ['amp', '&'],
  ['quot', '"'],
  ['apos', "'"],
]);

/** Attribute-value normalization and the references of XML 1.0; null for a reference to anything else. */
function decodeAttribute(value: string): string | null {
  let isValid = true;
  const decoded = value.replace(/[\t\r\n]/g, ' ').replace(/&([^;&]{0,10});?/g, (reference: string, name: string) => {
    const character = reference.endsWith(';') ? (predefined.get(name) ?? characterOf(name)) : undefined;
    if (character === undefined) isValid = false;
    return character ?? '';
  });
  return isValid ? decoded : null;
}

function characterOf(name: string): string | undefined {
  const code = /^#x[0-9a-f]+$/i.test(name)
    ? Number.parseInt(name.slice(2), 16)
    : /^#\d+$/.test(name)
      ? Number(name.slice(1))
      : Number.NaN;
  const isAllowed =
    code === 9 ||
    code === 10 ||
    code === 13 ||
    (code >= 0x20 && code <= 0xd7ff) ||
    (code >= 0xe000 && code <= 0xfffd) ||
    (code >= 0x10000 && code <= 0x10ffff);
  return isAllowed ? String.fromCodePoint(code) : undefined;
}

function isRecord(value: unknown): value is Record<PropertyKey, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Offsets at which lines begin. */
function lineIndex(text: string): number[] {
  const starts = [0];
  for (const { index } of text.matchAll(/\n/g)) starts.push(index + 1);
  return starts;
}

function lineOf(starts: readonly number[], offset: number): number {
  let low = 0;
  let high = starts.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((starts[middle] ?? 0) <= offset) low = middle + 1;
    else high = middle;
  }
  return low;
}

function lineAt(text: string, offset: number): number {
  return lineOf(lineIndex(text), offset);
}
