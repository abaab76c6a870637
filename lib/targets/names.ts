import { isIP } from 'node:net';
import { targetLimits, type TargetLimits } from './limits';

/** Either a value in its one canonical form, or why there is none. */
export type Checked<T> = { ok: true; value: T } | { ok: false; code: string; reason: string };

export interface ServerAddress {
  /** Lower-case host name without trailing dot, or an IP address in its shortest form, IPv6 without brackets. */
  server: string;
  /** Null: the server's default. */
  port: number | null;
}

/**
 * Reads `host`, `host,port`, `tcp:host,port` or `[IPv6],port`. Named instances, other protocols and everything that
 * could reach into a connection string are refused: the name goes into a driver's options and decides who gets a login.
 */
export function parseServer(written: string, limits: TargetLimits = targetLimits): Checked<ServerAddress> {
  const text = written.trim().replace(/^tcp:/i, '');
  const comma = text.indexOf(',');
  const host = (comma === -1 ? text : text.slice(0, comma)).trim();
  const port = comma === -1 ? null : parsePort(text.slice(comma + 1).trim());
  if (port !== null && !port.ok) return port;
  const server = parseHost(host, limits);
  return server.ok ? { ok: true, value: { server: server.value, port: port?.value ?? null } } : server;
}

export function parsePort(written: string): Checked<number> {
  const port = /^\d{1,5}$/.test(written) ? Number(written) : 0;
  if (port >= 1 && port <= 65_535) return { ok: true, value: port };
  return { ok: false, code: 'targets.server.port', reason: `"${printable(written)}" is not a port from 1 to 65535.` };
}

function parseHost(host: string, limits: TargetLimits): Checked<string> {
  const refuse = (reason: string): Checked<string> => ({ ok: false, code: 'targets.server.name', reason });
  if (host === '') return refuse('The server is missing.');
  if (host.includes('\\')) return refuse(`"${printable(host)}" names an instance; give a host and a port.`);
  if (host.startsWith('[')) {
    const address = host.endsWith(']') ? host.slice(1, -1) : '';
    if (isIP(address) !== 6 || address.includes('%')) return refuse(`"${printable(host)}" is not an IPv6 address.`);
    return { ok: true, value: new URL(`http://[${address}]/`).hostname.slice(1, -1) };
  }
  const name = host.toLowerCase().replace(/\.$/, '');
  if (name.length > limits.hostCharacters) return refuse('The server name is too long.');
  const labels = name.split('.');
  if (!labels.every((label) => /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/.test(label))) {
    return refuse(`"${printable(host)}" is not a host name.`);
  }
  // Resolvers read 127.1, 0x7f.1 and 2130706433 as addresses too, past every list of allowed names.
  if (/^(?:\d+|0x[0-9a-f]*)$/.test(labels.at(-1) ?? '') && isIP(name) !== 4) {
    return refuse(`"${printable(host)}" is neither a host name nor a plain IPv4 address.`);
  }
  return { ok: true, value: name };
}

const systemDatabases = new Set(['master', 'tempdb', 'model', 'msdb']);

/** Checks the name of a database that will be connected to. Azure SQL's rules for names, without system databases. */
export function checkDatabase(name: string, limits: TargetLimits = targetLimits): Checked<string> {
  if (systemDatabases.has(name.toLowerCase())) {
    return { ok: false, code: 'targets.database.system', reason: `${name} is a system database.` };
  }
  const logical = checkLogicalDatabase(name, limits);
  if (!logical.ok) return logical;
  if (/[<>*%&:\\/?]/.test(name) || /[. ]$/.test(name)) {
    return { ok: false, code: 'targets.database.name', reason: `"${printable(name)}" is not a database name.` };
  }
  return logical;
}

/** Checks the left side of an override: a name that scripts use, which need not exist anywhere. */
export function checkLogicalDatabase(name: string, limits: TargetLimits = targetLimits): Checked<string> {
  const refuse = (reason: string): Checked<string> => ({ ok: false, code: 'targets.database.name', reason });
  if (name === '') return refuse('The database is missing.');
  if (name.length > limits.databaseCharacters) {
    return refuse(`A database name is longer than ${limits.databaseCharacters} characters.`);
  }
  if (hasInvisibleCharacters(name)) return refuse(`"${printable(name)}" contains control or invisible characters.`);
  if (/[,;#:]/.test(name)) return refuse(`"${printable(name)}" contains a separator of target files.`);
  return { ok: true, value: name };
}

export function checkTag(tag: string, limits: TargetLimits = targetLimits): Checked<string> {
  const refuse = (reason: string): Checked<string> => ({ ok: false, code: 'targets.tag', reason });
  if (tag.length > limits.tagCharacters) return refuse(`A tag is longer than ${limits.tagCharacters} characters.`);
  if (hasInvisibleCharacters(tag)) return refuse(`"${printable(tag)}" contains control or invisible characters.`);
  if (tag.includes('#')) return refuse('A line has more than one tag.');
  return { ok: true, value: tag };
}

/** Controls, format characters such as U+200B, lone surrogates: what cannot be seen in a list of databases. */
function hasInvisibleCharacters(text: string): boolean {
  return /[\p{C}\u2028\u2029]/u.test(text);
}

/** For showing what was written in a message. */
export function printable(text: string): string {
  return text.slice(0, 80).replace(/[\p{C}\u2028\u2029]/gu, '\ufffd');
}
