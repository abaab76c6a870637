import { parseTimeSpanMs } from '../time-span';

/** When a timer fires. Times are UTC, in milliseconds since 1970. */
export interface Schedule {
  /** The first occurrence after `afterMs`. */
  nextMs: (afterMs: number) => number;
  kind: 'cron' | 'interval';
}

interface Field {
  name: string;
  min: number;
  max: number;
  names?: readonly string[];
}

const months = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];
const weekdays = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'];
const fields: readonly Field[] = [
  { name: 'second', min: 0, max: 59 },
  { name: 'minute', min: 0, max: 59 },
  { name: 'hour', min: 0, max: 23 },
  { name: 'day', min: 1, max: 31 },
  { name: 'month', min: 1, max: 12, names: months },
  { name: 'day of week', min: 0, max: 6, names: weekdays },
];
const dayMs = 86_400_000;
/** The longest gap of a schedule that can occur at all: from one 29th of February to the next one on the same weekday. */
const furthestDays = 366 * 41;

/**
 * Reads the schedule of a timer trigger: NCRONTAB with six fields (five: without seconds), or a time span.
 * Unlike cron of Unix, a day has to fit both its day of the month and its day of the week.
 * @throws Error naming the field that cannot be read, or a schedule that never occurs.
 */
export function parseSchedule(text: string): Schedule {
  const intervalMs = parseTimeSpanMs(text);
  if (intervalMs !== null) {
    if (intervalMs <= 0) throw new Error(`The schedule "${text}" is no positive time span.`);
    return { kind: 'interval', nextMs: (afterMs) => afterMs + intervalMs };
  }

  const given = text.trim().split(/\s+/);
  const texts = given.length === 5 ? ['0', ...given] : given;
  if (texts.length !== fields.length) throw new Error(`The schedule "${text}" has ${given.length} fields and not six.`);
  const [seconds = [], minutes = [], hours = [], days = [], monthNumbers = [], daysOfWeek = []] = fields.map(
    (field, index) => parseField(texts[index] ?? '', field, text),
  );

  const dayFits = (date: Date): boolean =>
    days.includes(date.getUTCDate()) &&
    monthNumbers.includes(date.getUTCMonth() + 1) &&
    daysOfWeek.includes(date.getUTCDay());
  const firstTimeMs = (fromMs: number): number | undefined => {
    for (const hour of hours) {
      for (const minute of minutes) {
        for (const second of seconds) {
          const timeMs = ((hour * 60 + minute) * 60 + second) * 1000;
          if (timeMs >= fromMs) return timeMs;
        }
      }
    }
    return undefined;
  };
  const nextMs = (afterMs: number): number => {
    const startMs = Math.floor(afterMs / 1000) * 1000 + 1000;
    let midnightMs = Math.floor(startMs / dayMs) * dayMs;
    for (let day = 0; day < furthestDays; day += 1, midnightMs += dayMs) {
      const timeMs = dayFits(new Date(midnightMs)) ? firstTimeMs(Math.max(0, startMs - midnightMs)) : undefined;
      if (timeMs !== undefined) return midnightMs + timeMs;
    }
    throw new Error(`The schedule "${text}" never occurs.`);
  };
  nextMs(0);
  return { kind: 'cron', nextMs };
}

/** `*`, `n`, `a-b`, each with an optional `/step` (`n/step` runs to the end), and lists of these. Ascending. */
function parseField(text: string, field: Field, schedule: string): number[] {
  const values = new Set<number>();
  for (const item of text.split(',')) {
    const [range = '', step, ...rest] = item.split('/');
    const [first = '', last, ...more] = range.split('-');
    const from = first === '*' ? field.min : parseValue(first, field);
    const to = last !== undefined ? parseValue(last, field) : first === '*' || step !== undefined ? field.max : from;
    const by = step === undefined ? 1 : /^[1-9]\d*$/.test(step) ? Number(step) : NaN;
    const readable = rest.length === 0 && more.length === 0 && (first !== '*' || last === undefined);
    if (!readable || !(from >= field.min && to <= field.max && from <= to && by >= 1)) {
      throw new Error(`The schedule "${schedule}" has the unreadable ${field.name} "${item}".`);
    }
    for (let value = from; value <= to; value += by) values.add(value);
  }
  return [...values].sort((a, b) => a - b);
}

function parseValue(text: string, field: Field): number {
  if (/^\d{1,2}$/.test(text)) return Number(text);
  const index = field.names?.indexOf(text.slice(0, 3).toLowerCase()) ?? -1;
  return index === -1 ? NaN : index + field.min;
}
