import { type Logger } from '../platform/logger';

/**
 * What capacity tells Azure Monitor: one structured log line per fact, which lands in the Application Insights table
 * `traces`. The workbook in `infra/` and alert rules read these names, so they are an interface: add, never rename.
 *
 *   traces | where message has '"capacity.region"'
 *          | extend facts = parse_json(extract(@'(\{.*\})', 1, message))
 */
export const metricLines = {
  /** One per region and metric at every tick: `RegionMetricFacts`. */
  region: 'capacity.region',
  /** One per server at every tick: `ServerMetricFacts`. */
  server: 'capacity.server',
  /** One per region at every tick: `TickFacts`. */
  tick: 'capacity.tick',
  /** When an alert opens, changes its severity, or is resolved: `AlertFacts`. */
  alert: 'capacity.alert',
  /** When a server became ready, or gave up: `ProvisioningFacts`. */
  provisioning: 'capacity.provisioning',
} as const;

/** `value`, `create`, `alert` and `limit` are in the metric's own unit; `utilisation` is value / limit. */
export interface RegionMetricFacts {
  region: string;
  metric: string;
  value: number;
  limit: number;
  create: number;
  alert: number;
  utilisation: number;
  /** What can still be placed before the placement ceiling; null for quotas of the region. */
  headroom: number | null;
  growthPerDay: number;
  /** Null: not within the forecast's sight. */
  daysToExhaustion: number | null;
}

export interface ServerMetricFacts {
  region: string;
  server: string;
  state: string;
  databases: number | null;
  databasesLimit: number;
  databasesCreate: number;
  databasesAlert: number;
  reserved: number;
  load: number;
}

export interface TickFacts {
  region: string;
  /** `none`, `create`, `wouldCreate` or `unknown`. */
  decision: string;
  reason: string;
  readyServers: number;
  inFlightServers: number;
  openAlerts: number;
  /** 1 while the region's placeable headroom is below what it should be, else 0: its sum is the minutes below. */
  belowHeadroom: 0 | 1;
  durationMs: number;
}

export interface AlertFacts {
  region: string;
  key: string;
  severity: string;
  state: string;
  message: string;
  suggestion: string;
}

export interface ProvisioningFacts {
  region: string;
  server: string;
  /** `ready` or `failed`. */
  outcome: string;
  durationMs: number;
  failureClass: string | null;
}

/** The lines, typed: nobody can emit a fact under a name that the workbook does not know. */
export function createCapacityMetrics(logger: Logger) {
  const line =
    <Facts extends object>(name: string) =>
    (facts: Facts): void =>
      logger.info(name, Object.fromEntries(Object.entries(facts)));
  return {
    region: line<RegionMetricFacts>(metricLines.region),
    server: line<ServerMetricFacts>(metricLines.server),
    tick: line<TickFacts>(metricLines.tick),
    alert: line<AlertFacts>(metricLines.alert),
    provisioning: line<ProvisioningFacts>(metricLines.provisioning),
  };
}
export type CapacityMetrics = ReturnType<typeof createCapacityMetrics>;
