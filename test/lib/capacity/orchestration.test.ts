import { z } from 'zod';
import {
  capacityActivities,
  regionInputSchema,
  regionOrchestration,
  regionOrchestrationId,
  regionOrchestrationName,
  type RegionInput,
} from '../../../lib/capacity/orchestrators/region';
import { systemClock } from '../../../lib/platform/clock';
import { createDurableEngine } from '../../../local/durable/engine';
import { invokerOf } from '../../local/durable/support';
import { capacityUnderTest, environment, region } from '../../support/capacity';

const first = `sql-${environment}-${region}-001`;
const statusSchema = z.object({ runtimeStatus: z.string() });

/** The real orchestrator on the durable engine, every episode replayed twice, over activities that are given. */
async function orchestrate(
  activities: Record<string, (input: unknown) => Promise<unknown>>,
  input: Partial<RegionInput> = {},
) {
  let ids = 0;
  const engine = createDurableEngine({
    taskHubName: 'test',
    journalPath: null,
    clock: systemClock,
    newId: () => `instance-${(ids += 1)}`,
    log: () => undefined,
    systemKey: 'key',
    options: { strictReplay: true },
  });
  await engine.start(
    { orchestrators: [regionOrchestrationName], activities: Object.keys(activities), entities: [] },
    invokerOf({ orchestrators: { [regionOrchestrationName]: regionOrchestration }, activities }),
  );
  const request = async (method: string, path: string, body: unknown): Promise<string> => {
    const response = await engine.handle({
      method,
      url: `/durabletask/${path}`,
      headers: { host: 'localhost', 'content-type': 'application/json' },
      body: Buffer.from(body === null ? '' : JSON.stringify(body)),
    });
    return response.body.toString();
  };
  const instanceId = regionOrchestrationId(region);
  await request('POST', `orchestrators/${regionOrchestrationName}/${instanceId}`, {
    region,
    tickIntervalMs: 3_600_000,
    pollIntervalMs: 1,
    ...input,
  });
  try {
    for (;;) {
      const { runtimeStatus } = statusSchema.parse(JSON.parse(await request('GET', `instances/${instanceId}`, null)));
      if (runtimeStatus === 'Completed' || runtimeStatus === 'Failed') return runtimeStatus;
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  } finally {
    await engine.stop(1_000);
  }
}

describe('the orchestration of a region', () => {
  it('looks, drives the server that is on its way, and ends when there is none', async () => {
    const test = capacityUnderTest({ azure: { creationMs: 60_000 } });
    const ran: string[] = [];
    const activity = (name: 'tick' | 'advance') => async (input: unknown) => {
      ran.push(name);
      test.clock.pass(15_000);
      return test.services[name](regionInputSchema.parse(input).region);
    };
    const ended = await orchestrate({
      [capacityActivities.tick]: activity('tick'),
      [capacityActivities.advance]: activity('advance'),
    });
    expect(ended).toBe('Completed');
    expect(ran.slice(0, 2)).toEqual(['tick', 'advance']);
    expect(ran.filter((name) => name === 'tick')).toHaveLength(1);
    expect(await test.server(first)).toMatchObject({ state: 'ready' });
    expect(test.azure.puts).toEqual([first]);
  });

  it('lets servers go on between any two looks, however long a look takes', async () => {
    const ran: string[] = [];
    let left = 6;
    await orchestrate(
      {
        [capacityActivities.tick]: async () => (ran.push('tick'), { outcome: 'done', inFlight: 1 }),
        [capacityActivities.advance]: async () => (ran.push('advance'), { outcome: 'done', inFlight: (left -= 1) }),
      },
      { tickIntervalMs: 0 },
    );
    expect(ran.join(' ')).not.toContain('tick tick');
  });

  it('begins its history anew while something is on its way for long', async () => {
    let left = 60;
    const ended = await orchestrate({
      [capacityActivities.tick]: async () => ({ outcome: 'done', inFlight: 1 }),
      [capacityActivities.advance]: async () => ({ outcome: 'done', inFlight: (left -= 1) }),
    });
    expect([ended, left]).toEqual(['Completed', 0]);
  });

  it('gives up after a few faults in a row, for the timer to start it again', async () => {
    let tries = 0;
    const ended = await orchestrate({
      [capacityActivities.tick]: async () => {
        tries += 1;
        throw new Error('the documents are away');
      },
      [capacityActivities.advance]: async () => ({ outcome: 'done', inFlight: 0 }),
    });
    expect([ended, tries]).toEqual(['Completed', 3]);
  });
});
