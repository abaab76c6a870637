import { type Audit } from '../platform/audit';
import { type AzureCounts } from '../platform/azure-counts';
import { type AzureMetrics } from '../platform/azure-monitor';
import { type AzureSql } from '../platform/azure-sql';
import { type AzureTickets } from '../platform/azure-tickets';
import { type Clock } from '../platform/clock';
import { type FleetEvents } from '../platform/cloud-events';
import { type DocumentStore } from '../platform/documents';
import { type Orchestrations } from '../platform/durable';
import { type Leases } from '../platform/leases';
import { type Logger } from '../platform/logger';
import { createAlerts } from './alerts';
import { createAlone } from './alone';
import { createBalance } from './balance';
import { createCapacityControl } from './control';
import { createDatabases, type TemplateBuilds } from './databases';
import { createCapacityMetrics } from './metrics';
import { createListing } from './listing';
import { createObserve } from './observe';
import { regionOrchestrationId, regionOrchestrationName, type RegionInput } from './orchestrators/region';
import { createPlacing } from './placing';
import { type RegionFacts } from './facts';
import { leadMs } from './measures';
import { decide } from './plan';
import { type Policy } from './policy';
import { createProvision } from './provision';
import { createRegistry } from './registry';
import { type RegionState, type Server, type ServerTemplate } from './schema';
import { type Simulation, simulate } from './simulate';
import { createServerStore } from './server-store';
import { createCapacityStore } from './store';
import { createTick } from './tick';
import { regionView, type RegionView } from './view';

export interface CapacityServicesDeps {
  documents: { sqlServers: DocumentStore; capacity: DocumentStore };
  azure: AzureSql;
  counts: AzureCounts;
  heat: AzureMetrics;
  tickets: AzureTickets;
  builds: TemplateBuilds;
  events: FleetEvents;
  audit: Audit;
  leases: Leases;
  policy: Policy;
  template: ServerTemplate;
  environment: string;
  resourceGroup: string;
  regions: readonly string[];
  /** Between two looks at a server that is on its way. */
  pollIntervalMs: number;
  clock: Clock;
  random: () => number;
  newId: () => string;
  logger: Logger;
}

export type CapacityServices = ReturnType<typeof createCapacityServices>;

/** Wires the capacity capability: everything that `functions/capacity.ts` calls. */
export function createCapacityServices(deps: CapacityServicesDeps) {
  const { policy, clock, regions } = deps;
  const servers = createServerStore(deps.documents.sqlServers);
  const store = createCapacityStore(deps.documents.capacity);
  const metrics = createCapacityMetrics(deps.logger);
  const parts = { ...deps, servers, store, metrics };
  const alone = createAlone(deps);
  const alerts = createAlerts(parts);
  const observe = createObserve(deps);
  const listing = createListing({ ...deps, observe });
  const provision = createProvision(parts);
  const registry = createRegistry({ ...parts, observe, provision });
  const placing = createPlacing({ ...deps, servers });
  const { tick, advance } = createTick({ ...parts, observe, listing, registry, provision, alerts, alone });

  const startRegion = async (region: string, orchestrations: Orchestrations): Promise<void> => {
    const input: RegionInput = {
      region,
      tickIntervalMs: policy.tickIntervalMs,
      pollIntervalMs: deps.pollIntervalMs,
    };
    await orchestrations.start(regionOrchestrationName, regionOrchestrationId(region), input);
  };
  const nudge = async (region: string, orchestrations: Orchestrations): Promise<void> => {
    // Servers stay in the registry when their region is not looked after any more.
    if (!regions.includes(region)) return;
    await startRegion(region, orchestrations);
    await orchestrations.wake(regionOrchestrationId(region));
  };
  /** What the last ticks have left: no question to Azure. */
  const factsOf = async (region: string): Promise<{ facts: RegionFacts; state: RegionState; servers: Server[] }> => {
    const [state, { servers: stored }] = await Promise.all([store.readState(region), servers.region(region)]);
    const documents = stored.map(({ server }) => server);
    const facts: RegionFacts = {
      region,
      nowMs: clock.nowMs(),
      servers: documents,
      regional: state.regional,
      memory: state,
      templateVersion: deps.template.version,
      otherRegions: regions.filter((other) => other !== region),
    };
    return { facts, state, servers: documents };
  };

  return {
    policy,
    regions,
    clock,
    newId: deps.newId,
    servers,
    store,
    audit: deps.audit,
    placing,
    tick,
    advance,
    balance: createBalance({ ...parts, alone }),
    control: createCapacityControl({ ...parts, regions }),
    databases: createDatabases({
      ...parts,
      placing,
      nudge,
      resourceGroupOf: async (region, server) =>
        (await servers.read(region, server))?.resourceGroup ?? deps.resourceGroup,
    }),
    nudge,
    /** Called by the timer: one region that cannot be started must not keep the others waiting. */
    async startRegions(orchestrations: Orchestrations): Promise<void> {
      const started = await Promise.allSettled(regions.map((region) => startRegion(region, orchestrations)));
      const failure = started.find((each) => each.status === 'rejected');
      if (failure !== undefined) throw failure.reason;
    },
    async simulate(region: string, databases: number): Promise<Simulation> {
      return simulate((await factsOf(region)).facts, databases, policy, deps.environment);
    },
    async regionView(region: string): Promise<RegionView> {
      const { facts, state, servers: documents } = await factsOf(region);
      const openAlerts = (await store.openAlerts(region)).length;
      const view = { mode: policy.mode, openAlerts, leadMs: leadMs(state.creations, policy) };
      return regionView(region, state, documents, decide(facts, policy), view);
    },
  };
}
