import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { commandLine } from '../processes';

/** What PostgreSQL writes into `postmaster.pid`: process id on line 1, state on line 8. */
export interface PostmasterFile {
  pid: number;
  ready: boolean;
}

/** null: there is no such file, or it is not written yet. */
export function readPostmasterFile(dataDirectory: string): PostmasterFile | null {
  let lines: string[];
  try {
    lines = readFileSync(join(dataDirectory, 'postmaster.pid'), 'utf8').split('\n');
  } catch {
    return null;
  }
  const pid = Number(lines[0]);
  return Number.isSafeInteger(pid) && pid > 0 ? { pid, ready: (lines[7] ?? '').trim() === 'ready' } : null;
}

/** Our mark on a postmaster's command line: the process that started it. */
export const ownerSetting = (ownerPid: number): string => `cluster_name=sqlfleet-${ownerPid}`;

const waitForOrphanMs = 10_000;
const pollMs = 20;

/**
 * Makes the data directory free to be started: a postmaster that outlived its parent is stopped, a `postmaster.pid` whose
 * process is gone, or is some other program by now, is removed. Nothing but a postmaster of this very directory is
 * ever signalled.
 *
 * @throws Error when the postmaster's owner is still alive: two processes must not share a state directory.
 */
export async function clearStalePostmaster(dataDirectory: string): Promise<void> {
  const file = readPostmasterFile(dataDirectory);
  if (file === null) return;
  const deadline = Date.now() + waitForOrphanMs;
  for (let attempt = 0; ; attempt += 1) {
    const command = await commandLine(file.pid);
    if (command === null || !isPostmasterOf(command, dataDirectory)) break;
    const owner = Number(/cluster_name=sqlfleet-(\d+)/.exec(command)?.[1] ?? 0);
    if (owner > 0 && (await commandLine(owner)) !== null) {
      throw new Error(`${dataDirectory} is in use by process ${owner}. Stop that one first, or use another folder.`);
    }
    if (Date.now() > deadline) throw new Error(`PostgreSQL process ${file.pid} of ${dataDirectory} does not stop.`);
    // Fast shutdown first; an immediate one when it takes long. PostgreSQL recovers from both.
    if (attempt === 0) signal(file.pid, 'SIGINT');
    if (attempt === 100) signal(file.pid, 'SIGQUIT');
    await delay(pollMs);
  }
  rmSync(join(dataDirectory, 'postmaster.pid'), { force: true });
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // It ended in this moment.
  }
}

function isPostmasterOf(command: string, dataDirectory: string): boolean {
  return command.includes('postgres') && command.includes(` -D ${dataDirectory} `);
}
