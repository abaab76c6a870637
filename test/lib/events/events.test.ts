import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import { type EventEffects } from '../../../lib/events/actions';
import {
  answerNudgeName,
  nudgeCapacityName,
  nudgeCapacityOrchestration,
  nudgeInputSchema,
} from '../../../lib/events/orchestrators/nudge-capacity';
import {
  actInputSchema,
  actOnEventName,
  handleEventId,
  handleEventName,
  handleEventOrchestration,
} from '../../../lib/events/orchestrators/handle-event';
import {
  startReceivedActivityName,
  startReceivedName,
  startReceivedOrchestration,
} from '../../../lib/events/orchestrators/start-received';
import { type Orchestrations } from '../../../lib/platform/durable';
import { createDurableEngine } from '../../../local/durable/engine';
import { invokerOf } from '../../local/durable/support';
import { startTestDocuments, type TestDocuments } from '../../support/documents';
import { away, ownIdentity, setUpEvents } from './capability';
import { asCloudEvent, blobEvent, resourceEvent, subscriptionTopic } from './samples';

/** The events capability with real decisions, real documents and the real orchestrators; what it starts is noted down. */
describe('an event', () => {
  let documents: TestDocuments;
  beforeAll(async () => void (documents = await startTestDocuments()));
  afterAll(() => documents.stop());

  const setUp = (configured: Partial<EventEffects> = {}) => setUpEvents(documents, configured);

  it('about a SQL server makes its region be looked at, once for all that come meanwhile', async () => {
    const { receive, work, nudges, outcomeOf, started } = await setUp();
    const first = resourceEvent();
    await receive(
      first,
      resourceEvent({
        operation: 'Microsoft.Sql/servers/databases/write',
        resource: 'Microsoft.Sql/servers/FLEET-1/databases/x',
      }),
    );
    await receive(resourceEvent({ happened: 'DeleteSuccess', operation: 'microsoft.sql/SERVERS/delete' }));
    await receive(resourceEvent({ happened: 'WriteFailure' }));
    expect(started).toHaveLength(4);
    await work();
    expect(started.map(({ name, instanceId }) => [name, instanceId])).toEqual([
      [nudgeCapacityName, 'nudge-westeurope'],
      [nudgeCapacityName, 'nudge-all'],
    ]);
    await work();
    expect(nudges).toEqual(['westeurope', null]);
    expect(await outcomeOf(first)).toMatchObject({
      state: 'handled',
      outcomes: [{ route: 'sql-servers', result: 'started', text: 'westeurope is looked at', started: ['capacity'] }],
    });
  });

  it('that this app caused itself starts nothing', async () => {
    const { receive, started, outcomeOf } = await setUp();
    const own = resourceEvent({ principalId: ownIdentity.toUpperCase() });
    expect(await receive(own)).toMatchObject([{ result: 'ignored' }]);
    expect(started).toEqual([]);
    expect(await outcomeOf(own)).toMatchObject({ state: 'ignored' });
  });

  it('about a Databricks workspace deploys the assets of its environment', async () => {
    const { receive, work, deployed, outcomeOf } = await setUp();
    const event = resourceEvent({
      operation: 'Microsoft.Databricks/workspaces/write',
      resource: 'Microsoft.Databricks/workspaces/dev',
    });
    await receive(asCloudEvent(event));
    await work();
    expect(deployed).toMatchObject([{ workspaceId: event.data.resourceUri }]);
    expect(await outcomeOf(asCloudEvent(event))).toMatchObject({
      outcomes: [{ started: ['workspaces/dev/deployments/d1'] }],
    });
  });

  it('that somebody would have to configure more for is recorded so', async () => {
    const { receive, work, outcomeOf } = await setUp({ nudgeCapacity: undefined, deployWorkspace: async () => null });
    const workspace = resourceEvent({
      operation: 'Microsoft.Databricks/workspaces/write',
      resource: 'Microsoft.Databricks/workspaces/dev',
    });
    const server = resourceEvent({ resource: 'Microsoft.Sql/servers/other' });
    await receive(workspace, server);
    await work();
    expect(await outcomeOf(workspace)).toMatchObject({ state: 'handled', outcomes: [{ result: 'notConfigured' }] });
    expect(await outcomeOf(server)).toMatchObject({
      outcomes: [{ result: 'notConfigured', text: 'not configured here: capacity' }],
    });
  });

  it('of a deployment starts the configured build, with what the deployment put out', async () => {
    const { receive, work, builds, uploads } = await setUp();
    uploads.set('base/retail.sbm', 'package');
    const deployment = {
      operation: 'Microsoft.Resources/deployments/write',
      resource: 'Microsoft.Resources/deployments/Platform-42',
    };
    await receive(
      resourceEvent(deployment),
      resourceEvent({ ...deployment, resource: 'Microsoft.Resources/deployments/other' }),
    );
    await work();
    expect(builds).toHaveLength(1);
    expect(builds[0]).toMatchObject({
      package: { name: 'retail.sbm' },
      options: { description: 'for retail' },
      requester: 'event:schema-of-new-servers',
    });
    expect(builds[0]?.targets.toString()).toBe('fleet-1.database.windows.net:a\nfleet-1.database.windows.net:b');
  });

  it.each([
    ['is gone', async () => null, 'nothingToDo', 'the deployment is gone'],
    ['put out something else', async () => ({ version: 1 }), 'failed', 'has no output "edition"; it has version'],
    ['put out a line too many', async () => ({ edition: 'a\nb', databases: [] }), 'failed', 'control characters'],
  ])('of a deployment that %s starts no build and says why', async (_what, deploymentOutputs, result, text) => {
    const { receive, work, builds, outcomeOf } = await setUp({ deploymentOutputs });
    const event = resourceEvent({
      operation: 'Microsoft.Resources/deployments/write',
      resource: `Microsoft.Resources/deployments/platform-${randomUUID()}`,
    });
    await receive(event);
    await work();
    expect(builds).toEqual([]);
    const [outcome] = (await outcomeOf(event)).outcomes;
    expect(outcome?.result).toBe(result);
    expect(outcome?.text).toContain(text);
  });

  describe('about a package', () => {
    const manifest = JSON.stringify({ targets: { blob: 'fleet.cfg' }, options: { trial: true } });

    it('starts the build that the manifest beside it describes: one, whichever of the two comes first', async () => {
      const { receive, work, builds, uploads, outcomeOf } = await setUp();
      const folder = randomUUID();
      uploads.set(`${folder}/Shop.sbm`, 'package').set('fleet.cfg', 'one:db');
      const early = blobEvent(`${folder}/Shop.sbm`);
      await receive(early);
      await work();
      expect((await outcomeOf(early)).outcomes).toMatchObject([
        { result: 'nothingToDo', text: `there is no ${folder}/Shop.sbm.build.json beside it` },
      ]);
      uploads.set(`${folder}/Shop.sbm.build.json`, manifest);
      await receive(
        blobEvent(`${folder}/Shop.sbm.build.json`),
        blobEvent(`${folder}/Shop.sbm`, { sequencer: 'F'.repeat(60) }),
      );
      await work();
      expect(builds).toHaveLength(1);
      expect(builds[0]).toMatchObject({
        package: { name: 'Shop.sbm' },
        options: { trial: true },
        requester: 'event:packages',
      });
      uploads.set(`${folder}/Shop.sbm`, 'another package');
      await receive(blobEvent(`${folder}/Shop.sbm`, { sequencer: 'FF'.repeat(60) }));
      await work();
      expect(builds).toHaveLength(2);
    });

    it('says what is wrong with a manifest, and with what it names', async () => {
      const { receive, work, uploads, outcomeOf } = await setUp();
      const folder = randomUUID();
      uploads.set(`${folder}/a.sbm`, 'p').set(`${folder}/a.sbm.build.json`, '{"target":"x"}');
      uploads.set(`${folder}/b.sbm`, 'p').set(`${folder}/b.sbm.build.json`, manifest);
      const [bad, lacking] = [blobEvent(`${folder}/a.sbm`), blobEvent(`${folder}/b.sbm`)];
      await receive(bad, lacking);
      await work();
      const ends = [await outcomeOf(bad), await outcomeOf(lacking)];
      expect(ends.map(({ state }) => state)).toEqual(['failed', 'failed']);
      expect(ends[0]?.outcomes[0]?.text).toContain('a.sbm.build.json is no manifest');
      expect(ends[1]?.outcomes[0]?.text).toContain('no blob "fleet.cfg"');
    });

    it('in another container starts nothing', async () => {
      const { receive } = await setUp();
      expect(await receive(blobEvent('a.sbm', { container: 'logs' }))).toMatchObject([{ result: 'ignored' }]);
    });
  });

  it('that is delivered again is acted on once, also by a process that was started since', async () => {
    const event = resourceEvent({ resource: `Microsoft.Sql/servers/${randomUUID()}` });
    const before = await setUp();
    await before.receive(event, event);
    await before.work();
    await before.work();
    const after = await setUp();
    const replayed = { ...event, topic: event.topic.toUpperCase() };
    expect(await after.receive(event, replayed)).toMatchObject([{ result: 'duplicate' }, { result: 'duplicate' }]);
    expect(after.started).toEqual([]);
    expect(before.nudges).toHaveLength(1);
  });

  it('that is older than one that was acted on is dropped, by time or by what orders the blob', async () => {
    const { receive, work, outcomeOf, nudges } = await setUp();
    const resource = `Microsoft.Sql/servers/${randomUUID()}`;
    const newer = resourceEvent({ resource, time: '2026-03-06T17:00:02Z', happened: 'DeleteSuccess' });
    const older = resourceEvent({ resource: resource.toUpperCase(), time: '2026-03-06T17:00:01Z' });
    await receive(newer);
    await work();
    await receive(older);
    await work();
    await work();
    expect(await outcomeOf(older)).toMatchObject({ state: 'outdated', outcomes: [] });
    expect(nudges).toEqual([null]);
    const blob = randomUUID();
    const second = blobEvent(blob, { sequencer: '00000000000010', time: '2026-03-06T17:00:00Z' });
    const first = blobEvent(blob, { sequencer: '9', time: '2026-03-06T17:59:00Z' });
    await receive(second);
    await work();
    await receive(first);
    await work();
    expect(await outcomeOf(first)).toMatchObject({ state: 'outdated' });
  });

  it('that cannot be used is kept once with its reason, without what names people', async () => {
    const { receive, services } = await setUp();
    const foreign = resourceEvent({ topic: `${subscriptionTopic}2` });
    const unknown = { ...resourceEvent(), eventType: 'Microsoft.Compute.Something' };
    const broken = { ...resourceEvent(), data: { claims: { upn: 'rita@example.com' } } };
    const receipts = await receive(foreign, foreign, unknown, broken, 'text', null, { specversion: '1.0' });
    expect(receipts.map((receipt) => 'code' in receipt && receipt.code)).toEqual([
      'events.topicNotAllowed',
      'events.topicNotAllowed',
      'events.typeNotAllowed',
      ...new Array<string>(4).fill('events.malformed'),
    ]);
    const { items } = await services.listRejected({ pageSize: 100, continuation: null });
    expect(items.filter(({ event }) => event.includes(foreign.id))).toHaveLength(1);
    expect(items.find(({ event }) => event.includes(broken.id))?.reason).toContain('operationName');
    expect(JSON.stringify(items)).not.toMatch(/rita|203\.0\.113/);
  });

  it('is not stored with what names people', async () => {
    const { receive } = await setUp();
    await receive(resourceEvent());
    const page = await documents
      .store('seenEvents')
      .query({ text: 'SELECT * FROM c' }, z.unknown(), { pageSize: 1_000 });
    expect(JSON.stringify(page.items)).not.toMatch(/rita|203\.0\.113|principalId/);
  });

  it('is not acknowledged when it could not be stored, and taken in when it comes again', async () => {
    const { receive, flags } = await setUp();
    const events = [resourceEvent(), resourceEvent()];
    flags.documents = false;
    await expect(receive(...events)).rejects.toMatchObject({ status: 503 });
    flags.documents = true;
    expect(await receive(...events)).toMatchObject([{ result: 'accepted' }, { result: 'accepted' }]);
  });

  it('that was acknowledged by a process which died before it started anything is started by the timer', async () => {
    const { receive, services, orchestrations, flags, started } = await setUp();
    const event = resourceEvent({ resource: `Microsoft.Sql/servers/${randomUUID()}` });
    flags.durable = false;
    expect(await receive(event)).toMatchObject([{ result: 'accepted' }]);
    await expect(services.resume(orchestrations)).resolves.toBeUndefined();
    flags.durable = true;
    await services.resume(orchestrations);
    const { id } = await services
      .list({ states: ['received'], pageSize: 1, continuation: null })
      .then(({ items }) => items[0] ?? { id: '' });
    expect(started.map(({ instanceId }) => instanceId)).toContain(handleEventId(id));
  });

  it('is started again by its second delivery when the first one died in between', async () => {
    const { receive, flags, started } = await setUp();
    const event = resourceEvent();
    flags.durable = false;
    await receive(event);
    flags.durable = true;
    expect(await receive(event)).toMatchObject([{ result: 'duplicate' }]);
    expect(started).toHaveLength(1);
  });

  it('routes are replaced only by somebody who has read them', async () => {
    const { services } = await setUp();
    const { etag } = await services.readRoutes();
    const by = { actor: 'ann', reason: 'none of it' };
    await expect(services.writeRoutes({ routes: [] }, '"old"', by)).rejects.toMatchObject({ status: 412 });
    await expect(services.writeRoutes({ routes: [] }, null, by)).rejects.toMatchObject({ status: 412 });
    await services.writeRoutes({ routes: [] }, etag, by);
    expect((await services.readRoutes()).routes).toEqual({ routes: [] });
  });

  describe('in the real orchestrations', () => {
    /** The orchestrators on the durable engine; time passes only while they wait. */
    async function orchestrated(configured: Partial<EventEffects>) {
      const parts = await setUp(configured);
      const { services, clock } = parts;
      const engine = createDurableEngine({
        taskHubName: 'test',
        journalPath: null,
        clock,
        newId: randomUUID,
        log: () => undefined,
        systemKey: 'key',
        options: { strictReplay: true },
      });
      const request = (path: string, body: unknown) =>
        engine.handle({
          method: body === null ? 'GET' : 'POST',
          url: `/durabletask/${path}`,
          headers: { host: 'localhost', 'content-type': 'application/json' },
          body: Buffer.from(body === null ? '' : JSON.stringify(body)),
        });
      const statusOf = async (id: string): Promise<string> => (await request(`instances/${id}`, null)).body.toString();
      const orchestrations: Orchestrations = {
        async start(name, id, input) {
          if (/"(Running|Pending)"/.test(await statusOf(id))) return;
          await request(`orchestrators/${name}/${id}`, input);
        },
        status: async () => ({ state: 'missing' }),
        wake: async () => undefined,
      };
      const activities = {
        [actOnEventName]: (input: unknown) => services.act(actInputSchema.parse(input), orchestrations),
        [startReceivedActivityName]: () => services.startReceived(orchestrations),
        [answerNudgeName]: (input: unknown) =>
          services.answerNudge(nudgeInputSchema.pick({ region: true }).parse(input), orchestrations),
      };
      const orchestrators = {
        [handleEventName]: handleEventOrchestration,
        [nudgeCapacityName]: nudgeCapacityOrchestration,
        [startReceivedName]: startReceivedOrchestration,
      };
      await engine.start(
        { orchestrators: Object.keys(orchestrators), activities: Object.keys(activities), entities: [] },
        invokerOf({ orchestrators, activities }),
      );
      const ended = async (id: string): Promise<void> => {
        while (!/"Completed"/.test(await statusOf(id))) await new Promise((resolve) => setTimeout(resolve, 5));
      };
      return { ...parts, engine, orchestrations, ended };
    }

    it('is tried again until what it needs is back', async () => {
      let failures = 3;
      const { services, orchestrations, ended, outcomeOf, engine, deployed } = await orchestrated({
        deployWorkspace: async () => {
          if ((failures -= 1) >= 0) throw away('workspaces');
          return { deployment: 'workspaces/dev/deployments/d2' };
        },
      });
      const event = resourceEvent({
        operation: 'Microsoft.Databricks/workspaces/write',
        resource: `Microsoft.Databricks/workspaces/${randomUUID()}`,
      });
      const [receipt] = await services.receive([event], orchestrations);
      await ended(handleEventId(receipt !== undefined && 'event' in receipt ? receipt.event : ''));
      expect(await outcomeOf(event)).toMatchObject({ state: 'handled', outcomes: [{ result: 'started' }] });
      expect(failures).toBe(-1);
      expect(deployed).toEqual([]);
      await engine.stop(1_000);
    });

    it('ends as failed when what it needs never comes back', async () => {
      const { services, orchestrations, ended, outcomeOf, engine } = await orchestrated({
        deployWorkspace: async () => {
          throw away('workspaces');
        },
      });
      const event = resourceEvent({
        operation: 'Microsoft.Databricks/workspaces/write',
        resource: `Microsoft.Databricks/workspaces/${randomUUID()}`,
      });
      const [receipt] = await services.receive([event], orchestrations);
      await ended(handleEventId(receipt !== undefined && 'event' in receipt ? receipt.event : ''));
      expect(await outcomeOf(event)).toMatchObject({ state: 'failed', outcomes: [{ text: 'workspaces is away' }] });
      await engine.stop(1_000);
    });

    it('looks at a region once for fifty events, and once more for what came during the look', async () => {
      const looks: number[] = [];
      const region = `region-${randomUUID()}`;
      const server = () => resourceEvent({ resource: `Microsoft.Sql/servers/${randomUUID()}` });
      const parts = await orchestrated({
        regionOfServer: async () => region,
        nudgeCapacity: async () => {
          looks.push(parts.clock.nowMs());
          // Its own event, or somebody's, while the region is being looked at.
          if (looks.length === 1) {
            const [receipt] = await parts.services.receive([server()], parts.orchestrations);
            await parts.ended(handleEventId(receipt !== undefined && 'event' in receipt ? receipt.event : ''));
          }
        },
      });
      const receipts = await parts.services.receive(Array.from({ length: 50 }, server), parts.orchestrations);
      for (const receipt of receipts) await parts.ended(handleEventId('event' in receipt ? receipt.event : ''));
      await parts.ended(`nudge-${region}`);
      expect(looks.length).toBeGreaterThanOrEqual(2);
      expect(looks.length).toBeLessThan(10);
      await parts.engine.stop(1_000);
    }, 60_000);
  });
});
