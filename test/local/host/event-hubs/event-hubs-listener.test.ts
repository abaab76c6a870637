import { setTimeout as delay } from 'node:timers/promises';
import { type InvocationContext } from '@azure/functions';
import { EventHubProducerClient } from '@azure/event-hubs';
import { systemClock } from '../../../../lib/platform/clock';
import { startBroker, type Broker } from '../../../../local/broker/broker';
import { type FunctionApp } from '../../../../local/host/app/core-module';
import { registerApp, startSampleHost, until, type SampleHost } from '../sample-host';

let broker: Broker;
let sample: SampleHost | undefined;

beforeEach(async () => {
  broker = await startBroker({
    port: 0,
    clock: systemClock,
    key: { name: 'RootManageSharedAccessKey', value: 'a2V5' },
    topology: { eventHubs: [{ name: 'progress', partitionCount: 2 }] },
  });
});
afterEach(async () => {
  await sample?.close();
  sample = undefined;
  await broker.stop();
});

const hubApp = (
  handler: (events: unknown, context: InvocationContext) => unknown,
  cardinality: 'one' | 'many',
): Promise<FunctionApp> =>
  registerApp(({ app }) =>
    app.eventHub('follow', {
      connection: 'Hub',
      eventHubName: 'progress',
      cardinality,
      handler: async (events, context) => void (await handler(events, context)),
    }),
  );
const start = async (app: FunctionApp, eventHubs: object = {}): Promise<SampleHost> => {
  const settings = { Hub: broker.eventHubsConnectionString };
  sample = await startSampleHost(app, { extensions: { eventHubs } }, { settings });
  return sample;
};
const send = async (bodies: unknown[], partitionId = '0'): Promise<void> => {
  const producer = new EventHubProducerClient(broker.eventHubsConnectionString, 'progress');
  const events = bodies.map((body) => ({ body, properties: { Kind: 'test' } }));
  await producer.sendBatch(events, { partitionId }).finally(() => producer.close());
};

describe('an Event Hubs trigger', () => {
  test('of cardinality many gets batches with their metadata, each partition in order', async () => {
    const batches: { events: unknown[]; metadata: Record<string, unknown> | undefined }[] = [];
    await send([{ n: 1 }, { n: 2 }]);
    await send(['text'], '1');
    await start(
      await hubApp((events, { triggerMetadata: metadata }) => {
        if (Array.isArray(events)) batches.push({ events, metadata });
      }, 'many'),
    );
    await until('three events', () => batches.flatMap(({ events }) => events).length === 3);
    const ofPartition = (partitionId: string): (typeof batches)[number] | undefined =>
      batches.find(({ metadata }) =>
        JSON.stringify(metadata?.partitionContext).includes(`"partitionId":"${partitionId}"`),
      );
    expect(ofPartition('0')?.events).toEqual([{ n: 1 }, { n: 2 }]);
    expect(ofPartition('0')?.metadata).toMatchObject({
      sequenceNumberArray: [0, 1],
      propertiesArray: [{ kind: 'test' }, { kind: 'test' }],
      partitionContext: { eventHubName: 'progress', consumerGroup: '$Default' },
    });
    expect(ofPartition('1')?.events).toEqual(['text']);
  });

  test('of cardinality one gets one event after the other', async () => {
    const seen: unknown[] = [];
    let running = 0;
    await send([1, 2, 3].map((n) => ({ n })));
    await start(
      await hubApp(async (event, { triggerMetadata }) => {
        running += 1;
        expect(running).toBe(1);
        await delay(10);
        seen.push([event, triggerMetadata?.sequenceNumber]);
        running -= 1;
      }, 'one'),
    );
    await until('three events', () => seen.length === 3);
    expect(seen).toEqual([
      [{ n: 1 }, 0],
      [{ n: 2 }, 1],
      [{ n: 3 }, 2],
    ]);
  });

  test('goes on after a restart where it was, also past events that failed', async () => {
    const seen: unknown[] = [];
    await send([{ n: 1 }]);
    const host = await start(
      await hubApp((event) => {
        seen.push(event);
        throw new Error('always');
      }, 'one'),
    );
    await until('the first event', () => seen.length === 1);
    await delay(50);
    await host.host.stop(1_000);
    await send([{ n: 2 }]);
    await host.restart();
    await until('the second event', () => seen.length === 2);
    await delay(200);
    expect(seen).toEqual([{ n: 1 }, { n: 2 }]);
  });

  test('begins at the end of the stream where it is told to', async () => {
    const seen: unknown[] = [];
    await send([{ n: 1 }]);
    await start(await hubApp((event) => seen.push(event), 'one'), { initialOffsetOptions: { type: 'fromEnd' } });
    for (let n = 2; seen.length === 0; n += 1) {
      await send([{ n }]);
      await delay(50);
    }
    expect(seen).not.toContainEqual({ n: 1 });
  });

  test.each(['reset', 'forced'] as const)('loses no event when connections are cut (%s)', async (how) => {
    const seen = new Set<unknown>();
    const app = await hubApp(async (event) => {
      seen.add(JSON.stringify(event));
      await delay(5);
    }, 'one');
    await start(app);
    for (let round = 0; round < 4; round += 1) {
      await send(Array.from({ length: 25 }, (_, index) => ({ n: round * 25 + index })));
      await delay(150);
      broker.faults.dropConnections(how);
    }
    await until('all events', () => seen.size === 100);
  });
});
