import { createWebhook, keyHeader, mostEvents, type WebhookDeps } from '../../../lib/events/webhook';
import { AppError } from '../../../lib/platform/errors';
import { resourceEvent, subscriptionTopic } from './samples';

const key = 'a-key-that-is-long-enough';
const webhook = (deps: Partial<WebhookDeps> = {}) =>
  createWebhook({ keys: [key], topics: [subscriptionTopic], origins: ['eventgrid.azure.net'], ...deps });
const headers = (values: Record<string, string>) => new Headers(values);
const codeOf = (act: () => unknown): unknown => {
  try {
    return act();
  } catch (error) {
    return error instanceof AppError ? `${error.status} ${error.code}` : error;
  }
};

describe('the webhook lets in', () => {
  it('whoever shows one of the keys, and nobody else', async () => {
    const hook = webhook({ keys: ['another-long-enough-key', key] });
    await hook.authorize(headers({ [keyHeader]: key }));
    for (const wrong of ['', key.slice(1), `${key}x`, key.toUpperCase(), 'x'.repeat(100_000)]) {
      await expect(hook.authorize(headers({ [keyHeader]: wrong }))).rejects.toMatchObject({ status: 401 });
    }
    await expect(hook.authorize(headers({}))).rejects.toMatchObject({ status: 401 });
    await expect(hook.authorize(headers({ authorization: `Bearer ${key}` }))).rejects.toMatchObject({ status: 401 });
  });

  it('whoever has a token that the check accepts', async () => {
    const hook = webhook({
      keys: [],
      checkToken: async (token) => (token === 'good' ? { trusted: true } : { trusted: false, why: 'it is bad' }),
    });
    await hook.authorize(headers({ authorization: 'Bearer good' }));
    await expect(hook.authorize(headers({ authorization: 'Bearer bad' }))).rejects.toMatchObject({ status: 401 });
    await expect(hook.authorize(headers({ [keyHeader]: '' }))).rejects.toMatchObject({ status: 401 });
  });

  it('nobody while nothing is set up, but with an answer after which Event Grid comes again', async () => {
    await expect(webhook({ keys: [] }).authorize(headers({ [keyHeader]: '' }))).rejects.toMatchObject({ status: 503 });
  });

  it('nobody, and comes back to it, while it cannot be told whether a token is good', async () => {
    const checkToken = async () => {
      throw new AppError('entra.unavailable', 'away', { status: 503 });
    };
    const hook = webhook({ checkToken });
    await expect(hook.authorize(headers({ authorization: 'Bearer any' }))).rejects.toMatchObject({ status: 503 });
  });
});

describe('the handshake of the Event Grid schema', () => {
  const validation = (topic: string) => [
    {
      id: '1',
      topic,
      subject: '',
      data: { validationCode: 'CODE', validationUrl: 'http://169.254.169.254/latest/meta-data' },
      eventType: 'Microsoft.EventGrid.SubscriptionValidationEvent',
      eventTime: '2026-03-06T17:00:00Z',
    },
  ];

  it('is answered for expected topics only, in any letters, and below them', () => {
    const hook = webhook();
    for (const topic of [subscriptionTopic, subscriptionTopic.toUpperCase(), `${subscriptionTopic}/resourceGroups/a`]) {
      expect(hook.validationResponse(validation(topic))).toEqual({ validationResponse: 'CODE' });
    }
    for (const topic of [`${subscriptionTopic}9`, '/subscriptions/other', '', subscriptionTopic.slice(0, -1)]) {
      expect(codeOf(() => hook.validationResponse(validation(topic)))).toBe('403 events.topicNotAllowed');
    }
    expect(codeOf(() => webhook({ topics: [] }).validationResponse(validation(subscriptionTopic)))).toBe(
      '403 events.topicNotAllowed',
    );
  });

  it('follows no address: there is nothing in it that could', () => {
    const fetched = jest.spyOn(globalThis, 'fetch');
    webhook().validationResponse(validation(subscriptionTopic));
    expect(fetched).not.toHaveBeenCalled();
    fetched.mockRestore();
  });

  it.each([[[]], [null], [[...validation(subscriptionTopic), ...validation(subscriptionTopic)]], [[{ topic: 1 }]]])(
    'is refused when it is not one validation: %j',
    (body) => {
      expect(codeOf(() => webhook().validationResponse(body))).toBe('400 events.malformed');
    },
  );
});

describe('the handshake of CloudEvents', () => {
  it('allows the expected origin, at the rate that it asks for', () => {
    const hook = webhook();
    const asked = { 'WebHook-Request-Origin': 'EventGrid.azure.net', 'WebHook-Request-Rate': '120' };
    expect(hook.handshakeHeaders(headers(asked))).toEqual({
      'webhook-allowed-origin': 'eventgrid.azure.net',
      'webhook-allowed-rate': '120',
      allow: 'POST',
    });
    expect(hook.handshakeHeaders(headers({ ...asked, 'WebHook-Request-Rate': '99999999' }))).toMatchObject({
      'webhook-allowed-rate': '12000',
    });
  });

  it('allows no other', () => {
    for (const origin of ['evil.example', 'eventgrid.azure.net.evil.example', '*', '']) {
      expect(webhook().handshakeHeaders(headers({ 'WebHook-Request-Origin': origin }))).toBeNull();
    }
    expect(webhook().handshakeHeaders(headers({}))).toBeNull();
  });
});

describe('a delivery', () => {
  const bytes = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));
  const typed = (type: string, more: Record<string, string> = {}) => headers({ 'content-type': type, ...more });

  it('has its events in a list, or is one CloudEvent', () => {
    const hook = webhook();
    expect(hook.eventsOf(typed('application/json; charset=utf-8'), bytes([1, 2]))).toEqual([1, 2]);
    expect(hook.eventsOf(typed('Application/CloudEvents-Batch+json'), bytes([1]))).toEqual([1]);
    expect(hook.eventsOf(typed('application/cloudevents+json'), bytes({ a: 1 }))).toEqual([{ a: 1 }]);
    expect(hook.eventsOf(typed('application/json'), Buffer.from('\uFEFF[1]'))).toEqual([1]);
  });

  it('may have the attributes of a CloudEvent in its headers', () => {
    const attributes = {
      'ce-specversion': '1.0',
      'ce-id': '1',
      'ce-source': '/s',
      'ce-type': 'T',
      'ce-subject': 'a%20%E2%82%AC',
    };
    expect(webhook().eventsOf(typed('application/json', attributes), bytes({ a: 1 }))).toEqual([
      { specversion: '1.0', id: '1', source: '/s', type: 'T', subject: 'a €', data: { a: 1 } },
    ]);
    expect(
      webhook().eventsOf(typed('application/json', { ...attributes, 'ce-subject': '%' }), bytes([])),
    ).toMatchObject([{ subject: '%', data: [] }]);
  });

  it('is refused for good in any other form, and when it has too many', () => {
    const hook = webhook();
    const refusal = (sent: Headers, body: Buffer) => codeOf(() => hook.eventsOf(sent, body));
    expect(refusal(typed('application/json'), Buffer.from('[{'))).toBe('400 request.notJson');
    expect(refusal(typed('application/json'), bytes({}))).toBe('400 events.mediaType');
    expect(refusal(typed('application/cloudevents+json'), bytes([]))).toBe('400 events.mediaType');
    expect(refusal(headers({}), bytes([]))).toBe('400 events.mediaType');
    expect(refusal(typed('application/json', { 'content-encoding': 'gzip' }), bytes([]))).toBe('400 events.encoding');
    const many = Array.from({ length: mostEvents + 1 }, () => resourceEvent());
    expect(refusal(typed('application/json'), bytes(many))).toBe('413 events.tooMany');
    expect(refusal(typed('application/json'), bytes(many.slice(1)))).toHaveLength(mostEvents);
  });
});
