import { z } from 'zod';
import { entityOperation } from './entity-protocol';
import { historyEvent, inboundEvent, scheduledEvent } from './protocol';

/**
 * What the journal holds. Whatever one step does to several instances stands in one record, because a record is the unit
 * that a killed process has written wholly or not at all.
 */

const parent = z.object({ instanceId: z.string(), executionId: z.string(), taskId: z.number() });

const created = z.object({
  type: z.literal('created'),
  instanceId: z.string(),
  executionId: z.string(),
  name: z.string(),
  /** JSON text. */
  input: z.string(),
  version: z.string().optional(),
  parent: parent.nullable(),
  atMs: z.number(),
});
export type CreatedRecord = z.infer<typeof created>;

const message = z.object({
  type: z.literal('message'),
  instanceId: z.string(),
  /** The execution that it answers; null for events from outside, which reach whichever execution is running. */
  executionId: z.string().nullable(),
  event: inboundEvent,
});
export type MessageRecord = z.infer<typeof message>;

const operation = z.object({ type: z.literal('operation'), entityId: z.string(), operation: entityOperation });
export type OperationRecord = z.infer<typeof operation>;

const failure = {
  reason: z.string(),
  details: z.string(),
  failureDetails: z.record(z.string(), z.unknown()).optional(),
};

const outcome = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('completed'), output: z.string() }),
  z.object({ kind: z.literal('failed'), ...failure }),
  z.object({ kind: z.literal('terminated'), reason: z.string() }),
  z.object({ kind: z.literal('continuedAsNew'), input: z.string(), executionId: z.string() }),
]);
export type Outcome = z.infer<typeof outcome>;

const episode = z.object({
  type: z.literal('episode'),
  instanceId: z.string(),
  atMs: z.number(),
  /** How many messages, from the front of the inbox, went into the history. */
  consumed: z.number(),
  /** Whether the orchestrator's code ran, or the engine alone. */
  replayed: z.boolean(),
  scheduled: z.array(scheduledEvent),
  cancelledTimers: z.array(z.number()),
  /** JSON text; undefined leaves it as it is. */
  customStatus: z.string().nullable().optional(),
  outcome: outcome.optional(),
  started: z.array(created),
  messages: z.array(message),
  operations: z.array(operation),
});
export type EpisodeRecord = z.infer<typeof episode>;

const suspension = z.object({
  type: z.literal('suspension'),
  instanceId: z.string(),
  isSuspended: z.boolean(),
  atMs: z.number(),
});

const entityBatch = z.object({
  type: z.literal('entityBatch'),
  entityId: z.string(),
  consumed: z.number(),
  exists: z.boolean(),
  /** JSON text; null when it has none. */
  state: z.string().nullable(),
  messages: z.array(message),
  operations: z.array(operation),
});

const purged = z.object({ type: z.literal('purged'), instanceIds: z.array(z.string()) });

const counters = z.object({
  generations: z.number(),
  replays: z.number(),
  historyEvents: z.number(),
  historyBytes: z.number(),
  maximumHistoryEvents: z.number(),
  maximumHistoryBytes: z.number(),
});

/** An orchestration instance: also the form in which compaction writes it. */
const instance = z.object({
  type: z.literal('instance'),
  instanceId: z.string(),
  executionId: z.string(),
  name: z.string(),
  input: z.string(),
  version: z.string().optional(),
  parent: parent.nullable(),
  createdAtMs: z.number(),
  updatedAtMs: z.number(),
  status: z.enum(['Pending', 'Running', 'Completed', 'Failed', 'Terminated']),
  isSuspended: z.boolean(),
  customStatus: z.string().nullable(),
  /** JSON text; null while it runs. */
  output: z.string().nullable(),
  /** Null once it was dropped: only finished instances lose theirs. */
  history: z.array(historyEvent).nullable(),
  inbox: z.array(inboundEvent),
  /** Scheduled and not completed, not even by a message that waits in the inbox. */
  open: z.array(scheduledEvent),
  counters,
});
export type InstanceRecord = z.infer<typeof instance>;

const entity = z.object({
  type: z.literal('entity'),
  entityId: z.string(),
  exists: z.boolean(),
  state: z.string().nullable(),
  inbox: z.array(entityOperation),
});
export type EntityRecord = z.infer<typeof entity>;

export const journalRecord = z.discriminatedUnion('type', [
  created,
  message,
  operation,
  episode,
  suspension,
  entityBatch,
  purged,
  instance,
  entity,
]);
export type JournalRecord = z.infer<typeof journalRecord>;

/** How large an instance's history is and was, over all generations of `continueAsNew`. Bytes are those of its JSON. */
export type InstanceCounters = Readonly<z.infer<typeof counters>>;
