import { join } from 'node:path';
import { launchCloud } from '../../local/launcher/launch';
import { launchOptionsSchema } from '../../local/launcher/options';
import { type BenchOptions } from '../options';
import { table, thousands, type Verdict } from '../report';
import { createFleetBuilds } from './fleet-builds';
import { simulateCosts } from './simulated-costs';
import { type Traffic } from './traffic';
import { judgeGrowth, judgeTraffic, type SimulatedCost } from './verdicts';

const servers = 2;

/** Exact counters of real builds on an embedded cloud, then of simulated ones that are larger than that can hold. */
export async function benchCounters(
  options: BenchOptions,
  folder: string,
  say: (text: string) => void,
): Promise<Verdict[]> {
  const traffics = await countRealBuilds(options.fleets, join(folder, 'cloud'), say);
  say(trafficTable(traffics));
  say('\nSimulated builds: real decisions, orchestrator and stores; databases that end at once.');
  const costs = await simulateCosts(options.targets);
  say(costTable(costs));
  return [...judgeTraffic(traffics), ...judgeGrowth(costs)];
}

async function countRealBuilds(
  sizes: readonly number[],
  state: string,
  say: (text: string) => void,
): Promise<Traffic[]> {
  const databases = Math.ceil(Math.max(...sizes) / servers);
  say(`Starting the embedded cloud with ${servers} × ${databases} databases ...`);
  const cloud = await launchCloud(launchOptionsSchema.parse({ state, 'free-ports': true, servers, databases }));
  try {
    const builds = createFleetBuilds(cloud.endpoints);
    const traffics: Traffic[] = [];
    for (const size of sizes) {
      say(`Building ${size} databases over HTTP ...`);
      traffics.push(await builds.traffic(await builds.run(size)));
    }
    return traffics;
  } finally {
    await cloud.stop();
  }
}

function trafficTable(traffics: readonly Traffic[]): string {
  const row = (name: string, pick: (traffic: Traffic) => number): string[] => [
    name,
    ...traffics.map((traffic) => thousands(pick(traffic))),
  ];
  return table(
    ['databases', ...traffics.map(({ targets }) => thousands(targets))],
    [
      row('logins of the database with the most', ({ mostLogins }) => mostLogins),
      row('round trips beyond login and batches, most', ({ mostExtraRoundTrips }) => mostExtraRoundTrips),
      row('messages sent', ({ sentMessages }) => sentMessages),
      row('  in so many transfers', ({ sends }) => sends),
      row('messages received', ({ receivedMessages }) => receivedMessages),
      row('messages settled', ({ settledMessages }) => settledMessages),
      row('outcome documents written', ({ outcomeWrites }) => outcomeWrites),
      row("databases' logs written, and one summary", ({ logWrites }) => logWrites),
      row("the build's own documents and blobs written", ({ ownWrites }) => ownWrites),
      row("progress events, the build's own included", ({ events }) => events),
      row('history at its largest, bytes', ({ historyBytes }) => historyBytes),
    ],
  );
}

function costTable(costs: readonly SimulatedCost[]): string {
  const row = (name: string, pick: (cost: SimulatedCost) => number): string[] => [
    name,
    ...costs.map((cost) => thousands(pick(cost))),
  ];
  return table(
    ['targets', ...costs.map(({ targets }) => thousands(targets))],
    [
      row('document requests', ({ documentRequests }) => documentRequests),
      row('blob requests', ({ blobRequests }) => blobRequests),
      row('messages', ({ messages }) => messages),
      row('events', ({ events }) => events),
      row('history at its largest, bytes', ({ historyBytes }) => historyBytes),
    ],
  );
}
