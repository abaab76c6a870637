import { utilisation } from './model';
import { type Policy } from './policy';
import { type Server } from './schema';

/** How full a server is, with what it was promised. No I/O. */

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

/**
 * What was promised and is surely in no count yet. Confirmed just before a count was begun, a database may or may not be in it;
 * placement takes it for missing and stays below the ceiling, a plan takes it for counted: a burst is not worth two servers.
 */
export function uncountedOn(
  { reservations, numbersAt }: Pick<Server, 'reservations' | 'numbersAt'>,
  nowMs: number,
): number {
  const countedFromMs = numbersAt === null ? 0 : Date.parse(numbersAt);
  return reservations.reduce((sum, { count, expiresAtMs, confirmedAtMs }) => {
    const uncounted = confirmedAtMs === null ? expiresAtMs > nowMs : confirmedAtMs > countedFromMs;
    return uncounted ? sum + count : sum;
  }, 0);
}
