import { type Clock } from '../platform/clock';
import { AppError } from '../platform/errors';
import { fit, type PlacementWish, ranked, withReservation } from './placement';
import { loadOf } from './load';
import { type Policy } from './policy';
import { type Reservation, type Server } from './schema';
import { type ServerStore } from './server-store';

export interface Placed {
  server: Server;
  reservation: Reservation;
}

/** Hands out servers. Every reservation is a conditional write that checks the ceiling once more, so a herd cannot pass it. */
export interface Placing {
  /** Null: no server of these regions has room. */
  reserve(wish: PlacementWish, reservationId: string): Promise<Placed | null>;
  /** The promise for one database begins anew while the database comes; false: the server has no room for it any more. */
  hold(region: string, server: string, reservationId: string): Promise<boolean>;
  /** The databases exist: the promise holds until a count contains them. */
  confirm(region: string, server: string, reservationId: string): Promise<boolean>;
  /** They will not come. */
  release(region: string, server: string, reservationId: string): Promise<boolean>;
  /** It is full, whatever our numbers say: it is not chosen until it was counted again. */
  refused(region: string, server: string): Promise<void>;
}

const candidatesPerPage = 50;
/** More often than this in a row only a race over the last places is lost. */
const rounds = 20;

export function createPlacing(deps: {
  servers: ServerStore;
  policy: Policy;
  clock: Clock;
  random: () => number;
}): Placing {
  const { servers, policy, clock } = deps;

  const reserveOn = async (candidate: Server, wish: PlacementWish, id: string): Promise<Placed | null> => {
    let made: Reservation | null = null;
    const written = await servers.update(candidate.region, candidate.name, (current) => {
      const nowMs = clock.nowMs();
      const without = { ...current, reservations: current.reservations.filter((each) => each.id !== id) };
      made = null;
      if (!fit(without, wish, nowMs, policy).fits) return null;
      made = { id, count: wish.count, expiresAtMs: nowMs + policy.reservationMs, confirmedAtMs: null };
      return withReservation(without, made, nowMs, policy);
    });
    return typeof written === 'string' || made === null ? null : { server: written, reservation: made };
  };
  const reserveIn = async (region: string, wish: PlacementWish, id: string): Promise<Placed | 'full' | 'again'> => {
    let continuation: string | null = null;
    let candidates = 0;
    do {
      const page: Awaited<ReturnType<ServerStore['leastLoaded']>> = await servers.leastLoaded(
        region,
        candidatesPerPage,
        continuation,
      );
      for (const candidate of ranked(page.items, wish, clock.nowMs(), policy, deps.random)) {
        candidates += 1;
        const placed = await reserveOn(candidate, wish, id);
        if (placed !== null) return placed;
      }
      continuation = page.continuation;
    } while (continuation !== null);
    // Each of them was taken by others in the meantime; what they left has to be read anew.
    return candidates > 0 ? 'again' : 'full';
  };
  const settle = async (
    region: string,
    server: string,
    id: string,
    change: (reservations: readonly Reservation[]) => Reservation[],
  ): Promise<boolean> => {
    let found = false;
    await servers.update(region, server, (current) => {
      found = current.reservations.some((each) => each.id === id);
      if (!found) return null;
      const next = { ...current, reservations: change(current.reservations) };
      return { ...next, load: loadOf(next, clock.nowMs(), policy) };
    });
    return found;
  };

  return {
    async reserve(wish, id) {
      for (const region of wish.regions) {
        for (let round = 0; round < rounds; round += 1) {
          const placed = await reserveIn(region, wish, id);
          if (placed === 'full') break;
          if (placed !== 'again') return placed;
        }
      }
      return null;
    },
    async hold(region, server, id) {
      const current = await servers.read(region, server);
      if (current === null) return false;
      const held = current.reservations.find((each) => each.id === id);
      const lastsLong = held !== undefined && held.expiresAtMs > clock.nowMs() + policy.reservationMs / 2;
      if (lastsLong && current.state === 'ready') return true;
      return (await reserveOn(current, { regions: [region], tags: {}, count: 1, not: [] }, id)) !== null;
    },
    confirm: (region, server, id) =>
      settle(region, server, id, (reservations) =>
        reservations.map((each) => (each.id === id ? { ...each, confirmedAtMs: clock.nowMs() } : each)),
      ),
    release: (region, server, id) =>
      settle(region, server, id, (reservations) => reservations.filter((each) => each.id !== id)),
    async refused(region, server) {
      await servers.update(region, server, (current) => ({
        ...current,
        refusedAt: new Date(clock.nowMs()).toISOString(),
      }));
    },
  };
}

export function noRoom(regions: readonly string[]): AppError {
  return new AppError(
    'capacity.noRoom',
    `No server in ${regions.join(', ')} has room below its ceiling. A server is added by itself when that is allowed: try again, or name further regions.`,
    { status: 503, retry: { kind: 'after', delayMs: 60_000 } },
  );
}
