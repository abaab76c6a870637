/** The few statistics that the benchmarks need. Pure. */

/** @throws RangeError for no values. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const upper = sorted[Math.floor(sorted.length / 2)];
  const lower = sorted[Math.ceil(sorted.length / 2) - 1];
  if (upper === undefined || lower === undefined) throw new RangeError('no values have no median');
  return (upper + lower) / 2;
}

export interface Spread {
  median: number;
  minimum: number;
  maximum: number;
  /** Half of the distance between the quartiles: how far off a middling value is. */
  halfQuartileRange: number;
}

export function spreadOf(values: readonly number[]): Spread {
  return {
    median: median(values),
    minimum: Math.min(...values),
    maximum: Math.max(...values),
    halfQuartileRange: (quantileOf(values, 0.75) - quantileOf(values, 0.25)) / 2,
  };
}

/** Value below which the share `quantile` (0 to 1) of all values lies; nearest rank. @throws RangeError for no values. */
export function quantileOf(values: readonly number[], quantile: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const value = sorted[Math.max(0, Math.ceil(quantile * sorted.length) - 1)];
  if (value === undefined) throw new RangeError('no values have no quantile');
  return value;
}

/** Runs A and B in the order A B B A A B B A ..., so that a machine that gets slower or faster favours neither. */
export function alternatingOrder(pairs: number): ('AB' | 'BA')[] {
  return Array.from({ length: pairs }, (_, index) => (index % 2 === 0 ? 'AB' : 'BA'));
}

/** Least-squares slope of log(y) over log(x): 1 means that twice the size costs twice as much. */
export function growthExponent(points: readonly { size: number; cost: number }[]): number {
  const logs = points.map(({ size, cost }) => ({ x: Math.log(size), y: Math.log(cost) }));
  const mean = (pick: (point: { x: number; y: number }) => number): number =>
    logs.reduce((sum, point) => sum + pick(point), 0) / logs.length;
  const meanX = mean(({ x }) => x);
  const meanY = mean(({ y }) => y);
  const covariance = mean(({ x, y }) => (x - meanX) * (y - meanY));
  return covariance / mean(({ x }) => (x - meanX) ** 2);
}
