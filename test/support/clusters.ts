import { generateKeyPairSync, type KeyObject, randomUUID } from 'node:crypto';
import { HttpRequest, InvocationContext } from '@azure/functions';
import { z } from 'zod';
import { auditRoutes } from '../../functions/audit-routes';
import { clusterKeyRoutes } from '../../functions/cluster-key-routes';
import { clusterRoutes } from '../../functions/cluster-routes';
import { heartbeatIntervalMs } from '../../lib/clusters/model';
import { type ClusterServices, createClusterServices } from '../../lib/clusters/services';
import { createAudit } from '../../lib/platform/audit';
import { type Clock } from '../../lib/platform/clock';
import { routeHandler } from '../../lib/platform/http';
import { createLogger } from '../../lib/platform/logger';
import { createHashes, type Hashes } from '../../lib/platform/redis';
import { type Subscriptions } from '../../lib/platform/subscriptions';
import { createQueueCredentials } from '../../lib/platform/worker-credentials';
import { type TestDocuments } from './documents';

/** Subscriptions by name, and what they were asked; `away`: the broker does not answer. */
export function createMemorySubscriptions(): Subscriptions & { names: Set<string>; removed: string[]; away: boolean } {
  const names = new Set<string>();
  const removed: string[] = [];
  const memory = {
    names,
    removed,
    away: false,
    ensure: async (queue: string) => {
      if (memory.away) throw new Error('the broker is away');
      names.add(queue);
    },
    remove: async (queue: string) => {
      if (memory.away) throw new Error('the broker is away');
      if (names.delete(queue)) removed.push(queue);
    },
  };
  return memory;
}

/** Of a key that may only listen, on the topic. */
export const testWorkerServiceBus =
  'Endpoint=sb://localhost:5671/;SharedAccessKeyName=workers;SharedAccessKey=c3FsZmxlZXQtd29ya2Vycw==;EntityPath=database-builds';

export interface TestClustersOptions {
  documents: TestDocuments;
  admins?: readonly string[];
  redisUrl?: string;
  workerServiceBus?: string;
  /** By cluster id: builds that use it. */
  references?: Map<string, string[]>;
  referencesOf?: (clusterId: string) => Promise<string[]>;
  random?: () => number;
  /** Default: one that stands still, and `time` sets. */
  clock?: Clock;
}

/** One instance of the clusters capability on the documents stand-in; several on the same one are several instances of the app. */
export function createTestClusters({ documents, admins = [], redisUrl, ...options }: TestClustersOptions) {
  const references = options.references ?? new Map<string, string[]>();
  const subscriptions = createMemorySubscriptions();
  const backlogs = new Map<string, number>();
  const logged: string[] = [];
  const time = { nowMs: Date.now() };
  const clock = options.clock ?? { nowMs: () => time.nowMs, sleep: async () => undefined };
  const hashes: Hashes | null = redisUrl === undefined ? null : createHashes(redisUrl);
  const services: ClusterServices = createClusterServices({
    documents: documents.store('buildClusters'),
    sessions: documents.store('workerSessions'),
    credentials: createQueueCredentials(options.workerServiceBus ?? testWorkerServiceBus, 'database-builds'),
    subscriptions,
    queue: { backlog: async (queue) => ({ active: backlogs.get(queue) ?? 0, deadLettered: 0 }) },
    audit: createAudit(documents.store('audit'), { clock, newId: randomUUID }),
    clock,
    random: options.random ?? Math.random,
    newId: randomUUID,
    logger: createLogger((_level, line) => void logged.push(line)),
    hashes,
    admins,
    heartbeatIntervalMs,
    references: options.referencesOf ?? (async (clusterId) => references.get(clusterId) ?? []),
  });
  return {
    services,
    subscriptions,
    references,
    backlogs,
    logged,
    time,
    api: createApi(services),
    async heartbeat(
      name: string,
      report: Partial<{ workerId: string; slots: number; busy: number; stopping: boolean }> = {},
    ) {
      const { value } = await services.registry.read(name);
      const workerId = report.workerId ?? 'w1';
      await services.store.writeHeartbeat({
        id: `${value.id}:${value.generation}:${workerId}`,
        partition: 'heartbeats',
        clusterId: value.id,
        generation: value.generation,
        workerId,
        atMs: clock.nowMs(),
        slots: 4,
        busy: 0,
        stopping: false,
        version: 'test',
        ...report,
      });
    },
    close: async () => void (await hashes?.close()),
  };
}

export interface ApiAnswer {
  status: number;
  headers: Headers;
  body: Record<string, unknown>;
}

export interface ApiRequest {
  body?: unknown;
  headers?: Record<string, string>;
}

/** Calls the routes as the host does: by method and path, errors turned into problems. */
function createApi(services: ClusterServices) {
  const routes = [
    ...clusterRoutes(() => services),
    ...clusterKeyRoutes(() => services),
    ...auditRoutes(
      () => services.audit,
      () => services.admins,
    ),
  ].map((route) => ({
    method: route.method,
    pattern: new RegExp(`^/api/${route.path.replace(/\{(\w+)\}/g, '(?<$1>[^/]+)')}$`),
    handle: routeHandler(route),
    literal: !route.path.includes('{'),
  }));
  return async (method: string, path: string, { body, headers = {} }: ApiRequest = {}): Promise<ApiAnswer> => {
    const url = new URL(`http://localhost/api/${path}`);
    const matching = routes
      .filter((route) => route.method === method && route.pattern.test(url.pathname))
      .sort((a, b) => Number(b.literal) - Number(a.literal));
    const [route] = matching;
    if (route === undefined) throw new Error(`no route for ${method} ${path}`);
    const params = Object.fromEntries(
      Object.entries(route.pattern.exec(url.pathname)?.groups ?? {}).map(([name, text]) => [
        name,
        decodeURIComponent(text),
      ]),
    );
    const text = typeof body === 'string' ? body : JSON.stringify(body);
    const request = new HttpRequest({
      method: z.enum(['GET', 'POST', 'PUT', 'PATCH', 'DELETE']).parse(method),
      url: url.toString(),
      headers: { 'content-type': 'application/json', ...headers },
      params,
      ...(body === undefined ? {} : { body: { string: text } }),
    });
    const answer = await route.handle(request, new InvocationContext());
    const content: unknown = answer.jsonBody ?? (typeof answer.body === 'string' ? JSON.parse(answer.body) : {});
    return {
      status: answer.status ?? 200,
      headers: new Headers(z.record(z.string(), z.string()).parse(answer.headers ?? {})),
      body: z.record(z.string(), z.unknown()).parse(content),
    };
  };
}

/** Who may. */
export const ann = { 'x-actor': 'ann', 'x-reason': 'because' };

export function newKey(kind: 'rsa' | 'ec' | 'ed25519' = 'ec', modulusLength = 2_048) {
  const pair: { publicKey: KeyObject; privateKey: KeyObject } =
    kind === 'rsa'
      ? generateKeyPairSync('rsa', { modulusLength })
      : kind === 'ec'
        ? generateKeyPairSync('ec', { namedCurve: 'P-256' })
        : generateKeyPairSync('ed25519');
  const jwkOf = (key: KeyObject): Record<string, unknown> => ({ ...key.export({ format: 'jwk' }) });
  return { publicJwk: jwkOf(pair.publicKey), privateJwk: jwkOf(pair.privateKey), privateKey: pair.privateKey };
}
