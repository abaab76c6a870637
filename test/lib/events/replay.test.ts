import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import { startReceivedId } from '../../../lib/events/orchestrators/start-received';
import { startTestDocuments, type TestDocuments } from '../../support/documents';
import { setUpEvents } from './capability';
import { blobEvent, resourceEvent, subscriptionTopic } from './samples';

describe('an event that is sent again by a person', () => {
  let documents: TestDocuments;
  beforeEach(async () => void (documents = await startTestDocuments()));
  afterEach(() => documents.stop());

  const by = { actor: 'ann', reason: 'the list of targets is there now' };
  const auditOf = async (subject: string): Promise<unknown[]> =>
    (
      await documents.store('audit').query({ text: 'SELECT * FROM c' }, z.looseObject({ subject: z.string() }), {
        pageSize: 100,
      })
    ).items.filter((each) => each.subject === subject);

  it('does what it could not do, and what it started already it does not start twice', async () => {
    const { services, receive, work, uploads, builds, outcomeOf, orchestrations } = await setUpEvents(documents);
    uploads.set('a.sbm', 'package').set('a.sbm.build.json', '{"targets":{"blob":"fleet.cfg"}}');
    const event = blobEvent('a.sbm');
    await receive(event);
    await work();
    const failed = await outcomeOf(event);
    expect(failed).toMatchObject({ state: 'failed', outcomes: [{ result: 'failed' }] });
    uploads.set('fleet.cfg', 'one:db');
    expect(await services.replay(failed.id, by, orchestrations)).toMatchObject({ state: 'received', outcomes: [] });
    await work();
    expect(await outcomeOf(event)).toMatchObject({ state: 'handled', outcomes: [{ result: 'started' }] });
    await services.replay(failed.id, by, orchestrations);
    await work();
    expect(await outcomeOf(event)).toMatchObject({ state: 'handled', outcomes: [{ result: 'nothingToDo' }] });
    expect(builds).toHaveLength(1);
    expect(await auditOf(`events/${failed.id}`)).toMatchObject([
      { action: 'replay', ...by, details: { was: 'failed' } },
      { action: 'replay', ...by, details: { was: 'handled' } },
    ]);
  });

  it('is acted on by the routes of now, and whatever newer came meanwhile', async () => {
    const { services, receive, work, nudges, outcomeOf, orchestrations } = await setUpEvents(documents);
    const unrouted = resourceEvent({ happened: 'ActionSuccess' });
    const newer = resourceEvent({ time: '2026-03-06T17:30:00Z' });
    const older = resourceEvent({ time: '2026-03-06T17:00:00Z' });
    await receive(newer, unrouted);
    await work();
    await receive(older);
    await work();
    await work();
    const before = nudges.length;
    expect([(await outcomeOf(older)).state, (await outcomeOf(unrouted)).state]).toEqual(['outdated', 'ignored']);
    const { routes, etag } = await services.readRoutes();
    const [route] = routes.routes;
    if (route === undefined) throw new Error('there are no routes');
    const wider = { routes: [{ ...route, when: { ...route.when, types: ['Microsoft.Resources.*'] } }] };
    await services.writeRoutes(wider, etag, by);
    for (const event of [older, unrouted]) {
      await services.replay((await outcomeOf(event)).id, by, orchestrations);
      await work();
      expect(await outcomeOf(event)).toMatchObject({ state: 'handled', outcomes: [{ result: 'started' }] });
    }
    await work();
    expect(nudges.length).toBeGreaterThan(before);
    await services.writeRoutes({ routes: [] }, (await services.readRoutes()).etag, by);
    await services.replay((await outcomeOf(older)).id, by, orchestrations);
    await work();
    expect(await outcomeOf(older)).toMatchObject({ state: 'ignored', outcomes: [] });
  });

  it('was rejected before: it is taken in once what was wrong is corrected', async () => {
    const { services, receive, outcomeOf } = await setUpEvents(documents, {}, { topics: ['/subscriptions/another'] });
    const event = resourceEvent({ topic: `${subscriptionTopic}/resourceGroups/new` });
    expect(await receive(event)).toMatchObject([{ code: 'events.topicNotAllowed' }]);
    const [rejected] = (await services.listRejected({ pageSize: 10, continuation: null })).items;
    const id = rejected?.id ?? '';
    const still = await setUpEvents(documents, {}, { topics: ['/subscriptions/another'] });
    expect(await still.services.replayRejected(id, by, still.orchestrations)).toMatchObject({ result: 'rejected' });
    const after = await setUpEvents(documents);
    expect(await after.services.replayRejected(id, by, after.orchestrations)).toMatchObject({ result: 'accepted' });
    expect(await after.services.replayRejected(id, by, after.orchestrations)).toMatchObject({ result: 'duplicate' });
    const accepted = await outcomeOf(event).catch(() => after.outcomeOf(event));
    const [now, ...more] = (await after.services.listRejected({ pageSize: 10, continuation: null })).items;
    expect([now?.replayedAs, more]).toEqual([accepted.id, []]);
  });

  it('is refused where there is none, and where only a part of it was kept', async () => {
    const { services, receive, orchestrations } = await setUpEvents(documents);
    await receive({ id: 'x'.repeat(70_000) });
    const [rejected] = (await services.listRejected({ pageSize: 10, continuation: null })).items;
    await expect(services.replayRejected(rejected?.id ?? '', by, orchestrations)).rejects.toMatchObject({
      status: 409,
    });
    for (const id of ['', '../x', 'nudge-*', randomUUID(), '0'.repeat(64), `rejected-${'0'.repeat(64)}`]) {
      await expect(services.replay(id, by, orchestrations)).rejects.toMatchObject({ status: 404 });
      await expect(services.replayRejected(id, by, orchestrations)).rejects.toMatchObject({ status: 404 });
    }
  });
});

describe('a delivery', () => {
  let documents: TestDocuments;
  beforeAll(async () => void (documents = await startTestDocuments()));
  afterAll(() => documents.stop());

  it('with nesting without end harms no event beside it', async () => {
    const { receive, started } = await setUpEvents(documents);
    const deep: unknown = JSON.parse(`${'['.repeat(100_000)}${']'.repeat(100_000)}`);
    const good = resourceEvent();
    expect(await receive(deep, good, { ...resourceEvent(), data: deep })).toMatchObject([
      { result: 'rejected' },
      { result: 'accepted' },
      { result: 'rejected' },
    ]);
    expect(started).toHaveLength(1);
  });

  it('in which an id comes back with something else keeps the other as rejected; of another topic it is another', async () => {
    const { receive } = await setUpEvents(documents);
    const first = resourceEvent({ id: 'same' });
    const forged = resourceEvent({ id: 'same', resource: 'Microsoft.Sql/servers/other' });
    const elsewhere = resourceEvent({ id: 'same', topic: `${subscriptionTopic}/resourceGroups/x` });
    await receive(first);
    expect(await receive(forged, first, elsewhere)).toMatchObject([
      { result: 'rejected', code: 'events.idReused' },
      { result: 'duplicate' },
      { result: 'accepted' },
    ]);
  });

  it('comes again while no topic is set up: nobody could have meant that it is lost', async () => {
    const { receive, services } = await setUpEvents(documents, {}, { topics: [] });
    await expect(receive(resourceEvent())).rejects.toMatchObject({ status: 503, code: 'events.noTopics' });
    const { items } = await services.listRejected({ pageSize: 10, continuation: null });
    expect(items.filter(({ code }) => code === 'events.topicNotAllowed')).toEqual([]);
  });

  it('that is large is acknowledged when it is stored; one orchestration starts the rest', async () => {
    const { receive, started, services, orchestrations } = await setUpEvents(documents);
    const events = Array.from({ length: 300 }, (_, index) =>
      resourceEvent({ resource: `Microsoft.Sql/servers/many-${index}` }),
    );
    const receipts = await receive(...events);
    expect(new Set(receipts.map(({ result }) => result))).toEqual(new Set(['accepted']));
    expect(started.splice(0).map(({ instanceId }) => instanceId)).toEqual([startReceivedId]);
    await services.startReceived(orchestrations);
    const keys = receipts.flatMap((receipt) => ('event' in receipt ? [`event-${receipt.event}`] : []));
    expect(started.map(({ instanceId }) => instanceId)).toEqual(expect.arrayContaining(keys));
  });

  it('from a clock that is ahead makes nothing look old that comes after it', async () => {
    const { receive, work, outcomeOf } = await setUpEvents(documents);
    const resource = `Microsoft.Sql/servers/${randomUUID()}`;
    await receive(resourceEvent({ resource, time: '9999-12-31T23:59:59Z' }));
    await work();
    const real = resourceEvent({ resource, time: '2026-03-06T18:00:00Z' });
    await receive(real);
    await work();
    expect(await outcomeOf(real)).toMatchObject({ state: 'handled' });
  });
});
