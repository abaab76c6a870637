import { ServiceError } from '../network/service-error';
import { isJsonArray, isJsonObject, memberOf, type JsonObject, type Value } from './json';

/** The values of a partition key, one per path; `undefined` where the document has no such property. */
export type PartitionKey = readonly (null | boolean | number | string | undefined)[];

/** One text per partition key, so that partitions can live in a map. Missing values are `{}`, as on the wire. */
export function partitionOf(key: PartitionKey): string {
  return JSON.stringify(key.map((value) => (value === undefined ? {} : value)));
}

/** The partition texts that a shorter (prefix) key of a hierarchical container stands for begin with this. */
export function partitionPrefix(key: PartitionKey): string {
  return `${partitionOf(key).slice(0, -1)},`;
}

/** Reads the `x-ms-documentdb-partitionkey` header, or the partition key of a bulk operation. */
export function parsePartitionKey(text: string): PartitionKey {
  let values: unknown;
  try {
    values = JSON.parse(text);
  } catch {
    values = null;
  }
  if (!Array.isArray(values)) throw new ServiceError(400, 'BadRequest', `Partition key ${text} is not a JSON array.`);
  return values.map((value: unknown) => {
    if (value === null || typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') {
      return value;
    }
    if (isJsonObject(value) && Object.keys(value).length === 0) return undefined;
    throw new ServiceError(400, 'BadRequest', `Partition key ${text} has a value that is neither scalar nor {}.`);
  });
}

/** The partition key that a document carries itself. */
export function extractPartitionKey(document: JsonObject, paths: readonly string[]): PartitionKey {
  return paths.map((path) => {
    const value = valueAt(document, path);
    if (isJsonObject(value) || isJsonArray(value)) {
      throw new ServiceError(400, 'BadRequest', `The value at partition key path ${path} is not a scalar.`);
    }
    return value;
  });
}

/** The value at a path such as `/address/"postal code"`. */
export function valueAt(document: JsonObject, path: string): Value {
  let value: Value = document;
  for (const name of path.split('/').slice(1)) value = memberOf(value, name.replace(/^"(.*)"$/, '$1'));
  return value;
}
