import { z } from 'zod';
import { AppError } from '../../../lib/platform/errors';
import { archiveOf, type Lab, smallArchive, startWorkspaceLab, subscriptionId } from '../../support/workspace-lab';

let lab: Lab;
let count = 0;
/** Every test has a workspace of its own. */
const fresh = (): string => `sales${(count += 1)}`;

beforeAll(async () => {
  lab = await startWorkspaceLab();
});
afterAll(() => lab.stop());

const by = { actor: 'bob', reason: 'looked at it' };
const calls = (): Record<string, number> => lab.databricks.counters();
const writes = (counters: Record<string, number>): number =>
  Object.entries(counters)
    .filter(([name]) => !/\/(?:list|get|get-status|export)$/.test(name))
    .reduce((sum, [, times]) => sum + times, 0);

describe('a deployment', () => {
  it('brings scripts, clusters, notebooks and jobs into a workspace, names turned into ids', async () => {
    const name = fresh();
    await lab.prepare(name);
    const deployment = await lab.deploy(name, smallArchive);
    expect(deployment).toMatchObject({ state: 'succeeded', environments: [{ state: 'succeeded', failure: null }] });
    const held = lab.held(name);
    const [cluster] = held.clusters.values();
    expect(cluster).toMatchObject({
      pinned: true,
      spec: {
        cluster_name: 'etl',
        init_scripts: [{ workspace: { destination: `/Shared/${name}/init-scripts/tools.sh` } }],
        custom_tags: { sqlfleet_owner: `${name}.Dev`, sqlfleet_asset: 'clusters/etl.json' },
      },
    });
    expect([...held.jobs.values()].map(({ settings }) => settings)).toMatchObject([
      {
        name: 'nightly',
        tags: { sqlfleet_owner: `${name}.Dev` },
        tasks: [
          { existing_cluster_id: cluster?.id, notebook_task: { notebook_path: `/Shared/${name}/notebooks/load` } },
          {
            existing_cluster_id: cluster?.id,
            notebook_task: { notebook_path: `/Shared/${name}/notebooks/reports/daily` },
          },
        ],
      },
    ]);
    expect([...held.files.values()].filter(({ type }) => type === 'NOTEBOOK').map(({ language }) => language)).toEqual([
      'PYTHON',
      'SQL',
    ]);
  });

  it('changes nothing the second time, and asks nobody', async () => {
    const name = fresh();
    await lab.prepare(name);
    await lab.deploy(name, smallArchive);
    await lab.environment('Dev', { approval: { required: true } });
    const before = writes(calls());
    const second = await lab.deploy(name, smallArchive);
    expect(second).toMatchObject({
      state: 'succeeded',
      environments: [
        { state: 'unchanged', approvalId: null, plan: { counts: { none: 5, create: 0, update: 0, delete: 0 } } },
      ],
    });
    expect(writes(calls()) - before).toBe(0);
  });

  it('updates the job that changed and deletes the notebook that is gone, and touches nothing else', async () => {
    const name = fresh();
    await lab.prepare(name);
    await lab.deploy(name, smallArchive);
    const jobId = [...lab.held(name).jobs.keys()];
    const { 'notebooks/reports/daily.sql': _gone, ...rest } = smallArchive;
    const [load] = smallArchive['jobs/nightly.json'].tasks;
    const changed = { ...rest, 'jobs/nightly.json': { name: 'nightly', max_concurrent_runs: 3, tasks: [load] } };
    const deployment = await lab.deploy(name, changed);
    expect(deployment.state).toBe('succeeded');
    const plan = await lab.plan(deployment);
    expect(plan.steps.filter(({ action }) => action !== 'none').map(({ key, action }) => [key, action])).toEqual([
      ['job:nightly', 'update'],
      [`notebook:/Shared/${name}/notebooks/reports/daily`, 'delete'],
    ]);
    expect(plan.steps.find(({ key }) => key === 'job:nightly')?.changes).toEqual(
      expect.arrayContaining(['max_concurrent_runs: 1 → 3', expect.stringMatching(/^tasks\.report: .* → not set$/)]),
    );
    expect([...lab.held(name).jobs.keys()]).toEqual(jobId);
    expect([...lab.held(name).files.keys()]).not.toContain(`/Shared/${name}/notebooks/reports/daily`);
  });

  it('is rolled back by deploying the archive of an earlier one', async () => {
    const name = fresh();
    await lab.prepare(name);
    const first = await lab.deploy(name, smallArchive);
    await lab.deploy(name, { ...smallArchive, 'notebooks/load.py': 'print("broken")\n' });
    const { deploymentId } = await lab.services.submit(
      {
        workspace: name,
        assets: { deployment: first.deploymentId },
        options: { environments: ['Dev'] },
        signedInActor: 'ann',
      },
      lab.orchestrations,
    );
    expect(await lab.ended(deploymentId)).toMatchObject({ state: 'succeeded', archiveOf: first.deploymentId });
    const file = lab.held(name).files.get(`/Shared/${name}/notebooks/load`);
    expect(Buffer.from(file?.content ?? '', 'base64').toString()).toContain('print("load")');
  });

  it('stops the clusters that it created where that is wanted, and no other', async () => {
    const name = fresh();
    await lab.prepare(name, ['Dev'], { stopCreatedClusters: true });
    await lab.deploy(name, smallArchive);
    const [cluster] = lab.held(name).clusters.values();
    expect(cluster?.transition.to).toBe('TERMINATED');
    if (cluster === undefined) throw new Error('there is no cluster');
    const started = { from: 'PENDING', to: 'RUNNING', atMs: lab.clock.nowMs() + 60_000 } as const;
    lab.held(name).saveCluster({ ...cluster, transition: started });
    const more = { ...smallArchive['clusters/etl.json'], num_workers: 8 };
    // It is starting, so it can be edited only after a while: INVALID_STATE until then.
    expect(await lab.deploy(name, { ...smallArchive, 'clusters/etl.json': more })).toMatchObject({
      state: 'succeeded',
    });
    const after = lab.held(name).clusters.get(cluster?.id ?? '');
    expect(after).toMatchObject({ spec: { num_workers: 8 }, transition: { to: 'RUNNING' } });
    await lab.environment('Dev');
  });

  it('keeps a secret scope backed by the Key Vault', async () => {
    const name = fresh();
    await lab.prepare(name, ['Dev'], { secretScope: 'vault' });
    await lab.deploy(name, smallArchive);
    expect(lab.held(name).scopes.get('vault')?.keyVault.resourceId).toMatch(/\/vaults\/kv-dev$/);
    expect((await lab.deploy(name, smallArchive)).environments[0]?.state).toBe('unchanged');
    await lab.environment('Dev');
  });

  it('keeps secrets out of history, stores and log', async () => {
    const name = fresh();
    await lab.prepare(name);
    const { deploymentId } = await lab.deploy(name, smallArchive);
    const everything = [await lab.history(deploymentId), lab.logged.join('\n'), JSON.stringify(lab.events)].join('\n');
    expect(everything).toContain('applyWorkspace-v1');
    expect(everything).not.toContain('the secret of the principal');
    expect(everything).not.toMatch(/eyJ[\w-]+\.eyJ/);
  });
});

describe('an event of Azure', () => {
  it('deploys the last good archive to the environment that asks for it, once for each event', async () => {
    const name = fresh();
    await lab.prepare(name, ['Dev', 'Prod']);
    await lab.deploy(name, smallArchive);
    const workspaceId = lab.workspaceIdOf(name, 'Prod').toUpperCase();
    const told = (requestKey: string) => lab.services.deployOnWrite({ workspaceId, requestKey }, lab.orchestrations);
    expect(await told('1')).toBeNull();
    await lab.environment('Prod', { deployOnWrite: [name] });
    const first = await told('1');
    expect(await told('1')).toEqual(first);
    const [, , , id = ''] = first?.deployment.split('/') ?? [];
    expect(first?.deployment).toBe(`workspaces/${name}/deployments/${id}`);
    expect(await lab.ended(id)).toMatchObject({
      state: 'succeeded',
      requestedBy: 'Azure Event Grid',
    });
    expect(lab.held(name, 'Prod').jobs.size).toBe(1);
    await lab.environment('Prod');
  });
});

describe('a workspace with much in it', () => {
  it('keeps its 250 jobs and 60 clusters, and names among them are found on whatever page they are', async () => {
    const name = fresh();
    await lab.prepare(name);
    const held = lab.held(name);
    for (let id = 1; id <= 250; id += 1) held.saveJob({ id, createdMs: 0, settings: { name: `theirs ${id}` } });
    for (let at = 1; at <= 60; at += 1) {
      held.saveCluster({
        id: `0101-000000-theirs${at}`,
        spec: { cluster_name: `theirs ${at}`, spark_version: '15', node_type_id: 'x' },
        pinned: false,
        idempotencyToken: null,
        transition: { from: 'SETTLED', to: 'RUNNING', atMs: 0 },
      });
    }
    const before = new Map(held.jobs);
    const onTheirs = { name: 'ours', tasks: [{ task_key: 'go', existing_cluster_id: 'theirs 60' }] };
    const taken = { name: 'theirs 3', tasks: [{ task_key: 'go', existing_cluster_id: 'theirs 1' }] };
    const archive = { ...smallArchive, 'jobs/ours.json': onTheirs, 'jobs/taken.json': taken };
    const deployment = await lab.deploy(name, archive);
    expect(deployment.state).toBe('succeeded');
    const plan = await lab.plan(deployment);
    expect(plan.steps.find(({ key }) => key === 'job:theirs 3')?.reason).toMatch(/taken over/);
    expect([held.jobs.size, held.clusters.size]).toEqual([252, 61]);
    expect([...held.jobs].filter(([id, job]) => before.get(id) === job)).toHaveLength(249);
    const ours = [...held.jobs.values()].find(({ settings }) => settings.name === 'ours');
    expect(JSON.stringify(ours)).toContain('0101-000000-theirs60');
    expect((await lab.deploy(name, archive)).environments[0]?.state).toBe('unchanged');
  });
});

describe('environments', () => {
  it('follow one another, each approved by somebody else than who asked; a rejected one ends it', async () => {
    const name = fresh();
    const approval = { required: true, approvers: ['ann', 'bob'], timeoutMinutes: 60 };
    await lab.prepare(name, ['Dev', 'PreProd', 'Prod', 'Later'], { approval });
    const environments = ['Dev', 'PreProd', 'Prod', 'Later'];
    const { deploymentId } = await lab.submit(name, smallArchive, { environments });
    const asked = async (environment: string) => {
      const at = await lab.until(deploymentId, (each) =>
        each.environments.some(({ name: one, approvalId }) => one === environment && approvalId !== null),
      );
      return at.environments.find(({ name: one }) => one === environment);
    };
    const decide = async (environment: string, decision: 'approve' | 'reject', actor = by.actor) => {
      const progress = await asked(environment);
      const request = { decision, actor, reason: by.reason, hash: progress?.plan?.hash };
      return lab.approvals.decide(progress?.approvalId ?? '', request, lab.orchestrations);
    };
    await asked('Dev');
    expect(lab.held(name).jobs.size).toBe(0);
    await expect(decide('Dev', 'approve', 'ann')).rejects.toMatchObject({ code: 'approvals.forbidden' });
    await decide('Dev', 'approve');
    await decide('PreProd', 'approve');
    expect(lab.held(name, 'Dev').jobs.size).toBe(1);
    await decide('Prod', 'reject');
    const ended = await lab.ended(deploymentId);
    expect(ended.state).toBe('rejected');
    expect(ended.environments.map(({ state }) => state)).toEqual(['succeeded', 'succeeded', 'rejected', 'skipped']);
    expect(ended.environments[2]?.failure).toMatchObject({ code: 'workspaces.rejected' });
    expect(lab.held(name, 'Prod').jobs.size + lab.held(name, 'Prod').clusters.size).toBe(0);
    await lab.environment('Dev');
  });

  it('end as rejected when nobody decides in time', async () => {
    const name = fresh();
    await lab.prepare(name, ['Dev'], { approval: { required: true, timeoutMinutes: 30 } });
    const ended = await lab.deploy(name, smallArchive);
    expect(ended.environments[0]).toMatchObject({ state: 'rejected', failure: { code: 'workspaces.expired' } });
    expect(lab.held(name).jobs.size).toBe(0);
    await lab.environment('Dev');
  });

  it('take one deployment at a time: the second waits for the first, and plans on what it left', async () => {
    const name = fresh();
    await lab.prepare(name, ['Dev'], { approval: { required: true } });
    const first = await lab.submit(name, smallArchive);
    const asked = await lab.until(first.deploymentId, ({ environments }) => environments[0]?.approvalId !== null);
    const second = await lab.submit(name, smallArchive);
    await lab.until(second.deploymentId, ({ environments }) =>
      /another deployment/.test(environments[0]?.waitingFor ?? ''),
    );
    const approval = asked.environments[0]?.approvalId ?? '';
    await lab.approvals.decide(approval, { decision: 'approve', ...by }, lab.orchestrations);
    expect((await lab.ended(first.deploymentId)).state).toBe('succeeded');
    expect((await lab.ended(second.deploymentId)).environments[0]?.state).toBe('unchanged');
    await lab.environment('Dev');
  });

  it('that are cancelled while they wait take the question back and change nothing', async () => {
    const name = fresh();
    await lab.prepare(name, ['Dev'], { approval: { required: true } });
    const { deploymentId } = await lab.submit(name, smallArchive);
    const asked = await lab.until(deploymentId, ({ environments }) => environments[0]?.approvalId !== null);
    await lab.services.cancel(deploymentId, by, lab.orchestrations);
    const ended = await lab.ended(deploymentId);
    expect(ended).toMatchObject({ state: 'cancelled', environments: [{ state: 'cancelled' }] });
    const approval = await lab.approvals.read(asked.environments[0]?.approvalId ?? '');
    expect(approval.state).toBe('withdrawn');
    expect(lab.held(name).jobs.size).toBe(0);
    await expect(lab.services.cancel(deploymentId, by, lab.orchestrations)).rejects.toMatchObject({
      code: 'workspaces.ended',
    });
    await lab.environment('Dev');
  });
});

describe('the Key Vault of an environment', () => {
  const secretNames = ['subscription-id', 'tenant-id', 'client-id', 'client-secret'].map(
    (part) => `databricks-dev-ops-${part}`,
  );

  it.each(['Initialize KeyVault', 'Initialize-KeyVault', 'auto'])(
    'is created with its four placeholders in the mode %s',
    async (mode) => {
      const vault = `kv-${mode.replace(/\W/g, '').toLowerCase()}${(count += 1)}`;
      await lab.environment('New', { mode, keyVault: { name: vault, administrators: [subscriptionId] } });
      const deployment = await lab.deploy('fresh', smallArchive, { environments: ['New'] });
      expect(deployment).toMatchObject({ state: 'succeeded', environments: [{ state: 'initialized' }] });
      expect([...(lab.vaults.get(vault)?.keys() ?? [])]).toEqual(secretNames);
    },
  );

  it('keeps the secrets that are there, and gets only those that are missing', async () => {
    lab.vaults.set('kv-half', new Map([['databricks-dev-ops-client-secret', 'precious']]));
    await lab.environment('Half', { mode: 'Initialize-KeyVault', keyVault: { name: 'kv-half' } });
    for (let times = 0; times < 2; times += 1) await lab.deploy('fresh', smallArchive, { environments: ['Half'] });
    expect(lab.vaults.get('kv-half')?.get('databricks-dev-ops-client-secret')).toBe('precious');
    expect(lab.vaults.get('kv-half')?.size).toBe(4);
  });

  it('refuses a deployment while its placeholders are not filled in, naming them', async () => {
    await lab.environment('Empty', { keyVault: { name: 'kv-empty', secretPrefix: 'data-' } });
    await lab.deploy('fresh', smallArchive, { environments: ['Empty'] });
    const again = await lab.deploy('fresh', smallArchive, { environments: ['Empty'] });
    expect(again.environments[0]?.failure).toMatchObject({
      code: 'workspaces.secretsEmpty',
      problems: ['data-subscription-id', 'data-tenant-id', 'data-client-id', 'data-client-secret'],
    });
  });

  it('refuses a deployment to another subscription than the secrets name', async () => {
    const name = fresh();
    await lab.prepare(name, ['Other']);
    lab.vaults.get('kv-other')?.set('databricks-dev-ops-subscription-id', '00000000-0000-4000-8000-000000000009');
    const refused = await lab.deploy(name, smallArchive, { environments: ['Other'] });
    expect(refused.environments[0]?.failure?.code).toBe('workspaces.subscriptionDiffers');
  });
});

describe('what is refused before anything is changed', () => {
  it('lists every problem of the input at once', async () => {
    const bad = {
      'clusters/broken.json': '{"cluster_name": ',
      'clusters/nameless.json': { spark_version: '15' },
      'jobs/a.json': { name: 'same' },
      'jobs/b.json': { name: 'Same' },
      'notebooks/x.exe': 'x',
      'elsewhere/readme.md': 'x',
    };
    const refusal = lab.submit('ok', bad, { environments: ['Nowhere'] });
    await expect(refusal).rejects.toMatchObject({ status: 422, code: 'workspaces.invalidInput' });
    const error: unknown = await refusal.catch((refused: unknown) => refused);
    const { problems } = z
      .object({ problems: z.array(z.object({ code: z.string() })) })
      .parse(error instanceof AppError ? error.details : {});
    expect(problems.map(({ code }) => code).sort()).toEqual([
      'workspaces.asset.duplicate',
      'workspaces.asset.folder',
      'workspaces.asset.name',
      'workspaces.asset.notJson',
      'workspaces.asset.type',
      'workspaces.environment',
    ]);
  });

  it('refuses hostile archives as packages are refused', async () => {
    const bytes = await archiveOf({ 'clusters/../../evil.json': '{}' }).catch(() => Buffer.from('PK'));
    const submission = { workspace: 'ok', assets: { bytes }, options: { environments: ['Dev'] }, signedInActor: null };
    await expect(lab.services.submit(submission, lab.orchestrations)).rejects.toMatchObject({ status: 422 });
  });

  it('never deletes more than the environment allows, nor what lacks our mark', async () => {
    const name = fresh();
    await lab.prepare(name, ['Dev'], { maximumDeletes: 1 });
    await lab.deploy(name, smallArchive);
    await lab.clientOf(lab.workspaceIdOf(name, 'Dev')).createJob({ name: 'by hand' });
    const only = { 'init-scripts/tools.sh': smallArchive['init-scripts/tools.sh'] };
    const refused = await lab.deploy(name, only);
    expect(refused.environments[0]?.failure?.problems.join()).toMatch(/4 assets would be deleted, and 1 are allowed/);
    await lab.environment('Dev', { maximumDeletes: 4 });
    expect((await lab.deploy(name, only)).state).toBe('succeeded');
    expect([...lab.held(name).jobs.values()].map(({ settings }) => settings.name)).toEqual(['by hand']);
    await lab.environment('Dev');
  });
});

describe('a workspace that is changed by hand', () => {
  it('between plan and approval is not touched: a new plan is asked for', async () => {
    const name = fresh();
    await lab.prepare(name);
    await lab.deploy(name, smallArchive);
    await lab.environment('Dev', { approval: { required: true } });
    const { deploymentId } = await lab.submit(name, { ...smallArchive, 'notebooks/load.py': 'print("new")\n' });
    const asked = await lab.until(deploymentId, ({ environments }) => environments[0]?.approvalId !== null);
    const [job] = lab.held(name).jobs.values();
    const byHand = { ...job?.settings, max_concurrent_runs: 9 };
    await lab.clientOf(lab.workspaceIdOf(name, 'Dev')).resetJob(job?.id ?? 0, byHand);
    const before = writes(calls());
    const decision = { decision: 'approve' as const, ...by };
    await lab.approvals.decide(asked.environments[0]?.approvalId ?? '', decision, lab.orchestrations);
    const ended = await lab.ended(deploymentId);
    expect(ended.environments[0]).toMatchObject({
      state: 'failed',
      failure: { code: 'workspaces.planOutdated', problems: ['job:nightly: it was changed since the plan was made'] },
    });
    expect(writes(calls()) - before).toBe(0);
    await lab.environment('Dev');
  });

  it('is reported by the drift check, once, and found clean after the next deployment', async () => {
    const name = fresh();
    await lab.prepare(name);
    await lab.deploy(name, smallArchive);
    await lab.services.drift.checkOne(name, 'Dev');
    const drift = async () => (await lab.services.store.state(name, 'Dev'))?.value.drift;
    expect(await drift()).toMatchObject({ inSync: true, differences: [] });
    const client = lab.clientOf(lab.workspaceIdOf(name, 'Dev'));
    await client.deleteFile(`/Shared/${name}/notebooks/load`);
    const [job] = lab.held(name).jobs.values();
    await client.resetJob(job?.id ?? 0, { ...job?.settings, timeout_seconds: 60 });
    await lab.services.drift.checkOne(name, 'Dev');
    await lab.services.drift.checkOne(name, 'Dev');
    expect((await drift())?.differences).toEqual([
      { key: `notebook:/Shared/${name}/notebooks/load`, what: 'it is gone' },
      { key: 'job:nightly', what: 'timeout_seconds: 60 → not set' },
    ]);
    const drifted = lab.events.filter(({ type, subject }) => /Drifted/.test(type) && subject.includes(`${name}/`));
    const assets = [`notebook:/Shared/${name}/notebooks/load`, 'job:nightly'];
    expect(drifted).toMatchObject([{ data: { workspace: name, environment: 'Dev', assets } }]);
    expect(JSON.stringify(drifted)).not.toContain('timeout_seconds');
    expect((await lab.deploy(name, smallArchive)).state).toBe('succeeded');
    await lab.services.drift.checkOne(name, 'Dev');
    expect(await drift()).toMatchObject({ inSync: true });
  });
});
