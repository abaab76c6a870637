import { type Measure, type Metric, type ServerMetric, type Severity } from './model';
import { type RegionState, type Server } from './schema';

/** What is known of a region when it is decided about, and in which words it is talked about. No I/O. */

/** What is wrong now, and what to do about it. Becomes an alert. */
export interface Condition {
  /** Identifies the alert within the region, together with `subject`. */
  class: string;
  /** A metric or a server. */
  subject: string;
  severity: Severity;
  message: string;
  suggestion: string;
}

export interface MetricView {
  metric: Metric;
  value: number;
  limit: number;
  create: number;
  alert: number;
  utilisation: number;
  headroom: number | null;
  perMs: number;
  exhaustedInMs: number | null;
  /** How far into the future the samples let us look. */
  sightMs: number;
}

/** Of what one more server brings more of. */
export interface PooledView extends MetricView {
  metric: ServerMetric;
  headroom: number;
  /** What should be placeable at any time: the growth to expect until a server is there, or the minimum. */
  wanted: number;
  projected: number;
}

export interface RegionFacts {
  region: string;
  nowMs: number;
  /** Every document of the region, with numbers as fresh as they could be had. */
  servers: readonly Server[];
  /** Quotas of the region; null where Azure did not say. */
  regional: { servers: Measure | null; regionalVCores: Measure | null };
  memory: Pick<RegionState, 'samples' | 'aboveCreate' | 'creations' | 'blocked' | 'failuresInARow' | 'stopped'>;
  templateVersion: number;
  /** Other regions that are looked after, for suggestions. */
  otherRegions: readonly string[];
}

export function percent(part: number): string {
  return `${(part * 100).toFixed(1)} %`;
}
