import { CosmosClient } from '@azure/cosmos';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import {
  alertViewSchema,
  databaseViewSchema,
  decisionViewSchema,
  regionViewSchema,
  type ServerView,
  serverViewSchema,
  simulationViewSchema,
} from '../../lib/capacity/view';
import topology from '../../infra/topology.json';
import { type Endpoints } from '../../local/launcher/endpoints';

const region = 'westeurope';

/** A server holds twenty databases; twelve of them ask for the next server, sixteen would raise an alert. */
export const demoPolicy = {
  limits: { databases: 20 },
  minimumHeadroom: 2,
  samplesToCreate: 1,
  coolDownMs: 0,
  tickIntervalMs: 2_000,
  countLagMs: 0,
  maximumServersPerDay: 20,
};

const patienceMs = 120_000;
const itemsOf = <T extends z.ZodType>(item: T) => z.object({ items: z.array(item) });

/** What makes the monitor worth having: servers appear before anybody needs them, and whatever breaks is repaired or reported. */
export function createCapacityDemo({ endpoints, say }: { endpoints: Endpoints; say: (text: string) => void }) {
  const call = async <T>(method: string, path: string, schema: z.ZodType<T>, body?: object): Promise<T> => {
    const { baseUrl, functionKey } = endpoints.http;
    const response = await fetch(`${baseUrl}/api/${path}`, {
      method,
      headers: { 'x-functions-key': functionKey, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path} answered ${response.status}: ${text}`);
    return schema.parse(text === '' ? null : JSON.parse(text));
  };
  const until = async <T>(what: string, ask: () => Promise<T>, holds: (answer: T) => boolean): Promise<T> => {
    const deadlineMs = Date.now() + patienceMs;
    for (;;) {
      const answer = await ask();
      if (holds(answer)) return answer;
      if (Date.now() > deadlineMs) throw new Error(`it did not come true that ${what}: ${JSON.stringify(answer)}`);
      await delay(200);
    }
  };
  const servers = async (): Promise<ServerView[]> => (await call('GET', 'sqlServers', itemsOf(serverViewSchema))).items;
  const show = (all: readonly ServerView[]): void => {
    for (const { name, state, databases } of [...all].sort((a, b) => a.name.localeCompare(b.name, 'en'))) {
      const count = databases.value ?? 0;
      const bar = '█'.repeat(count).padEnd(databases.limit, '·');
      say(`   ${name.padEnd(26)} ${state.padEnd(12)} ${bar} ${count} of ${databases.limit}`);
    }
  };
  const arm = async (action: string, body: object): Promise<void> => {
    const url = `${endpoints.control.url}/actions/arm/${action}`;
    const response = await fetch(url, { method: 'POST', body: JSON.stringify(body) });
    if (!response.ok) throw new Error(`${action} answered ${await response.text()}`);
  };
  /** What an accident, or a person with the portal open, does to the registry. */
  const withDocuments = async (
    work: (container: ReturnType<ReturnType<CosmosClient['database']>['container']>) => Promise<unknown>,
  ) => {
    const cosmos = new CosmosClient(endpoints.cosmos);
    try {
      await work(cosmos.database(topology.cosmos.database).container('sqlServers'));
    } finally {
      cosmos.dispose();
    }
  };
  const stateOf = (name: string) => async (): Promise<string> =>
    (await servers()).find((each) => each.name === name)?.state ?? 'none';
  const corrections = async (server: string): Promise<string[]> => {
    const { items } = await call('GET', 'capacity/decisions', itemsOf(decisionViewSchema));
    return items.flatMap((decision) =>
      decision.corrections.filter((each) => each.server === server).map(({ change, reason }) => `${change}: ${reason}`),
    );
  };

  return {
    async run(): Promise<void> {
      say(
        '\n1. The region has one server, made by hand from the same template. It is taken over, secured and counted:',
      );
      const begun = await until('the server is ready', servers, (all) =>
        all.some(({ state, databases }) => state === 'ready' && databases.value !== null),
      );
      show(begun);

      say('\n2. What would happen with 60 databases more?');
      const simulation = await call('POST', 'capacity/simulate', simulationViewSchema, { region, databases: 60 });
      for (const { server, reasons } of simulation.steps) say(`   ${server}: ${reasons[0] ?? ''}`);

      say('\n3. They come, six at a time, each placed on the server where it fits best:');
      for (let wave = 0; wave < 4; wave += 1) {
        const requests = Array.from({ length: 6 }, (_, index) =>
          call('POST', 'databases', databaseViewSchema, {
            name: `tenant-${wave}-${index}`,
            regions: [region],
            requestedBy: 'demo',
          }),
        );
        for (const { id } of await Promise.all(requests)) {
          const ended = await until(
            'the database is ready',
            () => call('GET', `databases/${id}`, databaseViewSchema),
            ({ state }) => ['ready', 'failed'].includes(state),
          );
          if (ended.state === 'failed')
            throw new Error(`a database could not be created: ${ended.failure?.message ?? ''}`);
        }
        const counted = 4 + 6 * (wave + 1);
        const all = await until(
          'all are counted',
          servers,
          (found) =>
            found.reduce((sum, { databases }) => sum + (databases.value ?? 0), 0) === counted &&
            found.every(({ state }) => state === 'ready'),
        );
        show(all);
        const highest = Math.max(...all.map(({ databases }) => (databases.value ?? 0) / databases.alert));
        say(`   highest: ${Math.round(highest * 100)} % of the alert threshold`);
        if (highest >= 1) throw new Error('the alert threshold was reached');
      }

      const [victim = ''] = (await servers()).map(({ name }) => name).filter((name) => name.startsWith('sql-'));
      say(
        `\n4. Somebody deletes the document of ${victim}. It carries our tags, so it is taken over and secured again:`,
      );
      await withDocuments((container) => container.item(victim, region).delete());
      await until(
        'it is ready again',
        async () => [await stateOf(victim)(), ...(await corrections(victim))],
        ([state, ...made]) => state === 'ready' && made.some((each) => each.startsWith('quarantined')),
      );
      for (const correction of await corrections(victim)) say(`   ${correction}`);

      say(`\n5. Somebody writes into the document that ${victim} was retired. Nobody retired it, and it exists:`);
      await withDocuments((container) =>
        container.item(victim, region).patch([{ op: 'set', path: '/state', value: 'retired' }]),
      );
      await until(
        'it is ready again',
        async () => [await stateOf(victim)(), ...(await corrections(victim))],
        ([state, ...made]) => state === 'ready' && made.some((each) => each.startsWith('retired')),
      );
      say(`   ${(await corrections(victim)).find((each) => each.startsWith('retired')) ?? ''}`);

      say(`\n6. Somebody drops ${victim} in Azure. Nothing is placed on it, and people are told what they can do:`);
      await arm('dropServer', { server: victim });
      await until('it is missing', stateOf(victim), (state) => state === 'missing');
      const alerts = await until(
        'there is an alert',
        () => call('GET', 'capacity/alerts?state=open', itemsOf(alertViewSchema)),
        ({ items }) => items.some(({ class: kind }) => kind === 'server-missing'),
      );
      for (const { severity, message, suggestion } of alerts.items)
        say(`   ${severity}: ${message}\n             ${suggestion}`);
      show(await servers());

      const regions = await call('GET', 'capacity/regions', itemsOf(regionViewSchema));
      for (const { metrics, wouldDo } of regions.items) {
        say('\n7. The region, as the dashboard shows it:');
        for (const { metric, value, limit, create, alert } of metrics) {
          say(
            `   ${metric.padEnd(16)} ${Math.round(value)} of ${limit}   create at ${Math.round(create)}, alert at ${Math.round(alert)}`,
          );
        }
        say(`   next: ${wouldDo.action}, because ${wouldDo.reasons.join('; ')}`);
      }
    },
  };
}
