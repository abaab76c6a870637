import { Readable } from 'node:stream';
import { type BlobStore } from '../../lib/platform/blobs';
import { type Clock } from '../../lib/platform/clock';
import { type Orchestrations } from '../../lib/platform/durable';
import { sha256 } from '../../lib/platform/hash';
import { createLogger } from '../../lib/platform/logger';
import { type BuildQueue, type DeadLetter, type OutgoingMessage } from '../../lib/platform/messages';
import { createAudit } from '../../lib/platform/audit';
import { type StageResult } from '../../lib/builds/orchestrators/build';
import { type DatabaseBuildResult } from '../../lib/builds/model';
import { createBuildServices } from '../../lib/builds/services';
import { type TargetMessage, targetMessageSchema } from '../../lib/builds/schema';
import { type Package } from '../../lib/packages/model';
import { type Target } from '../../lib/targets/model';
import { type TestDocuments } from './documents';

/** Blobs in memory. */
export function createMemoryBlobs(): BlobStore & { names(): string[] } {
  const blobs = new Map<string, { data: Buffer; contentType: string }>();
  const put = (name: string, data: Buffer | string, contentType: string): void => {
    blobs.set(name, { data: Buffer.from(data), contentType });
  };
  return {
    names: () => [...blobs.keys()],
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

/** Sessions as the broker keeps them: one queue per lane, duplicates by message id dropped. */
export function createMemoryQueue() {
  const seen = new Set<string>();
  const lanes = new Map<string, OutgoingMessage[]>();
  const deadLetters: DeadLetter[] = [];
  let deepest = 0;
  const queue: BuildQueue = {
    async send(messages) {
      for (const message of messages) {
        if (seen.has(message.messageId)) continue;
        seen.add(message.messageId);
        const lane = lanes.get(message.sessionId) ?? [];
        lane.push(message);
        lanes.set(message.sessionId, lane);
        deepest = Math.max(deepest, lane.length);
      }
    },
    backlog: async () => ({
      active: [...lanes.values()].reduce((sum, lane) => sum + lane.length, 0),
      deadLettered: deadLetters.length,
    }),
    async drainDeadLetters(_cluster, limit, handle) {
      const letters = deadLetters.splice(0, limit);
      for (const letter of letters) await handle(letter);
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
}

/** The whole builds capability with real decisions and a real document store; the queue, blobs, databases and time are simulated. */
export function createSimulatedFleet({ documents, targets, build, stuckAfterMs = 60_000 }: SimulatedFleetOptions) {
  let nowMs = Date.parse('2026-01-01T00:00:00Z');
  const clock: Clock = {
    nowMs: () => nowMs,
    sleep: async (ms) => {
      nowMs += ms;
    },
  };
  const memory = createMemoryQueue();
  const blobs = { uploads: createMemoryBlobs(), state: createMemoryBlobs(), logs: createMemoryBlobs() };
  const events: Record<string, unknown>[] = [];
  const started: { name: string; instanceId: string; input: unknown }[] = [];
  const builtTargets: { targetId: string; attempt: number }[] = [];
  const logged: string[] = [];
  let ids = 0;

  const services = createBuildServices({
    documents: { builds: documents.store('builds'), outcomes: documents.store('outcomes') },
    blobs,
    queue: memory.queue,
    events: {
      publish: (_key, event) => void events.push(event),
      flush: async () => undefined,
      close: async () => undefined,
    },
    audit: createAudit(documents.store('audit'), { clock, newId: () => `audit-${ids++}-${Math.random()}` }),
    clock,
    logger: createLogger((_level, line) => void logged.push(line)),
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
    resolveDatabase: async () => result('failed', new Date(nowMs).toISOString()),
    longestDeliveryMs: 3_600_000,
    monitorIntervalMs: 2_000,
    stuckAfterMs,
  });

  const orchestrations: Orchestrations = {
    start: async (name, instanceId, input) => void started.push({ name, instanceId, input }),
    status: async () => ({ state: 'missing' }),
    wake: async () => undefined,
  };

  const work = async (): Promise<number> => {
    const messages = memory.takeOnePerLane();
    for (const { body } of messages) await services.buildTarget(body, new AbortController().signal);
    return messages.length;
  };

  return {
    services,
    orchestrations,
    memory,
    blobs,
    events,
    started,
    builtTargets,
    logged,
    work,
    advance: (ms: number) => {
      nowMs += ms;
    },
    nowMs: () => nowMs,
    submit: (options: object = {}) =>
      services
        .submit(
          {
            packageFiles: [{ name: 'one.zip', bytes: packageBytes }],
            targets: Buffer.from('targets'),
            options,
            idempotencyKey: null,
            signedInActor: null,
          },
          orchestrations,
        )
        .then(({ build: submitted }) => submitted),
    /** Plays the orchestration: looks at the build, and lets the workers work in between, until it has ended. */
    async run(buildId: string, run = 1, between?: (look: number) => Promise<void>): Promise<{ looks: number }> {
      await services.prepare({ buildId, run });
      for (let look = 1; look < 100_000; look += 1) {
        const stage: StageResult = await services.monitor({ buildId, run });
        if (stage.kind === 'done') {
          await services.finish({ buildId, run });
          return { looks: look };
        }
        nowMs += stage.kind === 'again' ? stage.delayMs : 0;
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
