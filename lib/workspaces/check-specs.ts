import { z } from 'zod';
import { type ProblemList } from '../platform/problems';
import { withPlaces } from './archive-places';
import { type Assets, type SpecAsset } from './assets';
import { listOf, orderJobs, tasksOf } from './job-order';

/** What is relied on here, or would be refused in the middle of a deployment. Everything else is the service's to judge. */
const texts = z.record(z.string(), z.union([z.string(), z.number(), z.boolean()]));
const taskKey = z.string().regex(/^[\w-]{1,100}$/, 'letters, digits, _ and - only');
const taskShape = z.looseObject({
  task_key: taskKey,
  depends_on: z.array(z.looseObject({ task_key: z.string() })).optional(),
  existing_cluster_id: z.string().min(1).optional(),
  job_cluster_key: z.string().optional(),
  new_cluster: z.looseObject({ spark_version: z.string() }).optional(),
  run_job_task: z
    .looseObject({ job_id: z.union([z.string().min(1), z.int()]).optional(), job_name: z.string().min(1).optional() })
    .refine((run) => (run.job_id === undefined) !== (run.job_name === undefined), 'job_id or job_name, one of them')
    .optional(),
  for_each_task: z
    .looseObject({
      get task(): z.ZodType {
        return taskShape;
      },
    })
    .optional(),
});
const shapes = {
  clusters: z.looseObject({
    spark_version: z.string(),
    custom_tags: texts.optional(),
    init_scripts: z.array(z.looseObject({})).optional(),
  }),
  jobs: z.looseObject({
    tags: texts.optional(),
    tasks: z.array(taskShape).optional(),
    job_clusters: z
      .array(
        z.looseObject({
          job_cluster_key: z.string().min(1),
          new_cluster: z.looseObject({ spark_version: z.string() }),
        }),
      )
      .optional(),
  }),
};

/** Checks clusters and jobs as far as the archive alone can tell, and reports everything that is wrong with them. */
export function checkSpecs(assets: Assets, problems: ProblemList): void {
  for (const folder of ['clusters', 'jobs'] as const) {
    for (const { path, spec } of assets[folder]) {
      if (spec.access_control_list !== undefined) {
        const message =
          '"access_control_list" is not deployed: permissions are set where people are managed. Take it out.';
        problems.add('workspaces.asset.permissions', message, path);
      }
      for (const issue of shapes[folder].safeParse(spec).error?.issues ?? []) {
        problems.add('workspaces.asset.shape', `${issue.path.join('.')}: ${issue.message}`, path);
      }
    }
  }
  for (const { path, spec } of [...assets.clusters, ...assets.jobs]) {
    const report = (message: string): void => problems.add('workspaces.reference.unknown', message, path);
    withPlaces(spec, { assets, root: '', report, warn: () => undefined });
  }
  for (const job of assets.jobs) checkTasks(job, problems);
  for (const circle of orderJobs(assets.jobs).circles) {
    const message = `Jobs run one another in a circle: ${circle.map(({ name }) => `"${name}"`).join(' → ')}.`;
    problems.add('workspaces.job.circle', message, circle[0]?.path ?? null);
  }
}

function checkTasks({ path, spec }: SpecAsset, problems: ProblemList): void {
  const report = (message: string): void => problems.add('workspaces.job.task', message, path);
  const declared = listOf(spec.job_clusters).map((each) => each.job_cluster_key);
  if (new Set(declared).size < declared.length) report('Two of its job clusters have the same job_cluster_key.');
  for (const { place, task } of tasksOf(spec)) {
    const { job_cluster_key: key } = task;
    if (key !== undefined && !declared.includes(key)) {
      report(`${place} names the job cluster ${shown(key)}, which the job does not declare.`);
    }
    const computes = ['existing_cluster_id', 'job_cluster_key', 'new_cluster'].filter(
      (each) => task[each] !== undefined,
    );
    if (computes.length > 1) report(`${place} runs in one place only, and names ${computes.join(' and ')}.`);
  }
  const tasks = listOf(spec.tasks);
  const others = new Map(
    tasks.map(({ task_key: key, depends_on: list }) => [key, listOf(list).map((each) => each.task_key)]),
  );
  if (others.size < tasks.length) report('Two of its tasks have the same task_key.');
  for (const [task, needed] of others) {
    for (const other of needed) {
      if (!others.has(other)) report(`Task ${shown(task)} depends on ${shown(other)}, which the job does not have.`);
    }
  }
  const waiting = waitingForever(others);
  if (waiting.length > 0) report(`Tasks wait for one another: ${waiting.map(shown).join(', ')}.`);
}

/** Tasks that are left when whatever waits for nothing has been taken away, again and again. */
function waitingForever(others: ReadonlyMap<unknown, readonly unknown[]>): unknown[] {
  let left = new Set(others.keys());
  for (;;) {
    const next = new Set([...left].filter((task) => others.get(task)?.some((other) => left.has(other)) === true));
    if (next.size === left.size) return [...left];
    left = next;
  }
}

function shown(value: unknown): string {
  return JSON.stringify(value) ?? '""';
}
