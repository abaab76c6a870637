import { type JSONValue } from '@azure/cosmos';
import { z } from 'zod';
import { type DocumentPage, type DocumentStore } from './documents';
import { badContinuation } from './errors';

export interface NewestFirst {
  /** Joined by AND; values only through parameters. */
  conditions: readonly string[];
  parameters?: Record<string, JSONValue>;
  pageSize: number;
  continuation: string | null;
}

/** Where a page ended. */
const placeSchema = z.object({ at: z.string(), id: z.string() });

/** A page of documents that carry `createdAt`, newest first. */
export function newestFirst<T extends { id: string; createdAt: string }>(
  documents: DocumentStore,
  schema: z.ZodType<T>,
  options: NewestFirst,
): Promise<DocumentPage<T>> {
  return newestFirstBy('createdAt', documents, schema, options);
}

/**
 * A page of documents that say in `field` when they were made, newest first. Pages continue after the last document that was shown, by its
 * place in the order: the service's own tokens do not reach over partitions where results are sorted. The container needs
 * a composite index over `field` and `id`, both descending.
 */
export async function newestFirstBy<F extends string, T extends { id: string } & Record<F, string>>(
  field: F,
  documents: DocumentStore,
  schema: z.ZodType<T>,
  { conditions, parameters, pageSize, continuation }: NewestFirst,
): Promise<DocumentPage<T>> {
  const after = continuation === null ? null : readPlace(continuation);
  const all = [...conditions, ...(after === null ? [] : [`(c.${field} < @at OR (c.${field} = @at AND c.id < @id))`])];
  const where = all.length === 0 ? '' : ` WHERE ${all.join(' AND ')}`;
  const page = await documents.query(
    {
      text: `SELECT TOP ${pageSize} * FROM c${where} ORDER BY c.${field} DESC, c.id DESC`,
      parameters: { ...parameters, ...(after === null ? {} : { at: after.at, id: after.id }) },
    },
    schema,
    { pageSize },
  );
  const last = page.items.at(-1);
  const isFull = page.items.length === pageSize && last !== undefined;
  return {
    items: page.items,
    continuation: isFull ? JSON.stringify({ at: last[field], id: last.id }) : null,
  };
}

function readPlace(continuation: string): z.infer<typeof placeSchema> {
  try {
    return placeSchema.parse(JSON.parse(continuation));
  } catch (cause) {
    throw badContinuation(cause);
  }
}
