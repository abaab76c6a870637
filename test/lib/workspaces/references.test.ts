import { outdatedSteps } from '../../../lib/workspaces/judge';
import { interestOf, observe } from '../../../lib/workspaces/observe';
import { type Plan } from '../../../lib/workspaces/schema';
import { type Lab, smallArchive, startWorkspaceLab } from '../../support/workspace-lab';

let lab: Lab;
let count = 0;
const fresh = async (settings: object = {}): Promise<string> => {
  const name = `refers${(count += 1)}`;
  await lab.prepare(name, ['Dev'], settings);
  return name;
};

beforeAll(async () => {
  lab = await startWorkspaceLab();
});
afterAll(() => lab.stop());

const spec = { spark_version: '15.4.x-scala2.12', node_type_id: 'Standard_DS3_v2', num_workers: 1 };
const cluster = (name: string, changes: object = {}) => ({ cluster_name: name, ...spec, ...changes });
const byHand = (workspace: string) => lab.clientOf(lab.workspaceIdOf(workspace, 'Dev'));
const task = (key: string, more: object) => ({ task_key: key, ...more });
const each = (inner: object) => ({ for_each_task: { inputs: '[1,2]', task: inner } });

/** Clusters, job clusters, pools, policies, other jobs and scopes, by name and by id, in every nesting. */
const everything = {
  ...smallArchive,
  'clusters/pooled.json': {
    cluster_name: 'pooled',
    spark_version: '15.4.x-scala2.12',
    instance_pool_id: 'warm machines',
    policy_id: 'cheap',
    autoscale: { min_workers: 1, max_workers: 4 },
    spark_conf: { 'spark.x': true, 'spark.password': '{{secrets/nowhere/key}}' },
  },
  'clusters/by-id.json': cluster('by-id', {
    policy_id: 'policy-1',
    azure_attributes: { availability: 'SPOT_WITH_FALLBACK_AZURE' },
  }),
  'jobs/all.json': {
    name: 'all of it',
    run_as: { service_principal_name: '00000000-0000-4000-8000-0000000000aa' },
    schedule: { quartz_cron_expression: '0 0 2 * * ?', timezone_id: 'UTC' },
    job_clusters: [
      {
        job_cluster_key: 'shared',
        new_cluster: { ...spec, init_scripts: [{ workspace: { destination: './init-scripts/tools.sh' } }] },
      },
      {
        job_cluster_key: 'pool',
        new_cluster: { spark_version: '15', num_workers: 1, instance_pool_id: 'warm machines' },
      },
    ],
    tasks: [
      task('named', {
        existing_cluster_id: 'pooled',
        notebook_task: {
          notebook_path: './notebooks/load.py',
          base_parameters: { existing_cluster_id: 'nobody', notebook_path: 'nowhere', policy_id: 'none', count: 3 },
        },
      }),
      task('shared', { job_cluster_key: 'shared', spark_python_task: { python_file: 'dbfs:/x.py' } }),
      task('own', {
        new_cluster: { ...spec, policy_id: 'cheap' },
        notebook_task: { notebook_path: '/Users/ann/theirs' },
      }),
      task(
        'inner',
        each(task('inner-one', { existing_cluster_id: 'theirs', notebook_task: { notebook_path: 'notebooks/load' } })),
      ),
      task('inner-run', each(task('inner-run-one', { run_job_task: { job_name: 'nightly' } }))),
      task('run', { run_job_task: { job_id: 'leaf', job_parameters: { job_id: 'nightly' } } }),
      task('run-theirs', { run_job_task: { job_id: 'their job' } }),
      task('sql', {
        sql_task: { warehouse_id: 'w', query: { query_id: 'q' }, parameters: { existing_cluster_id: 'x' } },
      }),
      task('pipe', { pipeline_task: { pipeline_id: 'p' }, depends_on: [task('sql', {}), task('run', {})] }),
    ],
  },
  'jobs/leaf.json': { name: 'leaf', tasks: [task('t', { existing_cluster_id: 'by-id' })] },
};
const furnish = async (workspace: string): Promise<{ theirs: string; theirJob: number }> => {
  const held = lab.held(workspace);
  held.savePool({ id: 'pool-1', name: 'warm machines', nodeTypeId: 'Standard_E8s_v3' });
  held.savePolicy({ id: 'policy-1', name: 'cheap' });
  const client = byHand(workspace);
  const theirs = await client.createCluster(cluster('theirs'), 'by hand');
  return { theirs, theirJob: await client.createJob({ name: 'their job' }) };
};

it('are resolved wherever they stand, and a second deployment finds nothing to do', async () => {
  const name = await fresh();
  const { theirs, theirJob } = await furnish(name);
  const deployment = await lab.deploy(name, everything);
  expect(deployment.environments[0]).toMatchObject({ state: 'succeeded', failure: null });
  const held = lab.held(name);
  const idOf = (wanted: string) =>
    [...held.clusters.values()].find(({ spec: { cluster_name: each_ } }) => each_ === wanted)?.id;
  const jobOf = (wanted: string) => [...held.jobs.values()].find(({ settings }) => settings.name === wanted);
  expect([...held.clusters.values()].find(({ id }) => id === idOf('pooled'))?.spec).toMatchObject({
    instance_pool_id: 'pool-1',
    policy_id: 'policy-1',
  });
  const script = `/Shared/${name}/init-scripts/tools.sh`;
  const load = `/Shared/${name}/notebooks/load`;
  expect(jobOf('all of it')?.settings).toMatchObject({
    job_clusters: [
      { new_cluster: { init_scripts: [{ workspace: { destination: script } }] } },
      { new_cluster: { instance_pool_id: 'pool-1' } },
    ],
    tasks: [
      {
        existing_cluster_id: idOf('pooled'),
        notebook_task: {
          notebook_path: load,
          base_parameters: { existing_cluster_id: 'nobody', notebook_path: 'nowhere', policy_id: 'none', count: '3' },
        },
      },
      { job_cluster_key: 'shared' },
      { new_cluster: { policy_id: 'policy-1' }, notebook_task: { notebook_path: '/Users/ann/theirs' } },
      { for_each_task: { task: { existing_cluster_id: theirs, notebook_task: { notebook_path: load } } } },
      { for_each_task: { task: { run_job_task: { job_id: jobOf('nightly')?.id } } } },
      { run_job_task: { job_id: jobOf('leaf')?.id, job_parameters: { job_id: 'nightly' } } },
      { run_job_task: { job_id: theirJob } },
      { sql_task: { parameters: { existing_cluster_id: 'x' } } },
      {},
    ],
  });
  const plan = await lab.plan(deployment);
  expect(plan.warnings).toEqual([expect.stringContaining('no secret scope "nowhere"')]);
  expect(plan.relies).toContainEqual({ kind: 'cluster', reference: 'theirs', id: theirs });
  await lab.clock.sleep(3_600_000);
  const second = await lab.deploy(name, everything);
  expect((await lab.plan(second)).steps.filter(({ action }) => action !== 'none')).toEqual([]);
  expect(second.environments[0]).toMatchObject({ state: 'unchanged' });
  await lab.services.drift.checkOne(name, 'Dev');
  expect((await lab.services.store.state(name, 'Dev'))?.value.drift).toMatchObject({ inSync: true, failure: null });
});

it('that lead nowhere or to several things fail the plan, all in one answer', async () => {
  const name = await fresh();
  const client = byHand(name);
  for (let times = 0; times < 2; times += 1) {
    await client.createCluster(cluster('twice'), `t${times}`);
    await client.createJob({ name: 'twin' });
    lab.held(name).savePool({ id: `pool-${times}`, name: 'pools', nodeTypeId: 'x' });
  }
  const ended = await lab.deploy(name, {
    'clusters/c.json': { cluster_name: 'c', spark_version: '15', instance_pool_id: 'pools', policy_id: 'unheard of' },
    'jobs/j.json': {
      name: 'j',
      tasks: [
        task('a', { existing_cluster_id: 'nowhere' }),
        task('b', each(task('b1', { existing_cluster_id: 'twice' }))),
        task('c', { run_job_task: { job_id: 'twin' } }),
        task('d', { run_job_task: { job_id: 404 } }),
        task('e', { new_cluster: { spark_version: '15', driver_instance_pool_id: 'no pool' } }),
      ],
    },
  });
  expect(ended.environments[0]?.failure).toMatchObject({ code: 'workspaces.planRefused' });
  expect(ended.environments[0]?.failure?.problems).toEqual([
    expect.stringMatching(/^clusters\/c\.json: 2 instance pools are called "pools" \(pool-0, pool-1\)/),
    expect.stringMatching(/^clusters\/c\.json: There is no cluster policy "unheard of"/),
    expect.stringMatching(/^jobs\/j\.json: There is no cluster "nowhere"/),
    expect.stringMatching(/^jobs\/j\.json: 2 clusters are called "twice"/),
    expect.stringMatching(/^jobs\/j\.json: 2 jobs are called "twin"/),
    expect.stringMatching(/^jobs\/j\.json: There is no job "404"/),
    expect.stringMatching(/^jobs\/j\.json: There is no instance pool "no pool"/),
  ]);
  expect(lab.held(name).jobs.size).toBe(2);
});

it('to what this deployment deletes fail the plan', async () => {
  const name = await fresh();
  await lab.deploy(name, everythingSmall);
  const { 'jobs/leaf.json': _job, 'clusters/etl.json': _cluster, ...rest } = everythingSmall;
  const ended = await lab.deploy(name, rest);
  expect(ended.environments[0]?.failure?.problems.join('\n')).toMatch(
    /The cluster "etl" is deleted by this deployment[^]*The job "leaf" is deleted by this deployment/,
  );
});
const everythingSmall = {
  'clusters/etl.json': cluster('etl'),
  'jobs/leaf.json': { name: 'leaf', tasks: [] },
  'jobs/top.json': {
    name: 'top',
    tasks: [task('a', { existing_cluster_id: 'etl' }), task('b', { run_job_task: { job_id: 'leaf' } })],
  },
};

describe('a plan that waits for its approval', () => {
  const { 'notebooks/load.py': _gone, ...without } = smallArchive;
  const [first] = smallArchive['jobs/nightly.json'].tasks;
  /** Something of every kind and every action. */
  const before = {
    ...smallArchive,
    'clusters/kept.json': cluster('kept'),
    'clusters/old.json': cluster('old'),
    'jobs/kept.json': { name: 'kept', tasks: [] },
    'jobs/old.json': { name: 'old', tasks: [] },
    'notebooks/kept.py': '1',
  };
  const after = {
    ...without,
    'init-scripts/tools.sh': '#!/bin/bash\necho changed\n',
    'clusters/kept.json': cluster('kept'),
    'clusters/etl.json': { ...smallArchive['clusters/etl.json'], num_workers: 7 },
    'clusters/new.json': cluster('new'),
    'jobs/kept.json': { name: 'kept', tasks: [] },
    'jobs/nightly.json': {
      name: 'nightly',
      tasks: [
        task('x', { existing_cluster_id: 'theirs' }),
        { ...first, notebook_task: { notebook_path: 'notebooks/kept' } },
      ],
    },
    'jobs/new.json': { name: 'new', tasks: [] },
    'notebooks/kept.py': '1',
    'notebooks/new.py': '2',
    'notebooks/reports/daily.sql': 'SELECT 2',
  };
  type Hand = (workspace: string) => unknown;
  const held = (workspace: string) => lab.held(workspace);
  const clusterOf = (workspace: string, name: string) => {
    const found = [...held(workspace).clusters.values()].find(({ spec: each_ }) => each_.cluster_name === name);
    if (found === undefined) throw new Error(`no cluster ${name}`);
    return found;
  };
  const jobOf = (workspace: string, name: string) => {
    const found = [...held(workspace).jobs.values()].find(({ settings }) => settings.name === name);
    if (found === undefined) throw new Error(`no job ${name}`);
    return found;
  };
  const edit = (workspace: string, name: string, changes: object) => {
    const found = clusterOf(workspace, name);
    held(workspace).saveCluster({ ...found, spec: { ...found.spec, ...changes } });
  };
  const removeCluster = (workspace: string, name: string) =>
    held(workspace).remove('cluster', clusterOf(workspace, name).id);
  const put = (path: string, text: string, format: 'SOURCE' | 'RAW') => (workspace: string) =>
    byHand(workspace).importFile(
      `/Shared/${workspace}/${path}`,
      format,
      format === 'RAW' ? null : path === 'notebooks/reports/daily' ? 'SQL' : 'PYTHON',
      Buffer.from(text),
    );
  const remove = (path: string) => (workspace: string) => byHand(workspace).deleteFile(`/Shared/${workspace}/${path}`);

  const hands: [string, Hand, string][] = [
    ['a cluster to be updated was edited', (w) => edit(w, 'etl', { num_workers: 3 }), 'cluster:etl'],
    [
      'a cluster to be updated was edited as the plan wants it',
      (w) => edit(w, 'etl', { num_workers: 7 }),
      'cluster:etl',
    ],
    ['a cluster to be updated was deleted', (w) => removeCluster(w, 'etl'), 'cluster:etl'],
    ['a cluster to be kept was edited', (w) => edit(w, 'kept', { num_workers: 3 }), 'cluster:kept'],
    ['a cluster to be kept was deleted', (w) => removeCluster(w, 'kept'), 'cluster:kept'],
    ['a cluster to be deleted was edited', (w) => edit(w, 'old', { num_workers: 3 }), 'cluster:old:'],
    ['a cluster to be deleted was deleted', (w) => removeCluster(w, 'old'), 'cluster:old:'],
    ['a cluster to be created was created', (w) => byHand(w).createCluster(cluster('new'), 'x'), 'cluster:new'],
    [
      'a cluster to be created was created with our mark',
      (w) =>
        byHand(w).createCluster(
          cluster('new', { custom_tags: { sqlfleet_owner: `${w}.Dev`, sqlfleet_asset: 'clusters/new.json' } }),
          'x',
        ),
      'cluster:new',
    ],
    ['a cluster got a namesake', (w) => byHand(w).createCluster(cluster('kept'), 'x'), 'cluster:kept'],
    [
      'a job to be updated was changed',
      (w) => byHand(w).resetJob(jobOf(w, 'nightly').id, { name: 'nightly' }),
      'job:nightly',
    ],
    ['a job to be updated was deleted', (w) => byHand(w).deleteJob(jobOf(w, 'nightly').id), 'job:nightly'],
    ['a job to be kept was renamed', (w) => byHand(w).resetJob(jobOf(w, 'kept').id, { name: 'other' }), 'job:kept'],
    [
      'a job to be deleted was changed',
      (w) => byHand(w).resetJob(jobOf(w, 'old').id, { name: 'old', max_concurrent_runs: 5 }),
      'job:old:',
    ],
    ['a job to be deleted was deleted', (w) => byHand(w).deleteJob(jobOf(w, 'old').id), 'job:old:'],
    ['a job to be created was created', (w) => byHand(w).createJob({ name: 'new' }), 'job:new'],
    ['a notebook to be updated was changed', put('notebooks/reports/daily', 'SELECT 3', 'SOURCE'), 'notebook:'],
    [
      'a notebook to be updated was changed as the plan wants it',
      put('notebooks/reports/daily', 'SELECT 2', 'SOURCE'),
      'notebook:',
    ],
    ['a notebook to be updated was deleted', remove('notebooks/reports/daily'), 'notebook:'],
    ['a notebook to be kept was changed', put('notebooks/kept', '5', 'SOURCE'), 'notebook:'],
    ['a notebook to be kept was deleted', remove('notebooks/kept'), 'notebook:'],
    ['a notebook to be deleted was changed', put('notebooks/load', '5', 'SOURCE'), 'notebook:'],
    ['a notebook to be deleted was deleted', remove('notebooks/load'), 'notebook:'],
    ['a notebook to be created was created as the plan wants it', put('notebooks/new', '2', 'SOURCE'), 'notebook:'],
    ['an init script was changed', put('init-scripts/tools.sh', 'echo hand', 'RAW'), 'initScript:'],
    ['an init script was deleted', remove('init-scripts/tools.sh'), 'initScript:'],
    [
      'the secret scope is another',
      (w) => held(w).saveScope({ name: 'vault', keyVault: { resourceId: '/other', dnsName: 'x' } }),
      'secretScope:',
    ],
    ['the secret scope is gone', (w) => held(w).remove('scope', 'vault'), 'secretScope:'],
    ['a cluster that a job refers to was deleted', (w) => removeCluster(w, 'theirs'), 'cluster:theirs'],
    [
      'a cluster that a job refers to was made anew',
      async (w) => {
        removeCluster(w, 'theirs');
        await byHand(w).createCluster(cluster('theirs'), 'again');
      },
      'cluster:theirs',
    ],
  ];

  /** One plan for all: what each did by hand is taken back. */
  let name: string;
  let deploymentId: string;
  let plan: Plan;
  beforeAll(async () => {
    name = await fresh({ secretScope: 'vault' });
    await byHand(name).createCluster(cluster('theirs'), 'by hand');
    expect((await lab.deploy(name, before)).state).toBe('succeeded');
    await lab.environment('Dev', { secretScope: 'vault', approval: { required: true } });
    ({ deploymentId } = await lab.submit(name, after));
    plan = await lab.plan(await lab.until(deploymentId, ({ environments }) => environments[0]?.approvalId !== null));
  });
  const kinds = ['clusters', 'jobs', 'files', 'scopes'] as const;
  const outdated = async (): Promise<string[]> =>
    outdatedSteps(plan, { steps: {}, createdIds: {} }, await observe(byHand(name), interestOf(plan)));

  it.each(hands)('is outdated when %s', async (_what, hand, key) => {
    const kept = kinds.map((kind) => [...held(name)[kind]] as const);
    await hand(name);
    const why = await outdated();
    for (const [at, kind] of kinds.entries()) {
      const map: Map<string, unknown> = held(name)[kind];
      map.clear();
      for (const [id, value] of kept[at] ?? []) map.set(id, value);
    }
    expect(why).toEqual([expect.stringContaining(key)]);
    expect(await outdated()).toEqual([]);
  });

  it('is applied when nothing was changed, whatever clusters did meanwhile', async () => {
    const asked = await lab.services.store.deployment(deploymentId);
    for (const { id } of [...held(name).clusters.values()]) await byHand(name).terminateCluster(id);
    await lab.clock.sleep(60_000);
    await lab.approvals.decide(
      asked.environments[0]?.approvalId ?? '',
      { decision: 'approve', actor: 'bob', reason: 'fine' },
      lab.orchestrations,
    );
    expect((await lab.ended(deploymentId)).environments[0]).toMatchObject({ state: 'succeeded', failure: null });
    expect([...held(name).clusters.values()].map(({ spec: each_ }) => each_.cluster_name).sort()).toEqual([
      'etl',
      'kept',
      'new',
      'theirs',
    ]);
    expect([...held(name).jobs.values()].map(({ settings }) => settings.name).sort()).toEqual([
      'kept',
      'new',
      'nightly',
    ]);
  });
});
