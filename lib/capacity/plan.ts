import { type Condition, type MetricView, percent, type PooledView, type RegionFacts } from './facts';
import { guardAgainst, heldUp, quotaCondition, type Wish } from './guards';
import { isBeingCreated, leadMs, pooledMetric, regionalMetric } from './measures';
import { closeness, isInFlight, regionalMetrics, serverMetrics } from './model';
import { type Policy } from './policy';
import { type Server } from './schema';

/** The decision whether a region needs another server. Pure: the same facts give the same answer, with its reasons. */

export interface Decision {
  /** `unknown`: not enough was seen to decide. */
  action: 'none' | 'create' | 'wouldCreate' | 'unknown';
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

export function decide(facts: RegionFacts, policy: Policy): Decision {
  const lead = leadMs(facts.memory.creations, policy);
  const pooled = serverMetrics.flatMap((metric) => pooledMetric(metric, facts, policy, lead) ?? []);
  const counted = pooled.find(({ metric }) => metric === 'databases');
  const regional = regionalMetrics.flatMap((metric) => regionalMetric(metric, facts, policy, counted) ?? []);
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
  // Between the reset and the create threshold the count is kept, but it asks for nothing.
  if (view.utilisation < view.create || samplesAbove < policy.samplesToCreate) return null;
  const reason = `${of}, above the create threshold ${percent(view.create)} for ${samplesAbove} samples`;
  return { view, closeness: near, urgent: false, reason };
}

function firstServer({ region }: RegionFacts): Wish {
  return { view: null, closeness: 0.5, urgent: true, reason: `${region} has no server yet` };
}

function enough(view: PooledView): string {
  return `${view.metric} at ${percent(view.utilisation)}, below the create threshold ${percent(view.create)}; room for ${Math.floor(view.headroom)}`;
}
