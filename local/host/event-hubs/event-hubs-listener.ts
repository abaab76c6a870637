import {
  earliestEventPosition,
  EventHubConsumerClient,
  latestEventPosition,
  type CheckpointStore,
  type PartitionContext,
  type ReceivedEventData,
} from '@azure/event-hubs';
import { type Clock } from '../../../lib/platform/clock';
import { messageOf } from '../../../lib/platform/errors';
import { type EventHubTrigger, type HostFunction } from '../app/bindings';
import { type Invoker } from '../app/invocation';
import { resolveConnection, retryOptions, type Connection } from '../connections';
import { type AppSettings, type EventHubsSettings } from '../host-settings';
import { type TriggerListener } from '../listener';
import { createFaultReporter, type HostLog } from '../log';
import { within } from '../within';
import { type Checkpoints } from './checkpoints';
import { batchData, batchMetadata, eventData, eventMetadata } from './trigger-data';

export interface EventHubsDeps {
  clock: Clock;
  invoker: Invoker;
  settings: AppSettings;
  eventHubs: EventHubsSettings;
  checkpoints: Checkpoints;
  log: HostLog;
}

const pauseAfterFaultMs = 500;
/** How often the SDK looks whether the pump of a partition has to be started again. */
const restartIntervalMs = 500;
/** The SDK calls at least this often, without events if there are none: the sign that a partition is still followed. */
const heartbeatMs = 4_000;
const silenceMs = heartbeatMs + 4_000;
const closeLimitMs = 1_000;

/** Which checkpoints belong to a trigger. Two functions must not share them: each would skip what the other has seen. */
export function streamOf({ connection, eventHubName, consumerGroup }: EventHubTrigger): string {
  return [connection, eventHubName, consumerGroup].join('/');
}

/**
 * Serves an Event Hubs trigger from all partitions, each one in order: a batch (or event) at a time. The checkpoint is
 * written after the function, also when it threw: an event that cannot be handled must not stop the partition for ever.
 *
 * @throws Error naming the app setting when the connection is not configured.
 */
export function createEventHubsListener(target: HostFunction<EventHubTrigger>, deps: EventHubsDeps): TriggerListener {
  const { clock, invoker, eventHubs, checkpoints } = deps;
  const { trigger } = target;
  const connection = resolveConnection(trigger.connection, deps.settings);
  const stream = streamOf(trigger);
  const faults = createFaultReporter(deps.log, clock, target.name, 'The Event Hubs trigger');
  const stopping = new AbortController();
  const abortSignal = stopping.signal;
  /** What runs now, by partition; and when the SDK last called for it. */
  const handling = new Map<string, Promise<void>>();
  const heardMs = new Map<string, number>();
  let client: EventHubConsumerClient | undefined;
  let following: Promise<void> = Promise.resolve();

  async function handle(events: readonly ReceivedEventData[], context: PartitionContext): Promise<void> {
    if (trigger.cardinality === 'many') {
      await invoker.invoke(target, batchData(events, trigger), batchMetadata(events, context)).catch(() => undefined);
      checkpoint(events.at(-1), context);
      return;
    }
    for (const event of events) {
      if (abortSignal.aborted) return;
      await invoker.invoke(target, eventData(event, trigger), eventMetadata(event, context)).catch(() => undefined);
      checkpoint(event, context);
    }
  }

  function checkpoint(event: ReceivedEventData | undefined, { partitionId }: PartitionContext): void {
    if (event === undefined) return;
    checkpoints.update(stream, { partitionId, offset: event.offset, sequenceNumber: event.sequenceNumber });
  }

  async function processEvents(events: readonly ReceivedEventData[], context: PartitionContext): Promise<void> {
    const { partitionId } = context;
    faults.recovered();
    heardMs.set(partitionId, clock.nowMs());
    if (events.length === 0 || abortSignal.aborted) return;
    const work = handle(events, context);
    handling.set(partitionId, work);
    await work.finally(() => {
      handling.delete(partitionId);
      heardMs.set(partitionId, clock.nowMs());
    });
  }

  /** Follows all partitions until everything stops. @throws Error when the hub does not answer or a partition is silent. */
  async function followWith(open: EventHubConsumerClient): Promise<void> {
    const late = (): Error => new Error('the event hub did not answer');
    const partitionIds = await within(clock, silenceMs, open.getPartitionIds({ abortSignal }), late, abortSignal);
    const { type } = eventHubs.initialOffsetOptions;
    const options = {
      maxBatchSize: eventHubs.maxEventBatchSize,
      maxWaitTimeInSeconds: heartbeatMs / 1000,
      prefetchCount: eventHubs.prefetchCount,
      skipParsingBodyAsJson: true,
      startPosition: type === 'fromStart' ? earliestEventPosition : latestEventPosition,
    };
    const processError = async (error: Error): Promise<void> => faults.failed(messageOf(error));
    for (const partitionId of partitionIds) {
      heardMs.set(partitionId, clock.nowMs());
      open.subscribe(partitionId, { processEvents, processError }, options);
    }
    while (!abortSignal.aborted) {
      await clock.sleep(pauseAfterFaultMs, abortSignal).catch(() => undefined);
      for (const [partitionId, lastMs] of heardMs) {
        if (!handling.has(partitionId) && clock.nowMs() - lastMs > silenceMs) {
          throw new Error(`the SDK no longer follows partition ${partitionId}`);
        }
      }
    }
  }

  /** The SDK reconnects by itself, but a connection that breaks while it is being opened is left for a minute. */
  async function follow(): Promise<void> {
    while (!abortSignal.aborted) {
      client = createClient(connection, trigger, storeOf(checkpoints, stream));
      await followWith(client).catch((error: unknown) => {
        if (!abortSignal.aborted) faults.failed(messageOf(error));
      });
      await closeClient();
      // Before the same events are asked for again: their checkpoints come with the end of their functions.
      await Promise.allSettled(handling.values());
      await clock.sleep(pauseAfterFaultMs, abortSignal).catch(() => undefined);
    }
  }

  async function closeClient(): Promise<void> {
    if (client === undefined) return;
    await within(clock, closeLimitMs, client.close(), () => new Error('not closed')).catch(() => undefined);
  }

  return {
    async start() {
      following = follow();
    },
    async stop() {
      stopping.abort();
      await following;
    },
    close: closeClient,
  };
}

function createClient(
  connection: Connection,
  { consumerGroup, eventHubName }: EventHubTrigger,
  store: CheckpointStore,
): EventHubConsumerClient {
  const options = { retryOptions, loadBalancingOptions: { updateIntervalInMs: restartIntervalMs } };
  if ('connectionString' in connection) {
    const { connectionString } = connection;
    // As in Azure, a hub that the connection string names wins over the binding's; the SDK would refuse two names.
    return /(?:^|;)EntityPath=/i.test(connectionString)
      ? new EventHubConsumerClient(consumerGroup, connectionString, store, options)
      : new EventHubConsumerClient(consumerGroup, connectionString, eventHubName, store, options);
  }
  const { fullyQualifiedNamespace, credential } = connection;
  return new EventHubConsumerClient(consumerGroup, fullyQualifiedNamespace, eventHubName, credential, store, options);
}

/** What the SDK asks for: where to begin. Partitions are not shared out, and the checkpoints are written above. */
function storeOf(checkpoints: Checkpoints, stream: string): CheckpointStore {
  return {
    listOwnership: async () => [],
    claimOwnership: async () => [],
    updateCheckpoint: async () => undefined,
    listCheckpoints: async (fullyQualifiedNamespace, eventHubName, consumerGroup) =>
      checkpoints
        .list(stream)
        .map((checkpoint) => ({ fullyQualifiedNamespace, eventHubName, consumerGroup, ...checkpoint })),
  };
}
