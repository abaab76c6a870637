import { withSample } from './forecast';
import { regionalMetrics, serverMetrics } from './model';
import { type Known } from './observe';
import { type Decision } from './plan';
import { type Policy } from './policy';
import { type RegionSample, type RegionState, type Server } from './schema';

/** What the monitor of a region remembers from one look to the next. No I/O. */

export interface Looked {
  nowMs: number;
  /** As they were before they were counted. */
  uncounted: readonly Server[];
  documents: readonly Server[];
  quotas: Known<RegionState['regional']>;
  /** Null: the list of servers was complete. */
  unknownBecause: string | null;
}

export function remembered(memory: RegionState, looked: Looked, policy: Policy): RegionState {
  const { nowMs, uncounted, documents, quotas } = looked;
  const regional = quotas.known ? quotas.value : memory.regional;
  const grown = grownBy(memory.grown, uncounted, documents, regional);
  const sample: RegionSample = { atMs: nowMs, values: grown };
  return {
    ...memory,
    regional,
    grown,
    regionalAt: quotas.known ? new Date(nowMs).toISOString() : memory.regionalAt,
    samples: withSample(memory.samples, sample, { everyMs: policy.sampleEveryMs, keep: policy.samplesKept }),
    unknownSinceMs: looked.unknownBecause === null ? null : (memory.unknownSinceMs ?? nowMs),
    creations: creationsAfter(memory.creations, documents),
  };
}

/** A creation that became ready, or gave up, or was never noted because of a crash, is noted from its document. */
function creationsAfter(creations: RegionState['creations'], documents: readonly Server[]): RegionState['creations'] {
  const byName = new Map(documents.map((server) => [server.name, server]));
  const noted = new Set(creations.map(({ server }) => server));
  const unnoted = documents.flatMap(({ name, origin, state, creation }) =>
    origin === 'provisioned' && !noted.has(name) && ['requested', 'creating', 'securing'].includes(state)
      ? [{ server: name, requestedAtMs: Date.parse(creation.requestedAt), durationMs: null }]
      : [],
  );
  return [...creations.slice(-100), ...unnoted].flatMap((creation) => {
    const server = byName.get(creation.server);
    if (creation.durationMs !== null) return [creation];
    if (server === undefined || server.state === 'failed') return [];
    const { readyAt } = server.creation;
    if (readyAt === null) return [creation];
    return [{ ...creation, durationMs: Math.max(0, Date.parse(readyAt) - creation.requestedAtMs) }];
  });
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

/** The numbers change with every tick; what was decided, and why, does so rarely. */
export function summaryOf({ action, reasons }: Decision, requested: string | null): string {
  return [action, requested ?? '', ...reasons.map((reason) => reason.replace(/[\d.,]+/g, '#'))].join('|');
}
