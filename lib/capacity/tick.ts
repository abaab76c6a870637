import { type ArmServer } from '../platform/azure-sql';
import { type AzureTickets } from '../platform/azure-tickets';
import { type Clock } from '../platform/clock';
import { type Alerts } from './alerts';
import { type Alone, type TickResult } from './alone';
import { fullServers, provisioningConditions, unknownConditions } from './conditions';
import { type Condition, type RegionFacts } from './facts';
import { adoptable, imagine, wouldBeCorrected } from './imagined';
import { type Listing } from './listing';
import { remembered, summaryOf } from './memory';
import { type CapacityMetrics } from './metrics';
import { isInFlight } from './model';
import { createRequestServer } from './next-server';
import { type Known, type Observe } from './observe';
import { openingConditions } from './openings';
import { decide, type Decision } from './plan';
import { type Policy } from './policy';
import { type Provision } from './provision';
import { type Change, reconcile } from './reconcile';
import { type Correction, type Registry } from './registry';
import { createReport } from './report';
import { type ServerTemplate } from './schema';
import { type ServerStore } from './server-store';
import { type CapacityStore } from './store';
import { createFileTickets } from './tickets';

export interface TickDeps {
  servers: ServerStore;
  store: CapacityStore;
  observe: Observe;
  listing: Listing;
  registry: Registry;
  provision: Provision;
  alerts: Alerts;
  tickets: AzureTickets;
  alone: Alone;
  metrics: CapacityMetrics;
  policy: Policy;
  template: ServerTemplate;
  environment: string;
  resourceGroup: string;
  regions: readonly string[];
  clock: Clock;
}

/** Classes that only a complete listing can judge. */
const needsListing = new Set([
  'server-missing',
  'unknown-server',
  'implausible-listing',
  'retired-exists',
  'quarantined',
  'server-unusable',
  'damaged-document',
]);

/**
 * One look at a region: list → reconcile → count → decide → act → record. Everything is decided from what was just read, so
 * it may run twice, late, or in two apps at once: the lease lets one in, and the fence keeps out one that was let in long ago.
 */
export function createTick(deps: TickDeps) {
  const { servers, store, observe, registry, policy, clock, template } = deps;
  const requestServer = createRequestServer(deps);
  const fileTickets = createFileTickets(deps);
  const report = createReport(deps);
  const at = (): string => new Date(clock.nowMs()).toISOString();

  /** What is known of the servers themselves: documents made true where that is allowed, or what they would be. */
  const looked = async (
    region: string,
    fence: number,
    stillAlone: () => Promise<void>,
  ): Promise<{
    listing: Known<ArmServer[]>;
    conditions: Condition[];
    corrections: Correction[];
    wouldBe: Change[];
  }> => {
    const before = await servers.region(region);
    const listing = await deps.listing(
      region,
      before.servers.map(({ server }) => server),
    );
    if (!listing.known) return { listing, conditions: [], corrections: [], wouldBe: [] };
    const { changes, conditions, believed } = reconcile(
      {
        region,
        environment: deps.environment,
        nowMs: clock.nowMs(),
        documents: before.servers.map(({ server }) => server),
        damaged: before.damaged,
        observed: listing.value,
      },
      policy,
    );
    // Looking on, the registry is left as it is, too; while stopped it is kept true, and nothing else.
    const corrections =
      policy.mode === 'act' ? await registry.correct(changes, before.servers, fence) : changes.map(wouldBeCorrected);
    await stillAlone();
    return {
      listing: believed ? listing : { known: false, because: 'the list is implausible' },
      conditions,
      corrections,
      wouldBe: policy.mode === 'act' ? [] : changes,
    };
  };

  /** Numbers that nobody who holds the lease can have written are lowered; see `Registry.lowerFences`. */
  const fencesLowered = async (
    region: string,
    fence: number,
    stillAlone: () => Promise<void>,
  ): Promise<Correction[]> => {
    const stored = (await servers.region(region)).servers.filter(({ server }) => server.fence > fence);
    const memory = await store.readState(region);
    if (stored.length === 0 && memory.fence <= fence) return [];
    // Whoever has been replaced in the meantime finds larger numbers, too, and stops here.
    await stillAlone();
    if (memory.fence > fence) await store.lowerFence(region, fence);
    return registry.lowerFences(stored, fence);
  };

  const tick = async (region: string): Promise<TickResult> =>
    deps.alone(region, async ({ fence }, stillAlone) => {
      const begunMs = clock.nowMs();
      const corrections = await fencesLowered(region, fence, stillAlone);
      const [quotas, { state: memory, problem }] = await Promise.all([
        observe.quotas(region),
        store.readMemory(region),
      ]);
      if (problem !== null) corrections.push(begunAnew(region, problem));
      const { listing, conditions, ...found } = await looked(region, fence, stillAlone);
      corrections.push(...found.corrections);
      if (policy.mode === 'act' && memory.stopped === null && listing.known) {
        corrections.push(...(await registry.verify((await servers.region(region)).servers, fence, stillAlone)));
      }
      const { servers: stored, damaged } = await servers.region(region);
      const documents = imagine(
        await registry.refresh(
          stored,
          fence,
          stillAlone,
          adoptable(found.wouldBe, policy, { templateVersion: template.version, fence, at: at() }),
        ),
        found.wouldBe,
        at(),
      );
      await stillAlone();

      const nowMs = clock.nowMs();
      const unknownBecause = listing.known ? null : listing.because;
      const uncounted = stored.map(({ server }) => server);
      const noted = remembered(memory, { nowMs, uncounted, documents, quotas, unknownBecause }, policy);
      const facts: RegionFacts = {
        region,
        nowMs,
        servers: documents,
        regional: noted.regional,
        memory: noted,
        templateVersion: template.version,
        otherRegions: deps.regions.filter((other) => other !== region),
      };
      const decision = unknownBecause === null ? decide(facts, policy) : undecided(facts, unknownBecause, policy);
      const filed = await fileTickets(region, noted, unknownBecause === null ? decision.conditions : []);
      corrections.push(...filed.corrections);
      const unknown =
        unknownBecause === null ? null : { sinceMs: noted.unknownSinceMs ?? nowMs, because: unknownBecause };
      conditions.push(
        ...decision.conditions,
        ...filed.conditions,
        ...provisioningConditions(documents, decision),
        ...fullServers(documents, policy),
        ...openingConditions(documents),
        ...unknownConditions(region, unknown, documents, listing.known ? damaged : [], nowMs, policy),
      );
      const requested =
        decision.action === 'create' && listing.known
          ? await requestServer(
              region,
              documents,
              [...listing.value, ...damaged].map(({ name }) => name),
              decision.reasons[0] ?? '',
              fence,
            )
          : null;

      const after = await store.updateState(
        region,
        (state) => ({
          ...state,
          ...noted,
          // A person may have stopped the region since it was read.
          stopped: state.stopped,
          aboveCreate: decision.aboveCreate,
          tickets: filed.tickets,
          creations:
            requested === null
              ? noted.creations
              : [...noted.creations, { server: requested, requestedAtMs: nowMs, durationMs: null }],
          lastDecision: summaryOf(decision, requested),
          lastTickAt: at(),
        }),
        fence,
      );
      if (after === 'fenced') return 0;
      const judged = (kind: string): boolean => listing.known || !needsListing.has(kind);
      const openAlerts = await deps.alerts(region, conditions, judged, at());
      await record(region, fence, decision, requested, corrections, memory.lastDecision);
      report({ region, documents, decision, openAlerts, durationMs: clock.nowMs() - begunMs, nowMs });
      return documents.filter(({ state }) => isInFlight(state)).length + (requested === null ? 0 : 1);
    });

  /** Kept when something was done, corrected, or decided otherwise than last time. */
  const record = async (
    region: string,
    fence: number,
    decision: Decision,
    requested: string | null,
    corrections: Correction[],
    lastDecision: string | null,
  ): Promise<void> => {
    const short = summaryOf(decision, requested);
    if (requested === null && corrections.length === 0 && short === lastDecision) return;
    const nowMs = clock.nowMs();
    await store.createDecision({
      id: `decision-${nowMs}-${fence}`,
      kind: 'decision',
      scope: region,
      region,
      at: at(),
      action: decision.action === 'create' && requested === null ? 'none' : decision.action,
      server: requested,
      reasons: decision.reasons,
      corrections: corrections.slice(0, 200),
      facts: { metrics: decision.metrics, belowHeadroom: decision.belowHeadroom },
    });
    await store.forgetDecisions(region, new Date(nowMs - policy.decisionsKeptMs).toISOString());
  };

  return {
    tick,
    /** Brings every server that is on its way one step nearer to ready. */
    advance: (region: string): Promise<TickResult> =>
      deps.alone(region, async ({ fence }, stillAlone) => {
        const { servers: stored } = await servers.region(region);
        let again = 0;
        for (const { server } of stored.filter(({ server: { state } }) => isInFlight(state))) {
          const { stopped } = await store.readState(region);
          if (policy.mode !== 'act' || stopped !== null) return 0;
          await stillAlone();
          if (await deps.provision.advance(server, fence, stillAlone)) again += 1;
        }
        return again;
      }),
  };
}
export type Tick = ReturnType<typeof createTick>;

/** Without a complete listing there is no decision: what is not seen is unknown, not full and not empty. */
function undecided(facts: RegionFacts, because: string, policy: Policy): Decision {
  const { aboveCreate } = facts.memory;
  return { ...decide(facts, policy), action: 'unknown', reasons: [`unknown: ${because}`], aboveCreate };
}

function begunAnew(region: string, problem: string): Correction {
  return {
    server: region,
    change: 'memory begun anew',
    reason: `what the monitor remembers could not be read (${problem})`,
  };
}
