import { type AzureSql } from '../platform/azure-sql';
import { type Clock } from '../platform/clock';
import { forEachConcurrently } from '../platform/concurrency';
import { Replaced } from './alone';
import { adoptedServer, inState } from './documents';
import { type Observe, createBudget } from './observe';
import { stillReserved } from './placement';
import { loadOf } from './load';
import { type Policy } from './policy';
import { type Provision } from './provision';
import { type Change } from './reconcile';
import { type Opening } from './openings';
import { type Server, type ServerTemplate } from './schema';
import { openingsOf } from './security';
import { type ServerStore, type Stored } from './server-store';

/** A correction that was made, for the record. */
export interface Correction {
  server: string;
  change: string;
  reason: string;
}

const writes = 16;
/** Numbers that did not change are written again this often, so that their age says how fresh they are. */
const refreshAfterMs = 15 * 60_000;
const openEveryMs = 3_600_000;
const countedStates = new Set<Server['state']>(['securing', 'ready', 'draining', 'quarantined']);

/** Keeps the documents of a region's servers true. Every write carries the fence of the lease under which it was decided. */
export function createRegistry(deps: {
  servers: ServerStore;
  azure: AzureSql;
  observe: Observe;
  provision: Pick<Provision, 'steps'>;
  policy: Policy;
  template: ServerTemplate;
  clock: Clock;
}) {
  const { servers, observe, policy, clock, template } = deps;
  const at = (): string => new Date(clock.nowMs()).toISOString();

  const write = async (
    known: Stored,
    fence: number,
    change: (server: Server) => Server | null,
  ): Promise<Server | null> => {
    const { region, name } = known.server;
    const written = await servers.update(region, name, change, { fence, known });
    if (written === 'fenced') throw new Replaced();
    return written === 'missing' ? null : written;
  };

  /** The first problem, null: as the template wants it; and what else lets somebody in. */
  const proof = async ({ resourceGroup, name }: Server): Promise<{ problem: string | null; openings: Opening[] }> => {
    const existing = await deps.azure.readServer(resourceGroup, name);
    if (existing === null) return { problem: null, openings: [] };
    for (const step of deps.provision.steps) {
      const problem = await step.verify(existing);
      if (problem !== null) return { problem: `${step.name}: ${problem}`, openings: [] };
    }
    return { problem: null, openings: await openingsOf(deps.azure, template, existing) };
  };

  return {
    write,

    /** Makes the documents say what is so. */
    async correct(changes: readonly Change[], documents: readonly Stored[], fence: number): Promise<Correction[]> {
      const made: Correction[] = [];
      const byName = new Map(documents.map((stored) => [stored.server.name, stored]));
      for (const change of changes) {
        if (change.kind === 'adopt') {
          const options = { templateVersion: template.version, fence, reason: change.reason, at: at() };
          const document = adoptedServer(change.server, options);
          if (change.damaged) await servers.rebuild(document);
          else await servers.create(document);
          made.push({ server: document.name, change: 'quarantined', reason: change.reason });
          continue;
        }
        const stored = byName.get(change.server);
        if (stored === undefined || change.kind === 'rebuildMissing') continue;
        const { server } = stored;
        await write(stored, fence, (current) =>
          current.state === server.state ? inState(current, change.to, change.reason, at(), change.fields) : null,
        );
        made.push({
          server: server.name,
          change: server.state === change.to ? 'fields' : `${server.state} → ${change.to}`,
          reason: change.reason,
        });
      }
      return made;
    },

    /**
     * While the lease is ours, nobody can have written with a larger fence: such a number was written over by hand, or the
     * leases were lost and began anew. It is lowered to ours, or nobody could ever write these documents again.
     */
    async lowerFences(documents: readonly Stored[], fence: number): Promise<Correction[]> {
      const made: Correction[] = [];
      for (const { server, etag } of documents) {
        if (server.fence <= fence) continue;
        await servers.replace({ ...server, fence }, etag);
        const reason = `its fence ${server.fence} is larger than that of the lease, ${fence}`;
        made.push({ server: server.name, change: 'fields', reason });
      }
      return made;
    },

    /**
     * Counts and usages into the documents. What could not be counted keeps its older number, and its age shows it.
     * @param imagined servers that have no document; they are counted, and nothing is written
     */
    async refresh(
      documents: readonly Stored[],
      fence: number,
      stillAlone: () => Promise<void>,
      imagined: readonly Server[],
    ): Promise<Server[]> {
      const budget = createBudget(policy.requestsPerTick);
      const all = [...documents.map(({ server }) => server), ...imagined];
      const subjects = all.filter(({ state }) => countedStates.has(state));
      const counts = await observe.databases(subjects, budget);
      await stillAlone();
      const usages = await observe.usages(subjects, budget);
      await stillAlone();
      const nowMs = clock.nowMs();
      const refreshed = new Map<string, Server>();
      const refreshedServer = (server: Server): Server | null => {
        const count = counts.get(server.name);
        const dtus = usages.get(server.name);
        const next: Server = {
          ...server,
          reservations: stillReserved(server.reservations, nowMs, count?.fromMs ?? null, policy),
          numbers: {
            databases:
              count === undefined ? server.numbers.databases : { value: count.count, limit: policy.limits.databases },
            serverDtus: dtus === undefined ? server.numbers.serverDtus : dtus,
          },
          numbersAt: count === undefined ? server.numbersAt : new Date(count.fromMs).toISOString(),
          refusedAt: count !== undefined && count.fromMs > Date.parse(server.refusedAt ?? '') ? null : server.refusedAt,
          usagesAt: dtus === undefined ? server.usagesAt : at(),
        };
        next.load = loadOf(next, nowMs, policy);
        const same =
          next.load === server.load &&
          next.numbers.databases?.value === server.numbers.databases?.value &&
          next.numbers.databases?.limit === server.numbers.databases?.limit &&
          next.reservations.length === server.reservations.length &&
          next.refusedAt === server.refusedAt &&
          next.usagesAt === server.usagesAt;
        const fresh = server.numbersAt !== null && nowMs - Date.parse(server.numbersAt) < refreshAfterMs;
        return same && (fresh || count === undefined) ? null : next;
      };
      await forEachConcurrently(documents, writes, async (stored) => {
        const written = await write(stored, fence, refreshedServer);
        if (written !== null) refreshed.set(written.name, written);
      });
      const kept = documents.flatMap(({ server }) => refreshed.get(server.name) ?? []);
      return [...kept, ...imagined.map((server) => refreshedServer(server) ?? server)];
    },

    /** Ready servers prove their security again, the longest unproved first; one that drifted is secured once more. */
    async verify(documents: readonly Stored[], fence: number, stillAlone: () => Promise<void>): Promise<Correction[]> {
      const affordable = Math.max(1, Math.floor(policy.requestsPerTick / (2 * (deps.provision.steps.length + 2))));
      const nowMs = clock.nowMs();
      const isDue = ({ verifiedAt, openings }: Server['security']): boolean => {
        const verifiedAtMs = Date.parse(verifiedAt ?? '');
        // What a person was told to close is looked at again soon, so that the alert ends with it.
        const everyMs = openings.length > 0 ? openEveryMs : policy.verifySecurityEveryMs;
        return verifiedAtMs < nowMs - everyMs || verifiedAtMs > nowMs;
      };
      const due = documents
        .filter(({ server: { state, security } }) => state === 'ready' && isDue(security))
        .sort((a, b) => (a.server.security.verifiedAt ?? '').localeCompare(b.server.security.verifiedAt ?? ''));
      const made: Correction[] = [];
      for (const stored of due.slice(0, affordable)) {
        const { server } = stored;
        await stillAlone();
        // What cannot be read now is unknown: neither proved nor drifted.
        const seen = await proof(server).catch(() => undefined);
        if (seen === undefined) continue;
        const { problem, openings } = seen;
        const reason = `its security is not as in the template: ${problem ?? ''}`;
        await write(stored, fence, (current) =>
          problem === null
            ? { ...current, security: { ...current.security, verifiedAt: at(), openings } }
            : inState(current, 'securing', reason, at()),
        );
        if (problem !== null) made.push({ server: server.name, change: 'ready → securing', reason });
      }
      return made;
    },
  };
}
export type Registry = ReturnType<typeof createRegistry>;
