import { type Clock } from '../platform/clock';
import { forEachConcurrently } from '../platform/concurrency';
import { type Orchestrations } from '../platform/durable';
import { AppError, messageOf } from '../platform/errors';
import { sha256 } from '../platform/hash';
import { type Logger } from '../platform/logger';
import { keptText, readEvent, type Rejection, tellsTheSame, type Trust } from './envelope';
import { handleEventId, handleEventName } from './orchestrators/handle-event';
import { startReceivedId, startReceivedName } from './orchestrators/start-received';
import { fittingRoutes, rejectedSeconds, rememberSeconds } from './plan';
import { type EventDocument, type EventRoute } from './schema';
import { type EventStore } from './store';

export interface IntakeDeps {
  events: EventStore;
  /** Just read: an event that came after a change of the routes must not be ignored by the old ones. */
  routes(): Promise<readonly EventRoute[]>;
  trust: Trust;
  clock: Clock;
  logger: Logger;
}

/** What became of the events of one delivery, in their order. */
export type Receipt =
  | { result: 'accepted' | 'ignored' | 'duplicate'; event: string }
  | { result: 'rejected'; code: string; reason: string };

const eventsAtOnce = 32;
/** An acknowledgement has to come soon, so a larger delivery is started as a whole, by an orchestration. */
const startsPerDelivery = 10;

/**
 * Takes in the events of one delivery: checks each, stores it, and starts what handles it. Once it is stored it can be
 * acknowledged: a start that fails, or a crash before it, is made up for by the timer.
 *
 * @throws AppError that is transient when something could not be stored, or no topic is set up; then the whole delivery has to come again, and
 *   what was stored already is a duplicate by then.
 */
export function createIntake(deps: IntakeDeps) {
  const { events, clock, logger } = deps;

  const reject = async (raw: unknown, { code, reason }: Rejection, createdAt: string): Promise<Receipt> => {
    const { text: event, complete } = keptText(raw);
    // By its content: the same poison delivered a hundred times is kept once.
    const id = `rejected-${sha256(`${code}\n${event}`)}`;
    const end = { complete, replayedAs: null, ttl: rejectedSeconds };
    await events.reject({ id, kind: 'rejected', createdAt, code, reason, event, ...end });
    logger.warn('an event was rejected', { code, reason });
    return { result: 'rejected', code, reason };
  };

  /** `handle`: it is stored, and something has to handle it. */
  const store = async (raw: unknown, routes: readonly EventRoute[]): Promise<{ receipt: Receipt; handle?: string }> => {
    const createdAt = new Date(clock.nowMs()).toISOString();
    const reading = readEvent(raw, deps.trust, createdAt);
    if ('rejection' in reading) return { receipt: await reject(raw, reading.rejection, createdAt) };
    const { key, ...event } = reading.event;
    const fits = fittingRoutes(event, routes).length > 0;
    const document: EventDocument = {
      id: key,
      kind: 'event',
      ...event,
      createdAt,
      state: fits ? 'received' : 'ignored',
      outcomes: [],
      replayed: false,
      ttl: rememberSeconds,
    };
    if ((await events.create(document)) === 'created') {
      const receipt: Receipt = { result: fits ? 'accepted' : 'ignored', event: key };
      return fits ? { receipt, handle: key } : { receipt };
    }
    const known = await events.find(key);
    if (known !== null && !tellsTheSame(known, event)) {
      const reason = `another event of this source has the id ${event.eventId}, and it tells something else`;
      return { receipt: await reject(raw, { code: 'events.idReused', reason }, createdAt) };
    }
    const receipt: Receipt = { result: 'duplicate', event: key };
    // The process may have died between the document and the start.
    return known?.state === 'received' ? { receipt, handle: key } : { receipt };
  };

  /** What cannot be started now, the timer starts. */
  const orLater = async (what: string, starting: Promise<void>): Promise<void> => {
    try {
      await starting;
    } catch (error) {
      logger.warn('events were stored and could not be started yet', { what, error: messageOf(error) });
    }
  };

  return async (delivery: readonly unknown[], orchestrations: Orchestrations): Promise<Receipt[]> => {
    if (deps.trust.topics.length === 0) {
      const message = 'No topic is expected here yet: set SQLFLEET_EVENTS_TOPICS.';
      throw new AppError('events.noTopics', message, { status: 503, retry: { kind: 'backoff' } });
    }
    const routes = await deps.routes();
    const receipts: Receipt[] = [];
    const toHandle = new Set<string>();
    await forEachConcurrently(delivery.entries(), eventsAtOnce, async ([index, raw]) => {
      const { receipt, handle } = await store(raw, routes);
      receipts[index] = receipt;
      if (handle !== undefined) toHandle.add(handle);
    });
    if (toHandle.size > startsPerDelivery) {
      await orLater(`${toHandle.size} events`, orchestrations.start(startReceivedName, startReceivedId, {}));
    } else {
      await forEachConcurrently(toHandle, eventsAtOnce, (key) =>
        orLater(key, orchestrations.start(handleEventName, handleEventId(key), { key })),
      );
    }
    return receipts;
  };
}
