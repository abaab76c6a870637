import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { launchCloud } from '../../local/launcher/launch';
import { launchOptionsSchema } from '../../local/launcher/options';
import { createFleetBuilds } from '../counters/fleet-builds';
import { judgeFleetCost, judgeTraffic } from '../counters/verdicts';
import { rounded, table, thousands, type Verdict } from '../report';

/** The build that the large one is compared with. */
const smallFleet = 100;
const warmUpFleet = 50;
const samples = 10;

interface Sample {
  ended: number;
  afterMs: number;
  residentBytes: number;
}

/**
 * One build of a large fleet on the embedded cloud. The memory is that of the one process that is app, broker, stores,
 * SQL wire and T-SQL engine; PostgreSQL is outside of it.
 */
export async function benchRealFleet(
  { databases, servers, scripts }: { databases: number; servers: number; scripts: number },
  folder: string,
  say: (text: string) => void,
): Promise<Verdict[]> {
  if (process.platform === 'win32')
    throw new Error('--real-fleet reads the memory with ps, which is not there on Windows');
  if (databases <= smallFleet)
    throw new Error(`--real-fleet needs more than ${smallFleet}: it is compared with a build of so many.`);
  const perServer = Math.ceil(databases / servers);
  say(`Starting the embedded cloud with ${servers} × ${thousands(perServer)} databases ...`);
  const cloud = await launchCloud(
    launchOptionsSchema.parse({ state: join(folder, 'cloud'), 'free-ports': true, servers, databases: perServer }),
  );
  try {
    say(`Ready after ${rounded(cloud.startMs / 1_000, 1)} s.`);
    const builds = createFleetBuilds(cloud.endpoints, scripts);
    const pid = cloud.process.pid ?? 0;
    // Code is compiled by the first builds, which is no cost of theirs.
    await builds.run(warmUpFleet);
    const small = await buildAndWatch(builds, Math.min(smallFleet, databases), pid);
    const large = await buildAndWatch(builds, databases, pid);
    say(
      table(
        ['databases ended', 'after s', 'resident MB'],
        large.samples.map(({ ended, afterMs, residentBytes }) => [
          thousands(ended),
          rounded(afterMs / 1_000, 1),
          rounded(residentBytes / 1e6, 0),
        ]),
      ),
    );
    for (const { traffic, ms, cost } of [small, large]) {
      const { targets } = traffic;
      say(
        `  ${thousands(targets)} databases in ${rounded(ms / 1_000, 1)} s: ${rounded((targets * 1_000) / ms, 1)} per second, ` +
          `${rounded(cost.cpuMs / targets, 1)} ms of CPU each; alive afterwards ${rounded(cost.liveBytes / 1e6, 1)} MB.`,
      );
    }
    return [...judgeTraffic([small.traffic, large.traffic]), ...judgeFleetCost(small.cost, large.cost)];
  } finally {
    await cloud.stop();
  }
}

async function buildAndWatch(builds: ReturnType<typeof createFleetBuilds>, databases: number, pid: number) {
  const taken: Sample[] = [];
  const before = await builds.figures();
  const begunMs = performance.now();
  const build = await builds.run(databases, async ({ counts }) => {
    const ended = Object.values(counts).reduce((sum, count) => sum + count, 0);
    const due = (taken.length * databases) / samples;
    if (ended < due && ended < databases) return;
    taken.push({ ended, afterMs: performance.now() - begunMs, residentBytes: residentBytesOf(pid) });
  });
  const ms = performance.now() - begunMs;
  const traffic = await builds.traffic(build);
  const { cpuMs, liveBytes } = await builds.figures();
  return { ms, samples: taken, traffic, cost: { targets: databases, cpuMs: cpuMs - before.cpuMs, liveBytes } };
}

function residentBytesOf(pid: number): number {
  return Number(execFileSync('ps', ['-o', 'rss=', '-p', String(pid)], { encoding: 'utf8' })) * 1_024;
}
