import { createServer, type IncomingHttpHeaders } from 'node:http';
import { text } from 'node:stream/consumers';
import { AzureKeyCredential, EventGridPublisherClient } from '@azure/eventgrid';
import { z } from 'zod';
import { type Clock } from '../../../lib/platform/clock';
import { type EventGrid, startEventGrid } from '../../../local/event-grid/start';

const key = 'topic-key';
/** Time that passes only while somebody sleeps. */
function createClock(): Clock & { slept: number[] } {
  let nowMs = 0;
  const slept: number[] = [];
  return {
    slept,
    nowMs: () => nowMs,
    async sleep(ms) {
      slept.push(ms);
      nowMs += ms;
    },
  };
}

let eventGrid: EventGrid;
let clock: ReturnType<typeof createClock>;
beforeEach(async () => {
  clock = createClock();
  eventGrid = await startEventGrid({ port: 0, key, clock });
});
afterEach(() => eventGrid.stop());

describe('the topic, through the real client', () => {
  const clientWith = (shown: string) =>
    new EventGridPublisherClient(eventGrid.topicEndpoint, 'CloudEvent', new AzureKeyCredential(shown), {
      allowInsecureConnection: true,
      retryOptions: { maxRetries: 0 },
    });
  const event = { type: 'Sqlfleet.Test', source: '/sqlfleet', subject: 'builds/1', id: 'e1', data: { a: 1 } };

  it('takes CloudEvents with its key', async () => {
    await clientWith(key).send([event, { ...event, id: 'e2' }]);
    expect(eventGrid.published()).toMatchObject([
      { specversion: '1.0', id: 'e1', type: 'Sqlfleet.Test', source: '/sqlfleet', subject: 'builds/1', data: { a: 1 } },
      { id: 'e2' },
    ]);
  });

  it('takes nothing without, and no other schema', async () => {
    await expect(clientWith('wrong').send([event])).rejects.toMatchObject({ statusCode: 401 });
    const other = new EventGridPublisherClient(eventGrid.topicEndpoint, 'EventGrid', new AzureKeyCredential(key), {
      allowInsecureConnection: true,
      retryOptions: { maxRetries: 0 },
    });
    const old = { eventType: 't', subject: 's', dataVersion: '1', data: {} };
    await expect(other.send([old])).rejects.toMatchObject({ statusCode: 400 });
    expect(eventGrid.published()).toEqual([]);
  });

  it('refuses what is larger than it takes', async () => {
    const large = { ...event, data: { text: 'x'.repeat(1 << 20) } };
    await expect(clientWith(key).send([large])).rejects.toMatchObject({ statusCode: 413 });
  });
});

describe('deliveries to a webhook', () => {
  type Seen = { method: string; headers: IncomingHttpHeaders; body: string };

  async function withWebhook(
    answer: (seen: Seen, count: number) => { status: number; headers?: Record<string, string>; body?: string },
    use: (url: string, seen: Seen[]) => Promise<void>,
  ): Promise<void> {
    const seen: Seen[] = [];
    const server = createServer((request, response) => {
      void text(request).then((body) => {
        const each = { method: request.method ?? '', headers: request.headers, body };
        seen.push(each);
        const { status, headers = {}, body: reply = '' } = answer(each, seen.length);
        response.writeHead(status, headers).end(reply);
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    try {
      await use(`http://127.0.0.1:${port}/hook`, seen);
    } finally {
      server.closeAllConnections();
      server.close();
    }
  }
  const call = async (path: string, body: unknown) => {
    const response = await fetch(`${eventGrid.url}${path}`, {
      method: 'POST',
      headers: { 'aeg-sas-key': key },
      body: JSON.stringify(body),
    });
    return { status: response.status, body: z.unknown().parse(await response.json()) };
  };
  const codeIn = (body: string): string =>
    z.array(z.object({ data: z.object({ validationCode: z.string() }) })).parse(JSON.parse(body))[0]?.data
      .validationCode ?? '';
  const agreeing = ({ headers, body }: Seen) =>
    headers['aeg-event-type'] === 'SubscriptionValidation'
      ? { status: 200, body: JSON.stringify({ validationResponse: codeIn(body) }) }
      : null;

  it('begin with a handshake: without its answer there is no subscription', async () => {
    await withWebhook(
      () => ({ status: 202 }),
      async (url) => {
        expect(await call('/subscriptions', { name: 'one', url })).toMatchObject({ status: 400 });
        expect(await call('/subscriptions/one/deliver', [{}])).toMatchObject({ status: 404 });
      },
    );
    await withWebhook(
      ({ method }) => ({ status: method === 'OPTIONS' ? 200 : 500, headers: { 'webhook-allowed-origin': '*' } }),
      async (url) =>
        expect(await call('/subscriptions', { name: 'two', url, schema: 'cloudEvents' })).toMatchObject({
          status: 201,
        }),
    );
  });

  it('are tried again with growing delays until they are taken', async () => {
    await withWebhook(
      (seen, count) => agreeing(seen) ?? { status: count < 5 ? 503 : 200 },
      async (url) => {
        await call('/subscriptions', { name: 'one', url, headers: { 'x-secret': 's' } });
        expect((await call('/subscriptions/one/deliver', [{ a: 1 }])).body).toMatchObject([
          { statuses: [503, 503, 503, 200], end: 'delivered' },
        ]);
        expect(clock.slept).toEqual([10_000, 30_000, 60_000]);
      },
    );
  });

  it.each([400, 401, 403, 413])('end with the first %d', async (status) => {
    await withWebhook(
      (seen) => agreeing(seen) ?? { status },
      async (url) => {
        await call('/subscriptions', { name: 'one', url });
        expect((await call('/subscriptions/one/deliver', [{}])).body).toMatchObject([
          { statuses: [status], end: 'deadLettered' },
        ]);
      },
    );
  });

  it('come in batches of the size that the subscription says', async () => {
    await withWebhook(
      (seen) => agreeing(seen) ?? { status: 200 },
      async (url, seen) => {
        await call('/subscriptions', { name: 'one', url, maxEventsPerBatch: 2, headers: { 'x-secret': 's' } });
        await call('/subscriptions/one/deliver', [1, 2, 3]);
        const deliveries = seen.slice(1);
        expect(deliveries.map(({ body }) => body).sort()).toEqual(['[1,2]', '[3]']);
        expect(deliveries[0]?.headers).toMatchObject({ 'x-secret': 's', 'aeg-event-type': 'Notification' });
      },
    );
  });
});
