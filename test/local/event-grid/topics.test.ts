import { createServer } from 'node:http';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { z } from 'zod';
import topology from '../../../infra/topology.json';
import { blobEvent, resourceEvent } from '../../../local/event-grid/azure-events';
import { filterSchema, passes, type TopicEvent } from '../../../local/event-grid/filters';
import { type EventGrid, startEventGrid } from '../../../local/event-grid/start';

const subscription = '/subscriptions/00000000-0000-0000-0000-000000000001';
const server = `${subscription}/resourceGroups/fleet/providers/Microsoft.Sql/servers/one`;
const change = {
  id: 'change-1',
  timeMs: Date.parse('2026-03-06T17:00:00Z'),
  operationName: 'Microsoft.Sql/servers/write',
  resourceId: server,
  succeeded: true,
  correlationId: 'c',
  caller: { objectId: 'o', clientId: 'c', tenantId: 't' },
};
const upload = {
  container: 'packages',
  api: 'PutBlob' as const,
  blob: {
    ...{ name: 'a b/x.sql', version: 26, createdAtMs: 0, modifiedAtMs: 0, headers: {}, metadata: {} },
    chunks: [{ file: 'f', length: 7 }],
  },
};
const from = { topic: `${server}-account`, endpoint: 'http://127.0.0.1/account', id: 'blob-1' };

describe('what Azure tells', () => {
  it('of a change is what happened to which resource, and who did it', () => {
    expect(resourceEvent(change)).toMatchObject({
      ...{ id: 'change-1', topic: subscription, eventType: 'Microsoft.Resources.ResourceWriteSuccess' },
      subject: server.replace('resourceGroups', 'resourcegroups'),
      data: { operationName: 'Microsoft.Sql/servers/write', resourceUri: server, claims: { appid: 'c' } },
    });
    const failed = { ...change, operationName: 'Microsoft.Sql/servers/delete', succeeded: false, caller: null };
    expect(resourceEvent(failed).eventType).toBe('Microsoft.Resources.ResourceDeleteFailure');
  });

  it('of a blob is its name, and what orders its versions', () => {
    const event = blobEvent(upload, from);
    expect(event).toMatchObject({
      subject: '/blobServices/default/containers/packages/blobs/a b/x.sql',
      data: { url: 'http://127.0.0.1/account/packages/a%20b/x.sql', contentLength: 7 },
    });
    const later = blobEvent({ ...upload, blob: { ...upload.blob, version: 300 } }, from);
    expect(String(later.data.sequencer) > String(event.data.sequencer)).toBe(true);
  });
});

test.each<[string, TopicEvent, boolean]>([
  ['resources', resourceEvent(change), true],
  ['resources', resourceEvent({ ...change, operationName: 'microsoft.sql/SERVERS/databases/write' }), true],
  ['resources', resourceEvent({ ...change, operationName: 'Microsoft.Network/networkSecurityGroups/write' }), false],
  ['resources', blobEvent(upload, from), false],
  ['packages', blobEvent(upload, from), true],
  ['packages', blobEvent({ ...upload, container: 'logs' }, from), false],
  ['packages', resourceEvent(change), false],
])('the filter of %s lets through what it is for: %#', (name, event, fits) => {
  const filters = new Map<string, unknown>(Object.entries(topology.eventGrid.filters));
  expect(passes(filterSchema.parse(filters.get(name)), event)).toBe(fits);
});

describe('what a topic tells', () => {
  const folder = mkdtempSync(join(tmpdir(), 'sqlfleet-event-grid-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const start = (): Promise<EventGrid> => startEventGrid({ port: 0, key: 'k', haste: 10_000, stateFolder: folder });
  const codes = z.array(z.object({ data: z.object({ validationCode: z.string() }) }));
  const idsOf = z.array(z.object({ id: z.string() }));
  /** Answers the handshake, and deliveries as it is told. */
  async function withWebhook(
    status: (ids: string[]) => number,
    use: (url: string, delivered: string[]) => Promise<void>,
  ): Promise<void> {
    const delivered: string[] = [];
    const webhook = createServer((request, response) => {
      void text(request).then((body) => {
        if (request.headers['aeg-event-type'] === 'SubscriptionValidation') {
          const code = codes.parse(JSON.parse(body))[0]?.data.validationCode;
          return response.writeHead(200).end(JSON.stringify({ validationResponse: code }));
        }
        const ids = idsOf.parse(JSON.parse(body)).map(({ id }) => id);
        delivered.push(...ids);
        return response.writeHead(status(ids)).end();
      });
    });
    await new Promise<void>((resolve) => webhook.listen(0, '127.0.0.1', resolve));
    const address = webhook.address();
    try {
      await use(`http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}/`, delivered);
    } finally {
      webhook.closeAllConnections();
      webhook.close();
    }
  }
  const until = async (holds: () => boolean): Promise<void> => {
    while (!holds()) await new Promise((resolve) => setTimeout(resolve, 5));
  };
  const subscribe = (eventGrid: EventGrid, url: string): Promise<boolean> =>
    eventGrid.subscribe({
      name: 'resources',
      url,
      topic: subscription.toUpperCase(),
      filter: { subjectBeginsWith: '/SUB' },
    });

  it('reaches who subscribed to it, again until it is taken, and after a restart', async () => {
    let answer = 503;
    await withWebhook(
      () => answer,
      async (url, delivered) => {
        const before = await start();
        expect(await subscribe(before, url)).toBe(true);
        before.emit(resourceEvent(change));
        before.emit({ ...resourceEvent(change), topic: '/subscriptions/other' });
        before.emit(blobEvent(upload, from));
        await until(() => delivered.length >= 2);
        await before.stop();
        expect(before.counters()).toMatchObject({ pending: 1, deadLetters: 0 });
        answer = 200;
        const after = await start();
        await subscribe(after, url);
        await until(() => after.counters().pending === 0);
        expect(new Set(delivered)).toEqual(new Set(['change-1']));
        await after.stop();
      },
    );
  });

  it.each([
    [400, 'UndeliverableDueToClientError', 1],
    [404, 'MaxDeliveryAttemptsExceeded', 10],
  ] as const)(
    'and is answered with %d ends as a dead letter',
    async (answer, reason, attempts) => {
      await withWebhook(
        () => answer,
        async (url) => {
          const eventGrid = await start();
          await subscribe(eventGrid, url);
          const before = eventGrid.deadLetters().length;
          eventGrid.emit({ ...resourceEvent(change), id: `answered-${answer}` });
          await until(() => eventGrid.deadLetters().length > before);
          await eventGrid.stop();
          const again = await start();
          expect(again.deadLetters().at(-1)).toMatchObject({
            event: { id: `answered-${answer}` },
            ...{ deadLetterReason: reason, deliveryAttempts: attempts, lastHttpStatusCode: answer },
          });
          await again.stop();
        },
      );
    },
    60_000,
  );
});
