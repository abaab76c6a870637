import { type FilterableProperties, type Properties, type PropertyValue } from '../core/message';
import { rheaMessage, types } from './rhea-internals';

/** Descriptor codes of the sections of an AMQP message (AMQP 1.0 part 3, section 2). */
const section = {
  header: 0x70,
  deliveryAnnotations: 0x71,
  messageAnnotations: 0x72,
  properties: 0x73,
  applicationProperties: 0x74,
  data: 0x75,
  sequence: 0x76,
  value: 0x77,
  footer: 0x78,
} as const;

interface Section {
  code: number;
  /** Descriptor included. */
  bytes: Buffer;
  /** Offset in `bytes` of the value's type code. */
  valueAt: number;
}

/**
 * Cuts an encoded message into its sections without decoding them: the first half of an AMQP type code says how long a
 * value is (AMQP 1.0 part 1, section 1.2).
 * @throws RangeError when the bytes end too early, Error when they are no message.
 */
export function splitSections(encoded: Buffer): Section[] {
  const sections: Section[] = [];
  for (let start = 0; start < encoded.length;) {
    if (encoded.readUInt8(start) !== 0) throw new Error('an AMQP message section does not begin with a descriptor');
    const [code, valueAt] = readDescriptor(encoded, start + 1);
    const end = endOfValue(encoded, valueAt);
    if (end > encoded.length) throw new RangeError('an AMQP message ends within a section');
    sections.push({ code, bytes: encoded.subarray(start, end), valueAt: valueAt - start });
    start = end;
  }
  return sections;
}

function readDescriptor(encoded: Buffer, at: number): [code: number, next: number] {
  switch (encoded.readUInt8(at)) {
    case 0x53:
      return [encoded.readUInt8(at + 1), at + 2];
    case 0x80:
      return [Number(encoded.readBigUInt64BE(at + 1)), at + 9];
    default:
      throw new Error('an AMQP message section has a descriptor of an unknown type');
  }
}

function endOfValue(encoded: Buffer, at: number): number {
  const typeCode = encoded.readUInt8(at);
  if (typeCode === 0) return endOfValue(encoded, endOfValue(encoded, at + 1)); // a described value within a body
  switch (typeCode >> 4) {
    case 0x4:
      return at + 1;
    case 0x5:
      return at + 2;
    case 0x6:
      return at + 3;
    case 0x7:
      return at + 5;
    case 0x8:
      return at + 9;
    case 0x9:
      return at + 17;
    case 0xa:
    case 0xc:
    case 0xe:
      return at + 2 + encoded.readUInt8(at + 1);
    case 0xb:
    case 0xd:
    case 0xf:
      return at + 5 + encoded.readUInt32BE(at + 1);
    default:
      throw new Error(`an AMQP value has the unknown type code 0x${typeCode.toString(16)}`);
  }
}

/** The messages in a batch envelope: each is one data section. */
export function splitBatch(envelope: Buffer): Buffer[] {
  return splitSections(envelope)
    .filter(({ code }) => code === section.data)
    .map(({ bytes, valueAt }) => bytes.subarray(valueAt + (bytes.readUInt8(valueAt) === 0xa0 ? 2 : 5)));
}

/** The properties of a message that the broker itself looks at. */
export interface MessageFacts {
  messageId: string | null;
  sessionId: string | null;
  timeToLiveMs: number | null;
  partitionKey: string | null;
  scheduledForMs: number | null;
}

/** Reads what the broker needs of a message, and leaves the body alone. */
export function readFacts(encoded: Buffer): MessageFacts {
  const wanted: number[] = [section.header, section.messageAnnotations, section.properties];
  const decoded = decode(encoded, wanted);
  const annotations = recordOf(decoded.message_annotations);
  const scheduled = annotations['x-opt-scheduled-enqueue-time'];
  const { ttl } = decoded;
  return {
    messageId: idText(decoded.message_id),
    sessionId: textOf(decoded.group_id),
    timeToLiveMs: typeof ttl === 'number' ? ttl : null,
    partitionKey: textOf(annotations['x-opt-partition-key']),
    scheduledForMs: scheduled instanceof Date ? scheduled.getTime() : typeof scheduled === 'number' ? scheduled : null,
  };
}

/** What rules look at. Values that are no scalars cannot be compared, and are left out. */
export function readFilterable(encoded: Buffer): FilterableProperties {
  const decoded = decode(encoded, [section.properties, section.applicationProperties]);
  const system = {
    messageId: idText(decoded.message_id),
    correlationId: idText(decoded.correlation_id),
    to: textOf(decoded.to),
    replyTo: textOf(decoded.reply_to),
    subject: textOf(decoded.subject),
    sessionId: textOf(decoded.group_id),
    replyToSessionId: textOf(decoded.reply_to_group_id),
    contentType: textOf(decoded.content_type),
  };
  return { system, application: scalarsOf(decoded.application_properties) };
}

export function scalarsOf(map: unknown): Properties {
  const scalars: Properties = {};
  for (const [name, value] of Object.entries(recordOf(map))) if (isPropertyValue(value)) scalars[name] = value;
  return scalars;
}

/** Decodes the sections with these codes only. */
function decode(encoded: Buffer, codes: readonly number[]): Record<string, unknown> {
  const wanted = splitSections(encoded).filter(({ code }) => codes.includes(code));
  return recordOf(rheaMessage.decode(Buffer.concat(wanted.map(({ bytes }) => bytes))));
}

/** A decoded message as plain values: `body`, `application_properties` and so on. For requests, which are small. */
export function decodeRequest(encoded: Buffer): Record<string, unknown> {
  return recordOf(rheaMessage.decode(encoded));
}

/** Gives a message the id that the service assigns when the sender did not: clients rely on there being one. */
export function withMessageId(encoded: Buffer, messageId: string): Buffer {
  const sections = splitSections(encoded);
  const properties = { ...decode(encoded, [section.properties]), message_id: messageId };
  const added = encodeSections({ ...properties }, [section.properties]);
  const before = sections.filter(({ code }) => code < section.properties).map(({ bytes }) => bytes);
  const after = sections.filter(({ code }) => code > section.properties).map(({ bytes }) => bytes);
  return Buffer.concat([...before, added, ...after]);
}

/** What the broker adds to a message on its way out. */
export interface DeliveryFacts {
  deliveryCount?: number;
  timeToLiveMs?: number | null;
  deliveryAnnotations?: Record<string, unknown>;
  /** By full name (`x-opt-...`). Annotations of the sender stay, except where these have the same name. */
  annotations: Record<string, unknown>;
  changedProperties?: Properties | null;
}

const largestUint = 0xffffffff;

/** The message as a receiver gets it: our header and annotations, everything else byte for byte as it was sent. */
export function encodeDelivery(encoded: Buffer, facts: DeliveryFacts): Buffer {
  const sections = splitSections(encoded);
  const sent = (...codes: number[]): Buffer[] =>
    sections.filter(({ code }) => codes.includes(code)).map(({ bytes }) => bytes);
  const sentAnnotations = sent(section.messageAnnotations);
  const annotations =
    sentAnnotations.length === 0
      ? facts.annotations
      : {
          ...recordOf(recordOf(rheaMessage.decode(Buffer.concat(sentAnnotations))).message_annotations),
          ...facts.annotations,
        };
  const { timeToLiveMs = null, deliveryAnnotations, changedProperties = null } = facts;
  const front = encodeSections(
    {
      delivery_count: facts.deliveryCount ?? 0,
      // The field is 32 bits wide; a longer time to live is left out, as an encoding error would end the connection.
      ...(timeToLiveMs !== null && timeToLiveMs <= largestUint ? { ttl: timeToLiveMs } : {}),
      ...(deliveryAnnotations === undefined ? {} : { delivery_annotations: deliveryAnnotations }),
      message_annotations: annotations,
    },
    [section.header, section.deliveryAnnotations, section.messageAnnotations],
  );
  const applicationProperties =
    changedProperties === null
      ? sent(section.applicationProperties)
      : [
          encodeSections(
            {
              application_properties: {
                ...recordOf(decode(encoded, [section.applicationProperties]).application_properties),
                ...changedProperties,
              },
            },
            [section.applicationProperties],
          ),
        ];
  return Buffer.concat([
    front,
    ...sent(section.properties),
    ...applicationProperties,
    ...sent(section.data, section.sequence, section.value, section.footer),
  ]);
}

/** Encodes only the sections with these codes; rhea would add empty ones. */
function encodeSections(fields: Record<string, unknown>, codes: readonly number[]): Buffer {
  const encoded = rheaMessage.encode({ ...fields, body: null });
  return Buffer.concat(
    splitSections(encoded)
      .filter(({ code }) => codes.includes(code))
      .map(({ bytes }) => bytes),
  );
}

export function long(value: number): unknown {
  return types.wrap_long(value);
}

/** The time as the service writes it in link properties: .NET ticks in 8 bytes. */
export function dotNetTicks(timeMs: number): unknown {
  const ticks = Buffer.alloc(8);
  ticks.writeBigInt64BE(BigInt(timeMs) * 10_000n + 621_355_968_000_000_000n);
  return types.wrap_long(ticks);
}

/** A lock token as a delivery tag: a GUID in the byte order of .NET, whose first three groups are little-endian. */
export function deliveryTag(lockToken: string): Buffer {
  return swapGuid(uuidBytes(lockToken));
}

export function uuidBytes(uuid: string): Buffer {
  return Buffer.from(uuid.replaceAll('-', ''), 'hex');
}

export function uuidText(bytes: Buffer): string {
  const hex = bytes.toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}

function swapGuid(bytes: Buffer): Buffer {
  const swapped = Buffer.from(bytes);
  swapped.subarray(0, 4).reverse();
  swapped.subarray(4, 6).reverse();
  swapped.subarray(6, 8).reverse();
  return swapped;
}

export function recordOf(value: unknown): Record<string, unknown> {
  return isRecord(value) ? value : {};
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !Buffer.isBuffer(value);
}

function isPropertyValue(value: unknown): value is PropertyValue {
  return value === null || ['string', 'number', 'boolean'].includes(typeof value) || value instanceof Date;
}

function textOf(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}

/** A message id in one form, whichever of the four types it has. */
function idText(value: unknown): string | null {
  if (Buffer.isBuffer(value)) return value.toString('hex');
  return typeof value === 'string' || typeof value === 'number' ? String(value) : null;
}
