import { z } from 'zod';
import { endpointsSchema } from './endpoints';

/** What the cloud's process tells its parent. */
export const cloudMessageSchema = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('ready'), endpoints: endpointsSchema, startMs: z.number() }),
  z.object({ kind: z.literal('failed'), message: z.string() }),
]);
export type CloudMessage = z.infer<typeof cloudMessageSchema>;
