import { type MetricView, type PooledView, type RegionFacts } from './facts';
import { exhaustedInMs, expectedGrowth, percentile, sightMs, theilSenSlope } from './forecast';
import { uncountedOn } from './load';
import { isInFlight, type regionalMetrics, type ServerMetric, utilisation } from './model';
import { type Policy } from './policy';
import { type Server } from './schema';

/** The numbers of a region, each against its thresholds and with where it is heading. No I/O. */

/** The 95th percentile of what creating took, twice, and the time until a tick sees it: what a server is away. */
export function leadMs(creations: RegionFacts['memory']['creations'], policy: Policy): number {
  const measured = creations.flatMap(({ durationMs }) => (durationMs === null ? [] : [durationMs]));
  const creationMs = measured.length === 0 ? policy.assumedCreationMs : percentile(measured, 0.95);
  return 2 * creationMs + policy.tickIntervalMs * policy.samplesToCreate;
}

/** On its way for the first time. A server that is secured once more is not: it holds up no other. */
export function isBeingCreated({ state, origin, creation }: Server): boolean {
  return isInFlight(state) && origin === 'provisioned' && creation.readyAt === null;
}

/** Null: not one number of it is known. */
export function pooledMetric(
  metric: ServerMetric,
  facts: RegionFacts,
  policy: Policy,
  lead: number,
): PooledView | null {
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
    const taken = number.value + (metric === 'databases' ? uncountedOn(server, facts.nowMs) : 0);
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
    exhaustedInMs: exhaustedInMs(value, limit, perMs, sightMs(samples)),
    sightMs: sightMs(samples),
  };
}

export function regionalMetric(
  metric: (typeof regionalMetrics)[number],
  facts: RegionFacts,
  policy: Policy,
  databases: PooledView | undefined,
): MetricView | null {
  const measure = facts.regional[metric];
  // -1 and 0 are answers of subscriptions that have no such quota: unknown, not exhausted.
  if (measure === null || measure.limit <= 0) return null;
  const samples = facts.memory.samples.flatMap(({ atMs, values }) => {
    const sampled = values[metric];
    return sampled === undefined ? [] : [{ atMs, value: sampled }];
  });
  // Servers come one by one, weeks apart, where no trend is seen: what they follow is the growth of what fills them.
  const perServer = databases === undefined ? 0 : policy.limits.databases * databases.create;
  const trend = metric === 'servers' && databases !== undefined ? databases : null;
  const perMs = trend === null ? Math.max(0, theilSenSlope(samples)) : trend.perMs / perServer;
  const sight = trend === null ? sightMs(samples) : trend.sightMs;
  return {
    metric,
    ...measure,
    ...policy.thresholds[metric],
    utilisation: utilisation(measure),
    headroom: null,
    perMs,
    exhaustedInMs: exhaustedInMs(measure.value, measure.limit, perMs, sight),
    sightMs: sight,
  };
}
