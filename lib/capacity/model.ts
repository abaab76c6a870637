/** Words and states of the capacity capability. No I/O. */

export const serverStates = [
  'requested',
  'creating',
  'securing',
  'ready',
  'draining',
  'retired',
  'failed',
  'missing',
  'quarantined',
] as const;
export type ServerState = (typeof serverStates)[number];

/** A server in one of these is on its way: it counts as capacity, so that the next tick does not ask for another. */
export const inFlightStates: readonly ServerState[] = ['requested', 'creating', 'securing'];

export function isInFlight(state: ServerState): boolean {
  return inFlightStates.includes(state);
}

/** Counted per server and pooled over the region: one more server brings more of it. */
export const serverMetrics = ['databases', 'serverDtus'] as const;
export type ServerMetric = (typeof serverMetrics)[number];

/** Quotas of the subscription in the region: no server cures them, only a ticket or another region does. */
export const regionalMetrics = ['servers', 'regionalVCores'] as const;
export type RegionalMetric = (typeof regionalMetrics)[number];

export type Metric = ServerMetric | RegionalMetric;

/** A number against the limit that holds for it. */
export interface Measure {
  value: number;
  limit: number;
}

/** What a failure to create says about the next try. */
export const failureClasses = ['configuration', 'region', 'transient', 'name'] as const;
export type FailureClass = (typeof failureClasses)[number];

export const severities = ['info', 'warning', 'critical'] as const;
export type Severity = (typeof severities)[number];

/** Tags by which a server is known as one of ours, whoever lost its document. */
export const ownTags = { managedBy: 'managed-by', environment: 'sqlfleet-environment' } as const;
export const managedByValue = 'sqlfleet';

export function isOurs(tags: Readonly<Record<string, string>>, environment: string): boolean {
  return tags[ownTags.managedBy] === managedByValue && tags[ownTags.environment] === environment;
}

/**
 * The name follows from environment, region and ordinal alone: whoever decides twice decides for the same name, and a PUT
 * of the same name creates nothing twice.
 */
export function serverName(environment: string, region: string, ordinal: number): string {
  return `sql-${environment}-${region}-${String(ordinal).padStart(3, '0')}`;
}

/** Null: not a name of this environment and region. */
export function ordinalOf(name: string, environment: string, region: string): number | null {
  const prefix = `sql-${environment}-${region}-`;
  const digits = name.startsWith(prefix) ? name.slice(prefix.length) : '';
  return /^\d{3,6}$/.test(digits) ? Number(digits) : null;
}

/** One above everything that was ever seen: the name of a deleted server can stay taken, or be recovered. */
export function nextOrdinal(names: Iterable<string>, environment: string, region: string): number {
  let highest = 0;
  for (const name of names) highest = Math.max(highest, ordinalOf(name, environment, region) ?? 0);
  return highest + 1;
}

export function utilisation({ value, limit }: Measure): number {
  return limit > 0 ? value / limit : 1;
}

/** How far from the create threshold (0) to the alert threshold (1) something is. */
export function closeness(use: number, { create, alert }: { create: number; alert: number }): number {
  return Math.min(1, Math.max(0, (use - create) / (alert - create)));
}

/**
 * Grows with closeness to the alert threshold, with failures in a row, and with what cannot be cured by waiting; it never
 * falls when one of them grows.
 */
export function severityOf(facts: {
  closeness: number;
  failures: number;
  /** Trying again will not help: somebody has to act. */
  terminal: boolean;
  /** Exhausted before a server, or a quota, could be there. */
  exhaustedWithinLead: boolean;
}): Severity {
  if (facts.closeness >= 0.8 || facts.exhaustedWithinLead || (facts.terminal && facts.closeness >= 0.5))
    return 'critical';
  if (facts.closeness >= 0.5 || facts.failures >= 3 || facts.terminal) return 'warning';
  return 'info';
}
