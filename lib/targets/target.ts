import { createHash } from 'node:crypto';
import { type DatabaseOverride, type Target } from './model';

/** Where a server listens whose port nobody names. */
export const defaultPort = 1433;
const idCharacters = 16;

/** A target with its id: 64 bits of SHA-256 over server, port and overrides, without regard to letter case and tag. */
export function createTarget(parts: Omit<Target, 'id'>): Target {
  const { server, port, overrides } = parts;
  const identity = [server, port ?? defaultPort, ...overrides.map(overrideIdentity)];
  const id = createHash('sha256').update(JSON.stringify(identity)).digest('hex').slice(0, idCharacters);
  return { id, ...parts };
}

function overrideIdentity(override: DatabaseOverride): [string, string] {
  return [override.default.toLowerCase(), override.target.toLowerCase()];
}

/** Two targets with the same key would run the same scripts in the same databases, whatever their lines look like. */
export function databasesKey({ server, port, overrides }: Omit<Target, 'id'>): string {
  const databases = [...new Set(overrides.map(({ target }) => target.toLowerCase()))].sort();
  return JSON.stringify([server, port ?? defaultPort, ...databases]);
}
