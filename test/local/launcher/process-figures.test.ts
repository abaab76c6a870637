import { setImmediate as nextTurn } from 'node:timers/promises';
import { processFigures } from '../../../local/launcher/process-figures';

describe('what a process needs', () => {
  it('is counted when its garbage is gone', async () => {
    const garbage = new WeakRef({ large: 'x'.repeat(1_000) });
    // A reference that was just made or read keeps its object until the turn ends.
    await nextTurn();
    expect(processFigures().liveBytes).toBeGreaterThan(0);
    expect(garbage.deref()).toBeUndefined();
  });

  it('has the CPU time that was used so far', () => {
    const before = processFigures().cpuMs;
    expect(processFigures().cpuMs).toBeGreaterThan(before);
  });
});
