import { AzureKeyCredential, EventGridPublisherClient, type SendCloudEventInput } from '@azure/eventgrid';
import { type TokenCredential } from '@azure/identity';
import { type Clock } from './clock';
import { type FleetEvent, type FleetEvents } from './cloud-events';
import { messageOf } from './errors';
import { type Logger } from './logger';

export interface FleetEventsPublisher extends FleetEvents {
  /** Tries once more to send what is left. */
  close(): Promise<void>;
}

export interface FleetEventsDeps {
  /** Resolves when the topic has taken all of them. */
  send(events: SendCloudEventInput<Record<string, unknown>>[]): Promise<void>;
  /** The `source` of every event. */
  source: string;
  clock: Clock;
  logger: Logger;
}

/** More than this waiting means that the topic is away: the oldest are dropped rather than memory filled. */
const bufferLimit = 1_000;
const batchLimit = 100;
/** How long a publisher waits for the topic. What is not sent by then stays for the next one. */
const patienceMs = 5_000;
/** The topic has been asked in vain: it is left alone for so long. */
const restMs = 10_000;

/**
 * Publishes CloudEvents to a custom topic. An event is sent before `publish` resolves where the topic answers soon: a
 * process of a serverless app may be frozen as soon as nothing is awaited. Where it does not, the event waits in a bounded
 * buffer, and goes out with the next ones.
 */
export function createFleetEvents(deps: FleetEventsDeps): FleetEventsPublisher {
  const { source, clock, logger } = deps;
  let buffered: SendCloudEventInput<Record<string, unknown>>[] = [];
  let sending: Promise<void> | undefined;
  let restUntilMs = 0;
  let dropped = 0;

  const sendAll = async (): Promise<void> => {
    while (buffered.length > 0) {
      const batch = buffered.slice(0, batchLimit);
      await deps.send(batch);
      const sent = new Set(batch);
      buffered = buffered.filter((event) => !sent.has(event));
    }
  };
  const attempt = (): Promise<void> => {
    sending ??= sendAll()
      .catch((error: unknown) => {
        restUntilMs = clock.nowMs() + restMs;
        const isRefused = statusOf(error) === 400 || statusOf(error) === 413;
        // What the topic does not understand today it will not understand tomorrow, and it would hold up all others.
        if (isRefused) buffered = buffered.slice(batchLimit);
        logger.warn('events could not be published', {
          waiting: buffered.length,
          dropped,
          isRefused,
          error: messageOf(error),
        });
      })
      .finally(() => {
        sending = undefined;
      });
    return sending;
  };

  return {
    async publish(event: FleetEvent) {
      if (buffered.length >= bufferLimit) {
        buffered = buffered.slice(1);
        dropped += 1;
      }
      buffered.push({ ...event, source, time: new Date(clock.nowMs()), datacontenttype: 'application/json' });
      if (clock.nowMs() < restUntilMs) return;
      const patience = new AbortController();
      await Promise.race([
        attempt().finally(() => patience.abort()),
        clock.sleep(patienceMs, patience.signal).catch(() => undefined),
      ]);
    },
    async close() {
      if (buffered.length > 0) await attempt();
    },
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
