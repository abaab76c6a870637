import { controlActions } from '../../../lib/builds/control';
import { type Outcome } from '../../../lib/builds/schema';
import { startTestDocuments, type TestDocuments } from '../../support/documents';
import {
  createSimulatedFleet,
  makeTargets,
  messageBody,
  type SimulatedFleetOptions,
} from '../../support/simulated-fleet';

/** The builds capability with real decisions and real documents; the queue, the databases and time are simulated. */
describe('a build', () => {
  let documents: TestDocuments;
  beforeAll(async () => {
    documents = await startTestDocuments();
  });
  afterAll(() => documents.stop());

  const fleet = (options: Partial<SimulatedFleetOptions> = {}) =>
    createSimulatedFleet({ documents, targets: makeTargets(50, 3), ...options });
  type Fleet = ReturnType<typeof fleet>;

  async function outcomesOf({ services }: Fleet, buildId: string, current = true): Promise<Outcome[]> {
    const outcomes: Outcome[] = [];
    for await (const page of services.outcomes.each(buildId, { current })) outcomes.push(...page);
    return outcomes;
  }

  it('builds every target exactly once and succeeds', async () => {
    const simulated = fleet();
    const { buildId } = await simulated.submit({ concurrencyLimit: 4 });
    await simulated.run(buildId);
    const build = await simulated.services.builds.read(buildId);
    expect(build.state).toBe('succeeded');
    expect(build.counts.committed).toBe(50);
    expect(build.outstanding).toBe(0);
    expect(simulated.builtTargets).toHaveLength(50);
    expect(new Set((await outcomesOf(simulated, buildId)).map(({ targetId }) => targetId)).size).toBe(50);
  });

  it('writes logs and target lists that can be fed back in, tags included', async () => {
    const targets = makeTargets(6, 2, (index) => `pool${index % 2}`);
    const simulated = fleet({ targets, build: ({ target }) => (target.line <= 2 ? 'rolledBack' : 'committed') });
    const { buildId } = await simulated.submit();
    await simulated.run(buildId);
    const read = async (name: string) => String(await simulated.blobs.logs.get(`${buildId}/${name}`));
    expect(await read('failuredatabases.cfg')).toBe(
      'server-0.example:,tenant0#pool0\nserver-1.example:,tenant1#pool1\n'.replace(/:,/g, ':'),
    );
    expect((await read('successdatabases.cfg')).trim().split('\n')).toHaveLength(4);
    expect((await read('commits.log')).trim().split('\n')).toHaveLength(4);
    expect(await read('errors.log')).toContain('tenant1: rolledBack');
    expect(JSON.parse(await read('summary.json'))).toMatchObject({ state: 'finishedWithFailures', failures: 2 });
  });

  it('is told of as started also when the first request was cut off before its start', async () => {
    const simulated = fleet();
    simulated.away.start = true;
    await expect(simulated.submit({}, 'release 7')).rejects.toMatchObject({ code: 'start.unavailable' });
    expect(simulated.published).toEqual([]);
    simulated.away.start = false;
    const { buildId } = await simulated.submit({}, 'release 7');
    expect(simulated.published).toMatchObject([{ id: `${buildId}.started`, type: 'Sqlfleet.Builds.Started' }]);
  });

  it('never puts a target twice into the queue, however often a look is repeated', async () => {
    const simulated = fleet();
    const { buildId } = await simulated.submit();
    await simulated.run(buildId, 1, async () => {
      await simulated.services.monitor({ buildId, run: 1 });
    });
    expect(simulated.builtTargets).toHaveLength(50);
    expect(simulated.memory.sentIds.size).toBe(50);
  });

  it('keeps to one lane per server under Server', async () => {
    const simulated = fleet();
    const { buildId } = await simulated.submit({ concurrencyType: 'Server' });
    await simulated.run(buildId);
    expect(new Set(simulated.memory.lanes.keys())).toEqual(
      new Set([0, 1, 2].map((server) => `server:server-${server}.example#0`)),
    );
  });

  describe('cancelled in the middle', () => {
    it('begins nothing more, and every target still gets its one outcome', async () => {
      const simulated = fleet();
      const { buildId } = await simulated.submit({ concurrencyType: 'Server' });
      await simulated.run(buildId, 1, async (look) => {
        if (look === 3) {
          const by = { actor: 'ann', reason: 'wrong package' };
          await simulated.services.control(buildId, 'cancel', by, simulated.orchestrations);
          simulated.advance(2_000);
        }
      });
      const build = await simulated.services.builds.read(buildId);
      expect(build.state).toBe('cancelled');
      expect(build.counts.committed).toBeLessThan(30);
      expect(build.counts.committed + build.counts.skipped).toBe(50);
      const outcomes = await outcomesOf(simulated, buildId);
      expect(outcomes).toHaveLength(50);
      expect(outcomes.find(({ status }) => status === 'skipped')?.reason).toBe('cancelled by ann');
    });

    it('builds what is left when it is retried at once, whatever its workers remember of the cancel', async () => {
      const simulated = fleet();
      const by = { actor: 'ann', reason: 'wrong moment' };
      const { buildId } = await simulated.submit({ concurrencyType: 'Server' });
      await simulated.run(buildId, 1, async (look) => {
        if (look === 3) await simulated.services.control(buildId, 'cancel', by, simulated.orchestrations);
      });
      // The last message before the retry is one that asks whether the build is cancelled.
      const cancelled = (await outcomesOf(simulated, buildId)).find(({ status }) => status === 'skipped');
      if (cancelled === undefined) throw new Error('nothing was skipped');
      const { targetId, server, port, overrides, tag, line } = cancelled;
      const target = { id: targetId, server, port, overrides, tag, line };
      const late = { version: 1, buildId, run: 1, attempt: 99, lane: 'x#0', target };
      await simulated.services.buildTarget(late, new AbortController().signal);

      const { run } = await simulated.services.control(buildId, 'retry-failed', by, simulated.orchestrations);
      const retried = { ...late, run, attempt: 100 };
      await simulated.services.prepare({ buildId, run });
      await simulated.services.buildTarget(retried, new AbortController().signal);
      const outcomes = await outcomesOf(simulated, buildId, false);
      expect(outcomes.find(({ attempt }) => attempt === 99)?.status).toBe('skipped');
      expect(outcomes.find(({ attempt }) => attempt === 100)?.status).toBe('committed');
    });
  });

  it('hands out nothing while paused, and goes on when resumed', async () => {
    const simulated = fleet();
    const { buildId } = await simulated.submit({ concurrencyType: 'Server' });
    const by = { actor: 'ann', reason: 'lunch' };
    let whilePaused = 0;
    await simulated.run(buildId, 1, async (look) => {
      if (look === 2) await simulated.services.control(buildId, 'pause', by, simulated.orchestrations);
      if (look === 30) {
        expect((await simulated.services.builds.read(buildId)).state).toBe('paused');
        whilePaused = simulated.builtTargets.length;
      }
      if (look === 60) {
        expect(simulated.builtTargets).toHaveLength(whilePaused);
        await simulated.services.control(buildId, 'resume', by, simulated.orchestrations);
      }
    });
    expect((await simulated.services.builds.read(buildId)).state).toBe('succeeded');
    expect(whilePaused).toBeLessThan(50);
  });

  it('retries only the failed targets, as their next attempt', async () => {
    const fails = new Set(['t000003', 't000021', 't000030']);
    const simulated = fleet({
      build: ({ target, attempt }) => (attempt === 1 && fails.has(target.id) ? 'failed' : 'committed'),
    });
    const { buildId } = await simulated.submit();
    await simulated.run(buildId);
    expect((await simulated.services.builds.read(buildId)).state).toBe('finishedWithFailures');

    const by = { actor: 'ann', reason: 'fixed the data' };
    const { run } = await simulated.services.control(buildId, 'retry-failed', by, simulated.orchestrations);
    await simulated.run(buildId, run);
    const build = await simulated.services.builds.read(buildId);
    expect(build.state).toBe('succeeded');
    expect(build.counts).toMatchObject({ committed: 50, failed: 0 });
    expect(simulated.builtTargets.slice(50)).toEqual([...fails].map((targetId) => ({ targetId, attempt: 2 })));
    expect(await outcomesOf(simulated, buildId)).toHaveLength(50);
    expect(await outcomesOf(simulated, buildId, false)).toHaveLength(53);
  });

  it('prepares a retry again after a crash without losing targets', async () => {
    const simulated = fleet({ build: ({ attempt }) => (attempt === 1 ? 'failed' : 'committed') });
    const { buildId } = await simulated.submit();
    await simulated.run(buildId);
    const by = { actor: 'ann', reason: 'again' };
    await simulated.services.control(buildId, 'retry-failed', by, simulated.orchestrations);
    await simulated.services.prepare({ buildId, run: 2 });
    await simulated.services.prepare({ buildId, run: 2 });
    await simulated.run(buildId, 2);
    expect((await simulated.services.builds.read(buildId)).counts).toMatchObject({ committed: 50, failed: 0 });
  });

  it.each(controlActions)('refuses to %s once it has succeeded', async (action) => {
    const simulated = fleet({ targets: makeTargets(2, 1) });
    const { buildId } = await simulated.submit();
    await simulated.run(buildId);
    const act = simulated.services.control(buildId, action, { actor: 'ann', reason: 'x' }, simulated.orchestrations);
    await expect(act).rejects.toMatchObject({ status: 409 });
    await expect(act).rejects.toThrow(/is succeeded; [\w-]+ is only possible while it is \w+/);
  });

  it('sends targets again that the queue has lost, and says what it waits for', async () => {
    const simulated = fleet({ targets: makeTargets(10, 1), stuckAfterMs: 30_000 });
    const { buildId } = await simulated.submit({ concurrencyType: 'Server' });
    let waitingFor: string | null = null;
    await simulated.run(buildId, 1, async (look) => {
      if (look === 1) simulated.memory.takeOnePerLane();
      waitingFor ??= (await simulated.services.builds.read(buildId)).waitingFor;
    });
    expect(waitingFor).toContain('server:server-0.example');
    expect((await simulated.services.builds.read(buildId)).counts.committed).toBe(10);
    expect(simulated.builtTargets).toHaveLength(10);
  });

  it('turns a dead letter into an outcome, so that the build ends', async () => {
    const simulated = fleet({ targets: makeTargets(3, 1) });
    const { buildId } = await simulated.submit({ concurrencyType: 'Server' });
    await simulated.run(buildId, 1, async (look) => {
      const [taken] = look === 1 ? simulated.memory.takeOnePerLane() : [];
      if (taken === undefined) return;
      const description = 'delivered 10 times';
      simulated.memory.deadLetters.push({
        messageId: taken.messageId,
        body: messageBody(taken),
        reason: 'MaxDeliveryCountExceeded',
        description,
      });
    });
    const build = await simulated.services.builds.read(buildId);
    expect(build.state).toBe('finishedWithFailures');
    const failed = (await outcomesOf(simulated, buildId)).find(({ status }) => status === 'failed');
    expect(failed?.reason).toContain('MaxDeliveryCountExceeded');
  });

  it('ends a target whose message nobody can understand as rejected', async () => {
    const simulated = fleet({ targets: makeTargets(1, 1) });
    const { buildId } = await simulated.submit();
    await simulated.run(buildId, 1, async () => {
      const [taken] = simulated.memory.takeOnePerLane();
      if (taken === undefined) return;
      const body = { ...messageBody(taken), version: 99 };
      await expect(simulated.services.buildTarget(body, new AbortController().signal)).rejects.toMatchObject({
        code: 'builds.messageMalformed',
      });
      simulated.memory.deadLetters.push({ messageId: 'm', body, reason: 'MaxDeliveryCountExceeded', description: '' });
    });
    expect((await outcomesOf(simulated, buildId)).map(({ status }) => status)).toEqual(['rejected']);
  });

  it('ends even if no worker ever answers', async () => {
    const simulated = fleet({ targets: makeTargets(5, 1) });
    const { buildId } = await simulated.submit({ deadlineMinutes: 1 });
    await simulated.run(buildId, 1, async () => {
      for (const lane of simulated.memory.lanes.values()) lane.splice(0);
    });
    const build = await simulated.services.builds.read(buildId);
    expect(build.state).toBe('finishedWithFailures');
    expect(build.counts.unknown + build.counts.skipped).toBe(5);
  });

  it('does not run a target again whose outcome stands, when its message comes twice', async () => {
    const simulated = fleet({ targets: makeTargets(1, 1), build: () => 'rolledBack' });
    const { buildId } = await simulated.submit();
    let message: unknown;
    await simulated.run(buildId, 1, async () => {
      const [taken] = simulated.memory.takeOnePerLane();
      if (taken === undefined) return;
      message = taken.body;
      await simulated.services.buildTarget(message, new AbortController().signal);
    });
    await simulated.services.buildTarget(message, new AbortController().signal);
    expect(simulated.builtTargets).toHaveLength(1);
  });

  it('keeps its memory small: the same documents for few targets and for many', async () => {
    const sizes: number[] = [];
    for (const count of [100, 1_000]) {
      const simulated = fleet({ targets: makeTargets(count, 4) });
      const { buildId } = await simulated.submit({ concurrencyLimit: 32 });
      await simulated.run(buildId);
      const progress = await simulated.services.builds.readProgress(buildId);
      sizes.push(JSON.stringify(progress?.value).length);
      expect((await simulated.services.builds.read(buildId)).counts.committed).toBe(count);
    }
    expect(sizes[1]).toBeLessThan((sizes[0] ?? 0) * 1.5);
  });

  it('lists builds newest first, page by page, without a gap where two were started at once', async () => {
    const simulated = fleet({ targets: makeTargets(1, 1) });
    const ids: string[] = [];
    for (let build = 0; build < 7; build += 1) {
      ids.push((await simulated.submit()).buildId);
      if (build % 3 === 0) simulated.advance(1_000);
    }
    const seen: string[] = [];
    let continuation: string | null = null;
    do {
      const page: Awaited<ReturnType<typeof simulated.services.builds.list>> = await simulated.services.builds.list({
        states: ['validating'],
        pageSize: 2,
        continuation,
      });
      seen.push(...page.items.map(({ buildId }) => buildId));
      continuation = page.continuation;
    } while (continuation !== null);
    const mine = seen.filter((id) => ids.includes(id));
    expect(mine).toHaveLength(7);
    expect(new Set(mine)).toEqual(new Set(ids));
  });
});
