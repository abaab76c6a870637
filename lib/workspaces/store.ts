import { z } from 'zod';
import { type BlobStore } from '../platform/blobs';
import { type DocumentPage, type DocumentStore, type Versioned } from '../platform/documents';
import { AppError } from '../platform/errors';
import { sha256 } from '../platform/hash';
import { newestFirst } from '../platform/newest-first';
import { deploymentNotFound, environmentNotFound } from './errors';
import { canonical } from './json';
import { type DeploymentState } from './model';
import { type Remembered } from './normalise';
import {
  type Deployment,
  deploymentSchema,
  type Environment,
  type EnvironmentProgress,
  environmentSchema,
  type Plan,
  planSchema,
  type WorkspaceState,
  workspaceStateSchema,
} from './schema';

export interface WorkspaceStore {
  /** @throws AppError `workspaces.environmentNotFound` (404) */
  environment(name: string): Promise<Versioned<Environment>>;
  findEnvironment(name: string): Promise<Versioned<Environment> | null>;
  createEnvironment(environment: Environment): Promise<'created' | 'exists'>;
  replaceEnvironment(environment: Environment, etag: string): Promise<'replaced' | 'changed'>;
  deleteEnvironment(name: string, etag?: string): Promise<'deleted' | 'missing' | 'changed'>;
  listEnvironments(options: {
    pageSize: number;
    continuation: string | null;
  }): Promise<DocumentPage<Versioned<Environment>>>;

  createDeployment(deployment: Deployment): Promise<'created' | 'exists'>;
  /** @throws AppError `workspaces.deploymentNotFound` (404) */
  deployment(id: string): Promise<Deployment>;
  updateDeployment(id: string, change: (deployment: Deployment) => Deployment | null): Promise<Deployment>;
  listDeployments(options: {
    workspace: string | null;
    states: readonly DeploymentState[];
    pageSize: number;
    continuation: string | null;
  }): Promise<DocumentPage<Deployment>>;

  state(workspace: string, environment: string): Promise<Versioned<WorkspaceState> | null>;
  /** null etag: there was none. 'changed': somebody else wrote since. */
  writeState(state: WorkspaceState, etag: string | null): Promise<'written' | 'changed'>;
  listStates(options: {
    workspace: string | null;
    pageSize: number;
    continuation: string | null;
  }): Promise<DocumentPage<WorkspaceState>>;

  writeArchive(bytes: Buffer): Promise<string>;
  readArchive(archive: string): Promise<Buffer>;
  /** @returns the hash by which it is found again, and approved */
  writePlan(plan: Plan): Promise<string>;
  readPlan(hash: string): Promise<Plan>;
  writeRemembered(workspace: string, environment: string, remembered: Record<string, Remembered>): Promise<void>;
  readRemembered(workspace: string, environment: string): Promise<Record<string, Remembered>>;
}

const writeAttempts = 20;
const listedEnvironmentSchema = environmentSchema.extend({ _etag: z.string() });
const rememberedSchema = z.record(z.string(), z.object({ asked: z.unknown(), settled: z.unknown() }));

export function createWorkspaceStore(
  documents: { environments: DocumentStore; workspaces: DocumentStore; deployments: DocumentStore },
  blobs: BlobStore,
): WorkspaceStore {
  const { environments, workspaces, deployments } = documents;
  const json = 'application/json';
  /** Names are one whatever their case, as in Azure. */
  const idOf = (name: string): string => name.toLowerCase();
  const rememberedName = (workspace: string, environment: string): string =>
    `remembered/${idOf(workspace)}/${idOf(environment)}.json`;
  const readBlob = async (name: string): Promise<Buffer> => {
    const bytes = await blobs.get(name);
    if (bytes !== null) return bytes;
    throw new AppError('workspaces.stateMissing', `The blob "${name}" is gone. Start a new deployment.`);
  };
  const readHashed = async <T>(name: string, hash: string, read: (bytes: Buffer) => T): Promise<T> => {
    const bytes = await readBlob(name);
    if (sha256(bytes) !== hash) {
      throw new AppError('workspaces.stateMissing', `The blob "${name}" is not what it was. Start a new deployment.`);
    }
    return read(bytes);
  };

  const store: WorkspaceStore = {
    findEnvironment: (name) => environments.read(idOf(name), idOf(name), environmentSchema),
    async environment(name) {
      const found = await store.findEnvironment(name);
      if (found === null) throw environmentNotFound(name);
      return found;
    },
    createEnvironment: (environment) => environments.create(environment.id, environment),
    replaceEnvironment: (environment, etag) => environments.replace(environment.id, environment, etag),
    deleteEnvironment: (name, etag) => environments.delete(idOf(name), idOf(name), etag),
    async listEnvironments(options) {
      const page = await environments.query({ text: 'SELECT * FROM c' }, listedEnvironmentSchema, options);
      return { ...page, items: page.items.map(({ _etag: etag, ...value }) => ({ value, etag })) };
    },

    createDeployment: (deployment) => deployments.create(deployment.deploymentId, deployment),
    async deployment(id) {
      const found = await deployments.read(id, id, deploymentSchema);
      if (found === null) throw deploymentNotFound(id);
      return found.value;
    },
    async updateDeployment(id, change) {
      for (let attempt = 1; attempt <= writeAttempts; attempt += 1) {
        const current = await deployments.read(id, id, deploymentSchema);
        if (current === null) throw deploymentNotFound(id);
        const next = change(current.value);
        if (next === null) return current.value;
        if ((await deployments.replace(id, next, current.etag)) === 'replaced') return next;
      }
      throw new AppError('workspaces.tooManyWriters', `Deployment "${id}" kept changing. Try again.`, {
        status: 503,
        retry: { kind: 'backoff' },
      });
    },
    listDeployments: ({ workspace, states, ...options }) =>
      newestFirst(deployments, deploymentSchema, {
        conditions: [
          ...(workspace === null ? [] : ['LOWER(c.workspace) = @workspace']),
          ...(states.length === 0 ? [] : ['ARRAY_CONTAINS(@states, c.state)']),
        ],
        parameters: {
          ...(workspace === null ? {} : { workspace: idOf(workspace) }),
          ...(states.length === 0 ? {} : { states: [...states] }),
        },
        ...options,
      }),

    state: (workspace, environment) => workspaces.read(idOf(workspace), idOf(environment), workspaceStateSchema),
    async writeState(state, etag) {
      const document = { ...state, id: idOf(state.environment), workspace: idOf(state.workspace) };
      const written =
        etag === null
          ? await workspaces.create(document.workspace, document)
          : await workspaces.replace(document.workspace, document, etag);
      return written === 'created' || written === 'replaced' ? 'written' : 'changed';
    },
    listStates: ({ workspace, pageSize, continuation }) =>
      workspaces.query({ text: 'SELECT * FROM c' }, workspaceStateSchema, {
        pageSize,
        continuation,
        ...(workspace === null ? {} : { partitionKey: idOf(workspace) }),
      }),

    async writeArchive(bytes) {
      const archive = sha256(bytes);
      await blobs.putOnce(`archives/${archive}`, bytes, 'application/zip');
      return archive;
    },
    readArchive: (archive) => readHashed(`archives/${archive}`, archive, (bytes) => bytes),
    async writePlan(plan) {
      const text = canonical(plan);
      const hash = sha256(text);
      await blobs.putOnce(`plans/${hash}.json`, text, json);
      return hash;
    },
    readPlan: (hash) =>
      readHashed(`plans/${hash}.json`, hash, (bytes) => planSchema.parse(JSON.parse(bytes.toString('utf8')))),
    writeRemembered: (workspace, environment, remembered) =>
      blobs.put(rememberedName(workspace, environment), JSON.stringify(remembered), json),
    async readRemembered(workspace, environment) {
      const bytes = await blobs.get(rememberedName(workspace, environment));
      return bytes === null ? {} : rememberedSchema.parse(JSON.parse(bytes.toString('utf8')));
    },
  };
  return store;
}

/** Changes one environment of a deployment, where it has not ended yet. */
export function withEnvironment(
  deployment: Deployment,
  name: string,
  change: Partial<EnvironmentProgress>,
): Deployment {
  const environments = deployment.environments.map((each) => (each.name === name ? { ...each, ...change } : each));
  return { ...deployment, environments };
}
