import { codeAfter, isTrivia, tokenizeSql } from '../../../lib/packages/sql-tokens';
import { createRandom } from './random';

function kindsOf(text: string): string[] {
  return [...tokenizeSql(text)]
    .filter(({ kind }) => kind !== 'blank' && kind !== 'newline')
    .map(({ kind, start, end }) => `${kind} ${text.slice(start, end)}`);
}

test.each([
  ["N'it''s' x", ['word N', "string 'it''s'", 'word x']],
  ['[a]]b].c', ['bracketedName [a]]b]', 'symbol .', 'word c']],
  ['"a""b" c', ['quotedName "a""b"', 'word c']],
  ['/* a /* b */ c */ d', ['blockComment /* a /* b */ c */', 'word d']],
  ['/**/a', ['blockComment /**/', 'word a']],
  ['/*/ a */b', ['blockComment /*/ a */', 'word b']],
  ["-- it's\r\nb", ["lineComment -- it's", 'word b']],
  ["'--' a", ["string '--'", 'word a']],
  ['@a #b ##c $d é_1', ['word @a', 'word #b', 'word ##c', 'word $d', 'word é_1']],
  ['a-1 -b', ['word a', 'symbol -', 'number 1', 'symbol -', 'word b']],
])('%j is read as %j', (text, expected) => {
  expect(kindsOf(text)).toEqual(expected);
});

test.each(["'open", '[open', '"open', '/* open /* */', "'a''"])('%s does not end', (text) => {
  expect([...tokenizeSql(text)]).toMatchObject([{ start: 0, end: text.length, terminated: false }]);
});

test('lines are counted whatever ends them, inside of strings and comments too', () => {
  const text = "a\r\nb\rc\nd '\r\n\n' e /*\r*/ f";
  const lines = [...tokenizeSql(text)]
    .filter((token) => token.kind === 'word')
    .map(({ start, line }) => `${text.slice(start, start + 1)}${line}`);
  expect(lines).toEqual(['a1', 'b2', 'c3', 'd4', 'e6', 'f7']);
});

test('a token is the first of its line when only blanks and comments precede it there', () => {
  const text = "a b\n  c /* x */ d\n/* x */ e\n/* x\n*/ f\n'x\n' g";
  const first = [...tokenizeSql(text)]
    .filter((token) => token.kind === 'word' && token.firstOnLine)
    .map(({ start }) => text.slice(start, start + 1));
  expect(first).toEqual(['a', 'c', 'e', 'f']);
});

test('looking ahead skips what the server skips', () => {
  const text = 'a /* x */ -- y\n b';
  const [a] = tokenizeSql(text);
  if (a === undefined) throw new Error('no token');
  expect([...codeAfter(text, a)]).toMatchObject([{ kind: 'word', line: 2 }]);
});

test('any text is cut without loss, gap or overlap', () => {
  const pieces = [
    "'",
    '"',
    '[',
    ']',
    '/*',
    '*/',
    '--',
    '\n',
    '\r\n',
    '\r',
    ' ',
    '\t',
    'GO',
    'go',
    '5',
    ';',
    'é',
    '\u{1f600}',
    '\ufeff',
    '\0',
    ':r',
    '!!',
    'BEGIN TRAN',
    'x',
    '/',
    '*',
    '-',
    '\ud800',
  ];
  for (let seed = 1; seed <= 2_000; seed += 1) {
    const random = createRandom(seed);
    const text = Array.from({ length: random.below(40) }, () => random.pick(pieces)).join('');
    const tokens = [...tokenizeSql(text)];
    expect(tokens.map(({ start, end }) => text.slice(start, end)).join('')).toBe(text);
    expect(tokens.every(({ start, end }) => end > start)).toBe(true);
    expect(tokens.filter((token) => !token.terminated && isTrivia(token) && token.kind !== 'blockComment')).toEqual([]);
  }
});

test.each([
  ['openings of comments', '/*'.repeat(400_000)],
  ['nested comments', '/*'.repeat(200_000) + '*/'.repeat(200_000)],
  ['quotes', "'".repeat(400_001)],
  ['brackets', '['.repeat(400_000)],
  ['dashes', '-'.repeat(400_000)],
])('a flood of %s is read to its end', (_what, text) => {
  let end = 0;
  for (const token of tokenizeSql(text)) end = token.end;
  expect(end).toBe(text.length);
});
