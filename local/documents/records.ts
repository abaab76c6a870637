import { z } from 'zod';
import { type Change } from './container';

/** What a client says about a container when it creates or replaces it. Unknown settings are kept and shown again. */
export const containerDefinitionSchema = z.looseObject({
  id: z.string().regex(/^[^/\\?#]{1,255}$/),
  partitionKey: z
    .looseObject({ paths: z.array(z.string().startsWith('/')).max(3), systemKey: z.boolean().optional() })
    .optional(),
  uniqueKeyPolicy: z.object({ uniqueKeys: z.array(z.object({ paths: z.array(z.string()) })) }).optional(),
  defaultTtl: z.int().nullish(),
});
export type ContainerDefinition = z.infer<typeof containerDefinitionSchema>;

const itemSchema = z.object({
  id: z.string(),
  partition: z.string(),
  body: z.string(),
  sequence: z.number(),
  lsn: z.number(),
  timestamp: z.number(),
  expiresAt: z.number().nullable(),
});
const changeSchema: z.ZodType<Change> = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('put'), item: itemSchema }),
  z.object({ kind: z.literal('delete'), partition: z.string(), id: z.string(), lsn: z.number() }),
]);

/** One line of the journal. A set of changes is one line, so that a torn write cannot split an atomic batch. */
export const storeRecordSchema = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('changes'), container: z.number(), changes: z.array(changeSchema) }),
  z.object({ kind: z.literal('database'), number: z.number(), id: z.string(), timestamp: z.number() }),
  z.object({ kind: z.literal('databaseDropped'), id: z.string() }),
  z.object({
    kind: z.literal('container'),
    database: z.string(),
    number: z.number(),
    definition: containerDefinitionSchema,
    timestamp: z.number(),
    /** Numbering so far: what a compacted journal no longer shows must not be handed out again. */
    lsn: z.number(),
    sequence: z.number(),
  }),
  /** The last number that a database or container was given. */
  z.object({ kind: z.literal('numbering'), last: z.number() }),
  z.object({ kind: z.literal('containerDropped'), database: z.string(), id: z.string() }),
]);
export type StoreRecord = z.infer<typeof storeRecordSchema>;
