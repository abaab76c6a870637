import {
  dateText,
  daysOf,
  offsetTimeOf,
  offsetTimeText,
  roundedUnits,
  ticksOf,
  ticksPerDay,
  timeText,
} from '../../../../local/sql/wire/temporal';

test('days from 0001-01-01 to 9999-12-31 are numbered as the Gregorian calendar counts', () => {
  const stride = 29; // shorter than any month, and meets every day of the year in turn
  const day = new Date(0);
  day.setUTCFullYear(1, 0, 1);
  for (let days = 0; days <= 3_652_058; days += stride) {
    const text = day.toISOString().slice(0, 10);
    if (dateText(days) !== text || daysOf(text) !== days) throw new Error(`day ${days} is ${text}`);
    day.setUTCDate(day.getUTCDate() + stride);
  }
  expect(dateText(3_652_058)).toBe('9999-12-31');
});

test('a time keeps its seven digits', () => {
  expect(timeText(ticksOf('23:59:59.9999999'), 7)).toBe('23:59:59.9999999');
  expect(timeText(ticksOf('00:00'), 0)).toBe('00:00:00');
  expect(timeText(ticksOf('01:02:03.4'), 3)).toBe('01:02:03.400');
});

test('an offset moves the day, both ways', () => {
  for (const text of ['2024-01-01 00:30:00.0000001 +14:00', '2023-12-31 23:30:00.0000000 -12:45']) {
    const { offsetMinutes, ...utc } = offsetTimeOf(text);
    expect(offsetTimeText(utc, offsetMinutes, 7)).toBe(text);
  }
});

test('what rounds up to midnight belongs to the next day', () => {
  expect(roundedUnits({ days: 5, ticks: ticksPerDay - 1 }, 10_000_000)).toEqual({ days: 6, units: 0 });
});

test.each(['2024-1-1', '20240101', 'yesterday', ''])('"%s" is not a date', (text) => {
  expect(() => daysOf(text)).toThrow('is not a date');
});
