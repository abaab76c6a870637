import { type Audit } from '../platform/audit';
import { type Orchestrations } from '../platform/durable';
import { AppError } from '../platform/errors';
import { type Receipt } from './intake';
import { handleEventId, handleEventName } from './orchestrators/handle-event';
import { type EventDocument } from './schema';
import { type EventStore } from './store';

export interface ReplayDeps {
  events: EventStore;
  receive: (delivery: readonly unknown[], orchestrations: Orchestrations) => Promise<Receipt[]>;
  audit: Audit;
}

/** Who sends an event again, and why. */
export interface ReplayedBy {
  actor: string;
  reason: string;
}

/** For people who have corrected what an event failed at: a route, a file, a setting. */
export function createReplay({ events, receive, audit }: ReplayDeps) {
  const record = (subject: string, by: ReplayedBy, details: Record<string, string>): Promise<void> =>
    audit.record({ subject: `events/${subject}`, action: 'replay', ...by, details });

  return {
    /**
     * Has an event acted on once more, by the routes of now, even where something newer came meanwhile. What it started
     * before it does not start again. One that is still being acted on is left to that.
     */
    async replay(id: string, by: ReplayedBy, orchestrations: Orchestrations): Promise<EventDocument> {
      const before = isEventKey(id) ? await events.find(id) : null;
      const event = before === null ? null : await events.reopen(id);
      if (event === null) throw notFound(id);
      await record(id, by, { was: before?.state ?? '' });
      await orchestrations.start(handleEventName, handleEventId(id), { key: id });
      return event;
    },

    /** Takes in once more what was rejected. Who caused it in Azure was not kept, so it counts as somebody else's doing. */
    async replayRejected(id: string, by: ReplayedBy, orchestrations: Orchestrations): Promise<Receipt> {
      const rejected = /^rejected-[0-9a-f]{64}$/.test(id) ? await events.findRejected(id) : null;
      if (rejected === null) throw notFound(id);
      if (!rejected.complete) {
        const message = 'Only a part of this event was kept. Deliver it again from where it came.';
        throw new AppError('events.notComplete', message, { status: 409 });
      }
      await record(id, by, { code: rejected.code });
      const [receipt] = await receive([JSON.parse(rejected.event)], orchestrations);
      if (receipt === undefined) throw notFound(id);
      if ('event' in receipt) await events.settleRejected(id, receipt.event);
      return receipt;
    },
  };
}

export function isEventKey(id: string): boolean {
  return /^[0-9a-f]{64}$/.test(id);
}

export function notFound(id: string): AppError {
  return new AppError('events.notFound', `No event "${id.slice(0, 80)}" is remembered.`, { status: 404 });
}
