import { randomUUID } from 'node:crypto';
import { createApprovalServices } from '../../lib/approvals/services';
import { type BuildServices, createBuildServices } from '../../lib/builds/services';
import { type DatabaseBuildResult } from '../../lib/builds/model';
import { type Build } from '../../lib/builds/schema';
import { readSubmitted } from '../../lib/packages/submitted';
import { readPackage } from '../../lib/packages/read';
import { appAlone } from '../../lib/platform/cluster-choice';
import { createAudit } from '../../lib/platform/audit';
import { type BlobStore } from '../../lib/platform/blobs';
import { type Clock } from '../../lib/platform/clock';
import { unpublishedEvents } from '../../lib/platform/cloud-events';
import { forEachConcurrently } from '../../lib/platform/concurrency';
import { type DocumentStore } from '../../lib/platform/documents';
import { createLogger } from '../../lib/platform/logger';
import { type BuildQueue, type OutgoingMessage } from '../../lib/platform/messages';
import { parseTargets } from '../../lib/targets/parse';

export interface SimulatedBuildDeps {
  documents: (container: 'builds' | 'outcomes' | 'audit' | 'approvals' | 'laneHolds') => DocumentStore;
  blobs: (container: 'packages' | 'builds' | 'logs') => BlobStore;
}

/** What the simulated queue and hub saw. */
export interface TrafficCounters {
  sends: number;
  sentMessages: number;
  events: number;
  looks: number;
}

export interface SimulatedBuild {
  services: BuildServices;
  clock: Clock;
  traffic: TrafficCounters;
  /** Real package, targets and checks: everything but HTTP. */
  submit(targets: number, scriptLength: number): Promise<Build>;
  /** Works off what the queue holds. */
  work(): Promise<void>;
  advance(ms: number): void;
}

/** As many workers as one app instance has. */
const workersAtOnce = 16;

/**
 * The builds capability with its real decisions and real stores, over databases that end at once. Time stands still
 * while anything works and jumps while it waits. Nothing in here keeps anything per target, so what memory grows is the
 * product's.
 */
export function createSimulatedBuild(deps: SimulatedBuildDeps): SimulatedBuild {
  let nowMs = Date.parse('2026-01-01T00:00:00Z');
  const clock: Clock = {
    nowMs: () => nowMs,
    sleep: async (ms) => {
      nowMs += ms;
    },
  };
  const traffic: TrafficCounters = { sends: 0, sentMessages: 0, events: 0, looks: 0 };
  let waiting: OutgoingMessage[] = [];
  const queue: BuildQueue = {
    async send(messages) {
      traffic.sends += 1;
      for (const message of messages) {
        traffic.sentMessages += 1;
        waiting.push(message);
      }
    },
    backlog: async () => ({ active: waiting.length, deadLettered: 0 }),
    drainDeadLetters: async () => 0,
    close: async () => undefined,
  };
  const common = {
    fleetEvents: unpublishedEvents,
    audit: createAudit(deps.documents('audit'), { clock, newId: randomUUID }),
    clock,
    logger: createLogger((_level, line) => void process.stderr.write(`${line}\n`)),
  };
  const services = createBuildServices({
    documents: { builds: deps.documents('builds'), outcomes: deps.documents('outcomes') },
    blobs: { uploads: deps.blobs('packages'), state: deps.blobs('builds'), logs: deps.blobs('logs') },
    queue,
    clusters: appAlone,
    laneHolds: deps.documents('laneHolds'),
    events: {
      publish: () => void (traffic.events += 1),
      flush: async () => undefined,
      close: async () => undefined,
    },
    ...common,
    approvals: createApprovalServices({ ...common, documents: deps.documents('approvals') }),
    random: Math.random,
    newBuildId: randomUUID,
    readPackage: readSubmitted,
    readTargets: (text) => parseTargets(text),
    async parsePackage(bytes, name) {
      const reading = await readPackage(bytes, { name });
      if (!reading.valid) throw new Error('the package cannot be read again');
      return reading.package;
    },
    buildDatabase: async () => committed(new Date(nowMs).toISOString()),
    resolveDatabase: async () => committed(new Date(nowMs).toISOString()),
    longestDeliveryMs: 3_600_000,
    monitorIntervalMs: 2_000,
    stuckAfterMs: 60_000,
  });
  return {
    services,
    clock,
    traffic,
    advance: (ms) => {
      nowMs += ms;
    },
    async submit(targets, scriptLength) {
      const text = Array.from({ length: targets }, (_, index) => `server-${index % 4}.example:tenant${index}\n`).join(
        '',
      );
      const script = `-- ${'x'.repeat(Math.max(0, scriptLength - 12))}\nSELECT 1;\n`;
      const { build } = await services.submit(
        {
          packageFiles: [{ name: '001.sql', bytes: Buffer.from(script) }],
          targets: Buffer.from(text),
          options: { concurrencyLimit: 8 },
          idempotencyKey: null,
          signedInActor: null,
        },
        {
          start: async () => undefined,
          status: async () => ({ state: 'missing' }),
          wake: async () => undefined,
        },
      );
      return build;
    },
    async work() {
      const messages = waiting;
      waiting = [];
      const { signal } = new AbortController();
      await forEachConcurrently(messages, workersAtOnce, ({ body }) => services.buildTarget(body, signal));
    },
  };
}

/** Plays the orchestration: looks, lets the workers work, waits, until the build has ended. */
export async function playBuild(simulated: SimulatedBuild, build: Build, onLook: () => void): Promise<void> {
  const { services, traffic, clock } = simulated;
  const run = { buildId: build.buildId, run: build.run };
  await services.prepare(run);
  onLook();
  for (;;) {
    traffic.looks += 1;
    const stage = await services.monitor(run);
    onLook();
    if (stage.kind === 'failed') throw new Error(`the simulated build failed: ${stage.message}`);
    if (stage.kind === 'done') break;
    await simulated.work();
    onLook();
    await clock.sleep(stage.delayMs);
  }
  await services.finish(run);
  onLook();
  const ended = await services.builds.read(run.buildId);
  if (ended.counts.committed !== build.targets.count) {
    throw new Error(`${ended.counts.committed} of ${build.targets.count} simulated targets were committed`);
  }
}

function committed(startedAt: string): DatabaseBuildResult {
  return {
    status: 'committed',
    reason: '',
    failure: null,
    scripts: [],
    startedAt,
    durationMs: 5,
    counters: { logins: 1, roundTrips: 2, batches: 1, throttled: 0, timeoutRetries: 0 },
    log: '-- nothing was run\n',
  };
}
