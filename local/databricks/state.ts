import { join } from 'node:path';
import { z } from 'zod';
import { noJournal, openJournal } from '../storage/journal';

export const jsonObjectSchema = z.record(z.string(), z.unknown());

const clusterSchema = z.object({
  id: z.string(),
  /** As it was asked for, with what the service fills in. */
  spec: jsonObjectSchema,
  pinned: z.boolean(),
  idempotencyToken: z.string().nullable(),
  /** What it is becoming, and when it will have become it; before that it is in transition. */
  transition: z.object({
    from: z.enum(['PENDING', 'RESTARTING', 'TERMINATING', 'SETTLED']),
    to: z.enum(['RUNNING', 'TERMINATED', 'ERROR']),
    atMs: z.number(),
    /** Why it ended, where nobody asked for it. */
    reason: z.object({ code: z.string(), type: z.string() }).optional(),
    message: z.string().optional(),
  }),
});
export type StoredCluster = z.infer<typeof clusterSchema>;

const jobSchema = z.object({ id: z.int(), createdMs: z.number(), settings: jsonObjectSchema });
export type StoredJob = z.infer<typeof jobSchema>;

const fileSchema = z.object({
  path: z.string(),
  type: z.enum(['DIRECTORY', 'NOTEBOOK', 'FILE']),
  language: z.string().nullable(),
  content: z.string(),
});
export type StoredFile = z.infer<typeof fileSchema>;

const scopeSchema = z.object({ name: z.string(), keyVault: z.object({ resourceId: z.string(), dnsName: z.string() }) });
export type StoredScope = z.infer<typeof scopeSchema>;

const poolSchema = z.object({ id: z.string(), name: z.string(), nodeTypeId: z.string() });
export type StoredPool = z.infer<typeof poolSchema>;

const policySchema = z.object({ id: z.string(), name: z.string() });
export type StoredPolicy = z.infer<typeof policySchema>;

const kindSchema = z.enum(['cluster', 'job', 'file', 'scope', 'pool', 'policy']);
type Kind = z.infer<typeof kindSchema>;
const recordSchema = z.object({
  workspace: z.string(),
  kind: kindSchema,
  key: z.string(),
  value: z.unknown(),
});

/** One workspace: everything by its key. */
export interface WorkspaceState {
  clusters: Map<string, StoredCluster>;
  jobs: Map<string, StoredJob>;
  files: Map<string, StoredFile>;
  scopes: Map<string, StoredScope>;
  pools: Map<string, StoredPool>;
  policies: Map<string, StoredPolicy>;
  saveCluster(cluster: StoredCluster): void;
  saveJob(job: StoredJob): void;
  saveFile(file: StoredFile): void;
  saveScope(scope: StoredScope): void;
  savePool(pool: StoredPool): void;
  savePolicy(policy: StoredPolicy): void;
  remove(kind: Kind, key: string): void;
}

export interface DatabricksState {
  /** Made when it is first asked for: ARM says which there are. */
  workspace(resourceId: string): WorkspaceState;
  all(): [resourceId: string, WorkspaceState][];
  close(): void;
}

/** `folder` null keeps nothing. */
export function openDatabricksState(folder: string | null): DatabricksState {
  const workspaces = new Map<string, WorkspaceState>();
  let append = (_record: z.infer<typeof recordSchema>): void => undefined;
  const workspace = (resourceId: string): WorkspaceState => {
    const key = resourceId.toLowerCase();
    const known = workspaces.get(key);
    if (known !== undefined) return known;
    const made = emptyWorkspace((kind, name, value) => append({ workspace: key, kind, key: name, value }));
    workspaces.set(key, made);
    return made;
  };
  const replay = (line: unknown): void => {
    const { workspace: name, kind, key, value } = recordSchema.parse(line);
    const state = workspace(name);
    if (value === null) state.remove(kind, key);
    else if (kind === 'cluster') state.saveCluster(clusterSchema.parse(value));
    else if (kind === 'job') state.saveJob(jobSchema.parse(value));
    else if (kind === 'file') state.saveFile(fileSchema.parse(value));
    else if (kind === 'scope') state.saveScope(scopeSchema.parse(value));
    else if (kind === 'pool') state.savePool(poolSchema.parse(value));
    else state.savePolicy(policySchema.parse(value));
  };
  const journal = folder === null ? noJournal() : openJournal(join(folder, 'workspaces.jsonl'), replay);
  // Files are written over again and again: only what is there now is kept.
  journal.compact([...workspaces].flatMap(([name, state]) => recordsOf(name, state)));
  append = (record) => journal.append(record);
  return { workspace, all: () => [...workspaces], close: () => journal.close() };
}

function recordsOf(workspace: string, state: WorkspaceState): z.infer<typeof recordSchema>[] {
  const of = (kind: Kind, values: Map<string, unknown>) =>
    [...values].map(([key, value]) => ({ workspace, kind, key, value }));
  return [
    ...of('cluster', state.clusters),
    ...of('job', state.jobs),
    ...of('file', state.files),
    ...of('scope', state.scopes),
    ...of('pool', state.pools),
    ...of('policy', state.policies),
  ];
}

function emptyWorkspace(record: (kind: Kind, key: string, value: unknown) => void): WorkspaceState {
  const state = {
    clusters: new Map<string, StoredCluster>(),
    jobs: new Map<string, StoredJob>(),
    files: new Map<string, StoredFile>(),
    scopes: new Map<string, StoredScope>(),
    pools: new Map<string, StoredPool>(),
    policies: new Map<string, StoredPolicy>(),
  };
  return {
    ...state,
    saveCluster(cluster) {
      state.clusters.set(cluster.id, cluster);
      record('cluster', cluster.id, cluster);
    },
    saveJob(job) {
      state.jobs.set(String(job.id), job);
      record('job', String(job.id), job);
    },
    saveFile(file) {
      state.files.set(file.path, file);
      record('file', file.path, file);
    },
    saveScope(scope) {
      state.scopes.set(scope.name, scope);
      record('scope', scope.name, scope);
    },
    savePool(pool) {
      state.pools.set(pool.id, pool);
      record('pool', pool.id, pool);
    },
    savePolicy(policy) {
      state.policies.set(policy.id, policy);
      record('policy', policy.id, policy);
    },
    remove(kind, key) {
      const { clusters, jobs, files, scopes, pools, policies } = state;
      const mapOf = { cluster: clusters, job: jobs, file: files, scope: scopes, pool: pools, policy: policies };
      mapOf[kind].delete(key);
      record(kind, key, null);
    },
  };
}
