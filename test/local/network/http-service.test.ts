import { systemClock } from '../../../lib/platform/clock';
import { type HttpFault } from '../../../local/network/faults';
import { jsonResponse, pathSegments, startHttpService, type HttpService } from '../../../local/network/http-service';
import { ServiceError } from '../../../local/network/service-error';

let service: HttpService;
let handled: string[];
let waits: number[];

beforeEach(async () => {
  handled = [];
  waits = [];
  service = await startHttpService({
    port: 0,
    clock: { ...systemClock, sleep: async (ms) => void waits.push(ms) },
    maxBodyBytes: 10,
    operationOf: ({ path }) => (path.startsWith('/items') ? 'items' : ''),
    handle: ({ method, path, query, body }) => {
      handled.push(`${method} ${path}`);
      if (path === '/refused') throw new ServiceError(418, 'Teapot', 'No coffee.', { 'x-why': 'tea' });
      return jsonResponse(200, { query: Object.fromEntries(query), body: body.toString() });
    },
    fail: ({ status, code, message, headers }) => jsonResponse(status, { code, message }, headers),
  });
});
afterEach(() => service.close());

const call = (path: string, init?: RequestInit): Promise<Response> =>
  fetch(`http://127.0.0.1:${service.port}${path}`, init);

it('hands over path, query and body, and puts refusals into the form of the protocol', async () => {
  const response = await call('/items?a=1&b=%20', { method: 'POST', body: 'text' });
  expect(await response.json()).toEqual({ query: { a: '1', b: ' ' }, body: 'text' });
  const refused = await call('/refused');
  expect([refused.status, refused.headers.get('x-why')]).toEqual([418, 'tea']);
  expect(await refused.json()).toEqual({ code: 'Teapot', message: 'No coffee.' });
});

it('does not read bodies without bounds', async () => {
  const response = await call('/items', { method: 'POST', body: 'x'.repeat(11) });
  expect(response.status).toBe(413);
  expect(handled).toEqual([]);
});

describe('a fault', () => {
  it('strikes the matching requests, after those that it lets pass, as often as it is told', async () => {
    service.faults.add({
      operation: 'items',
      method: 'get',
      path: 'b c',
      skip: 1,
      times: 2,
      status: 503,
      retryAfterMs: 1500,
    });
    const statuses: number[] = [];
    for (let n = 0; n < 4; n += 1) statuses.push((await call('/items/b%20c')).status);
    expect(statuses).toEqual([200, 503, 503, 200]);
    expect((await call('/other/b%20c')).status).toBe(200);
    expect(service.faults.waiting()).toEqual([]);
  });

  it('says when to try again, in all the headers that SDKs read', async () => {
    service.faults.add({ status: 429, retryAfterMs: 1500 });
    const { headers } = await call('/items');
    expect([headers.get('retry-after'), headers.get('retry-after-ms'), headers.get('x-ms-retry-after-ms')]).toEqual([
      '2',
      '1500',
      '1500',
    ]);
  });

  it('can drop the connection before the work is done, or after it', async () => {
    service.faults.add({ drop: 'before' });
    await expect(call('/items')).rejects.toThrow();
    expect(handled).toEqual([]);
    service.faults.add({ drop: 'after' });
    await expect(call('/items')).rejects.toThrow();
    expect(handled).toEqual(['GET /items']);
  });

  it('can merely delay', async () => {
    service.faults.add({ delayMs: 5000 });
    expect((await call('/items')).status).toBe(200);
    expect(waits).toEqual([5000]);
  });

  it('that says something unknown is refused when it is planted', () => {
    const misspelt: HttpFault & Record<string, unknown> = { statuss: 500 };
    expect(() => service.faults.add(misspelt)).toThrow();
  });
});

it('reads paths with doubled slashes as if they were single', () => {
  expect(pathSegments('//subscriptions/a%20b/')).toEqual(['subscriptions', 'a b']);
});
