import { type HttpRequest } from '@azure/functions';
import { z } from 'zod';
import { type DocumentPage } from '../lib/platform/documents';
import { continuationCodec, jsonBody, parsed, problemSchema, signedInActor } from '../lib/platform/http';

/** What the routes of several capabilities have in common. */

export const problem = (description: string) => ({
  description,
  body: problemSchema,
  mediaType: 'application/problem+json',
});

export const pageOf = <T extends z.ZodType>(item: T) =>
  z.object({ items: z.array(item), continuation: z.string().nullable() });

export function pageView<T, V>(
  { items, continuation }: DocumentPage<T>,
  view: (item: T) => V,
  continuations: Pick<typeof continuationCodec, 'encode'> = continuationCodec,
) {
  return { items: items.map(view), continuation: continuations.encode(continuation) };
}

export function apiUrlOf(request: HttpRequest): string {
  return `${new URL(request.url).origin}/api`;
}

export async function bodyOf<T>(request: HttpRequest, schema: z.ZodType<T>): Promise<T> {
  return parsed(schema, await jsonBody(request), 'body');
}

/** The body with whoever is signed in as the actor, where the platform knows. */
export async function actionOf<T>(request: HttpRequest, schema: z.ZodType<T>): Promise<T> {
  const body = await jsonBody(request);
  const actor = signedInActor(request, process.env);
  return parsed(schema, actor !== null && typeof body === 'object' ? { ...body, actor } : body, 'body');
}
