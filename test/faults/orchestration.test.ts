import { type Clock } from '../../lib/platform/clock';
import { type Orchestrations } from '../../lib/platform/durable';
import { startTestDocuments, type TestDocuments } from '../support/documents';
import { orchestrateBuild } from '../support/orchestrated-build';
import { createSimulatedFleet, makeTargets } from '../support/simulated-fleet';

/** The real orchestrator and real documents; the queue, databases and time are simulated. */
describe('the orchestration of a build', () => {
  let documents: TestDocuments;
  beforeAll(async () => {
    documents = await startTestDocuments();
  });
  afterAll(() => documents.stop());

  const newFleet = () => createSimulatedFleet({ documents, targets: makeTargets(20, 2) });
  type Fleet = ReturnType<typeof newFleet>;

  /** Runs the orchestration to its end; the workers work while it sleeps. */
  async function orchestrated(fleet: Fleet, buildId: string, run = 1, asleep?: (sleep: number) => Promise<void>) {
    let sleeps = 0;
    const clock: Clock = {
      nowMs: () => fleet.nowMs(),
      async sleep(ms) {
        fleet.advance(ms);
        sleeps += 1;
        await asleep?.(sleeps);
        await fleet.work();
      },
    };
    const orchestration = await orchestrateBuild({
      services: fleet.services,
      clock,
      run: { buildId, run },
      newId: () => Math.random().toString(36).slice(2),
    });
    const end = await orchestration.ended();
    await orchestration.stop();
    return { end, build: await fleet.services.builds.read(buildId) };
  }

  it('ends the build as failed, and says why, when its targets are not the ones that were submitted', async () => {
    const fleet = newFleet();
    const { buildId, targets } = await fleet.submit();
    await fleet.blobs.state.put(targets.blob, 'evil.example:db\n', 'text/plain');
    expect(await orchestrated(fleet, buildId)).toMatchObject({
      end: 'Completed',
      build: { state: 'failed', failure: { code: 'builds.inputChanged' } },
    });
    expect(fleet.builtTargets).toEqual([]);
  });

  it('ends the build as failed when its plan is gone', async () => {
    const fleet = newFleet();
    const { buildId } = await fleet.submit({ concurrencyType: 'Server' });
    const { end, build } = await orchestrated(fleet, buildId, 1, async (sleep) => {
      if (sleep === 2) fleet.blobs.state.remove(`${buildId}/runs/1/plan.json`);
      // Plans are kept for a minute after they were read.
      fleet.advance(61_000);
    });
    expect(end).toBe('Completed');
    expect(build).toMatchObject({ state: 'failed', failure: { code: 'builds.stateMissing' } });
  });

  it('is started later when its start was lost after the build document was written', async () => {
    const fleet = newFleet();
    fleet.away.start = true;
    await expect(fleet.submit({ name: 'lost start' })).rejects.toMatchObject({ status: 503 });
    fleet.away.start = false;
    await fleet.services.revive(fleet.orchestrations);
    const lost = (
      await fleet.services.builds.list({ states: ['validating'], pageSize: 100, continuation: null })
    ).items.find(({ name }) => name === 'lost start');
    expect(fleet.started.map(({ input }) => input)).toContainEqual({ buildId: lost?.buildId, run: 1 });
    expect((await orchestrated(fleet, lost?.buildId ?? '')).build.counts.committed).toBe(20);
  });

  it('of one build that cannot be started does not keep the others from being started', async () => {
    const fleet = newFleet();
    const builds = [await fleet.submit(), await fleet.submit(), await fleet.submit()].map(({ buildId }) => buildId);
    const started: string[] = [];
    const orchestrations: Orchestrations = {
      ...fleet.orchestrations,
      async start(_name, instanceId) {
        if (instanceId.includes(builds[1] ?? '?')) throw new Error('this one is broken');
        started.push(instanceId);
      },
    };
    await fleet.services.revive(orchestrations).catch(() => undefined);
    expect(started).toEqual(expect.arrayContaining([`build-${builds[0]}-1`, `build-${builds[2]}-1`]));
  });

  it('can be cancelled while it retries: what was not retried yet stays as it was told', async () => {
    const fleet = createSimulatedFleet({
      documents,
      targets: makeTargets(20, 1),
      build: ({ attempt }) => (attempt === 1 ? 'rolledBack' : 'committed'),
    });
    const by = { actor: 'ann', reason: 'because' };
    const { buildId } = await fleet.submit({ concurrencyType: 'Server' });
    await orchestrated(fleet, buildId);
    await fleet.services.control(buildId, 'retry-failed', by, fleet.orchestrations);
    const { end, build } = await orchestrated(fleet, buildId, 2, async (sleep) => {
      if (sleep !== 4) return;
      await fleet.services.control(buildId, 'cancel', by, fleet.orchestrations);
      fleet.advance(2_000);
    });
    expect(end).toBe('Completed');
    expect(build.state).toBe('cancelled');
    expect(build.counts.committed).toBeGreaterThan(0);
    expect(build.counts.skipped).toBeGreaterThan(0);
    expect(build.counts.committed + build.counts.skipped).toBe(20);
    const { items } = await fleet.services.outcomes.list(
      buildId,
      { current: true },
      { pageSize: 100, continuation: null },
    );
    expect(new Set(items.map(({ targetId }) => targetId)).size).toBe(20);
    expect(items).toHaveLength(20);
  });
});
