import { z } from 'zod';
import { type ProblemList } from '../platform/problems';
import { checkInput } from '../platform/schema-problems';
import { checkDefaults } from './cfg-line';
import { type TargetLimits } from './limits';
import { type Target } from './model';
import { checkDatabase, checkLogicalDatabase, checkTag, parseServer, type Checked } from './names';
import { createTarget } from './target';

const text = z
  .string()
  .nullish()
  .transform((value) => (value ?? '').trim());
const serverSchema = z.object({
  servername: text,
  overrides: z.array(z.object({ concurrencytag: text, server: text, defaultdbtarget: text, overridedbtarget: text })),
});

/** An IPv6 address also begins with a bracket, but not with a bracket and a brace. */
export function isMultiDbJson(input: string): boolean {
  return /^\ufeff?\s*\[\s*(?:\{|\]\s*$)/.test(input);
}

/**
 * Reads the JSON form of the predecessor's `.multiDb`: an array of servers with overrides, property names in any letter
 * case. Each server element is one target; its `line` is the 1-based position in the array.
 */
export function* readMultiDbJson(input: string, limits: TargetLimits, problems: ProblemList): Generator<Target> {
  const items = parseArray(input, problems);
  for (const [index, item] of items.entries()) {
    const line = index + 1;
    const parsed = checkInput(serverSchema, item, 'targets.json.shape', '');
    if (!parsed.success) {
      for (const { code, entry, message } of parsed.problems)
        problems.add(code, `${entry ?? ''} ${message}`, null, line);
      continue;
    }
    const target = toTarget(parsed.data, line, limits, problems);
    if (target !== null) yield target;
  }
}

function parseArray(input: string, problems: ProblemList): unknown[] {
  try {
    const value: unknown = JSON.parse(input.replace(/^\ufeff/, ''), (_key, part: unknown) => lowerCaseKeys(part));
    if (Array.isArray(value)) return value.map((item: unknown) => item);
  } catch {
    // reported below: whatever is wrong with it, it is not the array that is expected
  }
  problems.add('targets.json.malformed', 'The file begins like a JSON array but is none.');
  return [];
}

function lowerCaseKeys(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, part]: [string, unknown]) => [key.toLowerCase(), part]));
}

function toTarget(
  { servername, overrides }: z.output<typeof serverSchema>,
  line: number,
  limits: TargetLimits,
  problems: ProblemList,
): Target | null {
  const before = problems.count;
  const accept = <T>(checked: Checked<T>): T | null => {
    if (checked.ok) return checked.value;
    problems.add(checked.code, checked.reason, null, line);
    return null;
  };
  const fail = (reason: string): null => accept<null>({ ok: false, code: 'targets.json.shape', reason });

  const address = accept(parseServer(servername, limits));
  if (overrides.length === 0) fail('The server has no overrides.');
  if (overrides.length > limits.overridesPerTarget) fail(`More than ${limits.overridesPerTarget} overrides.`);
  const tags = new Set(overrides.map(({ concurrencytag }) => concurrencytag));
  if (tags.size > 1) fail('The overrides of a server must have one tag.');
  const tag = accept(checkTag([...tags][0] ?? '', limits));
  const pairs = overrides.map(({ defaultdbtarget, overridedbtarget }) => {
    const source = defaultdbtarget.replaceAll("'", '').trim();
    if (source !== '') accept(checkLogicalDatabase(source, limits));
    return { default: source, target: accept(checkDatabase(overridedbtarget || source, limits)) ?? '' };
  });
  accept(checkDefaults(pairs));
  if (problems.count > before || address === null || tag === null) return null;
  return createTarget({ ...address, overrides: pairs, tag, line });
}
