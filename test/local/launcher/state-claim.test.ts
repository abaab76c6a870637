import { fork } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { launchCloud } from '../../../local/launcher/launch';
import { launchOptionsSchema } from '../../../local/launcher/options';
import { claimState, refuseOwnedState } from '../../../local/launcher/state-claim';
import { commandLine } from '../../../local/processes';

describe('a state folder', () => {
  let state: string;
  beforeEach(() => {
    state = mkdtempSync(join(tmpdir(), 'sqlfleet-claim-'));
  });
  afterEach(() => rmSync(state, { recursive: true, force: true }));

  /** Another process that is alive, and its claim. */
  async function claimedByAnother() {
    const script = join(state, 'other.js');
    writeFileSync(script, "process.on('disconnect', () => process.exit()); process.send('here');");
    const other = fork(script);
    await once(other, 'message');
    const command = await commandLine(other.pid ?? 0);
    writeFileSync(join(state, 'owner.json'), JSON.stringify({ pid: other.pid, command }));
    return other;
  }

  it('belongs to one process at a time', async () => {
    const other = await claimedByAnother();
    await expect(claimState(state)).rejects.toThrow(`in use by process ${other.pid}`);
    other.disconnect();
    await once(other, 'exit');
    await claimState(state);
    await expect(refuseOwnedState(state)).resolves.toBeUndefined();
  });

  it('is not emptied by --fresh while somebody works in it', async () => {
    const other = await claimedByAnother();
    const launched = launchCloud(launchOptionsSchema.parse({ state, fresh: true, 'free-ports': true }));
    await expect(launched).rejects.toThrow('in use');
    expect(existsSync(join(state, 'owner.json'))).toBe(true);
    other.disconnect();
    await once(other, 'exit');
  });

  it.each([
    ['a process that is gone', JSON.stringify({ pid: 2 ** 22 + 1, command: 'node' })],
    ['a process whose number another program has by now', JSON.stringify({ pid: process.ppid, command: 'other' })],
    ['half a file', '{"pid":'],
  ])('is free again after a claim of %s', async (_said, claim) => {
    writeFileSync(join(state, 'owner.json'), claim);
    await claimState(state);
  });
});
