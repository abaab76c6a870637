import { z } from 'zod';
import { regionalMetrics, serverMetrics } from './model';

const fraction = z.number().gt(0).lt(1);
const milliseconds = z.int().positive();
const minutes = (count: number): number => count * 60_000;
const hours = (count: number): number => minutes(count * 60);

const regionalThresholds = z.strictObject({ create: fraction, alert: fraction });
const serverThresholds = regionalThresholds.extend({
  /** Below it the count of samples above `create` begins anew. */
  reset: fraction,
  /** A server at or above it is given nothing more. */
  ceiling: fraction,
});
export type ServerThresholds = z.infer<typeof serverThresholds>;
export type Thresholds = z.infer<typeof regionalThresholds>;

/**
 * When to create, when to warn, and how far the monitor may go by itself. Fractions are of the limit that holds: the one
 * that Azure answers with, else the one in `limits`.
 */
export const policySchema = z
  .strictObject({
    /** `observe`: decide and record, change nothing. */
    mode: z.enum(['act', 'observe']).default('act'),
    thresholds: z
      .strictObject({
        databases: serverThresholds.default({ reset: 0.5, create: 0.6, ceiling: 0.72, alert: 0.8 }),
        serverDtus: serverThresholds.default({ reset: 0.5, create: 0.6, ceiling: 0.72, alert: 0.8 }),
        servers: regionalThresholds.default({ create: 0.7, alert: 0.9 }),
        regionalVCores: regionalThresholds.default({ create: 0.7, alert: 0.9 }),
      })
      .prefault({}),
    /**
     * Where Azure gives no number. 5,000 databases per logical server: "Resource limits for Azure SQL Database logical
     * servers"; the DTU limit per server is given up since March 2024, so there is none unless Azure answers with one.
     */
    limits: z.strictObject({ databases: z.int().positive().default(5_000) }).prefault({}),
    /** What every region should be able to place at any time, whatever its utilisation. */
    minimumHeadroom: z.int().min(0).default(50),
    /** Samples in a row at or above `create` before a server is created, unless it is urgent. */
    samplesToCreate: z.int().min(1).default(2),
    /** After a server became ready, before the next is created, unless it is urgent. */
    coolDownMs: z.int().min(0).default(minutes(10)),
    maximumServersPerDay: z.int().positive().default(5),
    /** Servers of the regional quota that the monitor leaves to people. */
    quotaReserve: z.int().min(0).default(2),
    /** Between two ticks; the timer's schedule says when they really come. */
    tickIntervalMs: milliseconds.default(minutes(5)),
    /**
     * For how long a monitor that died keeps the next one out of its region. Longer than any single step should take: it is
     * renewed between steps, and what keeps a slow holder from harm is its fence, not this.
     */
    leaseMs: milliseconds.default(minutes(2)),
    /** How long creating takes while nothing was measured. */
    assumedCreationMs: milliseconds.default(minutes(5)),
    /** How long a quota ticket takes. */
    quotaLeadMs: milliseconds.default(hours(24 * 7)),
    /** Where the app's identity may file support tickets, `file` has it ask for more logical servers by itself. */
    quotaTickets: z
      .strictObject({
        mode: z.enum(['suggest', 'file']).default('suggest'),
        /** Who is asked back by the support of Azure; needed to file. */
        contact: z
          .strictObject({
            firstName: z.string().min(1),
            lastName: z.string().min(1),
            email: z.email(),
            timeZone: z.string().min(1).default('UTC'),
            country: z.string().length(3),
            language: z.string().min(2).default('en-US'),
          })
          .nullable()
          .default(null),
      })
      .prefault({}),
    sampleEveryMs: milliseconds.default(minutes(15)),
    samplesKept: z.int().min(3).max(500).default(200),
    /** Longer without a complete listing or a number: an alert. */
    unknownAlertAfterMs: milliseconds.default(minutes(30)),
    /** A server that is still not created, or not secured, after this long is stuck. */
    creatingTimeoutMs: milliseconds.default(minutes(30)),
    securingTimeoutMs: milliseconds.default(minutes(60)),
    /** A region that takes no servers is not asked again before. */
    regionBackoffMs: milliseconds.default(hours(1)),
    /** After a secured server was verified, it is verified again. */
    verifySecurityEveryMs: milliseconds.default(hours(24)),
    /** Bad news of one tick beyond both numbers is not believed: a lying list must not mark a fleet as missing. */
    maximumChanges: z.int().min(1).default(5),
    maximumChangesFraction: fraction.default(0.1),
    /** A server with our tags and without a document: taken over after its security was verified, or left to a person. */
    adoption: z.enum(['automatic', 'manual']).default('automatic'),
    reservationMs: milliseconds.default(minutes(15)),
    /** A count that was begun this soon after a database was created may not contain it yet. */
    countLagMs: z.int().min(0).default(minutes(5)),
    /** ARM calls of one tick beyond the fixed ones: counting databases, reading usages, verifying. */
    requestsPerTick: z.int().min(1).default(200),
    decisionsKeptMs: milliseconds.default(hours(24 * 30)),
    balancing: z
      .strictObject({
        mode: z.enum(['off', 'propose', 'move']).default('propose'),
        /** Of CPU, DTU or storage, as Azure Monitor gives it. */
        hotPercent: z.number().min(1).max(100).default(80),
        targetPercent: z.number().min(1).max(100).default(60),
        maximumMovesPerRun: z.int().min(1).default(5),
        poolsPerRun: z.int().min(1).default(500),
      })
      .prefault({}),
  })
  .superRefine((policy, context) => {
    const refuse = (path: string[], message: string): void => context.addIssue({ code: 'custom', path, message });
    for (const metric of [...serverMetrics, ...regionalMetrics]) {
      const { create, alert } = policy.thresholds[metric];
      const path = ['thresholds', metric];
      if (create >= alert)
        refuse(path, `create (${create}) must be below alert (${alert}): else the alert comes before the server`);
    }
    for (const metric of serverMetrics) {
      const { reset, create, ceiling, alert } = policy.thresholds[metric];
      const path = ['thresholds', metric];
      if (reset >= create) refuse(path, `reset (${reset}) must be below create (${create})`);
      if (ceiling <= create || ceiling >= alert) {
        refuse(path, `ceiling (${ceiling}) must lie between create (${create}) and alert (${alert})`);
      }
    }
    if (policy.quotaTickets.mode === 'file' && policy.quotaTickets.contact === null) {
      refuse(['quotaTickets', 'contact'], 'is needed to file tickets');
    }
    if (policy.balancing.targetPercent >= policy.balancing.hotPercent) {
      refuse(['balancing', 'targetPercent'], 'must be below hotPercent, or databases move back and forth');
    }
    const room = Math.floor(policy.limits.databases * policy.thresholds.databases.ceiling);
    if (policy.minimumHeadroom >= room) {
      refuse(['minimumHeadroom'], `must be less than one empty server takes (${room}), or no server is ever enough`);
    }
  });
export type Policy = z.infer<typeof policySchema>;
