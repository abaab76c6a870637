/** A JSON value. */
export type Json = null | boolean | number | string | readonly Json[] | JsonObject;
export interface JsonObject {
  readonly [name: string]: Json;
}

/** What an expression over documents yields: a property that is not there is `undefined`, which is not null. */
export type Value = Json | undefined;

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function isJsonArray(value: Value): value is readonly Json[] {
  return Array.isArray(value);
}

/** Parses text that this program wrote or has checked. @throws SyntaxError when it is no JSON object. */
export function parseObject(text: string): JsonObject {
  const value: unknown = JSON.parse(text);
  if (!isJsonObject(value)) throw new SyntaxError('not a JSON object');
  return value;
}

/** Property of an object or element of an array; undefined where there is none. */
export function memberOf(value: Value, name: string | number): Value {
  if (typeof name === 'number') return isJsonArray(value) ? value[name] : undefined;
  return isJsonObject(value) && Object.hasOwn(value, name) ? value[name] : undefined;
}

/** Deep equality as the query language defines it: same type, same content, property order does not matter. */
export function jsonEqual(left: Json, right: Json): boolean {
  if (left === right) return true;
  if (isJsonArray(left)) {
    return isJsonArray(right) && left.length === right.length && left.every((each, at) => same(each, right[at]));
  }
  if (!isJsonObject(left) || !isJsonObject(right)) return false;
  const names = Object.keys(left);
  return names.length === Object.keys(right).length && names.every((name) => same(left[name], memberOf(right, name)));
}

function same(left: Value, right: Value): boolean {
  return left !== undefined && right !== undefined && jsonEqual(left, right);
}
