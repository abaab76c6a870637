import { alternatingOrder, median, spreadOf, type Spread } from '../statistics';

export interface Measurement {
  /** Databases per second of wall time. */
  ratePerSecond: number;
  cpuMsPerDatabase: number;
  durationsMs: readonly number[];
  /** CPU time of the server over wall time: near 1 the server is what is measured. */
  serverCpuShare: number;
  maximumResidentBytes: number;
}

export interface Comparison {
  /** First over second, pair by pair. */
  rate: Spread;
  ratePerCpu: Spread;
  /** The first one's run of the middle. */
  first: Measurement;
}

/** Measures two things in pairs, in alternating order; only the ratio within a pair counts, so slow drift cancels out. */
export async function compare<Name>(
  first: Name,
  second: Name,
  pairs: number,
  measure: (name: Name) => Promise<Measurement>,
): Promise<Comparison> {
  const rateRatios: number[] = [];
  const cpuRatios: number[] = [];
  const runs: Measurement[] = [];
  for (const order of alternatingOrder(pairs)) {
    const earlier = await measure(order === 'AB' ? first : second);
    const later = await measure(order === 'AB' ? second : first);
    const [one, other] = order === 'AB' ? [earlier, later] : [later, earlier];
    rateRatios.push(one.ratePerSecond / other.ratePerSecond);
    cpuRatios.push(other.cpuMsPerDatabase / one.cpuMsPerDatabase);
    runs.push(one);
  }
  return { rate: spreadOf(rateRatios), ratePerCpu: spreadOf(cpuRatios), first: middleOf(runs) };
}

function middleOf(runs: readonly Measurement[]): Measurement {
  const middle = median(runs.map(({ ratePerSecond }) => ratePerSecond));
  return runs.reduce((best, run) =>
    Math.abs(run.ratePerSecond - middle) < Math.abs(best.ratePerSecond - middle) ? run : best,
  );
}
