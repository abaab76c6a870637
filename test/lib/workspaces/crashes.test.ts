import { type Interference, type Lab, smallArchive, startWorkspaceLab } from '../../support/workspace-lab';

let lab: Lab;
beforeAll(async () => {
  lab = await startWorkspaceLab();
  await lab.prepare('none', ['Dev']);
});
afterAll(() => lab.stop());

const { 'notebooks/reports/daily.sql': _gone, ...rest } = smallArchive;
const [load] = smallArchive['jobs/nightly.json'].tasks;
/** Creates, updates and deletes, of files, clusters and jobs. */
const changed = {
  ...rest,
  'clusters/etl.json': { ...smallArchive['clusters/etl.json'], num_workers: 9 },
  'clusters/extra.json': { cluster_name: 'extra', spark_version: '15', node_type_id: 'x' },
  'notebooks/load.py': 'print("second")\n',
  'jobs/nightly.json': { name: 'nightly', tasks: [load, { task_key: 'more', existing_cluster_id: 'extra' }] },
  'jobs/weekly.json': { name: 'weekly', tasks: [{ task_key: 'go', existing_cluster_id: 'extra' }] },
};

const changes = [
  ...[
    'clusters/create',
    'clusters/edit',
    'clusters/pin',
    'jobs/create',
    'jobs/reset',
    'workspace/import',
    'workspace/delete',
  ],
  ...['workspaces.replace', 'workspaceDeployments.replace'],
];

/**
 * Every place at which the process can die: after each call that changes something, in us or in Databricks, with its
 * answer lost. Dying before the next call is the same, for nothing happens in between.
 */
const placesOf = async (): Promise<string[]> => {
  const places: string[] = [];
  lab.interfere((place, when) => void (when === 'after' && places.push(place)));
  await deployBoth('counted');
  lab.interfere(() => undefined);
  return places;
};
let struck: string | null = null;
const crashAfter = (number: number): Interference => {
  let calls = -1_000;
  struck = null;
  return (place, when) => {
    if (when === 'before') return;
    // Who submits is answered, or tries again; what is disturbed begins behind that.
    if (place === 'workspaceDeployments.create') calls = 0;
    else calls += 1;
    if (calls !== number) return;
    struck = place;
    throw new Error(`crash after ${place}`);
  };
};
const deployBoth = async (workspace: string, between?: Interference): Promise<void> => {
  await lab.prepare(workspace);
  if (between === undefined) {
    await lab.deploy(workspace, smallArchive);
    await lab.deploy(workspace, changed);
    return;
  }
  await lab.deploy(workspace, smallArchive);
  lab.interfere(between);
  const { deploymentId } = await lab.submit(workspace, changed);
  const ended = await lab.ended(deploymentId);
  lab.interfere(() => undefined);
  expect(ended.environments[0]).toMatchObject({ state: 'succeeded', failure: null });
};
const contents = (workspace: string) => {
  const held = lab.held(workspace);
  const ids = new Map([...held.clusters.values()].map(({ id, spec }) => [id, String(spec.cluster_name)]));
  return {
    clusters: [...ids.values()].sort(),
    jobs: [...held.jobs.values()].map(({ settings }) => String(settings.name)).sort(),
    clustersOfJobs: [...JSON.stringify([...held.jobs.values()]).matchAll(/"existing_cluster_id":"([^"]+)"/g)]
      .map(([, id = '']) => ids.get(id) ?? `unknown ${id}`)
      .sort(),
    notebooks: [...held.files.values()]
      .filter(({ type }) => type === 'NOTEBOOK')
      .map(({ path }) => path.split('/').at(-1)),
    load: Buffer.from(held.files.get(`/Shared/${workspace}/notebooks/load`)?.content ?? '', 'base64').toString(),
  };
};

it('creates nothing twice and loses nothing, wherever between two calls the process dies', async () => {
  const all = await placesOf();
  // The first deployment, which is never disturbed, makes the first of them.
  const places = all.slice(all.lastIndexOf('workspaceDeployments.create') + 1);
  expect(changes.filter((change) => !places.some((place) => place.includes(change)))).toEqual([]);
  for (const [at, place] of places.entries()) {
    const workspace = `crash${at}`;
    await deployBoth(workspace, crashAfter(at + 1));
    expect({ struck, ...contents(workspace) }).toEqual({
      struck: place,
      clusters: ['etl', 'extra'],
      jobs: ['nightly', 'weekly'],
      clustersOfJobs: ['etl', 'extra', 'extra'],
      notebooks: ['load'],
      load: '# Databricks notebook source\nprint("second")',
    });
  }
}, 900_000);

it('goes on with what a dying process had begun only when it is ours', async () => {
  await lab.prepare('stranger');
  let crashed = false;
  lab.interfere((place, when) => {
    if (crashed || when !== 'before' || !place.endsWith('/jobs/create')) return;
    crashed = true;
    // While we are away, somebody makes a job of that name by hand.
    const id = 77;
    lab.held('stranger').saveJob({ id, createdMs: 0, settings: { name: 'nightly', tasks: [] } });
    throw new Error('crash before the job was created');
  });
  const ended = await lab.deploy('stranger', smallArchive);
  lab.interfere(() => undefined);
  expect(ended.environments[0]).toMatchObject({ state: 'failed', failure: { code: 'workspaces.planOutdated' } });
  expect([...lab.held('stranger').jobs.keys()]).toEqual(['77']);
});

it('finds a job whose creation was answered by nobody, instead of creating another', async () => {
  await lab.prepare('silent');
  lab.databricks.faults.add({ operation: 'jobs/create', drop: 'after' });
  lab.databricks.faults.add({ operation: 'clusters/create', drop: 'after' });
  lab.databricks.faults.add({ operation: 'jobs/list', status: 503, times: 3 });
  lab.databricks.faults.add({ operation: 'workspace/import', status: 429, retryAfterMs: 2_000, times: 2 });
  expect((await lab.deploy('silent', smallArchive)).state).toBe('succeeded');
  expect(lab.databricks.faults.waiting()).toEqual([]);
  expect(contents('silent')).toMatchObject({ clusters: ['etl'], jobs: ['nightly'], clustersOfJobs: ['etl', 'etl'] });
});
