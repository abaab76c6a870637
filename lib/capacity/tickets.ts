import { type AzureTickets } from '../platform/azure-tickets';
import { messageOf } from '../platform/errors';
import { type Condition } from './facts';
import { mostServersPerRegion, wantedQuota } from './guards';
import { type Policy } from './policy';
import { type Correction } from './registry';
import { type RegionState } from './schema';

export interface Filed {
  /** Names of tickets, for the monitor to remember. */
  tickets: string[];
  corrections: Correction[];
  conditions: Condition[];
}

/**
 * Files the ticket that the alert about the quota of logical servers suggests, where the policy allows that; once per region and
 * limit. Other quotas are left to people: Azure documents no request for vCores of a region.
 */
export function createFileTickets(deps: { tickets: AzureTickets; policy: Policy; environment: string }) {
  const { quotaTickets } = deps.policy;
  return async (
    region: string,
    memory: Pick<RegionState, 'regional' | 'tickets' | 'stopped'>,
    conditions: readonly Condition[],
  ): Promise<Filed> => {
    const filed: Filed = { tickets: memory.tickets, corrections: [], conditions: [] };
    const asked = conditions.find(({ class: kind, subject }) => kind === 'quota' && subject === 'servers');
    const limit = memory.regional.servers?.limit ?? 0;
    const allowed = deps.policy.mode === 'act' && memory.stopped === null && quotaTickets.mode === 'file';
    if (!allowed || asked === undefined || quotaTickets.contact === null) return filed;
    if (limit <= 0 || limit >= mostServersPerRegion) return filed;
    const newLimit = wantedQuota('servers', limit);
    const name = `sqlfleet-${deps.environment}-${region}-servers-${newLimit}`;
    if (memory.tickets.includes(name)) return filed;
    try {
      const outcome = await deps.tickets.fileServerQuota({
        name,
        region,
        newLimit,
        description: `SQL logical servers in ${region}: ${newLimit} instead of ${limit}. ${asked.message}`,
        contact: quotaTickets.contact,
      });
      filed.tickets = [...memory.tickets, name].slice(-20);
      const reason = `${newLimit} instead of ${limit} logical servers, by the ticket ${name}`;
      filed.corrections.push({ server: region, change: outcome === 'filed' ? 'ticket filed' : 'ticket known', reason });
    } catch (error) {
      filed.conditions.push({
        class: 'ticket-not-filed',
        subject: name,
        severity: 'warning',
        message: `The ticket ${name} could not be filed: ${messageOf(error)}`,
        suggestion: 'File it by hand, or give the app Support Request Contributor on the subscription.',
      });
    }
    return filed;
  };
}
