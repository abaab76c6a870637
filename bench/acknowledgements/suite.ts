import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { createIntake } from '../../lib/events/intake';
import { defaultRoutes } from '../../lib/events/schema';
import { createEventStore } from '../../lib/events/store';
import { createWebhook } from '../../lib/events/webhook';
import { systemClock } from '../../lib/platform/clock';
import { type DocumentStore } from '../../lib/platform/documents';
import { type Orchestrations } from '../../lib/platform/durable';
import { createLogger } from '../../lib/platform/logger';
import { table, thousands, type Verdict } from '../report';

/** What a write to Cosmos DB and a start of an orchestration take, injected: the rest is our own time. */
const writeMs = 10;
const startMs = 40;
/** Events of a delivery, and how long its acknowledgement may take. Event Grid waits for thirty seconds. */
const deliveries = [
  { events: 1, budgetMs: 1_000 },
  { events: 10, budgetMs: 1_000 },
  { events: 100, budgetMs: 1_000 },
  { events: 1_000, budgetMs: 1_000 },
  { events: 5_000, budgetMs: 30_000 },
];
const rounds = 5;
const topic = '/subscriptions/00000000-0000-0000-0000-000000000001';

/** How soon deliveries of events are acknowledged: the body's text in, every event stored, the slowest of some rounds. */
export async function benchAcknowledgements(say: (text: string) => void): Promise<Verdict[]> {
  say(
    `\nAcknowledging deliveries of events; a document takes ${writeMs} ms, a start of an orchestration ${startMs} ms.`,
  );
  const measured: { events: number; budgetMs: number; slowestMs: number }[] = [];
  for (const { events, budgetMs } of deliveries) {
    let slowestMs = 0;
    for (let round = 0; round < rounds; round += 1) slowestMs = Math.max(slowestMs, await acknowledge(events));
    measured.push({ events, budgetMs, slowestMs });
  }
  const rows = measured.map(({ events, slowestMs }) => [thousands(events), thousands(Math.round(slowestMs))]);
  say(table(['events of a delivery', 'acknowledged after, ms'], rows));
  return measured.map(({ events, budgetMs, slowestMs }) => ({
    what: `acknowledgement of ${thousands(events)} ${events === 1 ? 'event' : 'events'}, ms`,
    measured: thousands(Math.round(slowestMs)),
    budget: `≤ ${thousands(budgetMs)}`,
    holds: slowestMs <= budgetMs,
  }));
}

async function acknowledge(count: number): Promise<number> {
  const body = Buffer.from(JSON.stringify(Array.from({ length: count }, event)));
  const webhook = createWebhook({ keys: ['key'], topics: [topic], origins: [] });
  const receive = createIntake({
    events: createEventStore(slowDocuments()),
    routes: async () => defaultRoutes.routes,
    trust: { topics: [topic], ownIdentities: [] },
    clock: systemClock,
    logger: createLogger(() => undefined),
  });
  const orchestrations: Orchestrations = {
    start: () => delay(startMs),
    status: async () => ({ state: 'missing' }),
    wake: async () => undefined,
  };
  const begunMs = performance.now();
  const receipts = await receive(
    webhook.eventsOf(new Headers({ 'content-type': 'application/json' }), body),
    orchestrations,
  );
  const tookMs = performance.now() - begunMs;
  if (receipts.some(({ result }) => result !== 'accepted')) throw new Error('an event was not taken in');
  return tookMs;
}

/** Only creates, which is all that an acknowledgement of new events needs. */
function slowDocuments(): DocumentStore {
  const unused = () => Promise.reject(new Error('not needed for an acknowledgement'));
  return {
    create: async () => {
      await delay(writeMs);
      return 'created';
    },
    ...{ read: unused, replace: unused, patch: unused, delete: unused, query: unused, changes: unused },
  };
}

function event(): object {
  const resourceUri = `${topic}/resourceGroups/fleet/providers/Microsoft.Sql/servers/${randomUUID()}`;
  return {
    ...{ id: randomUUID(), topic, subject: resourceUri, eventType: 'Microsoft.Resources.ResourceWriteSuccess' },
    ...{ eventTime: new Date().toISOString(), dataVersion: '2', metadataVersion: '1' },
    data: { resourceUri, operationName: 'Microsoft.Sql/servers/write', correlationId: randomUUID() },
  };
}
