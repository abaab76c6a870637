import { partitionForKey } from '../../../../local/broker/core/partition-hash';

describe('the partition of a key', () => {
  // What the buffered producer of the SDK computes for the same keys, which is what the service does.
  it.each([
    ['', 0, 0, 0],
    ['a', 0, 1, 28],
    ['build-17', 3, 1, 7],
    ['exactly12byt', 1, 6, 1],
    ['thirteen byte', 1, 3, 1],
    ['ünï', 1, 1, 29],
    ['xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx', 2, 4, 6],
    ['7149583486996073602', 1, 6, 17],
  ])('is the one that the service would choose for %j', (key, of4, of7, of32) => {
    expect([4, 7, 32].map((count) => partitionForKey(key, count))).toEqual([of4, of7, of32]);
  });
});
