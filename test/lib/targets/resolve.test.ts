import { resolveDatabase } from '../../../lib/targets/resolve';
import { describeVectors, vectors } from '../packages/vectors';

const overrides = [
  { default: 'client', target: 'db1' },
  { default: 'audit', target: 'db2' },
];

test.each([
  ['', 'db1', 'a script without a database runs in the first target'],
  ['audit', 'db2', 'a default that matches decides'],
  ['AUDIT', 'db2', 'letter case does not matter'],
  ['other', 'other', 'a database that nobody overrides is taken as it is'],
])('%j resolves to %j: %s', (scriptDatabase, database) => {
  expect(resolveDatabase(scriptDatabase, overrides)).toBe(database);
});

test('a line that names only a target does not redirect scripts that name a database', () => {
  expect(resolveDatabase('client', [{ default: '', target: 'db1' }])).toBe('client');
});

test('the first of several matching overrides wins', () => {
  expect(resolveDatabase('client', [...overrides, { default: 'client', target: 'db3' }])).toBe('db1');
});

describeVectors('what the predecessor was seen to do', () => {
  test.each(vectors.targetDatabase)('resolves $scriptDatabase to $target', (vector) => {
    const pairs = vector.overrides.map(([source, target]) => ({ default: source, target }));
    expect(resolveDatabase(vector.scriptDatabase, pairs)).toBe(vector.target);
  });
});
