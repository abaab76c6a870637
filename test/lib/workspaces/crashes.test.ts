import { type Deployment } from '../../../lib/workspaces/schema';
import { type Interference, type Lab, smallArchive, startWorkspaceLab } from '../../support/workspace-lab';

let lab: Lab;
beforeAll(async () => {
  lab = await startWorkspaceLab({ inMemory: true });
  await lab.prepare('none', ['Dev']);
});
afterAll(() => lab.stop());

const { 'notebooks/reports/daily.sql': _gone, ...rest } = smallArchive;
const [load] = smallArchive['jobs/nightly.json'].tasks;
/** Against the small archive it creates, updates and deletes: scripts, notebooks, clusters and jobs. The way back does too. */
const changed = {
  ...rest,
  'init-scripts/tools.sh': '#!/bin/bash\necho changed\n',
  'clusters/etl.json': { ...smallArchive['clusters/etl.json'], num_workers: 9 },
  'clusters/extra.json': { cluster_name: 'extra', spark_version: '15', node_type_id: 'x' },
  'notebooks/load.py': 'print("second")\n',
  'jobs/nightly.json': { name: 'nightly', tasks: [load, { task_key: 'more', existing_cluster_id: 'extra' }] },
  'jobs/weekly.json': { name: 'weekly', tasks: [{ task_key: 'go', run_job_task: { job_id: 'leaf' } }] },
  'jobs/leaf.json': { name: 'leaf', tasks: [{ task_key: 'go', existing_cluster_id: 'extra' }] },
};
const environment = { secretScope: 'vault', stopCreatedClusters: true, approval: { required: true } };

/** Follows a deployment to its end and approves what waits, and says so: then the calls are the same every time. */
const follow = async ({ deploymentId }: Deployment): Promise<Deployment> => {
  const isAsked = ({ environments: [first] }: Deployment): boolean =>
    first?.state === 'awaitingApproval' && /^approval /.test(first.waitingFor ?? '');
  const at = await lab.until(deploymentId, (each) => each.state !== 'running' || isAsked(each));
  if (isAsked(at)) {
    const said = { decision: 'approve' as const, actor: 'bob', reason: 'looked at it' };
    await lab.approvals.decide(at.environments[0]?.approvalId ?? '', said, lab.orchestrations);
  }
  return lab.finished(deploymentId);
};
const deploy = async (workspace: string, archive: object, options: object = {}): Promise<Deployment> =>
  follow(await lab.submit(workspace, { ...archive }, options));
let struck: string | null = null;
/** Dying before the next call is the same, for nothing happens in between; nor does anything after a lease was prolonged. */
const crashAfter = (number: number): Interference => {
  let calls = 0;
  let leases = 0;
  struck = null;
  return (place, when) => {
    if (when === 'before' || (place === 'leases.replace' && (leases += 1) > 2) || (calls += 1) !== number) return;
    struck = place;
    throw new Error(`crash after ${place}`);
  };
};
/**
 * Runs again and again, and lets the process die after the first call that changes something anywhere, after the second, and
 * so on until there is none. Answers with the places.
 */
const dyingEverywhere = async (...runs: ((number: number) => Promise<void>)[]): Promise<string[]> => {
  const places: string[] = [];
  for (let number = 1; ; number += 1) {
    const before = places.length;
    for (const run of runs) {
      lab.interfere(crashAfter(number));
      await run(number);
      if (struck !== null) places.push(struck);
    }
    if (places.length === before) return places;
  }
};
const missing = (places: readonly string[], expected: readonly string[]): string[] =>
  expected.filter((each) => !places.some((place) => place.endsWith(each)));

const contents = (workspace: string) => {
  const held = lab.held(workspace);
  const clusters = new Map([...held.clusters.values()].map(({ id, spec }) => [id, String(spec.cluster_name)]));
  const jobs = new Map([...held.jobs.values()].map(({ id, settings }) => [String(id), String(settings.name)]));
  const text = JSON.stringify([...held.jobs.values()]);
  const named = (pattern: RegExp, names: Map<string, string>): string[] =>
    [...text.matchAll(pattern)].map(([, id = '']) => names.get(id) ?? `unknown ${id}`).sort();
  return {
    clusters: [...held.clusters.values()]
      .map(
        ({ spec, pinned, transition }) =>
          `${String(spec.cluster_name)} ${String(spec.num_workers)} ${pinned} ${transition.to}`,
      )
      .sort(),
    jobs: [...jobs.values()].sort(),
    clustersOfJobs: named(/"existing_cluster_id":"([^"]+)"/g, clusters),
    jobsOfJobs: named(/"job_id":(\d+)/g, jobs),
    scopes: [...held.scopes.keys()],
    files: [...held.files.values()]
      .filter(({ type }) => type !== 'DIRECTORY')
      .map(
        ({ path, content }) =>
          `${path.split('/').at(-1)} ${Buffer.from(content, 'base64').toString().split('\n').at(-1)}`,
      )
      .filter((file) => !file.startsWith('.sqlfleet'))
      .sort(),
  };
};
const asSmall = {
  clusters: ['etl 2 true TERMINATED'],
  jobs: ['nightly'],
  clustersOfJobs: ['etl', 'etl'],
  jobsOfJobs: [],
  scopes: ['vault'],
  files: ['daily SELECT 1', 'load print("load")', 'tools.sh '],
};
const asChanged = {
  clusters: ['etl 9 true TERMINATED', 'extra undefined true TERMINATED'],
  jobs: ['leaf', 'nightly', 'weekly'],
  clustersOfJobs: ['etl', 'extra', 'extra'],
  jobsOfJobs: ['leaf'],
  scopes: ['vault'],
  files: ['load print("second")', 'tools.sh '],
};
/** Told to everybody, once for whoever looks at ids. */
const told = async ({ deploymentId, workspace }: Deployment): Promise<string[]> => {
  const { items } = await lab.audit.list(`workspaces/${workspace}`, { pageSize: 1_000, continuation: null });
  return [
    ...new Set(
      lab.events.filter(({ id }) => id.includes(deploymentId)).map(({ type }) => type.replace('Sqlfleet.', '')),
    ),
    ...items.filter(({ details }) => details?.deploymentId === deploymentId).map(({ action }) => action),
  ];
};
const everythingTold = [
  'Approvals.Requested',
  'Approvals.Approved',
  'Workspaces.DeploymentFinished',
  'deploy',
  'deployment-succeeded',
];

it('creates everything once, wherever between two calls of a first deployment the process dies', async () => {
  const places = await dyingEverywhere(async (number) => {
    const workspace = `first${number}`;
    await lab.prepare(workspace, ['Dev'], environment);
    const ended = await deploy(workspace, smallArchive);
    expect(ended.environments[0]).toMatchObject({ state: 'succeeded', failure: null });
    expect({ struck, ...contents(workspace) }).toEqual({ struck, ...asSmall });
    expect(await told(ended)).toEqual(everythingTold);
  });
  const stores = [
    'blobs.putOnce',
    'blobs.put',
    'workspaces.create',
    'workspaces.replace',
    'workspaceDeployments.replace',
  ];
  const others = ['approvals.create', 'leases.create', 'leases.replace', 'events.publish', 'audit.create'];
  const calls = [
    'scopes/create',
    'mkdirs',
    'import',
    'clusters/create',
    'clusters/pin',
    'clusters/delete',
    'jobs/create',
  ];
  expect(missing(places, [...stores, ...others, ...calls])).toEqual([]);
}, 300_000);

it('changes everything once and loses nothing, wherever the process dies on the way forth and back', async () => {
  const workspace = 'to-and-fro';
  await lab.prepare(workspace, ['Dev'], environment);
  await deploy(workspace, smallArchive);
  const to = (archive: object, expected: object) => async (): Promise<void> => {
    const ended = await deploy(workspace, archive);
    expect(ended.environments[0]).toMatchObject({ state: 'succeeded', failure: null });
    expect({ struck, ...contents(workspace) }).toEqual({ struck, ...expected });
    expect(await told(ended)).toEqual(everythingTold);
  };
  const places = await dyingEverywhere(to(changed, asChanged), to(smallArchive, asSmall));
  const clusters = ['clusters/create', 'clusters/edit', 'clusters/unpin', 'clusters/permanent-delete'];
  const others = ['jobs/create', 'jobs/reset', 'jobs/delete', 'workspace/import', 'workspace/delete'];
  expect(missing(places, [...clusters, ...others, 'workspaces.replace', 'blobs.put'])).toEqual([]);
}, 300_000);

it('prepares a Key Vault once, wherever the process dies, and never takes its own placeholders for neglect', async () => {
  const places = await dyingEverywhere(async (number) => {
    const vault = `kv-crash-${number}`;
    await lab.environment('New', { ...environment, keyVault: { name: vault } });
    const ended = await deploy('vaults', smallArchive, { environments: ['New'] });
    expect({ struck, state: ended.environments[0]?.state }).toEqual({ struck, state: 'initialized' });
    expect(lab.vaults.get(vault)?.size).toBe(4);
    expect(await told(ended)).toEqual([
      'Workspaces.DeploymentFinished',
      'deploy',
      'initialize-key-vault',
      'deployment-succeeded',
    ]);
  });
  expect(missing(places, ['vaults.create', 'vaults.grant', 'secrets.create', 'audit.create'])).toEqual([]);
}, 300_000);

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
  expect(contents('silent')).toMatchObject({ jobs: ['nightly'], clustersOfJobs: ['etl', 'etl'] });
  expect(lab.held('silent').clusters.size).toBe(1);
});

it('waits for a job that a gateway has given up on and the service has not', async () => {
  await lab.prepare('late');
  const held = lab.held('late');
  const saveJob = held.saveJob.bind(held);
  let arrivesAtMs = 0;
  let arrive = (): void => undefined;
  // The service is still at work when the gateway answers 504: what it makes can be seen ten seconds later.
  held.saveJob = (job) => {
    arrivesAtMs = lab.clock.nowMs() + 10_000;
    arrive = () => saveJob(job);
    held.saveJob = saveJob;
  };
  lab.databricks.faults.add({ operation: 'jobs/create', drop: 'after' });
  const values = held.jobs.values.bind(held.jobs);
  held.jobs.values = () => {
    if (arrivesAtMs > 0 && lab.clock.nowMs() >= arrivesAtMs) {
      arrivesAtMs = 0;
      arrive();
    }
    return values();
  };
  expect((await lab.deploy('late', smallArchive)).state).toBe('succeeded');
  expect(contents('late').jobs).toEqual(['nightly']);
});
