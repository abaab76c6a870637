import { buildView } from '../../../lib/builds/view';
import { startTestDocuments, type TestDocuments } from '../../support/documents';
import { createSimulatedFleet, makeTargets, messageBody } from '../../support/simulated-fleet';

/** Real decisions, real approvals and real documents; the queue, the databases and time are simulated. */
describe('a build that asks for approval', () => {
  let documents: TestDocuments;
  beforeAll(async () => void (documents = await startTestDocuments()));
  afterAll(() => documents.stop());

  /** Every server has targets of both kinds: 20 tagged Dev and 20 tagged Prod on two servers. */
  const fleet = (count = 40) =>
    createSimulatedFleet({ documents, targets: makeTargets(count, 2, (index) => (index % 4 < 2 ? 'Dev' : 'Prod')) });
  type Fleet = ReturnType<typeof fleet>;
  const prod = { tag: 'PROD', approvers: ['ada'], timeoutMinutes: 120 };

  async function submit(simulated: Fleet, options: object = {}) {
    return simulated.submit({ approvals: [prod], requestedBy: 'rita', concurrencyLimit: 2, ...options });
  }
  const pendingOf = async ({ services }: Fleet, buildId: string): Promise<string> =>
    (await services.builds.read(buildId)).approvals?.[0]?.approvalId ?? '';
  const decide = ({ approvals, orchestrations }: Fleet, id: string, decision: 'approve' | 'reject', actor = 'ada') =>
    approvals.decide(id, { decision, actor, reason: `${decision}: seen` }, orchestrations);
  const tagsBuilt = ({ memory }: Fleet, lanes = [...memory.lanes.values()]): string[] =>
    lanes.flat().map((message) => messageBody(message).target.tag);
  const countOf = async ({ services }: Fleet, buildId: string) => (await services.builds.read(buildId)).counts;

  it('hands out targets of the tag, however it is written, only after somebody approved; the others do not wait', async () => {
    const simulated = fleet();
    const { buildId } = await submit(simulated);
    let approvedAt = Infinity;
    await simulated.run(buildId, 1, async (look) => {
      if (look > approvedAt) return;
      expect(tagsBuilt(simulated)).not.toContain('Prod');
      if ((await countOf(simulated, buildId)).committed < 20) return;
      const build = await simulated.services.builds.read(buildId);
      expect(build).toMatchObject({ state: 'running', outstanding: 0 });
      const { waitingFor, approvals, waiting } = buildView(build, 'https://app/api');
      expect(waiting).toBe(20);
      expect(waitingFor).toBe(`approval of the targets #prod until ${approvals[0]?.expiresAt}`);
      expect(approvals[0]?.link).toBe(`https://app/api/approvals/${approvals[0]?.approvalId}`);
      await decide(simulated, approvals[0]?.approvalId ?? '', 'approve');
      approvedAt = look;
    });
    expect(approvedAt).toBeLessThan(Infinity);
    const build = await simulated.services.builds.read(buildId);
    expect(build).toMatchObject({ state: 'succeeded', counts: { committed: 40 }, approvals: [] });
    expect(simulated.builtTargets).toHaveLength(40);
  });

  it('keeps the lanes as shallow, and as many, as without approvals', async () => {
    const depths = await Promise.all(
      [[prod], []].map(async (approvals) => {
        const simulated = fleet(160);
        const { buildId } = await submit(simulated, { approvals });
        const lanes = new Set<string>();
        await simulated.run(buildId, 1, async () => {
          for (const lane of simulated.memory.lanes.keys()) lanes.add(lane);
          const id = await pendingOf(simulated, buildId);
          if (id !== '' && (await countOf(simulated, buildId)).committed === 80) await decide(simulated, id, 'approve');
        });
        expect(simulated.builtTargets).toHaveLength(160);
        return { deepest: simulated.memory.deepest(), lanes: lanes.size };
      }),
    );
    expect(depths[0]).toEqual(depths[1]);
  });

  it('hands nothing out twice because people took long', async () => {
    const simulated = fleet();
    const { buildId } = await submit(simulated, { approvals: [{ ...prod, timeoutMinutes: 1_000 }] });
    let looks = 0;
    await simulated.run(buildId, 1, async () => {
      const id = await pendingOf(simulated, buildId);
      if (id !== '' && (looks += 1) === 60) await decide(simulated, id, 'approve');
    });
    expect(await countOf(simulated, buildId)).toMatchObject({ committed: 40 });
    expect([...simulated.memory.sentIds]).toHaveLength(40);
  });

  it.each(['rejected', 'expired'] as const)(
    'ends the targets as skipped, with the reason, when it is %s',
    async (end) => {
      const simulated = fleet();
      const { buildId } = await submit(simulated);
      await simulated.run(buildId, 1, async () => {
        const id = await pendingOf(simulated, buildId);
        if (id !== '' && end === 'rejected') await decide(simulated, id, 'reject');
      });
      const build = await simulated.services.builds.read(buildId);
      expect(build).toMatchObject({ state: 'finishedWithFailures', counts: { committed: 20, skipped: 20 } });
      const page = await simulated.services.outcomes.list(
        buildId,
        { current: true, statuses: ['skipped'] },
        { pageSize: 100, continuation: null },
      );
      expect(new Set(page.items.map(({ tag }) => tag))).toEqual(new Set(['Prod']));
      expect(page.items[0]?.reason).toContain(
        end === 'rejected' ? 'approval rejected: reject: seen (ada)' : 'approval expired: nobody decided before',
      );
    },
  );

  it('decides each tag by itself', async () => {
    const targets = makeTargets(30, 1, (index) => ['a', 'b', 'c'][index % 3] ?? '');
    const simulated = createSimulatedFleet({ documents, targets });
    const { buildId } = await submit(simulated, { approvals: [{ tag: 'a' }, { tag: 'b' }], concurrencyType: 'Count' });
    await simulated.run(buildId, 1, async () => {
      const asked = (await simulated.services.builds.read(buildId)).approvals ?? [];
      for (const { tag, approvalId } of asked) await decide(simulated, approvalId, tag === 'a' ? 'reject' : 'approve');
    });
    expect(await countOf(simulated, buildId)).toMatchObject({ committed: 20, skipped: 10 });
  });

  it('takes its question back when it is cancelled', async () => {
    const simulated = fleet();
    const { buildId } = await submit(simulated);
    let id = '';
    await simulated.run(buildId, 1, async () => {
      const pending = await pendingOf(simulated, buildId);
      if (pending === '' || id !== '') return;
      id = pending;
      await simulated.services.control(buildId, 'cancel', { actor: 'rita', reason: 'no' }, simulated.orchestrations);
    });
    expect(await simulated.approvals.read(id)).toMatchObject({ state: 'withdrawn' });
    expect((await simulated.services.builds.read(buildId)).state).toBe('cancelled');
  });

  it('asks anew for a retry, and whoever asked for the retry may not approve it', async () => {
    const simulated = fleet();
    const { buildId } = await submit(simulated, { approvals: [{ tag: 'Prod' }] });
    const ids = new Set<string>();
    await simulated.run(buildId, 1, async () => {
      const id = await pendingOf(simulated, buildId);
      if (id === '') return;
      ids.add(id);
      await expect(decide(simulated, id, 'approve', 'rita')).rejects.toMatchObject({ status: 403 });
      await decide(simulated, id, 'reject');
    });
    await simulated.services.control(
      buildId,
      'retry-failed',
      { actor: 'Bob', reason: 'now' },
      simulated.orchestrations,
    );
    await simulated.run(buildId, 2, async () => {
      const id = await pendingOf(simulated, buildId);
      if (id === '') return;
      ids.add(id);
      await expect(decide(simulated, id, 'approve', 'bob')).rejects.toMatchObject({ status: 403 });
      await decide(simulated, id, 'approve', 'rita');
    });
    expect(ids.size).toBe(2);
    const build = await simulated.services.builds.read(buildId);
    expect(build).toMatchObject({ state: 'succeeded', counts: { committed: 40, skipped: 0 } });
  });

  it('is refused when no target has the tag, or a tag has two approvals', async () => {
    await expect(submit(fleet(), { approvals: [{ tag: 'Production' }] })).rejects.toMatchObject({
      details: { problems: [expect.objectContaining({ code: 'targets.approvalTag' })] },
    });
    await expect(submit(fleet(), { approvals: [prod, { tag: 'prod' }] })).rejects.toMatchObject({
      details: { problems: [expect.objectContaining({ entry: 'options.approvals.1.tag' })] },
    });
  });

  it('tells others how it began and ended, each once', async () => {
    const simulated = fleet();
    const { buildId } = await submit(simulated, { approvals: [] });
    await simulated.run(buildId);
    await simulated.services.finish({ buildId, run: 1 });
    const about = simulated.published.filter(({ subject }) => subject === `builds/${buildId}`);
    expect([...new Set(about.map(({ id }) => id))]).toEqual([`${buildId}.started`, `${buildId}.1.finished`]);
    expect(about[1]).toMatchObject({ type: 'Sqlfleet.Builds.Finished', data: { state: 'succeeded' } });
  });
});
