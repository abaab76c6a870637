import { type SpecAsset } from './assets';
import { isObject, type JsonObject } from './json';

/** A task of a job, with the place where it stands; one inside `for_each_task` is a task like any other. */
export interface PlacedTask {
  place: string;
  task: JsonObject;
}

export function tasksOf(settings: JsonObject): PlacedTask[] {
  return listOf(settings.tasks).flatMap((task, at) => withInner(task, `tasks[${at}]`));
}

function withInner(task: JsonObject, place: string): PlacedTask[] {
  const inner = isObject(task.for_each_task) ? task.for_each_task.task : undefined;
  return [{ place, task }, ...(isObject(inner) ? withInner(inner, `${place}.for_each_task.task`) : [])];
}

/** Names (or ids written as texts) of the jobs that a job runs. */
export function runJobsOf(settings: JsonObject): string[] {
  return tasksOf(settings).flatMap(({ task: { run_job_task: run } }) => {
    const reference = isObject(run) ? jobReference(run) : undefined;
    return typeof reference === 'string' ? [reference] : [];
  });
}

/** What a `run_job_task` names: `job_id` is an id or a name, `job_name` is another way to say the name. */
export function jobReference(run: JsonObject): unknown {
  return run.job_id ?? run.job_name;
}

/** Jobs in an order in which each comes after those that it runs, and the circles that have no such order. */
export function orderJobs(jobs: readonly SpecAsset[]): { ordered: SpecAsset[]; circles: SpecAsset[][] } {
  const byName = new Map(jobs.map((job) => [job.name, job]));
  const ordered = new Set<SpecAsset>();
  const circles: SpecAsset[][] = [];
  const visit = (job: SpecAsset, above: readonly SpecAsset[]): void => {
    if (ordered.has(job)) return;
    if (above.includes(job)) {
      circles.push([...above.slice(above.indexOf(job)), job]);
      return;
    }
    for (const name of runJobsOf(job.spec)) {
      const other = byName.get(name);
      if (other !== undefined) visit(other, [...above, job]);
    }
    ordered.add(job);
  };
  for (const job of jobs) visit(job, []);
  return { ordered: [...ordered], circles };
}

export function listOf(value: unknown): JsonObject[] {
  return Array.isArray(value) ? value.filter(isObject) : [];
}
