import { isUtf8 } from 'node:buffer';
import { messageOf } from '../platform/errors';
import { type ProblemList } from '../platform/problems';
import { findJsonFaults, lineAt } from './strict-json';

export type JsonObject = Record<string, unknown>;

const largestBytes = 1024 * 1024;
const deepest = 64;

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** One text for values that mean the same: names in order. */
export function canonical(value: unknown): string {
  return JSON.stringify(value, (_name, inner: unknown) =>
    isObject(inner) ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1))) : inner,
  );
}

/** The same value with every text in it replaced, wherever it is. */
export function mapTexts(value: unknown, replace: (text: string) => unknown): unknown {
  if (typeof value === 'string') return replace(value);
  if (Array.isArray(value)) return value.map((item) => mapTexts(item, replace));
  if (isObject(value)) return mapObject(value, (inner) => mapTexts(inner, replace));
  return value;
}

export function mapObject(object: JsonObject, change: (value: unknown, name: string) => unknown): JsonObject {
  return Object.fromEntries(Object.entries(object).map(([name, value]) => [name, change(value, name)]));
}

/** Fields whose values are the user's own names and values: nothing in them is ours to read. */
const userMaps = new Set(
  (
    'spark_conf spark_env_vars custom_tags tags base_parameters named_parameters job_parameters notebook_params ' +
    'python_named_params sql_params'
  ).split(' '),
);

/** The same settings with fields replaced wherever they stand; `change` answers undefined where it has nothing to say. */
export function mapFields(
  object: JsonObject,
  change: (field: string, value: unknown, owner: JsonObject) => unknown,
): JsonObject {
  return mapObject(object, (value, field) => {
    const changed = change(field, value, object);
    if (changed !== undefined) return changed;
    if (Array.isArray(value)) {
      return value.map((item: unknown) => (isObject(item) ? mapFields(item, change) : item));
    }
    // As a list they are the job's own parameters; as an object they are somebody's values.
    const isUsers = userMaps.has(field) || field === 'parameters';
    return isObject(value) && !isUsers ? mapFields(value, change) : value;
  });
}

/** Reads one .json file, or reports everything that is wrong with it and answers null. */
export function parseJsonAsset(bytes: Buffer, path: string, problems: ProblemList): JsonObject | null {
  const refuse = (code: string, message: string, line: number | null = null): null => {
    problems.add(code, message, path, line);
    return null;
  };
  if (bytes.length > largestBytes)
    return refuse('workspaces.asset.tooLarge', `It has more than ${largestBytes} bytes.`);
  if (!isUtf8(bytes)) return refuse('workspaces.asset.notText', 'It is not a text in UTF-8.');
  // Depth is judged before it is parsed: brackets in texts count too, which no real settings come near.
  if (maximumDepth(bytes) > deepest) return refuse('workspaces.asset.tooDeep', `It is nested deeper than ${deepest}.`);
  const text = bytes.toString('utf8').replace(/^\ufeff/, '');
  const faults = findJsonFaults(text);
  for (const { code, line, message } of faults) problems.add(code, message, path, line);
  if (faults.length > 0) return null;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    const position = /position (\d+)/.exec(messageOf(error))?.[1];
    const line = position === undefined ? null : lineAt(text, Number(position));
    return refuse('workspaces.asset.notJson', `It is not JSON: ${messageOf(error)}`, line);
  }
  return isObject(value) ? value : refuse('workspaces.asset.notJson', 'It is not a JSON object.');
}

function maximumDepth(bytes: Buffer): number {
  let depth = 0;
  let most = 0;
  for (const byte of bytes) {
    if (byte === 0x7b || byte === 0x5b) most = Math.max(most, (depth += 1));
    else if (byte === 0x7d || byte === 0x5d) depth -= 1;
  }
  return most;
}
