import { createHash } from 'node:crypto';
import { z } from 'zod';
import {
  advanceDatabaseName,
  databaseInputSchema,
  databaseOrchestration,
  databaseOrchestrationName,
} from '../../lib/capacity/orchestrators/database';
import {
  capacityActivities,
  regionInputSchema,
  regionOrchestration,
  regionOrchestrationName,
} from '../../lib/capacity/orchestrators/region';
import { createDurableEngine } from '../../local/durable/engine';
import { type RecordedHistory } from '../../local/durable/recorded-history';
import { invokerOf } from '../local/durable/support';
import { aServer, capacityUnderTest, noOrchestrations, ownTags, region } from '../support/capacity';
import { httpError } from '../support/simulated-azure';
import { type CapacityScenario } from './capacity-scenarios';
import { type Recording } from './recorder';

const statusSchema = z.object({ runtimeStatus: z.string() });
const endSchema = z.enum(['Completed', 'Failed', 'Terminated']);

/** Plays a scenario: real orchestrator, library, engine and capacity services; Azure and time are simulated. */
export async function recordCapacity(scenario: CapacityScenario): Promise<Recording> {
  const { test, input, instanceId, name } = await prepared(scenario);
  let ids = 0;
  let calls = 0;
  let sleeps = 0;
  const generations = new Map<string, RecordedHistory>();
  const counted = async (run: () => Promise<unknown>): Promise<unknown> => {
    calls += 1;
    if (scenario.throws?.(calls) === true) throw new Error('the scenario lets this call fail');
    return run();
  };
  const { tick, advance, databases } = test.services;
  const activities = {
    [capacityActivities.tick]: (given: unknown) => counted(() => tick(regionInputSchema.parse(given).region)),
    [capacityActivities.advance]: (given: unknown) => counted(() => advance(regionInputSchema.parse(given).region)),
    [advanceDatabaseName]: (given: unknown) =>
      counted(() => databases.advance(databaseInputSchema.parse(given).databaseId, noOrchestrations)),
  };
  const orchestrators = {
    [regionOrchestrationName]: regionOrchestration,
    [databaseOrchestrationName]: databaseOrchestration,
  };
  const engine = createDurableEngine({
    taskHubName: 'test',
    journalPath: null,
    clock: {
      nowMs: () => test.clock.nowMs(),
      async sleep(ms, signal) {
        sleeps += 1;
        keep();
        // Half-way, so that a wake-up comes before the timer.
        test.clock.pass(ms / 2);
        if (scenario.wokenIn?.includes(sleeps) === true) {
          await request('POST', `instances/${instanceId}/raiseEvent/wake`, {});
          await new Promise<void>((resolve) => setTimeout(resolve, 20));
        }
        if (signal?.aborted !== true) test.clock.pass(ms / 2);
      },
    },
    newId: () => idOf(`${scenario.name} ${ids++}`),
    log: () => undefined,
    systemKey: 'key',
    options: { strictReplay: true },
  });
  const request = async (method: string, path: string, body: unknown): Promise<string> => {
    const response = await engine.handle({
      method,
      url: `/durabletask/${path}`,
      headers: { host: 'localhost', 'content-type': 'application/json' },
      body: Buffer.from(body === null ? '' : JSON.stringify(body)),
    });
    return response.body.toString();
  };
  const keep = (): void => {
    const history = engine.exportHistory(instanceId);
    if (history !== null) generations.set(history.executionId, history);
  };
  await engine.start(
    { orchestrators: Object.keys(orchestrators), activities: Object.keys(activities), entities: [] },
    invokerOf({ orchestrators, activities }),
  );
  await request('POST', `orchestrators/${name}/${instanceId}`, input);
  try {
    for (;;) {
      const status = statusSchema.parse(JSON.parse(await request('GET', `instances/${instanceId}`, null)));
      const end = endSchema.safeParse(status.runtimeStatus);
      if (end.success) {
        keep();
        return { scenario: scenario.name, end: end.data, histories: [...generations.values()] };
      }
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  } finally {
    await engine.stop(1_000);
  }
}

/** The region, the request and the input with which the scenario begins. */
async function prepared(scenario: CapacityScenario) {
  let running = scenario.buildsFor ?? 0;
  const builds = {
    start: async () => 'build-1',
    state: async () => ((running -= 1) >= 0 ? ('running' as const) : ('succeeded' as const)),
  };
  const test = capacityUnderTest({
    policy: scenario.policy ?? {},
    azure: { creationMs: scenario.creationMs },
    deps: { builds },
  });
  const value = scenario.databases === undefined ? 10 : scenario.databases;
  if (value !== null) {
    const at = new Date(test.clock.nowMs()).toISOString();
    const numbers = { databases: { value, limit: 5_000 }, serverDtus: null };
    const security = { verifiedAt: at, steps: {}, openings: [] };
    await test.services.servers.create(aServer('server-1', { numbers, numbersAt: at, security, load: value / 5_000 }));
    test.azure.addServer('server-1', { tags: { ...ownTags }, bulk: value });
  }
  const { refuses } = scenario;
  if (refuses !== undefined) test.azure.fail(refuses.call, httpError(refuses.status, refuses.code));
  if (scenario.orchestration === 'region') {
    const input = { region, tickIntervalMs: 300_000, pollIntervalMs: 15_000 };
    return { test, input, instanceId: `capacity-${region}`, name: regionOrchestrationName };
  }
  const { database } = await test.services.databases.request(
    {
      name: 'tenant-1',
      regions: [region],
      tags: {},
      ...(scenario.buildsFor === undefined ? {} : { package: 'x.sql' }),
    },
    { actor: 'ada', idempotencyKey: scenario.name },
    noOrchestrations,
  );
  const { databaseId } = database;
  return { test, input: { databaseId }, instanceId: `database-${databaseId}`, name: databaseOrchestrationName };
}

/** The same in every recording, so that recording again changes only what really changed. */
function idOf(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 32);
}
