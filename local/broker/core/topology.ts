import { z } from 'zod';

const minuteMs = 60_000;

const mailboxSettings = {
  lockDurationMs: z
    .number()
    .int()
    .min(1_000)
    .max(5 * minuteMs)
    .default(minuteMs),
  maxDeliveryCount: z.number().int().min(1).max(2_000).default(10),
  requiresSession: z.boolean().default(false),
  defaultTimeToLiveMs: z.number().int().positive().nullable().default(null),
  deadLetterOnExpiration: z.boolean().default(false),
  userMetadata: z.string().max(1_024).default(''),
};

const duplicateDetection = {
  /** null: no duplicate detection. */
  duplicateDetectionWindowMs: z
    .number()
    .int()
    .min(20_000)
    .max(7 * 24 * 60 * minuteMs)
    .nullable()
    .default(null),
};

const propertyValue = z.union([z.string(), z.number(), z.boolean(), z.null()]);

const correlationFilter = z.strictObject({
  kind: z.literal('correlation'),
  correlationId: z.string().optional(),
  messageId: z.string().optional(),
  to: z.string().optional(),
  replyTo: z.string().optional(),
  subject: z.string().optional(),
  sessionId: z.string().optional(),
  replyToSessionId: z.string().optional(),
  contentType: z.string().optional(),
  applicationProperties: z.record(z.string(), propertyValue).optional(),
});

const sqlFilter = z.strictObject({
  kind: z.literal('sql'),
  expression: z.string().max(1_024),
});

export const ruleSchema = z.strictObject({
  name: z.string().min(1).max(50),
  filter: z.discriminatedUnion('kind', [correlationFilter, sqlFilter]),
});

export const defaultRule = {
  name: '$Default',
  filter: { kind: 'sql', expression: '1=1' },
} satisfies Rule;

const entityName = z.string().regex(/^[\w.$-]+(\/[\w.$-]+)*$/, 'letters, digits, . _ - and / only');

export const queueSchema = z.strictObject({ name: entityName, ...mailboxSettings, ...duplicateDetection });

export const subscriptionSchema = z.strictObject({
  name: z
    .string()
    .max(50)
    .regex(/^[\w.$-]+$/),
  ...mailboxSettings,
  rules: z.array(ruleSchema).default([defaultRule]),
});

export const topicSchema = z.strictObject({
  name: entityName,
  defaultTimeToLiveMs: mailboxSettings.defaultTimeToLiveMs,
  userMetadata: mailboxSettings.userMetadata,
  ...duplicateDetection,
});

export const eventHubSchema = z.strictObject({
  name: entityName,
  partitionCount: z.number().int().min(1).max(32).default(4),
  consumerGroups: z.array(z.string()).default([]),
  /** The oldest events of a partition go first when it holds more than this, or when they are older than that. */
  maxBytesPerPartition: z
    .number()
    .int()
    .positive()
    .default(2 * 1024 * 1024),
  maxEventsPerPartition: z.number().int().positive().default(10_000),
  retentionMs: z
    .number()
    .int()
    .positive()
    .default(24 * 60 * minuteMs),
});

/** The entities that exist from the start, in the words of the service and units of our own. */
export const topologySchema = z.strictObject({
  queues: z.array(queueSchema).default([]),
  topics: z.array(topicSchema.extend({ subscriptions: z.array(subscriptionSchema).default([]) })).default([]),
  eventHubs: z.array(eventHubSchema).default([]),
});

export type Rule = z.infer<typeof ruleSchema>;
export type RuleFilter = Rule['filter'];
export type QueueSettings = z.infer<typeof queueSchema>;
export type TopicSettings = z.infer<typeof topicSchema>;
export type SubscriptionSettings = z.infer<typeof subscriptionSchema>;
export type EventHubSettings = z.infer<typeof eventHubSchema>;
/** What a caller may write: everything that has a default may be left out. */
export type Topology = z.input<typeof topologySchema>;
