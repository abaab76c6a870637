import { BlobServiceClient } from '@azure/storage-blob';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { eventViewSchema, rejectedViewSchema } from '../../lib/events/schema';
import { type Endpoints } from '../../local/launcher/endpoints';
import { type ApiClient } from '../api-client';
import { asCloudEvent, blobEvent, createAzurePlayer, resourceEvent, type Receipt } from './azure-player';

export interface EventsDemoDeps {
  endpoints: Endpoints;
  api: ApiClient;
  say: (text: string) => void;
}

type EventView = z.infer<typeof eventViewSchema>;
const patienceMs = 120_000;
const lookEveryMs = 200;
const rejectedPageSchema = z.object({ items: z.array(rejectedViewSchema) });
const buildsPageSchema = z.object({ items: z.array(z.object({ id: z.string(), name: z.string() })) });

/** Plays Azure: delivers events of every kind to the running app, and looks at what each started. Throws where it is not as said. */
export function createEventsDemo({ endpoints, api, say }: EventsDemoDeps) {
  const azure = createAzurePlayer(endpoints);
  const uploads = BlobServiceClient.fromConnectionString(endpoints.blob.connectionString).getContainerClient(
    'packages',
  );
  const upload = async (name: string, content: string): Promise<void> => {
    await uploads.getBlockBlobClient(name).upload(content, Buffer.byteLength(content));
  };
  const get = async <T>(path: string, schema: z.ZodType<T>): Promise<T> => {
    const response = await fetch(`${endpoints.http.baseUrl}/api/${path}`, {
      headers: { 'x-functions-key': endpoints.http.functionKey },
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`GET ${path} answered ${response.status}: ${text}`);
    return schema.parse(JSON.parse(text));
  };
  const expect = (what: string, actual: unknown, expected: unknown): void => {
    const [is, wanted] = [JSON.stringify(actual), JSON.stringify(expected)];
    if (is !== wanted) throw new Error(`${what}: ${is} instead of ${wanted}`);
  };
  const until = async <T>(what: string, look: () => Promise<T | null>): Promise<T> => {
    for (const deadlineMs = Date.now() + patienceMs; Date.now() < deadlineMs; await delay(lookEveryMs)) {
      const found = await look();
      if (found !== null) return found;
    }
    throw new Error(`${what} did not happen within ${patienceMs / 1_000} s`);
  };
  const settled = (receipt: Receipt | undefined): Promise<EventView> =>
    until('the end of an event', async () => {
      const event = await get(`events/received/${receipt?.event ?? ''}`, eventViewSchema);
      return event.state === 'received' ? null : event;
    });
  const show = (event: EventView): void => {
    const name = `${event.type.replace('Microsoft.', '')}  ${event.essence.kind === 'blob' ? event.essence.blob : event.essence.operation}`;
    say(`   ${name}\n     -> ${event.state}`);
    for (const { route, result, text, started } of event.outcomes)
      say(`        ${route}: ${result}, ${text}${started.length === 0 ? '' : ` (${started.join(', ')})`}`);
  };
  const resultsOf = (receipts: readonly Receipt[]): string[] => receipts.map(({ result }) => result);
  const buildOf = (event: EventView): string =>
    event.outcomes.flatMap(({ started }) => started)[0]?.replace('builds/', '') ?? '';
  const ended = (id: string) =>
    until('the end of a build', async () => {
      const build = await api.getBuild(id);
      return ['succeeded', 'finishedWithFailures', 'failed'].includes(build.state) ? build : null;
    });
  const targets = endpoints.sql.flatMap(({ server, databases }) => databases.map((name) => `${server}:${name}`));

  return {
    async run(): Promise<void> {
      say('\n1. Two subscriptions, each with the handshake of its schema; and one of a topic that nobody expects:');
      expect('Event Grid schema', await azure.subscribe('blobs', { schema: 'eventGrid', maxEventsPerBatch: 10 }), true);
      expect(
        'CloudEvents 1.0',
        await azure.subscribe('resources', { schema: 'cloudEvents', maxEventsPerBatch: 10 }),
        true,
      );
      const foreign = { schema: 'eventGrid' as const, maxEventsPerBatch: 1, topic: '/subscriptions/somebody-else' };
      expect('a foreign topic', await azure.subscribe('foreign', foreign), false);
      say('   agreed, agreed, refused');

      say('\n2. A package lands, then its manifest. Two events, in whichever order: one build:');
      await upload('fleet.cfg', `${targets.join('\n')}\n`);
      await upload(
        'release/001-notes.sql',
        'CREATE TABLE dbo.ReleaseNote (Id int NOT NULL PRIMARY KEY, Body nvarchar(200) NOT NULL);\n',
      );
      const landed = blobEvent('release/001-notes.sql');
      const alone = await settled((await azure.deliver('blobs', [landed])).receipts[0]);
      show(alone);
      expect('what it started without a manifest', alone.outcomes[0]?.result, 'nothingToDo');
      await upload(
        'release/001-notes.sql.build.json',
        JSON.stringify({ targets: { blob: 'fleet.cfg' }, options: { name: 'release notes' } }),
      );
      const described = blobEvent('release/001-notes.sql.build.json');
      const { receipts } = await azure.deliver('blobs', [described, blobEvent('release/001-notes.sql')]);
      const pair = [await settled(receipts[0]), await settled(receipts[1])];
      pair.forEach(show);
      const buildId = buildOf(pair[0] ?? alone);
      expect('builds of the two events', new Set(pair.map(buildOf)).size, 1);
      const build = await ended(buildId);
      expect('committed', build.counts.committed, targets.length);
      say(`   build ${buildId}: ${build.state}, committed in ${build.counts.committed} databases`);

      say('\n3. The same deliveries again, three times, as Event Grid may:');
      for (let replay = 0; replay < 3; replay += 1) {
        expect('a replay', resultsOf((await azure.deliver('blobs', [landed, described])).receipts), [
          'duplicate',
          'duplicate',
        ]);
      }
      expect('builds', (await get('builds', buildsPageSchema)).items.length, 1);
      say('   all of them duplicates; there is still one build');

      say('\n4. Somebody makes a SQL server, a database in it, and a Databricks workspace, as a batch of CloudEvents:');
      const happenings = [
        resourceEvent({ resource: 'Microsoft.Sql/servers/by-hand', operation: 'Microsoft.Sql/servers/write' }),
        resourceEvent({
          resource: 'Microsoft.Sql/servers/by-hand/databases/one',
          operation: 'microsoft.sql/SERVERS/databases/write',
        }),
        resourceEvent({
          resource: 'Microsoft.Sql/servers/gone',
          operation: 'Microsoft.Sql/servers/delete',
          happened: 'DeleteSuccess',
        }),
        resourceEvent({
          resource: 'Microsoft.Databricks/workspaces/dev',
          operation: 'Microsoft.Databricks/workspaces/write',
        }),
        resourceEvent({
          resource: 'Microsoft.Network/virtualNetworks/x',
          operation: 'Microsoft.Network/virtualNetworks/write',
        }),
      ].map(asCloudEvent);
      const taken = (await azure.deliver('resources', happenings)).receipts;
      expect('what was taken in', resultsOf(taken), ['accepted', 'accepted', 'accepted', 'accepted', 'ignored']);
      for (const receipt of taken) {
        const event = await settled(receipt);
        show(event);
        const fits = event.outcomes.every(({ result }) => result === 'started' || result === 'notConfigured');
        expect('how it ended', [event.state === 'handled' || event.state === 'ignored', fits], [true, true]);
      }

      say(
        '\n5. A deployment of the platform fails. A route for it, written through the API, starts a build of its own:',
      );
      await upload('cleanup.sql', 'UPDATE dbo.ReleaseNote SET Body = Body WHERE 1 = 0;\n');
      await this.addRoute();
      const failed = resourceEvent({
        resource: 'Microsoft.Resources/deployments/platform-42',
        operation: 'Microsoft.Resources/deployments/write',
        happened: 'WriteFailure',
      });
      const hook = await settled((await azure.deliver('resources', [asCloudEvent(failed)])).receipts[0]);
      show(hook);
      expect('what it started', hook.outcomes[0]?.result, 'started');
      expect('the build', (await ended(buildOf(hook))).counts.committed, targets.length);

      say('\n6. News that is older than what is known already comes late:');
      const late = resourceEvent({
        resource: 'Microsoft.Sql/servers/by-hand',
        operation: 'Microsoft.Sql/servers/write',
        time: '2020-01-01T00:00:00Z',
      });
      const outdated = await settled((await azure.deliver('resources', [asCloudEvent(late)])).receipts[0]);
      show(outdated);
      expect('its state', outdated.state, 'outdated');

      say('\n7. What is forged, broken or too large:');
      const event = JSON.stringify([
        resourceEvent({ resource: 'Microsoft.Sql/servers/x', operation: 'Microsoft.Sql/servers/write' }),
      ]);
      const forgedValidation = JSON.stringify([
        { topic: '/subscriptions/evil', data: { validationCode: 'c', validationUrl: 'http://169.254.169.254/' } },
      ]);
      const tries: [string, string, Record<string, string>, number][] = [
        ['without a key', event, {}, 401],
        ['with a wrong key', event, { 'x-sqlfleet-event-key': `${azure.headers['x-sqlfleet-event-key']}x` }, 401],
        ['a forged validation', forgedValidation, { 'aeg-event-type': 'SubscriptionValidation' }, 403],
        ['no JSON', '[{', azure.headers, 400],
        ['5,001 events', JSON.stringify(new Array(5_001).fill({})), azure.headers, 413],
        ['2 MB', JSON.stringify(['x'.repeat(2_000_000)]), azure.headers, 413],
      ];
      for (const [what, body, headers, status] of tries) {
        const answer = await azure.post(body, headers);
        say(`   ${what}: ${answer.status} ${answer.code}`);
        expect(what, answer.status, status);
      }
      const poison = [
        asCloudEvent(
          resourceEvent({ resource: 'Microsoft.Sql/servers/x', operation: 'x', topic: '/subscriptions/other' }),
        ),
        { specversion: '1.0', id: 'poison' },
      ];
      expect('poison', resultsOf((await azure.deliver('resources', poison)).receipts), ['rejected', 'rejected']);
      const { items } = await get('events/rejected', rejectedPageSchema);
      expect('kept', items.length, 2);
      for (const { code, reason } of items) say(`   kept as rejected: ${code}, ${reason}`);

      say('\n8. Cosmos DB is away for a moment. Nothing is acknowledged that was not stored; Event Grid comes again:');
      await azure.setFaults('documents', [{ method: 'POST', path: 'seenEvents', status: 503, times: 8 }]);
      const during = resourceEvent({
        resource: 'Microsoft.Sql/servers/outage',
        operation: 'Microsoft.Sql/servers/write',
      });
      const delivery = await azure.deliver('resources', [asCloudEvent(during)]);
      await azure.setFaults('documents', []);
      say(`   answers: ${delivery.statuses.join(', ')}; then it was ${delivery.receipts[0]?.result ?? 'lost'}`);
      expect('the first answer and the end', [delivery.statuses[0], delivery.end], [503, 'delivered']);
      await settled(delivery.receipts[0]);

      say('\n9. What others hear of it, from the topic that the app publishes to:');
      const published = await until('the published events', async () => {
        const events = await azure.published();
        return events.filter(({ type }) => type === 'Sqlfleet.Builds.Finished').length >= 2 ? events : null;
      });
      for (const { type, subject = '' } of published) say(`   ${type}  ${subject}`);
    },

    /** Adds a route to those that there are, as a person would. */
    async addRoute(): Promise<void> {
      const url = `${endpoints.http.baseUrl}/api/event-routes`;
      const headers = { 'x-functions-key': endpoints.http.functionKey, 'content-type': 'application/json' };
      const { routes } = z.object({ routes: z.array(z.unknown()) }).parse(await (await fetch(url, { headers })).json());
      const route = {
        name: 'platform-failed',
        when: {
          types: ['Microsoft.Resources.ResourceWriteFailure'],
          operation: 'Microsoft.Resources/deployments/write',
          subject: '*/platform-*',
        },
        action: {
          kind: 'startBuild',
          build: { package: { blob: 'cleanup.sql' }, targets: { blob: 'fleet.cfg' }, options: { name: 'clean up' } },
        },
      };
      const body = JSON.stringify({ routes: [...routes, route], actor: 'demo', reason: 'clean up after the platform' });
      const response = await fetch(url, { method: 'PUT', headers, body });
      expect('writing the routes', response.status, 200);
    },
  };
}
