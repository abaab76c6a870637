import { randomBytes } from 'node:crypto';
import { request as httpRequest } from 'node:http';
import { type HttpRequest, type HttpResponseInit } from '@azure/functions';
import { keys, registerApp, startSampleHost, type SampleHost } from '../sample-host';

let sample: SampleHost;

beforeAll(async () => {
  const app = await registerApp(({ app, output, trigger }) => {
    app.http('echo', {
      route: 'things/{kind:alpha}/{id:int?}',
      methods: ['GET', 'POST'],
      handler: async (request: HttpRequest): Promise<HttpResponseInit> => ({
        jsonBody: {
          method: request.method,
          path: new URL(request.url).pathname,
          params: request.params,
          query: Object.fromEntries(request.query),
          header: request.headers.get('x-repeated'),
          body: request.method === 'POST' ? await request.text() : null,
        },
      }),
    });
    app.http('guarded', { authLevel: 'function', handler: () => ({ body: 'in' }) });
    app.http('administered', { authLevel: 'admin', handler: () => ({ body: 'in' }) });
    app.generic('nothing', {
      trigger: trigger.http({ methods: ['GET'] }),
      return: output.http({}),
      handler: () => undefined,
    });
    app.get('throwing', () => {
      throw new Error('the secret inside of the function');
    });
    app.get('cookies', () => ({
      headers: { 'x-own': 'yes' },
      cookies: [
        { name: 'a', value: '1 2', path: '/', maxAge: 60, httpOnly: true, sameSite: 'Strict' },
        { name: 'b', value: '2', secure: true },
      ],
    }));
    app.post('upload', async (request: HttpRequest) => {
      const form = await request.formData();
      const file = form.get('file');
      if (file === null || typeof file === 'string') return { status: 400 };
      return { body: Buffer.from(await file.arrayBuffer()), headers: { 'content-type': 'application/octet-stream' } };
    });
    app.http('b-second', { route: 'contested', handler: () => ({ body: 'b' }) });
    app.http('A-first', { route: 'contested', handler: () => ({ body: 'A' }) });
  });
  sample = await startSampleHost(app, {}, { settings: { FUNCTIONS_REQUEST_BODY_SIZE_LIMIT: '8000000' } });
});

afterAll(() => sample.close());

const call = (path: string, init?: RequestInit): Promise<Response> => fetch(`${sample.baseUrl}${path}`, init);
const statusOf = async (path: string, init?: RequestInit): Promise<number> => (await call(path, init)).status;

describe('an HTTP function', () => {
  test('gets parameters, query, headers and body as they were sent', async () => {
    const response = await call('/api/things/abc/7?x=1&y=a%20b&x=2', { method: 'POST', body: 'grüße' });
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe('application/json');
    expect(await response.json()).toEqual({
      method: 'POST',
      path: '/api/things/abc/7',
      params: { kind: 'abc', id: '7' },
      query: { x: '1,2', y: 'a b' },
      header: null,
      body: 'grüße',
    });
  });

  test('gets a repeated header as one list', async () => {
    const text = await new Promise<string>((resolve, reject) => {
      const request = httpRequest(`${sample.baseUrl}/api/things/abc`, { headers: { 'x-repeated': ['1', '2'] } });
      request.on('response', (response) => {
        let body = '';
        response.on('data', (chunk) => (body += String(chunk))).on('end', () => resolve(body));
      });
      request.on('error', reject).end();
    });
    expect(JSON.parse(text)).toMatchObject({ header: '1, 2', params: { kind: 'abc' } });
  });

  test('is not found where the path, a constraint or the method does not fit', async () => {
    expect(await statusOf('/api/things/123/7')).toBe(404);
    expect(await statusOf('/api/things/abc/seven')).toBe(404);
    expect(await statusOf('/things/abc/7')).toBe(404);
    expect(await statusOf('/api/things/abc/7', { method: 'DELETE' })).toBe(404);
    expect(await statusOf('/api/things/abc/7', { method: 'HEAD' })).toBe(404);
    expect(await statusOf('/api/things/abc/7', { method: 'OPTIONS' })).toBe(404);
    expect(await statusOf('//')).toBe(404);
  });

  test('answers 204 without a result', async () => {
    const response = await call('/api/nothing');
    expect(response.status).toBe(204);
    expect(await response.text()).toBe('');
  });

  test('answers 500 when it throws, and keeps the reason for the log', async () => {
    const response = await call('/api/throwing');
    expect(response.status).toBe(500);
    expect(await response.text()).toBe('');
    expect(sample.log).toContainEqual(
      expect.objectContaining({ functionName: 'throwing', message: 'Failed: the secret inside of the function' }),
    );
  });

  test('sets headers and several cookies', async () => {
    const response = await call('/api/cookies');
    expect(response.headers.get('x-own')).toBe('yes');
    expect(response.headers.getSetCookie()).toEqual([
      'a=1%202; max-age=60; path=/; samesite=strict; httponly',
      'b=2; secure',
    ]);
  });

  test('takes and returns binary content of several megabytes', async () => {
    const content = randomBytes(7_000_000);
    const body = new FormData();
    body.append('file', new Blob([content]), 'content.bin');
    const response = await call('/api/upload', { method: 'POST', body });
    expect(response.status).toBe(200);
    expect(Buffer.from(await response.arrayBuffer()).equals(content)).toBe(true);
  });

  test('does not run for a body above the limit, whether its length is announced or not', async () => {
    const before = sample.log.length;
    const announced = await call('/api/upload', { method: 'POST', body: randomBytes(9_000_000) });
    const streamed = await call('/api/upload', {
      method: 'POST',
      body: new Blob([randomBytes(9_000_000)]).stream(),
      duplex: 'half',
    });
    expect([announced.status, streamed.status]).toEqual([413, 413]);
    expect(sample.log.slice(before)).toEqual([]);
  });

  test('wins a contested route by its name, without regard to case', async () => {
    expect(await (await call('/api/contested')).text()).toBe('A');
  });
});

describe('a key', () => {
  const withKey = (key: string): RequestInit => ({ headers: { 'x-functions-key': key } });

  test('is needed by functions of level function, in the header or in the query', async () => {
    expect(await statusOf('/api/guarded')).toBe(401);
    expect(await statusOf('/api/guarded', withKey('wrong'))).toBe(401);
    expect(await statusOf('/api/guarded', withKey(keys.function))).toBe(200);
    expect(await statusOf(`/api/guarded?code=${keys.function}`)).toBe(200);
    expect(await statusOf('/api/guarded', withKey(keys.master))).toBe(200);
  });

  test('in the header wins over the one in the query', async () => {
    expect(await statusOf(`/api/guarded?code=${keys.function}`, withKey('wrong'))).toBe(401);
  });

  test('must be the master key for functions of level admin', async () => {
    expect(await statusOf('/api/administered', withKey(keys.function))).toBe(401);
    expect(await statusOf('/api/administered', withKey(keys.master))).toBe(200);
  });
});
