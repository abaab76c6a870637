import { z } from 'zod';
import { type Properties } from './message';
import { queueSchema, subscriptionSchema, topicSchema } from './topology';

/** JSON has no dates; a property that is one travels as its milliseconds, marked. */
const storedValue = z.union([z.string(), z.number(), z.boolean(), z.null(), z.strictObject({ dateMs: z.number() })]);
const storedProperties = z.record(z.string(), storedValue).nullable();
type StoredProperties = z.infer<typeof storedProperties>;

const change = {
  deliveryCount: z.number(),
  deferred: z.boolean(),
  properties: storedProperties,
};

const content = {
  messageId: z.string(),
  sessionId: z.string().nullable(),
  timeToLiveMs: z.number().nullable(),
  payload: z.base64(),
};

/** What the journal of queues and topics holds: one record per change, each complete in itself. */
export const recordSchema = z.discriminatedUnion('is', [
  z.object({ is: z.literal('queue'), settings: queueSchema }),
  z.object({ is: z.literal('topic'), settings: topicSchema }),
  z.object({ is: z.literal('subscription'), topic: z.string(), settings: subscriptionSchema }),
  z.object({ is: z.literal('deleted'), path: z.string() }),
  /** One message, and the mailboxes that hold a copy: path, sequence number, and properties that a rule changed. */
  z.object({
    is: z.literal('message'),
    sentTo: z.string(),
    atMs: z.number(),
    ...content,
    enqueuedSequenceNumber: z.number().nullable(),
    copies: z.array(z.tuple([z.string(), z.number(), storedProperties])),
  }),
  z.object({ is: z.literal('removed'), from: z.string(), sequenceNumber: z.number() }),
  z.object({ is: z.literal('changed'), in: z.string(), sequenceNumber: z.number(), ...change }),
  z.object({
    is: z.literal('deadLettered'),
    in: z.string(),
    sequenceNumber: z.number(),
    as: z.number(),
    ...change,
  }),
  z.object({
    is: z.literal('scheduled'),
    at: z.string(),
    sequenceNumber: z.number(),
    dueMs: z.number(),
    enqueuedAtMs: z.number(),
    ...content,
  }),
  z.object({ is: z.literal('unscheduled'), at: z.string(), sequenceNumber: z.number() }),
  z.object({
    is: z.literal('sessionState'),
    in: z.string(),
    sessionId: z.string(),
    state: z.base64().nullable(),
  }),
  /** Written by compaction only: what the records that it dropped would have said. */
  z.object({ is: z.literal('lastSequenceNumber'), in: z.string(), value: z.number() }),
  z.object({ is: z.literal('seen'), at: z.string(), ids: z.array(z.tuple([z.string(), z.number()])) }),
]);

export type JournalRecord = z.infer<typeof recordSchema>;

export function storeProperties(properties: Properties | null): StoredProperties {
  if (properties === null) return null;
  return Object.fromEntries(
    Object.entries(properties).map(([name, value]) => [
      name,
      value instanceof Date ? { dateMs: value.getTime() } : value,
    ]),
  );
}

export function loadProperties(stored: StoredProperties): Properties | null {
  if (stored === null) return null;
  return Object.fromEntries(
    Object.entries(stored).map(([name, value]) => [
      name,
      typeof value === 'object' && value !== null ? new Date(value.dateMs) : value,
    ]),
  );
}
