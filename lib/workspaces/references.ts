import { withPlaces } from './archive-places';
import { type Assets } from './assets';
import { isObject, type JsonObject, mapFields } from './json';
import { jobReference } from './job-order';
import { lookUp } from './lookup';
import { type Observation } from './observe';
import { type Relied, type ReliedKind } from './schema';

/** A cluster or job that this deployment creates: its id is known only then. `key` is that of its step. */
export function pendingId(key: string): string {
  return `{{${key}}}`;
}
export const pendingPattern = /^\{\{((?:cluster|job):.*)\}\}$/s;

export interface ReferenceDeps {
  assets: Assets;
  root: string;
  observation: Observation;
  /** What this deployment deletes, as `kind:id`: nothing may refer to it. */
  leaving: ReadonlySet<string>;
  report(asset: string, message: string): void;
  warn(message: string): void;
}

const fields: Record<string, ReliedKind> = {
  existing_cluster_id: 'cluster',
  instance_pool_id: 'pool',
  driver_instance_pool_id: 'pool',
  policy_id: 'policy',
};
const words: Record<ReliedKind, string> = {
  cluster: 'cluster',
  job: 'job',
  pool: 'instance pool',
  policy: 'cluster policy',
};
const secretPattern = /\{\{secrets\/([^/}]+)\//g;

/**
 * Puts ids and places where the archive has names: clusters, jobs, instance pools and policies wherever they are named,
 * notebooks and init scripts by their path in the archive. Every name that leads nowhere, or to several things, is reported.
 */
export function createReferences(deps: ReferenceDeps) {
  const { assets, observation, root } = deps;
  const own = {
    cluster: new Set(assets.clusters.map(({ name }) => name)),
    job: new Set(assets.jobs.map(({ name }) => name)),
  };
  const relied = new Map<string, Relied>();
  const scopes = new Set(observation.scopes.map(({ name }) => name));

  const idOf = (asset: string, kind: ReliedKind, reference: string): string => {
    const word = words[kind];
    const isOwn = (kind === 'cluster' || kind === 'job') && own[kind].has(reference);
    const found = lookUp(observation, kind, reference);
    if (found.kind === 'several') {
      deps.report(
        asset,
        `${found.ids.length} ${word}s are called "${reference}" (${found.ids.join(', ')}). Rename all but one.`,
      );
      return reference;
    }
    // Nothing of that name is there, although something may have it as its id.
    const isThere = found.kind === 'one' && (!isOwn || found.id !== reference);
    if (!isThere && isOwn) return pendingId(`${kind}:${reference}`);
    if (found.kind === 'none') {
      const where =
        kind === 'cluster' || kind === 'job' ? 'neither in the archive nor in the workspace' : 'in the workspace';
      deps.report(asset, `There is no ${word} "${reference}", ${where}.`);
      return reference;
    }
    if (deps.leaving.has(`${kind}:${found.id}`)) {
      deps.report(
        asset,
        `The ${word} "${reference}" is deleted by this deployment, because the archive has it no more.`,
      );
    }
    if (!isOwn) relied.set(`${kind}:${reference}`, { kind, reference, id: found.id });
    return found.id;
  };
  const runJob = (asset: string, run: JsonObject): JsonObject => {
    const { job_name: _name, ...rest } = run;
    const wanted = jobReference(run);
    const reference = typeof wanted === 'string' ? wanted : JSON.stringify(wanted);
    const id = idOf(asset, 'job', reference);
    return { ...rest, job_id: /^\d+$/.test(id) ? Number(id) : id };
  };
  const warnOfScopes = (asset: string, settings: JsonObject): void => {
    const named = [...JSON.stringify(settings).matchAll(secretPattern)].map(([, scope = '']) => scope);
    for (const scope of new Set(named)) {
      if (!scopes.has(scope)) deps.warn(`${asset}: the workspace shows no secret scope "${scope}".`);
    }
  };

  return {
    resolve(asset: string, settings: JsonObject): JsonObject {
      warnOfScopes(asset, settings);
      const placed = withPlaces(settings, {
        ...{ assets, root },
        report: (message) => deps.report(asset, message),
        warn: (message) => deps.warn(`${asset}: ${message}`),
      });
      return mapFields(placed, (field, value) => {
        if (field === 'run_job_task' && isObject(value)) return runJob(asset, value);
        const kind = fields[field];
        return kind !== undefined && typeof value === 'string' ? idOf(asset, kind, value) : undefined;
      });
    },
    /** What is used and comes from elsewhere: it must be the same when the plan is applied. */
    relied: (): Relied[] => [...relied.values()],
  };
}

/** Which lists have to be read, because something in the archive is in them. */
export function neededLists(assets: Assets): { pools: boolean; policies: boolean } {
  const needed = { pools: false, policies: false };
  for (const { spec } of [...assets.clusters, ...assets.jobs]) {
    mapFields(spec, (field) => {
      needed.pools ||= fields[field] === 'pool';
      needed.policies ||= fields[field] === 'policy';
      return undefined;
    });
  }
  return needed;
}
