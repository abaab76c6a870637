import { type z } from 'zod';
import { type Clock } from './clock';
import { AppError, messageOf } from './errors';

/** Version of each part of the REST API: they move one by one, so which ones are called is data. */
export interface DatabricksApiVersions {
  clusters: string;
  jobs: string;
  workspace: string;
  secrets: string;
  'instance-pools': string;
  policies: string;
}
export type DatabricksApi = keyof DatabricksApiVersions;

export interface DatabricksConnection {
  /** `https://adb-….azuredatabricks.net` */
  url: string;
  /** ARM id of the workspace. */
  resourceId: string;
  apiVersions: DatabricksApiVersions;
  /** Asked before every call; it caches. */
  databricksToken(): Promise<string>;
  /** For a principal with rights on the resource that is not yet a user of the workspace. */
  managementToken(): Promise<string>;
}

export interface DatabricksHttpDeps {
  fetch: typeof fetch;
  clock: Clock;
  random: () => number;
}

export interface DatabricksCall {
  method: 'GET' | 'POST';
  query?: Record<string, string | number | boolean>;
  body?: unknown;
  /** false: a second call would do the work a second time, so an unknown outcome is not tried again here. */
  repeatable: boolean;
}

export type DatabricksHttp = <T>(
  api: DatabricksApi,
  operation: string,
  schema: z.ZodType<T>,
  call: DatabricksCall,
) => Promise<T>;

/** What the service calls passing, whatever the status that comes with it. */
const passingCodes = new Set(['TEMPORARILY_UNAVAILABLE', 'DEADLINE_EXCEEDED', 'ABORTED']);

const attempts = 6;
const firstDelayMs = 500;
const longestDelayMs = 30_000;
const timeoutMs = 60_000;

/**
 * Calls the Databricks REST API. 429 is tried again whatever the call, because it was not begun; 5xx and broken connections
 * only where repeating does no harm. `Retry-After` is obeyed, up to a minute at a time.
 *
 * @throws AppError `databricks.unavailable` (transient), `databricks.outcomeUnknown` (transient: look before doing it again),
 *   `databricks.forbidden`, `databricks.refused` with the service's `errorCode` in its details.
 */
export function createDatabricksHttp(connection: DatabricksConnection, deps: DatabricksHttpDeps): DatabricksHttp {
  const host = new URL(connection.url).host;

  const send = async (api: DatabricksApi, operation: string, call: DatabricksCall): Promise<Response> => {
    const url = new URL(`/api/${connection.apiVersions[api]}/${operation}`, connection.url);
    for (const [name, value] of Object.entries(call.query ?? {})) url.searchParams.set(name, String(value));
    const [token, managementToken] = await Promise.all([connection.databricksToken(), connection.managementToken()]);
    return deps.fetch(url, {
      method: call.method,
      // The tokens are for this host and no other.
      redirect: 'error',
      headers: {
        authorization: `Bearer ${token}`,
        'x-databricks-azure-sp-management-token': managementToken,
        'x-databricks-azure-workspace-resource-id': connection.resourceId,
        ...(call.body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(call.body === undefined ? {} : { body: JSON.stringify(call.body) }),
      signal: AbortSignal.timeout(timeoutMs),
    });
  };

  return async (api, operation, schema, call) => {
    for (let attempt = 1; ; attempt += 1) {
      const what = `${call.method} ${operation} of ${host}`;
      let waitMs = Math.min(longestDelayMs, firstDelayMs * 2 ** (attempt - 1)) * (0.5 + deps.random() / 2);
      let failure: AppError;
      try {
        const response = await send(api, operation, call);
        // The answer is part of the call: a connection that breaks in the middle of it is tried again like any other.
        const text = await response.text();
        if (response.ok) return parsed(schema, text, what);
        failure = refusal(response.status, text, what, call.repeatable);
        waitMs = statedDelayMs(response.headers.get('retry-after'), deps.clock.nowMs()) ?? waitMs;
        if (failure.code !== 'databricks.busy' && failure.code !== 'databricks.unavailable') throw failure;
      } catch (error) {
        if (error instanceof AppError) throw error;
        failure = call.repeatable
          ? transient('databricks.unavailable', `${what} could not be reached: ${messageOf(error)}. Try again.`, error)
          : unknownOutcome(what, error);
        if (!call.repeatable) throw failure;
      }
      if (attempt >= attempts) throw failure;
      await deps.clock.sleep(waitMs);
    }
  };
}

/** Seconds or a date; null: nothing that can be waited for. */
function statedDelayMs(header: string | null, nowMs: number): number | null {
  if (header === null) return null;
  const stated = /^\d+(?:\.\d+)?$/.test(header.trim()) ? Number(header) * 1_000 : Date.parse(header) - nowMs;
  return Number.isFinite(stated) && stated > 0 ? Math.min(2 * longestDelayMs, stated) : null;
}

function parsed<T>(schema: z.ZodType<T>, text: string, what: string): T {
  let value: unknown;
  try {
    value = text === '' ? {} : JSON.parse(text);
  } catch (cause) {
    throw new AppError('databricks.malformed', `${what} did not answer with JSON.`, { cause });
  }
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const places = result.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`).join('; ');
  throw new AppError('databricks.malformed', `${what} answered in an unexpected form: ${places}`);
}

function refusal(status: number, text: string, what: string, repeatable: boolean): AppError {
  const { errorCode, message } = errorOf(text);
  if (status === 429 || errorCode === 'REQUEST_LIMIT_EXCEEDED')
    return transient('databricks.busy', `${what}: too many requests. Try again.`, null);
  if (status >= 500 || passingCodes.has(errorCode)) {
    return repeatable
      ? transient('databricks.unavailable', `${what} answered ${status} ${errorCode}: ${message}. Try again.`, null)
      : unknownOutcome(what, null);
  }
  const details = { errorCode, status };
  if (status === 401 || status === 403) {
    return new AppError(
      'databricks.forbidden',
      `${what} refused the service principal (${errorCode}: ${message}). Give it access to the workspace, or correct its secrets in the Key Vault.`,
      { details },
    );
  }
  return new AppError('databricks.refused', `${what} was refused: ${errorCode}: ${message}`, { details });
}

function errorOf(text: string): { errorCode: string; message: string } {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && 'error_code' in value) {
      const message = 'message' in value ? String(value.message) : '';
      return { errorCode: String(value.error_code), message: message.slice(0, 1_000) };
    }
  } catch {
    // A proxy's page, for example.
  }
  return { errorCode: 'UNKNOWN', message: text.slice(0, 200) };
}

function transient(code: string, message: string, cause: unknown): AppError {
  return new AppError(code, message, { status: 503, retry: { kind: 'backoff' }, cause });
}

function unknownOutcome(what: string, cause: unknown): AppError {
  return transient('databricks.outcomeUnknown', `The answer to ${what} was lost: it may have been done.`, cause);
}

/** The service's own code of a refusal; null for every other error. */
export function databricksErrorCode(error: unknown): string | null {
  if (!(error instanceof AppError)) return null;
  const { errorCode } = error.details;
  return typeof errorCode === 'string' ? errorCode : null;
}

/** Some calls say "no such thing" as a bad parameter. */
export function isMissing(error: unknown): boolean {
  const code = databricksErrorCode(error);
  return (
    code === 'RESOURCE_DOES_NOT_EXIST' ||
    (code === 'INVALID_PARAMETER_VALUE' && / does not exist/i.test(messageOf(error)))
  );
}
