import { packageLimits } from '../../../lib/packages/limits';
import { readFolder, readPackage } from '../../../lib/packages/read';
import { type PackageReading } from '../../../lib/packages/model';
import { buildZip } from './zip-builder';

function folder(files: Record<string, string | Buffer>): PackageReading {
  const bytes = new Map(Object.entries(files).map(([path, content]) => [path, Buffer.from(content)]));
  return readFolder(bytes, { name: 'scripts' });
}

test('a folder runs in the order of its paths, each script once', () => {
  const reading = folder({
    'b/1.sql': 'SELECT 4',
    '002.sql': 'SELECT 2',
    'B-c.SQL': 'SELECT 5',
    '001.sql': 'SELECT 1',
    'a.sql': 'SELECT 3',
  });
  expect(reading.problems).toEqual([]);
  expect(reading.package?.scripts.map(({ fileName, order }) => [fileName, order])).toEqual([
    ['001.sql', 0],
    ['002.sql', 1],
    ['a.sql', 2],
    ['b/1.sql', 3],
    ['B-c.SQL', 4],
  ]);
  expect(reading.package?.scripts[0]).toMatchObject({
    rollBackOnError: true,
    causesBuildFailure: true,
    allowMultipleRuns: false,
    stripTransactionText: false,
    database: '',
    timeoutSeconds: null,
  });
});

test('a script keeps its id when its content, its letter case or its neighbours change, and not when it moves', () => {
  const id = (files: Record<string, string>, index = 0): string | undefined =>
    folder(files).package?.scripts[index]?.scriptId;
  const original = id({ 'a/1.sql': 'SELECT 1' });
  expect(original).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
  expect(id({ 'A/1.SQL': 'SELECT 2' })).toBe(original);
  expect(id({ 'a/0.sql': 'x', 'a/1.sql': 'SELECT 1' }, 1)).toBe(original);
  expect(id({ 'a\\1.sql': 'SELECT 1' })).toBe(original);
  expect(id({ 'b/1.sql': 'SELECT 1' })).not.toBe(original);
});

test('a zip of scripts is the same package as the loose files, but for the hash of what was submitted', async () => {
  const files = { '1.sql': 'SELECT 1', 'sub/2.sql': 'SELECT 2' };
  const zip = buildZip([
    ...Object.entries(files).map(([name, content]) => ({ name, content })),
    { name: 'sub/', stored: true },
  ]);
  const zipped = await readPackage(zip, { name: 'scripts' });
  expect(zipped.package).toEqual({ ...folder(files).package, sha256: zipped.package?.sha256 });
});

test("a folder's own hash covers paths and contents, not the order in which they are listed", () => {
  const hash = (files: Record<string, string>): string | undefined => folder(files).package?.sha256;
  const original = hash({ '1.sql': 'SELECT 1', '2.sql': 'SELECT 2' });
  expect(hash({ '2.sql': 'SELECT 2', '1.sql': 'SELECT 1' })).toBe(original);
  expect(hash({ '1.sql': 'SELECT 1', '3.sql': 'SELECT 2' })).not.toBe(original);
  expect(hash({ '1.sql': 'SELECT 1', '2.sql': 'SELECT 3' })).not.toBe(original);
});

test.each([
  [['1.sql', '2.sql', '10.sql'], '2.sql', '10.sql runs before it'],
  [['v1/s9.sql', 'v1/S10.sql'], 'v1/s9.sql', 'v1/S10.sql runs before it'],
])('numbers that are not padded are warned of: %j', (paths, entry, message) => {
  const { warnings } = folder(Object.fromEntries(paths.map((path) => [path, 'SELECT 1'])));
  expect(warnings).toEqual([expect.objectContaining({ code: 'package.order.numbers', entry })]);
  expect(warnings[0]?.message).toContain(message);
});

test.each([[['01.sql', '02.sql', '10.sql']], [['a10.sql', 'b2.sql']], [['v1.10.sql', 'v1.10b.sql', 'v2.1.sql']]])(
  'the order that numbers have anyway is not warned of: %j',
  (paths) => {
    expect(folder(Object.fromEntries(paths.map((path) => [path, 'SELECT 1']))).warnings).toEqual([]);
  },
);

test('other files are ignored with a warning, what desktops add without one', () => {
  const reading = folder({
    '1.sql': 'SELECT 1',
    'README.md': 'x',
    '__MACOSX/._1.sql': '\0',
    '.DS_Store': '\0',
    'a/._2.sql': '\0',
  });
  expect(reading.valid).toBe(true);
  expect(reading.warnings.map(({ entry, code }) => `${entry}: ${code}`)).toEqual(['README.md: package.entry.ignored']);
});

test.each<[string, Record<string, string | Buffer>, string]>([
  ['no scripts', { 'README.md': 'x' }, 'null: package.empty'],
  ['nothing', {}, 'null: package.empty'],
  ['a way out', { '../1.sql': 'x', '2.sql': 'SELECT 1' }, '../1.sql: package.entry.traversal'],
  ['two names for one file', { 'a.sql': 'x', 'A.sql': 'y' }, 'A.sql: package.entry.duplicate'],
  ['a script in UTF-32', { 'a.sql': Buffer.from([0xff, 0xfe, 0, 0]) }, 'a.sql: package.script.encoding'],
  ['UTF-16 without byte order mark', { 'a.sql': Buffer.from('SELECT 1', 'utf16le') }, 'a.sql: package.script.encoding'],
  [
    'a string in another encoding',
    { 'a.sql': Buffer.from("SELECT '\xe9'", 'latin1') },
    'a.sql: package.script.encoding',
  ],
])('%s: refused', (_what, files, problem) => {
  expect(folder(files).problems.map(({ entry, code }) => `${entry}: ${code}`)).toEqual([problem]);
});

test('more than the limits is refused before anything is looked at', () => {
  const files = new Map([
    ['a.sql', Buffer.alloc(600, 'x')],
    ['b.sql', Buffer.alloc(600, 'x')],
  ]);
  const reading = readFolder(files, { name: 'x', limits: { ...packageLimits, totalBytes: 1_000 } });
  expect(reading.problems.map(({ code }) => code)).toContain('package.archive.tooLarge');
});

describe('the text of a script', () => {
  const text = "SELECT N'Größe \u{1f600}'\r\n";
  test.each([
    ['UTF-8', Buffer.from(text)],
    ['UTF-8 with byte order mark', Buffer.from(`\ufeff${text}`)],
    ['UTF-16 little-endian', Buffer.from(`\ufeff${text}`, 'utf16le')],
    ['UTF-16 big-endian', Buffer.from(`\ufeff${text}`, 'utf16le').swap16()],
  ])('is read from %s', (_encoding, bytes) => {
    const [script] = folder({ 'a.sql': bytes }).package?.scripts ?? [];
    expect(script?.text).toBe(text);
    expect(script?.batches).toEqual([{ text, line: 1, repeat: 1 }]);
  });

  test('may contain the replacement character when its author wrote it', () => {
    expect(folder({ 'a.sql': "SELECT '\ufffd'" })).toMatchObject({ valid: true, warnings: [] });
  });

  test('with strange bytes in comments only is warned of, with the lines', () => {
    const reading = folder({ 'a.sql': Buffer.from('SELECT 1\n-- \xa9 Contoso\n/* \xe9 */', 'latin1') });
    expect(reading.valid).toBe(true);
    expect(reading.warnings).toMatchObject([{ code: 'package.script.encoding', line: 2 }]);
    expect(reading.warnings[0]?.message).toContain('line 2, 3');
  });

  test('without anything to execute is warned of', () => {
    const reading = folder({ 'a.sql': '\n', 'b.sql': 'GO\n', 'c.sql': 'SELECT 1;' });
    expect(reading.valid).toBe(true);
    expect(reading.warnings.map(({ entry, code }) => `${entry}: ${code}`)).toEqual([
      'a.sql: package.script.empty',
      'b.sql: package.script.empty',
    ]);
  });
});
