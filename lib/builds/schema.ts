import { z } from 'zod';
import { clusterChoiceSchema, clusterRequestFields } from '../platform/cluster-choice';
import { buildStates, concurrencyTypes, outcomeStatuses } from './model';

/** Schemas of everything that enters or leaves the builds capability: requests, documents, messages, activity inputs. */

export const outcomeStatusSchema = z.enum(outcomeStatuses);
export const buildStateSchema = z.enum(buildStates);

const actor = z.string().trim().min(1).max(256);
const reason = z.string().trim().min(1).max(1_000);

/** Targets of a tag that wait for a person. */
const approvalOptionSchema = z.strictObject({
  tag: z.string().trim().min(1).max(256).meta({ description: 'Targets with this tag, in upper or lower case.' }),
  approvers: z.array(actor).max(100).default([]).meta({ description: 'Who may decide. Empty: whoever is signed in.' }),
  approverMustDiffer: z.boolean().default(true).meta({ description: 'Not whoever asked for the build, or its retry.' }),
  timeoutMinutes: z
    .int()
    .min(1)
    .max(7 * 24 * 60)
    .default(24 * 60)
    .meta({ description: 'After this, or at the deadline of the build, the targets end as skipped.' }),
  reminderMinutes: z.int().min(1).optional().meta({ description: 'An event this often while nobody has decided.' }),
});

export const buildOptionsSchema = z
  .strictObject({
    name: z.string().trim().min(1).max(100).optional().meta({ description: 'For people; default: the package name.' }),
    concurrencyType: z
      .enum(concurrencyTypes)
      .default('MaxPerServer')
      .meta({ description: 'What the limit is a promise about: the build, a server, or a tag.' }),
    concurrencyLimit: z.int().min(1).max(1_000).default(10).meta({
      description:
        'Targets that are built at once per lane key. Server and Tag have one lane each, whatever this says.',
    }),
    trial: z.boolean().default(false).meta({ description: 'Run everything, then roll it back.' }),
    transactional: z.boolean().default(true).meta({
      description:
        'One transaction per database: all of it or nothing. false: what ran stays, also when a later script fails.',
    }),
    timeoutRetryCount: z.int().min(0).max(10).default(0).meta({
      description: 'Runs of a whole database build after a script timed out. Needs transactional.',
    }),
    defaultScriptTimeoutSeconds: z.int().min(1).max(86_400).default(500).meta({
      description: 'For scripts that name no timeout of their own.',
    }),
    description: z.string().max(500).default(''),
    failureOutcomes: z
      .array(outcomeStatusSchema)
      .default(['rolledBack', 'failed', 'skipped', 'rejected', 'unknown'])
      .meta({ description: 'Outcomes that make the build finish with failures, and that retry-failed builds again.' }),
    deadlineMinutes: z
      .int()
      .min(1)
      .max(7 * 24 * 60)
      .default(24 * 60)
      .meta({
        description: 'After this no target is begun; the build ends with what it has.',
      }),
    approvals: z.array(approvalOptionSchema).max(50).default([]).meta({
      description: 'Targets of these tags are not begun before somebody approved it. Others do not wait for them.',
    }),
    ...clusterRequestFields,
    requestedBy: actor
      .optional()
      .meta({ description: 'Who asks. A signed-in caller is known already and overrides it.' }),
  })
  .check((context) => {
    const { value: options, issues } = context;
    if (options.trial && !options.transactional) {
      issues.push({
        code: 'custom',
        input: options.trial,
        path: ['trial'],
        message: 'a trial needs transactional: true, else nothing can be rolled back',
      });
    }
    const tags = options.approvals.map(({ tag }) => tag.toLowerCase());
    for (const [index, tag] of tags.entries()) {
      if (tags.indexOf(tag) === index) continue;
      issues.push({
        code: 'custom',
        input: tag,
        path: ['approvals', index, 'tag'],
        message: 'this tag has an approval already; give it one',
      });
    }
    if (options.clusterOnly && options.cluster === undefined) {
      issues.push({
        code: 'custom',
        input: options.clusterOnly,
        path: ['clusterOnly'],
        message: 'say which, as cluster',
      });
    }
    if (options.timeoutRetryCount > 0 && !options.transactional) {
      issues.push({
        code: 'custom',
        input: options.timeoutRetryCount,
        path: ['timeoutRetryCount'],
        message: 'retries need transactional: true, else a script would run twice',
      });
    }
  });
export type BuildOptions = z.infer<typeof buildOptionsSchema>;

/** As Azure names blobs; empty, `.` and `..` folders are left to those who mean to confuse. */
const blobName = z
  .string()
  .regex(
    /^(?!.*(?:^|\/)\.{0,2}(?:\/|$))[^\\\p{Cc}]{1,1024}$/u,
    'name a blob by its path: no backslash, no empty, "." or ".." folder, at most 1024 characters',
  );

export const namedBlobSchema = z.strictObject({ blob: blobName.meta({ description: 'In the container `packages`.' }) });

export const blobBuildRequestSchema = z.strictObject({
  package: namedBlobSchema,
  targets: namedBlobSchema,
  options: buildOptionsSchema.prefault({}),
});

export const controlRequestSchema = z.strictObject({ actor, reason });
export type ControlRequest = z.infer<typeof controlRequestSchema>;

const targetSchema = z.object({
  id: z.string(),
  server: z.string(),
  port: z.int().nullable(),
  overrides: z.array(z.object({ default: z.string(), target: z.string() })),
  tag: z.string(),
  line: z.int(),
});

/** One target of a plan page: the target, and which try at it this is. */
export const plannedTargetSchema = z.object({ target: targetSchema, attempt: z.int().min(1) });
export type PlannedTarget = z.infer<typeof plannedTargetSchema>;

export const planPageSchema = z.array(plannedTargetSchema);

/**
 * Lanes of one key take targets `start` to `start + count - 1` of the plan. Targets that wait for an approval are a portion
 * of their own, with the same lanes as the rest of the key.
 */
const planKeySchema = z.object({ key: z.string(), gate: z.string().optional(), start: z.int(), count: z.int() });
export type PlanKey = z.infer<typeof planKeySchema>;

export const planSchema = z.object({
  total: z.int(),
  pageSize: z.int(),
  lanesPerKey: z.int(),
  keys: z.array(planKeySchema),
});
export type Plan = z.infer<typeof planSchema>;

/** Everything a worker needs to know about a run of a build, besides the target. Immutable, in blob storage. */
export const manifestSchema = z.object({
  buildId: z.string(),
  run: z.int(),
  package: z.object({ blob: z.string(), name: z.string(), sha256: z.string(), packageHash: z.string() }),
  deadlineMs: z.number(),
  options: z.object({
    trial: z.boolean(),
    transactional: z.boolean(),
    timeoutRetryCount: z.int(),
    defaultScriptTimeoutSeconds: z.int(),
    description: z.string(),
    buildFileName: z.string(),
    requestedBy: z.string(),
  }),
});
export type Manifest = z.infer<typeof manifestSchema>;

/** Body of the Service Bus message of one target. */
export const targetMessageSchema = z.object({
  version: z.literal(1),
  buildId: z.string(),
  run: z.int(),
  attempt: z.int(),
  /** The session that the message travels in. */
  lane: z.string(),
  /** Which placement of the build it was sent in: what was sent to a cluster that the build has left is of no use. */
  dispatch: z.int().default(0),
  target: targetSchema,
});
export type TargetMessage = z.infer<typeof targetMessageSchema>;

const failureSchema = z.object({
  code: z.string(),
  message: z.string(),
  number: z.int().nullable(),
  severity: z.int().nullable(),
  state: z.int().nullable(),
  line: z.int().nullable(),
  procedure: z.string().nullable(),
  script: z.string().nullable(),
  database: z.string().nullable(),
});

/** How one target ended in one attempt. Created once; only `supersededBy` is ever set on it, by a retry. */
export const outcomeSchema = z.object({
  id: z.string(),
  buildId: z.string(),
  run: z.int(),
  attempt: z.int(),
  targetId: z.string(),
  server: z.string(),
  port: z.int().nullable(),
  overrides: z.array(z.object({ default: z.string(), target: z.string() })),
  tag: z.string(),
  line: z.int(),
  /** '' when the target was never sent. */
  lane: z.string(),
  status: outcomeStatusSchema,
  reason: z.string(),
  failure: failureSchema.nullable(),
  scripts: z.object({ ran: z.int(), skippedRunOnce: z.int(), failedIgnored: z.int() }),
  startedAt: z.string(),
  finishedAt: z.string(),
  durationMs: z.number(),
  /** Times that the server answered "too many requests". */
  throttled: z.int(),
  timeoutRetries: z.int(),
  /** Name under `/logs/`; null when there is none. */
  log: z.string().nullable(),
  supersededBy: z.int().optional(),
});
export type Outcome = z.infer<typeof outcomeSchema>;

export const countsSchema = z.record(outcomeStatusSchema, z.int());
export type OutcomeCounts = z.infer<typeof countsSchema>;

const laneKeyStateSchema = z.object({
  key: z.string(),
  gate: z.string().optional(),
  /** Targets of this key handed out so far: to the queue, or straight to an outcome when the build was cancelled. */
  sent: z.int(),
  /** Number of the first of `lanes`. */
  firstLane: z.int().default(0),
  /** Messages outstanding per lane; only the first `open` lanes are topped up. */
  lanes: z.array(z.int()),
  open: z.int(),
  /** Looks since the server last said "too many requests". */
  calmLooks: z.int(),
  /** For which dispatch the key is held by the build's cluster; -1: for none. */
  heldFor: z.int().default(-1),
  /** In which dispatch the outstanding targets were sent. */
  sentFor: z.int().default(0),
});
export type LaneKeyState = z.infer<typeof laneKeyStateSchema>;

/** The monitor's memory between two looks: written by nobody else, always together with the feed position it counts up to. */
export const progressSchema = z.object({
  id: z.literal('progress'),
  buildId: z.string(),
  kind: z.literal('progress'),
  run: z.int(),
  /** Position in the outcomes' change feed up to which everything is counted. */
  feed: z.string().nullable(),
  keys: z.array(laneKeyStateSchema),
  /** Targets of this run that have an outcome; those handed out are the sum of `keys[].sent`. */
  ended: z.int(),
  counts: countsSchema,
  /** Targets per second and lane, smoothed. */
  laneRate: z.number(),
  lastLookMs: z.number(),
  lastOutcomeMs: z.number(),
  lastBacklogMs: z.number(),
  lastResendMs: z.number(),
  /** How often outstanding targets were sent again because the queue had lost them. */
  resends: z.int(),
});
export type Progress = z.infer<typeof progressSchema>;

const controlSchema = z.object({ actor: z.string(), reason: z.string(), at: z.string() });

export const buildSchema = z.object({
  id: z.string(),
  buildId: z.string(),
  kind: z.literal('build'),
  name: z.string(),
  state: buildStateSchema,
  /** The orchestration run: 1, and one more for every retry of failed targets. */
  run: z.int(),
  /** Null: parked, because no cluster fits. */
  cluster: z.string().nullable(),
  /** The cluster's subscription; null: named as the cluster. */
  queue: z.string().nullable().default(null),
  /** Why it is this cluster, or why there is none. */
  clusterChoice: clusterChoiceSchema.nullable().default(null),
  /** What an admin assigned, and whether the build has followed. */
  clusterOverride: z
    .object({ cluster: z.string(), actor: z.string(), reason: z.string(), at: z.string(), applied: z.boolean() })
    .nullable()
    .default(null),
  /** One more with every move to another cluster. */
  dispatch: z.int().default(0),
  /** A build of another cluster waits for lanes that this one holds. */
  lanesWanted: z.boolean().default(false),
  package: z.object({
    name: z.string(),
    blob: z.string(),
    sha256: z.string(),
    packageHash: z.string(),
    scripts: z.int(),
  }),
  targets: z.object({ blob: z.string(), sha256: z.string(), count: z.int() }),
  options: buildOptionsSchema,
  requestedBy: z.string(),
  /** Who asked for the latest retry; absent before the first one. */
  retriedBy: z.string().optional(),
  /** SHA-256 over package, targets and options: tells a repeated request from another one with the same key. */
  fingerprint: z.string(),
  createdAt: z.string(),
  startedAt: z.string().nullable(),
  finishedAt: z.string().nullable(),
  deadlineAt: z.string(),
  counts: countsSchema,
  outstanding: z.int(),
  control: z.object({ paused: controlSchema.nullable(), cancelled: controlSchema.nullable() }),
  /** Approvals that hold targets back, as the monitor last saw them. */
  approvals: z.array(z.object({ tag: z.string(), approvalId: z.string(), expiresAt: z.string() })).optional(),
  /** What it waits for besides people, in words, when nothing moves; else null. */
  waitingFor: z.string().nullable(),
  /** Why the build failed as a whole; else null. */
  failure: z.object({ code: z.string(), message: z.string() }).nullable(),
});
export type Build = z.infer<typeof buildSchema>;

/** The subscription that the build's targets are sent to; null while it is parked. */
export function queueOf({ queue, cluster }: Pick<Build, 'queue' | 'cluster'>): string | null {
  return queue ?? cluster;
}

export const runInputSchema = z.object({ buildId: z.string(), run: z.int() });
export type RunInput = z.infer<typeof runInputSchema>;
