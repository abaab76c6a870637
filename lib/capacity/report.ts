import { reservedOn } from './load';
import { isBeingCreated } from './measures';
import { type CapacityMetrics } from './metrics';
import { type Decision } from './plan';
import { type Policy } from './policy';
import { type Server } from './schema';

export interface Look {
  region: string;
  documents: readonly Server[];
  decision: Decision;
  openAlerts: number;
  durationMs: number;
  nowMs: number;
}

const dayMs = 86_400_000;

/** Tells Azure Monitor what a look has seen and decided: the numbers of the region, of every server, and of the look itself. */
export function createReport(deps: { metrics: CapacityMetrics; policy: Policy }) {
  const { metrics, policy } = deps;
  return ({ region, documents, decision, openAlerts, durationMs, nowMs }: Look): void => {
    for (const view of decision.metrics) {
      const { metric, value, limit, utilisation, headroom, exhaustedInMs } = view;
      metrics.region({
        region,
        metric,
        value,
        limit,
        create: view.create * limit,
        alert: view.alert * limit,
        utilisation,
        headroom,
        growthPerDay: view.perMs * dayMs,
        daysToExhaustion: exhaustedInMs === null ? null : exhaustedInMs / dayMs,
      });
    }
    const { create, alert } = policy.thresholds.databases;
    for (const server of documents) {
      const limit = server.numbers.databases?.limit ?? policy.limits.databases;
      metrics.server({
        region,
        server: server.name,
        state: server.state,
        databases: server.numbers.databases?.value ?? null,
        databasesLimit: limit,
        databasesCreate: create * limit,
        databasesAlert: alert * limit,
        reserved: reservedOn(server, nowMs),
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
}
