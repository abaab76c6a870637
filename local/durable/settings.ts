import { z } from 'zod';
import { type DurableEngineOptions } from './engine';

const hostJson = z.object({
  extensions: z
    .object({
      durableTask: z
        .object({
          /** Task hub names have the form that the real extension wants: they name tables and queues there. */
          hubName: z
            .string()
            .regex(/^[A-Za-z][A-Za-z0-9]{2,49}$/)
            .default('TestHubName'),
          maxConcurrentActivityFunctions: z.int().positive().optional(),
        })
        .prefault({}),
    })
    .prefault({}),
});

/**
 * What host.json says about Durable Functions. Storage, partitions and polling mean nothing here and are passed over.
 * @param json the parsed file. @throws ZodError naming every bad setting.
 */
export function readDurableSettings(json: unknown): { taskHubName: string; options: Partial<DurableEngineOptions> } {
  const { hubName, maxConcurrentActivityFunctions } = hostJson.parse(json).extensions.durableTask;
  return {
    taskHubName: hubName,
    options: maxConcurrentActivityFunctions === undefined ? {} : { maxConcurrentActivityFunctions },
  };
}
