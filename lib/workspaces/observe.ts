import { z } from 'zod';
import { forEachConcurrently } from '../platform/concurrency';
import { type Databricks, type Named, type SecretScope } from '../platform/databricks';
import { sha256 } from '../platform/hash';
import { type FileAsset } from './assets';
import { canonical, type JsonObject } from './json';
import { markTags } from './model';
import { comparableJupyter, comparableSource } from './notebooks';
import { withoutServerFields } from './normalise';
import { type Plan } from './schema';

/** A cluster or a job as it is, without what only the service says. */
export interface ObservedSpec {
  id: string;
  name: string;
  /** From our mark; null: it has none. */
  owner: string | null;
  asset: string | null;
  spec: JsonObject;
  hash: string;
}
export interface ObservedCluster extends ObservedSpec {
  state: string;
}

export type FileFormat = FileAsset['format'];

export interface ObservedFile {
  type: string;
  language: string | null;
  hash: string;
}

/** Files cannot carry tags: one file beside them says which are ours. */
export const markerSchema = z.object({
  owner: z.string(),
  files: z.record(
    z.string(),
    z.object({ asset: z.string(), hash: z.string(), format: z.enum(['SOURCE', 'JUPYTER', 'RAW']) }),
  ),
});
export type Marker = z.infer<typeof markerSchema>;

/** A workspace as it was read, completely where it matters. */
export interface Observation {
  clusters: ObservedCluster[];
  jobs: (Omit<ObservedSpec, 'spec' | 'hash'> & { spec: JsonObject | null; hash: string | null })[];
  files: Map<string, ObservedFile>;
  marker: Marker | null;
  scopes: SecretScope[];
  /** Empty where nobody asked for them. */
  pools: readonly Named[];
  policies: readonly Named[];
}

export interface Interest {
  root: string;
  owner: string;
  jobs: ReadonlySet<string>;
  files: ReadonlyMap<string, FileFormat>;
  /** Whether instance pools and cluster policies matter. */
  pools: boolean;
  policies: boolean;
}

const readsAtOnce = 8;
/** Made by jobs and pipelines for one run each. */
const passing = new Set<unknown>(['JOB', 'PIPELINE', 'PIPELINE_MAINTENANCE', 'SQL', 'MODELS']);

export function markerPath(root: string, owner: string): string {
  return `${root}/.sqlfleet-${owner}.json`;
}

/**
 * Reads what a plan needs to know. Of jobs only those that matter are read with their tasks, of files only those that are
 * wanted or ours.
 *
 * @throws AppError of the client: what could not be read is unknown, and never taken for empty.
 */
export async function observe(databricks: Databricks, interest: Interest): Promise<Observation> {
  const [clusters, jobs, scopes, pools, policies, markerFile] = await Promise.all([
    databricks.listClusters(),
    databricks.listJobs(),
    databricks.listSecretScopes(),
    interest.pools ? databricks.listInstancePools() : [],
    interest.policies ? databricks.listClusterPolicies() : [],
    databricks.readFile(markerPath(interest.root, interest.owner), 'SOURCE'),
  ]);
  const marker = markerFile === null ? null : readMarker(markerFile.content, interest.owner);
  const observation: Observation = {
    clusters: clusters
      .filter(({ raw }) => !passing.has(raw.cluster_source))
      .map(({ id, name, state, tags, raw }) => {
        const spec = withoutServerFields('cluster', raw);
        return { id, name, state, ...markOf(tags), spec, hash: hashOf(id, spec) };
      }),
    jobs: jobs.map(({ id, name, tags }) => ({ id: String(id), name, ...markOf(tags), spec: null, hash: null })),
    files: new Map(),
    marker,
    scopes,
    pools,
    policies,
  };
  const files = new Map<string, FileFormat>(interest.files);
  for (const [path, { format }] of Object.entries(marker?.files ?? {})) if (!files.has(path)) files.set(path, format);
  const reads = [
    ...observation.jobs
      .filter(({ name, owner }) => interest.jobs.has(name) || owner === interest.owner)
      .map((job) => async () => {
        const settings = await databricks.findJob(Number(job.id));
        // Deleted since it was listed.
        if (settings === null) observation.jobs.splice(observation.jobs.indexOf(job), 1);
        else {
          job.spec = withoutServerFields('job', settings);
          job.hash = hashOf(job.id, job.spec);
        }
      }),
    ...[...files].map(([path, format]) => async () => {
      const file = await databricks.readFile(path, format === 'JUPYTER' ? 'JUPYTER' : 'SOURCE');
      if (file === null) return;
      const { type, language, content } = file;
      observation.files.set(path, { type, language, hash: fileHash(type, language, format, content) });
    }),
  ];
  await forEachConcurrently(reads, readsAtOnce, (read) => read());
  return observation;
}

/** What a plan that was made is about: the same look as when it was made. */
export function interestOf(plan: Plan): Interest {
  const files = plan.steps.flatMap(({ kind, name, format }) =>
    kind === 'notebook' || kind === 'initScript' ? [[name, format ?? 'RAW'] as const] : [],
  );
  const jobs = plan.steps.filter(({ kind }) => kind === 'job').map(({ name }) => name);
  const relies = (wanted: Plan['relies'][number]['kind']): boolean => plan.relies.some(({ kind }) => kind === wanted);
  return {
    ...{ root: plan.root, owner: plan.owner, jobs: new Set(jobs), files: new Map(files) },
    ...{ pools: relies('pool'), policies: relies('policy') },
  };
}

/** Of a file as it is, and as an asset will be: equal for contents that mean the same. */
export function fileHash(type: string, language: string | null, format: FileFormat, content: Buffer): string {
  const comparable =
    type !== 'NOTEBOOK'
      ? sha256(content)
      : sha256((format === 'JUPYTER' ? comparableJupyter(content) : null) ?? comparableSource(content));
  // A Jupyter notebook says its language itself, and the service reads it there.
  return sha256(`${type}\n${format === 'JUPYTER' ? '' : (language ?? '')}\n${comparable}`);
}

export function expectedHash({ format, language, bytes }: Pick<FileAsset, 'format' | 'language' | 'bytes'>): string {
  return fileHash(format === 'RAW' ? 'FILE' : 'NOTEBOOK', language, format, bytes);
}

function hashOf(id: string, spec: JsonObject): string {
  return sha256(canonical({ id, spec }));
}

function markOf(tags: Record<string, string>): { owner: string | null; asset: string | null } {
  return { owner: tags[markTags.owner] ?? null, asset: tags[markTags.asset] ?? null };
}

/** One that somebody has spoilt, or that is another's, marks nothing: then nothing is deleted. */
function readMarker(content: Buffer, owner: string): Marker | null {
  try {
    const marker = markerSchema.safeParse(JSON.parse(content.toString('utf8')));
    return marker.success && marker.data.owner === owner ? marker.data : null;
  } catch {
    return null;
  }
}
