import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { commandLine } from '../processes';

/** Names the process that works in a state folder. The command line tells it from a later one with the same number. */
const ownerSchema = z.object({ pid: z.int(), command: z.string() });

const ownerFile = (state: string): string => join(state, 'owner.json');

/**
 * Makes this process the only one that works in the state folder. A claim whose process is gone, killed perhaps, does not
 * count. The claim needs no end: it dies with its process.
 *
 * @throws Error when another one is at work there: two would write over one another's files.
 */
export async function claimState(state: string): Promise<void> {
  await refuseOwnedState(state);
  rmSync(ownerFile(state), { force: true });
  const owner = { pid: process.pid, command: (await commandLine(process.pid)) ?? '' };
  // `wx`: of two that start at the same moment, one fails here.
  writeFileSync(ownerFile(state), JSON.stringify(owner), { flag: 'wx' });
}

/** @throws Error when a process is at work in the state folder. */
export async function refuseOwnedState(state: string): Promise<void> {
  const owner = readOwner(state);
  if (owner === null || owner.pid === process.pid || (await commandLine(owner.pid)) !== owner.command) return;
  throw new Error(
    `${state} is in use by process ${owner.pid}: an embedded cloud that still runs. Stop that one first, or use another ` +
      'folder: --state FOLDER.',
  );
}

function readOwner(state: string): z.infer<typeof ownerSchema> | null {
  try {
    return ownerSchema.parse(JSON.parse(readFileSync(ownerFile(state), 'utf8')));
  } catch {
    // There is none, or it was being written when the power went.
    return null;
  }
}
