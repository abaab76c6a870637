import { type HttpRequest, type HttpResponseInit, type InvocationContext } from '@azure/functions';
import { z } from 'zod';
import { AppError, badContinuation, isAppError, messageOf } from './errors';
import { sha256 } from './hash';
import { checkInput } from './schema-problems';

/** One HTTP operation: what is registered with the host, and what the OpenAPI document says of it. */
export interface Route {
  /** Name of the function and of the operation. */
  operationId: string;
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE' | 'OPTIONS';
  /** Who may call it. `function` (default): whoever has a function key. `anonymous`: it checks its callers itself. */
  authLevel?: 'function' | 'anonymous';
  /** Below `/api/`, with `{parameters}`. */
  path: string;
  summary: string;
  query?: z.ZodObject;
  /** Schema per media type. */
  body?: Record<string, z.ZodType>;
  requestHeaders?: Record<string, string>;
  responses: Record<
    number,
    {
      description: string;
      body?: z.ZodType;
      /** Of `body`; default: JSON. */
      mediaType?: string | string[];
      /** Bodies of further media types. */
      bodies?: Record<string, z.ZodType>;
      headers?: Record<string, string>;
    }
  >;
  handle(request: HttpRequest, context: InvocationContext): Promise<HttpResponseInit>;
}

export const problemSchema = z
  .looseObject({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    code: z.string(),
    problems: z
      .array(
        z.object({ code: z.string(), message: z.string(), entry: z.string().nullable(), line: z.int().nullable() }),
      )
      .optional(),
  })
  .meta({
    id: 'Problem',
    description: 'RFC 9457 problem details. `problems` lists everything that is wrong with the input, with its place.',
  });

/** How a route's description names a refusal. */
export const problem = (description: string): Route['responses'][number] => ({
  description,
  body: problemSchema,
  mediaType: 'application/problem+json',
});

const titles: Record<number, string> = {
  400: 'Bad request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not found',
  409: 'Conflict',
  412: 'Precondition failed',
  413: 'Too large',
  415: 'Unsupported media type',
  422: 'Invalid input',
  428: 'Precondition required',
  429: 'Too many requests',
  500: 'Internal error',
  503: 'Unavailable',
};

/** The handler that the host calls: the route's own, with every error turned into problem details. */
export function routeHandler(route: Route) {
  return async (request: HttpRequest, context: InvocationContext): Promise<HttpResponseInit> => {
    try {
      return await route.handle(request, context);
    } catch (error) {
      if (!isAppError(error) || error.status >= 500) context.error(`${route.operationId} failed`, error);
      return problemResponse(error);
    }
  };
}

/** RFC 9457. An error that is not ours tells the caller nothing about our insides. */
function problemResponse(error: unknown): HttpResponseInit {
  const known = isAppError(error)
    ? error
    : new AppError('internal', 'Something went wrong on our side. The log has the details; try again.', {
        cause: error,
      });
  return {
    status: known.status,
    headers: {
      'content-type': 'application/problem+json',
      ...(known.retry.kind === 'after' ? { 'retry-after': String(Math.ceil(known.retry.delayMs / 1_000)) } : {}),
    },
    body: JSON.stringify({
      type: `urn:sqlfleet:problem:${known.code}`,
      title: titles[known.status] ?? 'Error',
      status: known.status,
      detail: known.message,
      code: known.code,
      ...(known.status < 500 ? known.details : {}),
    }),
  };
}

/** @throws AppError `request.invalid` (400) with every problem of the value, each with its path below `place`. */
export function parsed<T>(schema: z.ZodType<T>, value: unknown, place: string): T {
  const result = checkInput(schema, value, 'request.invalid', place);
  if (result.success) return result.data;
  throw new AppError('request.invalid', `The ${place} of the request is not usable; see problems.`, {
    status: 400,
    details: { problems: result.problems },
  });
}

/** Query parameters as an object; a name that is given several times becomes a list. */
export function queryOf(request: HttpRequest): Record<string, string | string[]> {
  const query: Record<string, string | string[]> = {};
  for (const name of new Set(request.query.keys())) {
    if (name === 'code') continue;
    const values = request.query.getAll(name);
    query[name] = values.length === 1 ? (values[0] ?? '') : values;
  }
  return query;
}

/** @throws AppError `request.notJson` (400), `request.tooLarge` (413) */
export async function jsonBody(request: HttpRequest, maximumBytes = Infinity): Promise<unknown> {
  return parsedJson(await boundedText(request, maximumBytes));
}

/** For methods that mostly have no body: then null. @throws AppError `request.notJson` (400), `request.tooLarge` (413) */
export async function optionalJsonBody(request: HttpRequest, maximumBytes = Infinity): Promise<unknown> {
  const text = await boundedText(request, maximumBytes);
  return text.trim() === '' ? null : parsedJson(text);
}

/**
 * The body, if it is no larger; one that does not declare its length is read until it is.
 * @throws AppError `request.tooLarge` (413)
 */
export async function boundedText(request: HttpRequest, maximumBytes: number): Promise<string> {
  refuseLargerThan(request, maximumBytes);
  if (request.body === null || maximumBytes === Infinity) return request.text();
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of request.body) {
    const data: unknown = chunk;
    if (!(data instanceof Uint8Array)) throw new TypeError('a body of bytes');
    bytes += data.length;
    if (bytes > maximumBytes) throw tooLarge(`more than ${maximumBytes}`, maximumBytes);
    chunks.push(data);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new AppError('request.notJson', `The body is not JSON: ${messageOf(error)}`, { status: 400, cause: error });
  }
}

/** @throws AppError `request.tooLarge` (413) before the body is read into memory, where its length is declared. */
export function refuseLargerThan(request: HttpRequest, maximumBytes: number): void {
  const length = Number(request.headers.get('content-length') ?? 0);
  if (length > maximumBytes) throw tooLarge(String(length), maximumBytes);
}

function tooLarge(has: string, maximumBytes: number): AppError {
  const message = `The request has ${has} bytes; at most ${maximumBytes} are accepted.`;
  return new AppError('request.tooLarge', message, { status: 413 });
}

/** One value or a list of them, in a query: `?state=running&state=paused` or `?state=running,paused`. */
export function oneOrMore<T extends z.ZodType<unknown, string>>(item: T) {
  return z.preprocess((value) => (typeof value === 'string' ? value.split(',') : value), z.array(item).optional());
}

export const pagingQuery = {
  pageSize: z.coerce.number().int().min(1).max(1_000).default(100).meta({ description: 'Items per page.' }),
  continuation: z.string().optional().meta({ description: 'From the previous page; absent: the first page.' }),
};

/** Continuation tokens of the store are not for URLs, and nobody should read meaning into them. */
export const continuationCodec = {
  encode: (token: string | null): string | null => (token === null ? null : Buffer.from(token).toString('base64url')),
  decode: (token: string | undefined): string | null =>
    token === undefined ? null : Buffer.from(token, 'base64url').toString(),
};

const continuationMark = 8;

/**
 * The codec for one list and one filter. With a continuation of another, the store would skip what this caller never saw
 * and call it the end; so such a one is refused.
 *
 * @param list everything that decides what is listed and in which order, page size excepted
 */
export function continuationsOf(list: unknown): typeof continuationCodec {
  const mark = sha256(JSON.stringify(list)).slice(0, continuationMark);
  return {
    encode: (token) => continuationCodec.encode(token === null ? null : `${mark}${token}`),
    decode(token) {
      const decoded = continuationCodec.decode(token);
      if (decoded === null) return null;
      if (!decoded.startsWith(mark)) throw badContinuation();
      return decoded.slice(continuationMark);
    },
  };
}

/**
 * Who is signed in, as the platform's authentication tells. The header is believed only where that is switched on and
 * strips copies that clients send; elsewhere anybody could claim to be anybody.
 */
export function signedInActor(request: HttpRequest, environment: Record<string, string | undefined>): string | null {
  if (!isSignInOn(environment)) return null;
  return request.headers.get('x-ms-client-principal-name');
}

/** Whether the platform signs callers in, so that its word, and nobody else's, says who they are. */
export function isSignInOn(environment: Record<string, string | undefined>): boolean {
  return environment.WEBSITE_AUTH_ENABLED?.toLowerCase() === 'true';
}

/** The versions that a conditional header names; null: the header is absent. A weak mark is taken for the strong one. */
export function entityTags(request: HttpRequest, header: 'if-match' | 'if-none-match'): string[] | null {
  const text = request.headers.get(header);
  return text === null ? null : text.split(',').map((tag) => tag.trim().replace(/^W\//, ''));
}
