import { z } from 'zod';
import { type Clock } from './clock';
import { type DocumentStore } from './documents';
import { sha256 } from './hash';

/** An event as it waits for the topic. */
const outgoingSchema = z.object({
  id: z.string(),
  type: z.string(),
  subject: z.string(),
  /** When it happened, not when it could be told. */
  time: z.string(),
  data: z.record(z.string(), z.unknown()),
});
export type OutgoingEvent = z.infer<typeof outgoingSchema>;

const waitingSchema = z.object({ id: z.string(), event: outgoingSchema });

/** Events that the topic could not take, for whichever process sends them later. */
export interface EventOutbox {
  /** The same event is kept once. */
  keep(event: OutgoingEvent): Promise<void>;
  /** Some of those that wait, in no order. */
  waiting(limit: number): Promise<OutgoingEvent[]>;
  remove(event: OutgoingEvent): Promise<void>;
}

/** What nobody could be told for a week is old news. */
const keptSeconds = 7 * 24 * 60 * 60;
const documentId = ({ id }: OutgoingEvent): string => `outgoing-${sha256(id)}`;

export function createEventOutbox(documents: DocumentStore, { clock }: { clock: Clock }): EventOutbox {
  return {
    async keep(event) {
      const createdAt = new Date(clock.nowMs()).toISOString();
      const document = { id: documentId(event), kind: 'outgoing', createdAt, event, ttl: keptSeconds };
      await documents.create(document.id, document);
    },
    async waiting(limit) {
      const text = "SELECT * FROM c WHERE c.kind = 'outgoing'";
      return (await documents.query({ text }, waitingSchema, { pageSize: limit })).items.map(({ event }) => event);
    },
    async remove(event) {
      await documents.delete(documentId(event), documentId(event));
    },
  };
}
