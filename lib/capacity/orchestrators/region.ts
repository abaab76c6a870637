import { z } from 'zod';
import { type OrchestrationContext, waitOrWake } from '../../platform/durable';

export const regionOrchestrationName = 'capacity-v1';
export const capacityActivities = { tick: 'tickCapacity-v1', advance: 'advanceServers-v1' } as const;

/** One per region: starting it while it runs does nothing. */
export function regionOrchestrationId(region: string): string {
  return `capacity-${region}`;
}

export const regionInputSchema = z.object({ region: z.string() });
const inputSchema = regionInputSchema.extend({
  tickIntervalMs: z.number(),
  pollIntervalMs: z.number(),
  /** Null: look at once. */
  lastTickMs: z.number().nullable().default(null),
});
export type RegionInput = z.input<typeof inputSchema>;

export const roundResultSchema = z.object({
  outcome: z.enum(['done', 'busy', 'replaced']),
  inFlight: z.number(),
});

const roundsPerHistory = 20;
const failuresBeforeGivingUp = 3;

/**
 * Looks at a region, then drives the servers that are on their way until there are none, looking again whenever it is time or
 * somebody wakes it. It holds the region's name and the time of a look; everything else is in the documents. The timer starts it
 * anew, so it may end whenever it has nothing to do, and gives up after a few faults of the infrastructure.
 */
export function* regionOrchestration(context: OrchestrationContext) {
  const input = inputSchema.parse(context.df.getInput());
  const { region, tickIntervalMs, pollIntervalMs } = input;
  let { lastTickMs } = input;
  let failures = 0;
  for (let round = 0; round < roundsPerHistory; round += 1) {
    const nowMs = context.df.currentUtcDateTime.getTime();
    const ticking = lastTickMs === null || nowMs - lastTickMs >= tickIntervalMs;
    const activity = ticking ? capacityActivities.tick : capacityActivities.advance;
    context.df.setCustomStatus({ stage: activity });
    let advancing = false;
    try {
      const result = roundResultSchema.parse(yield context.df.callActivity(activity, { region }));
      if (ticking) lastTickMs = nowMs;
      if (result.inFlight === 0) return undefined;
      failures = 0;
      // What a look has just asked for is begun at once.
      advancing = ticking;
    } catch {
      failures += 1;
      if (failures >= failuresBeforeGivingUp) return undefined;
    }
    if (advancing) continue;
    if (yield* waitOrWake(context, pollIntervalMs)) lastTickMs = null;
  }
  context.df.continueAsNew({ ...input, lastTickMs });
  return undefined;
}
