import { createProblemList } from '../../../lib/platform/problems';
import { readAssets } from '../../../lib/workspaces/assets';
import { asMultiTask, differences, unfulfilled, withoutServerFields } from '../../../lib/workspaces/normalise';
import { comparableJupyter, comparableSource } from '../../../lib/workspaces/notebooks';

describe('what is no change', () => {
  const wanted = { cluster_name: 'etl', node_type_id: 'small', num_workers: 2 };

  it('whatever only the service says, and the defaults that it fills in', () => {
    const actual = withoutServerFields('cluster', {
      ...wanted,
      cluster_id: '1',
      state: 'RUNNING',
      default_tags: { Vendor: 'Databricks' },
      driver_node_type_id: 'small',
      enable_elastic_disk: true,
      autotermination_minutes: 120,
      enable_local_disk_encryption: false,
      azure_attributes: { first_on_demand: 1, availability: 'ON_DEMAND_AZURE', spot_bid_max_price: -1 },
    });
    expect(differences(wanted, actual, null)).toEqual([]);
  });

  it('what a pool decides, whom the service took, and when something happened', () => {
    const asked = { cluster_name: 'pooled', instance_pool_id: 'p', num_workers: 1 };
    const actual = withoutServerFields('cluster', {
      ...asked,
      ...{
        node_type_id: 'large',
        driver_node_type_id: 'large',
        driver_instance_pool_id: 'p',
        enable_elastic_disk: false,
      },
      ...{ single_user_name: 'somebody', workload_type: { clients: { jobs: true, notebooks: true } } },
      ...{ last_invented_time: 5, spark_context_id: 7, spec: { cluster_name: 'pooled' } },
    });
    expect(differences(asked, actual, null)).toEqual([]);
  });

  it('whom a job runs as, until somebody changes that', () => {
    const asked = { name: 'j' };
    const settled = { name: 'j', run_as: { service_principal_name: 'ours' } };
    const other = { name: 'j', run_as: { user_name: 'eve' } };
    expect(differences(asked, settled, null)).toEqual([]);
    expect(differences(asked, settled, { asked, settled })).toEqual([]);
    expect(differences(asked, other, { asked, settled })).toHaveLength(1);
    expect(differences(settled, other, null)).not.toEqual([]);
  });

  it('what a cluster that sizes itself has grown to', () => {
    const asked = { cluster_name: 'etl', autoscale: { min_workers: 1, max_workers: 4 } };
    const grown = { ...asked, num_workers: 3, autoscale: { ...asked.autoscale, target_workers: 3 } };
    expect(differences(asked, withoutServerFields('cluster', grown), null)).toEqual([]);
  });

  it('the order of what has names, and of lists in which it means nothing', () => {
    const task = (key: string, others: string[]) => ({
      task_key: key,
      depends_on: others.map((other) => ({ task_key: other })),
    });
    const one = { tasks: [task('a', []), task('b', ['a', 'c'])], email_notifications: { on_failure: ['x', 'y'] } };
    const two = { tasks: [task('b', ['c', 'a']), task('a', [])], email_notifications: { on_failure: ['y', 'x'] } };
    expect(differences(one, two, null)).toEqual([]);
  });

  it('a number where the service keeps texts', () => {
    const spec = withoutServerFields('cluster', { spark_conf: { 'spark.x': 5, 'spark.y': true } });
    expect(spec).toEqual({ spark_conf: { 'spark.x': '5', 'spark.y': 'true' } });
  });

  it('a default that we do not know, when the service filled it in after our last deployment', () => {
    const asked = { name: 'j' };
    const settled = { name: 'j', invented_next_year: { level: 'HIGH' } };
    expect(differences(asked, settled, null)).toEqual(['invented_next_year: {"level":"HIGH"} → not set']);
    expect(differences(asked, settled, { asked, settled })).toEqual([]);
    // Somebody has changed it since; and somebody has taken it out of the archive.
    const byHand = { name: 'j', invented_next_year: { level: 'LOW' } };
    expect(differences(asked, byHand, { asked, settled })).toHaveLength(1);
    expect(differences(asked, settled, { asked: settled, settled })).toHaveLength(1);
  });

  it('the first line and the last line break of a notebook, and what Jupyter adds to cells', () => {
    const texts = ['# Databricks notebook source\nprint(1)', 'print(1)\n', '\ufeffprint(1)\r\n'];
    expect(new Set(texts.map((text) => comparableSource(Buffer.from(text)))).size).toBe(1);
    const cells = (extra: object, source: unknown) =>
      comparableJupyter(
        Buffer.from(JSON.stringify({ cells: [{ cell_type: 'code', source, ...extra }], metadata: extra })),
      );
    expect(cells({ outputs: [1], execution_count: 7 }, ['a\n', 'b'])).toBe(cells({}, 'a\nb'));
    expect(cells({}, 'a')).not.toBe(cells({}, 'b'));
  });
});

describe('what is a change', () => {
  it.each([
    [{ num_workers: 2 }, { num_workers: 3 }, 'num_workers: 3 → 2'],
    [{ num_workers: 2 }, { num_workers: 2, policy_id: 'p' }, 'policy_id: "p" → not set'],
    [{ enable_elastic_disk: true }, { enable_elastic_disk: false }, 'enable_elastic_disk: false → true'],
    [{}, { enable_elastic_disk: false }, 'enable_elastic_disk: false → not set'],
    [{}, { driver_node_type_id: 'large', node_type_id: 'small' }, 'node_type_id: "small" → not set'],
    [{ a: { b: 1 } }, { a: {} }, 'a.b: not set → 1'],
    [{ init_scripts: [1, 2] }, { init_scripts: [2, 1] }, 'init_scripts[0]: 2 → 1'],
    [
      { tasks: [{ task_key: 'a', max_retries: 1 }] },
      { tasks: [{ task_key: 'a' }] },
      'tasks.a.max_retries: not set → 1',
    ],
  ])('%j where there is %j', (wanted, actual, line) => {
    expect(differences(wanted, actual, null)).toContain(line);
  });

  it('is not asked of what the service has besides, right after a write', () => {
    expect(unfulfilled({ a: 1 }, { a: 1, new_default: 'x' })).toEqual([]);
    expect(unfulfilled({ a: 1 }, { a: 2, new_default: 'x' })).toEqual(['a: 2 → 1']);
  });
});

describe('assets', () => {
  const read = (files: Record<string, string>) => {
    const problems = createProblemList(100, 'more');
    const contents = new Map(Object.entries(files).map(([name, text]) => [name, Buffer.from(text)]));
    return { assets: readAssets(contents, problems), codes: problems.list().map(({ code }) => code) };
  };

  it('of the first job API become jobs with one task', () => {
    const old = {
      name: 'a b',
      existing_cluster_id: 'etl',
      notebook_task: { notebook_path: 'n' },
      max_concurrent_runs: 1,
    };
    expect(asMultiTask(old)).toEqual({
      name: 'a b',
      max_concurrent_runs: 1,
      tasks: [{ task_key: 'a_b', existing_cluster_id: 'etl', notebook_task: { notebook_path: 'n' } }],
    });
  });

  it('that were exported lose what only the service says', () => {
    const exported = { job_id: 7, creator_user_name: 'x', settings: { name: 'j', tasks: [] } };
    const { assets, codes } = read({ 'jobs/j.json': JSON.stringify(exported) });
    expect(codes).toEqual([]);
    expect(assets.jobs[0]).toMatchObject({ name: 'j', spec: { name: 'j', tasks: [] } });
  });

  it('that would end at one place are refused, and so is JSON that is built to hurt', () => {
    const { codes } = read({
      'notebooks/a.py': '1',
      'notebooks/A.sql': '1',
      'clusters/x.json': '{"cluster_name":"x","__proto__":{"polluted":true}}',
      'jobs/deep.json': `{"name":"x","a":${'['.repeat(5_000)}${']'.repeat(5_000)}}`,
      'jobs/list.json': '[]',
    });
    expect(codes.sort()).toEqual([
      'workspaces.asset.duplicate',
      'workspaces.asset.name',
      'workspaces.asset.notJson',
      'workspaces.asset.tooDeep',
    ]);
    expect({}).not.toHaveProperty('polluted');
  });
});
