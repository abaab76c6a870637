import { isJsonArray, jsonEqual, type Json, type Value } from '../json';

/** Types in the order in which ORDER BY puts them. */
const typeOrder = ['undefined', 'null', 'boolean', 'number', 'string', 'array', 'object'] as const;
export type ValueType = (typeof typeOrder)[number];

export function typeOf(value: Value): ValueType {
  if (value === undefined) return 'undefined';
  if (value === null) return 'null';
  if (typeof value === 'object') return isJsonArray(value) ? 'array' : 'object';
  return typeof value === 'boolean' ? 'boolean' : typeof value === 'number' ? 'number' : 'string';
}

/** Total order over all values: by type first, by value within a type, deep values by their text. */
export function compareForOrder(left: Value, right: Value): number {
  const leftType = typeOf(left);
  const rightType = typeOf(right);
  if (leftType !== rightType) return typeOrder.indexOf(leftType) - typeOrder.indexOf(rightType);
  if (leftType === 'array' || leftType === 'object') return compareScalars(JSON.stringify(left), JSON.stringify(right));
  return left === undefined || right === undefined ? 0 : compareScalars(left, right);
}

/** Equality of the query language: undefined (neither true nor false) between different types or with undefined. */
export function equals(left: Value, right: Value): boolean | undefined {
  if (left === undefined || right === undefined || typeOf(left) !== typeOf(right)) return undefined;
  return jsonEqual(left, right);
}

/** Order of two scalars of one type; undefined where the language has no answer. */
export function compare(left: Value, right: Value): number | undefined {
  const type = typeOf(left);
  if (left === undefined || right === undefined || type !== typeOf(right)) return undefined;
  return type === 'array' || type === 'object' ? undefined : compareScalars(left, right);
}

function compareScalars(left: Json, right: Json): number {
  if (left === right || left === null || right === null) return 0;
  return left < right ? -1 : 1;
}
