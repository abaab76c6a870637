import { type Candidate, selectCluster } from '../../../lib/clusters/plan';
import { type Cluster } from '../../../lib/clusters/schema';
import { type StatusAt } from '../../../lib/clusters/status';
import { type ClusterRequest } from '../../../lib/platform/cluster-choice';
import { candidate, request } from './fixtures';

const at = '2026-01-01T00:00:00.000Z';
const unhealthy = { status: 'unhealthy' as const, reason: 'silent' };
const contoso = { managedBy: 'external' as const, scmOrganizations: ['contoso'] };
const fabrikam = { managedBy: 'external' as const, scmOrganizations: ['fabrikam'] };

const select = (known: readonly Candidate[], asked: Partial<ClusterRequest> = {}, random = 0.5) =>
  selectCluster(request(asked), known, random, at);
const chosen = (known: readonly Candidate[], asked: Partial<ClusterRequest> = {}, random = 0.5) =>
  select(known, asked, random).choice.cluster;

/** A small generator with a seed, so that statistics are the same on every run (mulberry32). */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

function shares(
  known: readonly Candidate[],
  asked: Partial<ClusterRequest> = {},
  draws = 100_000,
): Map<string, number> {
  const random = seeded(17);
  const counts = new Map<string, number>();
  for (let draw = 0; draw < draws; draw += 1) {
    const id = chosen(known, asked, random()) ?? 'none';
    counts.set(id, (counts.get(id) ?? 0) + 1);
  }
  return counts;
}

/** Pearson's statistic: how far counts are from what the weights promise. */
function chiSquare(counts: Map<string, number>, weights: Record<string, number>): number {
  const total = [...counts.values()].reduce((sum, count) => sum + count, 0);
  const all = Object.values(weights).reduce((sum, weight) => sum + weight, 0);
  return Object.entries(weights).reduce((sum, [id, weight]) => {
    const expected = (total * weight) / all;
    return sum + ((counts.get(id) ?? 0) - expected) ** 2 / expected;
  }, 0);
}

describe('the choice of a cluster', () => {
  it('takes the one that is named, then those that list the organisation, then the service’s own', () => {
    const known = [candidate('named', contoso), candidate('listed', contoso), candidate('managed')];
    const asked = { organization: 'Contoso' };
    expect(select(known, { ...asked, wanted: 'Named' }).choice).toMatchObject({ cluster: 'named', path: 'wanted' });
    expect(select(known.slice(1), asked).choice).toMatchObject({ cluster: 'listed', path: 'organization' });
    expect(select(known.slice(2), asked).choice).toMatchObject({ cluster: 'managed', path: 'managed' });
    expect(select(known).choice).toMatchObject({ cluster: 'managed', path: 'managed', notShown: 2 });
  });

  it('lets an admin’s word go before the build’s', () => {
    const known = [candidate('a', contoso), candidate('b', contoso)];
    const { choice } = select(known, { organization: 'contoso', wanted: 'a', override: 'b' });
    expect(choice).toMatchObject({ cluster: 'b', path: 'override', reason: 'an admin assigned "b"' });
  });

  it('draws by weight', () => {
    const known = [
      candidate('a', { weightage: 70 }),
      candidate('b', { weightage: 20 }),
      candidate('c', { weightage: 10 }),
      candidate('d', { weightage: 0.5 }),
    ];
    // 16.27 is passed once in a thousand sequences (3 degrees of freedom); this sequence is always the same.
    expect(chiSquare(shares(known), { a: 70, b: 20, c: 10, d: 0.5 })).toBeLessThan(16.27);
  });

  // Each bound is passed once in a thousand sequences of its degrees of freedom; these sequences are always the same.
  it.each([
    ['two alike', [1, 1], 10.83],
    ['one that is hardly ever drawn', [100, 0.1], 10.83],
    ['thirds', [33.3, 33.3, 33.4], 13.82],
    ['one to ten', [1, 2, 3, 4, 5, 6, 7, 8, 9, 10], 27.88],
    ['twelve alike', Array.from({ length: 12 }, () => 7), 31.26],
  ])('draws by weight: %s', (_what, weights, bound) => {
    const entries = weights.map((weightage, index): [string, number] => [`c${index}`, weightage]);
    const known = entries.map(([id, weightage]) => candidate(id, { weightage }));
    expect(chiSquare(shares(known), Object.fromEntries(entries))).toBeLessThan(bound);
  });

  it('can be worked out again from its explanation alone, whatever there is to choose from', () => {
    const random = seeded(4);
    const oneOf = <T>(...values: T[]): T | undefined => values[Math.floor(random() * values.length)];
    for (let world = 0; world < 2_000; world += 1) {
      const known = Array.from({ length: Math.floor(random() * 8) }, (_, index) =>
        candidate(
          `c${index}`,
          {
            weightage: oneOf(0, 0.5, 10, 100) ?? 1,
            group: oneOf('default', 'default', 'gpu') ?? '',
            ...oneOf<Partial<Cluster>>({}, contoso, fabrikam, { scmOrganizations: ['contoso'] }),
          },
          {
            ...oneOf<Partial<StatusAt>>({}, {}, unhealthy, { status: 'inactive' as const, reason: 'off' }),
            slots: oneOf(null, 0, 4) ?? null,
            busy: 3,
          },
          oneOf(null, 2, 40) ?? null,
        ),
      );
      const organization = oneOf(null, 'contoso', 'Fabrikam', 'other') ?? null;
      const asked = { organization, wanted: oneOf(null, 'c0', 'c9') ?? null, group: oneOf(null, 'gpu') ?? null };
      const { choice, refused } = select(known, { ...asked, only: asked.wanted !== null && random() < 0.3 }, random());
      const drawnFrom = choice.candidates.filter(({ path, weight }) => path === choice.path && weight > 0);
      if (choice.cluster === null) {
        expect([choice.draw, choice.queue, choice.candidates.filter(({ weight }) => weight > 0)]).toEqual([
          null,
          null,
          [],
        ]);
        expect(choice.reason).not.toBe('');
        continue;
      }
      expect(refused).toBeNull();
      const at = (choice.draw?.random ?? 0) * (choice.draw?.totalWeight ?? 0);
      const sums = drawnFrom.map((_, index) =>
        drawnFrom.slice(0, index + 1).reduce((sum, { weight }) => sum + weight, 0),
      );
      expect(drawnFrom[sums.findIndex((sum) => at < sum)]?.cluster).toBe(choice.cluster);
      // Nobody's border was crossed, and everybody who was left out has a reason.
      const chosenOne = known.find(({ cluster }) => cluster.id === choice.cluster)?.cluster;
      const own = chosenOne?.scmOrganizations ?? ['nobody'];
      expect(own.length === 0 || own.includes(organization?.toLowerCase() ?? '')).toBe(true);
      for (const { weight, excluded } of choice.candidates) expect(weight > 0).toBe(excluded === null);
    }
  });

  it('never draws a cluster of weight 0 by chance, but gives it to who names it', () => {
    const known = [candidate('a', { weightage: 0 }), candidate('b', { weightage: 1 })];
    expect([...shares(known, {}, 10_000).keys()]).toEqual(['b']);
    expect(chosen(known, { wanted: 'a' })).toBe('a');
    expect(chosen(known.slice(0, 1))).toBeNull();
  });

  it('draws the whole range: nothing at its ends falls through', () => {
    const known = [candidate('a', { weightage: 1 }), candidate('b', { weightage: 1 })];
    expect([0, 0.4999, 0.5, 1 - Number.EPSILON].map((random) => chosen(known, {}, random))).toEqual([
      'a',
      'a',
      'b',
      'b',
    ]);
    const thirds = ['a', 'b', 'c'].map((id) => candidate(id, { weightage: 0.1 }));
    expect(chosen(thirds, {}, 1 - Number.EPSILON / 2)).toBe('c');
  });

  it('gives a loaded cluster less, and no cluster nothing', () => {
    const known = [
      candidate('free', {}, { slots: 4, busy: 1 }),
      candidate('full', {}, { slots: 4, busy: 4 }),
      candidate('late', {}, { slots: 4, busy: 4 }, 16),
    ];
    expect(chiSquare(shares(known), { free: 100, full: 100, late: 25 })).toBeLessThan(13.82);
    expect(chosen(known.slice(2))).toBe('late');
  });

  it.each([
    ['unhealthy', {}, unhealthy, 'unhealthy: silent'],
    ['inactive', {}, { status: 'inactive' as const, reason: 'switched off' }, 'inactive: switched off'],
    [
      'draining',
      { lifecycle: 'draining' as const },
      { status: 'draining' as const, reason: 'deleted' },
      'draining: deleted',
    ],
    ['without slots', {}, { slots: 0, busy: 0 }, 'its workers have no slots'],
    ['of another group', { group: 'gpu' }, {}, 'its group is "gpu"'],
  ])('leaves out a cluster that is %s, and says so', (_what, fields, status, excluded) => {
    const known = [candidate('a', fields, status), candidate('b')];
    expect([...shares(known, {}, 100).keys()]).toEqual(['b']);
    expect(select(known).choice.candidates).toMatchObject([
      { cluster: 'a', weight: 0, excluded },
      { cluster: 'b', weight: 100, excluded: null },
    ]);
    const { choice } = select(known.slice(0, 1));
    expect([choice.cluster, choice.reason]).toEqual([null, `no cluster is of use now (a: ${excluded})`]);
  });

  it('takes others where the named one is of no use, and waits for it where only that one will do', () => {
    const known = [candidate('named', contoso, unhealthy), candidate('other', contoso), candidate('managed')];
    const asked = { wanted: 'named', organization: 'contoso' };
    expect(select(known, asked).choice).toMatchObject({
      cluster: 'other',
      reason: 'it serves the organisation "contoso" (the only one of use), because "named" is of no use now',
    });
    const { choice, refused } = select(known, { ...asked, only: true });
    expect(choice).toMatchObject({ cluster: null, reason: 'no cluster is of use now (named: unhealthy: silent)' });
    expect(refused).toBeNull();
  });

  it('looks for a named cluster in whatever group it is, and stays in that group', () => {
    const known = [
      candidate('gpu1', { group: 'gpu' }, unhealthy),
      candidate('gpu2', { group: 'gpu' }),
      candidate('plain'),
    ];
    expect(chosen(known, { wanted: 'gpu1' })).toBe('gpu2');
    expect(chosen(known, { group: 'gpu' })).toBe('gpu2');
    expect(chosen(known)).toBe('plain');
    expect(chosen(known, { wanted: 'plain', group: 'gpu' })).toBe('gpu2');
  });

  it('follows those who took over, and no circle', () => {
    const leaving = { lifecycle: 'draining' as const };
    const gone = { lifecycle: 'gone' as const };
    const known = [
      candidate('a', { ...gone, successor: 'b' }, { status: 'inactive' }),
      candidate('b', { ...leaving, successor: 'c' }, { status: 'draining' }),
      candidate('c'),
      candidate('x', { ...leaving, successor: 'y' }, { status: 'draining' }),
      candidate('y', { ...leaving, successor: 'x' }, { status: 'draining' }),
    ];
    expect(select(known, { wanted: 'a' }).choice).toMatchObject({ cluster: 'c', path: 'successor' });
    expect(select(known, { wanted: 'x' }).refused).not.toBeNull();
  });

  describe('between organisations', () => {
    const known = [
      candidate('contoso1', contoso, unhealthy),
      candidate('contoso2', { ...contoso, isActive: false }, { status: 'inactive', reason: 'off' }),
      candidate('fabrikam1', fabrikam),
      candidate('fabrikam2', { ...fabrikam, weightage: 0 }),
      candidate('private-managed', { scmOrganizations: ['fabrikam'] }),
    ];

    it('never gives one the cluster of another, on whichever path and draw', () => {
      for (const wanted of [null, 'contoso1', 'contoso2', 'fabrikam1', 'fabrikam2', 'private-managed', 'none']) {
        for (const override of [null, 'fabrikam1', 'fabrikam2']) {
          for (const group of [null, 'default', 'gpu']) {
            for (const random of [0, 0.3, 0.6, 0.999]) {
              const asked = { wanted, override, group, organization: 'contoso' };
              expect(chosen(known, asked, random)).toBeNull();
            }
          }
        }
      }
    });

    it('answers alike for a cluster of others and for one that is not there', () => {
      const theirs = select(known, { wanted: 'fabrikam1', organization: 'contoso' });
      const none = select(known, { wanted: 'fabrikam9', organization: 'contoso' });
      expect(theirs.refused?.replace('fabrikam1', 'X')).toBe(none.refused?.replace('fabrikam9', 'X'));
      expect({ ...theirs.choice, asked: null, reason: '' }).toEqual({ ...none.choice, asked: null, reason: '' });
      expect(JSON.stringify(select(known, { organization: 'contoso' }))).not.toContain('fabrikam');
    });

    it('gives work without an organisation to clusters that are open to all', () => {
      expect(chosen(known)).toBeNull();
      expect(chosen([...known, candidate('open')])).toBe('open');
    });

    it('keeps source control contexts apart', () => {
      const here = candidate('here', { ...contoso, scmContext: 'github:github.com' });
      const asked = { organization: 'contoso', wanted: 'here' };
      expect(chosen([here], { ...asked, scmContext: 'github:github.com' })).toBe('here');
      expect(select([here], { ...asked, scmContext: 'github:ghe.example' }).refused).not.toBeNull();
      expect(select([here], asked).refused).not.toBeNull();
    });

    it('does not take a part of a name for the name', () => {
      for (const organization of ['con', 'contoso.evil', 'contoso ', 'évil', '']) {
        expect(chosen([candidate('a', contoso)], { organization })).toBeNull();
      }
    });
  });

  it('does not send a build where it was already', () => {
    const known = [candidate('a'), candidate('b')];
    expect([...shares(known, { exclude: ['a'] }, 100).keys()]).toEqual(['b']);
  });
});
