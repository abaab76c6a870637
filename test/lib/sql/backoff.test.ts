import { azureSqlBackoff, backoffMs } from '../../../lib/sql/backoff';

it('waits 5 s first, then twice as long each time, up to a minute', () => {
  expect([1, 2, 3, 4, 5, 6, 100].map((retry) => backoffMs(azureSqlBackoff, retry, () => 0))).toEqual([
    5_000, 10_000, 20_000, 40_000, 60_000, 60_000, 60_000,
  ]);
});

it('never waits less than the base, and up to a fifth more', () => {
  expect(backoffMs(azureSqlBackoff, 1, () => 0.999999)).toBe(6_000);
  expect(backoffMs(azureSqlBackoff, 9, () => 0.5)).toBe(66_000);
});
