import { type Build } from '../../../lib/builds/schema';
import { type OutgoingMessage } from '../../../lib/platform/messages';
import { ann, createTestClusters } from '../../support/clusters';
import { startTestDocuments, type TestDocuments } from '../../support/documents';
import { createSimulatedFleet, makeTargets, messageBody } from '../../support/simulated-fleet';

/** Many requests in a row, on a machine that may be busy. */
jest.setTimeout(180_000);

const targetCount = 16;
const tickMs = 2_000;
const ticksAtMost = 2_000;

interface AtWork {
  message: OutgoingMessage;
  ticksLeft: number;
}

/**
 * Builds and clusters with real decisions and documents, several builds at a time. Workers take one message per session
 * of their subscription, as the broker gives them, and are at each for some time: what is at work at once can be counted.
 */
function createWorld(documents: TestDocuments, { targets = targetCount, servers = 2 } = {}) {
  const silent = new Set<string>();
  const atWork = new Map<string, AtWork>();
  const crowded: string[] = [];
  const builtIn: { cluster: string; buildId: string; targetId: string }[] = [];
  let clusters: ReturnType<typeof createTestClusters> | null = null;
  const registry = () => {
    if (clusters === null) throw new Error('not made yet');
    return clusters;
  };
  const fleet = createSimulatedFleet({
    documents,
    targets: makeTargets(targets, servers),
    clusters: {
      choose: (request) => registry().services.directory.choose(request),
      standing: (cluster, requester) => registry().services.directory.standing(cluster, requester),
    },
  });
  const clock = { nowMs: fleet.nowMs, sleep: async (ms: number) => fleet.advance(ms) };
  clusters = createTestClusters({
    documents,
    clock,
    referencesOf: (clusterId) => fleet.services.builds.usingCluster(clusterId),
  });
  const { api } = registry();

  const workers: string[] = [];
  const register = async (name: string, fields: object = {}): Promise<void> => {
    const body = { name, managedBy: 'external', scmOrganizations: ['contoso'], ...fields };
    const { status } = await api('POST', 'buildClusters', { body, headers: ann });
    expect(status).toBe(201);
    workers.push(name);
    await registry().heartbeat(name);
  };

  const work = async (lanesAtMost: number): Promise<void> => {
    for (const [lane, messages] of fleet.memory.lanes) {
      const [message] = messages;
      if (message === undefined || atWork.has(lane) || silent.has(message.cluster)) continue;
      messages.shift();
      atWork.set(lane, { message, ticksLeft: 1 + (builtIn.length % 3) });
    }
    const perKey = new Map<string, OutgoingMessage[]>();
    for (const { message } of atWork.values()) {
      const key = message.sessionId.replace(/#\d+$/, '');
      perKey.set(key, [...(perKey.get(key) ?? []), message]);
    }
    for (const [key, messages] of perKey) {
      const names = new Set(messages.map(({ cluster }) => cluster));
      if (messages.length > lanesAtMost || names.size > 1)
        crowded.push(`${key}: ${[...names].join('+')} ${messages.length}`);
    }
    for (const [lane, job] of atWork) {
      if (silent.has(job.message.cluster)) continue;
      job.ticksLeft -= 1;
      if (job.ticksLeft > 0) continue;
      atWork.delete(lane);
      const before = fleet.builtTargets.length;
      await fleet.services.buildTarget(job.message.body, new AbortController().signal);
      const { buildId, target } = messageBody(job.message);
      if (fleet.builtTargets.length > before)
        builtIn.push({ cluster: job.message.cluster, buildId, targetId: target.id });
    }
  };

  return {
    ...fleet,
    registry,
    api,
    silent,
    crowded,
    builtIn,
    register,
    /** Plays all builds until they have ended. */
    async play(
      builds: readonly Build[],
      options: { lanes?: number; looksAtOnce?: number; each?: (tick: number) => Promise<void> } = {},
    ) {
      const open = new Set(builds.map(({ buildId }) => buildId));
      for (const buildId of open) await fleet.services.prepare({ buildId, run: 1 });
      for (let tick = 1; open.size > 0; tick += 1) {
        if (tick > ticksAtMost) throw new Error('the builds do not end');
        await options.each?.(tick);
        for (const name of workers) {
          if (!silent.has(name))
            await registry()
              .heartbeat(name)
              .catch(() => undefined);
        }
        for (const buildId of open) {
          const looks = Array.from({ length: options.looksAtOnce ?? 1 }, () =>
            fleet.services.monitor({ buildId, run: 1 }),
          );
          const [stage] = await Promise.all(looks);
          if (stage?.kind !== 'done') continue;
          await fleet.services.finish({ buildId, run: 1 });
          open.delete(buildId);
        }
        await work(options.lanes ?? 1_000);
        fleet.advance(tickMs);
      }
      return Promise.all(builds.map(({ buildId }) => fleet.services.builds.read(buildId)));
    },
  };
}

describe('builds on several clusters', () => {
  let documents: TestDocuments;
  let world: ReturnType<typeof createWorld>;
  beforeEach(async () => {
    documents = await startTestDocuments();
    world = createWorld(documents);
  });
  afterEach(() => documents.stop());
  const contoso = { organization: 'contoso' };
  const clustersOf = (buildId: string): string[] => [
    ...new Set(world.builtIn.filter((each) => each.buildId === buildId).map(({ cluster }) => cluster)),
  ];
  const builtOf = (buildId: string): string[] =>
    world.builtIn.filter((each) => each.buildId === buildId).map(({ targetId }) => targetId);

  it('go to the cluster of their organisation, and say why', async () => {
    await world.register('east');
    const ours = await world.submit({ ...contoso });
    const theirs = await world.submit({ organization: 'fabrikam' });
    expect(ours).toMatchObject({ cluster: 'east', queue: 'east', clusterChoice: { path: 'organization' } });
    expect(theirs).toMatchObject({ cluster: 'managed', clusterChoice: { path: 'managed', notShown: 1 } });
    expect(JSON.stringify(theirs)).not.toContain('east');
    const ended = await world.play([ours, theirs]);
    expect(ended.map(({ state }) => state)).toEqual(['succeeded', 'succeeded']);
    expect([clustersOf(ours.buildId), clustersOf(theirs.buildId)]).toEqual([['east'], ['managed']]);
  });

  it('are refused when they name a cluster that is not there, or not for them', async () => {
    await world.register('east');
    for (const options of [{ cluster: 'eats' }, { cluster: 'east' }, { cluster: 'east', organization: 'fabrikam' }]) {
      await expect(world.submit(options)).rejects.toMatchObject({
        status: 422,
        details: { problems: [{ entry: 'options.cluster' }] },
      });
    }
    await expect(world.submit({ clusterOnly: true })).rejects.toMatchObject({ status: 422 });
  });

  it('are parked while no cluster fits, say so, and go on when one appears', async () => {
    await world.api('GET', 'buildClusters');
    await world.api('PATCH', 'buildClusters/managed', { body: { isActive: false }, headers: ann });
    const build = await world.submit({ ...contoso });
    expect(build.cluster).toBeNull();
    expect(build.waitingFor).toContain('managed: inactive: it was switched off');
    const seen: (string | null)[] = [];
    const [ended] = await world.play([build], {
      each: async (tick) => {
        seen.push((await world.services.builds.read(build.buildId)).waitingFor);
        if (tick === 5) await world.register('east');
      },
    });
    expect(seen.slice(0, 5).every((text) => text?.startsWith('no build cluster: ') === true)).toBe(true);
    expect(ended).toMatchObject({ state: 'succeeded', cluster: 'east', clusterChoice: { cluster: 'east' } });
    expect(world.builtIn).toHaveLength(targetCount);
    const { items } = await world.services.audit.list(build.buildId, { pageSize: 10, continuation: null });
    expect(items.map(({ action }) => action)).toEqual(['start', 'chooseCluster']);
  });

  it('can be cancelled while they are parked', async () => {
    await world.api('GET', 'buildClusters');
    await world.api('PATCH', 'buildClusters/managed', { body: { isActive: false }, headers: ann });
    const build = await world.submit();
    const [ended] = await world.play([build], {
      each: async (tick) => {
        const by = { actor: 'ann', reason: 'waited long enough' };
        if (tick === 3) await world.services.control(build.buildId, 'cancel', by, world.orchestrations);
      },
    });
    expect([ended?.state, ended?.counts.skipped, world.builtIn.length]).toEqual(['cancelled', targetCount, 0]);
  });

  it('leave a cluster whose workers fell silent, and nothing is built twice when they wake up again', async () => {
    await world.register('east');
    const build = await world.submit({ ...contoso, concurrencyType: 'Server' });
    const [ended] = await world.play([build], {
      each: async (tick) => {
        if (tick === 4) world.silent.add('east');
        if (tick === 60) world.silent.delete('east');
      },
    });
    expect(ended).toMatchObject({ state: 'succeeded', cluster: 'managed', dispatch: 1 });
    expect(ended?.clusterChoice?.reason).toContain('"east" is of no use now');
    expect(clustersOf(build.buildId)).toEqual(expect.arrayContaining(['east', 'managed']));
    // The workers that woke up find that their messages are of no use: what they were at is the only doubt.
    expect(builtOf(build.buildId).length).toBeLessThanOrEqual(targetCount + 2);
    expect(new Set(builtOf(build.buildId)).size).toBe(targetCount);
  });

  it('do not take the dead letters of a cluster that they have left for the end of their targets', async () => {
    await world.register('east');
    const build = await world.submit({ ...contoso, concurrencyType: 'Server' });
    let letters = 0;
    const [ended] = await world.play([build], {
      each: async (tick) => {
        if (tick === 4) world.silent.add('east');
        if (letters > 0 || (await world.services.builds.read(build.buildId)).dispatch === 0) return;
        // Whoever drains the subscription next finds them, whosever they are.
        for (const messages of world.memory.lanes.values()) {
          for (const { messageId, cluster, body } of messages) {
            if (cluster !== 'east') continue;
            letters += 1;
            world.memory.deadLetters.push({ messageId, body, reason: 'MaxDeliveryCountExceeded', description: 'gone' });
          }
        }
        world.advance(10_000);
      },
    });
    expect(letters).toBeGreaterThan(0);
    expect(world.memory.deadLetters).toEqual([]);
    expect(ended).toMatchObject({ state: 'succeeded', cluster: 'managed', counts: { committed: targetCount } });
  });

  it('follow their cluster to its new queue when its name was deleted and registered again behind their back', async () => {
    await world.register('east');
    const build = await world.submit({ ...contoso, concurrencyType: 'Server' });
    const { store } = world.registry().services;
    const [ended] = await world.play([build], {
      each: async (tick) => {
        if (tick !== 4) return;
        const before = await store.find('east');
        if (before === null) throw new Error('it was registered');
        // What was in the subscription is gone with it.
        for (const [lane, messages] of world.memory.lanes)
          if (messages[0]?.cluster === 'east') world.memory.lanes.delete(lane);
        const { revision } = before.value;
        await store.replace({ ...before.value, generation: 2, revision: revision + 1, queue: 'east.2' }, before.etag);
        await world.registry().heartbeat('east');
      },
    });
    expect(ended).toMatchObject({ state: 'succeeded', cluster: 'east', queue: 'east.2', dispatch: 1 });
    expect(builtOf(build.buildId)).toHaveLength(targetCount);
  });

  it('wait for their own cluster where no other will do', async () => {
    await world.register('east');
    const build = await world.submit({ ...contoso, cluster: 'east', clusterOnly: true, concurrencyType: 'Server' });
    const waiting: (string | null)[] = [];
    const [ended] = await world.play([build], {
      each: async (tick) => {
        if (tick === 3) world.silent.add('east');
        if (tick === 50) {
          waiting.push((await world.services.builds.read(build.buildId)).waitingFor);
          world.silent.delete('east');
        }
      },
    });
    expect(waiting[0]).toContain('"east" is unhealthy');
    expect(ended).toMatchObject({ state: 'succeeded', cluster: 'east', dispatch: 0 });
    expect(clustersOf(build.buildId)).toEqual(['east']);
  });

  it('move to the successor of a cluster that is deleted, after what its workers have, and then it is gone', async () => {
    await world.register('east');
    await world.register('west');
    const build = await world.submit({ ...contoso, cluster: 'east', concurrencyType: 'Server' });
    const statuses: number[] = [];
    const [ended] = await world.play([build], {
      lanes: 1,
      each: async (tick) => {
        if (tick === 5) {
          statuses.push((await world.api('DELETE', 'buildClusters/east', { headers: ann })).status);
          const answer = await world.api('DELETE', 'buildClusters/east?successor=west', { headers: ann });
          statuses.push(answer.status);
        }
        if (tick > 5) await world.registry().services.life.settle();
      },
    });
    expect(statuses).toEqual([409, 202]);
    expect(ended).toMatchObject({ state: 'succeeded', cluster: 'west', clusterChoice: { path: 'successor' } });
    expect(builtOf(build.buildId)).toHaveLength(targetCount);
    expect(world.crowded).toEqual([]);
    expect((await world.api('GET', 'buildClusters/east')).status).toBe(404);
    const { items } = await world.services.audit.list(build.buildId, { pageSize: 10, continuation: null });
    expect(items.map(({ action }) => action)).toEqual(['start', 'moveToCluster']);
    expect(items[1]?.reason).toContain('west takes over');
  });

  it('go where an admin sends them, after what their workers have, and stay meanwhile where that is of no use', async () => {
    await world.register('east');
    world.silent.add('east');
    const build = await world.submit({ ...contoso, cluster: 'managed', concurrencyType: 'Server' });
    const by = { actor: 'ann', reason: 'the app is to be quiet' };
    await expect(world.services.assignCluster(build.buildId, 'none', by, world.orchestrations)).rejects.toMatchObject({
      status: 422,
    });
    const clusters: (string | null)[] = [];
    const [ended] = await world.play([build], {
      lanes: 1,
      each: async (tick) => {
        // Silent for long enough to be known as such.
        if (tick === 1) world.advance(60_000);
        if (tick === 3) await world.services.assignCluster(build.buildId, 'east', by, world.orchestrations);
        if (tick === 8) {
          clusters.push((await world.services.builds.read(build.buildId)).cluster);
          world.silent.delete('east');
        }
      },
    });
    expect(clusters).toEqual(['managed']);
    expect(ended).toMatchObject({
      state: 'succeeded',
      cluster: 'east',
      clusterOverride: { actor: 'ann', applied: true },
    });
    expect(builtOf(build.buildId)).toHaveLength(targetCount);
    expect(world.crowded).toEqual([]);
    const { items } = await world.services.audit.list(build.buildId, { pageSize: 10, continuation: null });
    expect(items.map(({ action, actor }) => [action, actor])).toEqual([
      ['start', 'unnamed'],
      ['assignCluster', 'ann'],
      ['moveToCluster', 'sqlfleet'],
    ]);
    await expect(
      world.services.assignCluster(build.buildId, 'managed', by, world.orchestrations),
    ).rejects.toMatchObject({ status: 409 });
  });

  it('leave a cluster at once that does not serve their organisation any more', async () => {
    await world.register('east');
    const build = await world.submit({ ...contoso, concurrencyType: 'Server' });
    let lastInEast = 0;
    const [ended] = await world.play([build], {
      each: async (tick) => {
        if (tick !== 4) return;
        await world.api('PATCH', 'buildClusters/east', { body: { scmOrganizations: ['fabrikam'] }, headers: ann });
        lastInEast = world.memory.sentIds.size;
      },
    });
    expect(ended).toMatchObject({ state: 'succeeded', cluster: 'managed' });
    expect(world.builtIn.filter(({ cluster }) => cluster === 'east').length).toBeLessThanOrEqual(lastInEast);
    expect(builtOf(build.buildId)).toHaveLength(targetCount);
  });

  describe('that work on the same servers', () => {
    it.each([
      ['Server', 1, 1],
      ['MaxPerServer', 3, 3],
    ])('keep the promise about a server together: %s %i', async (concurrencyType, concurrencyLimit, lanes) => {
      await world.register('east');
      await world.register('west');
      const options = { ...contoso, concurrencyType, concurrencyLimit };
      const builds = [
        await world.submit({ ...options, cluster: 'east' }),
        await world.submit({ ...options, cluster: 'west' }),
        await world.submit({ ...options, cluster: 'managed' }),
        await world.submit({ ...options, cluster: 'west' }),
      ];
      const ended = await world.play(builds, { lanes });
      expect(ended.map(({ state }) => state)).toEqual(['succeeded', 'succeeded', 'succeeded', 'succeeded']);
      expect(world.crowded).toEqual([]);
      for (const { buildId } of builds) expect(builtOf(buildId)).toHaveLength(targetCount);
      expect(ended.map(({ cluster }) => cluster)).toEqual(['east', 'west', 'managed', 'west']);
    });

    it('keep it also when looks happen twice, at the same time, and clusters come and go', async () => {
      await world.register('east');
      await world.register('west');
      const options = { ...contoso, concurrencyType: 'MaxPerServer', concurrencyLimit: 2 };
      const builds = [
        await world.submit({ ...options, cluster: 'east' }),
        await world.submit({ ...options, cluster: 'west' }),
        await world.submit({ ...options, cluster: 'managed' }),
      ];
      const change = (name: string, body: object) =>
        world
          .api('PATCH', `buildClusters/${name}`, { body, headers: ann })
          .then(({ status }) => expect(status).toBe(200));
      const ended = await world.play(builds, {
        lanes: 2,
        looksAtOnce: 2,
        each: async (tick) => {
          if (tick === 3) await change('east', { isActive: false });
          if (tick === 9) await change('managed', { isActive: false });
          if (tick === 12) await change('east', { isActive: true });
          if (tick === 15) await change('west', { isActive: false });
        },
      });
      expect(ended.map(({ state }) => state)).toEqual(['succeeded', 'succeeded', 'succeeded']);
      expect(world.crowded).toEqual([]);
      for (const { buildId } of builds) {
        expect(builtOf(buildId)).toHaveLength(targetCount);
        expect(new Set(builtOf(buildId)).size).toBe(targetCount);
      }
    });

    it('take turns: a long build does not keep a server from a short one of another cluster', async () => {
      world = createWorld(documents, { targets: 60, servers: 1 });
      await world.register('east');
      const long = await world.submit({ concurrencyType: 'Server' });
      let firstAt = 0;
      const short = await world.submit({ ...contoso, cluster: 'east', concurrencyType: 'Server' });
      await world.play([long, short], {
        lanes: 1,
        each: async (tick) => {
          if (firstAt > 0 || builtOf(short.buildId).length === 0) return;
          firstAt = tick;
          const by = { actor: 'ann', reason: 'seen enough' };
          for (const { buildId } of [long, short]) {
            await world.services.control(buildId, 'cancel', by, world.orchestrations);
          }
        },
      });
      // Half a minute is a share: 15 ticks, and some for what was in the lanes. The long build alone takes 120.
      expect(firstAt).toBeGreaterThan(10);
      expect(firstAt).toBeLessThan(40);
      expect(builtOf(long.buildId).length).toBeLessThan(30);
      expect(world.crowded).toEqual([]);
    });

    it('wait for nobody who is paused, parked or has ended', async () => {
      await world.register('east');
      const paused = await world.submit({ concurrencyType: 'Server' });
      const other = await world.submit({ ...contoso, cluster: 'east', concurrencyType: 'Server' });
      const by = { actor: 'ann', reason: 'lunch' };
      const [, ended] = await world.play([paused, other], {
        lanes: 1,
        each: async (tick) => {
          if (tick === 4) await world.services.control(paused.buildId, 'pause', by, world.orchestrations);
          const { state } = await world.services.builds.read(other.buildId);
          const { control } = await world.services.builds.read(paused.buildId);
          if (state === 'succeeded' && control.paused !== null) {
            await world.services.control(paused.buildId, 'resume', by, world.orchestrations);
          }
        },
      });
      expect(ended?.state).toBe('succeeded');
      expect(world.crowded).toEqual([]);
      expect(builtOf(paused.buildId)).toHaveLength(targetCount);
    });

    it('need nothing of one another where the limit is the build’s own', async () => {
      await world.register('east');
      const options = { concurrencyType: 'Count', concurrencyLimit: 5 };
      const builds = [await world.submit(options), await world.submit({ ...options, ...contoso, cluster: 'east' })];
      await world.play(builds, { lanes: 5 });
      expect(world.crowded).toEqual([]);
      expect(new Set(world.builtIn.map(({ cluster }) => cluster))).toEqual(new Set(['managed', 'east']));
    });
  });
});
