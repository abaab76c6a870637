import { matchesGlob } from '../../../lib/events/globs';
import { isOutdated, packageOf, serverIdOf } from '../../../lib/events/plan';
import { defaultRoutes, type NewestDocument, routesSchema } from '../../../lib/events/schema';
import { filledIn } from '../../../lib/events/templates';

test.each([
  ['Microsoft.Sql/servers*', 'microsoft.sql/SERVERS/databases/write', true],
  ['Microsoft.Sql/servers*', 'Microsoft.Sql/managedInstances/write', false],
  ['*', '', true],
  ['a*a', 'a', false],
  ['a*a', 'aa', true],
  ['*/deployments/p-*-x', '/s/deployments/p-1-2-x', true],
  ['*/deployments/p-*-x', '/s/deployments/p-1-2-y', false],
  ['a**b', 'ab', true],
  ['a.b', 'axb', false],
  [`${'*a'.repeat(60)}b`, 'a'.repeat(2_000), false],
])('the pattern %s and %s: %s', (pattern, text, fits) => {
  expect(matchesGlob(pattern, text)).toBe(fits);
});

describe('what is older', () => {
  const newest = (time: string, sequencer = ''): NewestDocument => ({
    id: 'n',
    kind: 'newest',
    time,
    sequencer,
    ttl: 1,
  });
  const blob = (time: string, sequencer: string) => ({
    time,
    essence: { kind: 'blob' as const, container: 'c', blob: 'b', sequencer },
  });

  it('is told by the sequencer where both have one, else by the time; what is equal is not older', () => {
    expect(isOutdated(blob('2026-01-01T00:00:00Z', '09'), newest('2025-01-01T00:00:00Z', '10'))).toBe(true);
    expect(isOutdated(blob('2025-01-01T00:00:00Z', '100'), newest('2026-01-01T00:00:00Z', '99'))).toBe(false);
    expect(isOutdated(blob('2026-01-01T00:00:00Z', ''), newest('2026-01-01T00:00:01Z', '10'))).toBe(true);
    expect(isOutdated(blob('2026-01-01T00:00:00Z', ''), newest('2026-01-01T00:00:00Z'))).toBe(false);
    expect(isOutdated(blob('2026-01-01T00:00:00Z', ''), null)).toBe(false);
  });

  it('compares times of different zones', () => {
    expect(isOutdated(blob('2026-01-01T02:00:00+02:00', ''), newest('2026-01-01T00:00:01Z'))).toBe(true);
  });
});

test('a package and its manifest belong together, whichever is named', () => {
  const both = { packageBlob: 'a/b.sbm', manifestBlob: 'a/b.sbm.build.json' };
  expect(packageOf('a/b.sbm')).toEqual(both);
  expect(packageOf('a/b.sbm.build.json')).toEqual(both);
  expect(packageOf('.build.json').packageBlob).toBe('.build.json');
});

test('the server of a resource is found in any letters, also of what is in it', () => {
  const server = '/subscriptions/s/RESOURCEGROUPS/g/providers/microsoft.sql/Servers/one';
  expect(serverIdOf(`${server}/databases/two`)).toBe(server);
  expect(serverIdOf('/subscriptions/s/resourceGroups/g/providers/Microsoft.Web/sites/one')).toBeNull();
});

test('outputs are filled in wherever they are named; what only looks like one is left', () => {
  const template = { a: ['${outputs.x}-${outputs.n}', 7], b: '${inputs.x} $x', c: '${outputs.list}' };
  expect(filledIn(template, { x: '$&', n: 3, list: ['p', 'q'] })).toEqual({
    a: ['$&-3', 7],
    b: '${inputs.x} $x',
    c: 'p\nq',
  });
  expect(() => filledIn('${outputs.constructor}', {})).toThrow('no output "constructor"');
  expect(() => filledIn('${outputs.o}', { o: { deep: 1 } })).toThrow('no text, number or list');
});

test('the built-in routes are valid, and two routes of one name are not', () => {
  expect(routesSchema.parse(defaultRoutes)).toEqual(defaultRoutes);
  const twice = { routes: [...defaultRoutes.routes, ...defaultRoutes.routes.slice(0, 1)] };
  expect(routesSchema.safeParse(twice).error?.issues[0]?.path).toEqual(['routes', 3, 'name']);
});
