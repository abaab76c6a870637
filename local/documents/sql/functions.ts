import { isJsonArray, isJsonObject, jsonEqual, memberOf, type Json, type Value } from '../json';
import { typeOf } from './values';

type ScalarFunction = (args: readonly Value[], nowMs: number) => Value;

/** A function of texts and numbers: undefined as soon as one argument is of another type. */
const onText =
  (apply: (text: string) => Value): ScalarFunction =>
  ([text]) =>
    typeof text === 'string' ? apply(text) : undefined;
const onNumber =
  (apply: (value: number) => number): ScalarFunction =>
  ([value]) =>
    typeof value === 'number' ? apply(value) : undefined;
const onTexts =
  (apply: (text: string, part: string) => Value): ScalarFunction =>
  ([text, part, ignoreCase]) => {
    if (typeof text !== 'string' || typeof part !== 'string') return undefined;
    return ignoreCase === true ? apply(text.toLowerCase(), part.toLowerCase()) : apply(text, part);
  };
const onArray =
  (apply: (array: readonly Json[], ...rest: Value[]) => Value): ScalarFunction =>
  ([array, ...rest]) =>
    isJsonArray(array) ? apply(array, ...rest) : undefined;
const isType =
  (...types: string[]): ScalarFunction =>
  ([value]) =>
    types.includes(typeOf(value));

/** The scalar functions that are supported, by upper-case name. */
export const scalarFunctions: Readonly<Record<string, ScalarFunction>> = {
  IS_DEFINED: ([value]) => value !== undefined,
  IS_NULL: isType('null'),
  IS_BOOL: isType('boolean'),
  IS_NUMBER: isType('number'),
  IS_INTEGER: ([value]) => Number.isInteger(value),
  IS_STRING: isType('string'),
  IS_ARRAY: isType('array'),
  IS_OBJECT: isType('object'),
  IS_PRIMITIVE: isType('null', 'boolean', 'number', 'string'),

  CONTAINS: onTexts((text, part) => text.includes(part)),
  STARTSWITH: onTexts((text, part) => text.startsWith(part)),
  ENDSWITH: onTexts((text, part) => text.endsWith(part)),
  STRINGEQUALS: onTexts((text, other) => text === other),
  INDEX_OF: ([text, part]) => (typeof text === 'string' && typeof part === 'string' ? text.indexOf(part) : undefined),
  LOWER: onText((text) => text.toLowerCase()),
  UPPER: onText((text) => text.toUpperCase()),
  TRIM: onText((text) => text.trim()),
  LTRIM: onText((text) => text.trimStart()),
  RTRIM: onText((text) => text.trimEnd()),
  LENGTH: onText((text) => text.length),
  REVERSE: onText((text) => [...text].reverse().join('')),
  LEFT: ([text, count]) => substring(text, 0, count),
  RIGHT: ([text, count]) =>
    typeof text === 'string' && typeof count === 'number'
      ? substring(text, Math.max(0, text.length - count), count)
      : undefined,
  SUBSTRING: ([text, start, count]) => substring(text, start, count),
  CONCAT: (args) => (args.every((arg) => typeof arg === 'string') ? args.join('') : undefined),
  REPLACE: ([text, from, to]) =>
    typeof text === 'string' && typeof from === 'string' && typeof to === 'string'
      ? text.replaceAll(from, to)
      : undefined,
  TOSTRING: ([value]) => (value === undefined ? undefined : typeof value === 'string' ? value : JSON.stringify(value)),
  STRINGTONUMBER: onText((text) => (text.trim() === '' || Number.isNaN(Number(text)) ? undefined : Number(text))),
  REGEXMATCH: ([text, pattern, flags]) =>
    typeof text === 'string' && typeof pattern === 'string'
      ? new RegExp(pattern, typeof flags === 'string' ? flags : '').test(text)
      : undefined,

  ABS: onNumber(Math.abs),
  CEILING: onNumber(Math.ceil),
  FLOOR: onNumber(Math.floor),
  ROUND: onNumber((value) => Math.sign(value) * Math.round(Math.abs(value))),
  SQRT: onNumber(Math.sqrt),
  TRUNC: onNumber(Math.trunc),
  POWER: ([base, exponent]) =>
    typeof base === 'number' && typeof exponent === 'number' ? base ** exponent : undefined,

  ARRAY_LENGTH: onArray((array) => array.length),
  ARRAY_CONTAINS: onArray((array, wanted, partial) =>
    wanted === undefined
      ? undefined
      : array.some((each) => (partial === true ? includes(each, wanted) : jsonEqual(each, wanted))),
  ),
  ARRAY_CONCAT: (args) => (args.every(isJsonArray) ? args.flat() : undefined),
  ARRAY_SLICE: onArray((array, start, count) => {
    if (typeof start !== 'number') return undefined;
    const from = start < 0 ? Math.max(0, array.length + start) : start;
    return array.slice(from, typeof count === 'number' ? from + Math.max(0, count) : undefined);
  }),

  IIF: ([test, yes, no]) => (test === true ? yes : no),
  GETCURRENTDATETIME: (_, nowMs) => new Date(nowMs).toISOString().replace('Z', '0000Z'),
  GETCURRENTTIMESTAMP: (_, nowMs) => nowMs,
};

function substring(text: Value, start: Value, count: Value): Value {
  if (typeof text !== 'string' || typeof start !== 'number' || typeof count !== 'number') return undefined;
  return count <= 0 ? '' : text.slice(Math.max(0, start), Math.max(0, start) + count);
}

/** Whether every property of `part` is in `whole` with the same value. */
function includes(whole: Json, part: Json): boolean {
  if (!isJsonObject(part) || !isJsonObject(whole)) return jsonEqual(whole, part);
  return Object.entries(part).every(([name, value]) => {
    const actual = memberOf(whole, name);
    return actual !== undefined && includes(actual, value);
  });
}
