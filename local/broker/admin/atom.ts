import { XMLParser } from 'fast-xml-parser';
import { z } from 'zod';
import { BrokerError, conditions } from '../core/errors';

/** XML as nested values: text, children by name (lists repeat the element), and attributes under names with `@`. */
export type XmlValue = string | number | boolean | { [name: string]: XmlValue } | XmlValue[] | null;

const parser = new XMLParser({
  ignoreAttributes: false,
  attributeNamePrefix: '@',
  removeNSPrefix: true,
  parseTagValue: false,
  parseAttributeValue: false,
  processEntities: { maxTotalExpansions: 1_000 },
});

const entrySchema = z.object({
  entry: z.object({ content: z.record(z.string(), z.unknown()) }),
});

/** The element within an entry's content, whose name says what is described. @throws BrokerError */
export function parseEntry(xml: string): { element: string; fields: Record<string, unknown> } {
  const parsed = entrySchema.safeParse(parser.parse(xml));
  const [element, fields] =
    Object.entries(parsed.data?.entry.content ?? {}).find(([name]) => !name.startsWith('@')) ?? [];
  if (element === undefined) {
    throw new BrokerError(conditions.argument, 'The request is not an ATOM entry that describes an entity.');
  }
  return { element, fields: typeof fields === 'object' && fields !== null ? { ...fields } : {} };
}

export function writeXml(name: string, value: XmlValue): string {
  if (value === null) return '';
  if (Array.isArray(value)) return value.map((item) => writeXml(name, item)).join('');
  if (typeof value !== 'object') return `<${name}>${escapeXml(String(value))}</${name}>`;
  const scalar = (item: XmlValue): string => (typeof item === 'object' ? '' : escapeXml(String(item)));
  const attributes = Object.entries(value).filter(([key]) => key.startsWith('@'));
  const children = Object.entries(value).filter(([key]) => !key.startsWith('@'));
  const opening = attributes.map(([key, text]) => ` ${key.slice(1)}="${scalar(text)}"`).join('');
  const content = children.map(([key, child]) => (key === '#' ? scalar(child) : writeXml(key, child))).join('');
  return `<${name}${opening}>${content}</${name}>`;
}

/** One entity as the service answers it: the client takes the entity's name from the end of `url`. */
export function entry(url: string, description: Record<string, XmlValue>): XmlValue {
  return {
    '@xmlns': 'http://www.w3.org/2005/Atom',
    id: url,
    title: { '@type': 'text', '#': url.slice(url.lastIndexOf('/') + 1) },
    link: { '@rel': 'self', '@href': url },
    content: { '@type': 'application/xml', ...description },
  };
}

/** A page of entities. Clients look for the next page only in a list of links, hence always two. */
export function feed(url: string, entries: XmlValue[], nextUrl: string | null): XmlValue {
  return {
    '@xmlns': 'http://www.w3.org/2005/Atom',
    id: url,
    title: { '@type': 'text', '#': 'Publicly Listed Services' },
    link: [
      { '@rel': 'self', '@href': url },
      { '@rel': nextUrl === null ? 'last' : 'next', '@href': nextUrl ?? url },
    ],
    entry: entries,
  };
}

/** By name: the clients' parser leaves numeric references as they are. */
const references: Record<string, string> = { '<': '&lt;', '>': '&gt;', '&': '&amp;', '"': '&quot;' };

function escapeXml(text: string): string {
  return text.replace(/[<>&"]/g, (character) => references[character] ?? character);
}
