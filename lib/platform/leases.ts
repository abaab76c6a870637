import { z } from 'zod';
import { type Clock } from './clock';
import { AppError } from './errors';
import { type DocumentStore } from './documents';

/** The right to act alone, for a while. */
export interface Lease {
  name: string;
  holder: string;
  /**
   * Grows with every change of holder. Who writes on behalf of the lease writes this number along, and refuses to write
   * over a larger one: an earlier holder that wakes up late is known by its smaller number, whatever its clock says.
   */
  fence: number;
}

/** Exclusive leases with fencing numbers, one document each. */
export interface Leases {
  /** The lease, also when `holder` has it already (then its time begins anew); null while somebody else has it. */
  acquire(name: string, holder: string, durationMs: number): Promise<Lease | null>;
  /** Begins the time anew. false: the lease has passed to somebody else, and the work has to stop. */
  renew(lease: Lease, durationMs: number): Promise<boolean>;
  /** Lets others have it at once. Releasing what has passed on does nothing. */
  release(lease: Lease): Promise<void>;
}

const leaseSchema = z.object({
  id: z.string(),
  name: z.string(),
  holder: z.string(),
  fence: z.int(),
  expiresAtMs: z.number(),
});
type LeaseDocument = z.infer<typeof leaseSchema>;

/** A conditional write that is lost this often in a row is not a race any more. */
const maximumTries = 20;

/**
 * Leases as Martin Kleppmann describes them ("How to do distributed locking", 2016): expiry frees what a dead holder
 * held, and the fencing number, not the clock, keeps a holder that was only slow from doing harm.
 */
export function createLeases(documents: DocumentStore, deps: { clock: Clock }): Leases {
  const change = async (
    name: string,
    decide: (current: LeaseDocument | null) => LeaseDocument | null,
  ): Promise<LeaseDocument | null> => {
    for (let tries = 0; tries < maximumTries; tries += 1) {
      const current = await documents.read(name, name, leaseSchema);
      const next = decide(current?.value ?? null);
      if (next === null) return null;
      const written =
        current === null ? await documents.create(name, next) : await documents.replace(name, next, current.etag);
      if (written === 'created' || written === 'replaced') return next;
    }
    throw new AppError('leases.contended', `The lease "${name}" changes too fast to be taken. Try again.`, {
      status: 503,
      retry: { kind: 'backoff' },
    });
  };
  const isHeld = (current: LeaseDocument, lease: Lease): boolean =>
    current.holder === lease.holder && current.fence === lease.fence;

  return {
    async acquire(name, holder, durationMs) {
      const taken = await change(name, (current) => {
        const nowMs = deps.clock.nowMs();
        const expiresAtMs = nowMs + durationMs;
        if (current === null) return { id: name, name, holder, fence: 1, expiresAtMs };
        const free = current.expiresAtMs <= nowMs;
        if (current.holder === holder && !free) return { ...current, expiresAtMs };
        return free ? { ...current, holder, fence: current.fence + 1, expiresAtMs } : null;
      });
      return taken === null ? null : { name, holder, fence: taken.fence };
    },
    async renew(lease, durationMs) {
      const renewed = await change(lease.name, (current) =>
        current !== null && isHeld(current, lease)
          ? { ...current, expiresAtMs: deps.clock.nowMs() + durationMs }
          : null,
      );
      return renewed !== null;
    },
    async release(lease) {
      await change(lease.name, (current) =>
        current !== null && isHeld(current, lease) ? { ...current, expiresAtMs: 0 } : null,
      );
    },
  };
}
