import { createAudit } from '../../lib/platform/audit';
import { type FleetEvent } from '../../lib/platform/cloud-events';
import { createLeases } from '../../lib/platform/leases';
import { createLogger } from '../../lib/platform/logger';
import { type DocumentStore } from '../../lib/platform/documents';
import { type Orchestrations } from '../../lib/platform/durable';
import { type CapacityServices, type CapacityServicesDeps, createCapacityServices } from '../../lib/capacity/services';
import { policySchema } from '../../lib/capacity/policy';
import { type Server, type ServerTemplate, templateSchema } from '../../lib/capacity/schema';
import { requestedServer } from '../../lib/capacity/documents';
import serverTemplate from '../../infra/sql-server-template.json';
import { createMemoryDocuments } from './memory-documents';
import { createSimulatedAzure, type SimulatedAzure } from './simulated-azure';
import { type z } from 'zod';

export const region = 'westeurope';
export const environment = 'test';
const group = '11111111-1111-4111-8111-111111111111';

/** The template that ships, filled in. */
export const template: ServerTemplate = templateSchema.parse(
  JSON.parse(
    JSON.stringify(serverTemplate)
      .replaceAll('${environment}', environment)
      .replaceAll('${adminGroupName}', 'DBA')
      .replaceAll('${adminGroupObjectId}', group)
      .replaceAll('${tenantId}', group)
      .replaceAll('${logAnalyticsWorkspaceId}', '/workspaces/audit'),
  ),
);
export const ownTags = template.tags;

export const noOrchestrations: Orchestrations = {
  start: async () => undefined,
  status: async () => ({ state: 'missing' }),
  wake: async () => undefined,
};

export function aServer(name: string, changes: Partial<Server> = {}): Server {
  const at = new Date(0).toISOString();
  const base = requestedServer({
    name,
    region,
    resourceGroup: 'sqlfleet',
    tags: ownTags,
    templateVersion: template.version,
    fence: 0,
    reason: 'test',
    at,
  });
  const ready: Server = {
    ...base,
    state: 'ready',
    fullyQualifiedDomainName: `${name}.database.windows.net`,
    creation: { ...base.creation, readyAt: at },
    security: { verifiedAt: at, steps: {}, openings: [] },
    numbers: { databases: { value: 0, limit: 5_000 }, serverDtus: null },
    numbersAt: at,
    usagesAt: at,
    load: 0,
  };
  return { ...ready, ...changes };
}

export type PolicyInput = z.input<typeof policySchema>;

export interface CapacityUnderTest {
  services: CapacityServices;
  azure: SimulatedAzure;
  documents: {
    sqlServers: ReturnType<typeof createMemoryDocuments>;
    capacity: ReturnType<typeof createMemoryDocuments>;
  };
  events: FleetEvent[];
  lines: { message: string }[];
  clock: { nowMs(): number; pass(ms: number): void };
  /** Another app on the same documents and the same Azure. */
  another(): CapacityServices;
  server(name: string): Promise<Server | null>;
  /** Ticks and advances as the orchestration does, until nothing is in flight. */
  settle(rounds?: number): Promise<void>;
}

export interface UnderTestOptions {
  policy?: PolicyInput;
  azure?: Parameters<typeof createSimulatedAzure>[0];
  around?: <T>(call: string, run: () => Promise<T>) => Promise<T>;
  stores?: { sqlServers: DocumentStore; capacity: DocumentStore };
  deps?: Partial<CapacityServicesDeps>;
}

/** The capability over simulated Azure and documents in memory, with a clock that passes when it is told to. */
export function capacityUnderTest(options: UnderTestOptions = {}): CapacityUnderTest {
  let nowMs = Date.UTC(2026, 0, 1);
  const clock = {
    nowMs: () => nowMs,
    sleep: async (ms: number) => {
      nowMs += ms;
    },
    pass(ms: number) {
      nowMs += ms;
    },
  };
  const azure = createSimulatedAzure({ region, nowMs: clock.nowMs, ...options.azure });
  const documents = {
    sqlServers: createMemoryDocuments(options.around),
    capacity: createMemoryDocuments(options.around),
  };
  if (options.around !== undefined) azure.intercept(options.around);
  const leases = createMemoryDocuments();
  const events: FleetEvent[] = [];
  const lines: { message: string }[] = [];
  let ids = 0;
  const newId = (): string => `id-${(ids += 1)}`;
  let seed = 1;
  const random = (): number => (seed = (seed * 16_807) % 2_147_483_647) / 2_147_483_647;
  const make = (): CapacityServices =>
    createCapacityServices({
      documents: options.stores ?? documents,
      azure: azure.azure,
      counts: azure.counts,
      heat: { heatPercent: async () => null },
      tickets: { fileServerQuota: async () => 'filed' },
      builds: { start: async () => 'build-1', state: async () => 'succeeded' },
      events: { publish: async (event) => void events.push(event) },
      audit: createAudit(createMemoryDocuments(), { clock, newId }),
      leases: createLeases(leases, { clock }),
      policy: policySchema.parse(options.policy ?? {}),
      template,
      environment,
      resourceGroup: 'sqlfleet',
      regions: [region],
      pollIntervalMs: 15_000,
      clock,
      random,
      newId,
      logger: createLogger((_level, line) => {
        const parsed: unknown = JSON.parse(line);
        if (typeof parsed === 'object' && parsed !== null && 'message' in parsed)
          lines.push({ ...parsed, message: String(parsed.message) });
      }),
      ...options.deps,
    });
  const services = make();
  return {
    services,
    azure,
    documents,
    events,
    lines,
    clock,
    another: make,
    server: (name) => services.servers.read(region, name),
    async settle(rounds = 20) {
      await services.tick(region);
      for (let round = 0; round < rounds; round += 1) {
        const { inFlight } = await services.advance(region);
        if (inFlight === 0) return;
        clock.pass(15_000);
      }
      throw new Error('still in flight');
    },
  };
}
