import {
  abandonAfterMs,
  checkTargets,
  combinedCounts,
  countOutcomes,
  finalState,
  handedOut,
  lookDelayMs,
  nextStep,
  noOutcomes,
  planTargets,
} from '../../../lib/builds/plan';
import { outcomeWithoutRun } from '../../../lib/builds/outcome';
import {
  type Build,
  type BuildOptions,
  buildOptionsSchema,
  type Plan,
  type PlannedTarget,
  type Progress,
} from '../../../lib/builds/schema';

const nowMs = Date.parse('2026-01-01T10:00:00Z');

function options(overrides: Partial<BuildOptions> = {}): BuildOptions {
  return { ...buildOptionsSchema.parse({}), ...overrides };
}

function planned(server: string, database: string, line: number, tag = ''): PlannedTarget {
  const target = {
    id: `${server}-${database}`,
    server,
    port: null,
    overrides: [{ default: '', target: database }],
    tag,
    line,
  };
  return { target, attempt: 1 };
}

function build(overrides: Partial<Build> = {}): Build {
  return {
    id: 'b',
    buildId: 'b',
    kind: 'build',
    name: 'b',
    state: 'running',
    run: 1,
    cluster: 'managed',
    queue: null,
    clusterChoice: null,
    clusterOverride: null,
    dispatch: 0,
    lanesWanted: false,
    package: { name: 'p', blob: 'p', sha256: '', packageHash: '', scripts: 1 },
    targets: { blob: 't', sha256: '', count: 4 },
    options: options(),
    requestedBy: 'ann',
    fingerprint: '',
    createdAt: new Date(nowMs).toISOString(),
    startedAt: new Date(nowMs).toISOString(),
    finishedAt: null,
    deadlineAt: new Date(nowMs + 3_600_000).toISOString(),
    counts: noOutcomes(),
    outstanding: 0,
    control: { paused: null, cancelled: null },
    waitingFor: null,
    failure: null,
    ...overrides,
  };
}

const plan: Plan = { total: 4, pageSize: 500, lanesPerKey: 2, keys: [{ key: 'k', start: 0, count: 4 }] };

function progress(overrides: Partial<Progress> = {}, sent = 0): Progress {
  return {
    id: 'progress',
    buildId: 'b',
    kind: 'progress',
    run: 1,
    feed: null,
    keys: [{ key: 'k', sent, firstLane: 0, lanes: [0, 0], open: 2, calmLooks: 0, heldFor: -1, sentFor: 0 }],
    ended: 0,
    counts: noOutcomes(),
    laneRate: 2,
    lastLookMs: nowMs,
    lastOutcomeMs: nowMs,
    lastBacklogMs: nowMs,
    lastResendMs: nowMs,
    resends: 0,
    ...overrides,
  };
}

const by = { actor: 'ann', reason: 'because', at: '' };

describe('planning', () => {
  it('puts the targets of one lane key together, in the order of the file', () => {
    const targets = [planned('b', '1', 1), planned('a', '2', 2), planned('b', '3', 3)];
    const result = planTargets(targets, options({ concurrencyType: 'Server' }), 'build');
    expect(result.ordered.map(({ target }) => target.line)).toEqual([1, 3, 2]);
    expect(result.plan.keys).toEqual([
      { key: 'server:b', start: 0, count: 2 },
      { key: 'server:a', start: 2, count: 1 },
    ]);
  });

  it('refuses untagged targets under Tag types, each with its line', () => {
    const targets = [planned('a', '1', 1, 'x'), planned('a', '2', 7)].map(({ target }) => target);
    expect(checkTargets(targets, options({ concurrencyType: 'MaxPerTag' }))).toEqual([
      expect.objectContaining({ code: 'targets.untagged', line: 7 }),
    ]);
    expect(checkTargets(targets, options({ concurrencyType: 'MaxPerServer' }))).toEqual([]);
  });

  it('lists a bounded number of untagged targets, however many there are', () => {
    const targets = Array.from({ length: 5_000 }, (_, index) => planned('a', String(index), index + 1).target);
    const problems = checkTargets(targets, options({ concurrencyType: 'Tag' }));
    expect(problems).toHaveLength(1_001);
    expect(problems.at(-1)?.code).toBe('targets.more');
    expect(problems.at(-1)?.message).toContain('4000 more');
  });
});

describe('what happens next', () => {
  it.each<[string, Partial<Build>, Progress, number, string]>([
    ['targets are left: they are handed out', {}, progress(), nowMs, 'enqueue'],
    ['all are handed out: their outcomes are awaited', {}, progress({}, 4), nowMs, 'wait'],
    ['all have ended: the build finishes', {}, progress({ ended: 4 }, 4), nowMs, 'finish'],
    ['paused: nothing more is handed out', { control: { paused: by, cancelled: null } }, progress(), nowMs, 'wait'],
    ['cancelled: the rest is skipped', { control: { paused: null, cancelled: by } }, progress(), nowMs, 'skipRest'],
    [
      'cancelled while paused: the rest is skipped',
      { control: { paused: by, cancelled: by } },
      progress(),
      nowMs,
      'skipRest',
    ],
    ['past the deadline: the rest is skipped', {}, progress(), nowMs + 3_600_001, 'skipRest'],
    ['long past it: what runs is given up', {}, progress({}, 4), abandonAfterMs(build()) + 1, 'abandon'],
    ['long past it, but all ended: it finishes', {}, progress({ ended: 4 }, 4), abandonAfterMs(build()) + 1, 'finish'],
  ])('%s', (_case, changes, current, atMs, expected) => {
    expect(nextStep(build(changes), plan, current, atMs).kind).toBe(expected);
  });
});

describe('counting outcomes', () => {
  const outcome = (lane: string, run = 1) =>
    outcomeWithoutRun({ ...planned('a', '1', 1), buildId: 'b', run, lane }, 'failed', '', nowMs);

  it('frees the lane, counts the status and remembers when', () => {
    const before = progress({
      keys: [{ key: 'k', sent: 4, firstLane: 0, lanes: [2, 2], open: 2, calmLooks: 0, heldFor: -1, sentFor: 0 }],
    });
    const after = countOutcomes(before, [outcome('k#1')], nowMs + 5);
    expect(after.keys[0]?.lanes).toEqual([2, 1]);
    expect(after.counts.failed).toBe(1);
    expect(after.ended).toBe(1);
    expect(after.lastOutcomeMs).toBe(nowMs + 5);
  });

  it('ignores outcomes of an earlier run that a retry has marked', () => {
    const before = progress({ run: 2 });
    expect(countOutcomes(before, [outcome('k#0', 1)], nowMs + 5)).toEqual(before);
  });

  it('counts targets that never had a lane', () => {
    expect(countOutcomes(progress(), [outcome('')], nowMs).ended).toBe(1);
  });
});

describe('how a build ends', () => {
  it('succeeds when no outcome is on the list of failures', () => {
    expect(finalState(build(), { ...noOutcomes(), committed: 3, alreadyApplied: 1 })).toBe('succeeded');
  });
  it('finishes with failures when one is', () => {
    expect(finalState(build(), { ...noOutcomes(), committed: 3, rolledBack: 1 })).toBe('finishedWithFailures');
  });
  it('lets the build say which outcomes are failures', () => {
    const strict = build({ options: options({ failureOutcomes: ['alreadyApplied'] }) });
    expect(finalState(strict, { ...noOutcomes(), alreadyApplied: 1 })).toBe('finishedWithFailures');
    expect(finalState(strict, { ...noOutcomes(), failed: 1 })).toBe('succeeded');
  });
  it('is cancelled when somebody cancelled it', () => {
    const cancelled = build({ control: { paused: null, cancelled: by } });
    expect(finalState(cancelled, { ...noOutcomes(), committed: 4 })).toBe('cancelled');
  });
});

describe('the pace of looks', () => {
  it('is quick at first, then the set interval, and slower while nothing moves', () => {
    const current = progress();
    const first = lookDelayMs(current, 0, 2_000, nowMs);
    const later = lookDelayMs(current, 100, 2_000, nowMs);
    const silent = lookDelayMs(current, 100, 2_000, nowMs + 3_600_000);
    expect(first).toBe(250);
    expect(later).toBe(2_000);
    expect(silent).toBe(10_000);
  });
});

describe('small sums', () => {
  it('adds and takes away counts by status', () => {
    const a = { ...noOutcomes(), failed: 3 };
    expect(combinedCounts(a, { ...noOutcomes(), failed: 2, skipped: 1 }).failed).toBe(5);
    expect(combinedCounts(a, { ...noOutcomes(), failed: 2 }, -1).failed).toBe(1);
  });
  it('counts what was handed out over all keys', () => {
    expect(handedOut(progress({}, 3))).toBe(3);
  });
});
