import { startTestDocuments, type TestDocuments } from '../support/documents';
import { createSimulatedFleet, makeTargets, messageBody, type SimulatedFleetOptions } from '../support/simulated-fleet';

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

  it('makes outcomes of the dead letters of a build, and lets no foreign one hold it up', async () => {
    const simulated = fleet({ targets: makeTargets(12, 1) });
    const { buildId } = await simulated.submit({ concurrencyType: 'Server' });
    const letter = (body: unknown) => ({ messageId: 'm', body, reason: 'MaxDeliveryCountExceeded', description: '' });
    await simulated.run(buildId, 1, async (look) => {
      const [taken] = look === 1 ? simulated.memory.takeOnePerLane() : [];
      if (taken === undefined) return;
      const ours = messageBody(taken);
      simulated.memory.deadLetters.push(
        letter('{ not json'),
        letter({ some: 'object' }),
        letter({ ...ours, buildId: 'of-another-world' }),
        letter({ ...ours, run: 7, attempt: 7, version: 9, buildId: 'of-another-world' }),
        letter(ours),
      );
    });
    const build = await simulated.services.builds.read(buildId);
    expect(build.counts).toMatchObject({ committed: 11, failed: 1 });
    expect(simulated.memory.deadLetters).toEqual([]);
    expect(simulated.logged.filter((line) => line.includes('no build waits for'))).toHaveLength(4);
  });

  it('keeps a dead letter that cannot be cleared up yet, and goes on with the rest meanwhile', async () => {
    const simulated = fleet({ targets: makeTargets(12, 1) });
    const { buildId } = await simulated.submit({ concurrencyType: 'Server' });
    let whileAway = 0;
    await simulated.run(buildId, 1, async (look) => {
      if (look === 1) {
        const bodies = simulated.memory.takeOnePerLane().map(messageBody);
        for (const body of bodies)
          simulated.memory.deadLetters.push({
            messageId: 'm',
            body,
            reason: 'MaxDeliveryCountExceeded',
            description: '',
          });
        simulated.away.resolve = true;
      }
      if (simulated.memory.deadLetters.length === 1) whileAway = simulated.builtTargets.length;
      if (whileAway === 11) simulated.away.resolve = false;
    });
    expect(whileAway).toBe(11);
    expect((await simulated.services.builds.read(buildId)).counts).toMatchObject({ committed: 11, failed: 1 });
  });

  it('goes on building while the queue cannot be asked how much it holds', async () => {
    const simulated = fleet({ targets: makeTargets(40, 1) });
    simulated.away.backlog = true;
    const { buildId } = await simulated.submit({ concurrencyType: 'Server' });
    await simulated.run(buildId);
    expect((await simulated.services.builds.read(buildId)).counts.committed).toBe(40);
    expect(simulated.logged.some((line) => line.includes('could not be asked'))).toBe(true);
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
