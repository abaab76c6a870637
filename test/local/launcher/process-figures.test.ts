import { processFigures } from '../../../local/launcher/process-figures';

describe('what a process needs', () => {
  it('counts what is alive, and no garbage', () => {
    const before = processFigures().liveBytes;
    let kept: Buffer[] = Array.from({ length: 50 }, () => Buffer.alloc(1024 * 1024));
    expect(processFigures().liveBytes - before).toBeGreaterThan(kept.length * 1_000_000);
    kept = [];
    expect(processFigures().liveBytes - before).toBeLessThan(10_000_000);
  });

  it('counts the CPU time that was used so far', () => {
    const before = processFigures().cpuMs;
    expect(processFigures().cpuMs).toBeGreaterThan(before);
  });
});
