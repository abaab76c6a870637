import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { serverViewSchema } from '../../lib/capacity/view';
import { startTestCloud, type TestCloud } from './cloud';

jest.setTimeout(600_000);

/** So low that the one server of the embedded fleet is past its thresholds once it has claimed a few databases. */
const policy = {
  limits: { databases: 20 },
  minimumHeadroom: 2,
  samplesToCreate: 1,
  coolDownMs: 0,
  tickIntervalMs: 1_000,
  countLagMs: 0,
  // What was killed keeps its successor out for this long.
  leaseMs: 5_000,
};
const region = 'westeurope';
const name = `sql-local-${region}-001`;

let cloud: TestCloud;
beforeAll(async () => {
  process.env.SQLFLEET_CAPACITY_POLICY = JSON.stringify(policy);
  process.env.SQLFLEET_CAPACITY_SCHEDULE = '*/2 * * * * *';
  process.env.SQLFLEET_CAPACITY_POLL_MS = '500';
  cloud = await startTestCloud({ servers: 1, databases: 3 });
});
afterAll(async () => {
  for (const setting of ['POLICY', 'SCHEDULE', 'POLL_MS']) delete process.env[`SQLFLEET_CAPACITY_${setting}`];
  await cloud.stop();
});

const act = async (action: string, body: object): Promise<void> => {
  const url = `${cloud.endpoints.control.url}/actions/arm/${action}`;
  const response = await fetch(url, { method: 'POST', body: JSON.stringify(body) });
  expect(response.status).toBe(200);
};
const servers = async () => {
  const { baseUrl, functionKey } = cloud.endpoints.http;
  const response = await fetch(`${baseUrl}/api/sqlServers`, { headers: { 'x-functions-key': functionKey } });
  return z.object({ items: z.array(serverViewSchema) }).parse(await response.json()).items;
};
async function when(holds: (all: Awaited<ReturnType<typeof servers>>) => boolean): Promise<void> {
  const deadlineMs = Date.now() + 60_000;
  for (;;) {
    const all = await servers();
    if (holds(all)) return;
    if (Date.now() > deadlineMs) throw new Error(`still ${JSON.stringify(all)}`);
    await delay(50);
  }
}
const killed = async (): Promise<void> => {
  await cloud.kill();
  await cloud.restart();
};

it('has one server, secured and ready, when everything is killed while it is asked for, created and secured', async () => {
  await when((all) => all.length === 1 && all.every(({ state }) => state === 'ready'));
  // Long enough for every state to be seen, and killed in.
  await act('setOperationTimes', { durationMs: 1_500, retryAfterSeconds: 0 });
  await act('claimDatabases', { server: 'fleet-1', count: 13 });
  for (const state of ['creating', 'securing'] as const) {
    await when((all) => all.some((server) => server.name === name && server.state === state));
    await killed();
  }
  await when((all) => all.some((server) => server.name === name && server.state === 'ready'));
  const all = await servers();
  expect(all.map((server) => [server.name, server.state])).toEqual(
    expect.arrayContaining([
      ['fleet-1', 'ready'],
      [name, 'ready'],
    ]),
  );
  // Room came with the first server: no second one was made of what was half done.
  expect(all).toHaveLength(2);
  expect(all.find((server) => server.name === name)).toMatchObject({ placeable: true, failure: null });
  await act('setOperationTimes', { durationMs: 0, retryAfterSeconds: 0 });
});
