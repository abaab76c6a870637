import { type ProblemList } from '../platform/problems';
import { type TargetLimits } from './limits';
import { type DatabaseOverride, type Target } from './model';
import {
  checkDatabase,
  checkLogicalDatabase,
  checkTag,
  parsePort,
  parseServer,
  printable,
  type Checked,
  type ServerAddress,
} from './names';
import { createTarget } from './target';

/**
 * Reads one line of a `.cfg` file:
 *
 *     line     = [ "tcp:" ] host [ "," port | ":" port ] ":" override *( ";" override ) [ "#" tag ]
 *     override = [ default "," ] target          an empty target is the default itself
 *     comment  = "--" ... | "//" ...             on a line of its own
 *
 * @returns null for blank lines and comments, and after a problem was reported
 */
export function parseLine(written: string, line: number, limits: TargetLimits, problems: ProblemList): Target | null {
  const text = written.trim();
  if (text === '' || text.startsWith('--') || text.startsWith('//')) return null;
  if (text.length > limits.lineCharacters) {
    problems.add('targets.line.tooLong', `More than ${limits.lineCharacters} characters.`, null, line);
    return null;
  }
  const before = problems.count;
  const accept = <T>(checked: Checked<T>): T | null => {
    if (checked.ok) return checked.value;
    problems.add(checked.code, checked.reason, null, line);
    return null;
  };

  const hash = text.indexOf('#');
  const tag = hash === -1 ? '' : accept(checkTag(text.slice(hash + 1).trim(), limits));
  const parts = splitAtServer(hash === -1 ? text : text.slice(0, hash));
  if (parts === null) {
    const message = 'A target is written server:default,target - this line has no colon.';
    problems.add('targets.line.syntax', message, null, line);
    return null;
  }
  const address = accept(addressOf(parts, limits));
  const overrides = parseOverrides(parts.databases, limits, accept);
  if (problems.count > before || address === null || overrides === null || tag === null) return null;
  return createTarget({ ...address, overrides, tag, line });
}

interface LineParts {
  server: string;
  /** Written between colons; null when it is not. */
  port: string | null;
  databases: string;
}

/** The first colon ends the server, except behind `tcp` and inside the brackets of an IPv6 address. */
function splitAtServer(text: string): LineParts | null {
  const bracket = /^(?:tcp:)?\s*\[[^\]]*\]/i.exec(text)?.[0].length ?? 0;
  const afterProtocol = /^tcp:(?=[^:]*:)/i.exec(text)?.[0].length ?? 0;
  const colon = text.indexOf(':', Math.max(bracket, afterProtocol));
  if (colon === -1) return null;
  const server = text.slice(0, colon);
  const rest = text.slice(colon + 1);
  const port = /^\s*(\d+)\s*:/.exec(rest);
  return port === null
    ? { server, port: null, databases: rest }
    : { server, port: port[1] ?? '', databases: rest.slice(port[0].length) };
}

function addressOf({ server, port }: LineParts, limits: TargetLimits): Checked<ServerAddress> {
  const address = parseServer(server, limits);
  if (!address.ok || port === null) return address;
  if (address.value.port !== null) {
    return { ok: false, code: 'targets.server.port', reason: 'The port is written twice.' };
  }
  const parsed = parsePort(port);
  return parsed.ok ? { ok: true, value: { ...address.value, port: parsed.value } } : parsed;
}

type Accept = <T>(checked: Checked<T>) => T | null;

function parseOverrides(text: string, limits: TargetLimits, accept: Accept): DatabaseOverride[] | null {
  const pairs = text.split(';');
  if (pairs.length > limits.overridesPerTarget) {
    const reason = `More than ${limits.overridesPerTarget} overrides.`;
    return accept({ ok: false, code: 'targets.line.tooManyOverrides', reason });
  }
  const overrides: DatabaseOverride[] = [];
  for (const pair of pairs) {
    const override = accept(parseOverride(pair, limits));
    if (override !== null) overrides.push(override);
  }
  accept(checkDefaults(overrides));
  return overrides;
}

function parseOverride(pair: string, limits: TargetLimits): Checked<DatabaseOverride> {
  const parts = pair.split(',').map((part) => part.trim());
  if (parts.length > 2) {
    const reason = `"${printable(pair)}" has more than two names; an override is written default,target.`;
    return { ok: false, code: 'targets.line.override', reason };
  }
  const [first = '', second] = parts;
  const source = second === undefined ? '' : first.replaceAll("'", '').trim();
  const written = second ?? first;
  const target = checkDatabase(written === '' ? source : written, limits);
  if (!target.ok) return target;
  if (source === '') return { ok: true, value: { default: '', target: target.value } };
  const logical = checkLogicalDatabase(source, limits);
  return logical.ok ? { ok: true, value: { default: logical.value, target: target.value } } : logical;
}

/** Only the first override with a default is ever used; a second one names a database that would silently be left out. */
export function checkDefaults(overrides: readonly DatabaseOverride[]): Checked<null> {
  const seen = new Set<string>();
  for (const override of overrides) {
    const key = override.default.toLowerCase();
    if (seen.has(key)) {
      const name = override.default === '' ? 'without a default' : `for ${override.default}`;
      const reason = `A second override ${name} would never be used: ${override.target} is left out.`;
      return { ok: false, code: 'targets.line.duplicateDefault', reason };
    }
    seen.add(key);
  }
  return { ok: true, value: null };
}
