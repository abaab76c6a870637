import { messageOf } from '../platform/errors';
import { type ProblemList } from '../platform/problems';

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
export function mapTexts(value: unknown, replace: (text: string) => string): unknown {
  if (typeof value === 'string') return replace(value);
  if (Array.isArray(value)) return value.map((item) => mapTexts(item, replace));
  if (isObject(value)) return mapObject(value, (inner) => mapTexts(inner, replace));
  return value;
}

export function mapObject(object: JsonObject, change: (value: unknown, name: string) => unknown): JsonObject {
  return Object.fromEntries(Object.entries(object).map(([name, value]) => [name, change(value, name)]));
}

/** Reads one .json file, or reports why it cannot be used and answers null. */
export function parseJsonAsset(bytes: Buffer, path: string, problems: ProblemList): JsonObject | null {
  const refuse = (code: string, message: string): null => {
    problems.add(code, message, path);
    return null;
  };
  if (bytes.length > largestBytes)
    return refuse('workspaces.asset.tooLarge', `It has more than ${largestBytes} bytes.`);
  // Depth is judged before it is parsed: brackets in texts count too, which no real settings come near.
  if (maximumDepth(bytes) > deepest) return refuse('workspaces.asset.tooDeep', `It is nested deeper than ${deepest}.`);
  let hostile = false;
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString('utf8').replace(/^\ufeff/, ''), (name, inner: unknown) => {
      hostile ||= name === '__proto__' || name === 'constructor';
      return inner;
    });
  } catch (error) {
    return refuse('workspaces.asset.notJson', `It is not JSON: ${messageOf(error)}`);
  }
  if (hostile) return refuse('workspaces.asset.name', 'No setting is called __proto__ or constructor.');
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
