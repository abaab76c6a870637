import { type Assets } from './assets';
import { isObject, type JsonObject, mapObject } from './json';
import { type Observation } from './observe';

/** A cluster that this deployment creates: its id is known only then. */
export function pendingCluster(name: string): string {
  return `{{cluster:${name}}}`;
}
export const pendingPattern = /^\{\{cluster:(.*)\}\}$/s;

export interface ReferenceDeps {
  assets: Assets;
  root: string;
  clusters: Observation['clusters'];
  /** Ids of clusters that this deployment deletes: nothing may refer to them. */
  leaving: ReadonlySet<string>;
  report(asset: string, message: string): void;
  warn(message: string): void;
}

/**
 * Puts ids and places where the archive has names: clusters in `existing_cluster_id` wherever it stands, notebooks and init
 * scripts by their path in the archive, and the keys of job clusters checked. Every name that leads nowhere, or to several
 * things, is reported.
 */
export function createReferences(deps: ReferenceDeps) {
  const clusterId = (asset: string, reference: string): string => {
    const named = deps.clusters.filter(({ name }) => name === reference);
    const isOurs = deps.assets.clusters.some(({ name }) => name === reference);
    if (named.length > 1) {
      const ids = named.map(({ id }) => id).join(', ');
      deps.report(asset, `${named.length} clusters are called "${reference}" (${ids}). Rename all but one.`);
      return reference;
    }
    const found = named[0] ?? (isOurs ? undefined : deps.clusters.find(({ id }) => id === reference));
    if (found === undefined && isOurs) return pendingCluster(reference);
    if (found === undefined) {
      deps.report(asset, `There is no cluster "${reference}", neither in the archive nor in the workspace.`);
      return reference;
    }
    if (deps.leaving.has(found.id)) {
      deps.report(asset, `Cluster "${reference}" is deleted by this deployment, because the archive has it no more.`);
    }
    return found.id;
  };
  const notebook = (asset: string, path: string): string => {
    if (path.startsWith('/')) return path;
    const wanted = path.replace(/^\.\//, '');
    const found = deps.assets.notebooks.find((each) => each.target === wanted || each.path === wanted);
    if (found === undefined) deps.report(asset, `The archive has no notebook "${path}".`);
    return found === undefined ? path : `${deps.root}/${found.target}`;
  };
  const initScript = (asset: string, entry: unknown): unknown => {
    if (!isObject(entry)) return entry;
    const [kind, place] = Object.entries(entry)[0] ?? [];
    const destination = isObject(place) ? place.destination : undefined;
    if (typeof destination !== 'string') return entry;
    const path = destination.replace(/^dbfs:\/+/, '').replace(/^\.\//, '');
    const found = deps.assets.initScripts.find((script) => script.path === path);
    if (found !== undefined) return { workspace: { destination: `${deps.root}/${found.target}` } };
    if (kind === 'workspace' && !destination.startsWith('/')) {
      deps.report(asset, `The archive has no init script "${destination}".`);
    } else if (kind === 'dbfs') {
      deps.warn(
        `${asset}: Databricks runs init scripts on DBFS no more ("${destination}"); put it into init-scripts/.`,
      );
    }
    return entry;
  };
  const resolve = (asset: string, object: JsonObject): JsonObject =>
    mapObject(object, (value, field) => {
      if (field === 'existing_cluster_id' && typeof value === 'string') return clusterId(asset, value);
      if (field === 'notebook_path' && typeof value === 'string') return notebook(asset, value);
      if (field === 'init_scripts' && Array.isArray(value)) return value.map((entry) => initScript(asset, entry));
      if (Array.isArray(value)) return value.map((item: unknown) => (isObject(item) ? resolve(asset, item) : item));
      return isObject(value) ? resolve(asset, value) : value;
    });

  return {
    cluster: resolve,
    job(asset: string, settings: JsonObject): JsonObject {
      const declared = new Set(listOf(settings.job_clusters).map((each) => each.job_cluster_key));
      const tasks = listOf(settings.tasks);
      for (const { task_key: task, job_cluster_key: key } of tasks) {
        if (key !== undefined && !declared.has(key)) {
          deps.report(
            asset,
            `Task ${shown(task)} names the job cluster ${shown(key)}, which the job does not declare.`,
          );
        }
      }
      const known = new Set(tasks.map(({ task_key: task }) => task));
      if (known.size < tasks.length) deps.report(asset, 'Two of its tasks have the same task_key.');
      for (const { task_key: task, depends_on: others } of tasks) {
        for (const { task_key: other } of listOf(others)) {
          if (!known.has(other)) {
            deps.report(asset, `Task ${shown(task)} depends on ${shown(other)}, which the job does not have.`);
          }
        }
      }
      return resolve(asset, settings);
    },
  };
}

function listOf(value: unknown): JsonObject[] {
  return Array.isArray(value) ? value.filter(isObject) : [];
}

function shown(value: unknown): string {
  return JSON.stringify(value) ?? '""';
}
