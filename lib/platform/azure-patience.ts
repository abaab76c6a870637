import { type SqlManagementClientOptionalParams } from '@azure/arm-sql';
import { AppError } from './errors';

/**
 * How long an answer of Azure Resource Manager is waited for, and how often the next page. Throttling may ask for an hour of
 * patience, and a connection that stays open may never answer; a look that comes again in minutes had better fail than wait.
 */

type ClientPolicy = NonNullable<SqlManagementClientOptionalParams['additionalPolicies']>[number];

const answerWithinMs = 60_000;
const longestPauseSeconds = 15;
const pauseHeaders = ['retry-after', 'retry-after-ms', 'x-ms-retry-after-ms'];

/** The SDK's own patience is three tries; a tick that is throttled had better come again than wait for minutes. */
export const retryOptions = { maxRetries: 2, retryDelayInMs: 500, maxRetryDelayInMs: 5_000 };

/** For the `additionalPolicies` of a management client. */
export const impatience: ClientPolicy = {
  position: 'perRetry',
  policy: {
    name: 'sqlfleetImpatience',
    async sendRequest(request, next) {
      if (request.timeout === 0) request.timeout = answerWithinMs;
      const response = await next(request);
      if (pauseSeconds(response.headers) <= longestPauseSeconds) return response;
      for (const name of pauseHeaders) response.headers.delete(name);
      // Who is throttled without being told for how long is not tried again by the SDK; a long operation is asked for soon.
      if (response.status < 400) response.headers.set('retry-after', String(longestPauseSeconds));
      return response;
    },
  },
};

function pauseSeconds(headers: { get(name: string): string | undefined }): number {
  const inSeconds = headers.get('retry-after');
  const milliseconds = Number(headers.get('retry-after-ms') ?? headers.get('x-ms-retry-after-ms') ?? 0);
  if (inSeconds === undefined) return milliseconds / 1_000;
  const seconds = Number(inSeconds);
  return Number.isNaN(seconds) ? (Date.parse(inSeconds) - Date.now()) / 1_000 : seconds;
}

/** A server's long operation is polled for this long at most; it goes on without us, and is looked at again. */
const operationWithinMs = 5 * 60_000;

/** Options of a long operation that is waited for; `updateIntervalInMs`: between two polls of it, each takes seconds. */
export function untilDone(): { updateIntervalInMs: number; abortSignal: AbortSignal } {
  return { updateIntervalInMs: 1_000, abortSignal: AbortSignal.timeout(operationWithinMs) };
}

/** Pages in a row that bring nothing new, before the list is taken for one that never ends. */
const fruitlessPages = 5;

/** Everything that a list has, once, whatever its pages repeat. @throws AppError `azure.transient` for a list without end */
export async function allOf<T extends { id?: string; name?: string }>(list: {
  byPage(): AsyncIterable<T[]>;
}): Promise<T[]> {
  const found = new Map<string, T>();
  let fruitless = 0;
  for await (const page of list.byPage()) {
    const before = found.size;
    for (const item of page) found.set((item.id ?? item.name ?? `${found.size}`).toLowerCase(), item);
    fruitless = found.size === before ? fruitless + 1 : 0;
    if (fruitless >= fruitlessPages) throw endless();
  }
  return [...found.values()];
}

export function endless(): AppError {
  return new AppError('azure.transient', 'Azure hands out the same page of a list again and again.', {
    status: 503,
    retry: { kind: 'backoff' },
    details: { failureClass: 'transient', azureCode: 'EndlessList' },
  });
}
