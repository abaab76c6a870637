import { z } from 'zod';

/**
 * The data shapes that the host and the programming model exchange. They are those of the worker's RPC protocol
 * (`TypedData` and its friends), as `@azure/functions` reads and writes them.
 */

/** One request as an HTTP function receives it. `nullable*` are maps to `{value}`: the form of current hosts. */
export interface RpcHttpRequest {
  method: string;
  url: string;
  nullableHeaders: Record<string, { value: string }>;
  nullableQuery: Record<string, { value: string }>;
  nullableParams: Record<string, { value: string }>;
  body?: { bytes: Buffer };
}

/** What the host hands to a function. `string` is parsed as JSON by the library where it can be, `json` must be JSON. */
export type RpcInput =
  | { string: string }
  | { json: string }
  | { bytes: Buffer }
  | { http: RpcHttpRequest }
  | { collectionString: { string: string[] } }
  | { collectionBytes: { bytes: Buffer[] } };

const bytesSchema = z.instanceof(Uint8Array);
const nullable = <T extends z.ZodType>(value: T) => z.object({ value }).nullish();

const cookieSchema = z.object({
  name: z.string(),
  value: z.string(),
  domain: nullable(z.string()),
  path: nullable(z.string()),
  expires: nullable(z.object({ seconds: z.number() })),
  secure: nullable(z.boolean()),
  httpOnly: nullable(z.boolean()),
  sameSite: z.enum(['none', 'lax', 'strict', 'explicitNone']),
  maxAge: nullable(z.number()),
});

const httpResponseSchema = z.object({
  statusCode: z.string(),
  headers: z.record(z.string(), z.string()),
  cookies: z.array(cookieSchema),
  body: z.object({ bytes: bytesSchema }).nullish(),
});

const outputSchema = z.union([
  z.strictObject({ string: z.string() }),
  z.strictObject({ json: z.string() }),
  z.strictObject({ bytes: bytesSchema }),
  z.strictObject({ int: z.number() }),
  z.strictObject({ double: z.number() }),
  z.strictObject({ http: httpResponseSchema }),
]);

const responseSchema = z.object({
  returnValue: outputSchema.nullish(),
  outputData: z.array(z.object({ name: z.string(), data: outputSchema })),
});

export type RpcCookie = z.infer<typeof cookieSchema>;
export type RpcHttpResponse = z.infer<typeof httpResponseSchema>;
export type RpcOutput = z.infer<typeof outputSchema>;
export type RpcResponse = z.infer<typeof responseSchema>;

/** @throws ZodError when the programming model answered in a shape that this host does not know. */
export function parseRpcResponse(response: unknown): RpcResponse {
  return responseSchema.parse(response);
}

/** The value that a function returned, as the classic Durable protocol wants it: strings stay strings, JSON is parsed. */
export function fromRpcOutput(data: RpcOutput | null | undefined): unknown {
  if (data === null || data === undefined) return data;
  if ('string' in data) return data.string;
  if ('json' in data) return JSON.parse(data.json);
  if ('bytes' in data) return Buffer.from(data.bytes);
  if ('int' in data) return data.int;
  if ('double' in data) return data.double;
  throw new Error('a function without an HTTP trigger returned an HTTP response');
}

/** Any value as trigger metadata. Undefined values are left out, as the real host leaves them out. */
export function toRpcMetadata(values: Record<string, unknown>): Record<string, RpcInput> {
  const metadata: Record<string, RpcInput> = {};
  for (const [key, value] of Object.entries(values)) {
    if (value !== undefined) metadata[key] = { json: JSON.stringify(value) };
  }
  return metadata;
}
