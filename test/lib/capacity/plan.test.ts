import { expectedGrowth, exhaustedInMs, percentile, theilSenSlope, withSample } from '../../../lib/capacity/forecast';
import { alertChanges } from '../../../lib/capacity/alerts';
import { closeness, nextOrdinal, serverName, severities, severityOf } from '../../../lib/capacity/model';
import { type Condition, type RegionFacts } from '../../../lib/capacity/facts';
import { decide } from '../../../lib/capacity/plan';
import { policySchema } from '../../../lib/capacity/policy';
import { simulate } from '../../../lib/capacity/simulate';
import { movesOf } from '../../../lib/capacity/moves';
import { type Server } from '../../../lib/capacity/schema';
import { freshState } from '../../../lib/capacity/store';
import { aServer, region } from '../../support/capacity';

const policy = policySchema.parse({});
const minute = 60_000;
const hour = 60 * minute;

const filled = (name: string, value: number, changes: Partial<Server> = {}): Server =>
  aServer(name, { numbers: { databases: { value, limit: 5_000 }, serverDtus: null }, ...changes });
const facts = (servers: Server[], changes: Partial<RegionFacts> = {}): RegionFacts => ({
  region,
  nowMs: 100 * hour,
  servers,
  regional: { servers: { value: servers.length, limit: 250 }, regionalVCores: { value: 10, limit: 2_000 } },
  memory: freshState(region),
  templateVersion: 1,
  otherRegions: ['northeurope'],
  ...changes,
});
const growing = (perHour: number, hours: number) => ({
  ...freshState(region),
  samples: Array.from({ length: hours }, (_, index) => ({
    atMs: index * hour,
    values: { databases: perHour * index },
  })),
});

describe('the policy', () => {
  it('refuses thresholds in the wrong order, all of them at once', () => {
    const result = policySchema.safeParse({
      thresholds: {
        databases: { reset: 0.7, create: 0.6, ceiling: 0.9, alert: 0.8 },
        servers: { create: 0.9, alert: 0.9 },
      },
      minimumHeadroom: 4_999,
      balancing: { hotPercent: 50, targetPercent: 60 },
    });
    expect(result.error?.issues.map(({ path }) => path.join('.'))).toEqual([
      'thresholds.servers',
      'thresholds.databases',
      'thresholds.databases',
      'balancing.targetPercent',
      'minimumHeadroom',
    ]);
  });
});

describe('a forecast', () => {
  it('follows the trend and not one wild sample', () => {
    const samples = Array.from({ length: 21 }, (_, index) => ({
      atMs: index,
      value: index === 10 ? 10_000 : 2 * index,
    }));
    expect(theilSenSlope(samples)).toBe(2);
  });

  it('expects the worst stretch that was seen, where that is more than the trend', () => {
    const samples = [0, 1, 2, 3].map((index) => ({ atMs: index * hour, value: index === 3 ? 500 : index }));
    expect(expectedGrowth(samples, hour)).toBe(498);
  });

  it('never expects shrinking, and sees no further than it was watched', () => {
    expect(
      expectedGrowth(
        [0, 1, 2].map((index) => ({ atMs: index, value: -index })),
        10,
      ),
    ).toBe(0);
    expect(expectedGrowth([], hour)).toBe(0);
    expect(exhaustedInMs(90, 100, 0.1, 99)).toBeNull();
    expect(exhaustedInMs(90, 100, 0.1, 100)).toBe(100);
    expect(exhaustedInMs(100, 100, 0, 0)).toBe(0);
  });

  it('takes the nearest rank, and keeps the latest samples', () => {
    expect(percentile([1, 2, 3, 4], 0.5)).toBe(2.5);
    expect(percentile([5, 1, 9], 0.95)).toBe(9);
    const kept = [1, 2, 3, 10].reduce<{ atMs: number }[]>(
      (all, atMs) => withSample(all, { atMs }, { everyMs: 2, keep: 2 }),
      [],
    );
    expect(kept).toEqual([{ atMs: 3 }, { atMs: 10 }]);
  });
});

describe('the decision', () => {
  it('looks at the fleet: one full server among empty ones is no reason', () => {
    const decision = decide(facts([filled('full', 4_900), filled('a', 10), filled('b', 10)]), policy);
    expect(decision.action).toBe('none');
  });

  it('keeps a count between reset and create, begins anew below reset, and asks for nothing in between', () => {
    const counted = { ...freshState(region), aboveCreate: { databases: 5 } };
    const between = decide(facts([filled('a', 2_700)], { memory: counted }), policy);
    expect([between.action, between.aboveCreate.databases]).toEqual(['none', 5]);
    expect(decide(facts([filled('a', 2_400)], { memory: counted }), policy).aboveCreate.databases).toBe(0);
    expect(decide(facts([filled('a', 3_010)], { memory: counted }), policy).action).toBe('create');
  });

  it('creates ahead of a growth that would pass the middle between the thresholds before a server is there', () => {
    const servers = [filled('a', 2_500)];
    expect(decide(facts(servers, { memory: growing(10, 30) }), policy).action).toBe('none');
    expect(decide(facts(servers, { memory: growing(4_000, 30) }), policy).action).toBe('create');
  });

  it('takes a ready server without numbers for no room, not for an empty one', () => {
    const unknown = aServer('b', { numbers: { databases: null, serverDtus: null } });
    expect(decide(facts([filled('a', 3_700), unknown]), policy).action).toBe('create');
  });

  it('does not take a burst for twice as many as it was, because a count may already contain it', () => {
    const nowMs = 1_000_000;
    const burst = (confirmedAtMs: number | null) => ({
      ...filled('a', 1_500),
      numbersAt: new Date(nowMs).toISOString(),
      reservations: [{ id: 'r', count: 1_500, expiresAtMs: nowMs + 1, confirmedAtMs }],
    });
    const valueOf = (confirmedAtMs: number | null) =>
      decide(facts([burst(confirmedAtMs)], { nowMs }), policy).metrics[0]?.value;
    expect(valueOf(nowMs - 1)).toBe(1_500);
    expect(valueOf(nowMs + 1)).toBe(3_000);
    expect(valueOf(null)).toBe(3_000);
  });

  it('waits after a server became ready, except when it is urgent', () => {
    const creations = [{ server: 'b', requestedAtMs: 100 * hour - 6 * minute, durationMs: 2 * minute }];
    const memory = { ...freshState(region), aboveCreate: { databases: 5 }, creations };
    expect(decide(facts([filled('a', 3_050)], { memory }), policy).action).toBe('none');
    expect(decide(facts([filled('a', 3_600)], { memory }), policy).action).toBe('create');
  });

  it('does not take a quota of -1 for used up, and creates without knowing it only when it is urgent', () => {
    const regional = { servers: { value: 1, limit: -1 }, regionalVCores: null };
    const memory = { ...freshState(region), aboveCreate: { databases: 5 } };
    expect(decide(facts([filled('a', 3_050)], { regional, memory }), policy).action).toBe('none');
    expect(decide(facts([filled('a', 3_600)], { regional, memory }), policy).action).toBe('create');
  });

  it('asks for a ticket or another region when vCores run out, and for no server', () => {
    const regional = { servers: { value: 1, limit: 250 }, regionalVCores: { value: 1_900, limit: 2_000 } };
    const decision = decide(facts([filled('a', 100)], { regional }), policy);
    expect(decision.action).toBe('none');
    expect(decision.conditions).toMatchObject([{ class: 'quota', subject: 'regionalVCores', severity: 'critical' }]);
    expect(decision.conditions[0]?.suggestion).toMatch(/3000 vCores in westeurope by a support ticket.*northeurope/);
    expect(decision.conditions[0]?.message).toMatch(/Another server does not cure it/);
  });

  it('says that 250 servers are the most there is', () => {
    const regional = { servers: { value: 249, limit: 250 }, regionalVCores: null };
    const decision = decide(facts([filled('a', 3_900)], { regional }), policy);
    expect(decision.conditions.map(({ suggestion }) => suggestion).join()).toMatch(/another subscription/);
  });
});

describe('severity', () => {
  it('never falls when things get worse', () => {
    const rank = (facts_: Parameters<typeof severityOf>[0]): number => severities.indexOf(severityOf(facts_));
    const flags = [false, true];
    for (let near = 0; near <= 1; near += 0.1) {
      for (const failures of [0, 1, 5]) {
        for (const terminal of flags) {
          for (const exhaustedWithinLead of flags) {
            const here = { closeness: near, failures, terminal, exhaustedWithinLead };
            for (const worse of [
              { ...here, closeness: Math.min(1, near + 0.1) },
              { ...here, failures: failures + 1 },
              { ...here, terminal: true },
              { ...here, exhaustedWithinLead: true },
            ]) {
              expect(rank(worse)).toBeGreaterThanOrEqual(rank(here));
            }
          }
        }
      }
    }
    expect(closeness(0.7, { create: 0.6, alert: 0.8 })).toBeCloseTo(0.5);
    expect(closeness(0.95, { create: 0.6, alert: 0.8 })).toBe(1);
  });
});

describe('names', () => {
  it('follow from the environment, the region and the highest number ever seen', () => {
    expect(serverName('prod', 'westeurope', 7)).toBe('sql-prod-westeurope-007');
    const seen = [
      'sql-prod-westeurope-002',
      'sql-prod-westeurope-041',
      'sql-test-westeurope-099',
      'sql-prod-westeurope-x',
    ];
    expect(nextOrdinal(seen, 'prod', 'westeurope')).toBe(42);
  });
});

describe('alerts', () => {
  const condition: Condition = {
    class: 'quota',
    subject: 'servers',
    severity: 'warning',
    message: 'm',
    suggestion: 's',
  };
  const everything = (): boolean => true;

  it('open once, tell of a change of severity, and resolve', () => {
    const opened = alertChanges(region, [], [condition], everything, 't1');
    expect(opened.map(({ news }) => news)).toEqual(['opened']);
    const open = opened.map(({ alert }) => alert);
    expect(alertChanges(region, open, [condition], everything, 't2')).toMatchObject([
      { news: null, alert: { seen: 2 } },
    ]);
    const worse = { ...condition, severity: 'critical' as const };
    expect(alertChanges(region, open, [worse], everything, 't2')).toMatchObject([{ news: 'severity' }]);
    expect(alertChanges(region, open, [], everything, 't3')).toMatchObject([
      { news: 'resolved', alert: { resolvedAt: 't3' } },
    ]);
  });

  it('stay open while nobody could look', () => {
    const open = alertChanges(region, [], [condition], everything, 't1').map(({ alert }) => alert);
    expect(alertChanges(region, open, [], () => false, 't2')).toEqual([]);
  });
});

describe('a simulation', () => {
  it('creates as many servers as the databases need, and none when they fit', () => {
    expect(simulate(facts([filled('a', 0)]), 500, policy, 'prod').steps).toEqual([]);
    const large = simulate(facts([filled('a', 1_000)]), 7_900, policy, 'prod');
    expect(large).toMatchObject({ placed: 7_900, unplaceable: 0 });
    expect(large.steps.map(({ server }) => server)).toEqual(['sql-prod-westeurope-001', 'sql-prod-westeurope-002']);
  });

  it('says what stays without a place, and why', () => {
    const regional = { servers: { value: 9, limit: 10 }, regionalVCores: null };
    const result = simulate(facts([filled('a', 3_000)], { regional }), 10_000, policy, 'prod');
    expect(result.steps).toEqual([]);
    expect(result.unplaceable).toBe(10_000 - 600);
    expect(result.reasons.join()).toMatch(/quota/);
  });
});

describe('moves between pools', () => {
  const pool = (name: string) => ({ id: `/pools/${name}`, name, server: 'a' });
  const { balancing } = policy;

  it('take the hottest databases to the coolest pool until the target is reached', () => {
    const moves = movesOf(
      { pool: pool('hot'), percent: 95 },
      [
        { id: '1', name: 'small', percent: 5 },
        { id: '2', name: 'big', percent: 30 },
        { id: '3', name: 'medium', percent: 10 },
      ],
      [
        { pool: pool('warm'), percent: 50 },
        { pool: pool('cool'), percent: 10 },
      ],
      balancing,
    );
    expect(moves.map(({ database, to }) => [database, to?.name])).toEqual([
      ['big', 'cool'],
      ['medium', 'cool'],
    ]);
  });

  it('are only proposed where no pool of the server has room', () => {
    const moves = movesOf({ pool: pool('hot'), percent: 95 }, [{ id: '1', name: 'big', percent: 50 }], [], balancing);
    expect(moves).toMatchObject([{ database: 'big', to: null }]);
    expect(moves[0]?.reason).toMatch(/another server, which changes where its clients connect/);
  });
});
