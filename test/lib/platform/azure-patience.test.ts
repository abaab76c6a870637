import { type SqlManagementClientOptionalParams } from '@azure/arm-sql';
import { azureError, failureClassOf } from '../../../lib/platform/azure-errors';
import { createAzureCounts } from '../../../lib/platform/azure-counts';
import { createAzureSql } from '../../../lib/platform/azure-sql';
import { template } from '../../support/capacity';

/** Answers of Azure that no stand-in gives: the real SDK over a transport of our own. */

type Transport = NonNullable<SqlManagementClientOptionalParams['httpClient']>;
type Request = Parameters<Transport['sendRequest']>[0];
interface Answer {
  status?: number;
  headers?: Record<string, string>;
  body?: unknown;
}

function headersOf(values: Record<string, string>): Request['headers'] {
  const headers = new Map(Object.entries(values));
  return {
    get: (name) => headers.get(name),
    has: (name) => headers.has(name),
    set: (name, value) => void headers.set(name, String(value)),
    delete: (name) => void headers.delete(name),
    toJSON: () => Object.fromEntries(headers),
    [Symbol.iterator]: () => headers.entries(),
  };
}

const credential = { getToken: async () => ({ token: 'token', expiresOnTimestamp: Date.now() + 3_600_000 }) };

function azureAnswering(answer: (request: Request, count: number) => Answer | Promise<Answer>) {
  const requests: string[] = [];
  const httpClient: Transport = {
    async sendRequest(request) {
      requests.push(`${request.method} ${request.url}`);
      const { status = 200, headers = {}, body = {} } = await answer(request, requests.length);
      const all = headersOf({ 'content-type': 'application/json', ...headers });
      return { request, status, headers: all, bodyAsText: JSON.stringify(body) };
    },
  };
  const azure = createAzureSql({
    credential,
    subscriptionId: 's',
    clientOptions: { httpClient, retryOptions: { maxRetries: 2, retryDelayInMs: 1, maxRetryDelayInMs: 2 } },
  });
  return { azure, requests };
}

const server = (name: string) => ({
  id: `/subscriptions/s/resourceGroups/g/providers/Microsoft.Sql/servers/${name}`,
  name,
  location: 'westeurope',
});
const page = (names: string[], next: string | null): Answer => ({
  body: { value: names.map(server), ...(next === null ? {} : { nextLink: `https://management.azure.com/${next}` }) },
});
const thrownBy = (work: Promise<unknown>): Promise<unknown> => work.then(() => null).catch((error: unknown) => error);

describe('a list', () => {
  it('has everything once, whatever its pages repeat', async () => {
    const pages = [page(['a', 'b'], 'two'), page(['b', 'a'], 'three'), page([], 'four'), page(['C', 'b'], null)];
    const { azure } = azureAnswering((_request, count) => pages[count - 1] ?? {});
    expect((await azure.listServers()).map(({ name }) => name)).toEqual(['a', 'b', 'c']);
  });

  it.each([
    ['whose pages lead in a circle', ['a']],
    ['of empty pages', []],
  ])('%s is given up after a few, as something that may pass', async (_what, names) => {
    const { azure, requests } = azureAnswering(() => page(names, 'again'));
    expect(failureClassOf(await thrownBy(azure.listServers()))).toBe('transient');
    expect(requests.length).toBeLessThan(8);
    expect(failureClassOf(await thrownBy(azure.countDatabases('g', 'a')))).toBe('transient');
  });
});

describe('patience', () => {
  it('with a throttled subscription ends when it asks for more than seconds', async () => {
    const { azure, requests } = azureAnswering(() => ({
      status: 429,
      headers: { 'retry-after': '3600' },
      body: { error: { code: 'TooManyRequests', message: 'later' } },
    }));
    expect(failureClassOf(await thrownBy(azure.listServers()))).toBe('transient');
    expect(requests).toHaveLength(1);
  });

  it('lasts for the seconds that Azure asks for', async () => {
    const { azure, requests } = azureAnswering((_request, count) =>
      count === 1 ? { status: 429, headers: { 'retry-after-ms': '1' } } : page(['a'], null),
    );
    expect(await azure.listServers()).toHaveLength(1);
    expect(requests).toHaveLength(2);
  });

  it('has an end for every single answer', async () => {
    const timeouts: number[] = [];
    const { azure } = azureAnswering(({ timeout }) => (timeouts.push(timeout), page([], null)));
    await azure.listServers();
    expect(timeouts).toEqual([60_000]);
  });
});

describe('the poller of an operation', () => {
  it('that cannot be read is given up for the same PUT once more', async () => {
    const { azure, requests } = azureAnswering(() => ({ body: server('a') }));
    const definition = { ...template.server, region: 'westeurope', tags: {} };
    for (const poller of ['garbage', '{}', '{"state":7}']) {
      expect(await azure.createServer('g', 'a', definition, poller)).toEqual({ done: true });
    }
    expect(requests.filter((request) => request.startsWith('PUT'))).toHaveLength(3);
  });
});

describe('what says nothing about the request', () => {
  it.each(['AbortError', 'TimeoutError', 'CredentialUnavailableError', 'AggregateAuthenticationError'])(
    '%s may pass',
    (name) => {
      const error = Object.assign(new Error('not now'), { name });
      expect(failureClassOf(azureError(error, 'create it'))).toBe('transient');
    },
  );

  it('a token that expired on the way may pass, a right that is lacking does not', () => {
    const refused = (statusCode: number, code: string) =>
      failureClassOf(azureError(Object.assign(new Error(code), { statusCode, code }), 'create it'));
    expect(refused(401, 'ExpiredAuthenticationToken')).toBe('transient');
    expect(refused(403, 'AuthorizationFailed')).toBe('configuration');
  });
});

describe('counts of Resource Graph', () => {
  const counting = (answers: object[]) => {
    let asked = 0;
    return createAzureCounts({
      credential,
      subscriptionId: 's',
      clock: { nowMs: () => 0, sleep: async () => undefined },
      random: () => 0,
      fetch: async () => ({
        status: 200,
        text: async () => JSON.stringify(answers[Math.min(asked++, answers.length - 1)]),
      }),
    });
  };

  it('are complete, or there are none', async () => {
    const rows = (name: string, more: object) => ({ data: [{ server: name, databases: 1 }], ...more });
    const whole = counting([rows('a', { $skipToken: 'x' }), rows('b', { resultTruncated: 'false' })]);
    expect([...(await whole.databasesPerServer()).keys()]).toEqual(['a', 'b']);
    for (const lie of [rows('a', { $skipToken: 'x' }), rows('a', { resultTruncated: 'true' })]) {
      expect(await thrownBy(counting([lie]).databasesPerServer())).toMatchObject({ code: 'azure.transient' });
    }
  });
});
