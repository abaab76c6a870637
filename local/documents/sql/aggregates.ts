import { type Value } from '../json';
import { compareForOrder } from './values';

/** Folds the values of one aggregate function over the rows of one group. */
export interface Accumulator {
  add(value: Value): void;
  result(): Value;
}

/** Undefined values count for nothing; a sum or average over anything but numbers is undefined. */
export const aggregateFunctions: Readonly<Record<string, () => Accumulator>> = {
  COUNT: () => {
    let count = 0;
    return { add: (value) => void (count += value === undefined ? 0 : 1), result: () => count };
  },
  SUM: () => numeric((sum) => sum),
  AVG: () => numeric((sum, count) => (count === 0 ? undefined : sum / count)),
  MIN: () => extreme((order) => order < 0),
  MAX: () => extreme((order) => order > 0),
};

function numeric(result: (sum: number, count: number) => Value): Accumulator {
  let sum = 0;
  let count = 0;
  let onlyNumbers = true;
  return {
    add(value) {
      if (value === undefined) return;
      if (typeof value !== 'number') onlyNumbers = false;
      else sum += value;
      count += 1;
    },
    result: () => (onlyNumbers ? result(sum, count) : undefined),
  };
}

function extreme(isBetter: (order: number) => boolean): Accumulator {
  let best: Value;
  return {
    add(value) {
      if (value !== undefined && (best === undefined || isBetter(compareForOrder(value, best)))) best = value;
    },
    result: () => best,
  };
}
