import { type Build } from '../../lib/builds/schema';
import { startTestDocuments, type TestDocuments } from '../support/documents';
import { createSimulatedFleet, makeTargets, type SimulatedFleetOptions } from '../support/simulated-fleet';

/** Documents and blobs that are slow, throttled, away, or lose an answer. Real documents; queue, databases and time are simulated. */
describe('a build whose stores fail', () => {
  let documents: TestDocuments;
  beforeAll(async () => {
    documents = await startTestDocuments();
  });
  afterEach(() => documents.service.faults.clear());
  afterAll(() => documents.stop());

  const fleet = (options: Partial<SimulatedFleetOptions> = {}) =>
    createSimulatedFleet({ documents, targets: makeTargets(24, 2), ...options });
  const ann = { actor: 'ann', reason: 'because' };
  const countOf = ({ counts }: Build) => Object.values(counts).reduce((sum, count) => sum + count, 0);

  it.each(['outcomes', 'blobs'] as const)(
    'waits for the %s when they are away, and fails no target for it',
    async (part) => {
      const simulated = fleet({ build: ({ target }) => (target.line === 3 ? 'rolledBack' : 'committed') });
      const { buildId } = await simulated.submit({ concurrencyLimit: 2 });
      await simulated.run(buildId, 1, async (look) => {
        if (look !== 1) return;
        simulated.away[part] = true;
        simulated.whenTimeHasPassed(5 * 60_000, () => (simulated.away[part] = false));
      });
      const build = await simulated.services.builds.read(buildId);
      expect(simulated.away[part]).toBe(false);
      expect(build.counts).toMatchObject({ committed: 23, rolledBack: 1 });
      // Nothing was delivered so often that the queue gave it up, and nothing ran again only because its outcome was late.
      expect(simulated.memory.deadLetters).toEqual([]);
      expect(simulated.builtTargets).toHaveLength(24);
    },
  );

  it('keeps the result of a database whose log cannot be stored, and says that there is none', async () => {
    const simulated = fleet({ targets: makeTargets(2, 1) });
    simulated.away.logs = true;
    const { buildId } = await simulated.submit();
    await simulated.services.prepare({ buildId, run: 1 });
    await simulated.services.monitor({ buildId, run: 1 });
    await simulated.work();
    const { items } = await simulated.services.outcomes.list(
      buildId,
      { current: true },
      { pageSize: 10, continuation: null },
    );
    expect(items).toEqual([
      expect.objectContaining({ status: 'committed', log: null }),
      expect.objectContaining({ status: 'committed', log: null }),
    ]);
  });

  it('takes an answer that was lost for what it was: the write took place, once', async () => {
    const simulated = fleet();
    const { buildId } = await simulated.submit({ concurrencyLimit: 1 });
    await simulated.services.prepare({ buildId, run: 1 });
    const lose = (operation: string, path: string) => documents.service.faults.add({ operation, path, drop: 'after' });

    lose('replaceItem', `docs/${buildId}`);
    const paused = await simulated.services.control(buildId, 'pause', ann, simulated.orchestrations);
    expect(paused.control.paused).toMatchObject(ann);
    lose('replaceItem', `docs/${buildId}`);
    await simulated.services.control(buildId, 'resume', ann, simulated.orchestrations);
    lose('replaceItem', 'docs/progress');
    lose('createItem', 'outcomes');
    await simulated.run(buildId);
    const build = await simulated.services.builds.read(buildId);
    expect(build.counts.committed).toBe(24);
    expect(simulated.events.filter(({ type }) => type === 'targetFinished')).toHaveLength(24);
    expect(documents.service.faults.waiting()).toEqual([]);
  });

  it('lets one of two people act who act at once, and tells the other one', async () => {
    const simulated = fleet();
    const { buildId } = await simulated.submit();
    const act = () =>
      simulated.services.control(buildId, 'pause', ann, simulated.orchestrations).then(
        () => 'done',
        () => 'refused',
      );
    expect((await Promise.all([act(), act(), act()])).sort()).toEqual(['done', 'refused', 'refused']);
    const { items } = await simulated.services.audit.list(buildId, { pageSize: 10, continuation: null });
    expect(items.filter(({ action }) => action === 'pause')).toHaveLength(1);
  });

  it.each(['throttled', 'busy', 'conflicting'] as const)('waits for documents that are %s', async (how) => {
    const simulated = fleet();
    const { buildId } = await simulated.submit({ concurrencyLimit: 4 });
    const fault = {
      throttled: { status: 429, retryAfterMs: 20, times: 8 },
      busy: { status: 503, times: 4 },
      conflicting: { status: 449, times: 4 },
    }[how];
    await simulated.run(buildId, 1, async (look) => {
      if (look === 1 || look === 3) documents.service.faults.add({ path: 'colls/outcomes', ...fault });
      if (look === 2) documents.service.faults.add({ path: 'colls/builds', ...fault });
    });
    const build = await simulated.services.builds.read(buildId);
    expect(build.counts.committed).toBe(24);
    expect(countOf(build)).toBe(24);
  });
});
