import { BlobServiceClient } from '@azure/storage-blob';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { eventViewSchema, rejectedViewSchema } from '../../lib/events/schema';
import { type Endpoints } from '../../local/launcher/endpoints';
import { type ApiClient } from '../api-client';
import { azureAs, group } from './azure-user';
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
const eventsPageSchema = z.object({ items: z.array(eventViewSchema) });
const buildsPageSchema = z.object({ items: z.array(z.object({ id: z.string(), name: z.string() })) });

const serverVersion = '2023-08-01';
const serverBody = {
  location: 'westeurope',
  properties: {
    administrators: {
      ...{ administratorType: 'ActiveDirectory', principalType: 'Group', login: 'admins' },
      ...{ sid: '11111111-1111-1111-1111-111111111111', azureADOnlyAuthentication: true },
    },
  },
};

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
  const send = async (method: string, path: string, body: object): Promise<number> => {
    const headers = { 'x-functions-key': endpoints.http.functionKey, 'content-type': 'application/json' };
    const url = `${endpoints.http.baseUrl}/api/${path}`;
    return (await fetch(url, { method, headers, body: JSON.stringify(body) })).status;
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
  /** What Azure itself told about a subject, once it was acted on. */
  const told = (subject: string): Promise<EventView> =>
    until(`an event about ${subject}`, async () => {
      const { items } = await get('events', eventsPageSchema);
      return items.find((event) => event.subject.endsWith(subject) && event.state !== 'received') ?? null;
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

      say(
        '\n2. A package lands in the storage account, then its manifest. Azure tells of both; together they are one build:',
      );
      await upload('fleet.cfg', `${targets.join('\n')}\n`);
      await upload(
        'release/001-notes.sql',
        'CREATE TABLE dbo.ReleaseNote (Id int NOT NULL PRIMARY KEY, Body nvarchar(200) NOT NULL);\n',
      );
      const alone = await told('blobs/release/001-notes.sql');
      show(alone);
      expect('what it started without a manifest', alone.outcomes[0]?.result, 'nothingToDo');
      await upload(
        'release/001-notes.sql.build.json',
        JSON.stringify({ targets: { blob: 'fleet.cfg' }, options: { name: 'release notes' } }),
      );
      const described = await told('blobs/release/001-notes.sql.build.json');
      show(described);
      const buildId = buildOf(described);
      const build = await ended(buildId);
      expect('committed', build.counts.committed, targets.length);
      say(`   build ${buildId}: ${build.state}, committed in ${build.counts.committed} databases`);

      say(
        '\n3. Azure tells of the package once more, and Event Grid delivers that event three times again, as it may:',
      );
      const landed = blobEvent('release/001-notes.sql');
      const once = await settled((await azure.deliver('blobs', [landed])).receipts[0]);
      show(once);
      for (let replay = 0; replay < 3; replay += 1) {
        expect('a replay', resultsOf((await azure.deliver('blobs', [landed])).receipts), ['duplicate']);
      }
      expect('builds', (await get('builds', buildsPageSchema)).items.length, 1);
      say('   the others were duplicates; there is still one build');

      say('\n4. Somebody makes a SQL server through Azure Resource Manager, and so does the app itself:');
      const server = (name: string): string => `${group}/providers/Microsoft.Sql/servers/${name}`;
      await azureAs(endpoints, 'somebody').put(server('by-hand'), serverVersion, serverBody);
      await azureAs(endpoints, 'the app').put(server('by-the-app'), serverVersion, serverBody);
      const byHand = await told('servers/by-hand');
      const byTheApp = await told('servers/by-the-app');
      [byHand, byTheApp].forEach(show);
      expect('what the two started', [byHand.state, byTheApp.state], ['handled', 'ignored']);
      say('   And a batch of CloudEvents: a database in it, a server that goes, a Databricks workspace, a network:');
      const happenings = [
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
      expect('what was taken in', resultsOf(taken), ['accepted', 'accepted', 'accepted', 'ignored']);
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

      say('\n7. A manifest names a file that is not there. It is uploaded, and the event is sent again by hand:');
      await upload('late.sql', 'UPDATE dbo.ReleaseNote SET Body = Body WHERE 1 = 0;\n');
      await upload('late.sql.build.json', JSON.stringify({ targets: { blob: 'late.cfg' }, options: { name: 'late' } }));
      const unlucky = await told('blobs/late.sql.build.json');
      show(unlucky);
      expect('its state', unlucky.state, 'failed');
      await upload('late.cfg', `${targets.join('\n')}\n`);
      const path = `events/received/${unlucky.id}/replay`;
      expect('sending it again', await send('POST', path, { actor: 'demo', reason: 'late.cfg is there now' }), 202);
      const lucky = await told('blobs/late.sql.build.json');
      show(lucky);
      expect('what it started', lucky.outcomes[0]?.result, 'started');
      await ended(buildOf(lucky));

      say('\n8. What is forged, broken or too large:');
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

      say('\n9. Cosmos DB is away for a moment. Nothing is acknowledged that was not stored; Event Grid comes again:');
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

      say('\n10. What others hear of it, from the topic that the app publishes to:');
      const published = await until('the published events', async () => {
        const events = await azure.published();
        return events.filter(({ type }) => type === 'Sqlfleet.Builds.Finished').length >= 3 ? events : null;
      });
      for (const { type, subject = '' } of published) say(`   ${type}  ${subject}`);
    },

    /** Adds a route to those that there are, as a person would. */
    async addRoute(): Promise<void> {
      const { routes } = await get('event-routes', z.object({ routes: z.array(z.unknown()) }));
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
      const body = { routes: [...routes, route], actor: 'demo', reason: 'clean up after the platform' };
      expect('writing the routes', await send('PUT', 'event-routes', body), 200);
    },
  };
}
