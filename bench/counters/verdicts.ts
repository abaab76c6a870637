import { rounded, thousands, type Verdict } from '../report';
import { costPerTarget, type Traffic } from './traffic';

/** The budgets that counters can tell. All are upper bounds. */
const budgets = {
  loginsPerDatabase: 1,
  extraRoundTrips: 2,
  sent: 1,
  received: 1,
  settled: 1,
  centralWrites: 2,
  events: 2,
  historyBytes: 64 * 1024,
  /** Of cost per target, from the smallest size to the largest. */
  growth: 1.1,
  /** What stays alive for a database that was built: its documents and logs in the stand-ins, and the stand-in of the database. */
  liveBytesPerDatabase: 16 * 1024,
};

/** @param traffics of real builds, the smallest fleet first. */
export function judgeTraffic(traffics: readonly Traffic[]): Verdict[] {
  const most = (pick: (traffic: Traffic) => number): number => Math.max(...traffics.map(pick));
  const perTarget = (pick: (traffic: Traffic) => number): number => costPerTarget(traffics, pick);
  const ownWrites = traffics.map(({ ownWrites: writes, targets }) => writes / targets);
  return [
    atMost(
      'logins per database',
      most(({ mostLogins }) => mostLogins),
      budgets.loginsPerDatabase,
    ),
    atMost(
      'round trips beyond login and script batches',
      most(({ mostExtraRoundTrips }) => mostExtraRoundTrips),
      budgets.extraRoundTrips,
    ),
    atMost(
      'messages sent per target',
      perTarget(({ sentMessages }) => sentMessages),
      budgets.sent,
    ),
    atMost(
      'messages received per target',
      perTarget(({ receivedMessages }) => receivedMessages),
      budgets.received,
    ),
    atMost(
      'messages settled per target',
      perTarget(({ settledMessages }) => settledMessages),
      budgets.settled,
    ),
    atMost(
      'central writes per target (outcome, log)',
      perTarget(({ outcomeWrites, logWrites }) => outcomeWrites + logWrites),
      budgets.centralWrites,
    ),
    {
      what: "the build's own documents and blobs, writes per target",
      measured: ownWrites.map((writes) => rounded(writes)).join(' -> '),
      budget: 'no growth',
      holds: (ownWrites.at(-1) ?? Infinity) <= (ownWrites[0] ?? 0),
    },
    atMost(
      'progress events per target',
      perTarget(({ events }) => events),
      budgets.events,
    ),
    history(
      `orchestration history, ${thousands(traffics.at(-1)?.targets ?? 0)} databases`,
      most(({ historyBytes }) => historyBytes),
    ),
  ];
}

export interface SimulatedCost {
  targets: number;
  documentRequests: number;
  blobRequests: number;
  messages: number;
  events: number;
  historyBytes: number;
}

/** @param costs of simulated builds, the smallest first. */
export function judgeGrowth(costs: readonly SimulatedCost[]): Verdict[] {
  const [smallest, largest] = [costs[0], costs.at(-1)];
  if (smallest === undefined || largest === undefined) return [];
  const perTarget = ({ targets, documentRequests, blobRequests, messages, events }: SimulatedCost): number =>
    (documentRequests + blobRequests + messages + events) / targets;
  const growth = perTarget(largest) / perTarget(smallest);
  return [
    ...costs.map((cost) =>
      history(`orchestration history, ${thousands(cost.targets)} simulated targets`, cost.historyBytes),
    ),
    {
      what: `requests and messages per target, ${thousands(smallest.targets)} to ${thousands(largest.targets)}`,
      measured: `${rounded(perTarget(smallest))} -> ${rounded(perTarget(largest))} (× ${rounded(growth)})`,
      budget: `× ${budgets.growth}`,
      holds: growth <= budgets.growth,
    },
  ];
}

/** What a build cost the one process that is app and embedded cloud. */
export interface FleetCost {
  targets: number;
  cpuMs: number;
  /** Afterwards, garbage not counted. */
  liveBytes: number;
}

export function judgeFleetCost(small: FleetCost, large: FleetCost): Verdict[] {
  const cpuOf = ({ cpuMs, targets }: FleetCost): number => cpuMs / targets;
  const growth = cpuOf(large) / cpuOf(small);
  const sizes = `${thousands(small.targets)} to ${thousands(large.targets)}`;
  const perDatabase = (large.liveBytes - small.liveBytes) / (large.targets - small.targets);
  return [
    {
      what: `CPU per database, ${sizes}`,
      measured: `${rounded(cpuOf(small), 1)} -> ${rounded(cpuOf(large), 1)} ms (× ${rounded(growth)})`,
      budget: `× ${budgets.growth}`,
      holds: growth <= budgets.growth,
    },
    {
      what: `alive per database, stand-ins included, ${sizes}`,
      measured: `${rounded(perDatabase / 1_024, 1)} KB`,
      budget: `${budgets.liveBytesPerDatabase / 1_024} KB`,
      holds: perDatabase <= budgets.liveBytesPerDatabase,
    },
  ];
}

function atMost(what: string, measured: number, budget: number): Verdict {
  return { what, measured: rounded(measured, 3), budget: String(budget), holds: measured <= budget };
}

function history(what: string, bytes: number): Verdict {
  return {
    what,
    measured: `${rounded(bytes / 1_024, 1)} KB`,
    budget: `${budgets.historyBytes / 1_024} KB`,
    holds: bytes <= budgets.historyBytes,
  };
}
