import { z } from 'zod';
import { failureClasses, serverStates, severities } from './model';

export const serverStateSchema = z.enum(serverStates);
/** What is no time would be earlier and later than nothing, and what waits for it would wait for ever. */
const isoTime = z.string().refine((text) => !Number.isNaN(Date.parse(text)), 'is not a time');
const byWhom = z.object({ actor: z.string(), reason: z.string(), at: isoTime });
export type ByWhom = z.infer<typeof byWhom>;

export const measureSchema = z.object({ value: z.number(), limit: z.number() });
const tagsSchema = z.record(z.string(), z.string());

export const failureSchema = z.object({
  class: z.enum(failureClasses),
  code: z.string(),
  message: z.string(),
  at: isoTime,
});
export type Failure = z.infer<typeof failureSchema>;

export const reservationSchema = z.object({
  id: z.string(),
  count: z.int().positive(),
  expiresAtMs: z.number(),
  /** The database exists; the reservation stands in for it until a count can contain it. */
  confirmedAtMs: z.number().nullable(),
});
export type Reservation = z.infer<typeof reservationSchema>;

/** One logical server as we know it. The truth about it is Azure's; the truth about what we intend is here. */
export const serverSchema = z.object({
  id: z.string(),
  kind: z.literal('server'),
  name: z.string(),
  region: z.string(),
  resourceGroup: z.string(),
  state: serverStateSchema,
  stateSince: isoTime,
  /** Why it is in this state. */
  reason: z.string(),
  /** Of the lease under which the monitor last wrote; a monitor with a smaller one is late and must not write. */
  fence: z.int(),
  origin: z.enum(['provisioned', 'adopted']),
  tags: tagsSchema,
  templateVersion: z.int(),
  fullyQualifiedDomainName: z.string().nullable(),
  creation: z.object({
    requestedAt: isoTime,
    startedAt: isoTime.nullable(),
    readyAt: isoTime.nullable(),
    /** The long operation's poller, so that whoever comes next asks for this operation instead of sending another PUT. */
    poller: z.string().nullable(),
    failures: z.int(),
    failure: failureSchema.nullable(),
    nextTryAtMs: z.number().max(8.64e15),
  }),
  security: z.object({
    /** When every step was last seen as the template wants it; null: never yet. */
    verifiedAt: isoTime.nullable(),
    steps: z.record(z.string(), isoTime),
    /** Ways in that the template does not name, as last seen. */
    openings: z.array(z.object({ what: z.string(), severity: z.enum(severities) })).default([]),
  }),
  numbers: z.object({ databases: measureSchema.nullable(), serverDtus: measureSchema.nullable() }),
  numbersAt: isoTime.nullable(),
  usagesAt: isoTime.nullable(),
  reservations: z.array(reservationSchema),
  /** When Azure refused a further database on it, whatever our numbers say; null again as soon as it was counted after that. */
  refusedAt: isoTime.nullable().default(null),
  /** The fullest metric with what is reserved, as a fraction of its limit. What placement sorts by. */
  load: z.number(),
  /** Set by a person. `draining` and `retired` are believed only with it. */
  retirement: byWhom.nullable(),
});
export type Server = z.infer<typeof serverSchema>;

const sampleSchema = z.object({ atMs: z.number(), values: z.record(z.string(), z.number()) });
export type RegionSample = z.infer<typeof sampleSchema>;

/** What the monitor of a region remembers between two ticks. */
export const regionStateSchema = z.object({
  id: z.string(),
  kind: z.literal('state'),
  scope: z.string(),
  region: z.string(),
  fence: z.int(),
  /** The kill switch: while it is set nothing is created, secured or moved; looking and recording go on. */
  stopped: byWhom.nullable(),
  samples: z.array(sampleSchema),
  /**
   * How much each metric has grown since the region is looked after, on the servers that were counted before. A server that is
   * found with thousands of databases is not growth, and one that is lost is not shrinking.
   */
  grown: z.record(z.string(), z.number()),
  aboveCreate: z.record(z.string(), z.int()),
  creations: z.array(z.object({ server: z.string(), requestedAtMs: z.number(), durationMs: z.number().nullable() })),
  blocked: z
    .object({
      class: z.enum(failureClasses),
      message: z.string(),
      /** Null: until somebody changes the template or the settings, or resumes the region. */
      untilMs: z.number().nullable(),
      templateVersion: z.int(),
    })
    .nullable(),
  failuresInARow: z.int(),
  /** Names of quota tickets that were filed. */
  tickets: z.array(z.string()).default([]),
  unknownSinceMs: z.number().nullable(),
  regional: z.object({ servers: measureSchema.nullable(), regionalVCores: measureSchema.nullable() }),
  regionalAt: isoTime.nullable(),
  /** What the last tick decided, in short, so that the same decision is not recorded again and again. */
  lastDecision: z.string().nullable(),
  lastTickAt: isoTime.nullable(),
});
export type RegionState = z.infer<typeof regionStateSchema>;

export const alertSchema = z.object({
  id: z.string(),
  kind: z.literal('alert'),
  scope: z.string(),
  region: z.string(),
  key: z.string(),
  class: z.string(),
  subject: z.string(),
  severity: z.enum(severities),
  state: z.enum(['open', 'resolved']),
  message: z.string(),
  suggestion: z.string(),
  firstAt: isoTime,
  lastAt: isoTime,
  resolvedAt: isoTime.nullable(),
  /** Ticks that saw it. */
  seen: z.int(),
});
export type Alert = z.infer<typeof alertSchema>;

export const decisionSchema = z.object({
  id: z.string(),
  kind: z.literal('decision'),
  scope: z.string(),
  region: z.string(),
  at: isoTime,
  action: z.string(),
  server: z.string().nullable(),
  reasons: z.array(z.string()),
  corrections: z.array(z.object({ server: z.string(), change: z.string(), reason: z.string() })),
  facts: z.record(z.string(), z.unknown()),
});
export type DecisionRecord = z.infer<typeof decisionSchema>;

export const databaseStates = ['placing', 'creating', 'building', 'ready', 'failed'] as const;
export const databaseSchema = z.object({
  id: z.string(),
  kind: z.literal('database'),
  scope: z.string(),
  databaseId: z.string(),
  name: z.string(),
  request: z.object({
    regions: z.array(z.string()),
    tags: tagsSchema,
    sku: z.string().nullable(),
    elasticPool: z.string().nullable(),
    package: z.string().nullable(),
  }),
  requestedBy: z.string(),
  state: z.enum(databaseStates),
  region: z.string().nullable(),
  server: z.string().nullable(),
  fullyQualifiedDomainName: z.string().nullable(),
  poller: z.string().nullable(),
  /** Servers that refused it, so that the next try goes elsewhere. */
  refusedBy: z.array(z.string()),
  tries: z.int(),
  buildId: z.string().nullable(),
  failure: z.object({ code: z.string(), message: z.string() }).nullable(),
  createdAt: isoTime,
  changedAt: isoTime,
});
export type Database = z.infer<typeof databaseSchema>;

export const moveSchema = z.object({
  id: z.string(),
  kind: z.literal('move'),
  scope: z.string(),
  region: z.string(),
  server: z.string(),
  database: z.string(),
  fromPool: z.string(),
  /** Null: no pool has room. */
  toPool: z.string().nullable(),
  /** Of that pool, where it is another one: then it is only proposed, because clients would have to connect elsewhere. */
  toServer: z.string().nullable().default(null),
  state: z.enum(['proposed', 'moving', 'made', 'failed']),
  reason: z.string(),
  at: isoTime,
});
export type Move = z.infer<typeof moveSchema>;

// ---- The template -----------------------------------------------------------------------------------------------

const ruleResults = z.record(z.string().regex(/^VA\d{3,5}$/), z.array(z.array(z.string())));

/** `infra/sql-server-template.json` after its placeholders were filled in. */
export const templateSchema = z.strictObject({
  version: z.int().positive(),
  server: z.strictObject({
    version: z.string(),
    minimalTlsVersion: z.enum(['1.2', '1.3']),
    publicNetworkAccess: z.enum(['Enabled', 'Disabled']),
    restrictOutboundNetworkAccess: z.enum(['Enabled', 'Disabled']),
    identity: z.enum(['SystemAssigned', 'None']),
    administrators: z.strictObject({
      administratorType: z.literal('ActiveDirectory'),
      principalType: z.literal('Group'),
      login: z.string().min(1),
      sid: z.guid(),
      tenantId: z.guid(),
      azureADOnlyAuthentication: z.literal(true),
    }),
  }),
  tags: tagsSchema,
  firewallRules: z.array(z.strictObject({ name: z.string(), startIpAddress: z.ipv4(), endIpAddress: z.ipv4() })),
  virtualNetworkRules: z.array(z.strictObject({ name: z.string(), subnetId: z.string() })),
  auditing: z.strictObject({
    state: z.literal('Enabled'),
    isAzureMonitorTargetEnabled: z.boolean(),
    auditActionsAndGroups: z.array(z.string()).min(1),
  }),
  /** Where audit records go; null leaves that to an Azure Policy of the subscription. */
  diagnostics: z
    .strictObject({ name: z.string(), workspaceId: z.string().min(1), categories: z.array(z.string()).min(1) })
    .nullable(),
  threatProtection: z.strictObject({ state: z.literal('Enabled') }),
  vulnerabilityAssessment: z.strictObject({ state: z.literal('Enabled') }),
  /** Accepted results per rule, for `master`: what is in here is not reported as a finding. */
  baselines: ruleResults,
});
export type ServerTemplate = z.infer<typeof templateSchema>;
