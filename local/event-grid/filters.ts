import { z } from 'zod';

/** What of a topic a subscription wants, in the words of Azure Resource Manager: the part of them that is used here. */
export const filterSchema = z.strictObject({
  subjectBeginsWith: z.string().default(''),
  includedEventTypes: z.array(z.string()).optional(),
  advancedFilters: z
    .array(
      z.strictObject({
        operatorType: z.literal('StringBeginsWith'),
        key: z.string(),
        values: z.array(z.string()).min(1),
      }),
    )
    .default([]),
});
export type Filter = z.output<typeof filterSchema>;

/** An event in the Event Grid schema, as the topics of Azure's own services tell it. */
export const topicEventSchema = z.object({
  id: z.string(),
  topic: z.string(),
  subject: z.string(),
  eventType: z.string(),
  eventTime: z.string(),
  data: z.record(z.string(), z.unknown()),
  dataVersion: z.string(),
  metadataVersion: z.string(),
});
export type TopicEvent = z.infer<typeof topicEventSchema>;

/** All conditions hold; of the values of one, any. Case does not matter, as in Event Grid. */
export function passes({ subjectBeginsWith, includedEventTypes, advancedFilters }: Filter, event: TopicEvent): boolean {
  const begins = (text: string, prefix: string): boolean => text.toLowerCase().startsWith(prefix.toLowerCase());
  const type = event.eventType.toLowerCase();
  return (
    begins(event.subject, subjectBeginsWith) &&
    (includedEventTypes?.some((included) => included.toLowerCase() === type) ?? true) &&
    advancedFilters.every(({ key, values }) => {
      const value = valueAt(event, key);
      return typeof value === 'string' && values.some((prefix) => begins(value, prefix));
    })
  );
}

/** `data.operationName` for example. */
function valueAt(event: TopicEvent, key: string): unknown {
  let value: unknown = event;
  for (const name of key.split('.')) {
    value = typeof value === 'object' && value !== null ? new Map(Object.entries(value)).get(name) : undefined;
  }
  return value;
}
