/** Where a number is heading, from samples of it. No I/O. */

export interface Sample {
  atMs: number;
  value: number;
}

export interface Forecast {
  /** Theil–Sen: the median of the slopes of all pairs. One wild sample, or a night without growth, hardly moves it. */
  perMs: number;
  /** The most that it grew within any stretch of `windowMs`: bursts do not show in a median. */
  largestGrowth: number;
}

/** Beyond this many the pairs grow too many for every tick; every n-th sample says the same. */
const samplesForSlope = 60;

export function forecast(samples: readonly Sample[], windowMs: number): Forecast {
  return { perMs: theilSenSlope(samples), largestGrowth: largestGrowth(samples, windowMs) };
}

/** Growth to expect within `windowMs`: the trend or the worst that was seen, whichever is more. Never negative. */
export function expectedGrowth(samples: readonly Sample[], windowMs: number): number {
  const { perMs, largestGrowth: burst } = forecast(samples, windowMs);
  return Math.max(0, perMs * windowMs, burst);
}

/** Null: at this slope it never gets there. */
export function exhaustedInMs(current: number, limit: number, perMs: number): number | null {
  if (current >= limit) return 0;
  return perMs > 0 ? (limit - current) / perMs : null;
}

export function theilSenSlope(samples: readonly Sample[]): number {
  const step = Math.max(1, Math.ceil(samples.length / samplesForSlope));
  const thinned = samples.filter((_, index) => (samples.length - 1 - index) % step === 0);
  const slopes: number[] = [];
  for (const [index, from] of thinned.entries()) {
    for (const to of thinned.slice(index + 1)) {
      if (to.atMs > from.atMs) slopes.push((to.value - from.value) / (to.atMs - from.atMs));
    }
  }
  return percentile(slopes, 0.5);
}

function largestGrowth(samples: readonly Sample[], windowMs: number): number {
  let largest = 0;
  let start = 0;
  for (const [index, to] of samples.entries()) {
    // The window reaches back to the last sample that is at least as old as it, so that one coarser than the window counts too.
    while (start + 1 < index && to.atMs - (samples[start + 1]?.atMs ?? 0) >= windowMs) start += 1;
    const from = samples[start];
    if (from === undefined || start === index) continue;
    const least = samples.slice(start, index).reduce((low, { value }) => Math.min(low, value), from.value);
    largest = Math.max(largest, to.value - least);
  }
  return largest;
}

/** 0 of nothing. The nearest rank, except that the median of an even count is the mean of the two. */
export function percentile(values: readonly number[], part: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  if (sorted.length === 0) return 0;
  const middle = sorted.length / 2;
  if (part === 0.5 && Number.isInteger(middle)) return ((sorted[middle - 1] ?? 0) + (sorted[middle] ?? 0)) / 2;
  return sorted[Math.min(sorted.length - 1, Math.ceil(part * sorted.length) - 1)] ?? 0;
}

/** The samples with one more, unless the last is too recent; the oldest go. */
export function withSample<S extends { atMs: number }>(
  samples: readonly S[],
  sample: S,
  { everyMs, keep }: { everyMs: number; keep: number },
): S[] {
  const last = samples.at(-1);
  if (last !== undefined && sample.atMs - last.atMs < everyMs) return [...samples];
  return [...samples, sample].slice(-keep);
}
