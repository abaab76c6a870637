import { parseSchedule } from '../../../../local/host/timers/schedule';

const occurrences = (schedule: string, from: string, count: number): string[] => {
  const { nextMs } = parseSchedule(schedule);
  const found: string[] = [];
  for (let atMs = Date.parse(from); found.length < count;) {
    atMs = nextMs(atMs);
    found.push(new Date(atMs).toISOString().replace('.000Z', ''));
  }
  return found;
};

describe('a schedule', () => {
  test.each([
    ['0 */5 * * * *', ['2026-03-31T23:55:00', '2026-04-01T00:00:00']],
    ['*/20 59 23 * * *', ['2026-03-31T23:59:00', '2026-03-31T23:59:20']],
    ['0 30 9 * Jan-Feb Mon', ['2027-01-04T09:30:00', '2027-01-11T09:30:00']],
    ['0 0 9-17/4 * * 1-5', ['2026-04-01T09:00:00', '2026-04-01T13:00:00']],
    ['0 50/5 * * * *', ['2026-03-31T23:55:00', '2026-04-01T00:50:00']],
    ['0 15 8', null],
    ['15 8 * * *', ['2026-04-01T08:15:00', '2026-04-02T08:15:00']],
    ['0 0 0 29 2 *', ['2028-02-29T00:00:00', '2032-02-29T00:00:00']],
    ['0 0 0 13 * Fri', ['2026-11-13T00:00:00', '2027-08-13T00:00:00']],
    ['5,10 0 0 1 1 *', ['2027-01-01T00:00:05', '2027-01-01T00:00:10']],
    ['01:30:00', ['2026-04-01T01:20:00', '2026-04-01T02:50:00']],
    ['0 0 0 30 2 *', null],
    ['0 60 * * * *', null],
    ['0 5-1 * * * *', null],
    ['0 */0 * * * *', null],
    ['0 *-5 * * * *', null],
    ['0 0 0 * * Someday', null],
    ['00:00:00', null],
  ])('%s', (schedule, expected) => {
    if (expected === null) expect(() => parseSchedule(schedule)).toThrow(`The schedule "${schedule}"`);
    else expect(occurrences(schedule, '2026-03-31T23:50:00Z', 2)).toEqual(expected);
  });

  test('never gives the moment it was asked for, also in the middle of a second', () => {
    expect(occurrences('* * * * * *', '2026-01-01T00:00:00.000Z', 1)).toEqual(['2026-01-01T00:00:01']);
    expect(occurrences('* * * * * *', '2026-01-01T00:00:00.999Z', 1)).toEqual(['2026-01-01T00:00:01']);
  });
});
