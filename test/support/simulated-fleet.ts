import { Readable } from 'node:stream';
import { type BlobStore } from '../../lib/platform/blobs';
import { type Clock } from '../../lib/platform/clock';
import { type FleetEvent } from '../../lib/platform/cloud-events';
import { type DocumentStore } from '../../lib/platform/documents';
import { type Orchestrations } from '../../lib/platform/durable';
import { AppError, messageOf } from '../../lib/platform/errors';
import { sha256 } from '../../lib/platform/hash';
import { createLogger } from '../../lib/platform/logger';
import { type BuildQueue, type DeadLetter, type OutgoingMessage } from '../../lib/platform/messages';
import { appAlone, type ClusterDirectory } from '../../lib/platform/cluster-choice';
import { createAudit } from '../../lib/platform/audit';
import { type StageResult } from '../../lib/builds/orchestrators/build';
import { type DatabaseBuildResult } from '../../lib/builds/model';
import { createApprovalServices } from '../../lib/approvals/services';
import { createBuildServices } from '../../lib/builds/services';
import { type TargetMessage, targetMessageSchema } from '../../lib/builds/schema';
import { type Package } from '../../lib/packages/model';
import { type Target } from '../../lib/targets/model';
import { type TestDocuments } from './documents';

/** Blobs in memory. */
export function createMemoryBlobs(): BlobStore & { names(): string[]; remove(name: string): void } {
  const blobs = new Map<string, { data: Buffer; contentType: string }>();
  const put = (name: string, data: Buffer | string, contentType: string): void => {
    blobs.set(name, { data: Buffer.from(data), contentType });
  };
  return {
    names: () => [...blobs.keys()],
    remove: (name) => void blobs.delete(name),
    get: async (name) => blobs.get(name)?.data ?? null,
    put: async (name, data, contentType) => put(name, data, contentType),
    putOnce: async (name, data, contentType) => {
      if (!blobs.has(name)) put(name, data, contentType);
    },
    async putStream(name, chunks, contentType) {
      let text = '';
      for await (const chunk of chunks) text += chunk;
      put(name, text, contentType);
    },
    async open(name) {
      const blob = blobs.get(name);
      return blob === undefined
        ? null
        : { stream: Readable.from([blob.data]), contentType: blob.contentType, length: blob.data.length };
    },
  };
}

const maximumDeliveries = 10;

/** Sessions are of one subscription each. */
function laneOf({ cluster, sessionId }: OutgoingMessage): string {
  return cluster === 'managed' ? sessionId : `${cluster}|${sessionId}`;
}

/** Sessions as the broker keeps them: one queue per lane, duplicates by message id dropped. */
export function createMemoryQueue() {
  const seen = new Set<string>();
  const lanes = new Map<string, OutgoingMessage[]>();
  const deadLetters: DeadLetter[] = [];
  const failedDeliveries = new Map<string, number>();
  let deepest = 0;
  const queue: BuildQueue = {
    async send(messages) {
      for (const message of messages) {
        if (seen.has(message.messageId)) continue;
        seen.add(message.messageId);
        const lane = lanes.get(laneOf(message)) ?? [];
        lane.push(message);
        lanes.set(laneOf(message), lane);
        deepest = Math.max(deepest, lane.length);
      }
    },
    backlog: async (cluster) => ({
      active: [...lanes.values()].reduce((sum, lane) => sum + (lane[0]?.cluster === cluster ? lane.length : 0), 0),
      deadLettered: deadLetters.length,
    }),
    async drainDeadLetters(_cluster, limit, handle) {
      const letters = deadLetters.splice(0, limit);
      for (const letter of letters) if ((await handle(letter)) === 'keep') deadLetters.push(letter);
      return letters.length;
    },
    close: async () => undefined,
  };
  return {
    queue,
    deadLetters,
    lanes,
    sentIds: seen,
    deepest: () => deepest,
    /** What a delivery that failed ends with: the message comes again first in its lane, ten times at most. */
    giveBack(message: OutgoingMessage, description: string): void {
      const { messageId, body } = message;
      const failed = (failedDeliveries.get(messageId) ?? 0) + 1;
      failedDeliveries.set(messageId, failed);
      if (failed < maximumDeliveries) lanes.get(laneOf(message))?.unshift(message);
      else deadLetters.push({ messageId, body, reason: 'MaxDeliveryCountExceeded', description });
    },
    /** The first message of every lane: what as many workers would be at. */
    takeOnePerLane(): OutgoingMessage[] {
      return [...lanes.values()].flatMap((lane) => lane.splice(0, 1));
    },
  };
}

const packageBytes = Buffer.from('package');
const onePackage: Package = {
  kind: 'folder',
  name: 'one.zip',
  scripts: [],
  packageHash: 'HASH',
  sha256: sha256(packageBytes),
};

export function result(status: DatabaseBuildResult['status'], startedAt: string): DatabaseBuildResult {
  return {
    status,
    reason: '',
    failure: null,
    scripts: [],
    startedAt,
    durationMs: 5,
    counters: { logins: 1, roundTrips: 2, batches: 1, throttled: 0, timeoutRetries: 0 },
    log: '-- log\n',
  };
}

export interface SimulatedFleetOptions {
  documents: TestDocuments;
  targets: Target[];
  /** How a target ends; default: committed. */
  build?: (message: { target: Target; attempt: number }) => DatabaseBuildResult['status'];
  stuckAfterMs?: number;
  /** Default: the app alone. */
  clusters?: ClusterDirectory;
}

/** The whole builds capability with real decisions and a real document store; the queue, blobs, databases and time are simulated. */
export function createSimulatedFleet({
  documents,
  targets,
  build,
  stuckAfterMs = 60_000,
  clusters = appAlone,
}: SimulatedFleetOptions) {
  let nowMs = Date.parse('2026-01-01T00:00:00Z');
  let later: { atMs: number; act: () => void }[] = [];
  const advance = (ms: number): void => {
    nowMs += ms;
    for (const { act } of later.filter(({ atMs }) => atMs <= nowMs)) act();
    later = later.filter(({ atMs }) => atMs > nowMs);
  };
  const clock: Clock = {
    nowMs: () => nowMs,
    sleep: async (ms) => advance(ms),
  };
  const memory = createMemoryQueue();
  const blobs = { uploads: createMemoryBlobs(), state: createMemoryBlobs(), logs: createMemoryBlobs() };
  const events: Record<string, unknown>[] = [];
  const started: { name: string; instanceId: string; input: unknown }[] = [];
  const builtTargets: { targetId: string; attempt: number }[] = [];
  const logged: string[] = [];
  let ids = 0;
  /** Parts that are out of order while their flag is set. */
  const away = {
    send: false,
    backlog: false,
    resolve: false,
    start: false,
    outcomes: false,
    blobs: false,
    logs: false,
  };
  const present = (part: keyof typeof away): void => {
    if (!away[part]) return;
    throw new AppError(`${part}.unavailable`, `${part} is away`, { status: 503, retry: { kind: 'backoff' } });
  };
  const blobsUnlessAway = (part: 'blobs' | 'logs', store: BlobStore): BlobStore => ({
    get: async (name) => (present(part), store.get(name)),
    put: async (...blob) => (present(part), store.put(...blob)),
    putOnce: async (...blob) => (present(part), store.putOnce(...blob)),
    putStream: async (...blob) => (present(part), store.putStream(...blob)),
    open: async (name) => (present(part), store.open(name)),
  });

  const outcomes = documents.store('outcomes');
  const outcomesUnlessAway: DocumentStore = {
    create: async (...document) => (present('outcomes'), outcomes.create(...document)),
    read: async (...document) => (present('outcomes'), outcomes.read(...document)),
    replace: async (...document) => (present('outcomes'), outcomes.replace(...document)),
    patch: async (...document) => (present('outcomes'), outcomes.patch(...document)),
    delete: async (...document) => (present('outcomes'), outcomes.delete(...document)),
    query: async (...query) => (present('outcomes'), outcomes.query(...query)),
    changes: async (...feed) => (present('outcomes'), outcomes.changes(...feed)),
  };

  const published: FleetEvent[] = [];
  const common = {
    fleetEvents: { publish: async (event: FleetEvent) => void published.push(event) },
    audit: createAudit(documents.store('audit'), { clock, newId: () => `audit-${ids++}-${Math.random()}` }),
    clock,
    logger: createLogger((_level, line) => void logged.push(line)),
  };
  const approvals = createApprovalServices({ ...common, documents: documents.store('approvals') });
  const services = createBuildServices({
    documents: { builds: documents.store('builds'), outcomes: outcomesUnlessAway },
    blobs: {
      uploads: blobs.uploads,
      state: blobsUnlessAway('blobs', blobs.state),
      logs: blobsUnlessAway('logs', blobs.logs),
    },
    queue: {
      ...memory.queue,
      send: async (messages) => (present('send'), memory.queue.send(messages)),
      backlog: async (cluster) => (present('backlog'), memory.queue.backlog(cluster)),
    },
    clusters,
    laneHolds: documents.store('laneHolds'),
    events: {
      publish: (_key, event) => void events.push(event),
      flush: async () => undefined,
      close: async () => undefined,
    },
    ...common,
    approvals,
    random: Math.random,
    newBuildId: () => `build-${ids++}-${Math.random().toString(36).slice(2)}`,
    readPackage: async (files) => ({
      valid: true,
      package: onePackage,
      problems: [],
      warnings: [],
      name: 'one.zip',
      bytes: files[0]?.bytes ?? Buffer.alloc(0),
    }),
    readTargets: () => ({ valid: true, targets, problems: [] }),
    parsePackage: async () => onePackage,
    buildDatabase: async ({ target, attempt }) => {
      builtTargets.push({ targetId: target.id, attempt });
      return result(build?.({ target, attempt }) ?? 'committed', new Date(nowMs).toISOString());
    },
    resolveDatabase: async () => (present('resolve'), result('failed', new Date(nowMs).toISOString())),
    longestDeliveryMs: 3_600_000,
    monitorIntervalMs: 2_000,
    stuckAfterMs,
  });

  const orchestrations: Orchestrations = {
    start: async (name, instanceId, input) => (present('start'), void started.push({ name, instanceId, input })),
    status: async () => ({ state: 'missing' }),
    wake: async () => undefined,
  };

  const work = async (): Promise<number> => {
    const messages = memory.takeOnePerLane();
    for (const message of messages) {
      await services
        .buildTarget(message.body, new AbortController().signal)
        .catch((error: unknown) => memory.giveBack(message, messageOf(error)));
    }
    return messages.length;
  };

  return {
    services,
    approvals,
    published,
    orchestrations,
    memory,
    away,
    blobs,
    events,
    started,
    builtTargets,
    logged,
    work,
    advance,
    /** Acts once, when simulated time has gone so far. */
    whenTimeHasPassed: (ms: number, act: () => void): void => void later.push({ atMs: nowMs + ms, act }),
    nowMs: () => nowMs,
    submit: (options: object = {}, idempotencyKey: string | null = null) =>
      services
        .submit(
          {
            packageFiles: [{ name: 'one.zip', bytes: packageBytes }],
            targets: Buffer.from('targets'),
            options,
            idempotencyKey,
            signedInActor: null,
          },
          orchestrations,
        )
        .then(({ build: submitted }) => submitted),
    /** Plays the orchestration: looks at the build, and lets the workers work in between, until it has ended. */
    async run(buildId: string, run = 1, between?: (look: number) => Promise<void>): Promise<{ looks: number }> {
      await services.prepare({ buildId, run });
      for (let look = 1; look < 100_000; look += 1) {
        const stage: StageResult = await services.monitor({ buildId, run }).catch((error: unknown) => {
          if (!Object.values(away).includes(true)) throw error;
          return { kind: 'again', delayMs: 5_000 };
        });
        if (stage.kind === 'done') {
          await services.finish({ buildId, run });
          return { looks: look };
        }
        advance(stage.kind === 'again' ? stage.delayMs : 0);
        await between?.(look);
        await work();
      }
      throw new Error('the build does not end');
    },
  };
}

export function makeTargets(count: number, servers: number, tagOf: (index: number) => string = () => ''): Target[] {
  return Array.from({ length: count }, (_, index) => ({
    id: `t${index.toString(16).padStart(6, '0')}`,
    server: `server-${index % servers}.example`,
    port: null,
    overrides: [{ default: '', target: `tenant${index}` }],
    tag: tagOf(index),
    line: index + 1,
  }));
}

export function messageBody(message: OutgoingMessage): TargetMessage {
  return targetMessageSchema.parse(message.body);
}
