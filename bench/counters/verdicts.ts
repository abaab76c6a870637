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
