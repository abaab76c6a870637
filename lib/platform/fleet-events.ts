import { AzureKeyCredential, EventGridPublisherClient, type SendCloudEventInput } from '@azure/eventgrid';
import { type TokenCredential } from '@azure/identity';
import { type Clock } from './clock';
import { type FleetEvent, type FleetEvents } from './cloud-events';
import { type EventOutbox, type OutgoingEvent } from './event-outbox';
import { messageOf } from './errors';
import { type Logger } from './logger';

export interface FleetEventsPublisher extends FleetEvents {
  /** Sends what waits, of this process and of others. Never rejects: what cannot be sent goes on waiting. */
  sendWaiting(): Promise<void>;
  /** Lets go of what waits in memory. */
  close(): Promise<void>;
}

export interface FleetEventsDeps {
  /** Resolves when the topic has taken all of them. */
  send(events: SendCloudEventInput<Record<string, unknown>>[]): Promise<void>;
  outbox: EventOutbox;
  /** The `source` of every event. */
  source: string;
  clock: Clock;
  logger: Logger;
}

/** Neither the topic nor the outbox could take more than this: the oldest are dropped rather than memory filled. */
const memoryLimit = 1_000;
const batchLimit = 100;
/** How long a publisher waits for the topic. */
const patienceMs = 5_000;
/** The topic has been asked in vain: it is left alone for so long. */
const restMs = 10_000;

/**
 * Publishes CloudEvents to a custom topic, each at least once: an event is at the topic when `publish` resolves, or else in
 * the outbox, from where it goes out when the topic is back, also by a process that was started since. A process of a
 * serverless app may be frozen as soon as nothing is awaited, so nothing is left for later in memory, except where the
 * outbox is away too.
 */
export function createFleetEvents(deps: FleetEventsDeps): FleetEventsPublisher {
  const { source, outbox, clock, logger } = deps;
  let inMemory: OutgoingEvent[] = [];
  let restUntilMs = 0;

  /** Those that are done with: at the topic, or refused by it for good. */
  const sent = async (events: readonly OutgoingEvent[]): Promise<readonly OutgoingEvent[]> => {
    if (events.length === 0) return [];
    try {
      await deps.send(
        events.map((event) => ({ ...event, source, time: new Date(event.time), datacontenttype: 'application/json' })),
      );
      return events;
    } catch (error) {
      const isRefused = statusOf(error) === 400 || statusOf(error) === 413;
      if (isRefused && events.length > 1) {
        const done: OutgoingEvent[] = [];
        for (const event of events) done.push(...(await sent([event])));
        return done;
      }
      const about = { events: events.length, type: events[0]?.type, error: messageOf(error) };
      // What the topic does not understand today it will not understand tomorrow.
      if (isRefused) logger.error('an event was refused by the topic, and nobody is told of it', about);
      else logger.warn('events could not be published, and wait', about);
      if (!isRefused) restUntilMs = clock.nowMs() + restMs;
      return isRefused ? events : [];
    }
  };

  /** As `sent`, and none of them where the topic does not answer in time: what it does take then, it is told twice. */
  const sentInTime = async (events: readonly OutgoingEvent[]): Promise<readonly OutgoingEvent[]> => {
    const patience = new AbortController();
    const tooLate = clock.sleep(patienceMs, patience.signal).then(
      () => {
        restUntilMs = clock.nowMs() + restMs;
        return [];
      },
      () => [],
    );
    return Promise.race([sent(events).finally(() => patience.abort()), tooLate]);
  };

  const keep = async (event: OutgoingEvent): Promise<void> => {
    try {
      await outbox.keep(event);
    } catch (error) {
      inMemory = [...inMemory, event].slice(-memoryLimit);
      logger.error('an event waits in memory only', { waiting: inMemory.length, error: messageOf(error) });
    }
  };

  const drainMemory = async (): Promise<void> => {
    const held = inMemory;
    inMemory = [];
    for (let at = 0; at < held.length; at += batchLimit) {
      const batch = held.slice(at, at + batchLimit);
      const done = new Set(clock.nowMs() < restUntilMs ? [] : await sentInTime(batch));
      for (const event of batch) if (!done.has(event)) await keep(event);
    }
  };

  return {
    async publish({ id, type, subject, data }: FleetEvent) {
      const event = { id, type, subject, time: new Date(clock.nowMs()).toISOString(), data };
      const done = clock.nowMs() < restUntilMs ? [] : await sentInTime([event]);
      if (done.length > 0) return;
      await keep(event);
    },

    async sendWaiting() {
      await drainMemory();
      try {
        for (;;) {
          const events = await outbox.waiting(batchLimit);
          const done = await sentInTime(events);
          for (const event of done) await outbox.remove(event);
          if (events.length === 0 || done.length < events.length) return;
        }
      } catch (error) {
        logger.warn('events that wait could not be read', { error: messageOf(error) });
      }
    },
    close: drainMemory,
  };
}

/** Sends to a custom topic with the real client: with its key, or as the app's identity. */
export function topicSender(options: {
  endpoint: string;
  key?: string;
  credential: TokenCredential;
}): FleetEventsDeps['send'] {
  const credential = options.key === undefined ? options.credential : new AzureKeyCredential(options.key);
  const client = new EventGridPublisherClient(options.endpoint, 'CloudEvent', credential, {
    retryOptions: { maxRetries: 2, retryDelayInMs: 200, maxRetryDelayInMs: 1_000 },
  });
  return (events) => client.send(events);
}

function statusOf(error: unknown): unknown {
  return typeof error === 'object' && error !== null && 'statusCode' in error ? error.statusCode : undefined;
}
