import { z } from 'zod';
import { failureClasses, isInFlight, type Metric } from './model';
import { fit } from './placement';
import { type MetricView } from './facts';
import { reservedOn } from './load';
import { type Policy } from './policy';
import {
  type Alert,
  alertSchema,
  type Database,
  databaseSchema,
  type DecisionRecord,
  decisionSchema,
  type Move,
  moveSchema,
  type RegionState,
  type Server,
  serverStateSchema,
} from './schema';

/** What callers of the API see. The documents behind it may change; this may not, without a new version. */

const measureViewSchema = z.object({
  value: z.number().nullable().meta({ description: 'Null: not counted yet.' }),
  limit: z.number(),
  create: z.number().meta({ description: 'From here on a server is added, over the whole region.' }),
  ceiling: z.number().meta({ description: 'From here on nothing is placed on it.' }),
  alert: z.number().meta({ description: 'From here on an alert is raised.' }),
});

export const serverViewSchema = z
  .object({
    name: z.string(),
    region: z.string(),
    resourceGroup: z.string(),
    fullyQualifiedDomainName: z.string().nullable(),
    state: serverStateSchema,
    stateSince: z.string(),
    reason: z.string(),
    placeable: z.boolean().meta({ description: 'Ready, and below its ceiling.' }),
    load: z.number().meta({ description: 'The fullest metric with what is reserved, as a fraction of its limit.' }),
    databases: measureViewSchema,
    reserved: z.int(),
    serverDtus: z.object({ value: z.number(), limit: z.number() }).nullable(),
    countedAt: z.string().nullable(),
    ageSeconds: z.int().nullable().meta({ description: 'Of the numbers.' }),
    securedAt: z.string().nullable(),
    tags: z.record(z.string(), z.string()),
    origin: z.enum(['provisioned', 'adopted']),
    failure: z
      .object({ class: z.enum(failureClasses), code: z.string(), message: z.string(), at: z.string() })
      .nullable(),
    links: z.object({ self: z.string() }),
  })
  .meta({ id: 'SqlServer', description: 'One logical server, its state, and its numbers against the thresholds.' });
export type ServerView = z.infer<typeof serverViewSchema>;

export function serverView(server: Server, policy: Policy, nowMs: number, apiUrl: string): ServerView {
  const { create, ceiling, alert } = policy.thresholds.databases;
  const limit = server.numbers.databases?.limit ?? policy.limits.databases;
  const value = server.numbers.databases?.value ?? null;
  const reserved = reservedOn(server, nowMs);
  const placeable = fit(server, { tags: {}, count: 1, not: [] }, nowMs, policy).fits;
  return {
    name: server.name,
    region: server.region,
    resourceGroup: server.resourceGroup,
    fullyQualifiedDomainName: server.fullyQualifiedDomainName,
    state: server.state,
    stateSince: server.stateSince,
    reason: server.reason,
    placeable,
    load: server.load,
    databases: { value, limit, create: limit * create, ceiling: Math.floor(limit * ceiling), alert: limit * alert },
    reserved,
    serverDtus: server.numbers.serverDtus,
    countedAt: server.numbersAt,
    ageSeconds: server.numbersAt === null ? null : Math.round((nowMs - Date.parse(server.numbersAt)) / 1_000),
    securedAt: server.security.verifiedAt,
    tags: server.tags,
    origin: server.origin,
    failure: server.creation.failure,
    links: { self: `${apiUrl}/sqlServers/${server.name}` },
  };
}

const metricViewSchema = z.object({
  metric: z.string(),
  value: z.number(),
  limit: z.number(),
  create: z.number(),
  alert: z.number(),
  utilisation: z.number(),
  headroom: z.number().nullable(),
  growthPerDay: z.number(),
  daysToExhaustion: z.number().nullable(),
});

const dayMs = 86_400_000;
export function metricView(view: MetricView): z.infer<typeof metricViewSchema> {
  const { metric, value, limit, create, alert, utilisation, headroom, perMs, exhaustedInMs } = view;
  return {
    metric: metric satisfies Metric,
    value,
    limit,
    create: create * limit,
    alert: alert * limit,
    utilisation,
    headroom,
    growthPerDay: perMs * dayMs,
    daysToExhaustion: exhaustedInMs === null ? null : exhaustedInMs / dayMs,
  };
}

export const regionViewSchema = z
  .object({
    region: z.string(),
    mode: z.enum(['act', 'observe']),
    stopped: z.object({ actor: z.string(), reason: z.string(), at: z.string() }).nullable(),
    blocked: z.string().nullable().meta({ description: 'Why the region takes no server at present.' }),
    servers: z.record(z.string(), z.int()).meta({ description: 'Servers by state.' }),
    inFlight: z.int(),
    metrics: z.array(metricViewSchema),
    wouldDo: z.object({ action: z.string(), reasons: z.array(z.string()) }),
    openAlerts: z.int(),
    leadSeconds: z.number().meta({ description: 'How long a server is away, as measured.' }),
    lastTickAt: z.string().nullable(),
    quotasAt: z.string().nullable(),
  })
  .meta({ id: 'CapacityRegion', description: 'One region: what it has, what it can take, and where it is heading.' });
export type RegionView = z.infer<typeof regionViewSchema>;

export function regionView(
  region: string,
  state: RegionState,
  servers: readonly Server[],
  decision: { action: string; reasons: string[]; metrics: MetricView[] },
  facts: { mode: Policy['mode']; openAlerts: number; leadMs: number },
): RegionView {
  const byState: Record<string, number> = {};
  for (const server of servers) byState[server.state] = (byState[server.state] ?? 0) + 1;
  return {
    region,
    mode: facts.mode,
    stopped: state.stopped,
    blocked: state.blocked?.message ?? null,
    servers: byState,
    inFlight: servers.filter((server) => isInFlight(server.state)).length,
    metrics: decision.metrics.map(metricView),
    wouldDo: { action: decision.action, reasons: decision.reasons },
    openAlerts: facts.openAlerts,
    leadSeconds: facts.leadMs / 1_000,
    lastTickAt: state.lastTickAt,
    quotasAt: state.regionalAt,
  };
}

export const placedViewSchema = z
  .object({
    server: serverViewSchema,
    reservation: z.object({ id: z.string(), count: z.int(), expiresAt: z.string() }),
  })
  .meta({ id: 'Placement', description: 'The best server, with a promise that holds until it expires or is settled.' });

export const databaseViewSchema = databaseSchema
  .omit({ id: true, kind: true, scope: true, databaseId: true, poller: true, refusedBy: true, tries: true })
  .extend({ id: z.string(), links: z.object({ self: z.string(), build: z.string().nullable() }) })
  .meta({ id: 'Database', description: 'A new database on its way, or ready.' });
export function databaseView(database: Database, apiUrl: string): z.infer<typeof databaseViewSchema> {
  const {
    kind: _kind,
    scope: _scope,
    databaseId,
    poller: _poller,
    refusedBy: _refusedBy,
    tries: _tries,
    ...rest
  } = database;
  return {
    ...rest,
    links: {
      self: `${apiUrl}/databases/${databaseId}`,
      build: database.buildId === null ? null : `${apiUrl}/builds/${database.buildId}`,
    },
  };
}

export const alertViewSchema = alertSchema
  .omit({ kind: true, scope: true })
  .meta({ id: 'CapacityAlert', description: 'Something that is wrong, and what to do about it.' });
export function alertView({ kind: _kind, scope: _scope, ...alert }: Alert): z.infer<typeof alertViewSchema> {
  return alert;
}

export const decisionViewSchema = decisionSchema
  .omit({ kind: true, scope: true })
  .meta({ id: 'CapacityDecision', description: 'What a tick decided, corrected and did, and why.' });
export function decisionView({
  kind: _kind,
  scope: _scope,
  ...decision
}: DecisionRecord): z.infer<typeof decisionViewSchema> {
  return decision;
}

export const moveViewSchema = moveSchema
  .omit({ kind: true, scope: true })
  .meta({ id: 'DatabaseMove', description: 'A hot database that had better be elsewhere.' });
export function moveView({ kind: _kind, scope: _scope, ...move }: Move): z.infer<typeof moveViewSchema> {
  return move;
}

export const simulationViewSchema = z
  .object({
    placed: z.int(),
    unplaceable: z.int(),
    steps: z.array(
      z.object({
        afterMs: z.number(),
        action: z.enum(['create', 'wouldCreate']),
        server: z.string(),
        reasons: z.array(z.string()),
      }),
    ),
    reasons: z.array(z.string()),
    conditions: z.array(
      z.object({
        class: z.string(),
        subject: z.string(),
        severity: z.string(),
        message: z.string(),
        suggestion: z.string(),
      }),
    ),
  })
  .meta({ id: 'CapacitySimulation', description: 'What the monitor would do. Nothing was changed.' });
