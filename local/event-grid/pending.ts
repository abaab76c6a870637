import { z } from 'zod';
import { noJournal, openJournal } from '../storage/journal';
import { topicEventSchema, type TopicEvent } from './filters';

const pendingSchema = z.object({
  kind: z.literal('pending'),
  id: z.string(),
  subscription: z.string(),
  event: topicEventSchema,
});
/** An event that a subscription is to get. */
export type Pending = Omit<z.infer<typeof pendingSchema>, 'kind'>;

/** What Event Grid writes beside an event that it gave up. */
const deadLetterSchema = z.object({
  kind: z.literal('dead'),
  id: z.string(),
  subscription: z.string(),
  event: topicEventSchema,
  deadLetterReason: z.enum(['MaxDeliveryAttemptsExceeded', 'UndeliverableDueToClientError']),
  deliveryAttempts: z.int(),
  lastHttpStatusCode: z.int(),
});
export type DeadLetter = Omit<z.infer<typeof deadLetterSchema>, 'kind'>;

const recordSchema = z.discriminatedUnion('kind', [
  pendingSchema,
  z.object({ kind: z.literal('delivered'), id: z.string() }),
  deadLetterSchema,
]);

const compactFromBytes = 4 * 1024 * 1024;
const keptDeadLetters = 1_000;

/** Deliveries that have not ended, and those that ended in vain; both survive the process, as they do in Azure. */
export function openPending(file: string | null) {
  const pending = new Map<string, Pending>();
  let dead: DeadLetter[] = [];
  const apply = (record: z.infer<typeof recordSchema>): void => {
    if (record.kind === 'pending') {
      const { id, subscription, event } = record;
      pending.set(id, { id, subscription, event });
      return;
    }
    pending.delete(record.id);
    if (record.kind !== 'dead') return;
    const { kind: _kind, ...letter } = record;
    dead = [...dead, letter].slice(-keptDeadLetters);
  };
  const journal = file === null ? noJournal() : openJournal(file, (record) => apply(recordSchema.parse(record)));
  const write = (record: z.infer<typeof recordSchema>): void => {
    apply(record);
    journal.append(record);
    if (journal.bytesAppended < compactFromBytes) return;
    journal.compact([
      ...[...pending.values()].map((each) => ({ kind: 'pending', ...each })),
      ...dead.map((each) => ({ kind: 'dead', ...each })),
    ]);
  };
  return {
    add: (subscription: string, event: TopicEvent): Pending => {
      const added = { id: `${subscription}/${event.id}`, subscription, event };
      write({ kind: 'pending', ...added });
      return added;
    },
    delivered: (id: string): void => write({ kind: 'delivered', id }),
    died: (letter: DeadLetter): void => write({ kind: 'dead', ...letter }),
    of: (subscription: string): Pending[] => [...pending.values()].filter((each) => each.subscription === subscription),
    count: (): number => pending.size,
    deadLetters: (): DeadLetter[] => [...dead],
    close: (): void => journal.close(),
  };
}
export type PendingDeliveries = ReturnType<typeof openPending>;
