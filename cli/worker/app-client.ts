import { z } from 'zod';
import { type Clock } from '../../lib/platform/clock';
import { AppError, messageOf } from '../../lib/platform/errors';

export const admissionSchema = z.object({
  accessToken: z.string(),
  expiresAtMs: z.number(),
  queue: z.object({ endpoint: z.string(), topic: z.string(), subscription: z.string(), signature: z.string() }),
  heartbeatIntervalMs: z.number(),
});
export type Admission = z.infer<typeof admissionSchema>;

const problemSchema = z.looseObject({ code: z.string(), detail: z.string() });

/** The app, as workers see it. Foreign failures become AppErrors; those that may pass say so. */
export interface AppClient {
  /** Valid now and for a while. */
  admission(): Promise<Admission>;
  get<T>(path: string, query: Record<string, string | number>, schema: z.ZodType<T>): Promise<T>;
  post<T>(path: string, body: unknown, schema: z.ZodType<T>): Promise<T>;
  postText(path: string, query: Record<string, string | number>, text: string): Promise<void>;
  /** Of whichever link the app gave. */
  download(url: string): Promise<Buffer>;
}

export interface AppClientDeps {
  appUrl: string;
  cluster: string;
  workerId: string;
  sign(): Promise<string>;
  clock: Clock;
}

/** Renewed this long before its end, so that nothing starts with a token that dies on the way. */
const renewBeforeMs = 2 * 60_000;
const requestTimeoutMs = 60_000;

export function createAppClient(deps: AppClientDeps): AppClient {
  const base = `${deps.appUrl.replace(/\/+$/, '')}/api/buildClusters/${encodeURIComponent(deps.cluster)}`;
  let current: Admission | null = null;
  let pending: Promise<Admission> | null = null;

  const send = async (url: string, init: RequestInit): Promise<Response> => {
    try {
      // A redirect could take the token elsewhere.
      return await fetch(url, { ...init, redirect: 'error', signal: AbortSignal.timeout(requestTimeoutMs) });
    } catch (error) {
      throw new AppError('app.unavailable', `The app did not answer: ${messageOf(error)}`, {
        status: 503,
        retry: { kind: 'backoff' },
        cause: error,
      });
    }
  };
  const answerOf = async <T>(response: Response, schema: z.ZodType<T>): Promise<T> => {
    const text = await response.text();
    if (response.ok) return schema.parse(text === '' ? undefined : JSON.parse(text));
    const passes = response.status >= 500 || response.status === 429 || response.status === 408;
    const problem = problemSchema.safeParse(jsonOf(text));
    const code = problem.success ? problem.data.code : `app.${response.status}`;
    const detail = problem.success ? problem.data.detail : `The app answered ${response.status}.`;
    throw new AppError(code, detail, {
      status: response.status,
      retry: passes ? { kind: 'backoff' } : { kind: 'no' },
    });
  };
  const admit = async (): Promise<Admission> => {
    const body = JSON.stringify({ token: await deps.sign(), workerId: deps.workerId });
    const headers = { 'content-type': 'application/json' };
    return answerOf(await send(`${base}/token`, { method: 'POST', headers, body }), admissionSchema);
  };
  const admission = async (): Promise<Admission> => {
    if (current !== null && current.expiresAtMs - deps.clock.nowMs() > renewBeforeMs) return current;
    pending ??= admit().finally(() => (pending = null));
    current = await pending;
    return current;
  };
  /** A 401 means that the session ended, perhaps with its key; another key may be there by now. */
  const call = async <T>(url: string, init: RequestInit, schema: z.ZodType<T>): Promise<T> => {
    for (let attempt = 1; ; attempt += 1) {
      const used = await admission();
      const headers = { ...init.headers, authorization: `Bearer ${used.accessToken}` };
      const response = await send(url, { ...init, headers });
      if (response.status !== 401 || attempt > 1) return answerOf(response, schema);
      if (current === used) current = null;
    }
  };
  const withQuery = (path: string, query: Record<string, string | number>): string => {
    const pairs = Object.entries(query).map(([name, value]): [string, string] => [name, String(value)]);
    return `${base}/${path}?${new URLSearchParams(pairs).toString()}`;
  };

  return {
    admission,
    get: (path, query, schema) => call(withQuery(path, query), { method: 'GET' }, schema),
    post: (path, body, schema) =>
      call(
        `${base}/${path}`,
        { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) },
        schema,
      ),
    postText: (path, query, text) =>
      call(
        withQuery(path, query),
        { method: 'POST', headers: { 'content-type': 'text/plain; charset=utf-8' }, body: text },
        z.undefined(),
      ),
    async download(url) {
      const response = await send(url, { method: 'GET' });
      if (response.ok) return Buffer.from(await response.arrayBuffer());
      throw new AppError('app.download', `The package could not be read (${response.status}).`, {
        status: response.status,
        // Its link may have ended; the next one is new.
        retry: { kind: 'backoff' },
      });
    },
  };
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
