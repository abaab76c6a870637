import { type AzureMetrics } from '../platform/azure-monitor';
import { type AzureSql, type ElasticPool } from '../platform/azure-sql';
import { type Clock } from '../platform/clock';
import { messageOf } from '../platform/errors';
import { type Logger } from '../platform/logger';
import { type Alone, type TickResult } from './alone';
import { endOf, movesOf, poolElsewhere, type PoolHeat, type ProposedMove, settlingMs } from './moves';
import { createBudget } from './observe';
import { type Policy } from './policy';
import { type Move, type Server } from './schema';
import { type ServerStore } from './server-store';
import { type CapacityStore } from './store';

/**
 * Looks over the elastic pools of all ready servers, proposes moves, and makes them where the policy lets it. A move that was
 * begun is `made` when the database is seen in its new pool, in whatever run that is.
 */
export function createBalance(deps: {
  servers: ServerStore;
  store: CapacityStore;
  azure: AzureSql;
  heat: AzureMetrics;
  alone: Alone;
  policy: Policy;
  clock: Clock;
  logger: Logger;
}) {
  const { azure, heat, clock, logger, store } = deps;
  const { balancing } = deps.policy;

  /** Pools and databases without a number are left alone: unknown is not cool. */
  const measured = async <T extends { id: string }>(
    items: readonly T[],
    spend: () => boolean,
  ): Promise<(T & { percent: number })[]> => {
    const known: (T & { percent: number })[] = [];
    for (const item of items) {
      if (!spend()) break;
      const percent = await heat.heatPercent(item.id);
      if (percent !== null) known.push({ ...item, percent });
    }
    return known;
  };
  const poolsOf = async ({ resourceGroup, name }: Server, spend: () => boolean): Promise<PoolHeat[]> => {
    const pools = await measured(await azure.listElasticPools(resourceGroup, name), spend);
    return pools.map(({ percent, ...pool }) => ({ pool, percent }));
  };
  const movesFrom = async (
    { resourceGroup, name }: Server,
    pools: readonly PoolHeat[],
    settling: ReadonlySet<string>,
    spend: () => boolean,
  ): Promise<ProposedMove[]> => {
    const steady = pools.filter(({ pool }) => !settling.has(keyOf(name, pool.name)));
    const moves: ProposedMove[] = [];
    for (const hot of steady.filter(({ percent }) => percent >= balancing.hotPercent)) {
      const databases = await measured(await azure.listPooledDatabases(resourceGroup, name, hot.pool.name), spend);
      const others = steady.filter(({ pool }) => pool.id !== hot.pool.id);
      moves.push(...movesOf(hot, databases, others, balancing));
    }
    return moves;
  };
  const settle = async (
    server: Server,
    proposed: ProposedMove,
    allowed: boolean,
    elsewhere: ElasticPool | null,
  ): Promise<void> => {
    const at = new Date(clock.nowMs()).toISOString();
    const moving = allowed && proposed.to !== null;
    const move: Move = {
      // The same proposal on the same day is the same document; what is done is one of its own.
      id: `move-${moving ? at : at.slice(0, 10)}-${server.name}-${proposed.database}`.replace(/[^\w-]/g, '_'),
      kind: 'move',
      scope: server.region,
      region: server.region,
      server: server.name,
      database: proposed.database,
      fromPool: proposed.from.name,
      toPool: proposed.to?.name ?? elsewhere?.name ?? null,
      toServer: elsewhere?.server ?? null,
      state: moving ? 'moving' : 'proposed',
      reason: proposed.reason,
      at,
    };
    await store.putMove(move);
    if (!moving || proposed.to === null) return;
    try {
      await azure.moveToPool(server.resourceGroup, server.name, proposed.database, proposed.to.id);
    } catch (error) {
      await store.putMove({ ...move, state: 'failed', reason: `${move.reason}; ${messageOf(error)}` });
    }
  };

  /** Ends moves that have arrived; answers which pools have to settle first, because something went in or out just now. */
  const settled = async (region: string, servers: readonly Server[]): Promise<Set<string>> => {
    const { items } = await store.listMoves({ regions: [region] }, { pageSize: 1_000, continuation: null });
    const settling = new Set<string>();
    for (const move of items) {
      const recent = clock.nowMs() - Date.parse(move.at) < settlingMs;
      if (move.state === 'moving' || (move.state === 'made' && recent)) {
        for (const pool of [move.fromPool, move.toPool]) settling.add(keyOf(move.server, pool ?? ''));
      }
      const server = servers.find(({ name }) => name === move.server);
      if (move.state !== 'moving' || server === undefined) continue;
      const now = await azure.readDatabase(server.resourceGroup, server.name, move.database);
      const end = endOf(move, now?.elasticPoolId ?? null, clock.nowMs());
      if (end !== null) await store.putMove({ ...move, ...end });
    }
    return settling;
  };

  /** @returns how many moves were proposed */
  return async (region: string): Promise<TickResult> =>
    deps.alone(`${region}-balance`, async (_lease, stillAlone) => {
      if (balancing.mode === 'off') return 0;
      const { stopped } = await store.readState(region);
      const mayMove = balancing.mode === 'move' && deps.policy.mode === 'act' && stopped === null;
      const budget = createBudget(balancing.poolsPerRun);
      const spend = (): boolean => budget.spend();
      const ready = (await deps.servers.region(region)).servers
        .map(({ server }) => server)
        .filter(({ state }) => state === 'ready');
      const settling = await settled(region, ready);
      const looked: { server: Server; moves: ProposedMove[] }[] = [];
      const allPools: PoolHeat[] = [];
      for (const server of ready) {
        await stillAlone();
        try {
          const pools = await poolsOf(server, spend);
          allPools.push(...pools);
          looked.push({ server, moves: await movesFrom(server, pools, settling, spend) });
        } catch (error) {
          logger.warn('the pools of a server could not be looked at', { server: server.name, error: messageOf(error) });
        }
      }
      let proposals = 0;
      for (const { server, moves } of looked) {
        for (const move of moves) {
          const elsewhere = move.to === null ? poolElsewhere(move, allPools, balancing) : null;
          await settle(server, move, mayMove && proposals < balancing.maximumMovesPerRun, elsewhere);
          proposals += 1;
        }
      }
      return proposals;
    });
}

function keyOf(server: string, pool: string): string {
  return `${server}/${pool.toLowerCase()}`;
}
