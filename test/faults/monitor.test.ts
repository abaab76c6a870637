import { startTestDocuments, type TestDocuments } from '../support/documents';
import { createSimulatedFleet, makeTargets, type SimulatedFleetOptions } from '../support/simulated-fleet';

/** Real decisions and real documents; the queue, the databases and time are simulated, so every fault hits its exact spot. */
describe('the monitor of a build', () => {
  let documents: TestDocuments;
  beforeAll(async () => {
    documents = await startTestDocuments();
  });
  afterEach(() => documents.service.faults.clear());
  afterAll(() => documents.stop());

  const stuckAfterMs = 60_000;
  const fleet = (options: Partial<SimulatedFleetOptions> = {}) =>
    createSimulatedFleet({ documents, targets: makeTargets(60, 2), stuckAfterMs, ...options });

  /** What it was about to remember is refused, as when another look was quicker or the process died. */
  const forgetOneLook = () =>
    documents.service.faults.add({ operation: 'replaceItem', path: 'docs/progress', status: 412 });

  it.each([1, 2, 5])('goes on when it forgets every look of %s in which it sent something', async (every) => {
    const simulated = fleet();
    const { buildId } = await simulated.submit({ concurrencyLimit: 3 });
    const begunMs = simulated.nowMs();
    forgetOneLook();
    await simulated.run(buildId, 1, async (look) => {
      if (look < 20 && look % every === 0) forgetOneLook();
    });
    expect((await simulated.services.builds.read(buildId)).counts.committed).toBe(60);
    expect(simulated.builtTargets).toHaveLength(60);
    // Nobody waited for the silence after which lost targets are looked for.
    expect(simulated.nowMs() - begunMs).toBeLessThan(stuckAfterMs);
  });

  it('spreads lost targets over the lanes when it sends them again, and keeps all lanes busy afterwards', async () => {
    const simulated = fleet({ targets: makeTargets(60, 1) });
    const { buildId } = await simulated.submit({ concurrencyLimit: 6 });
    let busiestAfterLoss = 0;
    let lost = 0;
    await simulated.run(buildId, 1, async (look) => {
      if (look === 1) for (const lane of simulated.memory.lanes.values()) lost += lane.splice(0).length;
      const busy = [...simulated.memory.lanes.values()].filter((lane) => lane.length > 0).length;
      if (look > 1) busiestAfterLoss = Math.max(busiestAfterLoss, busy);
    });
    expect(lost).toBeGreaterThanOrEqual(12);
    expect((await simulated.services.builds.read(buildId)).counts.committed).toBe(60);
    expect(simulated.builtTargets).toHaveLength(60);
    expect(busiestAfterLoss).toBe(6);
  });
});
