import { type Lease, type Leases } from '../platform/leases';
import { type Policy } from './policy';

/** Another monitor holds the region: stop at once, without a trace. */
export class Replaced extends Error {
  override readonly name = 'Replaced';
}

export interface TickResult {
  /** `busy`: another monitor is at this region; `replaced`: one took over from this one. */
  outcome: 'done' | 'busy' | 'replaced';
  /** Servers to come back for soon. */
  inFlight: number;
}

export type Alone = (
  region: string,
  work: (lease: Lease, stillAlone: () => Promise<void>) => Promise<number>,
) => Promise<TickResult>;

/** Runs work as the only one in a region, over all instances and apps that share the documents. */
export function createAlone(deps: { leases: Leases; policy: Pick<Policy, 'leaseMs'>; newId: () => string }): Alone {
  const { leaseMs } = deps.policy;
  return async (region, work) => {
    // A holder of its own per run: two apps have the same instance ids, and a second run is not the first one either.
    const lease = await deps.leases.acquire(`capacity-${region}`, deps.newId(), leaseMs);
    if (lease === null) return { outcome: 'busy', inFlight: 0 };
    const stillAlone = async (): Promise<void> => {
      if (!(await deps.leases.renew(lease, leaseMs))) throw new Replaced();
    };
    try {
      return { outcome: 'done', inFlight: await work(lease, stillAlone) };
    } catch (error) {
      if (error instanceof Replaced) return { outcome: 'replaced', inFlight: 0 };
      throw error;
    } finally {
      await deps.leases.release(lease);
    }
  };
}
