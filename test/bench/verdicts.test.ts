import { type CloudCounters, costPerTarget, type Traffic, trafficOf } from '../../bench/counters/traffic';
import { judgeFleetCost, judgeGrowth, judgeTraffic, type SimulatedCost } from '../../bench/counters/verdicts';

/** A build that keeps every budget, of `targets` databases with four batches each. */
function cloudCounters(targets: number): CloudCounters {
  const entity = { sends: 0, sentMessages: 0, deliveries: 0, settlements: {} };
  return {
    sql: Array.from({ length: targets }, (_, index) => ({
      server: 's',
      database: `d${index}`,
      logins: 1,
      refusedLogins: 0,
      requests: 7,
    })),
    broker: {
      'database-builds': { ...entity, sends: 1, sentMessages: targets },
      'database-builds/subscriptions/managed': { ...entity, deliveries: targets, settlements: { complete: targets } },
      progress: { ...entity, sends: 5, sentMessages: 2 * targets + 1 },
    },
    documents: {
      'sqlfleet/outcomes': { writes: targets },
      'sqlfleet/builds': { writes: 20 },
      'sqlfleet/audit': { writes: 1 },
    },
    blobs: { logs: { putBlob: targets + 1, putBlock: 4, putBlockList: 4 }, builds: { putBlob: 9, getBlob: 500 } },
    durable: { 'build-1': { maximumHistoryBytes: 9_000, generations: 1 } },
  };
}

function trafficFrom(targets: number, change: (counters: CloudCounters) => void = () => undefined): Traffic {
  const counters = cloudCounters(targets);
  change(counters);
  return trafficOf(counters, { instanceId: 'build-1', targets, batchesPerDatabase: 4 });
}

const broken = (traffics: readonly Traffic[]): string[] =>
  judgeTraffic(traffics).flatMap(({ what, holds }) => (holds ? [] : [what]));

describe('the budgets that counters tell', () => {
  it('hold for a build that does what the run protocol says', () => {
    expect(broken([trafficFrom(20), trafficFrom(100)])).toEqual([]);
  });

  it.each<[string, (counters: CloudCounters) => void]>([
    ['logins per database', ({ sql }) => sql.splice(0, 1, { ...one(sql), refusedLogins: 1 })],
    ['round trips beyond login and script batches', ({ sql }) => sql.splice(0, 1, { ...one(sql), requests: 8 })],
    ['messages sent per target', ({ broker }) => double(broker, 'database-builds', 'sentMessages')],
    ['messages received per target', ({ broker }) => double(broker, subscription, 'deliveries')],
    ['progress events per target', ({ broker }) => double(broker, 'progress', 'sentMessages')],
    ['central writes per target (outcome, log)', ({ blobs }) => (blobs.logs = { putBlob: 201 })],
    [
      "the build's own documents and blobs, writes per target",
      ({ documents }) => (documents['sqlfleet/builds'] = { writes: 2_000 }),
    ],
    [
      'orchestration history, 100 databases',
      ({ durable }) => (durable['build-1'] = { maximumHistoryBytes: 70_000, generations: 1 }),
    ],
  ])('do not hold when one is exceeded: %s', (what, change) => {
    expect(broken([trafficFrom(20), trafficFrom(100, change)])).toEqual([what]);
  });

  it('do not hold when the history of the build is not known', () => {
    expect(broken([trafficFrom(20), trafficFrom(100, ({ durable }) => delete durable['build-1'])])).toEqual([
      'orchestration history, 100 databases',
    ]);
  });

  it('are not judged when a database was never logged in to', () => {
    expect(() => trafficFrom(20, ({ sql }) => sql.pop())).toThrow('19 databases were logged in to instead of 20');
  });

  it('see what grows faster than the fleet, and not what a build costs once', () => {
    const outcomes = (targets: number, outcomeWrites: number): Traffic => ({ ...trafficFrom(targets), outcomeWrites });
    const perTarget = (traffics: Traffic[]) => costPerTarget(traffics, ({ outcomeWrites }) => outcomeWrites);
    expect(perTarget([outcomes(10, 1_010), outcomes(100, 1_100), outcomes(400, 1_400)])).toBe(1);
    expect(perTarget([outcomes(10, 10), outcomes(100, 100), outcomes(400, 1_600)])).toBe(5);
  });
});

describe('growth', () => {
  const cost = (targets: number, perTarget: number): SimulatedCost => ({
    targets,
    documentRequests: targets * perTarget,
    blobRequests: 0,
    messages: 0,
    events: 0,
    historyBytes: 1_000,
  });

  it('of a tenth is the most that a hundred times the fleet may cost per target', () => {
    const holds = (later: number) =>
      judgeGrowth([cost(100, 10), cost(10_000, later)]).every((verdict) => verdict.holds);
    expect(holds(11)).toBe(true);
    expect(holds(11.1)).toBe(false);
  });
});

const subscription = 'database-builds/subscriptions/managed';

function one<T>(values: readonly T[]): T {
  const [first] = values;
  if (first === undefined) throw new Error('there is none');
  return first;
}

function double(broker: CloudCounters['broker'], path: string, what: 'sentMessages' | 'deliveries'): void {
  const entity = broker[path];
  if (entity === undefined) throw new Error(`there is no ${path}`);
  entity[what] *= 2;
}

describe('the cost of a fleet', () => {
  const small = { targets: 100, cpuMs: 2_000, liveBytes: 70e6 };
  const holds = (large: { cpuMs: number; liveBytes: number }): unknown[] =>
    judgeFleetCost(small, { targets: 2_000, ...large }).map((verdict) => verdict.holds);

  it('holds where a database costs no more in a large one, and little of it stays', () => {
    expect(holds({ cpuMs: 40_000, liveBytes: 90e6 })).toEqual([true, true]);
  });

  it('does not hold where CPU time or memory grow with every database', () => {
    expect(holds({ cpuMs: 50_000, liveBytes: 90e6 })).toEqual([false, true]);
    expect(holds({ cpuMs: 40_000, liveBytes: 70e6 + 1_900 * 20_000 })).toEqual([true, false]);
  });
});
