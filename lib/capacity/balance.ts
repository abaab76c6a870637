import { type AzureMetrics } from '../platform/azure-monitor';
import { type AzureSql, type ElasticPool } from '../platform/azure-sql';
import { type Clock } from '../platform/clock';
import { messageOf } from '../platform/errors';
import { type Logger } from '../platform/logger';
import { type Alone, type TickResult } from './alone';
import { createBudget } from './observe';
import { type Policy } from './policy';
import { type Move, type Server } from './schema';
import { type ServerStore } from './server-store';
import { type CapacityStore } from './store';

export interface PoolHeat {
  pool: ElasticPool;
  percent: number;
}

export interface DatabaseHeat {
  id: string;
  name: string;
  /** Of the pool's resources. */
  percent: number;
}

export interface ProposedMove {
  database: string;
  from: ElasticPool;
  to: ElasticPool | null;
  reason: string;
}

/**
 * Which databases leave a hot pool, hottest first, until what is left is at the target; each goes to the coolest pool of the
 * same server that stays below the target with it. Only the same server: within one, a move is online and nobody's connection
 * string changes. Pure.
 */
export function movesOf(
  hot: PoolHeat,
  databases: readonly DatabaseHeat[],
  others: readonly PoolHeat[],
  policy: Policy['balancing'],
): ProposedMove[] {
  const cool = others.map((other) => ({ ...other }));
  const moves: ProposedMove[] = [];
  let left = hot.percent;
  for (const database of [...databases].sort((a, b) => b.percent - a.percent)) {
    if (left <= policy.targetPercent || moves.length >= policy.maximumMovesPerRun || database.percent <= 0) break;
    const to = cool
      .filter(({ percent }) => percent + database.percent <= policy.targetPercent)
      .sort((a, b) => a.percent - b.percent)[0];
    const what = `the pool ${hot.pool.name} is at ${hot.percent.toFixed(0)} %, ${database.percent.toFixed(0)} of it by this database`;
    if (to !== undefined) to.percent += database.percent;
    moves.push({
      database: database.name,
      from: hot.pool,
      to: to?.pool ?? null,
      reason:
        to === undefined
          ? `${what}; no pool of the server takes it: enlarge a pool, add one, or move it to another server, which changes where its clients connect to`
          : `${what}; ${to.pool.name} has room`,
    });
    left -= database.percent;
  }
  return moves;
}

/** Looks over the elastic pools of all ready servers, proposes moves, and makes them where the policy lets it. */
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
  const { azure, heat, clock, logger } = deps;
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
  const overServer = async (server: Server, spend: () => boolean): Promise<ProposedMove[]> => {
    const { resourceGroup, name } = server;
    const pools = await measured(await azure.listElasticPools(resourceGroup, name), spend);
    const heats = pools.map(({ percent, ...pool }) => ({ pool, percent }));
    const moves: ProposedMove[] = [];
    for (const hot of heats.filter(({ percent }) => percent >= balancing.hotPercent)) {
      const databases = await measured(await azure.listPooledDatabases(resourceGroup, name, hot.pool.name), spend);
      const others = heats.filter(({ pool }) => pool.id !== hot.pool.id);
      moves.push(...movesOf(hot, databases, others, balancing));
    }
    return moves;
  };
  const settle = async (server: Server, proposed: ProposedMove, allowed: boolean): Promise<void> => {
    const move: Move = {
      // The same proposal on the same day is the same document.
      id: `move-${new Date(clock.nowMs()).toISOString().slice(0, 10)}-${server.name}-${proposed.database}`.replace(
        /[^\w-]/g,
        '_',
      ),
      kind: 'move',
      scope: server.region,
      region: server.region,
      server: server.name,
      database: proposed.database,
      fromPool: proposed.from.name,
      toPool: proposed.to?.name ?? null,
      state: 'proposed',
      reason: proposed.reason,
      at: new Date(clock.nowMs()).toISOString(),
    };
    if (!allowed || proposed.to === null) return deps.store.putMove(move);
    await deps.store.putMove({ ...move, state: 'moving' });
    try {
      await azure.moveToPool(server.resourceGroup, server.name, proposed.database, proposed.to.id);
      await deps.store.putMove({ ...move, state: 'made' });
    } catch (error) {
      await deps.store.putMove({ ...move, state: 'failed', reason: `${move.reason}; ${messageOf(error)}` });
    }
  };

  /** @returns how many moves were proposed */
  return async (region: string): Promise<TickResult> =>
    deps.alone(`${region}-balance`, async (_lease, stillAlone) => {
      if (balancing.mode === 'off') return 0;
      const { stopped } = await deps.store.readState(region);
      const budget = createBudget(balancing.poolsPerRun);
      let proposals = 0;
      for (const { server } of (await deps.servers.region(region)).servers) {
        if (server.state !== 'ready') continue;
        await stillAlone();
        const moves = await overServer(server, () => budget.spend()).catch((error: unknown) => {
          logger.warn('the pools of a server could not be looked at', { server: server.name, error: messageOf(error) });
          return [];
        });
        for (const move of moves) {
          const allowed = balancing.mode === 'move' && deps.policy.mode === 'act' && stopped === null;
          await settle(server, move, allowed && proposals < balancing.maximumMovesPerRun);
          proposals += 1;
        }
      }
      return proposals;
    });
}
