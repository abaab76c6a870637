import { exhaustedInMs, expectedGrowth, percentile, theilSenSlope } from './forecast';
import {
  closeness,
  isInFlight,
  type Measure,
  type Metric,
  regionalMetrics,
  serverMetrics,
  type ServerMetric,
  type Severity,
  severityOf,
  utilisation,
} from './model';
import { type Policy } from './policy';
import { type RegionState, type Server } from './schema';

/** The decision whether a region needs another server. Pure: the same facts give the same answer, with its reasons. */

/** What is wrong now, and what to do about it. Becomes an alert. */
export interface Condition {
  /** Identifies the alert within the region, together with `subject`. */
  class: string;
  /** A metric or a server. */
  subject: string;
  severity: Severity;
  message: string;
  suggestion: string;
}

export interface MetricView {
  metric: Metric;
  value: number;
  limit: number;
  create: number;
  alert: number;
  utilisation: number;
  headroom: number | null;
  perMs: number;
  exhaustedInMs: number | null;
}

export interface RegionFacts {
  region: string;
  nowMs: number;
  /** Every document of the region, with numbers as fresh as they could be had. */
  servers: readonly Server[];
  /** Quotas of the region; null where Azure did not say. */
  regional: { servers: Measure | null; regionalVCores: Measure | null };
  memory: Pick<RegionState, 'samples' | 'aboveCreate' | 'creations' | 'blocked' | 'failuresInARow' | 'stopped'>;
  templateVersion: number;
  /** Other regions that are looked after, for suggestions. */
  otherRegions: readonly string[];
}

export interface Decision {
  action: 'none' | 'create' | 'wouldCreate';
  /** In order of importance, for people. */
  reasons: string[];
  conditions: Condition[];
  metrics: MetricView[];
  aboveCreate: Record<string, number>;
  /** Whether there is less to place than there should be at any time. */
  belowHeadroom: boolean;
  /** A server is needed, whether or not it may be created. */
  needed: boolean;
}

/** The 95th percentile of what creating took, twice, and the time until a tick sees it: what a server is away. */
export function leadMs(creations: RegionFacts['memory']['creations'], policy: Policy): number {
  const measured = creations.flatMap(({ durationMs }) => (durationMs === null ? [] : [durationMs]));
  const creationMs = measured.length === 0 ? policy.assumedCreationMs : percentile(measured, 0.95);
  return 2 * creationMs + policy.tickIntervalMs * policy.samplesToCreate;
}

/** Placed and promised, of one metric, on one server. Reservations count as databases. */
export function loadOf(server: Pick<Server, 'numbers' | 'reservations'>, nowMs: number, policy: Policy): number {
  const databases = server.numbers.databases ?? { value: 0, limit: policy.limits.databases };
  const promised = databases.value + reservedOn(server, nowMs);
  const { serverDtus } = server.numbers;
  return Math.max(
    utilisation({ ...databases, value: promised }),
    serverDtus === null || serverDtus.limit <= 0 ? 0 : utilisation(serverDtus),
  );
}

export function reservedOn({ reservations }: Pick<Server, 'reservations'>, nowMs: number): number {
  return reservations.reduce(
    (sum, { count, expiresAtMs, confirmedAtMs }) => (confirmedAtMs !== null || expiresAtMs > nowMs ? sum + count : sum),
    0,
  );
}

export function decide(facts: RegionFacts, policy: Policy): Decision {
  const lead = leadMs(facts.memory.creations, policy);
  const pooled = serverMetrics.flatMap((metric) => pooledMetric(metric, facts, policy, lead) ?? []);
  const regional = regionalMetrics.flatMap((metric) => regionalMetric(metric, facts, policy) ?? []);
  const inFlight = facts.servers.filter(isBeingCreated);
  const conditions: Condition[] = regional.flatMap((view) => quotaCondition(view, facts, policy));

  const aboveCreate: Record<string, number> = {};
  const wishes: Wish[] = [];
  for (const view of pooled) {
    const { reset } = policy.thresholds[view.metric];
    const before = facts.memory.aboveCreate[view.metric] ?? 0;
    aboveCreate[view.metric] = view.utilisation >= view.create ? before + 1 : view.utilisation < reset ? 0 : before;
    const wish = wishFor(view, aboveCreate[view.metric] ?? 0, policy);
    if (wish !== null) wishes.push(wish);
  }
  if (pooled.length === 0 && !facts.servers.some(({ state }) => isComing(state, policy))) {
    wishes.push(firstServer(facts));
  }

  const belowHeadroom = pooled.some((view) => view.headroom < view.wanted);
  const metrics: MetricView[] = [...pooled, ...regional];
  const base = { metrics, aboveCreate, belowHeadroom, needed: wishes.length > 0 };
  const wish = wishes.sort((a, b) => b.closeness - a.closeness)[0];
  if (wish === undefined) {
    const fullest = [...pooled].sort((a, b) => b.utilisation - a.utilisation)[0];
    const reasons = [fullest === undefined ? 'nothing could be measured' : enough(fullest)];
    return { ...base, action: 'none', reasons, conditions };
  }
  const guard = guardAgainst(wish, inFlight, facts, policy);
  if (guard === null) {
    const action = policy.mode === 'act' ? 'create' : 'wouldCreate';
    return { ...base, action, reasons: [wish.reason], conditions };
  }
  if (guard.alarming) conditions.push(heldUp(wish, guard, facts));
  return { ...base, action: 'none', reasons: [wish.reason, guard.reason], conditions };
}

/** There, or about to be: a server that is taken over is not counted yet, but a region with it is not without servers. */
function isComing(state: Server['state'], policy: Policy): boolean {
  return state === 'ready' || isInFlight(state) || (state === 'quarantined' && policy.adoption === 'automatic');
}

/** On its way for the first time. A server that is secured once more is not: it holds up no other. */
export function isBeingCreated({ state, origin, creation }: Server): boolean {
  return isInFlight(state) && origin === 'provisioned' && creation.readyAt === null;
}

interface PooledView extends MetricView {
  metric: ServerMetric;
  headroom: number;
  /** What should be placeable at any time: the growth to expect until a server is there, or the minimum. */
  wanted: number;
  projected: number;
}

interface Wish {
  view: PooledView | null;
  closeness: number;
  /** Samples in a row and cool-down are for noise; this is not noise. */
  urgent: boolean;
  reason: string;
}

/** Null: not one number of it is known. */
function pooledMetric(metric: ServerMetric, facts: RegionFacts, policy: Policy, lead: number): PooledView | null {
  const thresholds = policy.thresholds[metric];
  const defaultLimit = metric === 'databases' ? policy.limits.databases : null;
  let value = 0;
  let limit = 0;
  let headroom = 0;
  let known = 0;
  for (const server of facts.servers) {
    const coming = isBeingCreated(server);
    if (!isInFlight(server.state) && server.state !== 'ready') continue;
    const measure = server.numbers[metric];
    // Unknown is not empty: a ready server without numbers offers nothing. One that is being created has nothing on it.
    const number = measure ?? (coming && defaultLimit !== null ? { value: 0, limit: defaultLimit } : null);
    if (number === null || number.limit <= 0) continue;
    known += 1;
    const taken = number.value + (metric === 'databases' ? reservedOn(server, facts.nowMs) : 0);
    value += taken;
    limit += number.limit;
    headroom += Math.max(0, Math.floor(number.limit * thresholds.ceiling) - taken);
  }
  if (known === 0) return null;
  const samples = facts.memory.samples.flatMap(({ atMs, values }) => {
    const sampled = values[metric];
    return sampled === undefined ? [] : [{ atMs, value: sampled }];
  });
  const perMs = Math.max(0, theilSenSlope(samples));
  const growth = expectedGrowth(samples, lead);
  return {
    metric,
    value,
    limit,
    create: thresholds.create,
    alert: thresholds.alert,
    utilisation: value / limit,
    headroom,
    wanted: Math.max(metric === 'databases' ? policy.minimumHeadroom : 0, growth),
    projected: (value + growth) / limit,
    perMs,
    exhaustedInMs: exhaustedInMs(value, limit, perMs),
  };
}

function regionalMetric(
  metric: (typeof regionalMetrics)[number],
  facts: RegionFacts,
  policy: Policy,
): MetricView | null {
  const measure = facts.regional[metric];
  // -1 and 0 are answers of subscriptions that have no such quota: unknown, not exhausted.
  if (measure === null || measure.limit <= 0) return null;
  const samples = facts.memory.samples.flatMap(({ atMs, values }) => {
    const sampled = values[metric];
    return sampled === undefined ? [] : [{ atMs, value: sampled }];
  });
  const perMs = Math.max(0, theilSenSlope(samples));
  return {
    metric,
    ...measure,
    ...policy.thresholds[metric],
    utilisation: utilisation(measure),
    headroom: null,
    perMs,
    exhaustedInMs: exhaustedInMs(measure.value, measure.limit, perMs),
  };
}

function wishFor(view: PooledView, samplesAbove: number, policy: Policy): Wish | null {
  const near = closeness(Math.max(view.utilisation, view.projected), view);
  const of = `${view.metric} at ${percent(view.utilisation)} of the region's ${Math.round(view.limit)}`;
  if (near >= 0.5) {
    const reason = `${of}, ${percent(view.projected)} expected before a server could be there`;
    return { view, closeness: near, urgent: true, reason };
  }
  if (view.headroom < view.wanted) {
    const reason = `${of}: room for ${Math.floor(view.headroom)} below the ceiling, ${Math.ceil(view.wanted)} wanted`;
    return { view, closeness: near, urgent: true, reason };
  }
  if (samplesAbove < policy.samplesToCreate) return null;
  const reason = `${of}, above the create threshold ${percent(view.create)} for ${samplesAbove} samples`;
  return { view, closeness: near, urgent: false, reason };
}

function firstServer({ region }: RegionFacts): Wish {
  return { view: null, closeness: 0.5, urgent: true, reason: `${region} has no server yet` };
}

interface Guard {
  reason: string;
  /** It holds up what is needed, and does not go away by itself within minutes. */
  alarming: boolean;
  terminal: boolean;
  suggestion: string;
}

/** What forbids to create now; null: nothing does. */
function guardAgainst(wish: Wish, inFlight: readonly Server[], facts: RegionFacts, policy: Policy): Guard | null {
  const { memory, nowMs, region } = facts;
  const waiting = (reason: string): Guard => ({ reason, alarming: false, terminal: false, suggestion: '' });
  const holdUp = (reason: string, suggestion: string, terminal = false): Guard => ({
    reason,
    alarming: true,
    terminal,
    suggestion,
  });
  if (memory.stopped !== null) {
    const { actor, reason } = memory.stopped;
    return holdUp(`stopped by ${actor}: ${reason}`, `Resume the region ${region} when the reason is gone.`);
  }
  if (inFlight.length > 0) return waiting(`${inFlight.map(({ name }) => name).join(', ')} is on its way`);
  const { blocked } = memory;
  const unblocked =
    blocked === null ||
    (blocked.untilMs === null ? blocked.templateVersion !== facts.templateVersion : blocked.untilMs <= nowMs);
  if (!unblocked) {
    const suggestion =
      blocked.class === 'region'
        ? `Place into another region${elsewhere(facts)}, or ask Azure for access to ${region}.`
        : `Correct the template or the settings, raise the template's version, then resume ${region}.`;
    return holdUp(`${region} takes no server: ${blocked.message}`, suggestion, blocked.class === 'configuration');
  }
  const lastReadyMs = Math.max(
    0,
    ...memory.creations.map(({ requestedAtMs, durationMs }) => (durationMs === null ? 0 : requestedAtMs + durationMs)),
  );
  if (!wish.urgent && nowMs - lastReadyMs < policy.coolDownMs) {
    return waiting('a server became ready just now, and its room has to show first');
  }
  const today = memory.creations.filter(({ requestedAtMs }) => nowMs - requestedAtMs < dayMs).length;
  if (today >= policy.maximumServersPerDay) {
    return holdUp(
      `${today} servers were created within a day, which is the limit`,
      'Find out what grows so fast; raise maximumServersPerDay if it should.',
    );
  }
  const quota = facts.regional.servers;
  if (quota === null || quota.limit <= 0) {
    if (wish.closeness >= 0.5) return null;
    return holdUp('Azure does not say how many servers the region may have', 'It is asked again at the next tick.');
  }
  if (quota.value >= quota.limit - policy.quotaReserve) {
    return holdUp(
      `${quota.value} of ${quota.limit} servers of the region's quota are used, ${policy.quotaReserve} are kept in reserve`,
      quotaSuggestion('servers', quota.limit, facts),
      true,
    );
  }
  return null;
}

function heldUp(wish: Wish, guard: Guard, facts: RegionFacts): Condition {
  const exhausted = wish.view?.exhaustedInMs ?? null;
  return {
    class: 'creation-held-up',
    subject: wish.view?.metric ?? 'servers',
    severity: severityOf({
      closeness: wish.closeness,
      failures: facts.memory.failuresInARow,
      terminal: guard.terminal,
      exhaustedWithinLead: exhausted !== null && exhausted < dayMs / 24,
    }),
    message: `${facts.region} needs a server and gets none: ${wish.reason}; ${guard.reason}.`,
    suggestion: guard.suggestion,
  };
}

/** Days pass before a quota ticket is answered, so it is asked for when the forecast reaches the alert, not the limit. */
function quotaCondition(view: MetricView, facts: RegionFacts, policy: Policy): Condition[] {
  if (view.metric === 'databases' || view.metric === 'serverDtus') return [];
  const projected = (view.value + view.perMs * policy.quotaLeadMs) / view.limit;
  if (view.utilisation < view.create && projected < view.alert) return [];
  return [
    {
      class: 'quota',
      subject: view.metric,
      severity: severityOf({
        closeness: closeness(view.utilisation, view),
        failures: 0,
        terminal: true,
        exhaustedWithinLead: view.exhaustedInMs !== null && view.exhaustedInMs < policy.quotaLeadMs,
      }),
      message:
        `${facts.region} uses ${Math.round(view.value)} of ${view.limit} ${quotaNames[view.metric]}, ` +
        `${percent(projected)} expected within ${Math.round(policy.quotaLeadMs / dayMs)} days. Another server does not cure it.`,
      suggestion: quotaSuggestion(view.metric, view.limit, facts),
    },
  ];
}

const dayMs = 86_400_000;
const quotaNames = { servers: 'logical servers (ServerQuota)', regionalVCores: 'vCores' } as const;

function quotaSuggestion(metric: 'servers' | 'regionalVCores', limit: number, facts: RegionFacts): string {
  const wanted = Math.ceil(limit * 1.5);
  const ticket =
    metric === 'servers' && limit >= 250
      ? '250 servers per region is the most that Azure gives: use another subscription'
      : `Ask for a quota of ${metric === 'servers' ? Math.min(250, wanted) : wanted} ${quotaNames[metric]} in ${facts.region} by a support ticket`;
  return `${ticket}, or place into another region${elsewhere(facts)}.`;
}

function elsewhere({ otherRegions }: RegionFacts): string {
  return otherRegions.length === 0 ? '' : ` (${otherRegions.join(', ')})`;
}

function enough(view: PooledView): string {
  return `${view.metric} at ${percent(view.utilisation)}, below the create threshold ${percent(view.create)}; room for ${Math.floor(view.headroom)}`;
}

export function percent(part: number): string {
  return `${(part * 100).toFixed(1)} %`;
}
