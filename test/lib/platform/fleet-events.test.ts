import { AzureKeyCredential, EventGridPublisherClient } from '@azure/eventgrid';
import { type Clock } from '../../../lib/platform/clock';
import { type FleetEvent } from '../../../lib/platform/cloud-events';
import { type DocumentStore } from '../../../lib/platform/documents';
import { AppError } from '../../../lib/platform/errors';
import { createEventOutbox } from '../../../lib/platform/event-outbox';
import { createFleetEvents, type FleetEventsDeps, topicSender } from '../../../lib/platform/fleet-events';
import { createLogger } from '../../../lib/platform/logger';
import { type EventGrid, startEventGrid } from '../../../local/event-grid/start';
import { startTestDocuments, type TestDocuments } from '../../support/documents';

const key = 'topic-key';

describe('what the fleet publishes', () => {
  let eventGrid: EventGrid;
  let documents: TestDocuments;
  beforeEach(async () => {
    eventGrid = await startEventGrid({ port: 0, key });
    documents = await startTestDocuments();
    nowMs = Date.parse('2026-03-06T18:00:00Z');
    logged.splice(0);
  });
  afterEach(async () => {
    await eventGrid.stop();
    await documents.stop();
  });

  let nowMs = 0;
  const logged: string[] = [];
  /** Sleeping is waiting for a topic that does not answer: nobody does that unless a test says so. */
  const clock: Clock = { nowMs: () => nowMs, sleep: () => new Promise(() => undefined) };
  const publisher = (deps: Partial<FleetEventsDeps> = {}, store: Partial<DocumentStore> = {}) =>
    createFleetEvents({
      // The client of the app itself, which insists on TLS; over plain HTTP here.
      send: (events) =>
        new EventGridPublisherClient(eventGrid.topicEndpoint, 'CloudEvent', new AzureKeyCredential(key), {
          allowInsecureConnection: true,
          retryOptions: { maxRetries: 0 },
        }).send(events),
      outbox: createEventOutbox({ ...documents.store('seenEvents'), ...store }, { clock }),
      source: '/sqlfleet/test',
      clock,
      logger: createLogger((_level, line) => void logged.push(line)),
      ...deps,
    });
  const happening = (id: string): FleetEvent => ({
    id,
    type: 'Sqlfleet.Builds.Finished',
    subject: 'builds/1',
    data: { id },
  });
  const heard = (): string[] => eventGrid.published().map(({ id }) => id);

  it('is at the topic when publishing has ended', async () => {
    await publisher().publish(happening('one'));
    expect(eventGrid.published()).toMatchObject([
      { id: 'one', source: '/sqlfleet/test', type: 'Sqlfleet.Builds.Finished', time: '2026-03-06T18:00:00.000Z' },
    ]);
  });

  it('outlives the process while the topic is away, and is told when it is back, with the time when it happened', async () => {
    const before = publisher();
    eventGrid.faults.add({ status: 500, times: 1 });
    for (let index = 0; index < 250; index += 1) await before.publish(happening(`e${index}`));
    expect(heard()).toEqual([]);
    nowMs += 3_600_000;
    const after = publisher();
    await after.sendWaiting();
    expect(new Set(heard())).toEqual(new Set(Array.from({ length: 250 }, (_, index) => `e${index}`)));
    expect(new Set(eventGrid.published().map(({ time }) => time))).toEqual(new Set(['2026-03-06T18:00:00.000Z']));
    await after.sendWaiting();
    expect(heard()).toHaveLength(250);
  });

  it('goes on waiting while the topic stays away, and fails nobody', async () => {
    const events = publisher();
    eventGrid.faults.add({ status: 503, times: 3 });
    await events.publish(happening('one'));
    for (let attempt = 0; attempt < 2; attempt += 1) {
      nowMs += 60_000;
      await events.sendWaiting();
    }
    expect(heard()).toEqual([]);
    await events.sendWaiting();
    expect(heard()).toEqual(['one']);
  });

  it('is kept once, however often it is published', async () => {
    const events = publisher();
    eventGrid.faults.add({ status: 500, times: 1 });
    await events.publish(happening('one'));
    await events.publish(happening('one'));
    await events.sendWaiting();
    expect(heard()).toEqual(['one']);
  });

  it('is not held up by what the topic does not understand', async () => {
    const events = publisher();
    eventGrid.faults.add({ status: 500, times: 1 });
    for (const id of ['one', 'poison', 'two']) await events.publish(happening(id));
    // The batch is refused, and then one of the three by itself.
    eventGrid.faults.add({ status: 400, times: 2 });
    await events.sendWaiting();
    expect(heard()).toHaveLength(2);
    await events.sendWaiting();
    expect(heard()).toHaveLength(2);
    expect(logged.join()).toContain('an event was refused by the topic');
  });

  it('waits in memory, within bounds, while the outbox is away too', async () => {
    const away = new AppError('documents.unavailable', 'away', { status: 503, retry: { kind: 'backoff' } });
    const events = publisher({}, { create: () => Promise.reject(away), query: () => Promise.reject(away) });
    eventGrid.faults.add({ status: 500, times: 1 });
    for (let index = 0; index < 1_050; index += 1) await events.publish(happening(`e${index}`));
    nowMs += 60_000;
    await events.close();
    expect(heard()).toHaveLength(1_000);
    expect(heard()).not.toContain('e49');
  });

  it('does not wait for ever, and the next one does not wait again', async () => {
    let slept = 0;
    const impatient: Clock = { nowMs: () => nowMs, sleep: async () => void (slept += 1) };
    const stuck = publisher({ send: () => new Promise(() => undefined), clock: impatient });
    await stuck.publish(happening('one'));
    await stuck.publish(happening('two'));
    expect(slept).toBe(1);
    await publisher().sendWaiting();
    expect(new Set(heard())).toEqual(new Set(['one', 'two']));
  });

  it('goes out with the key, or with the identity of the app', () => {
    const credential = { getToken: () => Promise.reject(new Error('no identity here')) };
    expect(() => topicSender({ endpoint: eventGrid.topicEndpoint, key, credential })).not.toThrow();
    expect(() => topicSender({ endpoint: eventGrid.topicEndpoint, credential })).not.toThrow();
  });
});
