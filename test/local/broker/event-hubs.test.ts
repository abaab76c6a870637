import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  earliestEventPosition,
  EventHubConsumerClient,
  EventHubProducerClient,
  type EventPosition,
  latestEventPosition,
  type ReceivedEventData,
} from '@azure/event-hubs';
import { type Broker } from '../../../local/broker/broker';
import { startTestBroker } from './broker-under-test';
import { turnableClock } from './turnable-clock';

/**
 * Runs against the official emulator or Azure when a connection string is given; the hub there must have four partitions
 * and be without other traffic.
 */
const external = process.env.SQLFLEET_TEST_EVENTHUBS;
const externalHub = process.env.SQLFLEET_TEST_EVENTHUB_NAME ?? 'progress';
const onlyStandIn = external === undefined ? it : it.skip;
const retryOptions = { timeoutInMs: 5_000, maxRetries: 2, retryDelayInMs: 50 };

const hub = externalHub;
const topology = { eventHubs: [{ name: hub, partitionCount: 4, consumerGroups: ['followers'] }] };
const clock = turnableClock();
let folder: string;
let broker: Broker | undefined;
let connectionString: string;
let producer: EventHubProducerClient;
const consumers: EventHubConsumerClient[] = [];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'event-hubs-'));
  broker = external === undefined ? await startTestBroker(topology, { clock, journalFolder: folder }) : undefined;
  connectionString = external ?? broker?.eventHubsConnectionString ?? '';
  producer = new EventHubProducerClient(connectionString, hub, { retryOptions });
});
afterEach(() => Promise.all(consumers.splice(0).map((consumer) => consumer.close())));
afterAll(async () => {
  await producer.close();
  await broker?.stop();
  rmSync(folder, { recursive: true });
});

function newConsumer(group = '$Default'): EventHubConsumerClient {
  const consumer = new EventHubConsumerClient(group, connectionString, hub, { retryOptions });
  consumers.push(consumer);
  return consumer;
}

async function send(partitionId: string, ...bodies: unknown[]): Promise<void> {
  const batch = await producer.createBatch({ partitionId });
  for (const body of bodies) expect(batch.tryAdd({ body, properties: { kind: 'test' } })).toBe(true);
  await producer.sendBatch(batch);
}

/** Reads `count` events of a partition from a position on. */
function read(
  partitionId: string,
  startPosition: EventPosition,
  count: number,
  consumer = newConsumer(),
): Promise<ReceivedEventData[]> {
  return new Promise((resolve, reject) => {
    const events: ReceivedEventData[] = [];
    const subscription = consumer.subscribe(
      partitionId,
      {
        async processEvents(received) {
          events.push(...received);
          if (events.length >= count) {
            resolve(events);
            await subscription.close();
          }
        },
        processError: async (error) => reject(error),
      },
      { startPosition, maxBatchSize: 50, maxWaitTimeInSeconds: 1 },
    );
  });
}

const bodies = (events: readonly ReceivedEventData[]): unknown[] => events.map((event): unknown => event.body);

async function place(partitionId: string): Promise<number> {
  const { lastEnqueuedSequenceNumber } = await producer.getPartitionProperties(partitionId);
  return lastEnqueuedSequenceNumber;
}

describe('an event hub', () => {
  it('tells about itself and its partitions', async () => {
    expect(await producer.getPartitionIds()).toEqual(['0', '1', '2', '3']);
    const before = await place('3');
    await send('3', 'a', 'b');
    expect(await producer.getPartitionProperties('3')).toMatchObject({
      partitionId: '3',
      isEmpty: false,
      lastEnqueuedSequenceNumber: before + 2,
    });
  });

  it('gives events back in order, from every kind of position', async () => {
    const before = await place('0');
    await send('0', 'one', 'two', 'three');
    const all = await read('0', { sequenceNumber: before, isInclusive: false }, 3);
    expect(bodies(all)).toEqual(['one', 'two', 'three']);
    expect(all[0]?.properties).toEqual({ kind: 'test' });
    const [first, second] = all;
    if (first === undefined || second === undefined) throw new Error('nothing was read');
    expect(bodies(await read('0', { offset: first.offset }, 2))).toEqual(['two', 'three']);
    expect(bodies(await read('0', { offset: second.offset, isInclusive: true }, 2))).toEqual(['two', 'three']);
    expect(bodies(await read('0', { sequenceNumber: second.sequenceNumber, isInclusive: true }, 2))).toEqual([
      'two',
      'three',
    ]);
    const timeBefore = new Date(first.enqueuedTimeUtc.getTime() - 1);
    expect(bodies(await read('0', { enqueuedOn: timeBefore }, 3)).slice(0, 3)).toEqual(['one', 'two', 'three']);
    expect(bodies(await read('0', earliestEventPosition, 3)).length).toBeGreaterThanOrEqual(3);
  });

  it('shows only what comes next to a reader that begins at the end', async () => {
    await send('1', 'past');
    const reading = read('1', latestEventPosition, 1);
    await new Promise((resolve) => setTimeout(resolve, 300));
    await send('1', 'future');
    expect(bodies(await reading)).toEqual(['future']);
  });

  it('keeps events with the same key together', async () => {
    const ids = ['0', '1', '2', '3'];
    const before = await Promise.all(ids.map(place));
    for (const body of [1, 2, 3]) await producer.sendBatch([{ body }], { partitionKey: 'build-17' });
    const after = await Promise.all(ids.map(place));
    const partition = ids.find((_, index) => after[index] !== before[index]) ?? '';
    const sequenceNumber = before[Number(partition)] ?? 0;
    const events = await read(partition, { sequenceNumber, isInclusive: false }, 3);
    expect(bodies(events)).toEqual([1, 2, 3]);
    expect(events.map((event) => event.partitionKey)).toEqual(['build-17', 'build-17', 'build-17']);
  });

  it('lets one owner read at a time when readers say that they own', async () => {
    const failures: string[] = [];
    const owner = newConsumer();
    const other = newConsumer();
    const handlers = {
      processEvents: async () => undefined,
      processError: async (error: Error & { code?: string }) => {
        failures.push(error.code ?? error.name);
      },
    };
    owner.subscribe('2', handlers, { startPosition: earliestEventPosition, ownerLevel: 1, maxWaitTimeInSeconds: 1 });
    await new Promise((resolve) => setTimeout(resolve, 300));
    other.subscribe(
      '2',
      { ...handlers, processError: async () => undefined },
      {
        startPosition: earliestEventPosition,
        ownerLevel: 2,
        maxWaitTimeInSeconds: 1,
      },
    );
    for (let waited = 0; failures.length === 0 && waited < 5_000; waited += 50) {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    expect(failures).toContain('ReceiverDisconnectedError');
  });

  it('refuses a consumer group that does not exist', async () => {
    await expect(read('0', earliestEventPosition, 1, newConsumer('nobody'))).rejects.toMatchObject({
      code: 'MessagingEntityNotFoundError',
    });
  });

  onlyStandIn('goes on after a kill where it was', async () => {
    const before = await place('0');
    await send('0', 'kept');
    const second = await startTestBroker(topology, { clock, journalFolder: folder });
    const consumer = new EventHubConsumerClient('followers', second.eventHubsConnectionString, hub, { retryOptions });
    const [event] = await read('0', { sequenceNumber: before, isInclusive: false }, 1, consumer);
    expect(event).toMatchObject({ body: 'kept', sequenceNumber: before + 1 });
    await consumer.close();
    const late = new EventHubProducerClient(second.eventHubsConnectionString, hub, { retryOptions });
    await late.sendBatch([{ body: 'after' }], { partitionId: '0' });
    expect((await late.getPartitionProperties('0')).lastEnqueuedSequenceNumber).toBe(before + 2);
    await late.close();
    await second.stop();
  });

  onlyStandIn('forgets the oldest events when there are too many, and readers go on with what is left', async () => {
    const small = await startTestBroker({
      eventHubs: [{ name: 'small', partitionCount: 1, maxEventsPerPartition: 10 }],
    });
    const client = new EventHubProducerClient(small.eventHubsConnectionString, 'small', { retryOptions });
    for (let round = 0; round < 5; round += 1) {
      await client.sendBatch(Array.from({ length: 5 }, (_, i) => ({ body: round * 5 + i })));
    }
    expect(await client.getPartitionProperties('0')).toMatchObject({
      beginningSequenceNumber: 15,
      lastEnqueuedSequenceNumber: 24,
    });
    const consumer = new EventHubConsumerClient('$Default', small.eventHubsConnectionString, 'small', { retryOptions });
    expect(bodies(await read('0', { sequenceNumber: 3 }, 10, consumer))).toEqual([
      15, 16, 17, 18, 19, 20, 21, 22, 23, 24,
    ]);
    await consumer.close();
    await client.close();
    await small.stop();
  });
});
