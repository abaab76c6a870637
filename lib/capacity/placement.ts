import { utilisation } from './model';
import { loadOf, reservedOn } from './load';
import { type Policy } from './policy';
import { type Reservation, type Server } from './schema';

/** Which server a new database goes to. No I/O. */

export interface PlacementWish {
  /** In order of preference; a later one is taken only when the earlier ones have no room. */
  regions: readonly string[];
  /** All of them must be on the server, with these values. */
  tags: Readonly<Record<string, string>>;
  count: number;
  /** Servers that refused already. */
  not: readonly string[];
}

export type Fit = { fits: true; load: number } | { fits: false; because: string };

/** Whether a server can take what is wished for without passing its ceiling, and how full it would be then. */
export function fit(
  server: Server,
  wish: Pick<PlacementWish, 'tags' | 'count' | 'not'>,
  nowMs: number,
  policy: Policy,
): Fit {
  const no = (because: string): Fit => ({ fits: false, because });
  if (server.state !== 'ready') return no(`it is ${server.state}`);
  if (wish.not.includes(server.name)) return no('it refused already');
  if (server.refusedAt !== null) return no('Azure refused a database on it, and it was not counted since');
  const lacking = Object.entries(wish.tags).find(([name, value]) => server.tags[name] !== value);
  if (lacking !== undefined) return no(`its tag ${lacking[0]} is not ${lacking[1]}`);
  const { databases, serverDtus } = server.numbers;
  if (databases === null) return no('it was never counted');
  const wanted = databases.value + reservedOn(server, nowMs) + wish.count;
  const { ceiling } = policy.thresholds.databases;
  if (wanted > Math.floor(databases.limit * ceiling)) {
    return no(`it would have ${wanted} databases, above its ceiling of ${Math.floor(databases.limit * ceiling)}`);
  }
  if (serverDtus !== null && serverDtus.limit > 0 && utilisation(serverDtus) >= policy.thresholds.serverDtus.ceiling) {
    return no('its DTUs are at the ceiling');
  }
  return { fits: true, load: loadOf(server, nowMs, policy) };
}

/**
 * The candidates, best first. Servers within a step of the least loaded are as good as each other and are shuffled: many
 * who choose at once from the same numbers would else all run to the same one.
 */
export function ranked(
  servers: readonly Server[],
  wish: Pick<PlacementWish, 'tags' | 'count' | 'not'>,
  nowMs: number,
  policy: Policy,
  random: () => number,
): Server[] {
  const fitting = servers.flatMap((server) => {
    const verdict = fit(server, wish, nowMs, policy);
    return verdict.fits ? [{ server, load: verdict.load, dice: random() }] : [];
  });
  const least = Math.min(...fitting.map(({ load }) => load));
  const stepOf = (load: number): number => Math.floor((load - least) / sameLoad);
  return fitting.sort((a, b) => stepOf(a.load) - stepOf(b.load) || a.dice - b.dice).map(({ server }) => server);
}

/** 25 databases of 5,000. */
const sameLoad = 0.005;

export function withReservation(server: Server, reservation: Reservation, nowMs: number, policy: Policy): Server {
  const reservations = [...server.reservations, reservation];
  return { ...server, reservations, load: loadOf({ ...server, reservations }, nowMs, policy) };
}

/** What is still promised after a count that was begun at `countedFromMs`: neither expired, nor contained in the count. */
export function stillReserved(
  reservations: readonly Reservation[],
  nowMs: number,
  countedFromMs: number | null,
  policy: Policy,
): Reservation[] {
  return reservations.filter(({ expiresAtMs, confirmedAtMs }) => {
    if (confirmedAtMs === null) return expiresAtMs > nowMs;
    return countedFromMs === null || countedFromMs < confirmedAtMs + policy.countLagMs;
  });
}
