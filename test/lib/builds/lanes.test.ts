import {
  adaptedLanes,
  initialLaneKeys,
  keyInLaneName,
  laneDepth,
  laneKeyOf,
  laneName,
  lanesPerKey,
  smoothedLaneRate,
  topUp,
  withEnded,
} from '../../../lib/builds/lanes';
import { type LaneKeyState, type Plan } from '../../../lib/builds/schema';
import { type Target } from '../../../lib/targets/model';

function target(overrides: Partial<Target> = {}): Target {
  const defaults = { id: 'a', server: 'one.example', port: null, overrides: [{ default: '', target: 'db' }] };
  return { ...defaults, tag: '', line: 1, ...overrides };
}

function planOf(lanes: number, ...counts: number[]): Plan {
  let start = 0;
  const keys = counts.map((count, index) => {
    const key = { key: `k${index}`, start, count };
    start += count;
    return key;
  });
  return { total: start, pageSize: 500, lanesPerKey: lanes, keys };
}

function state(overrides: Partial<LaneKeyState> = {}): LaneKeyState {
  return {
    key: 'k0',
    sent: 0,
    firstLane: 0,
    lanes: [0, 0, 0, 0],
    open: 4,
    calmLooks: 0,
    heldFor: -1,
    sentFor: 0,
    ...overrides,
  };
}

describe('the lane key', () => {
  it('is the build for Count, the server for Server types, the tag for Tag types', () => {
    const tagged = target({ tag: 'PoolA' });
    expect(laneKeyOf(tagged, 'Count', 'b1')).toBe('build:b1');
    expect(laneKeyOf(tagged, 'Server', 'b1')).toBe('server:one.example');
    expect(laneKeyOf(tagged, 'MaxPerServer', 'b1')).toBe('server:one.example');
    expect(laneKeyOf(tagged, 'Tag', 'b1')).toBe('tag:PoolA');
    expect(laneKeyOf(tagged, 'MaxPerTag', 'b1')).toBe('tag:PoolA');
  });

  it('is the same for every build of a server, so that they share its lanes', () => {
    expect(laneKeyOf(target(), 'Server', 'b1')).toBe(laneKeyOf(target(), 'MaxPerServer', 'b2'));
  });

  it('tells ports of one host apart', () => {
    expect(laneKeyOf(target({ port: 1434 }), 'Server', 'b')).not.toBe(laneKeyOf(target(), 'Server', 'b'));
  });

  it('is the same whether the default port is named or not: it is one server', () => {
    expect(laneKeyOf(target({ port: 1433 }), 'Server', 'b')).toBe(laneKeyOf(target(), 'Server', 'b'));
  });

  it('stays within a session id, and long tags stay different', () => {
    const long = 'x'.repeat(300);
    const a = laneName(laneKeyOf(target({ tag: `${long}a` }), 'Tag', 'b'), 999);
    const b = laneName(laneKeyOf(target({ tag: `${long}b` }), 'Tag', 'b'), 999);
    expect(a.length).toBeLessThanOrEqual(128);
    expect(a).not.toBe(b);
  });

  it('can be read back from a lane name, whatever a tag contains', () => {
    expect(keyInLaneName(laneName('tag:a#1', 3))).toBe('tag:a#1');
  });
});

describe('lanes per key', () => {
  it('are one for Server and Tag, the limit for the others', () => {
    expect(lanesPerKey('Server', 7)).toBe(1);
    expect(lanesPerKey('Tag', 7)).toBe(1);
    expect(lanesPerKey('Count', 7)).toBe(7);
    expect(lanesPerKey('MaxPerServer', 7)).toBe(7);
    expect(lanesPerKey('MaxPerTag', 7)).toBe(7);
  });

  it('are never more than the key has targets', () => {
    expect(initialLaneKeys(planOf(10, 3), 'b')[0]?.lanes).toEqual([0, 0, 0]);
  });
});

describe('small builds', () => {
  const laneOf = (buildId: string, plan: Plan): string[] =>
    topUp(plan, initialLaneKeys(plan, buildId), 1, 100).assignments.map(({ lane }) => lane);

  it('spread over the lanes of a server, so that one slow database does not hold up all of them', () => {
    const lanes = Array.from({ length: 100 }, (_, index) => laneOf(`build-${index}`, planOf(10, 1))).flat();
    expect(new Set(lanes).size).toBe(10);
    expect(lanes.every((lane) => /^k0#[0-9]$/.test(lane))).toBe(true);
  });

  it('use only lanes that their limit allows, each of them once', () => {
    for (let index = 0; index < 50; index += 1) {
      const lanes = laneOf(`build-${index}`, planOf(4, 3));
      expect(new Set(lanes).size).toBe(3);
      expect(lanes.every((lane) => /^k0#[0-3]$/.test(lane))).toBe(true);
    }
  });

  it('take what ended out of the lanes that they used', () => {
    const plan = planOf(10, 2);
    const { keys, assignments } = topUp(plan, initialLaneKeys(plan, 'build-3'), 1, 100);
    const [state_] = keys;
    if (state_ === undefined) throw new Error('no key');
    expect(withEnded(state_, (lane) => assignments.filter((each) => each.lane === lane).length).lanes).toEqual([0, 0]);
  });

  it('that fill all lanes begin with the first, the one that stays when a server is throttled', () => {
    expect(new Set(laneOf('build-3', planOf(2, 5)))).toEqual(new Set(['k0#0', 'k0#1']));
  });
});

describe('topping up', () => {
  it('fills every lane to the depth and remembers it', () => {
    const { keys, assignments } = topUp(planOf(4, 100), [state()], 3, 1_000);
    expect(assignments).toHaveLength(12);
    expect(keys[0]?.lanes).toEqual([3, 3, 3, 3]);
    expect(keys[0]?.sent).toBe(12);
    expect(topUp(planOf(4, 100), keys, 3, 1_000).assignments).toEqual([]);
  });

  it('hands out every target exactly once, in order', () => {
    let keys = initialLaneKeys(planOf(3, 20, 5), 'b');
    const ordinals: number[] = [];
    for (let look = 0; look < 50; look += 1) {
      const next = topUp(planOf(3, 20, 5), keys, 2, 7);
      ordinals.push(...next.assignments.map(({ ordinal }) => ordinal));
      keys = next.keys.map((key) => ({ ...key, lanes: key.lanes.map(() => 0) }));
    }
    expect([...ordinals].sort((a, b) => a - b)).toEqual(Array.from({ length: 25 }, (_, index) => index));
  });

  it('gives the next target to the lane with the least outstanding', () => {
    const { assignments } = topUp(planOf(4, 100), [state({ lanes: [2, 0, 2, 1] })], 2, 1_000);
    expect(assignments.map(({ lane }) => lane)).toEqual(['k0#1', 'k0#1', 'k0#3']);
  });

  it('lets one slow lane wait while the others go on', () => {
    const { keys } = topUp(planOf(4, 100), [state({ lanes: [3, 0, 0, 0] })], 3, 1_000);
    expect(keys[0]?.lanes).toEqual([3, 3, 3, 3]);
  });

  it('uses only open lanes', () => {
    const { assignments } = topUp(planOf(4, 100), [state({ open: 1 })], 2, 1_000);
    expect(new Set(assignments.map(({ lane }) => lane))).toEqual(new Set(['k0#0']));
  });

  it('takes turns among keys, so that a bound starves none', () => {
    const plan = planOf(4, 100, 100, 100);
    const { assignments } = topUp(plan, initialLaneKeys(plan, 'b'), 10, 6);
    expect(assignments.map(({ lane }) => keyInLaneName(lane))).toEqual(['k0', 'k1', 'k2', 'k0', 'k1', 'k2']);
  });
});

describe('targets that ended', () => {
  const ended = (lanes: number[], endedPerLane: Record<string, number>) =>
    withEnded(state({ lanes }), (lane) => endedPerLane[lane] ?? 0).lanes;

  it('leave their lane', () => {
    expect(ended([2, 1, 0, 0], { 'k0#0': 2, 'k0#1': 1, 'other#0': 5 })).toEqual([0, 0, 0, 0]);
  });
  it('in a lane that was not known to hold them leave a debt, which the next ones handed out settle', () => {
    expect(ended([0, 0, 0, 0], { 'k0#0': 2, 'k0#1': 1 })).toEqual([-2, -1, 0, 0]);
  });
  it('are taken from a lane that holds too many, where theirs holds too few', () => {
    expect(ended([1, 0, 2, 0], { 'k0#0': 3 })).toEqual([0, 0, 0, 0]);
    expect(ended([0, 0, 1, 0], { 'k0#0': 3 })).toEqual([-2, 0, 0, 0]);
  });
});

describe('the depth of a lane', () => {
  it('covers what the lane works off between two looks', () => {
    expect(laneDepth(10, 1_000)).toBeGreaterThanOrEqual(10);
  });
  it('is never so shallow that a lane runs dry at once, nor so deep that a cancel takes long', () => {
    expect(laneDepth(0, 1_000)).toBe(2);
    expect(laneDepth(1e6, 1_000)).toBe(32);
  });
});

describe('the lane rate', () => {
  it('follows what is measured, smoothly', () => {
    expect(smoothedLaneRate(2, 40, 10, 1_000)).toBe(3);
  });
  it('keeps its value when nothing was at work', () => {
    expect(smoothedLaneRate(2, 0, 0, 1_000)).toBe(2);
  });
});

describe('the limiter', () => {
  it('halves the lanes of a key whose server says "too many requests", down to one', () => {
    const halved = adaptedLanes(state(), true);
    expect(halved.open).toBe(2);
    expect(adaptedLanes(adaptedLanes(halved, true), true).open).toBe(1);
  });

  it('gives lanes back one at a time after calm looks', () => {
    let current = state({ open: 1 });
    const opened: number[] = [];
    for (let look = 0; look < 15; look += 1) {
      current = adaptedLanes(current, false);
      opened.push(current.open);
    }
    expect(opened).toEqual([1, 1, 1, 1, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 4]);
  });

  it('never opens more lanes than there are', () => {
    expect(adaptedLanes(state({ calmLooks: 100 }), false).open).toBe(4);
  });
});
