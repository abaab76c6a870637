import { type Clock } from '../../../lib/platform/clock';
import { activityNames } from '../../../lib/builds/orchestrators/build';
import { startTestDocuments, type TestDocuments } from '../../support/documents';
import { orchestrateBuild } from '../../support/orchestrated-build';
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
    // Time passes only while the orchestration sleeps, and that is when the workers work.
    const clock: Clock = {
      nowMs: () => fleet.nowMs(),
      async sleep(ms) {
        fleet.advance(ms);
        for (let turn = 0; turn < 10 && (await fleet.work()) > 0; turn += 1);
      },
    };
    const { buildId } = await fleet.submit({ concurrencyLimit: 32 });
    const orchestration = await orchestrateBuild({
      services,
      clock,
      run: { buildId, run: 1 },
      newId: () => Math.random().toString(36).slice(2),
      around(name, run) {
        if (name !== options.failingActivity || failuresLeft === 0) return run();
        failuresLeft -= 1;
        throw new Error('the store is away');
      },
    });
    await orchestration.ended();
    await orchestration.stop();
    const counters = orchestration.engine.counters(orchestration.instanceId);
    return { build: await services.builds.read(buildId), fleet, counters };
  }

  // `npm run bench -- --counters` holds the same limit for ten thousand, and for a hundred thousand.
  it('keeps its history within 64 KB, the same for a hundred targets and for three thousand', async () => {
    const small = await orchestrate(100);
    const large = await orchestrate(3_000);
    expect(small.build.counts.committed).toBe(100);
    expect(large.build.counts.committed).toBe(3_000);
    expect(large.fleet.builtTargets).toHaveLength(3_000);
    const largest = large.counters?.maximumHistoryBytes ?? Infinity;
    expect(largest).toBeLessThanOrEqual(64 * 1024);
    expect(small.counters?.maximumHistoryBytes).toBeGreaterThan(0);
  }, 300_000);

  it.each(Object.values(activityNames))('goes on after %s failed for a while', async (failingActivity) => {
    const { build, fleet } = await orchestrate(30, { failingActivity, failures: 3 });
    expect(build.state).toBe('succeeded');
    expect(fleet.builtTargets).toHaveLength(30);
  });
});
