import { type ElasticPool } from '../platform/azure-sql';
import { type Policy } from './policy';
import { type Move } from './schema';

/** Which databases had better be in another pool. No I/O. */

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
  /** Of its pool's resources. */
  percent: number;
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
      percent: database.percent,
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

/**
 * The coolest pool on another server that would stay below the target with the database. Only ever proposed: the database is
 * copied, and its clients have to be told of its new server, which nobody here can do (docs/adr/0023).
 */
export function poolElsewhere(
  move: ProposedMove,
  pools: readonly PoolHeat[],
  policy: Policy['balancing'],
): ElasticPool | null {
  const fitting = pools
    .filter(({ pool, percent }) => pool.server !== move.from.server && percent + move.percent <= policy.targetPercent)
    .sort((a, b) => a.percent - b.percent);
  return fitting[0]?.pool ?? null;
}

/** What a pool is at is an average over a while: after a move it says nothing about either pool for as long. */
export const settlingMs = 2 * 3_600_000;
/** A move takes minutes, hours for the largest databases; one that has not arrived after this long does not. */
const movingTimeoutMs = 24 * 3_600_000;

/** What became of a move: where the database is now tells. Null: nothing to say yet. */
export function endOf(move: Move, poolNow: string | null, nowMs: number): Pick<Move, 'state' | 'reason'> | null {
  if (poolNow?.split('/').at(-1)?.toLowerCase() === move.toPool?.toLowerCase()) {
    return { state: 'made', reason: move.reason };
  }
  if (nowMs - Date.parse(move.at) < movingTimeoutMs) return null;
  return { state: 'failed', reason: `${move.reason}; after a day it is still not there` };
}
