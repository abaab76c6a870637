import { checkResolution, resolveDatabase } from '../../../lib/targets/resolve';
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

describe('the databases that scripts will run in', () => {
  const targets = [
    { overrides, line: 3 },
    { overrides: [{ default: 'master', target: 'db3' }], line: 4 },
    { overrides, line: 5 },
  ];

  test('may be whatever targets may be', () => {
    expect(checkResolution(['', 'client', 'AUDIT', 'other'], targets)).toEqual([]);
  });

  test('may not be system databases that no override replaces', () => {
    const [problem, ...others] = checkResolution(['client', 'master', 'MASTER'], targets);
    expect(others).toEqual([]);
    expect(problem).toMatchObject({ code: 'targets.database.system', line: 3 });
    expect(problem?.message).toContain('(2 targets)');
  });
});
