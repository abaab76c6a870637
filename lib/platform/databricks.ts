import { z } from 'zod';
import { AppError, messageOf } from './errors';
import { databricksErrorCode, type DatabricksHttp, isMissing } from './databricks-http';
import { readWholeJob } from './databricks-jobs';
import { completeList, nextOf } from './databricks-lists';

export type JsonObject = Record<string, unknown>;
export const jsonObjectSchema = z.record(z.string(), z.unknown());

/** A cluster as the service describes it: what was asked for, what it filled in, and how it is. */
export interface Cluster {
  id: string;
  name: string;
  state: string;
  tags: Record<string, string>;
  raw: JsonObject;
}

export interface JobSummary {
  id: number;
  name: string;
  tags: Record<string, string>;
}

export interface WorkspaceFile {
  path: string;
  type: string;
  /** Of a notebook. */
  language: string | null;
  content: Buffer;
}

/** What settings refer to by its id. */
export interface Named {
  id: string;
  name: string;
}

export interface SecretScope {
  name: string;
  /** Null: kept by Databricks itself. */
  keyVaultId: string | null;
}

export type ImportFormat = 'SOURCE' | 'JUPYTER' | 'RAW';

/** What deployments need of one Databricks workspace. Lists are complete, or they fail. */
export interface Databricks {
  listClusters(): Promise<Cluster[]>;
  findCluster(id: string): Promise<Cluster | null>;
  /** @returns the id. The same token while that cluster lives answers with it instead of making another. */
  createCluster(spec: JsonObject, idempotencyToken: string): Promise<string>;
  /** 'busy': it is neither running nor terminated; wait and try again. */
  editCluster(id: string, spec: JsonObject): Promise<'edited' | 'busy'>;
  /** Stops it; it stays known. */
  terminateCluster(id: string): Promise<void>;
  /** Removes it for good, pinned or not. Gone already is fine. */
  deleteCluster(id: string): Promise<void>;
  /** @returns why not, or null: only administrators may, and only so many. */
  pinCluster(id: string): Promise<string | null>;
  listJobs(): Promise<JobSummary[]>;
  /** The settings, with all their tasks. */
  findJob(id: number): Promise<JsonObject | null>;
  createJob(settings: JsonObject): Promise<number>;
  resetJob(id: number, settings: JsonObject): Promise<void>;
  deleteJob(id: number): Promise<void>;
  makeFolder(path: string): Promise<void>;
  importFile(path: string, format: ImportFormat, language: string | null, content: Buffer): Promise<void>;
  /** A notebook in the given format; a file as it is. Of anything else only what it is. */
  readFile(path: string, notebookFormat: 'SOURCE' | 'JUPYTER'): Promise<WorkspaceFile | null>;
  deleteFile(path: string): Promise<void>;
  listInstancePools(): Promise<Named[]>;
  listClusterPolicies(): Promise<Named[]>;
  listSecretScopes(): Promise<SecretScope[]>;
  createSecretScope(name: string, keyVault: { resourceId: string; url: string }): Promise<void>;
}

const tagsSchema = z.record(z.string(), z.string()).default({});
const clusterSchema = z.looseObject({
  cluster_id: z.string(),
  cluster_name: z.string().default(''),
  state: z.string(),
  custom_tags: tagsSchema,
});
const token = z.string().optional();
const clusterPageSchema = z.object({ clusters: z.array(clusterSchema).default([]), next_page_token: token });
const jobSchema = z.object({
  job_id: z.int(),
  settings: z.looseObject({ name: z.string().default(''), tags: tagsSchema }),
});
const jobPageSchema = z.object({ jobs: z.array(jobSchema).default([]), next_page_token: token });
const statusSchema = z.object({ object_type: z.string(), language: z.string().optional() });
const scopeSchema = z.object({
  name: z.string(),
  backend_type: z.string().optional(),
  keyvault_metadata: z.object({ resource_id: z.string() }).optional(),
});
const poolsSchema = z.object({
  instance_pools: z.array(z.object({ instance_pool_id: z.string(), instance_pool_name: z.string() })).default([]),
});
const policiesSchema = z.object({
  policies: z.array(z.object({ policy_id: z.string(), name: z.string() })).default([]),
});
const anything = z.unknown();

const pageSize = 100;

/** The operations of one workspace over its REST API. */
export function createDatabricks(http: DatabricksHttp): Databricks {
  const read = { method: 'GET', repeatable: true } as const;
  /** A write that may be done twice with the same effect. */
  const write = (body: unknown) => ({ method: 'POST', repeatable: true, body }) as const;
  const orNull = async <T>(operation: () => Promise<T>): Promise<T | null> => {
    try {
      return await operation();
    } catch (error) {
      if (isMissing(error)) return null;
      throw error;
    }
  };

  const listClusters = () =>
    completeList(
      async (pageToken) => {
        const query = { page_size: pageSize, ...(pageToken === null ? {} : { page_token: pageToken }) };
        const page = await http('clusters', 'clusters/list', clusterPageSchema, { ...read, query });
        return { items: page.clusters.map(clusterOf), next: nextOf(page.next_page_token) };
      },
      ({ id }) => id,
    );
  const listJobs = () =>
    completeList<JobSummary>(
      async (pageToken) => {
        const query = { limit: pageSize, ...(pageToken === null ? {} : { page_token: pageToken }) };
        const page = await http('jobs', 'jobs/list', jobPageSchema, { ...read, query });
        const items = page.jobs.map(({ job_id: id, settings: { name, tags } }) => ({ id, name, tags }));
        return { items, next: nextOf(page.next_page_token) };
      },
      ({ id }) => String(id),
    );

  return {
    listClusters,
    findCluster: (id) =>
      orNull(async () =>
        clusterOf(await http('clusters', 'clusters/get', clusterSchema, { ...read, query: { cluster_id: id } })),
      ),
    async createCluster(spec, idempotencyToken) {
      const body = { ...spec, idempotency_token: idempotencyToken };
      const created = z.object({ cluster_id: z.string() });
      const call = { method: 'POST', repeatable: false, body } as const;
      return (await http('clusters', 'clusters/create', created, call)).cluster_id;
    },
    async editCluster(id, spec) {
      try {
        await http('clusters', 'clusters/edit', anything, write({ ...spec, cluster_id: id }));
        return 'edited';
      } catch (error) {
        if (databricksErrorCode(error) === 'INVALID_STATE') return 'busy';
        throw error;
      }
    },
    async terminateCluster(id) {
      await orNull(() => http('clusters', 'clusters/delete', anything, write({ cluster_id: id })));
    },
    async deleteCluster(id) {
      const call = (operation: string) =>
        orNull(() => http('clusters', operation, anything, write({ cluster_id: id })));
      try {
        await call('clusters/permanent-delete');
      } catch (error) {
        if (databricksErrorCode(error) === null || !/\b(?:un)?pin(?:ned)?\b/i.test(messageOf(error))) throw error;
        await call('clusters/unpin');
        await call('clusters/permanent-delete');
      }
    },
    async pinCluster(id) {
      try {
        await http('clusters', 'clusters/pin', anything, write({ cluster_id: id }));
        return null;
      } catch (error) {
        const isRefusal = error instanceof AppError && /^databricks\.(?:forbidden|refused)$/.test(error.code);
        if (isRefusal) return error.message;
        throw error;
      }
    },
    listJobs,
    findJob: (id) => orNull(() => readWholeJob(http, id)),
    async createJob(settings) {
      const call = { method: 'POST', repeatable: false, body: settings } as const;
      return (await http('jobs', 'jobs/create', z.object({ job_id: z.int() }), call)).job_id;
    },
    async resetJob(id, settings) {
      await http('jobs', 'jobs/reset', anything, write({ job_id: id, new_settings: settings }));
    },
    async deleteJob(id) {
      await orNull(() => http('jobs', 'jobs/delete', anything, write({ job_id: id })));
    },
    async makeFolder(path) {
      await http('workspace', 'workspace/mkdirs', anything, write({ path }));
    },
    async importFile(path, format, language, content) {
      const body = {
        path,
        format,
        ...(language === null ? {} : { language }),
        overwrite: true,
        content: content.toString('base64'),
      };
      await http('workspace', 'workspace/import', anything, write(body));
    },
    readFile: (path, notebookFormat) =>
      orNull(async () => {
        const { object_type: type, language = null } = await http('workspace', 'workspace/get-status', statusSchema, {
          ...read,
          query: { path },
        });
        if (type !== 'NOTEBOOK' && type !== 'FILE') return { path, type, language, content: Buffer.alloc(0) };
        const format = type === 'NOTEBOOK' ? notebookFormat : 'AUTO';
        const { content } = await http('workspace', 'workspace/export', z.object({ content: z.string() }), {
          ...read,
          query: { path, format },
        });
        return { path, type, language, content: Buffer.from(content, 'base64') };
      }),
    async deleteFile(path) {
      await orNull(() => http('workspace', 'workspace/delete', anything, write({ path, recursive: false })));
    },
    async listInstancePools() {
      const { instance_pools: pools } = await http('instance-pools', 'instance-pools/list', poolsSchema, read);
      return pools.map((pool) => ({ id: pool.instance_pool_id, name: pool.instance_pool_name }));
    },
    async listClusterPolicies() {
      const { policies } = await http('policies', 'policies/clusters/list', policiesSchema, read);
      return policies.map((policy) => ({ id: policy.policy_id, name: policy.name }));
    },
    async listSecretScopes() {
      const schema = z.object({ scopes: z.array(scopeSchema).default([]) });
      const { scopes } = await http('secrets', 'secrets/scopes/list', schema, read);
      return scopes.map((scope) => ({ name: scope.name, keyVaultId: scope.keyvault_metadata?.resource_id ?? null }));
    },
    async createSecretScope(name, keyVault) {
      const body = {
        scope: name,
        scope_backend_type: 'AZURE_KEYVAULT',
        backend_azure_keyvault: { resource_id: keyVault.resourceId, dns_name: keyVault.url },
      };
      await http('secrets', 'secrets/scopes/create', anything, write(body)).catch((error: unknown) => {
        if (databricksErrorCode(error) !== 'RESOURCE_ALREADY_EXISTS') throw error;
      });
    },
  };
}

function clusterOf(raw: z.infer<typeof clusterSchema>): Cluster {
  return { id: raw.cluster_id, name: raw.cluster_name, state: raw.state, tags: raw.custom_tags, raw };
}
