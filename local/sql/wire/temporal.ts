/** Dates and times between the text of the seam ('YYYY-MM-DD hh:mm:ss.fffffff') and the integers of the wire. */

/** 100 nanoseconds, the finest that SQL Server knows. */
const ticksPerSecond = 10_000_000;
const ticksPerMinute = 60 * ticksPerSecond;
export const ticksPerDay = 24 * 60 * ticksPerMinute;

export interface DateAndTime {
  /** Days since 0001-01-01. */
  days: number;
  /** Since midnight. */
  ticks: number;
}

const datePattern = /^(\d{4})-(\d\d)-(\d\d)$/;
const timePattern = /^(\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,7}))?)?$/;
const offsetPattern = /^([+-])(\d\d):(\d\d)$/;

/** Days from 0001-01-01 to 1900-01-01, where datetime begins to count. */
export const daysTo1900 = daysOf('1900-01-01');

/** @throws Error for text that is no date of the seam's form. */
export function daysOf(text: string): number {
  const [, year, month, day] = datePattern.exec(text) ?? [];
  if (year === undefined) throw new Error(`"${text}" is not a date of the form YYYY-MM-DD`);
  // The civil calendar counted from March, so that the leap day is the last of its year.
  const m = Number(month);
  const y = Number(year) - (m <= 2 ? 1 : 0);
  const dayOfYear = Math.floor((153 * (m + (m > 2 ? -3 : 9)) + 2) / 5) + Number(day) - 1;
  return y * 365 + Math.floor(y / 4) - Math.floor(y / 100) + Math.floor(y / 400) + dayOfYear - 306;
}

export function dateText(days: number): string {
  const shifted = days + 306; // days since 0000-03-01
  const era = Math.floor(shifted / 146_097);
  const dayOfEra = shifted - era * 146_097;
  const yearOfEra = Math.floor(
    (dayOfEra - Math.floor(dayOfEra / 1460) + Math.floor(dayOfEra / 36_524) - Math.floor(dayOfEra / 146_096)) / 365,
  );
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const shiftedMonth = Math.floor((5 * dayOfYear + 2) / 153);
  const day = dayOfYear - Math.floor((153 * shiftedMonth + 2) / 5) + 1;
  const month = shiftedMonth + (shiftedMonth < 10 ? 3 : -9);
  const year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0);
  return `${String(year).padStart(4, '0')}-${twoDigits(month)}-${twoDigits(day)}`;
}

/** @throws Error for text that is no time of the seam's form. */
export function ticksOf(text: string): number {
  const [, hours, minutes, seconds = '0', fraction = ''] = timePattern.exec(text) ?? [];
  if (hours === undefined) throw new Error(`"${text}" is not a time of the form hh:mm:ss.fffffff`);
  const wholeSeconds = (Number(hours) * 60 + Number(minutes)) * 60 + Number(seconds);
  return wholeSeconds * ticksPerSecond + Number(fraction.padEnd(7, '0'));
}

/** `digits` of the second's fraction, 0 for none. */
export function timeText(ticks: number, digits: number): string {
  const seconds = Math.floor(ticks / ticksPerSecond);
  const clock = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60].map(twoDigits).join(':');
  const fraction = String(ticks % ticksPerSecond).padStart(7, '0');
  return digits === 0 ? clock : `${clock}.${fraction.slice(0, digits)}`;
}

/** 'YYYY-MM-DD hh:mm:ss.fffffff'; the time may be missing. */
export function dateAndTimeOf(text: string): DateAndTime {
  return { days: daysOf(text.slice(0, 10)), ticks: text.length > 10 ? ticksOf(text.slice(11)) : 0 };
}

export function dateAndTimeText({ days, ticks }: DateAndTime, digits: number): string {
  return `${dateText(days)} ${timeText(ticks, digits)}`;
}

/** Local time and its offset ('... +hh:mm') as UTC, with the offset in minutes. */
export function offsetTimeOf(text: string): DateAndTime & { offsetMinutes: number } {
  const [, sign, hours, minutes] = offsetPattern.exec(text.slice(-6)) ?? [];
  if (sign === undefined) throw new Error(`"${text}" has no offset of the form +hh:mm`);
  const offsetMinutes = (Number(hours) * 60 + Number(minutes)) * (sign === '-' ? -1 : 1);
  const local = dateAndTimeOf(text.slice(0, -7));
  return { ...shifted(local, -offsetMinutes * ticksPerMinute), offsetMinutes };
}

export function offsetTimeText(utc: DateAndTime, offsetMinutes: number, digits: number): string {
  const absolute = Math.abs(offsetMinutes);
  const offset = `${twoDigits(Math.floor(absolute / 60))}:${twoDigits(absolute % 60)}`;
  const local = dateAndTimeText(shifted(utc, offsetMinutes * ticksPerMinute), digits);
  return `${local} ${offsetMinutes < 0 ? '-' : '+'}${offset}`;
}

function shifted({ days, ticks }: DateAndTime, byTicks: number): DateAndTime {
  const moved = ticks + byTicks;
  const carry = Math.floor(moved / ticksPerDay);
  return { days: days + carry, ticks: moved - carry * ticksPerDay };
}

/** Rounds to units of `ticksPerUnit`; what rounds up to midnight belongs to the next day. */
export function roundedUnits(at: DateAndTime, ticksPerUnit: number): { days: number; units: number } {
  const unitsPerDay = Math.round(ticksPerDay / ticksPerUnit);
  const units = Math.round(at.ticks / ticksPerUnit);
  return units < unitsPerDay ? { days: at.days, units } : { days: at.days + 1, units: 0 };
}

const twoDigits = (value: number): string => String(value).padStart(2, '0');
