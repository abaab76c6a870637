import { z } from 'zod';
import { type Clock } from '../../lib/platform/clock';

/** A CloudEvent 1.0 as the topic took it. */
const cloudEventSchema = z.looseObject({
  specversion: z.literal('1.0'),
  id: z.string().min(1),
  source: z.string().min(1),
  type: z.string().min(1),
  time: z.iso.datetime({ offset: true }).optional(),
  subject: z.string().optional(),
  data: z.unknown(),
});
export type PublishedEvent = z.infer<typeof cloudEventSchema>;
export const batchSchema = z.array(cloudEventSchema).min(1);

/** The oldest are forgotten: whoever follows reads on in time. */
const keptEvents = 10_000;

/** What was published to the custom topic, in order. */
export function createTopic() {
  let events: PublishedEvent[] = [];
  let forgotten = 0;
  return {
    take(batch: readonly PublishedEvent[]): void {
      events.push(...batch);
      forgotten += Math.max(0, events.length - keptEvents);
      events = events.slice(-keptEvents);
    },
    /** Events after position `after`, and the position to go on from. */
    since: (after: number): { events: PublishedEvent[]; position: number } => ({
      events: events.slice(Math.max(0, after - forgotten)),
      position: forgotten + events.length,
    }),
  };
}

export const subscriptionSchema = z.strictObject({
  name: z.string().regex(/^[\w-]{1,64}$/),
  url: z.url(),
  topic: z.string().default('/subscriptions/00000000-0000-0000-0000-000000000001'),
  schema: z.enum(['eventGrid', 'cloudEvents']).default('eventGrid'),
  /** Delivery properties: headers that go along with every delivery. */
  headers: z.record(z.string(), z.string()).default({}),
  maxEventsPerBatch: z.int().min(1).max(5_000).default(1),
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
  fetch: typeof fetch;
  /** Divides the delays between attempts, for whoever has no hours. */
  haste: number;
}

/**
 * Delivers to webhooks as Event Grid does: a handshake when the subscription is made, then at least once, with growing
 * delays after any answer but success.
 * https://learn.microsoft.com/azure/event-grid/delivery-and-retry
 */
export function createDeliverer({ clock, fetch, haste }: DelivererDeps) {
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
      if (finalStatuses.includes(status) || delayMs === null) return { ...delivery, end: 'deadLettered' };
      if (stop.signal.aborted) return delivery;
      await clock.sleep(delayMs / haste, stop.signal).catch(() => undefined);
    }
    return delivery;
  };

  return {
    /** false: the endpoint did not agree, and there is no such subscription. */
    async subscribe(wanted: z.input<typeof subscriptionSchema>): Promise<boolean> {
      const subscription = subscriptionSchema.parse(wanted);
      if (!(await validate(subscription))) return false;
      subscriptions.set(subscription.name, subscription);
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
    stop: () => stop.abort(),
  };
}
