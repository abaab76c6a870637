import { z } from 'zod';
import { withDefaults } from './clusters';
import { bodyOf, invalid, type Operation, type OperationDeps, pageOf } from './operation';
import { jsonObjectSchema, type StoredJob, type WorkspaceState } from './state';

const taskSchema = z.looseObject({
  task_key: z.string().regex(/^[\w-]{1,100}$/),
  existing_cluster_id: z.string().optional(),
  job_cluster_key: z.string().optional(),
  new_cluster: jsonObjectSchema.optional(),
  run_job_task: z.looseObject({ job_id: z.int() }).optional(),
  for_each_task: z
    .looseObject({
      get task(): z.ZodType<Task> {
        return taskSchema;
      },
    })
    .optional(),
});
interface Task {
  [field: string]: unknown;
  task_key: string;
  existing_cluster_id?: string | undefined;
  job_cluster_key?: string | undefined;
  new_cluster?: Record<string, unknown> | undefined;
  run_job_task?: { job_id: number } | undefined;
  for_each_task?: { task: Task } | undefined;
}
const settingsSchema = z.looseObject({
  name: z.string().optional(),
  tags: z.record(z.string(), z.string()).optional(),
  run_as: z.looseObject({ user_name: z.string(), service_principal_name: z.string() }).partial().optional(),
  tasks: z.array(taskSchema).optional(),
  job_clusters: z.array(z.looseObject({ job_cluster_key: z.string(), new_cluster: jsonObjectSchema })).optional(),
});
type Settings = z.infer<typeof settingsSchema>;

const mostJobs = 10_000;

/** Jobs: names are not unique, lists come in pages, and long lists inside a job do too. */
export function jobOperations(deps: OperationDeps): Record<string, Operation> {
  const find = (workspace: WorkspaceState, id: number | string): StoredJob => {
    const job = workspace.jobs.get(String(id));
    if (job === undefined) throw invalid(`Job ${id} does not exist.`);
    return job;
  };
  const check = (workspace: WorkspaceState, settings: Settings): void => {
    const keys = new Set((settings.job_clusters ?? []).map((each) => each.job_cluster_key));
    for (const task of (settings.tasks ?? []).flatMap(withInner)) {
      const { run_job_task: run } = task;
      if (run !== undefined && !workspace.jobs.has(String(run.job_id))) {
        throw invalid(`Job ${run.job_id} referenced by task ${task.task_key} does not exist.`);
      }
      if (task.existing_cluster_id !== undefined && !workspace.clusters.has(task.existing_cluster_id)) {
        throw invalid(`Cluster ${task.existing_cluster_id} does not exist`);
      }
      if (task.job_cluster_key !== undefined && !keys.has(task.job_cluster_key)) {
        throw invalid(`Job cluster ${task.job_cluster_key} is not defined in field job_clusters.`);
      }
    }
  };

  return {
    'GET jobs/list': (workspace, request) => {
      const name = request.query.get('name')?.toLowerCase();
      const jobs = [...workspace.jobs.values()]
        .filter((job) => name === undefined || String(job.settings.name).toLowerCase() === name)
        .sort((a, b) => b.id - a.id);
      const page = pageOf(request, jobs, 'limit', 20);
      return {
        jobs: page.items.map(({ id, createdMs, settings: { tasks: _tasks, run_as: _runAs, ...settings } }) => ({
          job_id: id,
          created_time: createdMs,
          creator_user_name: 'stand-in',
          settings,
        })),
        ...page.token,
      };
    },
    'GET jobs/get': (workspace, request) => {
      const { id, createdMs, settings: stored } = find(workspace, request.query.get('job_id') ?? '');
      // Whom it runs as is written among the settings, and told beside them.
      const { run_as: runAs, ...settings } = stored;
      const runsAs = settingsSchema.shape.run_as.parse(runAs);
      const tasks = z.array(z.unknown()).default([]).parse(settings.tasks);
      const page = pageOf(request, tasks, 'limit', 100);
      return {
        job_id: id,
        created_time: createdMs,
        creator_user_name: 'stand-in',
        run_as_user_name: runsAs?.service_principal_name ?? runsAs?.user_name ?? 'stand-in',
        settings: { ...settings, ...(tasks.length > 0 ? { tasks: page.items } : {}) },
        ...page.token,
      };
    },
    'POST jobs/create': (workspace, request) => {
      const settings = bodyOf(settingsSchema, request);
      check(workspace, settings);
      if (workspace.jobs.size >= mostJobs) throw invalid('The workspace has as many jobs as it may have.');
      const id = Math.max(0, ...[...workspace.jobs.values()].map((job) => job.id)) + 1;
      workspace.saveJob({ id, createdMs: deps.nowMs(), settings: filledIn(settings) });
      return { job_id: id };
    },
    'POST jobs/reset': (workspace, request) => {
      const schema = z.object({ job_id: z.int(), new_settings: settingsSchema });
      const { job_id: id, new_settings: settings } = bodyOf(schema, request);
      const job = find(workspace, id);
      check(workspace, settings);
      workspace.saveJob({ ...job, settings: filledIn(settings) });
      return {};
    },
    'POST jobs/delete': (workspace, request) => {
      workspace.remove('job', String(find(workspace, bodyOf(z.object({ job_id: z.int() }), request).job_id).id));
      return {};
    },
  };
}

/** What the service adds by itself. */
function filledIn(settings: Settings): Record<string, unknown> {
  const { tasks, job_clusters: clusters, schedule, trigger, continuous } = settings;
  const paused = (value: unknown) => ({ pause_status: 'UNPAUSED', ...jsonObjectSchema.parse(value) });
  return jsonObjectSchema.parse({
    name: 'Untitled',
    email_notifications: {},
    webhook_notifications: {},
    timeout_seconds: 0,
    max_concurrent_runs: 1,
    format: 'MULTI_TASK',
    queue: { enabled: true },
    ...settings,
    ...(schedule === undefined ? {} : { schedule: paused(schedule) }),
    ...(trigger === undefined ? {} : { trigger: paused(trigger) }),
    ...(continuous === undefined ? {} : { continuous: paused(continuous) }),
    ...(tasks === undefined
      ? {}
      : { tasks: tasks.map((task) => taskFilledIn(task, settings.git_source !== undefined)) }),
    ...(clusters === undefined ? {} : { job_clusters: clusters.map((each) => clusterFilledIn(each)) }),
  });
}

function taskFilledIn(task: Task, ofGit: boolean): Record<string, unknown> {
  const { notebook_task: notebook, for_each_task: each } = task;
  const source = ofGit ? 'GIT' : 'WORKSPACE';
  return clusterFilledIn({
    run_if: 'ALL_SUCCESS',
    timeout_seconds: 0,
    email_notifications: {},
    webhook_notifications: {},
    notification_settings: {
      no_alert_for_skipped_runs: false,
      no_alert_for_canceled_runs: false,
      alert_on_last_attempt: false,
    },
    ...task,
    ...(notebook === undefined ? {} : { notebook_task: { source, ...jsonObjectSchema.parse(notebook) } }),
    ...(each === undefined ? {} : { for_each_task: { concurrency: 1, ...each, task: taskFilledIn(each.task, ofGit) } }),
  });
}

function clusterFilledIn(owner: Record<string, unknown>): Record<string, unknown> {
  if (owner.new_cluster === undefined) return owner;
  const {
    workload_type: _never,
    single_user_name: _nobody,
    ...cluster
  } = withDefaults(jsonObjectSchema.parse(owner.new_cluster));
  return { ...owner, new_cluster: cluster };
}

function withInner(task: Task): Task[] {
  return [task, ...(task.for_each_task === undefined ? [] : withInner(task.for_each_task.task))];
}
