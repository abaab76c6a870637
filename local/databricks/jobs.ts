import { z } from 'zod';
import { bodyOf, invalid, type Operation, type OperationDeps, pageOf } from './operation';
import { jsonObjectSchema, type StoredJob, type WorkspaceState } from './state';

const taskSchema = z.looseObject({
  task_key: z.string().regex(/^[\w-]{1,100}$/),
  existing_cluster_id: z.string().optional(),
  job_cluster_key: z.string().optional(),
});
const settingsSchema = z.looseObject({
  name: z.string().optional(),
  tags: z.record(z.string(), z.string()).optional(),
  tasks: z.array(taskSchema).optional(),
  job_clusters: z.array(z.looseObject({ job_cluster_key: z.string() })).optional(),
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
    for (const task of settings.tasks ?? []) {
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
        jobs: page.items.map(({ id, createdMs, settings: { tasks: _tasks, ...settings } }) => ({
          job_id: id,
          created_time: createdMs,
          creator_user_name: 'stand-in',
          settings,
        })),
        ...page.token,
      };
    },
    'GET jobs/get': (workspace, request) => {
      const { id, createdMs, settings } = find(workspace, request.query.get('job_id') ?? '');
      const tasks = z.array(z.unknown()).default([]).parse(settings.tasks);
      const page = pageOf(request, tasks, 'limit', 100);
      return {
        job_id: id,
        created_time: createdMs,
        creator_user_name: 'stand-in',
        run_as_user_name: 'stand-in',
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
  return jsonObjectSchema.parse({
    name: 'Untitled',
    email_notifications: {},
    webhook_notifications: {},
    timeout_seconds: 0,
    max_concurrent_runs: 1,
    format: 'MULTI_TASK',
    queue: { enabled: true },
    ...settings,
    ...(settings.tasks === undefined
      ? {}
      : {
          tasks: settings.tasks.map((task) => ({
            run_if: 'ALL_SUCCESS',
            timeout_seconds: 0,
            email_notifications: {},
            webhook_notifications: {},
            ...task,
            ...notebookTask(task.notebook_task),
          })),
        }),
  });
}

function notebookTask(task: unknown) {
  return task === undefined ? {} : { notebook_task: { source: 'WORKSPACE', ...jsonObjectSchema.parse(task) } };
}
