import { type EventHubProducerClient } from '@azure/event-hubs';
import { type Logger } from './logger';
import { messageOf } from './errors';

/** Progress for whoever wants to follow. A hint only: it may be late, lost or repeated, and nothing may depend on it. */
export interface ProgressEvents {
  /** Never throws and never waits for the network. `partitionKey` keeps the order among events that share it. */
  publish(partitionKey: string, event: Record<string, unknown>): void;
  /** Sends what is still buffered. */
  flush(): Promise<void>;
  close(): Promise<void>;
}

const flushAfterMs = 200;
/** More than this waiting means that the hub is away: the oldest are dropped rather than memory filled. */
const bufferLimit = 5_000;

/** Collects events for a moment and sends them in batches, because one send per event costs a round trip per target. */
export function createProgressEvents(producer: EventHubProducerClient, logger: Logger): ProgressEvents {
  let buffered: { partitionKey: string; event: Record<string, unknown> }[] = [];
  let timer: NodeJS.Timeout | undefined;
  let sending: Promise<void> = Promise.resolve();
  let reportedFailure = false;

  const send = async (): Promise<void> => {
    const events = buffered;
    buffered = [];
    const keys = new Set(events.map(({ partitionKey }) => partitionKey));
    for (const partitionKey of keys) {
      let batch = await producer.createBatch({ partitionKey });
      for (const { event } of events.filter((entry) => entry.partitionKey === partitionKey)) {
        const data = { body: event, contentType: 'application/json' };
        if (batch.tryAdd(data)) continue;
        await producer.sendBatch(batch);
        batch = await producer.createBatch({ partitionKey });
        batch.tryAdd(data);
      }
      if (batch.count > 0) await producer.sendBatch(batch);
    }
    reportedFailure = false;
  };
  const flush = (): Promise<void> => {
    clearTimeout(timer);
    timer = undefined;
    sending = sending.then(send).catch((error: unknown) => {
      if (!reportedFailure) logger.warn('progress events could not be sent', { error: messageOf(error) });
      reportedFailure = true;
    });
    return sending;
  };

  return {
    publish(partitionKey, event) {
      if (buffered.length >= bufferLimit) buffered.shift();
      buffered.push({ partitionKey, event });
      timer ??= setTimeout(() => void flush(), flushAfterMs);
    },
    flush,
    async close() {
      await flush();
      await producer.close();
    },
  };
}
