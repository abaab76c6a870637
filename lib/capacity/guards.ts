import { type Condition, type MetricView, percent, type PooledView, type RegionFacts } from './facts';
import { closeness, severityOf } from './model';
import { type Policy } from './policy';
import { type Server } from './schema';

/** What forbids to create a server although one is needed, and what cures that. No I/O. */

/** A server is needed. */
export interface Wish {
  view: PooledView | null;
  closeness: number;
  /** Samples in a row and cool-down are for noise; this is not noise. */
  urgent: boolean;
  reason: string;
}

export interface Guard {
  reason: string;
  /** It holds up what is needed, and does not go away by itself within minutes. */
  alarming: boolean;
  terminal: boolean;
  suggestion: string;
}

/** What forbids to create now; null: nothing does. */
export function guardAgainst(
  wish: Wish,
  inFlight: readonly Server[],
  facts: RegionFacts,
  policy: Policy,
): Guard | null {
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

export function heldUp(wish: Wish, guard: Guard, facts: RegionFacts): Condition {
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
export function quotaCondition(view: MetricView, facts: RegionFacts, policy: Policy): Condition[] {
  if (view.metric === 'databases' || view.metric === 'serverDtus') return [];
  const projected = (view.value + view.perMs * Math.min(policy.quotaLeadMs, view.sightMs)) / view.limit;
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

/** The most that Azure gives a subscription in one region. */
export const mostServersPerRegion = 250;

/** What to ask for when a quota comes to its end. */
export function wantedQuota(metric: 'servers' | 'regionalVCores', limit: number): number {
  const wanted = Math.ceil(limit * 1.5);
  return metric === 'servers' ? Math.min(mostServersPerRegion, wanted) : wanted;
}

function quotaSuggestion(metric: 'servers' | 'regionalVCores', limit: number, facts: RegionFacts): string {
  const ticket =
    metric === 'servers' && limit >= mostServersPerRegion
      ? `${mostServersPerRegion} servers per region is the most that Azure gives: use another subscription`
      : `Ask for a quota of ${wantedQuota(metric, limit)} ${quotaNames[metric]} in ${facts.region} by a support ticket`;
  return `${ticket}, or place into another region${elsewhere(facts)}.`;
}

function elsewhere({ otherRegions }: RegionFacts): string {
  return otherRegions.length === 0 ? '' : ` (${otherRegions.join(', ')})`;
}
