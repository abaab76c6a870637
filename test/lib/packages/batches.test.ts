import { splitBatches } from '../../../lib/packages/batches';
import { packageLimits } from '../../../lib/packages/limits';
import { createRandom } from './random';

function batchesOf(text: string): string[] {
  return splitBatches(text, { stripTransactionText: false }).batches.map((batch) => batch.text);
}

/** `line: code` of every problem. */
function problemsOf(text: string): string[] {
  return splitBatches(text, { stripTransactionText: false }).problems.map(({ line, code }) => `${line}: ${code}`);
}

describe('GO separates batches', () => {
  test.each([
    ['alone on its line', 'a\nGO\nb', ['a\n', 'b']],
    ['in any letter case', 'a\ngO\nb', ['a\n', 'b']],
    ['between blanks and tabs', 'a\n \tGO\t \nb', ['a\n', 'b']],
    ['after CRLF', 'a\r\nGO\r\nb\r\n', ['a\r\n', 'b\r\n']],
    ['after CR', 'a\rGO\rb', ['a\r', 'b']],
    ['on the first line', 'GO\na', ['a']],
    ['on the last line without line end', 'a\nGO', ['a\n']],
    ['before a line comment', 'a\nGO -- done\nb', ['a\n', 'b']],
    ['directly before a line comment', 'a\nGO--done\nb', ['a\n', 'b']],
    ['before a block comment', 'a\nGO /* done */\nb', ['a\n', 'b']],
    ['before a comment of several lines', 'a\nGO /* x\ny */ 2\nb', ['a\n', 'b']],
    ['behind a block comment', 'a\n/* x */ GO\nb', ['a\n/* x */', 'b']],
    ['behind the end of a long comment', 'a /* x\n*/ GO\nb', ['a /* x\n*/', 'b']],
    ['behind a line comment on the line before', 'a -- x\nGO\nb', ['a -- x\n', 'b']],
  ])('%s', (_where, text, batches) => {
    expect(batchesOf(text)).toEqual(batches);
    expect(problemsOf(text)).toEqual([]);
  });
});

describe('GO does not separate', () => {
  test.each([
    ['in a string', "a '\nGO\n' b"],
    ['in a string with doubled quotes', "a 'x''\nGO\n''' b"],
    ['in a bracketed name', 'a [\nGO\n] b'],
    ['in a quoted name', 'a "\nGO\n" b'],
    ['in a block comment', '/*\nGO\n*/ b'],
    ['in a nested block comment', '/* /* */\nGO\n*/ b'],
    ['in a line comment', '-- GO\nb'],
    ['behind code', 'SELECT 1 GO\nb'],
    ['as part of a word', 'GOTO x\nGO_1\nGOOSE\n@GO\n#GO'],
    ['as a qualifier', 'SELECT\ngo.id FROM groups go\nORDER BY\ngo.id'],
    ['as a function', 'SELECT 1 +\ngo(1)'],
  ])('%s', (_where, text) => {
    expect(batchesOf(text)).toEqual([text]);
    expect(problemsOf(text)).toEqual([]);
  });
});

describe('GO with a count', () => {
  test.each([
    ['GO 5', 5],
    ['go\t3', 3],
    ['GO 5 -- five times', 5],
    ['GO /* x */ 7 /* y */', 7],
    ['GO 1', 1],
    [`GO ${packageLimits.goRepeat}`, packageLimits.goRepeat],
  ])('%s repeats the batch', (go, repeat) => {
    expect(splitBatches(`a\n${go}\nb`, { stripTransactionText: false })).toEqual({
      batches: [
        { text: 'a\n', line: 1, repeat },
        { text: 'b', line: 3, repeat: 1 },
      ],
      problems: [],
      warnings: [],
    });
  });

  test('of zero leaves the batch out and says so', () => {
    const reading = splitBatches('a\nGO 0\nb', { stripTransactionText: false });
    expect(reading.batches).toEqual([{ text: 'b', line: 3, repeat: 1 }]);
    expect(reading.warnings).toMatchObject([{ code: 'package.script.goZero', line: 2 }]);
  });

  test.each(['GO 10001', 'GO 99999999999999999999'])('%s is refused: it would never end', (go) => {
    expect(problemsOf(`a\n${go}\nb`)).toEqual(['2: package.script.goCount']);
  });

  test.each(['GO;', 'GO ;', 'GO x', 'GO 5 5', 'GO -1', 'GO 5x', 'GO SELECT 1', "GO '5'"])(
    '%s is refused, as in Management Studio, and still separates',
    (go) => {
      const text = `a\n${go}\nb`;
      expect(problemsOf(text)).toEqual(['2: package.script.goSyntax']);
      expect(batchesOf(text)).toEqual(['a\n', 'b']);
    },
  );
});

test('a batch knows the line on which it begins, whatever ends the lines', () => {
  const text = 'a\r\nb\r\nGO\r\n\r\nc\nGO 2\rd';
  const { batches } = splitBatches(text, { stripTransactionText: false });
  expect(batches.map(({ text: batch, line, repeat }) => [batch, line, repeat])).toEqual([
    ['a\r\nb\r\n', 1, 1],
    ['\r\nc\n', 4, 2],
    ['d', 7, 1],
  ]);
});

test('batches of nothing but blanks are dropped, comments are sent', () => {
  expect(batchesOf('GO\n\n \t\nGO\n-- note\nGO\n/* note */\nGO\n')).toEqual(['-- note\n', '/* note */\n']);
  expect(batchesOf('')).toEqual([]);
  expect(batchesOf(' \r\n')).toEqual([]);
});

test.each([
  [':r other.sql\nSELECT 1', ['1: package.script.sqlcmd']],
  [
    'SELECT 1\n  :setvar name value\n:CONNECT srv\n:on error exit\n!!dir\n',
    [2, 3, 4, 5].map((line) => `${line}: package.script.sqlcmd`),
  ],
  ["SELECT ':r x'\n/*\n:r x\n*/\n-- :r x\nSELECT geography\n::Point(1, 2, 3)\nlabel:\nSELECT 1\n:rest", []],
])('sqlcmd commands are refused with their lines: %j', (text, problems) => {
  expect(problemsOf(text)).toEqual(problems);
});

test.each([
  ["a\nSELECT 'x\nGO\nb", '2: package.script.unterminated'],
  ['a\n\n/* x', '3: package.script.unterminated'],
  ['a [x', '1: package.script.unterminated'],
  ['a\n"x', '2: package.script.unterminated'],
])('what never ends is refused where it begins: %j', (text, problem) => {
  expect(problemsOf(text)).toEqual([problem]);
});

test('more batches than a script may have are refused', () => {
  const limits = { ...packageLimits, batchesPerScript: 3 };
  const reading = splitBatches('a\nGO\n'.repeat(4), { stripTransactionText: false, limits });
  expect(reading.problems).toMatchObject([{ code: 'package.script.tooManyBatches', line: 6 }]);
  expect(splitBatches('a\nGO\nb\nGO\nc', { stripTransactionText: false, limits })).toMatchObject({ problems: [] });
});

describe('USE', () => {
  test.each([
    ['USE other\nSELECT 1', '\nSELECT 1'],
    ['  use [other db];\r\nSELECT 1', '  \r\nSELECT 1'],
    ['USE "other" SELECT 1', ' SELECT 1'],
    ['/* x */ USE\n other -- y\nSELECT 1', '/* x */ \n  -- y\nSELECT 1'],
  ])('at the beginning of a line is taken out, lines stay: %j', (text, batch) => {
    expect(batchesOf(text)).toEqual([batch]);
  });

  test.each([
    '-- USE other\nSELECT 1',
    '/*\nUSE other\n*/\nSELECT 1',
    "SELECT '\nUSE other\n'",
    "SELECT * FROM t OPTION (\nUSE HINT ('x'))",
    'SELECT 1 AS\n[USE other]',
    '@USE x',
  ])('elsewhere stays: %j', (text) => {
    expect(batchesOf(text)).toEqual([text]);
  });

  test('alone in its batch leaves no batch', () => {
    expect(batchesOf('USE other\nGO\nSELECT 1\nGO\nUSE [x] ;\n')).toEqual(['SELECT 1\n']);
  });

  test('in the middle of a line stays and is warned of', () => {
    const reading = splitBatches('SELECT 1\nGO\nSELECT 2\nSELECT 3; USE other', { stripTransactionText: false });
    expect(reading.batches).toHaveLength(2);
    expect(reading.warnings).toMatchObject([{ code: 'package.script.use', line: 4 }]);
  });
});

describe('stripped transaction text', () => {
  const stripped = (text: string): string[] =>
    splitBatches(text, { stripTransactionText: true }).batches.map((batch) => batch.text);

  test.each([
    ['BEGIN TRANSACTION\nSELECT 1\nCOMMIT TRANSACTION', '\nSELECT 1\n'],
    ['begin tran;\nSELECT 1;\ncommit;', ';\nSELECT 1;\n;'],
    ['SELECT 1 BEGIN  /* x */\n TRAN', 'SELECT 1   /* x */\n '],
    ['SELECT 1\nROLLBACK TRAN', 'SELECT 1\n'],
    ['SELECT 1\nCOMMIT WORK', 'SELECT 1\n'],
    ['SET TRANSACTION ISOLATION LEVEL SERIALIZABLE\nSELECT 1', '\nSELECT 1'],
    ['BEGIN TRAN build1\nSELECT 1\nCOMMIT TRAN [build1];', '\nSELECT 1\n;'],
    ['BEGIN TRAN @name -- x\nSELECT 1', ' -- x\nSELECT 1'],
    ['BEGIN TRAN SELECT 1', ' SELECT 1'],
    ['IF 1 = 1 BEGIN SELECT 1 COMMIT TRAN END', 'IF 1 = 1 BEGIN SELECT 1  END'],
  ])('%j becomes %j', (text, batch) => {
    expect(stripped(text)).toEqual([batch]);
  });

  test.each([
    "SELECT 'COMMIT', N'BEGIN TRAN'",
    '-- COMMIT\nSELECT 1',
    '/* BEGIN TRAN /* COMMIT */ COMMIT */ SELECT 1',
    'SELECT [commit], "COMMIT" FROM t',
    'SELECT t.commit FROM t',
    'SELECT @commit, #commit, commit_date FROM t',
    'ROLLBACK',
    'BEGIN SELECT 1 END',
    'BEGIN TRY SELECT 1 END TRY BEGIN CATCH SELECT 2 END CATCH',
    'SAVE TRAN x',
    'SET TRANSACTION ISOLATION LEVEL READ COMMITTED',
    'CREATE PROCEDURE p AS BEGIN TRAN; SELECT 1; COMMIT',
    'CREATE OR ALTER FUNCTION f() RETURNS int AS BEGIN COMMIT END',
    '/* x */ ALTER /* y */ TRIGGER t ON x AFTER INSERT AS COMMIT',
  ])('%j stays', (text) => {
    expect(stripped(text)).toEqual([text]);
  });

  test('leaves no batch where nothing else was in it', () => {
    expect(stripped('BEGIN TRAN\nGO\nSELECT 1\nGO\nCOMMIT;\n')).toEqual(['SELECT 1\n']);
  });

  test('happens only when the script asks for it', () => {
    expect(batchesOf('BEGIN TRAN\nSELECT 1')).toEqual(['BEGIN TRAN\nSELECT 1']);
  });
});

describe('warnings', () => {
  const warningsOf = (text: string, stripTransactionText = false): string[] =>
    splitBatches(text, { stripTransactionText }).warnings.map(({ line, code }) => `${line}: ${code}`);

  test.each([
    ['SELECT 1\nGO\n\nCREATE DATABASE x', '4: package.script.notTransactional'],
    ['ALTER DATABASE x SET RECOVERY SIMPLE', '1: package.script.notTransactional'],
    ["BACKUP DATABASE x TO DISK = 'y'", '1: package.script.notTransactional'],
    ['SELECT 1\nRECONFIGURE', '2: package.script.notTransactional'],
    ['CREATE FULLTEXT INDEX ON t(c) KEY INDEX i', '1: package.script.notTransactional'],
    ['SELECT 1\nCOMMIT', '2: package.script.transaction'],
    ['IF @@TRANCOUNT > 0 ROLLBACK', '1: package.script.transaction'],
    ['BEGIN TRAN', '1: package.script.transaction'],
    ['USE [$(DatabaseName)];\nSELECT $(x)', '2: package.script.sqlcmdVariable'],
  ])('%j', (text, warning) => {
    expect(warningsOf(text)).toEqual([warning]);
  });

  test.each([
    'ALTER DATABASE SCOPED CONFIGURATION SET MAXDOP = 1',
    "SELECT 'CREATE DATABASE' -- COMMIT",
    'CREATE PROC p AS COMMIT',
    'BEGIN SELECT 1 END',
    'SELECT t.[commit], t.rollback FROM t',
    'GRANT SELECT ON DATABASE::x TO y',
  ])('none for %j', (text) => {
    expect(warningsOf(text)).toEqual([]);
  });

  test('none for what is stripped anyway', () => {
    expect(warningsOf('BEGIN TRAN\nSELECT 1\nCOMMIT', true)).toEqual([]);
  });
});

test('whatever the text, batches are pieces of it in order, and lines are right', () => {
  const pieces = [
    'GO',
    'go 2',
    '\n',
    '\r\n',
    '\r',
    "'",
    '[',
    ']',
    '"',
    '/*',
    '*/',
    '--',
    'SELECT 1',
    ' ',
    '\t',
    ';',
    'x',
  ];
  for (let seed = 1; seed <= 2_000; seed += 1) {
    const random = createRandom(seed);
    const text = Array.from({ length: random.below(30) }, () => random.pick(pieces)).join('');
    let position = 0;
    for (const batch of splitBatches(text, { stripTransactionText: false }).batches) {
      const start = text.indexOf(batch.text, position);
      expect(start).toBeGreaterThanOrEqual(position);
      expect(batch.text).toMatch(/\S/);
      const lines = text.split(/\r\n|\r|\n/);
      expect(lines[batch.line - 1]?.startsWith(batch.text.split(/\r\n|\r|\n/)[0] ?? '?')).toBe(true);
      position = start + batch.text.length;
    }
  }
});
