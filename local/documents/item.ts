import { type JsonObject } from './json';

/**
 * One document as it is kept: the text of what the client stored, without the properties that the service adds. Text,
 * because most documents are written once and read back whole; whoever needs the content parses it.
 */
export interface Item {
  readonly id: string;
  /** Text of the partition key, see `partitionOf`. */
  readonly partition: string;
  readonly body: string;
  /** Order of creation in the container; makes the resource id. */
  readonly sequence: number;
  /** Number of the write that made this version; makes the ETag and the place in the change feed. */
  readonly lsn: number;
  /** Unix seconds of the last write. */
  readonly timestamp: number;
  /** Unix seconds at which the item is gone, null without a time to live. */
  readonly expiresAt: number | null;
}

const systemProperties = new Set(['_rid', '_self', '_etag', '_attachments', '_ts', '_lsn']);

/** The text of a document without the properties that only the service may set. */
export function bodyOf(document: JsonObject): string {
  return JSON.stringify(Object.fromEntries(Object.entries(document).filter(([name]) => !systemProperties.has(name))));
}

/** Numbers of a container and of its database, from which resource ids are made. */
export interface ResourceNumbers {
  database: number;
  container: number;
}

export function etagOf(numbers: ResourceNumbers, item: Item): string {
  const hex = (value: number, digits: number): string => value.toString(16).padStart(digits, '0');
  return `"${hex(numbers.container, 8)}-0000-0000-0000-${hex(item.lsn, 12)}"`;
}

/** The document with its system properties, as JSON text. `withLsn` adds the property that only the change feed shows. */
export function render(numbers: ResourceNumbers, item: Item, withLsn = false): string {
  const rid = itemRid(numbers, item.sequence);
  const self = `dbs/${databaseRid(numbers.database)}/colls/${containerRid(numbers)}/docs/${rid}/`;
  const etag = JSON.stringify(etagOf(numbers, item));
  const lsn = withLsn ? `,"_lsn":${item.lsn}` : '';
  const system = `"_rid":"${rid}","_self":"${self}","_etag":${etag},"_attachments":"attachments/","_ts":${item.timestamp}`;
  return `${item.body.slice(0, -1)},${system}${lsn}}`;
}

/** Resource ids are base64 of 4 bytes per level (8 for documents), with `-` for `/`; the SDK checks their length. */
export function databaseRid(database: number): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(database);
  return encode(bytes);
}

export function containerRid(numbers: ResourceNumbers): string {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt32BE(numbers.database);
  bytes.writeUInt32BE(numbers.container, 4);
  return encode(bytes);
}

function itemRid(numbers: ResourceNumbers, sequence: number): string {
  const bytes = Buffer.alloc(16);
  bytes.writeUInt32BE(numbers.database);
  bytes.writeUInt32BE(numbers.container, 4);
  bytes.writeBigUInt64BE(BigInt(sequence), 8);
  return encode(bytes);
}

function encode(bytes: Buffer): string {
  return bytes.toString('base64').replaceAll('/', '-');
}
