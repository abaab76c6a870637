import { z } from 'zod';
import { type ControlAction } from '../lib/builds/control';
import { errorGroupSchema } from '../lib/builds/store';
import { type BuildView, buildViewSchema, outcomeViewSchema } from '../lib/builds/view';
import { AppError, messageOf } from '../lib/platform/errors';

/** What a client of the HTTP API needs: how to reach it. */
export interface ApiEndpoint {
  baseUrl: string;
  functionKey: string;
}

export interface UploadedFile {
  name: string;
  bytes: Buffer | string;
}

const outcomesPageSchema = z.object({
  items: z.array(outcomeViewSchema),
  continuation: z.string().nullable(),
  errors: z.array(errorGroupSchema).optional(),
});
export type OutcomesPage = z.infer<typeof outcomesPageSchema>;

const logNamesSchema = z.object({ consolidated: z.array(z.string()) });

const refusalSchema = z.looseObject({
  code: z.string(),
  detail: z.string(),
  problems: z
    .array(z.object({ code: z.string(), message: z.string(), entry: z.string().nullable(), line: z.int().nullable() }))
    .default([]),
});

/** Long enough for the largest upload on a slow line; a server that says nothing for so long will not. */
const requestTimeoutMs = 5 * 60_000;

/** Typed calls of the HTTP API. Any answer other than success is an AppError: the app's own, or `app.unavailable`. */
export function createApiClient({ baseUrl, functionKey }: ApiEndpoint) {
  const send = async (path: string, init: RequestInit = {}): Promise<Response> => {
    const headers = new Headers(init.headers);
    headers.set('x-functions-key', functionKey);
    const signal = AbortSignal.timeout(requestTimeoutMs);
    // A redirect could take the key elsewhere.
    const response = await fetch(`${baseUrl}/api/${path}`, { ...init, headers, redirect: 'error', signal }).catch(
      (error: unknown) => {
        throw unavailable(`${baseUrl} does not answer: ${reasonOf(error)}`, error);
      },
    );
    if (!response.ok) throw await refusalOf(response, `${init.method ?? 'GET'} ${path}`);
    return response;
  };
  const call = async <T>(path: string, schema: z.ZodType<T>, init?: RequestInit): Promise<T> => {
    const response = await send(path, init);
    const text = await response.text().catch((error: unknown) => {
      throw unavailable(`The answer of ${baseUrl} was cut off: ${reasonOf(error)}`, error);
    });
    return understood(text, schema, `${baseUrl}/api/${path}`);
  };
  return {
    startBuild(
      packageFiles: readonly UploadedFile[],
      targets: UploadedFile['bytes'],
      options: object,
      idempotencyKey?: string,
    ): Promise<BuildView> {
      const form = new FormData();
      for (const { name, bytes } of packageFiles) form.append('package', new Blob([bytes]), name);
      form.append('targets', new Blob([targets]), 'targets.cfg');
      form.append('options', JSON.stringify(options));
      const headers = new Headers(idempotencyKey === undefined ? [] : [['idempotency-key', idempotencyKey]]);
      return call('builds', buildViewSchema, { method: 'POST', body: form, headers });
    },
    getBuild: (id: string) => call(`builds/${id}`, buildViewSchema),
    outcomes: (id: string, query = '') => call(`builds/${id}/outcomes${query}`, outcomesPageSchema),
    control: (id: string, action: ControlAction, actor: string, reason: string) =>
      call(`builds/${id}/${action}`, buildViewSchema, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ actor, reason }),
      }),
    logNames: async (id: string) => (await call(`builds/${id}/logs`, logNamesSchema)).consolidated,
    /** The log piece by piece: consolidated ones are as long as the fleet is large. */
    async openLog(id: string, name: string): Promise<AsyncIterable<Uint8Array> | null> {
      return (await send(`builds/${id}/logs/${encodeURIComponent(name)}`)).body;
    },
    async log(id: string, name: string): Promise<string> {
      return (await send(`builds/${id}/logs/${encodeURIComponent(name)}`)).text();
    },
  };
}
export type ApiClient = ReturnType<typeof createApiClient>;

async function refusalOf(response: Response, what: string): Promise<AppError> {
  const { status } = response;
  const passes = status >= 500 || status === 429 || status === 408;
  const text = await response.text().catch(() => '');
  const refusal = refusalSchema.safeParse(jsonOf(text));
  const detail = refusal.success ? refusal.data.detail : withoutProblem(status);
  return new AppError(refusal.data?.code ?? `app.${status}`, `${what} was answered ${status}: ${detail}`, {
    status,
    retry: passes ? { kind: 'backoff' } : { kind: 'no' },
    details: { problems: refusal.data?.problems ?? [] },
  });
}

function withoutProblem(status: number): string {
  if (status === 401) return 'the function key is missing or wrong.';
  return 'no reason was given; is it the address of the app?';
}

/** Whatever answers there may be something else than the app. */
function understood<T>(text: string, schema: z.ZodType<T>, url: string): T {
  const result = schema.safeParse(jsonOf(text));
  if (result.success) return result.data;
  throw new AppError('app.notUnderstood', `${url} answered something that is not expected of the app.`, {
    cause: result.error,
  });
}

function unavailable(message: string, cause: unknown): AppError {
  return new AppError('app.unavailable', message, { status: 503, retry: { kind: 'backoff' }, cause });
}

/** `fetch failed` says nothing; its cause does. */
function reasonOf(error: unknown): string {
  return error instanceof Error && error.cause !== undefined ? messageOf(error.cause) : messageOf(error);
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
