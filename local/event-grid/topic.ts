import { z } from 'zod';

/** A CloudEvent 1.0 as the topic took it. */
const cloudEventSchema = z.looseObject({
  specversion: z.literal('1.0'),
  id: z.string().min(1),
  source: z.string().min(1),
  type: z.string().min(1),
  time: z.iso.datetime({ offset: true }).optional(),
  subject: z.string().optional(),
  data: z.unknown(),
});
export type PublishedEvent = z.infer<typeof cloudEventSchema>;
export const batchSchema = z.array(cloudEventSchema).min(1);

/** The oldest are forgotten: whoever follows reads on in time. */
const keptEvents = 10_000;

/** What was published to the custom topic, in order. */
export function createTopic() {
  let events: PublishedEvent[] = [];
  let forgotten = 0;
  return {
    take(batch: readonly PublishedEvent[]): void {
      events.push(...batch);
      forgotten += Math.max(0, events.length - keptEvents);
      events = events.slice(-keptEvents);
    },
    /** Events after position `after`, and the position to go on from. */
    since: (after: number): { events: PublishedEvent[]; position: number } => ({
      events: events.slice(Math.max(0, after - forgotten)),
      position: forgotten + events.length,
    }),
  };
}
