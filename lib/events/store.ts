import { z } from 'zod';
import { type DocumentPage, type DocumentStore } from '../platform/documents';
import { AppError } from '../platform/errors';
import { newestFirst } from '../platform/newest-first';
import { isOutdated, orderId, orderTime, rememberSeconds } from './plan';
import {
  type EventDocument,
  eventSchema,
  type EventRoutes,
  newestSchema,
  type NewestDocument,
  nudgeSchema,
  type NudgeDocument,
  rejectedSchema,
  type RejectedDocument,
  routesSchema,
} from './schema';

export interface EventStore {
  /** Create-only: the first delivery stands. */
  create(event: EventDocument): Promise<'created' | 'exists'>;
  find(id: string): Promise<EventDocument | null>;
  /** Ends a received event; one that has ended is left alone. */
  settle(id: string, end: Pick<EventDocument, 'state' | 'outcomes'>): Promise<void>;
  /** Makes an event that has ended one that is still to be acted on; null: there is none. */
  reopen(id: string): Promise<EventDocument | null>;
  /** Remembers the event as the newest of its subject, unless a newer one is: then false. */
  advance(event: EventDocument): Promise<boolean>;
  list(options: {
    states: readonly string[];
    pageSize: number;
    continuation: string | null;
  }): Promise<DocumentPage<EventDocument>>;
  reject(rejected: RejectedDocument): Promise<void>;
  findRejected(id: string): Promise<RejectedDocument | null>;
  /** Notes which event a rejected one became. */
  settleRejected(id: string, replayedAs: string): Promise<void>;
  listRejected(options: { pageSize: number; continuation: string | null }): Promise<DocumentPage<RejectedDocument>>;
  /** Asks for a look at a region. */
  askNudge(region: string | null): Promise<void>;
  findNudge(region: string | null): Promise<NudgeDocument | null>;
  /** Notes that what was asked up to `asked` has been answered; whether more was asked since. */
  answerNudge(region: string | null, asked: number): Promise<'more' | 'done'>;
  unansweredNudges(): Promise<NudgeDocument[]>;
}

const writeAttempts = 20;
const nudgeId = (region: string | null): string => `nudge-${region ?? '*'}`;

export function createEventStore(documents: DocumentStore): EventStore {
  /** Reads, decides and writes until nobody else wrote in between. */
  const change = async <T extends { id: string }, R>(
    id: string,
    schema: z.ZodType<T>,
    decide: (current: T | null) => { next: T | null; result: R },
  ): Promise<R> => {
    for (let attempt = 1; attempt <= writeAttempts; attempt += 1) {
      const current = await documents.read(id, id, schema);
      const { next, result } = decide(current?.value ?? null);
      if (next === null) return result;
      const written =
        current === null ? await documents.create(id, next) : await documents.replace(id, next, current.etag);
      if (written === 'created' || written === 'replaced') return result;
    }
    throw new AppError('events.tooManyWriters', `The event document "${id}" kept changing. Try again.`, {
      status: 503,
      retry: { kind: 'backoff' },
    });
  };

  return {
    create: (event) => documents.create(event.id, event),
    async find(id) {
      return (await documents.read(id, id, eventSchema))?.value ?? null;
    },
    settle: (id, end) =>
      change(id, eventSchema, (current) => ({
        next: current === null || current.state !== 'received' ? null : { ...current, ...end },
        result: undefined,
      })),
    reopen: (id) =>
      change<EventDocument, EventDocument | null>(id, eventSchema, (current) => {
        if (current === null || current.state === 'received') return { next: null, result: current };
        const next = { ...current, state: 'received' as const, outcomes: [], replayed: true };
        return { next, result: next };
      }),
    advance: (event) =>
      change<NewestDocument, boolean>(orderId(event), newestSchema, (current) => {
        if (isOutdated(event, current)) return { next: null, result: false };
        const sequencer = event.essence.kind === 'blob' ? event.essence.sequencer : '';
        const id = orderId(event);
        return { next: { id, kind: 'newest', time: orderTime(event), sequencer, ttl: rememberSeconds }, result: true };
      }),
    list: ({ states, ...page }) =>
      newestFirst(documents, eventSchema, {
        ...page,
        conditions: ["c.kind = 'event'", ...(states.length === 0 ? [] : ['ARRAY_CONTAINS(@states, c.state)'])],
        parameters: states.length === 0 ? {} : { states: [...states] },
      }),
    async reject(rejected) {
      await documents.create(rejected.id, rejected);
    },
    async findRejected(id) {
      return (await documents.read(id, id, rejectedSchema))?.value ?? null;
    },
    settleRejected: (id, replayedAs) =>
      change(id, rejectedSchema, (current) => ({
        next: current === null ? null : { ...current, replayedAs },
        result: undefined,
      })),
    listRejected: (page) => newestFirst(documents, rejectedSchema, { ...page, conditions: ["c.kind = 'rejected'"] }),

    askNudge: (region) =>
      change<NudgeDocument, undefined>(nudgeId(region), nudgeSchema, (current) => ({
        next:
          current === null
            ? { id: nudgeId(region), kind: 'nudge', region, asked: 1, answered: 0 }
            : { ...current, asked: current.asked + 1 },
        result: undefined,
      })),
    async findNudge(region) {
      return (await documents.read(nudgeId(region), nudgeId(region), nudgeSchema))?.value ?? null;
    },
    answerNudge: (region, asked) =>
      change<NudgeDocument, 'more' | 'done'>(nudgeId(region), nudgeSchema, (current) => {
        if (current === null) return { next: null, result: 'done' };
        const answered = Math.max(current.answered, asked);
        return { next: { ...current, answered }, result: current.asked > answered ? 'more' : 'done' };
      }),
    async unansweredNudges() {
      // One document per region: a page holds them all.
      const text = "SELECT * FROM c WHERE c.kind = 'nudge' AND c.asked > c.answered";
      return (await documents.query({ text }, nudgeSchema, { pageSize: 1_000 })).items;
    },
  };
}

/** Where the routes are kept: one document, replaced as a whole. */
export interface RouteStore {
  read(): Promise<{ routes: EventRoutes; etag: string } | null>;
  /** `etag` null: there is none yet. */
  write(routes: EventRoutes, etag: string | null): Promise<'written' | 'changed'>;
}

const storedRoutesSchema = z.object({ id: z.string(), value: routesSchema });
const routesId = 'routes';

export function createRouteStore(documents: DocumentStore): RouteStore {
  return {
    async read() {
      const stored = await documents.read(routesId, routesId, storedRoutesSchema);
      return stored === null ? null : { routes: stored.value.value, etag: stored.etag };
    },
    async write(routes, etag) {
      const document = { id: routesId, value: routes };
      const written =
        etag === null ? await documents.create(routesId, document) : await documents.replace(routesId, document, etag);
      return written === 'created' || written === 'replaced' ? 'written' : 'changed';
    },
  };
}
