import { createApplying } from '../../../lib/workspaces/applying';
import { type StageName } from '../../../lib/workspaces/orchestrators/deploy-workspace';
import { type Deployment, type StageInput } from '../../../lib/workspaces/schema';
import { archiveOf, type Lab, smallArchive, startWorkspaceLab } from '../../support/workspace-lab';

let lab: Lab;
let count = 0;
const fresh = async (settings: object = {}): Promise<string> => {
  const name = `trouble${(count += 1)}`;
  await lab.prepare(name, ['Dev'], settings);
  return name;
};

beforeAll(async () => {
  lab = await startWorkspaceLab({ inMemory: true });
});
afterEach(() => {
  lab.interfere(() => undefined);
  lab.databricks.faults.clear();
});
afterAll(() => lab.stop());

const by = { actor: 'bob', reason: 'looked at it' };
const spec = { spark_version: '15.4.x-scala2.12', node_type_id: 'x' };
const jobs = (names: readonly string[]) =>
  Object.fromEntries(names.map((name, at) => [`jobs/${at}.json`, { name, tasks: [] }]));
const namesOf = (workspace: string): string[] =>
  [...lab.held(workspace).jobs.values()].map(({ settings }) => String(settings.name)).sort();
const first = ({ environments }: Deployment) => environments[0];
const stateOf = async (workspace: string) => (await lab.services.store.state(workspace, 'Dev'))?.value;

describe('one deployment at a time', () => {
  it('works on a workspace, however many are asked for at once, and each ends', async () => {
    const name = await fresh();
    const all = await Promise.all(
      [1, 2, 3].map((runs) => lab.submit(name, { 'jobs/a.json': { name: 'a', max_concurrent_runs: runs } })),
    );
    const ended = await Promise.all(all.map(({ deploymentId }) => lab.ended(deploymentId)));
    expect(ended.map(({ state }) => state)).toEqual(['succeeded', 'succeeded', 'succeeded']);
    expect(namesOf(name)).toEqual(['a']);
  });

  it('ends for whoever was overtaken: nothing of what it knew is written or done any more', async () => {
    const name = await fresh();
    // Nobody leads these but this test.
    const unled = { ...lab.orchestrations, start: async () => undefined };
    const submitted = async (names: readonly string[]) => {
      const bytes = await archiveOf(jobs(names));
      const options = { environments: ['Dev'] };
      const submission = { workspace: name, assets: { bytes }, options, signedInActor: 'ann' };
      return lab.services.submit(submission, unled);
    };
    const run = (stage: StageName, { deploymentId }: Deployment) =>
      lab.services.stages.run(stage, { deploymentId, environment: 'Dev' });

    const slow = await submitted(['slow 1', 'slow 2']);
    expect(await run('plan', slow)).toEqual({ kind: 'next', stage: 'apply' });
    lab.databricks.faults.add({ operation: 'jobs/create', skip: 1, drop: 'before' });
    await expect(run('apply', slow)).rejects.toMatchObject({ code: 'databricks.outcomeUnknown' });
    expect(namesOf(name)).toEqual(['slow 1']);
    const stale = {
      name: (await stateOf(name))?.lease ?? '',
      holder: slow.deploymentId,
      fence: (await stateOf(name))?.fence ?? 0,
    };
    const subject = {
      plan: { basis: null },
      deployment: slow,
      environment: (await lab.services.store.environment('Dev')).value,
      lease: stale,
      planHash: first(await lab.services.store.deployment(slow.deploymentId))?.plan?.hash ?? '',
    };
    const asleep = await createApplying({ store: lab.services.store, clock: lab.clock }, subject);

    const next = await submitted(['other']);
    expect(await run('plan', next)).toMatchObject({ kind: 'again' });
    await lab.clock.sleep(11 * 60_000);
    for (const stage of ['plan', 'apply', 'verify'] as const) await run(stage, next);
    expect(namesOf(name)).toEqual(['other']);

    await expect(asleep.begin('job:slow 2')).rejects.toMatchObject({ code: 'workspaces.leaseLost' });
    await expect(createApplying({ store: lab.services.store, clock: lab.clock }, subject)).rejects.toMatchObject({
      code: 'workspaces.leaseLost',
    });
    expect(await run('apply', slow)).toEqual({ kind: 'ended', goOn: false });
    expect(first(await lab.services.store.deployment(slow.deploymentId))?.failure?.code).toBe(
      'workspaces.planOutdated',
    );
    expect(namesOf(name)).toEqual(['other']);
    expect((await stateOf(name))?.applied?.deploymentId).toBe(next.deploymentId);
  });

  it('goes on in another workspace of Azure when the environment names another one', async () => {
    const name = await fresh();
    for (let times = 0; times < 3; times += 1)
      await lab.deploy(name, { 'jobs/a.json': { name: `a${times}`, tasks: [] } });
    await lab.prepare(`${name}-moved`);
    await lab.environment('Dev', { workspaceName: `${name}-moved` });
    const moved = await lab.deploy(name, smallArchive);
    expect(first(moved)).toMatchObject({ state: 'succeeded', failure: null });
    expect(namesOf(`${name}-moved`)).toEqual(['nightly']);
    await lab.environment('Dev');
    await lab.services.drift.checkOne(name, 'Dev');
    expect((await stateOf(name))?.drift?.failure).toContain('another workspace');
  });
});

describe('clusters', () => {
  it('that cannot be pinned are deployed all the same, and the deployment says why', async () => {
    const name = await fresh();
    lab.databricks.faults.add({ operation: 'clusters/pin', status: 403, code: 'PERMISSION_DENIED' });
    const ended = await lab.deploy(name, smallArchive);
    expect(first(ended)).toMatchObject({
      state: 'succeeded',
      warnings: [expect.stringMatching(/^Cluster "etl" could not be pinned: .*PERMISSION_DENIED/)],
    });
  });

  it('that the cloud does not give end the deployment with its reason', async () => {
    const name = await fresh();
    const held = lab.held(name);
    const save = held.saveCluster.bind(held);
    const reason = { code: 'CLOUD_PROVIDER_RESOURCE_STOCKOUT', type: 'CLOUD_FAILURE' };
    held.saveCluster = (cluster) =>
      save({
        ...cluster,
        transition: { ...cluster.transition, to: 'TERMINATED', reason, message: 'no more machines' },
      });
    const ended = await lab.deploy(name, smallArchive);
    expect(first(ended)?.failure).toMatchObject({
      code: 'workspaces.clusterFailed',
      message: 'Cluster "etl" could not start: CLOUD_PROVIDER_RESOURCE_STOCKOUT: no more machines',
    });
  });

  it('that never come to rest are given up after an hour of looking, and not after an hour of absence', async () => {
    const name = await fresh();
    await lab.deploy(name, smallArchive);
    const held = lab.held(name);
    const [etl] = held.clusters.values();
    if (etl === undefined) throw new Error('there is no cluster');
    const restless = (atMs: number): void =>
      held.saveCluster({ ...etl, transition: { from: 'TERMINATING', to: 'TERMINATED', atMs } });
    const bigger = { ...smallArchive, 'clusters/etl.json': { ...smallArchive['clusters/etl.json'], num_workers: 5 } };

    restless(lab.clock.nowMs() + 50 * 60_000);
    const waiting = await lab.submit(name, bigger);
    await lab.until(waiting.deploymentId, (each) => /to come to rest/.test(first(each)?.waitingFor ?? ''));
    // Nobody was there for two hours.
    await lab.clock.sleep(2 * 60 * 60_000);
    expect(first(await lab.ended(waiting.deploymentId))).toMatchObject({ failure: null, state: 'succeeded' });

    restless(Number.MAX_SAFE_INTEGER);
    const stuck = await lab.deploy(name, bigger);
    expect(first(stuck)?.failure?.code).toBe('workspaces.clusterStuck');
  });

  it('are stopped together, however many were created', async () => {
    const name = await fresh({ stopCreatedClusters: true });
    const clusters = Object.fromEntries(
      Array.from({ length: 20 }, (_, at) => [`clusters/${at}.json`, { cluster_name: `c${at}`, ...spec }]),
    );
    const fromMs = lab.clock.nowMs();
    expect((await lab.deploy(name, clusters)).state).toBe('succeeded');
    expect([...lab.held(name).clusters.values()].every(({ transition }) => transition.to === 'TERMINATED')).toBe(true);
    // A minute to start, half a minute to stop; one after the other it would be a quarter of an hour.
    expect(lab.clock.nowMs() - fromMs).toBeLessThan(6 * 60_000);
    await lab.environment('Dev');
  });
});

describe('the service', () => {
  it.each([
    ['is busy', { status: 429, retryAfterMs: 3_000, times: 4 }],
    ['is away', { status: 503, code: 'TEMPORARILY_UNAVAILABLE', times: 4 }],
    ['says so with another status', { status: 400, code: 'TEMPORARILY_UNAVAILABLE', times: 4 }],
    ['breaks connections', { drop: 'before' as const, times: 4 }],
    ['does the work and is not heard', { drop: 'after' as const, times: 3 }],
  ])('%s for a while, and everything is there once', async (_what, fault) => {
    const name = await fresh();
    const operations = [
      'clusters/create',
      'jobs/create',
      'jobs/list',
      'workspace/import',
      'workspace/mkdirs',
      'clusters/pin',
    ];
    for (const operation of operations) lab.databricks.faults.add({ operation, ...fault });
    const ended = await lab.deploy(name, { ...smallArchive, ...jobs(['a', 'b', 'c', 'd']) });
    expect(first(ended)).toMatchObject({ state: 'succeeded', failure: null });
    expect(namesOf(name)).toEqual(['a', 'b', 'c', 'd', 'nightly']);
    expect(lab.held(name).clusters.size).toBe(1);
  });

  it('that stays away ends the environment after many tries, and the workspace is free again', async () => {
    const name = await fresh();
    lab.databricks.faults.add({ operation: 'jobs/list', status: 503, times: 1_000 });
    expect(first(await lab.deploy(name, smallArchive))?.failure?.code).toBe('workspaces.gaveUp');
    lab.databricks.faults.clear();
    expect((await lab.deploy(name, smallArchive)).state).toBe('succeeded');
  });
});

describe('a deployment', () => {
  it('that is cancelled while it is applied ends before its next step, and keeps what was done', async () => {
    const name = await fresh();
    let cancelled: Promise<unknown> | null = null;
    let id = '';
    lab.interfere((place, when) => {
      if (cancelled !== null || when !== 'after' || !place.endsWith('jobs/create')) return;
      cancelled = lab.services.cancel(id, by, lab.orchestrations);
    });
    const submitted = await lab.submit(name, jobs(['1', '2', '3', '4', '5', '6']));
    id = submitted.deploymentId;
    const ended = await lab.ended(id);
    expect(first(ended)).toMatchObject({ state: 'cancelled' });
    expect(first(ended)?.failure?.message).toContain('what was done stays done');
    expect(namesOf(name).length).toBeLessThan(4);
  });

  it('that failed half way does not hide what is wrong from the drift check', async () => {
    const name = await fresh();
    await lab.deploy(name, jobs(['a', 'b']));
    lab.databricks.faults.add({ operation: 'jobs/create', skip: 1, status: 400, code: 'INVALID_PARAMETER_VALUE' });
    const failed = await lab.deploy(name, { ...jobs(['a', 'b', 'c', 'd']) });
    expect(first(failed)?.failure?.code).toBe('databricks.refused');
    await lab.services.drift.checkAll();
    const differences = (await stateOf(name))?.drift?.differences.map(({ key, what }) => `${key}: ${what}`);
    expect(differences).toEqual([
      expect.stringMatching(/^job:c:\d+: it carries our mark, and no plan of ours has it$/),
    ]);
    expect((await lab.deploy(name, jobs(['a', 'b', 'c', 'd']))).state).toBe('succeeded');
    expect(namesOf(name)).toEqual(['a', 'b', 'c', 'd']);
  });

  it('is the same under its name in any spelling, and so is its environment', async () => {
    const name = await fresh();
    await lab.deploy(name, smallArchive);
    const { etag, value } = await lab.services.store.environment('Dev');
    const { id: _id, name: _name, ...settings } = value;
    await lab.services.environments.put('DEV', settings, etag, 'test');
    const again = await lab.deploy(name.toUpperCase(), smallArchive, { environments: ['dEV'] });
    expect(again).toMatchObject({ workspace: name, environments: [{ name: 'Dev', state: 'unchanged' }] });
  });

  it('of 250 jobs and 60 clusters is applied once, in pieces, and found unchanged', async () => {
    const name = await fresh({ maximumDeletes: 400 });
    const archive = {
      ...Object.fromEntries(
        Array.from({ length: 60 }, (_, at) => [`clusters/${at}.json`, { cluster_name: `c${at}`, ...spec }]),
      ),
      ...Object.fromEntries(
        Array.from({ length: 250 }, (_, at) => [
          `jobs/${at}.json`,
          {
            name: `j${at}`,
            tasks: [
              { task_key: 'a', existing_cluster_id: `c${at % 60}` },
              ...(at === 0 ? [] : [{ task_key: 'b', run_job_task: { job_id: `j${at - 1}` } }]),
            ],
          },
        ]),
      ),
    };
    lab.databricks.faults.add({ operation: 'jobs/create', skip: 100, drop: 'after', times: 3 });
    expect(first(await lab.deploy(name, archive))).toMatchObject({ state: 'succeeded', failure: null });
    expect([lab.held(name).jobs.size, lab.held(name).clusters.size]).toEqual([250, 60]);
    expect(first(await lab.deploy(name, archive))?.state).toBe('unchanged');
    expect(first(await lab.deploy(name, jobs(['only'])))).toMatchObject({ state: 'succeeded', failure: null });
    expect([lab.held(name).jobs.size, lab.held(name).clusters.size]).toEqual([1, 0]);
    await lab.environment('Dev');
  }, 120_000);

  it('rolls back to archives of its own workspace only', async () => {
    const [one, other] = [await fresh(), await fresh()];
    const { deploymentId } = await lab.deploy(one, smallArchive);
    const submission = {
      assets: { deployment: deploymentId },
      options: { environments: ['Dev'] },
      signedInActor: 'ann',
    };
    await expect(lab.services.submit({ workspace: other, ...submission }, lab.orchestrations)).rejects.toMatchObject({
      code: 'workspaces.deploymentNotFound',
    });
  });
});

it('of a stage that is run again after everything has ended changes nothing', async () => {
  const name = await fresh();
  const { deploymentId } = await lab.deploy(name, smallArchive);
  const input: StageInput = { deploymentId, environment: 'Dev' };
  const before = JSON.stringify(await lab.services.store.deployment(deploymentId));
  for (const stage of ['plan', 'approve', 'apply', 'verify'] as const) {
    expect(await lab.services.stages.run(stage, input)).toEqual({ kind: 'ended', goOn: true });
  }
  await lab.services.stages.finish({ deploymentId });
  expect(JSON.stringify(await lab.services.store.deployment(deploymentId))).toBe(before);
});
