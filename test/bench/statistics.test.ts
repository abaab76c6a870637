import { alternatingOrder, growthExponent, median, quantileOf, spreadOf } from '../../bench/statistics';

describe('the statistics of the benchmarks', () => {
  it('takes the middle, or the mean of the two in the middle', () => {
    expect(median([9, 1, 5])).toBe(5);
    expect(median([9, 1, 5, 7])).toBe(6);
    expect(() => median([])).toThrow(RangeError);
  });

  it('knows how far apart values are, and how far off a middling one is', () => {
    expect(spreadOf([8, 1, 7, 2, 6, 3, 5, 4])).toEqual({ median: 4.5, minimum: 1, maximum: 8, halfQuartileRange: 2 });
  });

  it('takes the nearest rank as a quantile', () => {
    const values = Array.from({ length: 100 }, (_, index) => 100 - index);
    expect(quantileOf(values, 0.5)).toBe(50);
    expect(quantileOf(values, 0.99)).toBe(99);
    expect(quantileOf([7], 0.01)).toBe(7);
  });

  it('lets neither side always go first', () => {
    expect(alternatingOrder(4)).toEqual(['AB', 'BA', 'AB', 'BA']);
  });

  it('tells linear growth from quadratic', () => {
    const cost = (power: number) => [10, 100, 1_000].map((size) => ({ size, cost: 3 * size ** power }));
    expect(growthExponent(cost(1))).toBeCloseTo(1);
    expect(growthExponent(cost(2))).toBeCloseTo(2);
  });
});
