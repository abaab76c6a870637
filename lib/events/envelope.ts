import { z } from 'zod';
import { sha256 } from '../platform/hash';
import { cloudEventSchema, type Essence, eventGridEventSchema } from './schema';

/** Reads events as they are delivered, in either schema. Pure. */

export interface IncomingEvent {
  key: string;
  eventId: string;
  source: string;
  subject: string;
  type: string;
  time: string;
  essence: Essence;
}

/** Why an event cannot be used, for good: the same event will never be usable. */
export interface Rejection {
  code: 'events.malformed' | 'events.topicNotAllowed' | 'events.typeNotAllowed';
  reason: string;
}

export interface Trust {
  /** Topics whose events are taken in: a resource id in lower case, standing for itself and all that is below it. */
  topics: readonly string[];
  /** Object and client ids of this app's identities, in lower case. */
  ownIdentities: readonly string[];
}

const principal = z.unknown().transform((value) => (typeof value === 'string' ? value.toLowerCase() : ''));
const resourceDataSchema = z.object({
  operationName: z.string().min(1).max(300),
  resourceUri: z.string().min(1).max(2_048),
  correlationId: z.string().max(200).default(''),
  authorization: z.object({ evidence: z.object({ principalId: principal }).optional() }).optional(),
  claims: z
    .object({
      appid: principal,
      'http://schemas.microsoft.com/identity/claims/objectidentifier': principal,
    })
    .optional(),
});
const blobDataSchema = z.object({ sequencer: z.string().max(200).default('') });

const resourceType = /^Microsoft\.Resources\.Resource(?:Write|Delete|Action)(?:Success|Failure|Cancel)$/i;
const blobType = /^Microsoft\.Storage\.BlobCreated$/i;
const blobSubject = /^\/blobServices\/default\/containers\/([^/]+)\/blobs\/(.+)$/i;

/** Whether events of this topic are taken in. */
export function isTrustedTopic(topic: string, topics: readonly string[]): boolean {
  const id = topic.toLowerCase();
  return topics.some((allowed) => id === allowed || id.startsWith(`${allowed}/`));
}

export function readEvent(raw: unknown, trust: Trust): { event: IncomingEvent } | { rejection: Rejection } {
  const envelope = readEnvelope(raw);
  if ('rejection' in envelope) return envelope;
  const { eventId, source, subject, type, time, data } = envelope;
  if (!isTrustedTopic(source, trust.topics)) {
    return rejected('events.topicNotAllowed', `events of ${source} are not taken in here`);
  }
  const essence = readEssence(type, subject, data, trust);
  if (essence === null) return rejected('events.typeNotAllowed', `events of the type ${type} start nothing here`);
  if ('rejection' in essence) return essence;
  const key = sha256(`${source.toLowerCase()}\n${eventId}`);
  return { event: { key, eventId, source, subject, type, time, essence: essence.essence } };
}

function readEnvelope(raw: unknown) {
  const isCloudEvent = typeof raw === 'object' && raw !== null && 'specversion' in raw;
  if (isCloudEvent) {
    const result = cloudEventSchema.safeParse(raw);
    if (!result.success) return malformed('is no CloudEvent 1.0 with a subject', result.error);
    const { id, ...rest } = result.data;
    return { ...rest, eventId: id };
  }
  const result = eventGridEventSchema.safeParse(raw);
  if (!result.success) return malformed('is no Event Grid event', result.error);
  const { id, topic, eventType, eventTime, subject, data } = result.data;
  return { eventId: id, source: topic, type: eventType, time: eventTime, subject, data };
}

/** null: a type that nothing here is made for. */
function readEssence(
  type: string,
  subject: string,
  data: unknown,
  { ownIdentities }: Trust,
): { essence: Essence } | { rejection: Rejection } | null {
  if (resourceType.test(type)) {
    const result = resourceDataSchema.safeParse(data);
    if (!result.success) return malformed('has no usable data', result.error);
    const { operationName, resourceUri, correlationId, authorization, claims } = result.data;
    const principals = [authorization?.evidence?.principalId, ...Object.values(claims ?? {})];
    const own = principals.some((id) => id !== undefined && id !== '' && ownIdentities.includes(id));
    return { essence: { kind: 'resource', operation: operationName, resourceId: resourceUri, correlationId, own } };
  }
  if (blobType.test(type)) {
    const result = blobDataSchema.safeParse(data);
    const [, container = '', blob = ''] = blobSubject.exec(subject) ?? [];
    if (!result.success) return malformed('has no usable data', result.error);
    if (blob === '') return rejected('events.malformed', `the subject ${subject} names no blob`);
    const { sequencer } = result.data;
    return { essence: { kind: 'blob', container: container.toLowerCase(), blob, sequencer } };
  }
  return null;
}

function malformed(what: string, error: z.ZodError) {
  const places = error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; ');
  return rejected('events.malformed', `the event ${what} (${places})`);
}

function rejected(code: Rejection['code'], reason: string): { rejection: Rejection } {
  return { rejection: { code, reason } };
}

const longestKept = 8_000;
/** Who did it, from where, with which rights: for the audit of Azure, not for ours. */
const personal = new Set(['claims', 'authorization', 'httprequest']);

/** The event as it is kept for people who look for the mistake. */
export function keptText(raw: unknown): string {
  const text =
    JSON.stringify(raw, (name, value: unknown) => (personal.has(name.toLowerCase()) ? undefined : value)) ?? '';
  return text.length <= longestKept ? text : `${text.slice(0, longestKept)}…`;
}
