import { type EventGridEvent } from '@azure/functions';
import { keys, registerApp, startSampleHost, type SampleHost } from '../sample-host';

let sample: SampleHost;
const received: unknown[] = [];

beforeAll(async () => {
  const app = await registerApp(({ app }) =>
    app.eventGrid('OnEvent', {
      handler: async (event: EventGridEvent) => {
        if (event.subject === 'poison') throw new Error('no');
        received.push(event);
      },
    }),
  );
  sample = await startSampleHost(app);
});
afterAll(() => sample.close());
beforeEach(() => received.splice(0));

const post = (body: unknown, type: string, functionName = 'onevent', code = keys.system): Promise<Response> =>
  fetch(`${sample.baseUrl}/runtime/webhooks/EventGrid?functionName=${functionName}&code=${code}`, {
    method: 'POST',
    headers: { 'aeg-event-type': type },
    body: JSON.stringify(body),
  });

const event = (subject: string): object => ({ id: '1', eventType: 'X', subject, data: { a: 1 }, eventTime: 'now' });

describe('the Event Grid endpoint', () => {
  test('answers the validation handshake', async () => {
    const response = await post([{ ...event('s'), data: { validationCode: 'abc' } }], 'SubscriptionValidation');
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({ validationResponse: 'abc' });
    expect((await post([event('s')], 'SubscriptionValidation')).status).toBe(400);
  });

  test('delivers every event of a request, and single cloud events', async () => {
    expect((await post([event('a'), event('b')], 'Notification')).status).toBe(202);
    expect((await post({ specversion: '1.0', type: 'X', subject: 'c' }, 'Notification')).status).toBe(202);
    expect(received).toEqual([event('a'), event('b'), { specversion: '1.0', type: 'X', subject: 'c' }]);
  });

  test('answers 500 when a function failed, so that the events come again', async () => {
    expect((await post([event('a'), event('poison')], 'Notification')).status).toBe(500);
    expect(received).toEqual([event('a')]);
  });

  test('allows senders of cloud events', async () => {
    const response = await fetch(`${sample.baseUrl}/runtime/webhooks/eventgrid?functionName=x&code=${keys.system}`, {
      method: 'OPTIONS',
      headers: { 'webhook-request-origin': 'eventgrid.azure.net', 'webhook-request-rate': '120' },
    });
    expect(response.status).toBe(200);
    expect(response.headers.get('webhook-allowed-origin')).toBe('eventgrid.azure.net');
    expect(response.headers.get('webhook-allowed-rate')).toBe('120');
  });

  test('wants the system key, a function that exists, and something that it knows', async () => {
    expect((await post([event('a')], 'Notification', 'onevent', keys.function)).status).toBe(401);
    expect((await post([event('a')], 'Notification', 'nothing')).status).toBe(404);
    expect((await post('text', 'Notification')).status).toBe(400);
    expect((await post([event('a')], 'Something')).status).toBe(400);
    expect(received).toEqual([]);
  });
});

test('the admin API tells state and functions to the master key alone', async () => {
  const get = (path: string, key: string): Promise<Response> =>
    fetch(`${sample.baseUrl}${path}`, { headers: { 'x-functions-key': key } });
  expect(await (await get('/admin/host/status', keys.master)).json()).toMatchObject({ state: 'Running' });
  expect(await (await get('/admin/functions', keys.master)).json()).toMatchObject([{ name: 'OnEvent' }]);
  expect((await get('/admin/host/status', keys.function)).status).toBe(401);
  expect((await get('/admin/functions', '')).status).toBe(401);
  expect((await get('/admin/host/ping', '')).status).toBe(200);
});
