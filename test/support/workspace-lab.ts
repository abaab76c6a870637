import { AsyncLocalStorage } from 'node:async_hooks';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as nextTurn, setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { createApprovalServices } from '../../lib/approvals/services';
import { zipFiles } from '../../lib/packages/pack-folder';
import { createAudit } from '../../lib/platform/audit';
import { type AzureResources, type VaultSecrets } from '../../lib/platform/azure-resources';
import { type BlobStore } from '../../lib/platform/blobs';
import { type FleetEvent } from '../../lib/platform/cloud-events';
import { createDatabricks } from '../../lib/platform/databricks';
import { createDatabricksHttp } from '../../lib/platform/databricks-http';
import { type DocumentStore } from '../../lib/platform/documents';
import { type Orchestrations } from '../../lib/platform/durable';
import { createLeases } from '../../lib/platform/leases';
import { createLogger } from '../../lib/platform/logger';
import {
  activityNames,
  deployWorkspace,
  deployWorkspaceName,
  orchestrationId,
  stageNames,
} from '../../lib/workspaces/orchestrators/deploy-workspace';
import {
  type Deployment,
  environmentRequestSchema,
  type EnvironmentRequest,
  type Plan,
  stageInputSchema,
} from '../../lib/workspaces/schema';
import { createWorkspaceServices } from '../../lib/workspaces/services';
import { ensureCertificates } from '../../local/certificates/certificates';
import { startDatabricks } from '../../local/databricks/start';
import { createDurableEngine } from '../../local/durable/engine';
import { startIdentity } from '../../local/identity/start';
import { invokerOf } from '../local/durable/support';
import { startTestDocuments } from './documents';
import { createMemoryDocuments } from './memory-documents';
import { createMemoryBlobs } from './simulated-fleet';
import { createTrustingFetch } from './trusting-fetch';

export const subscriptionId = '00000000-0000-4000-8000-000000000001';
const databricksResource = '2ff814a6-3304-4ab8-85cb-cd0e6f879c1d';
const statusSchema = z.object({ runtimeStatus: z.string() });
const clusterStartMs = 60_000;
const lookMs = 15;

/** Where a test may let things go wrong: called before and after each call that changes something. */
export type Interference = (place: string, when: 'before' | 'after') => void;
export type Lab = Awaited<ReturnType<typeof startWorkspaceLab>>;

/**
 * The whole capability with its real orchestrator, client, stores and approvals, over the Databricks and Cosmos DB stand-ins;
 * only ARM and Key Vault are played. Time passes while something waits, and only then. `inMemory`: documents are kept
 * without the service, for tests with hundreds of deployments.
 */
export async function startWorkspaceLab({ inMemory = false } = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'workspaces-'));
  let nowMs = Date.UTC(2026, 0, 5, 9);
  const clock = {
    nowMs: () => nowMs,
    async sleep(ms: number) {
      nowMs += ms;
      await nextTurn();
    },
  };
  let ids = 0;
  const newId = (): string => String((ids += 1)).padStart(12, '0');
  const certificates = await ensureCertificates(join(folder, 'certificates'), ['localhost'], new Date());
  const identity = await startIdentity({ port: 0, stateFolder: null, clock, tokenLifetimeMs: 365 * 24 * 60 * 60_000 });
  // Its signature is checked once: nothing here is about tokens.
  const verified = new Map<string, ReturnType<typeof identity.verifyToken>>();
  const verifyToken: typeof identity.verifyToken = (token, audience) => {
    const known = verified.get(`${audience} ${token}`) ?? identity.verifyToken(token, audience);
    verified.set(`${audience} ${token}`, known);
    return known;
  };
  const databricks = await startDatabricks({
    port: 0,
    stateFolder: null,
    tls: certificates,
    clock,
    verifyToken,
    newId: () => `${newId()}0000`.slice(-8),
    clusterStartMs,
    clusterStopMs: 30_000,
  });
  const documents = inMemory ? memoryContainers() : await startTestDocuments();
  const state = createMemoryBlobs();
  const uploads = createMemoryBlobs();
  const events: FleetEvent[] = [];
  const logged: string[] = [];
  let interference: Interference = () => undefined;
  /** A crash takes everything with it until the next activity begins; what people do meanwhile it does not touch. */
  const activity = new AsyncLocalStorage<{ crashed: boolean }>();

  const trusting = createTrustingFetch(readFileSync(certificates.caFile, 'utf8'));
  const guarded = async <T>(place: string, isWrite: boolean, call: () => Promise<T>): Promise<T> => {
    const running = activity.getStore();
    if (running === undefined) return call();
    if (running.crashed) throw new Error('the process is gone');
    const strike = (when: 'before' | 'after'): void => {
      try {
        if (isWrite) interference(place, when);
      } catch (error) {
        running.crashed = true;
        throw error;
      }
    };
    strike('before');
    const answer = await call();
    strike('after');
    return answer;
  };
  const interferingFetch: typeof fetch = (input, init) => {
    const path = new URL(input instanceof Request ? input.url : input).pathname;
    return guarded(path, init?.method === 'POST', () => trusting(input, init));
  };
  const interfering = (name: string): DocumentStore => {
    const store = documents.store(name);
    return {
      ...store,
      create: (key, document) => guarded(`${name}.create`, true, () => store.create(key, document)),
      replace: (key, document, etag) => guarded(`${name}.replace`, true, () => store.replace(key, document, etag)),
    };
  };
  const interferingBlobs: BlobStore = {
    ...state,
    put: (name, ...blob) => guarded('blobs.put', true, () => state.put(name, ...blob)),
    putOnce: (name, ...blob) => guarded('blobs.putOnce', true, () => state.putOnce(name, ...blob)),
  };

  const vaults = new Map<string, Map<string, string>>();
  const access: string[] = [];
  const workspaces = new Set<string>();
  const vaultOf = (resourceId: string) => {
    const name = resourceId.split('/').at(-1) ?? '';
    return vaults.has(name) ? { resourceId, url: `https://${name}.vault.test` } : null;
  };
  const resources: AzureResources = {
    findWorkspace: async (resourceId) =>
      workspaces.has(resourceId) ? { resourceId, url: databricks.url, ready: true } : null,
    findVault: async (resourceId) => vaultOf(resourceId),
    createVault: (resourceId) =>
      guarded('vaults.create', true, async () => {
        const name = resourceId.split('/').at(-1) ?? '';
        if (vaults.has(name)) throw new Error('a PUT of a vault that is there replaces its access policies');
        vaults.set(name, new Map());
        return { resourceId, url: `https://${name}.vault.test`, recovered: false };
      }),
    grantSecrets: (_resourceId, administrators) =>
      guarded('vaults.grant', true, async () => void access.push(...administrators)),
  };
  const openVault = (url: string): VaultSecrets => {
    const secrets = vaults.get(new URL(url).hostname.split('.')[0] ?? '') ?? new Map<string, string>();
    return {
      async find(name) {
        const value = secrets.get(name);
        return value === undefined ? null : { value };
      },
      createMissing: (name, value) =>
        guarded('secrets.create', true, async () => {
          if (secrets.has(name)) return 'exists';
          secrets.set(name, value);
          return 'created';
        }),
    };
  };

  const logger = createLogger((level, line) => void logged.push(`${level} ${line}`));
  const audit = createAudit(interfering('audit'), { clock, newId });
  const fleetEvents = {
    publish: (event: FleetEvent) => guarded('events.publish', true, async () => void events.push(event)),
  };
  const approvals = createApprovalServices({
    documents: interfering('approvals'),
    audit,
    fleetEvents,
    clock,
    logger,
  });
  /** As credentials do: kept for a while, because signing takes long. */
  const tokens = new Map<string, { token: string; untilMs: number }>();
  const tokenFor = (resource: string): string => {
    const known = tokens.get(resource);
    if (known !== undefined && nowMs < known.untilMs) return known.token;
    const token = identity.issueToken(resource);
    tokens.set(resource, { token, untilMs: nowMs + 30 * 60_000 });
    return token;
  };
  const clientOf = (resourceId: string) =>
    createDatabricks(
      createDatabricksHttp(
        {
          url: databricks.url,
          resourceId,
          apiVersions: environmentRequestSchema.shape.apiVersions.parse(undefined),
          databricksToken: async () => tokenFor(databricksResource),
          managementToken: async () => tokenFor('https://management.azure.com'),
        },
        { fetch: interferingFetch, clock, random: () => 0.5 },
      ),
    );
  const services = createWorkspaceServices({
    documents: {
      environments: documents.store('environments'),
      workspaces: interfering('workspaces'),
      deployments: interfering('workspaceDeployments'),
    },
    blobs: { uploads, state: interferingBlobs },
    resources,
    openVault,
    openDatabricks: ({ resourceId }, { clientSecret }) => {
      if (clientSecret !== 'the secret of the principal') throw new Error('opened with another secret');
      return clientOf(resourceId);
    },
    approvals,
    audit,
    leases: createLeases(interfering('leases'), { clock }),
    fleetEvents,
    clock,
    logger,
    newDeploymentId: () => `d${newId()}`,
    activityBudgetMs: 60_000,
    lookEveryMs: 20_000,
  });

  const activities: Record<string, (input: unknown) => unknown> = {
    ...Object.fromEntries(
      stageNames.map((stage) => [
        activityNames[stage],
        (input: unknown) => services.stages.run(stage, stageInputSchema.parse(input)),
      ]),
    ),
    [activityNames.fail]: (input) => services.stages.giveUp(stageInputSchema.parse(input)),
    [activityNames.finish]: (input) => services.stages.finish(z.object({ deploymentId: z.string() }).parse(input)),
  };
  const engine = createDurableEngine({
    taskHubName: 'test',
    journalPath: null,
    clock,
    newId,
    log: () => undefined,
    systemKey: 'key',
    options: { strictReplay: true },
  });
  await engine.start(
    { orchestrators: [deployWorkspaceName], activities: Object.keys(activities), entities: [] },
    invokerOf({
      orchestrators: { [deployWorkspaceName]: deployWorkspace },
      activities: Object.fromEntries(
        Object.entries(activities).map(([name, run]) => [
          name,
          async (input: unknown) => activity.run({ crashed: false }, async () => run(input)),
        ]),
      ),
    }),
  );
  const request = async (method: string, path: string, body: unknown): Promise<string> => {
    const response = await engine.handle({
      method,
      url: `/durabletask/${path}`,
      headers: { host: 'localhost', 'content-type': 'application/json' },
      body: Buffer.from(body === null ? '' : JSON.stringify(body)),
    });
    return response.body.toString();
  };
  const orchestrations: Orchestrations = {
    start: async (name, instanceId, input) =>
      void (await request('POST', `orchestrators/${name}/${instanceId}`, input)),
    status: async () => ({ state: 'running' }),
    wake: async (instanceId) => void (await request('POST', `instances/${instanceId}/raiseEvent/wake`, {})),
  };

  const runtimeStatusOf = async (deploymentId: string): Promise<string> => {
    const { runtimeStatus } = statusSchema.parse(
      JSON.parse(await request('GET', `instances/${orchestrationId(deploymentId)}`, null)),
    );
    if (runtimeStatus === 'Failed') throw new Error(`the orchestration failed: ${logged.slice(-5).join('\n')}`);
    return runtimeStatus;
  };
  const workspaceIdOf = (workspace: string, environment: string): string =>
    `/subscriptions/${subscriptionId}/resourceGroups/data/providers/Microsoft.Databricks/workspaces/${workspace}-${environment}`;
  const lab = {
    services,
    approvals,
    databricks,
    clock,
    events,
    logged,
    vaults,
    access,
    audit,
    blobs: state,
    documents,
    uploads,
    orchestrations,
    clientOf,
    workspaceIdOf,
    trustingFetch: trusting,
    identity,
    /** What the stand-in holds, for changes by hand and for counting. */
    held: (workspace: string, environment = 'Dev') => databricks.workspace(workspaceIdOf(workspace, environment)),
    /** @returns what was there before. */
    interfere(with_: Interference): Interference {
      const before = interference;
      interference = with_;
      return before;
    },
    /** An environment with its vault filled in, and the workspace of that name. */
    async prepare(workspace: string, names: readonly string[] = ['Dev'], settings: object = {}): Promise<void> {
      for (const name of names) {
        const vault = `kv-${name.toLowerCase()}`;
        if (!vaults.has(vault)) {
          vaults.set(
            vault,
            new Map([
              ['databricks-dev-ops-subscription-id', subscriptionId],
              ['databricks-dev-ops-tenant-id', '00000000-0000-4000-8000-00000000000a'],
              ['databricks-dev-ops-client-id', '00000000-0000-4000-8000-00000000000b'],
              ['databricks-dev-ops-client-secret', 'the secret of the principal'],
            ]),
          );
        }
        workspaces.add(workspaceIdOf(workspace, name));
        await lab.environment(name, settings);
      }
    },
    async environment(name: string, settings: object = {}): Promise<void> {
      const value: EnvironmentRequest = environmentRequestSchema.parse({
        subscriptionId,
        resourceGroup: 'data',
        region: 'westeurope',
        keyVault: { name: `kv-${name.toLowerCase()}` },
        approval: { required: false },
        ...settings,
      });
      const known = await services.store.findEnvironment(name);
      await services.environments.put(name, value, known?.etag ?? null, 'test');
    },
    async submit(workspace: string, files: Record<string, unknown>, options: object = {}): Promise<Deployment> {
      return services.submit(
        {
          workspace,
          assets: { bytes: await archiveOf(files) },
          options: { environments: ['Dev'], requestedBy: 'ann', ...options },
          signedInActor: null,
        },
        orchestrations,
      );
    },
    async until(deploymentId: string, holds: (deployment: Deployment) => boolean): Promise<Deployment> {
      for (;;) {
        const deployment = await services.store.deployment(deploymentId);
        if (holds(deployment)) return deployment;
        if (deployment.state !== 'running') throw new Error(`it ended: ${JSON.stringify(deployment, null, 1)}`);
        await runtimeStatusOf(deploymentId);
        // Looking costs more than the work itself.
        await delay(lookMs);
      }
    },
    /** The end also of what is told afterwards. */
    async finished(deploymentId: string): Promise<Deployment> {
      const deployment = await lab.ended(deploymentId);
      while ((await runtimeStatusOf(deploymentId)) !== 'Completed') await delay(lookMs);
      return deployment;
    },
    ended: (deploymentId: string): Promise<Deployment> =>
      lab.until(deploymentId, ({ state: now }) => now !== 'running'),
    async deploy(workspace: string, files: Record<string, unknown>, options: object = {}): Promise<Deployment> {
      return lab.ended((await lab.submit(workspace, files, options)).deploymentId);
    },
    async plan(deployment: Deployment, environment = 'Dev'): Promise<Plan> {
      const progress = deployment.environments.find(({ name }) => name === environment);
      return services.store.readPlan(progress?.plan?.hash ?? '');
    },
    async history(deploymentId: string): Promise<string> {
      return request(
        'GET',
        `instances/${orchestrationId(deploymentId)}?showHistory=true&showHistoryOutput=true&showInput=true`,
        null,
      );
    },
    async stop() {
      await engine.stop(1_000);
      await databricks.stop();
      await identity.stop();
      await documents.stop();
      rmSync(folder, { recursive: true });
    },
  };
  return lab;
}

function memoryContainers() {
  const containers = new Map<string, DocumentStore>();
  return {
    store(name: string): DocumentStore {
      const store = containers.get(name) ?? createMemoryDocuments();
      containers.set(name, store);
      return store;
    },
    stop: async () => undefined,
  };
}

/** Objects become JSON, texts stay as they are. */
export function archiveOf(files: Record<string, unknown>): Promise<Buffer> {
  return zipFiles(
    Object.entries(files).map(([name, content]) => ({
      name,
      bytes: Buffer.isBuffer(content)
        ? content
        : Buffer.from(typeof content === 'string' ? content : JSON.stringify(content)),
    })),
  );
}

/** One of everything, each referring to another by its name. */
export const smallArchive = {
  'init-scripts/tools.sh': '#!/bin/bash\necho ready\n',
  'clusters/etl.json': {
    cluster_name: 'etl',
    spark_version: '15.4.x-scala2.12',
    node_type_id: 'Standard_DS3_v2',
    num_workers: 2,
    init_scripts: [{ workspace: { destination: 'init-scripts/tools.sh' } }],
    state: 'TERMINATED',
  },
  'notebooks/load.py': 'print("load")\n',
  'notebooks/reports/daily.sql': '-- Databricks notebook source\nSELECT 1\n',
  'jobs/nightly.json': {
    name: 'nightly',
    tasks: [
      { task_key: 'load', existing_cluster_id: 'etl', notebook_task: { notebook_path: 'notebooks/load' } },
      {
        task_key: 'report',
        depends_on: [{ task_key: 'load' }],
        existing_cluster_id: 'etl',
        notebook_task: { notebook_path: 'notebooks/reports/daily.sql' },
      },
    ],
  },
};
