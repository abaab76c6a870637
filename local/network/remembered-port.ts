import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { messageOf } from '../../lib/platform/errors';

/**
 * Starts a service on the port that it had before, so that addresses which clients have kept stay good over a restart; on
 * another free one where that is taken meanwhile.
 */
export async function onRememberedPort<T extends { port: number }>(
  file: string,
  start: (port: number) => Promise<T>,
): Promise<T> {
  const before = existsSync(file) ? Number(readFileSync(file, 'utf8')) : 0;
  const started = await start(before).catch((error: unknown) => {
    if (before !== 0 && /is taken/.test(messageOf(error))) return start(0);
    throw error;
  });
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, String(started.port));
  return started;
}
