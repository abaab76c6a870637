import { z } from 'zod';
import { type Audit } from '../platform/audit';
import { type Clock } from '../platform/clock';
import { type DocumentStore } from '../platform/documents';
import { type Orchestrations } from '../platform/durable';
import { forEachConcurrently } from '../platform/concurrency';
import { AppError, isTransient, messageOf } from '../platform/errors';
import { type Logger } from '../platform/logger';
import { createActions, type EventEffects } from './actions';
import { type Trust } from './envelope';
import { createIntake } from './intake';
import { createReplay, isEventKey, notFound } from './replay';
import { type ActResult, handleEventId, handleEventName } from './orchestrators/handle-event';
import { nudgeCapacityId, nudgeCapacityName } from './orchestrators/nudge-capacity';
import { fittingRoutes } from './plan';
import { defaultRoutes, type EventDocument, type EventRoute, type EventRoutes, type RouteOutcome } from './schema';
import { createEventStore, createRouteStore, type EventStore } from './store';

export interface EventServicesDeps {
  documents: { seenEvents: DocumentStore; eventRoutes: DocumentStore };
  effects: EventEffects;
  /** Tells others what could not be told when it happened. */
  sendWaitingEvents(): Promise<void>;
  audit: Audit;
  trust: Trust;
  clock: Clock;
  logger: Logger;
  /** How long a region is left alone after the first event about it, so that others can come. */
  debounceMs: number;
}

export type EventServices = ReturnType<typeof createEventServices>;

const pageSize = 100;
const startsAtOnce = 16;

/** Wires the events capability: everything that `functions/events.ts` calls. */
export function createEventServices(deps: EventServicesDeps) {
  const { clock, logger, effects, debounceMs } = deps;
  const events = createEventStore(deps.documents.seenEvents);
  const routeStore = createRouteStore(deps.documents.eventRoutes);
  const readRoutes = async () => (await routeStore.read()) ?? { routes: defaultRoutes, etag: null };
  const act = createActions({ effects, events, debounceMs });
  const routes = async (): Promise<readonly EventRoute[]> => (await readRoutes()).routes.routes;
  const receive = createIntake({ events, routes, trust: deps.trust, clock, logger });

  const startReceived = async (orchestrations: Orchestrations): Promise<void> => {
    let continuation: string | null = null;
    do {
      const page: Awaited<ReturnType<EventStore['list']>> = await events.list({
        states: ['received'],
        pageSize,
        continuation,
      });
      await forEachConcurrently(page.items, startsAtOnce, ({ id }) =>
        guarded({ event: id }, () => orchestrations.start(handleEventName, handleEventId(id), { key: id })),
      );
      continuation = page.continuation;
    } while (continuation !== null);
  };

  return {
    trust: deps.trust,
    receive,
    ...createReplay({ events, receive, audit: deps.audit }),

    async find(id: string): Promise<EventDocument> {
      const event = isEventKey(id) ? await events.find(id) : null;
      if (event === null) throw notFound(id);
      return event;
    },
    list: (options: Parameters<EventStore['list']>[0]) => events.list(options),
    listRejected: (options: Parameters<EventStore['listRejected']>[0]) => events.listRejected(options),

    readRoutes,
    /** @throws AppError `events.routesChanged` (412) when somebody wrote since `etag` was read */
    async writeRoutes(value: EventRoutes, etag: string | null, by: { actor: string; reason: string }): Promise<void> {
      if ((await routeStore.write(value, etag)) === 'changed') {
        const message = 'The routes were changed in between. Read them again, and decide again.';
        throw new AppError('events.routesChanged', message, { status: 412 });
      }
      await deps.audit.record({
        subject: 'event-routes',
        action: 'write',
        ...by,
        details: { routes: value.routes.length },
      });
    },

    /** Acts on one stored event. May run twice, and beside itself. */
    async act({ key, lastTry }: { key: string; lastTry: boolean }, orchestrations: Orchestrations): Promise<ActResult> {
      const event = await events.find(key);
      if (event === null || event.state !== 'received') return { kind: 'done' };
      if (!event.replayed && !(await events.advance(event))) {
        await events.settle(key, { state: 'outdated', outcomes: [] });
        return { kind: 'done' };
      }
      const outcomes: RouteOutcome[] = [];
      for (const route of fittingRoutes(event, await routes())) {
        const outcome = await actOnce(route, event, orchestrations, lastTry);
        if (outcome === 'again') return { kind: 'again' };
        outcomes.push(outcome);
      }
      const failed = outcomes.some(({ result }) => result === 'failed');
      const state = failed ? 'failed' : outcomes.length === 0 ? 'ignored' : 'handled';
      await events.settle(key, { state, outcomes });
      return { kind: 'done' };
    },

    /** Asks for the look at a region that events asked for. */
    async answerNudge({ region }: { region: string | null }, orchestrations: Orchestrations): Promise<'more' | 'done'> {
      const nudge = await events.findNudge(region);
      if (nudge === null || nudge.asked <= nudge.answered) return 'done';
      await effects.nudgeCapacity?.(region, orchestrations);
      return events.answerNudge(region, nudge.asked);
    },

    startReceived,

    /** Starts what was stored and is not being handled, and tells others what waits. Level-triggered: it may run at any time. */
    async resume(orchestrations: Orchestrations): Promise<void> {
      await startReceived(orchestrations);
      for (const { region } of await events.unansweredNudges()) {
        const input = { region, debounceMs };
        await guarded({ region }, () => orchestrations.start(nudgeCapacityName, nudgeCapacityId(region), input));
      }
      await deps.sendWaitingEvents();
    },
  };

  async function actOnce(
    route: EventRoute,
    event: EventDocument,
    orchestrations: Orchestrations,
    lastTry: boolean,
  ): Promise<RouteOutcome | 'again'> {
    try {
      return { route: route.name, ...(await act(route, event, orchestrations)) };
    } catch (error) {
      if (isTransient(error) && !lastTry) return 'again';
      logger.warn('an event could not be acted on', { event: event.id, route: route.name, error: messageOf(error) });
      return { route: route.name, result: 'failed', text: explained(error), started: [] };
    }
  }

  /** The others must not wait for this one; it comes by again with the next run. */
  async function guarded(about: Record<string, unknown>, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      logger.error('a stored event could not be started again', { ...about, error: messageOf(error) });
    }
  }
}

const problemsShown = 5;
const problemsSchema = z.array(
  z.object({ message: z.string(), entry: z.string().nullable(), line: z.int().nullable() }),
);

/** The message, and where input was refused, its first problems. */
function explained(error: unknown): string {
  const problems = error instanceof AppError ? (problemsSchema.safeParse(error.details.problems).data ?? []) : [];
  const shown = problems.slice(0, problemsShown).map(({ entry, line, message }) => {
    const place = [entry ?? '', line === null ? '' : `line ${line}`].filter((part) => part !== '').join(', ');
    return place === '' ? message : `${place}: ${message}`;
  });
  const more = problems.length > shown.length ? [`and ${problems.length - shown.length} more`] : [];
  return [messageOf(error), ...shown, ...more].join(' · ').slice(0, 2_000);
}
