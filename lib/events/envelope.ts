import { z } from 'zod';
import { type InputProblem } from '../platform/errors';
import { sha256 } from '../platform/hash';
import { checkInput } from '../platform/schema-problems';
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
  code: 'events.malformed' | 'events.topicNotAllowed' | 'events.typeNotAllowed' | 'events.idReused';
  reason: string;
}

export interface Trust {
  /** Topics whose events are taken in: a resource id in lower case, standing for itself and all that is below it. */
  topics: readonly string[];
  /** Object and client ids of this app's identities, in lower case. */
  ownIdentities: readonly string[];
}

/** Anything but a text is nobody: who did it is asked only to know our own, and no reason to refuse an event. */
const principal = z.string().toLowerCase().catch('');
const resourceDataSchema = z.object({
  operationName: z.string().min(1).max(300),
  resourceUri: z.string().min(1).max(2_048),
  correlationId: z.string().max(200).default(''),
  authorization: z
    .object({ evidence: z.object({ principalId: principal }) })
    .optional()
    .catch(undefined),
  claims: z
    .object({ appid: principal, 'http://schemas.microsoft.com/identity/claims/objectidentifier': principal })
    .optional()
    .catch(undefined),
});
const blobDataSchema = z.object({ sequencer: z.string().max(200).default('') });

const resourceType = /^Microsoft\.Resources\.Resource(?:Write|Delete|Action)(?:Success|Failure|Cancel)$/i;
const blobType = /^Microsoft\.Storage\.BlobCreated$/i;
const blobSubject = /^\/?blobServices\/default\/containers\/([^/]+)\/blobs\/(.+)$/i;

/** Whether events of this topic are taken in. */
export function isTrustedTopic(topic: string, topics: readonly string[]): boolean {
  const id = topic.toLowerCase();
  return topics.some((allowed) => id === allowed || id.startsWith(`${allowed}/`));
}

/** @param receivedAt stands for the time of an event that does not say when it was */
export function readEvent(
  raw: unknown,
  trust: Trust,
  receivedAt: string,
): { event: IncomingEvent } | { rejection: Rejection } {
  const envelope = readEnvelope(raw, receivedAt);
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

function readEnvelope(raw: unknown, receivedAt: string) {
  const isCloudEvent = typeof raw === 'object' && raw !== null && 'specversion' in raw;
  if (isCloudEvent) {
    const result = checked(cloudEventSchema, raw);
    if (!result.success) return malformed('is no CloudEvent 1.0 with a subject', result.problems);
    const { id, time, ...rest } = result.data;
    return { ...rest, eventId: id, time: time ?? receivedAt };
  }
  const result = checked(eventGridEventSchema, raw);
  if (!result.success) return malformed('is no Event Grid event', result.problems);
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
    const result = checked(resourceDataSchema, data, 'data');
    if (!result.success) return malformed('has no usable data', result.problems);
    const { operationName, resourceUri, correlationId, authorization, claims } = result.data;
    const principals = [authorization?.evidence.principalId, ...Object.values(claims ?? {})];
    const own = principals.some((id) => id !== undefined && id !== '' && ownIdentities.includes(id));
    return { essence: { kind: 'resource', operation: operationName, resourceId: resourceUri, correlationId, own } };
  }
  if (blobType.test(type)) {
    const result = checked(blobDataSchema, data, 'data');
    const [, container = '', blob = ''] = blobSubject.exec(subject) ?? [];
    if (!result.success) return malformed('has no usable data', result.problems);
    if (blob === '') return rejected('events.malformed', `the subject ${subject} names no blob`);
    const { sequencer } = result.data;
    return { essence: { kind: 'blob', container: container.toLowerCase(), blob, sequencer } };
  }
  return null;
}

/** Whether two events of one id tell the same. Case aside, and whatever else senders add. */
export function tellsTheSame(
  one: Pick<IncomingEvent, 'type' | 'subject' | 'essence'>,
  other: Pick<IncomingEvent, 'type' | 'subject' | 'essence'>,
): boolean {
  const told = ({ type, subject, essence }: typeof one): string => {
    const about =
      essence.kind === 'blob' ? [essence.sequencer] : [essence.operation, essence.resourceId, essence.correlationId];
    return JSON.stringify([type, subject, ...about]).toLowerCase();
  };
  return told(one) === told(other);
}

function checked<T>(schema: z.ZodType<T>, value: unknown, place = '') {
  return checkInput(schema, value, 'events.malformed', place);
}

function malformed(what: string, problems: readonly InputProblem[]) {
  const places = problems.map(({ entry, message }) => `${entry ?? ''} ${message}`.trim()).join('; ');
  return rejected('events.malformed', `the event ${what}: ${places}`);
}

function rejected(code: Rejection['code'], reason: string): { rejection: Rejection } {
  return { rejection: { code, reason } };
}

/** Enough for what Azure tells of itself; the largest possible event would fill a document. */
const longestKept = 64_000;
const deepestKept = 32;
/** Who did it, from where, with which rights: for the audit of Azure, not for ours. */
const personal = new Set(['claims', 'authorization', 'httprequest']);

/** The event as it is kept for people who look for the mistake, and whether that is all of it, names of people aside. */
export function keptText(raw: unknown): { text: string; complete: boolean } {
  let complete = true;
  // Nesting without end would end the process's stack in the middle of a delivery, not only the event.
  const kept = (value: unknown, depth: number): unknown => {
    if (typeof value !== 'object' || value === null) return value;
    if (depth >= deepestKept) {
      complete = false;
      return '…';
    }
    if (Array.isArray(value)) return value.map((item) => kept(item, depth + 1));
    const fields = Object.entries(value).filter(([name]) => !personal.has(name.toLowerCase()));
    return Object.fromEntries(fields.map(([name, field]) => [name, kept(field, depth + 1)]));
  };
  const text = JSON.stringify(kept(raw, 0)) ?? '';
  if (text.length <= longestKept) return { text, complete };
  return { text: `${text.slice(0, longestKept)}…`, complete: false };
}
