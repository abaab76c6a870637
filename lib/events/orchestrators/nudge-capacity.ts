import { z } from 'zod';
import { type OrchestrationContext, waitOrWake } from '../../platform/durable';

export const nudgeCapacityName = 'nudgeCapacity-v1';
export const answerNudgeName = 'answerNudge-v1';

/** One per region; the id says nothing about which regions exist. */
export function nudgeCapacityId(region: string | null): string {
  return `nudge-${region ?? 'all'}`;
}

export const nudgeInputSchema = z.object({ region: z.string().nullable(), debounceMs: z.number() });
export const nudgeResultSchema = z.enum(['more', 'done']);

const roundsPerHistory = 20;

/** Waits for a moment, so that the hundred events of one deployment are one look at the region, and asks for that look. */
export function* nudgeCapacityOrchestration(context: OrchestrationContext) {
  const input = nudgeInputSchema.parse(context.df.getInput());
  for (let round = 0; round < roundsPerHistory; round += 1) {
    yield* waitOrWake(context, input.debounceMs);
    try {
      const result = nudgeResultSchema.parse(yield context.df.callActivity(answerNudgeName, { region: input.region }));
      if (result === 'done') return undefined;
    } catch {
      // An infrastructure fault: asked again after the next pause.
    }
  }
  context.df.continueAsNew(input);
  return undefined;
}
