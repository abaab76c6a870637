import { z } from 'zod';
import { type Clock } from '../../lib/platform/clock';
import { filterSchema, passes, type TopicEvent } from './filters';
import { type Pending, type PendingDeliveries } from './pending';

export const subscriptionSchema = z.strictObject({
  name: z.string().regex(/^[\w-]{1,64}$/),
  url: z.url(),
  topic: z.string().default('/subscriptions/00000000-0000-0000-0000-000000000001'),
  schema: z.enum(['eventGrid', 'cloudEvents']).default('eventGrid'),
  /** Delivery properties: headers that go along with every delivery. */
  headers: z.record(z.string(), z.string()).default({}),
  maxEventsPerBatch: z.int().min(1).max(5_000).default(1),
  /** Of what the topic itself tells; what is handed in by a person is delivered as it is. */
  filter: filterSchema.prefault({}),
});
export type Subscription = z.output<typeof subscriptionSchema>;

/** How one delivery went: the statuses of its attempts (0: no answer), and how it ended. */
export interface Delivery {
  statuses: number[];
  end: 'delivered' | 'deadLettered' | 'waiting';
  /** What the endpoint answered last. */
  answer: string;
}

/** After these, Event Grid goes on every twelve hours until a day is over; so long nobody waits here. */
const retryDelaysMs = [10_000, 30_000, 60_000, 300_000, 600_000, 1_800_000, 3_600_000, 10_800_000, 21_600_000];
/** Nothing would change, so nothing is tried again. */
const finalStatuses = [400, 401, 403, 413];
const answerWithinMs = 30_000;

export interface DelivererDeps {
  clock: Clock;
  pending: PendingDeliveries;
  fetch: typeof fetch;
  /** Divides the delays between attempts, for whoever has no hours. */
  haste: number;
}

/**
 * Delivers to webhooks as Event Grid does: a handshake when the subscription is made, then at least once, with growing
 * delays after any answer but success.
 * https://learn.microsoft.com/azure/event-grid/delivery-and-retry
 */
export function createDeliverer({ clock, pending, fetch, haste }: DelivererDeps) {
  const subscriptions = new Map<string, Subscription>();
  const stop = new AbortController();

  const post = async (to: Subscription, kind: string, contentType: string, body: string) => {
    const headers = {
      ...to.headers,
      'content-type': contentType,
      'aeg-event-type': kind,
      'aeg-subscription-name': to.name,
    };
    const signal = AbortSignal.any([stop.signal, AbortSignal.timeout(answerWithinMs)]);
    const response = await fetch(to.url, { method: 'POST', headers, body, signal });
    return { status: response.status, text: await response.text() };
  };

  const validate = async (to: Subscription): Promise<boolean> => {
    if (to.schema === 'cloudEvents') {
      const headers = { ...to.headers, 'WebHook-Request-Origin': 'eventgrid.azure.net', 'WebHook-Request-Rate': '120' };
      const response = await fetch(to.url, { method: 'OPTIONS', headers });
      const allowed = response.headers.get('webhook-allowed-origin');
      return response.status === 200 && (allowed === '*' || allowed === 'eventgrid.azure.net');
    }
    const code = crypto.randomUUID();
    const event = {
      id: crypto.randomUUID(),
      topic: to.topic,
      subject: '',
      data: { validationCode: code, validationUrl: 'https://rp-example.eventgrid.azure.net:553/validate?id=1' },
      eventType: 'Microsoft.EventGrid.SubscriptionValidationEvent',
      eventTime: new Date(clock.nowMs()).toISOString(),
      metadataVersion: '1',
      dataVersion: '1',
    };
    const { status, text } = await post(to, 'SubscriptionValidation', 'application/json', JSON.stringify([event]));
    const answer = z.object({ validationResponse: z.string() }).safeParse(status === 200 ? JSON.parse(text) : null);
    return answer.data?.validationResponse === code;
  };

  const deliverBatch = async (to: Subscription, events: readonly unknown[]): Promise<Delivery> => {
    const single = to.schema === 'cloudEvents' && to.maxEventsPerBatch === 1;
    const contentType =
      to.schema === 'eventGrid'
        ? 'application/json; charset=utf-8'
        : `application/cloudevents${single ? '' : '-batch'}+json; charset=utf-8`;
    const body = JSON.stringify(single ? events[0] : events);
    const delivery: Delivery = { statuses: [], end: 'waiting', answer: '' };
    for (const delayMs of [...retryDelaysMs, null]) {
      const { status, text } = await post(to, 'Notification', contentType, body).catch(() => ({ status: 0, text: '' }));
      delivery.statuses.push(status);
      delivery.answer = text;
      if (status >= 200 && status <= 204) return { ...delivery, end: 'delivered' };
      if (stop.signal.aborted) return delivery;
      if (finalStatuses.includes(status) || delayMs === null) return { ...delivery, end: 'deadLettered' };
      await clock.sleep(delayMs / haste, stop.signal).catch(() => undefined);
    }
    return delivery;
  };

  /** One event of a topic, until it is taken or given up; what a stop interrupts goes on after the next start. */
  const deliverPending = async (to: Subscription, { id, event }: Pending): Promise<void> => {
    const { end, statuses } = await deliverBatch(to, [event]);
    if (end === 'delivered') pending.delivered(id);
    if (end !== 'deadLettered') return;
    const lastHttpStatusCode = statuses.at(-1) ?? 0;
    pending.died({
      ...{ id, subscription: to.name, event, lastHttpStatusCode },
      deliveryAttempts: statuses.length,
      deadLetterReason: finalStatuses.includes(lastHttpStatusCode)
        ? 'UndeliverableDueToClientError'
        : 'MaxDeliveryAttemptsExceeded',
    });
  };

  const running = new Set<Promise<void>>();
  const begin = (to: Subscription, waiting: Pending): void => {
    const work = deliverPending(to, waiting).finally(() => running.delete(work));
    running.add(work);
  };

  return {
    /** Delivers what a topic tells to every subscription of it whose filter lets it through. */
    emit(event: TopicEvent): void {
      for (const to of subscriptions.values()) {
        if (to.topic.toLowerCase() !== event.topic.toLowerCase() || !passes(to.filter, event)) continue;
        begin(to, pending.add(to.name, event));
      }
    },
    /** false: the endpoint did not agree, and there is no such subscription. */
    async subscribe(wanted: z.input<typeof subscriptionSchema>): Promise<boolean> {
      const subscription = subscriptionSchema.parse(wanted);
      if (!(await validate(subscription))) return false;
      subscriptions.set(subscription.name, subscription);
      for (const waiting of pending.of(subscription.name)) begin(subscription, waiting);
      return true;
    },
    /** Resolves when every batch has ended. null: there is no such subscription. */
    async deliver(name: string, events: readonly unknown[]): Promise<Delivery[] | null> {
      const to = subscriptions.get(name);
      if (to === undefined) return null;
      const batches = Array.from({ length: Math.ceil(events.length / to.maxEventsPerBatch) }, (_, index) =>
        events.slice(index * to.maxEventsPerBatch, (index + 1) * to.maxEventsPerBatch),
      );
      return Promise.all(batches.map((batch) => deliverBatch(to, batch)));
    },
    async stop() {
      stop.abort();
      await Promise.all(running);
    },
  };
}
