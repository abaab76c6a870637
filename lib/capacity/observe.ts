import { type AzureCounts } from '../platform/azure-counts';
import { type ArmServer, type AzureSql, type Usage } from '../platform/azure-sql';
import { type Clock } from '../platform/clock';
import { forEachConcurrently } from '../platform/concurrency';
import { type Logger } from '../platform/logger';
import { messageOf } from '../platform/errors';
import { type Measure } from './model';
import { type Policy } from './policy';
import { type Server } from './schema';

/** What Azure says, or that it does not say. */
export type Known<T> = { known: true; value: T } | { known: false; because: string };

/** ARM calls that one tick may still make beyond the fixed ones. What it cannot afford waits for the next tick. */
export interface Budget {
  /** false: it is used up. */
  spend(): boolean;
}

export function createBudget(requests: number): Budget {
  let spent = 0;
  return {
    spend() {
      if (spent >= requests) return false;
      spent += 1;
      return true;
    },
  };
}

const concurrency = 16;
const usagesOlderThanMs = 6 * 3_600_000;
/** A count that halves or doubles at once, by more than this, is counted again by listing. */
const suspiciousChange = 50;

function isHardToBelieve(count: number, { numbers }: Server, limit: number): boolean {
  const before = numbers.databases?.value ?? null;
  if (count > limit && (before === null || before <= limit)) return true;
  if (before === null) return false;
  return Math.abs(count - before) > suspiciousChange && (count < before / 2 || count > before * 2);
}

export function createObserve(deps: {
  azure: AzureSql;
  counts: AzureCounts;
  policy: Policy;
  clock: Clock;
  logger: Logger;
}) {
  const { azure, policy, clock, logger } = deps;
  const known = async <T>(what: string, ask: () => Promise<T>): Promise<Known<T>> => {
    try {
      return { known: true, value: await ask() };
    } catch (error) {
      logger.warn('capacity could not look at something; it is unknown', { what, error: messageOf(error) });
      return { known: false, because: messageOf(error) };
    }
  };
  return {
    /** A few requests: the server list of the subscription, a page at a time. */
    servers: (region: string): Promise<Known<ArmServer[]>> =>
      known('servers', async () => (await azure.listServers()).filter((server) => server.region === region)),

    /** One request. Null per quota that Azure does not name. */
    quotas: (region: string): Promise<Known<{ servers: Measure | null; regionalVCores: Measure | null }>> =>
      known('quotas', async () => {
        const usages = await azure.regionalUsages(region);
        return {
          servers: measureOf(usages, 'ServerQuota'),
          regionalVCores: measureOf(usages, 'RegionalVCoreQuotaForSQLDBAndDW'),
        };
      }),

    /**
     * Databases per server. Resource Graph counts all of them in one request for every thousand servers; those that it does
     * not name, or of which it says something hard to believe, are counted by listing, within the budget, the longest
     * unseen first. Who is not in the answer is unknown this time.
     */
    async databases(
      servers: readonly Server[],
      budget: Budget,
    ): Promise<Map<string, { count: number; fromMs: number }>> {
      const found = new Map<string, { count: number; fromMs: number }>();
      const fromMs = clock.nowMs();
      const graph = await known('database counts', () => deps.counts.databasesPerServer());
      const doubtful: Server[] = [];
      for (const server of servers) {
        const count = graph.known ? graph.value.get(server.name) : undefined;
        if (count === undefined || isHardToBelieve(count, server, policy.limits.databases)) doubtful.push(server);
        else found.set(server.name, { count, fromMs });
      }
      doubtful.sort((a, b) => (a.numbersAt ?? '').localeCompare(b.numbersAt ?? ''));
      await forEachConcurrently(doubtful, concurrency, async (server) => {
        if (!budget.spend()) return;
        const begunMs = clock.nowMs();
        const count = await known(`databases of ${server.name}`, () =>
          azure.countDatabases(server.resourceGroup, server.name),
        );
        if (count.known) found.set(server.name, { count: count.value, fromMs: begunMs });
      });
      return found;
    },

    /** DTU limits per server, where there still are any: one request per server, so each is asked a few times a day. */
    async usages(servers: readonly Server[], budget: Budget): Promise<Map<string, Measure | null>> {
      const found = new Map<string, Measure | null>();
      const nowMs = clock.nowMs();
      const due = servers
        .filter(({ usagesAt }) => usagesAt === null || nowMs - Date.parse(usagesAt) > usagesOlderThanMs)
        .sort((a, b) => (a.usagesAt ?? '').localeCompare(b.usagesAt ?? ''));
      await forEachConcurrently(due, concurrency, async (server) => {
        if (!budget.spend()) return;
        const usages = await known(`usages of ${server.name}`, () =>
          azure.serverUsages(server.resourceGroup, server.name),
        );
        if (usages.known) found.set(server.name, dtusOf(usages.value));
      });
      return found;
    },
  };
}
export type Observe = ReturnType<typeof createObserve>;

/** Null also for a limit that is no limit: "-1" and "0" are what subscriptions without the quota answer. */
function measureOf(usages: readonly Usage[], name: string): Measure | null {
  const usage = usages.find((each) => each.name.toLowerCase() === name.toLowerCase());
  return usage === undefined || usage.limit <= 0 ? null : { value: usage.value, limit: usage.limit };
}

/** `server_dtu_quota` holds the limit; what is used stands in `server_dtu_quota_current`, or in the quota's own value. */
export function dtusOf(usages: readonly Usage[]): Measure | null {
  const quota = measureOf(usages, 'server_dtu_quota');
  if (quota === null) return null;
  const current = usages.find(({ name }) => name.toLowerCase() === 'server_dtu_quota_current');
  return { value: current?.value ?? quota.value, limit: quota.limit };
}
