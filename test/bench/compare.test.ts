import { compare, type Measurement } from '../../bench/database-runs/compare';

const run = (ratePerSecond: number): Measurement => ({
  ratePerSecond,
  cpuMsPerDatabase: 1_000 / ratePerSecond,
  durationsMs: [1],
  serverCpuShare: 0.5,
  maximumResidentBytes: 1,
});

describe('a comparison of two clients', () => {
  it('is not misled by a machine that gets slower all the time', async () => {
    let speed = 100;
    const { rate } = await compare('fast', 'slow', 6, async (name) => {
      speed *= 0.9;
      return run(name === 'fast' ? speed * 2 : speed);
    });
    expect(rate.median).toBeGreaterThan(1.95);
    expect(rate.median).toBeLessThan(2.05);
  });

  it('counts less CPU time per database as the better ratio', async () => {
    const { ratePerCpu, first } = await compare('fast', 'slow', 3, async (name) => run(name === 'fast' ? 200 : 100));
    expect(ratePerCpu).toMatchObject({ median: 2, minimum: 2, maximum: 2 });
    expect(first.ratePerSecond).toBe(200);
  });
});
