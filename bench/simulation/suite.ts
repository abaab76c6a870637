import { startChild } from '../child';
import { type BenchOptions } from '../options';
import { rounded, table, thousands, type Verdict } from '../report';
import { growthExponent, median } from '../statistics';
import { type SimulationAnswer, simulationAnswerSchema, type SimulationInput } from './model';
import { startStores } from './stores';

const mostBytesPerTarget = 1.5 * 1_024;
const mostGrowth = 1.1;
const warmUpTargets = 500;
const shortScript = 1_000;
const longScript = 1_000_000;
/** A small build is over before much of it is measured, so it is measured more often. */
const targetsPerSize = 1_000;
const mostRuns = 5;

/** What the control plane itself costs per target, in CPU time and memory, and whether that grows with the fleet. */
export async function benchScale(options: BenchOptions, say: (text: string) => void): Promise<Verdict[]> {
  const stores = await startStores();
  const run = async (targets: number, scriptLength: number, measureMemory: boolean): Promise<SimulationAnswer> => {
    const input: SimulationInput = { stores: stores.stores, targets, scriptLength, warmUpTargets, measureMemory };
    const child = startChild('simulation', input, measureMemory ? ['--expose-gc'] : []);
    try {
      return await child.receive(simulationAnswerSchema);
    } finally {
      await child.stop();
    }
  };
  try {
    say(
      '\nSimulated builds: real decisions and stores, databases that end at once; CPU and memory of that process alone.',
    );
    const costs = [];
    for (const targets of options.targets) {
      const answers: SimulationAnswer[] = [];
      const runs = Math.min(mostRuns, Math.max(1, Math.round(targetsPerSize / targets)));
      for (let index = 0; index < runs; index += 1) answers.push(await run(targets, shortScript, false));
      costs.push({
        size: targets,
        cost: median(answers.map(({ cpuMs }) => cpuMs)) / targets,
        residentBytes: median(answers.map(({ maximumResidentBytes }) => maximumResidentBytes)),
      });
    }
    say(
      table(
        ['targets', 'CPU ms per target', 'resident MB, garbage included'],
        costs.map(({ size, cost, residentBytes }) => [thousands(size), rounded(cost), rounded(residentBytes / 1e6, 0)]),
      ),
    );
    const totals = costs.map(({ size, cost }) => ({ size, cost: size * cost }));
    say(`  CPU time grows with the fleet to the power of ${rounded(growthExponent(totals))}.`);
    const [smallest, largest] = [costs[0], costs.at(-1)];
    if (smallest === undefined || largest === undefined) return [];

    // Not from the very smallest: below some hundred targets a page of anything is not full.
    const lower = options.targets.find((targets) => targets >= warmUpTargets) ?? smallest.size;
    const low = await run(lower, shortScript, true);
    const high = await run(largest.size, shortScript, true);
    const lowLong = await run(lower, longScript, true);
    const highLong = await run(largest.size, longScript, true);
    const slopeOf = (small: SimulationAnswer, large: SimulationAnswer): number =>
      (large.liveBytes - small.liveBytes) / (largest.size - lower);
    const memory = (scripts: string, slope: number): Verdict => ({
      what: `memory needed per target, ${thousands(lower)} to ${thousands(largest.size)} targets, ${scripts}`,
      measured: `${rounded(slope, 0)} bytes`,
      budget: `${mostBytesPerTarget} bytes`,
      holds: slope <= mostBytesPerTarget,
    });
    return [
      {
        what: `CPU per target, ${thousands(smallest.size)} to ${thousands(largest.size)} targets`,
        measured: `${rounded(smallest.cost)} -> ${rounded(largest.cost)} ms (× ${rounded(largest.cost / smallest.cost)})`,
        budget: `× ${mostGrowth}`,
        holds: largest.cost / smallest.cost <= mostGrowth,
      },
      memory('script of 1 KB', slopeOf(low, high)),
      memory('script of 1 MB', slopeOf(lowLong, highLong)),
    ];
  } finally {
    await stores.stop();
  }
}
