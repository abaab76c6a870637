import { type DatabaseOverride, type Target } from './model';

/**
 * Writes targets as a `.cfg` file that `parseTargets` reads back, tags included. Ports are written `server,port`, the
 * form that older tools understand too. One line per target, each ended by a line feed.
 */
export function formatTargets(targets: Iterable<Pick<Target, 'server' | 'port' | 'overrides' | 'tag'>>): string {
  let text = '';
  for (const target of targets) text += `${formatTarget(target)}\n`;
  return text;
}

/** One target as one line, without line end. */
export function formatTarget({
  server,
  port,
  overrides,
  tag,
}: Pick<Target, 'server' | 'port' | 'overrides' | 'tag'>): string {
  const host = server.includes(':') ? `[${server}]` : server;
  const address = port === null ? host : `${host},${port}`;
  return `${address}:${overrides.map(formatOverride).join(';')}${tag === '' ? '' : `#${tag}`}`;
}

function formatOverride(override: DatabaseOverride): string {
  return override.default === '' ? override.target : `${override.default},${override.target}`;
}
