import { z } from 'zod';
import { type OrchestrationContext, waitOrWake } from '../../platform/durable';

export const databaseOrchestrationName = 'database-v1';
export const advanceDatabaseName = 'advanceDatabase-v1';

export const databaseInputSchema = z.object({ databaseId: z.string() });

export const stepResultSchema = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('done') }),
  z.object({ kind: z.literal('again'), delayMs: z.number() }),
]);
export type StepResult = z.infer<typeof stepResultSchema>;

const stepsPerHistory = 20;

/** Drives one new database until it is ready or failed. Where it stands is in its document, not in here. */
export function* databaseOrchestration(context: OrchestrationContext) {
  const input = databaseInputSchema.parse(context.df.getInput());
  for (let step = 0; step < stepsPerHistory; step += 1) {
    let delayMs = 30_000;
    try {
      const result = stepResultSchema.parse(yield context.df.callActivity(advanceDatabaseName, input));
      if (result.kind === 'done') return undefined;
      delayMs = result.delayMs;
    } catch {
      // An infrastructure fault; the document says where to go on.
    }
    if (delayMs > 0) yield* waitOrWake(context, delayMs);
  }
  context.df.continueAsNew(input);
  return undefined;
}
