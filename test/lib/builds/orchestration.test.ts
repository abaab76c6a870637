import { type Clock } from '../../../lib/platform/clock';
import {
  activityNames,
  buildOrchestration,
  buildOrchestrationName,
  orchestrationId,
} from '../../../lib/builds/orchestrators/build';
import { finishInputSchema } from '../../../lib/builds/finish';
import { runInputSchema } from '../../../lib/builds/schema';
import { createDurableEngine } from '../../../local/durable/engine';
import { invokerOf } from '../../local/durable/support';
import { startTestDocuments, type TestDocuments } from '../../support/documents';
import { createSimulatedFleet, makeTargets } from '../../support/simulated-fleet';

/** The real orchestrator in the real library on the durable engine, with simulated time and databases. */
describe('the orchestration of a build', () => {
  let documents: TestDocuments;
  beforeAll(async () => {
    documents = await startTestDocuments();
  });
  afterAll(() => documents.stop());

  async function orchestrate(targetCount: number, options: { failingActivity?: string; failures?: number } = {}) {
    const fleet = createSimulatedFleet({ documents, targets: makeTargets(targetCount, 4) });
    const { services } = fleet;
    let failuresLeft = options.failures ?? 0;
    const sometimesFailing = async <T>(name: string, run: () => Promise<T>): Promise<T> => {
      if (name === options.failingActivity && failuresLeft > 0) {
        failuresLeft -= 1;
        throw new Error('the store is away');
      }
      return run();
    };
    const activity = (name: string, run: (input: unknown) => Promise<unknown>) =>
      [name, (input: unknown) => sometimesFailing(name, () => run(input))] as const;
    const invoker = invokerOf({
      orchestrators: { [buildOrchestrationName]: buildOrchestration },
      activities: Object.fromEntries([
        activity(activityNames.prepare, (input) => services.prepare(runInputSchema.parse(input))),
        activity(activityNames.enqueue, (input) => services.monitor(runInputSchema.parse(input))),
        activity(activityNames.deploy, (input) => services.deploy(runInputSchema.parse(input))),
        activity(activityNames.monitor, (input) => services.monitor(runInputSchema.parse(input))),
        activity(activityNames.finish, (input) => services.finish(finishInputSchema.parse(input))),
      ]),
    });
    // Time passes only while the orchestration sleeps, and that is when the workers work.
    const clock: Clock = {
      nowMs: () => fleet.nowMs(),
      async sleep(ms) {
        fleet.advance(ms);
        for (let turn = 0; turn < 10 && (await fleet.work()) > 0; turn += 1);
      },
    };
    const engine = createDurableEngine({
      taskHubName: 'test',
      journalPath: null,
      clock,
      newId: () => Math.random().toString(36).slice(2),
      log: () => undefined,
      systemKey: 'key',
      options: { strictReplay: true },
    });
    const names = { orchestrators: [buildOrchestrationName], activities: Object.values(activityNames), entities: [] };
    await engine.start(names, invoker);
    const { buildId } = await fleet.submit({ concurrencyLimit: 32 });
    const instanceId = orchestrationId(buildId, 1);
    await engine.handle({
      method: 'POST',
      url: `/durabletask/orchestrators/${buildOrchestrationName}/${instanceId}`,
      headers: { host: 'localhost', 'content-type': 'application/json' },
      body: Buffer.from(JSON.stringify({ buildId, run: 1 })),
    });
    const ended = new Set(['succeeded', 'finishedWithFailures', 'cancelled', 'failed']);
    for (;;) {
      const build = await services.builds.read(buildId);
      if (ended.has(build.state)) {
        await engine.stop(1_000);
        return { build, fleet, counters: engine.counters(instanceId) };
      }
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  it('keeps its history within 64 KB, the same for a hundred targets and for ten thousand', async () => {
    const small = await orchestrate(100);
    const large = await orchestrate(10_000);
    expect(small.build.counts.committed).toBe(100);
    expect(large.build.counts.committed).toBe(10_000);
    expect(large.fleet.builtTargets).toHaveLength(10_000);
    const largest = large.counters?.maximumHistoryBytes ?? Infinity;
    expect(largest).toBeLessThanOrEqual(64 * 1024);
    expect(small.counters?.maximumHistoryBytes).toBeGreaterThan(0);
  }, 120_000);

  it.each(Object.values(activityNames))('goes on after %s failed for a while', async (failingActivity) => {
    const { build, fleet } = await orchestrate(30, { failingActivity, failures: 3 });
    expect(build.state).toBe('succeeded');
    expect(fleet.builtTargets).toHaveLength(30);
  });
});
