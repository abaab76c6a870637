import { z } from 'zod';

/** Where the stores of a simulated build are. */
export const storesSchema = z.object({
  cosmos: z.object({ endpoint: z.string(), key: z.string() }),
  blobConnectionString: z.string(),
});
export type Stores = z.infer<typeof storesSchema>;

export const simulationInputSchema = z.object({
  stores: storesSchema,
  targets: z.int(),
  scriptLength: z.int(),
  /** A small build first, so that compiling is not measured. */
  warmUpTargets: z.int(),
  /** Collects garbage and reads what is left, over and over. Such a run's CPU time means nothing. */
  measureMemory: z.boolean(),
});
export type SimulationInput = z.infer<typeof simulationInputSchema>;

export const simulationAnswerSchema = z.object({
  cpuMs: z.number(),
  /** The most that was alive at once; 0 where it was not measured. */
  liveBytes: z.number(),
  maximumResidentBytes: z.number(),
});
export type SimulationAnswer = z.infer<typeof simulationAnswerSchema>;
