import { type z } from 'zod';
import { type DocumentPage } from '../platform/documents';
import { AppError } from '../platform/errors';

/** What reading and writing documents have in common, whatever they hold. */

/** A conditional write that is lost this often in a row is not a race any more. */
export const writeAttempts = 100;
export const pageSize = 500;

export function contended(subject: string): AppError {
  return new AppError('capacity.contended', `${subject} kept changing while it was to be written. Try again.`, {
    status: 503,
    retry: { kind: 'backoff' },
  });
}

/** Of a person's making, or of a bug's: the monitor writes it anew, and until then nobody else can do anything with it. */
export function damagedDocument(subject: string): AppError {
  return new AppError('capacity.damagedDocument', `${subject} cannot be read. It is written anew at the next look.`, {
    status: 503,
    retry: { kind: 'after', delayMs: 60_000 },
  });
}

/** Those that can be read. One mangled document must not hide all others from whoever lists them. */
export function readable<T>(schema: z.ZodType<T>, items: readonly unknown[]): T[] {
  return items.flatMap((item) => {
    const read = schema.safeParse(item);
    return read.success ? [read.data] : [];
  });
}

export function readablePage<T>(schema: z.ZodType<T>, { items, continuation }: DocumentPage<unknown>): DocumentPage<T> {
  return { items: readable(schema, items), continuation };
}
