import { packageHash, scriptTextHash } from '../../../lib/packages/hashes';
import { splitCompatibleBatches } from '../../../lib/packages/compatible-batches';
import { splitBatches } from '../../../lib/packages/batches';

const asIs = { stripTransactionText: false };
const stripped = { stripTransactionText: true };

test.each([
  ['Here is my script', '1E725D850DF0954D04A7C12F7C2B663A0A132EE6'],
  ['', 'DA39A3EE5E6B4B0D3255BFEF95601890AFD80709'],
  ['SELECT 1', '42364A017B73EF516A0ECA9827E6FA00623257EE'],
  ['SELECT 1\r\nGO\r\nSELECT 2', 'C74CC634F7A6629BD0E3312E4E84A614A6C8CDF6'],
  ['SELECT 1\ngo\nSELECT 2\n', 'C74CC634F7A6629BD0E3312E4E84A614A6C8CDF6'],
])('the hash of %j is the one in existing log tables', (text, hash) => {
  expect(scriptTextHash(text, asIs)).toBe(hash);
});

test('scripts that differ in letters beyond ASCII only hash alike', () => {
  expect(scriptTextHash('héllo', asIs)).toBe('AD3F6FCF7063483C9D23B4B83C0B65DF72E9F5CC');
  expect(scriptTextHash('hêllo', asIs)).toBe(scriptTextHash('h?llo', asIs));
  expect(scriptTextHash('\u{1f600}', asIs)).toBe(scriptTextHash('??', asIs));
});

test('the hash of a package is taken over the hashes of its scripts, in order', () => {
  const hashes = ['42364A017B73EF516A0ECA9827E6FA00623257EE', 'DA39A3EE5E6B4B0D3255BFEF95601890AFD80709'];
  expect(packageHash(hashes)).toMatch(/^[0-9A-F]{40}$/);
  expect(packageHash(hashes)).not.toBe(packageHash([...hashes].reverse()));
  expect(packageHash([])).toBe('DA39A3EE5E6B4B0D3255BFEF95601890AFD80709');
});

describe('compatible splitting differs from what is executed', () => {
  test.each<[string, string, string[], string[]]>([
    ['GO in a string', "PRINT 'a\r\nGO\r\nb'", ["PRINT 'a\r\n", "b'"], ["PRINT 'a\r\nGO\r\nb'"]],
    ['nested comments', '/* /* */\r\nGO\r\n*/ x', ['/* /* */\r\n', '*/ x'], ['/* /* */\r\nGO\r\n*/ x']],
    ['a tab before GO', 'a\r\n\tGO\r\nb', ['a\r\n\tGO\r\nb'], ['a\r\n', 'b']],
    ['a count behind GO', 'a\r\nGO 2\r\nb', ['a\r\nGO 2\r\nb'], ['a\r\n', 'b']],
    ['a comment behind GO', 'a\r\nGO -- x\r\nb', ['a\r\nGO -- x\r\nb'], ['a\r\n', 'b']],
    ['bare line feeds', 'a\nGO\nb\nc', ['a\r\n', 'b\r\nc'], ['a\n', 'b\nc']],
    ['USE without any GO', 'USE x\r\na', ['USE x\r\na'], ['\r\na']],
    ['USE before GO', 'USE x\r\nGO\r\na', ['\r\n', 'a'], ['a']],
    ['a label on the last line', 'a\r\nGOTO done', ['a\r\n', ' done'], ['a\r\nGOTO done']],
  ])('%s', (_what, text, compatible, executed) => {
    expect(splitCompatibleBatches(text, asIs)).toEqual(compatible);
    expect(splitBatches(text, asIs).batches.map((batch) => batch.text)).toEqual(executed);
  });

  test('transaction text is stripped only where there is a GO, and from strings too', () => {
    expect(splitCompatibleBatches('COMMIT', stripped)).toEqual(['COMMIT']);
    expect(splitCompatibleBatches("SELECT 'COMMIT'\r\nGO\r\nCOMMIT TRAN x", stripped)).toEqual(["SELECT ''\r\n", ' x']);
  });

  test('the place right behind a block comment still counts as inside', () => {
    expect(splitCompatibleBatches('/* x */COMMIT /* x */ COMMIT\r\nGO\r\na', stripped)).toEqual([
      '/* x */COMMIT /* x */ \r\n',
      'a',
    ]);
  });
});

test.each([
  ['blanks', ' '.repeat(300_000) + 'x\r\nGO\r\n' + '\t'.repeat(300_000) + 'x'],
  ['dashes', '-'.repeat(300_000)],
  ['comment openings', '/*'.repeat(200_000)],
  ['comment ends', '/* */'.repeat(100_000) + '\r\nGO\r\n'],
  ['separators', 'GO\r\n'.repeat(50_000)],
])('a flood of %s is hashed to its end', (_what, text) => {
  expect(scriptTextHash(text, stripped)).toMatch(/^[0-9A-F]{40}$/);
});
