import { z } from 'zod';

/** What the parts of the embedded cloud counted, as its control endpoint tells it. Only what is read here. */
export const cloudCountersSchema = z.object({
  sql: z.array(
    z.object({
      server: z.string(),
      database: z.string(),
      logins: z.number(),
      refusedLogins: z.number(),
      requests: z.number(),
    }),
  ),
  broker: z.record(
    z.string(),
    z.object({
      sends: z.number(),
      sentMessages: z.number(),
      deliveries: z.number(),
      settlements: z.record(z.string(), z.number()),
    }),
  ),
  documents: z.record(z.string(), z.object({ writes: z.number() })),
  blobs: z.record(z.string(), z.record(z.string(), z.number())),
  durable: z.record(z.string(), z.object({ maximumHistoryBytes: z.number(), generations: z.number() })),
});
export type CloudCounters = z.infer<typeof cloudCountersSchema>;

/** What one build cost. Totals, unless they say otherwise. */
export interface Traffic {
  targets: number;
  /** Of the database that was logged in to most often. */
  mostLogins: number;
  /** Beyond logins and script batches, of the database with the most. */
  mostExtraRoundTrips: number;
  sends: number;
  sentMessages: number;
  receivedMessages: number;
  settledMessages: number;
  outcomeWrites: number;
  logWrites: number;
  /** Build document, monitor's memory, audit; inputs, plan, manifest, summaries. */
  ownWrites: number;
  events: number;
  /** At its largest. */
  historyBytes: number;
}

/** Settings that the driver sends by itself after each login: one request, and part of the login. */
const requestsPerLogin = 1;
const blobWriteOperations = ['putBlob', 'putBlock', 'putBlockList'];
const logsContainer = 'logs';
const topic = 'database-builds';
const hub = 'progress';

/** @throws Error when a database of the build was not heard of at all. */
export function trafficOf(
  counters: CloudCounters,
  build: { instanceId: string; targets: number; batchesPerDatabase: number },
): Traffic {
  const { sql } = counters;
  if (sql.length !== build.targets) {
    throw new Error(`${sql.length} databases were logged in to instead of ${build.targets}`);
  }
  const entities = Object.entries(counters.broker);
  const sumOf = (
    isMeant: (path: string) => boolean,
    pick: (entity: CloudCounters['broker'][string]) => number,
  ): number => entities.reduce((sum, [path, entity]) => sum + (isMeant(path) ? pick(entity) : 0), 0);
  const isTopic = (path: string): boolean => path.toLowerCase() === topic;
  const isSubscription = (path: string): boolean => path.toLowerCase().startsWith(`${topic}/`);
  const isHub = (path: string): boolean => path.toLowerCase().split('/')[0] === hub;
  const writesTo = (container: string): number =>
    Object.entries(counters.documents).reduce(
      (sum, [name, { writes }]) => sum + (name.endsWith(`/${container}`) ? writes : 0),
      0,
    );
  const blobWrites = Object.values(counters.blobs).reduce(
    (total, container) => total + blobWriteOperations.reduce((sum, operation) => sum + (container[operation] ?? 0), 0),
    0,
  );
  // Logs of databases are written in one piece; the consolidated ones, which a build writes once, in blocks.
  const logWrites = counters.blobs[logsContainer]?.putBlob ?? 0;
  return {
    targets: build.targets,
    mostLogins: Math.max(...sql.map(({ logins, refusedLogins }) => logins + refusedLogins)),
    mostExtraRoundTrips: Math.max(
      ...sql.map(({ requests, logins }) => requests - logins * requestsPerLogin - build.batchesPerDatabase),
    ),
    sends: sumOf(isTopic, ({ sends }) => sends),
    sentMessages: sumOf(isTopic, ({ sentMessages }) => sentMessages),
    receivedMessages: sumOf(isSubscription, ({ deliveries }) => deliveries),
    settledMessages: sumOf(isSubscription, ({ settlements }) =>
      Object.values(settlements).reduce((sum, count) => sum + count, 0),
    ),
    outcomeWrites: writesTo('outcomes'),
    logWrites,
    ownWrites: writesTo('builds') + writesTo('audit') + writesTo('laneHolds') + blobWrites - logWrites,
    events: sumOf(isHub, ({ sentMessages }) => sentMessages),
    historyBytes: counters.durable[build.instanceId]?.maximumHistoryBytes ?? NaN,
  };
}

/**
 * What one more target costs: the steepest slope between neighbouring sizes, so that what a build costs once does not
 * count and what grows faster than the fleet shows.
 * @param traffics of growing fleets, at least two.
 */
export function costPerTarget(traffics: readonly Traffic[], pick: (traffic: Traffic) => number): number {
  const slopes = traffics.slice(1).flatMap((larger, index) => {
    const smaller = traffics[index];
    return smaller === undefined ? [] : [(pick(larger) - pick(smaller)) / (larger.targets - smaller.targets)];
  });
  return Math.max(...slopes);
}
