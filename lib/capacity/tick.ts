import { type Clock } from '../platform/clock';
import { type Alerts } from './alerts';
import { type Alone, type TickResult } from './alone';
import { fullServers, provisioningConditions, unknownConditions } from './conditions';
import { requestedServer } from './documents';
import { withSample } from './forecast';
import { type CapacityMetrics } from './metrics';
import { isInFlight, nextOrdinal, regionalMetrics, serverMetrics, serverName } from './model';
import { type Known, type Observe } from './observe';
import { type Condition, decide, type Decision, isBeingCreated, reservedOn } from './plan';
import { type Policy } from './policy';
import { type Provision } from './provision';
import { reconcile, type ObservedServer } from './reconcile';
import { type Correction, type Registry } from './registry';
import { type RegionSample, type RegionState, type Server, type ServerTemplate } from './schema';
import { type ServerStore } from './server-store';
import { type CapacityStore } from './store';

export interface TickDeps {
  servers: ServerStore;
  store: CapacityStore;
  observe: Observe;
  registry: Registry;
  provision: Provision;
  alerts: Alerts;
  alone: Alone;
  metrics: CapacityMetrics;
  policy: Policy;
  template: ServerTemplate;
  environment: string;
  resourceGroup: string;
  regions: readonly string[];
  clock: Clock;
}

const dayMs = 86_400_000;
/** Classes that only a complete listing can judge. */
const needsListing = new Set([
  'server-missing',
  'unknown-server',
  'implausible-listing',
  'retired-exists',
  'quarantined',
  'damaged-document',
]);

/**
 * One look at a region: list → reconcile → count → decide → act → record. Everything is decided from what was just read, so
 * it may run twice, late, or in two apps at once: the lease lets one in, and the fence keeps out one that was let in long ago.
 */
export function createTick(deps: TickDeps) {
  const { servers, store, observe, registry, policy, clock, template } = deps;
  const at = (): string => new Date(clock.nowMs()).toISOString();

  /**
   * The document of the next server. Its name follows from the highest ordinal that was ever seen, so two monitors that decide
   * from the same facts decide for the same name, and the second finds that the document exists: then it has been decided.
   * A server that could not be created before is asked for once more instead, so that failures use up no names.
   */
  const requestServer = async (
    region: string,
    documents: readonly Server[],
    observed: readonly ObservedServer[],
    reason: string,
    fence: number,
  ): Promise<string | null> => {
    const failed = documents.find(
      ({ state, origin, creation }) =>
        state === 'failed' && origin === 'provisioned' && creation.failure?.class !== 'name',
    );
    const names = [...documents, ...observed].map(({ name }) => name);
    const ordinal = nextOrdinal(names, deps.environment, region);
    const document = requestedServer({
      name: failed?.name ?? serverName(deps.environment, region, ordinal),
      region,
      resourceGroup: deps.resourceGroup,
      tags: template.tags,
      templateVersion: template.version,
      fence,
      reason,
      at: at(),
    });
    if (failed === undefined) return (await servers.create(document)) === 'created' ? document.name : null;
    const again = await servers.update(
      region,
      failed.name,
      (current) => (current.state === 'failed' ? document : null),
      { fence },
    );
    return again === 'fenced' || again === 'missing' ? null : document.name;
  };

  const tick = async (region: string): Promise<TickResult> =>
    deps.alone(region, async ({ fence }, stillAlone) => {
      const begunMs = clock.nowMs();
      const [listing, quotas] = await Promise.all([observe.servers(region), observe.quotas(region)]);
      const memory = await store.readState(region);
      const before = await servers.region(region);
      const acting = policy.mode === 'act' && memory.stopped === null;

      let corrections: Correction[] = [];
      const conditions: Condition[] = [];
      if (listing.known) {
        const documents = before.servers.map(({ server }) => server);
        const { damaged } = before;
        const input = {
          region,
          environment: deps.environment,
          nowMs: begunMs,
          documents,
          damaged,
          observed: listing.value,
        };
        const reconciled = reconcile(input, policy);
        conditions.push(...reconciled.conditions);
        // Looking on, the registry is left as it is, too; while stopped it is kept true, and nothing else.
        corrections =
          policy.mode === 'act'
            ? await registry.correct(reconciled.changes, before.servers, fence)
            : reconciled.changes.map((change) => ({
                server: change.kind === 'adopt' ? change.server.name : change.server,
                change: 'would be corrected',
                reason: change.reason,
              }));
        await stillAlone();
      }
      const current = await servers.region(region);
      if (acting && listing.known) corrections.push(...(await registry.verify(current.servers, fence)));
      const uncounted = (await servers.region(region)).servers;
      const documents = await registry.refresh(uncounted, fence);
      await stillAlone();

      const nowMs = clock.nowMs();
      const noted = remembered(
        memory,
        uncounted.map(({ server }) => server),
        documents,
        quotas,
        nowMs,
      );
      const facts = {
        region,
        nowMs,
        servers: documents,
        regional: noted.regional,
        memory: noted,
        templateVersion: template.version,
        otherRegions: deps.regions.filter((other) => other !== region),
      };
      // Without a complete listing there is no decision: what is not seen is unknown, not full and not empty.
      const decision: Decision = listing.known ? decide(facts, policy) : unknownDecision(facts, listing.because);
      conditions.push(
        ...decision.conditions,
        ...provisioningConditions(documents, decision),
        ...fullServers(documents, policy),
        ...unknownConditions(
          region,
          unknownSince(noted, listing),
          documents,
          listing.known ? current.damaged : [],
          nowMs,
          policy,
        ),
      );
      const requested =
        decision.action === 'create' && listing.known
          ? await requestServer(region, documents, listing.value, decision.reasons[0] ?? '', fence)
          : null;

      const after = await store.updateState(
        region,
        (state) => ({
          ...state,
          ...noted,
          // A person may have stopped the region since it was read.
          stopped: state.stopped,
          aboveCreate: decision.aboveCreate,
          creations:
            requested === null
              ? noted.creations
              : [...noted.creations, { server: requested, requestedAtMs: nowMs, durationMs: null }],
          lastDecision: summary(decision, requested),
          lastTickAt: at(),
        }),
        fence,
      );
      if (after === 'fenced') return 0;
      const judged = (kind: string): boolean => listing.known || !needsListing.has(kind);
      const openAlerts = await deps.alerts(region, conditions, judged, at());
      await record(region, fence, decision, requested, corrections, memory.lastDecision);
      emit(region, documents, decision, openAlerts, clock.nowMs() - begunMs);
      return documents.filter(({ state }) => isInFlight(state)).length + (requested === null ? 0 : 1);
    });

  /** What the monitor remembers, with what it has just seen. */
  const remembered = (
    memory: RegionState,
    uncounted: readonly Server[],
    documents: readonly Server[],
    quotas: Awaited<ReturnType<Observe['quotas']>>,
    nowMs: number,
  ): RegionState => {
    const regional = quotas.known ? quotas.value : memory.regional;
    const grown = grownBy(memory.grown, uncounted, documents, regional);
    const sample: RegionSample = { atMs: nowMs, values: grown };
    const finished = new Map(documents.map((server) => [server.name, server]));
    return {
      ...memory,
      regional,
      grown,
      regionalAt: quotas.known ? new Date(nowMs).toISOString() : memory.regionalAt,
      samples: withSample(memory.samples, sample, { everyMs: policy.sampleEveryMs, keep: policy.samplesKept }),
      // A creation that became ready, or gave up, before anybody could note it is noted from its document.
      creations: memory.creations.slice(-100).flatMap((creation) => {
        const server = finished.get(creation.server);
        if (creation.durationMs !== null) return [creation];
        if (server === undefined || server.state === 'failed') return [];
        const { readyAt } = server.creation;
        if (readyAt === null) return [creation];
        return [{ ...creation, durationMs: Math.max(0, Date.parse(readyAt) - creation.requestedAtMs) }];
      }),
    };
  };
  const unknownSince = (memory: RegionState, listing: Known<unknown>): { sinceMs: number; because: string } | null => {
    if (listing.known) {
      memory.unknownSinceMs = null;
      return null;
    }
    memory.unknownSinceMs ??= clock.nowMs();
    return { sinceMs: memory.unknownSinceMs, because: listing.because };
  };

  /** Kept when something was done, corrected, or decided otherwise than last time. */
  const record = async (
    region: string,
    fence: number,
    decision: Decision,
    requested: string | null,
    corrections: Correction[],
    lastDecision: string | null,
  ): Promise<void> => {
    const short = summary(decision, requested);
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

  const emit = (
    region: string,
    documents: readonly Server[],
    decision: Decision,
    openAlerts: number,
    durationMs: number,
  ): void => {
    const { metrics } = deps;
    for (const {
      metric,
      value,
      limit,
      create,
      alert,
      utilisation,
      headroom,
      perMs,
      exhaustedInMs,
    } of decision.metrics) {
      metrics.region({
        region,
        metric,
        value,
        limit,
        create: create * limit,
        alert: alert * limit,
        utilisation,
        headroom,
        growthPerDay: perMs * dayMs,
        daysToExhaustion: exhaustedInMs === null ? null : exhaustedInMs / dayMs,
      });
    }
    const { create, alert } = policy.thresholds.databases;
    for (const server of documents) {
      const limit = server.numbers.databases?.limit ?? observe.defaultLimit;
      metrics.server({
        region,
        server: server.name,
        state: server.state,
        databases: server.numbers.databases?.value ?? null,
        databasesLimit: limit,
        databasesCreate: create * limit,
        databasesAlert: alert * limit,
        reserved: reservedOn(server, clock.nowMs()),
        load: server.load,
      });
    }
    metrics.tick({
      region,
      decision: decision.action,
      reason: decision.reasons[0] ?? '',
      readyServers: documents.filter(({ state }) => state === 'ready').length,
      inFlightServers: documents.filter(isBeingCreated).length,
      openAlerts,
      belowHeadroom: decision.belowHeadroom ? 1 : 0,
      durationMs,
    });
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
          if (await deps.provision.advance(server, fence)) again += 1;
        }
        return again;
      }),
  };
}
export type Tick = ReturnType<typeof createTick>;

function unknownDecision(facts: Parameters<typeof decide>[0], because: string): Decision {
  return {
    action: 'none',
    reasons: [`unknown: ${because}`],
    conditions: [],
    metrics: [],
    aboveCreate: facts.memory.aboveCreate,
    belowHeadroom: false,
    needed: false,
  };
}

/** The numbers change with every tick; what was decided, and why, does so rarely. */
function summary({ action, reasons }: Decision, requested: string | null): string {
  return [action, requested ?? '', ...reasons.map((reason) => reason.replace(/[\d.,]+/g, '#'))].join('|');
}

/** What every metric has grown to. Quotas are numbers of the whole region, so they are taken as they are. */
function grownBy(
  before: Readonly<Record<string, number>>,
  uncounted: readonly Server[],
  counted: readonly Server[],
  regional: RegionState['regional'],
): Record<string, number> {
  const grown: Record<string, number> = { ...before };
  const earlier = new Map(uncounted.map((server) => [server.name, server]));
  for (const metric of serverMetrics) {
    for (const { name, numbers } of counted) {
      const from = earlier.get(name)?.numbers[metric];
      const to = numbers[metric];
      if (from && to) grown[metric] = (grown[metric] ?? 0) + to.value - from.value;
    }
  }
  for (const metric of regionalMetrics) {
    const measure = regional[metric];
    if (measure !== null) grown[metric] = measure.value;
  }
  return grown;
}
