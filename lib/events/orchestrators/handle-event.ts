import { z } from 'zod';
import { type OrchestrationContext, waitOrWake } from '../../platform/durable';

export const handleEventName = 'handleEvent-v1';
export const actOnEventName = 'actOnEvent-v1';

/** The same event has the same instance, so a second start of it does nothing while the first runs. */
export function handleEventId(key: string): string {
  return `event-${key}`;
}

export const eventInputSchema = z.object({ key: z.string() });
export const actInputSchema = eventInputSchema.extend({
  /** It was tried often enough: what cannot be done now ends as failed. */
  lastTry: z.boolean(),
});
export const actResultSchema = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('done') }),
  z.object({ kind: z.literal('again') }),
]);
export type ActResult = z.infer<typeof actResultSchema>;

/** Some six hours with the delays below. */
const tries = 40;

/** Acts on one event until it is settled. What to do is decided by the activity, from what it reads. */
export function* handleEventOrchestration(context: OrchestrationContext) {
  const { key } = eventInputSchema.parse(context.df.getInput());
  for (let attempt = 1; attempt <= tries; attempt += 1) {
    try {
      const input = { key, lastTry: attempt === tries };
      const result = actResultSchema.parse(yield context.df.callActivity(actOnEventName, input));
      if (result.kind === 'done') return undefined;
    } catch {
      // An infrastructure fault; the event's document says what is still to be done.
    }
    yield* waitOrWake(context, Math.min(600_000, 1_000 * 2 ** (attempt - 1)));
  }
  return undefined;
}
