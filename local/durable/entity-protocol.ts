import { z } from 'zod';

/** How operations reach entities and answers come back, as JSON text inside EventSent and EventRaised events. */

const request = z.object({ id: z.string(), signal: z.boolean(), input: z.string().optional() });
const response = z.object({ result: z.string().optional(), exceptionType: z.string().optional() });

/** One operation in an entity's queue. */
export const entityOperation = z.object({
  requestId: z.string(),
  name: z.string(),
  /** JSON text; undefined for none. */
  input: z.string().optional(),
  /** Who waits for the answer; null for a signal. */
  caller: z.object({ instanceId: z.string(), executionId: z.string() }).nullable(),
});
export type EntityOperation = z.infer<typeof entityOperation>;

/** What an entity function answers to a batch. */
export const entityAnswer = z.object({
  entityExists: z.boolean(),
  entityState: z.string().nullish(),
  results: z.array(z.object({ isError: z.boolean(), result: z.string().nullish() })),
  signals: z.array(
    z.object({
      target: z.object({ name: z.string(), key: z.string() }),
      name: z.string(),
      input: z.string().nullish(),
    }),
  ),
});
export type EntityAnswer = z.infer<typeof entityAnswer>;

export function writeEntityRequest(id: string, isSignal: boolean, input: unknown): string {
  return JSON.stringify({ id, signal: isSignal, ...(input === undefined ? {} : { input: JSON.stringify(input) }) });
}

export function readEntityRequest(text: string): z.infer<typeof request> {
  return request.parse(JSON.parse(text));
}

export function writeEntityResponse(result: { isError: boolean; result?: string | null }): string {
  return JSON.stringify({
    ...(result.result ? { result: result.result } : {}),
    ...(result.isError ? { exceptionType: 'Error' } : {}),
  });
}

export function isEntityFailure(text: string): boolean {
  const parsed = response.safeParse(JSON.parse(text));
  return parsed.success && parsed.data.exceptionType !== undefined;
}

/** `@name@key`; names are compared without regard to case, keys are not. */
export function entityIdOf(name: string, key: string): string {
  return `@${name.toLowerCase()}@${key}`;
}

export function entityNameOf(entityId: string): string {
  return entityId.slice(1, entityId.indexOf('@', 1));
}

export function entityKeyOf(entityId: string): string {
  return entityId.slice(entityId.indexOf('@', 1) + 1);
}
