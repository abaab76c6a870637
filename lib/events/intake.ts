import { type Clock } from '../platform/clock';
import { forEachConcurrently } from '../platform/concurrency';
import { type Orchestrations } from '../platform/durable';
import { messageOf } from '../platform/errors';
import { sha256 } from '../platform/hash';
import { type Logger } from '../platform/logger';
import { keptText, readEvent, type Trust } from './envelope';
import { handleEventId, handleEventName } from './orchestrators/handle-event';
import { fittingRoutes, rejectedSeconds, rememberSeconds } from './plan';
import { type EventDocument, type EventRoute } from './schema';
import { type EventStore } from './store';

export interface IntakeDeps {
  events: EventStore;
  /** The routes, as they were a moment ago at most. */
  routes(): Promise<readonly EventRoute[]>;
  trust: Trust;
  clock: Clock;
  logger: Logger;
}

/** What became of the events of one delivery, in their order. */
export type Receipt =
  | { result: 'accepted' | 'ignored' | 'duplicate'; event: string }
  | { result: 'rejected'; code: string; reason: string };

const eventsAtOnce = 16;

/**
 * Takes in the events of one delivery: checks each, stores it, and starts what handles it. Once it is stored it can be
 * acknowledged: a start that fails, or a crash before it, is made up for by the timer.
 *
 * @throws AppError that is transient when something could not be stored; then the whole delivery has to come again, and
 *   what was stored already is a duplicate by then.
 */
export function createIntake(deps: IntakeDeps) {
  const { events, clock, logger } = deps;

  const takeIn = async (
    raw: unknown,
    routes: readonly EventRoute[],
    orchestrations: Orchestrations,
  ): Promise<Receipt> => {
    const createdAt = new Date(clock.nowMs()).toISOString();
    const reading = readEvent(raw, deps.trust);
    if ('rejection' in reading) {
      const { code, reason } = reading.rejection;
      const event = keptText(raw);
      // By its content: the same poison delivered a hundred times is kept once.
      const id = `rejected-${sha256(`${code}\n${event}`)}`;
      await events.reject({ id, kind: 'rejected', createdAt, code, reason, event, ttl: rejectedSeconds });
      logger.warn('an event was rejected', { code, reason });
      return { result: 'rejected', code, reason };
    }
    const { key, ...event } = reading.event;
    const fits = fittingRoutes(event, routes).length > 0;
    const state = fits ? 'received' : 'ignored';
    const document: EventDocument = {
      id: key,
      kind: 'event',
      ...event,
      createdAt,
      state,
      outcomes: [],
      ttl: rememberSeconds,
    };
    const created = await events.create(document);
    if (created === 'created') {
      if (fits) await startHandling(orchestrations, key);
      return { result: fits ? 'accepted' : 'ignored', event: key };
    }
    // The process may have died between the document and the start.
    if ((await events.find(key))?.state === 'received') await startHandling(orchestrations, key);
    return { result: 'duplicate', event: key };
  };

  const startHandling = async (orchestrations: Orchestrations, key: string): Promise<void> => {
    try {
      await orchestrations.start(handleEventName, handleEventId(key), { key });
    } catch (error) {
      logger.warn('an event was stored and could not be started yet', { event: key, error: messageOf(error) });
    }
  };

  return async (delivery: readonly unknown[], orchestrations: Orchestrations): Promise<Receipt[]> => {
    const routes = await deps.routes();
    const receipts: Receipt[] = [];
    await forEachConcurrently(delivery.entries(), eventsAtOnce, async ([index, raw]) => {
      receipts[index] = await takeIn(raw, routes, orchestrations);
    });
    return receipts;
  };
}
