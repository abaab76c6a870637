import { deflateRawSync } from 'node:zlib';
import { packageLimits } from '../../../lib/packages/limits';
import { readPackage } from '../../../lib/packages/read';
import { validatePackage } from '../../../lib/packages/verdict';
import { createRandom } from './random';
import { buildSbm, buildZip, withZip64End, type EntrySpec } from './zip-builder';

const good: EntrySpec = { name: 'good.sql', content: 'SELECT 1' };

/** `entry: code` of every problem of an archive with one good script and these entries. */
async function problemsOf(...specs: EntrySpec[]): Promise<string[]> {
  const { problems } = await validatePackage(buildZip([good, ...specs]), 'package.zip');
  return problems.map(({ entry, code }) => `${entry}: ${code}`);
}

describe('entry names', () => {
  test.each([
    ['../../wwwroot/host.json', 'package.entry.traversal'],
    ['..\\x.sql', 'package.entry.traversal'],
    ['a/../../b.sql', 'package.entry.traversal'],
    ['a/..', 'package.entry.traversal'],
    ['/etc/x.sql', 'package.entry.absolute'],
    ['\\\\server\\share\\x.sql', 'package.entry.absolute'],
    ['C:\\x.sql', 'package.entry.absolute'],
    ['c:x.sql', 'package.entry.absolute'],
    ['good.sql', 'package.entry.duplicate'],
    ['GOOD.sql', 'package.entry.duplicate'],
    ['./good.sql', 'package.entry.duplicate'],
    ['inner.zip.sql/', 'package.entry.folderWithData'],
    [`${'d/'.repeat(17)}x.sql`, 'package.entry.tooDeep'],
  ])('%s is refused', async (name, code) => {
    const problems = await problemsOf({ name, content: 'SELECT 2' });
    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain(code);
  });

  test('that are the same after Unicode normalization collide', async () => {
    const { problems } = await validatePackage(
      buildZip([
        { name: 'caf\u00e9.sql', content: 'SELECT 1' },
        { name: 'cafe\u0301.sql', content: 'SELECT 2' },
      ]),
      'package.zip',
    );
    expect(problems).toMatchObject([{ code: 'package.entry.duplicate' }]);
  });

  test('with NUL, control or invisible characters are refused and shown without them', async () => {
    for (const name of ['a\0b.sql', 'a\nb.sql', 'a\u202eb.sql', 'a\u200bb.sql']) {
      expect(await problemsOf({ name, content: 'x' })).toEqual(['a\ufffdb.sql: package.entry.controlCharacter']);
    }
  });

  test('that are endless are refused', async () => {
    const problems = await problemsOf({ name: 'x'.repeat(65_000), content: 'x' });
    expect(problems).toEqual([`${'x'.repeat(100)}...: package.entry.nameTooLong`]);
  });

  test('that are not UTF-8 are refused', async () => {
    expect(await problemsOf({ name: Buffer.from([0x61, 0xe9, 0x62]), content: 'x' })).toEqual([
      'a\ufffdb: package.entry.nameEncoding',
    ]);
  });
});

describe('entries', () => {
  test.each<[string, Partial<EntrySpec>, string]>([
    ['a symbolic link', { mode: 0o120777, content: 'good.sql' }, 'package.entry.symlink'],
    ['a device', { mode: 0o020666 }, 'package.entry.specialFile'],
    ['an encrypted entry', { flags: 0x801 }, 'package.entry.encrypted'],
    ['an unknown compression', { method: 12 }, 'package.entry.compression'],
    ['a nested archive', { content: buildZip([good]) }, 'package.entry.nestedArchive'],
    ['a wrong checksum', { crc: 1 }, 'package.entry.corrupt'],
    ['data that is not deflated', { stored: true, method: 8, content: '\xff\xff\xff' }, 'package.entry.corrupt'],
    ['more data than declared', { content: 'x'.repeat(100), claimedSize: 10 }, 'package.entry.headerMismatch'],
    ['less data than declared', { content: 'x', claimedSize: 10 }, 'package.entry.headerMismatch'],
    ['stored data of another size', { stored: true, content: 'xxxx', claimedSize: 2 }, 'package.entry.headerMismatch'],
    ['another name in its own header', { localName: 'other.sql' }, 'package.entry.headerMismatch'],
    ['another method in its own header', { localMethod: 0 }, 'package.entry.headerMismatch'],
    ['another size in its own header', { localSize: 3 }, 'package.entry.headerMismatch'],
    ['data beyond the archive', { claimedCompressedSize: 1_000_000 }, 'package.entry.headerMismatch'],
    ['a header somewhere else', { offset: 5 }, 'package.entry.headerMismatch'],
    ['a size above the limit', { claimedSize: packageLimits.entryBytes + 1 }, 'package.entry.tooLarge'],
  ])('%s is refused', async (_what, spec, code) => {
    const problems = await problemsOf({ name: 'bad.sql', content: 'SELECT 2', ...spec });
    expect(problems).toContain(`bad.sql: ${code}`);
  });

  test('that are encrypted are one problem each, though their sizes differ by the key', async () => {
    const spec = { name: 'bad.sql', content: 'SELECT 2', stored: true, flags: 0x801, claimedSize: 4 };
    expect(await problemsOf(spec)).toEqual(['bad.sql: package.entry.encrypted']);
  });

  test('that share their data are refused', async () => {
    const content = 'SELECT 1';
    const archive = buildZip([
      { name: 'a.sql', content },
      { name: 'a.sql', content, offset: 0 },
    ]);
    const { problems } = await validatePackage(archive, 'package.zip');
    expect(problems.map(({ code }) => code)).toContain('package.entry.overlap');
  });

  test('that are compressed beyond belief are refused before they are unpacked', async () => {
    const bomb = { name: 'bomb.sql', content: Buffer.alloc(8 * 1024 * 1024, ' ') };
    expect(await problemsOf(bomb)).toEqual(['bomb.sql: package.entry.ratio']);
  });

  test('whose header lies about a bomb stop where the declared size ends', async () => {
    const bomb = Buffer.alloc(8 * 1024 * 1024, ' ');
    const problems = await problemsOf({ name: 'bomb.sql', content: bomb, claimedSize: 100 });
    expect(problems).toEqual(['bomb.sql: package.entry.headerMismatch']);
  });

  test('that together unpack to too much are refused before anything is unpacked', async () => {
    const content = Buffer.from(Array.from({ length: 20_000 }, (_, index) => `SELECT ${index};\n`).join(''));
    const specs = [0, 1, 2].map((index) => ({ name: `${index}.sql`, content }));
    const limits = { ...packageLimits, totalBytes: content.length * 2 };
    const { problems } = await validatePackage(buildZip(specs), 'package.zip', limits);
    expect(problems).toMatchObject([{ code: 'package.archive.unpacksTooLarge' }]);
  });
});

describe('archives', () => {
  test.each<[string, Buffer, string]>([
    ['nothing', Buffer.alloc(0), 'package.archive.notZip'],
    ['text', Buffer.from('SELECT 1'), 'package.archive.notZip'],
    ['a zip behind something else', Buffer.concat([Buffer.from('MZ..'), buildZip([good])]), 'package.archive.notZip'],
    ['a cut-off zip', buildZip([good]).subarray(0, 60), 'package.archive.broken'],
    ['an end without entries', buildZip([]), 'package.empty'],
    [
      'an end with another number of entries',
      buildZip([good, { name: 'b.sql', content: 'x' }], 1),
      'package.archive.hiddenEntries',
    ],
    [
      'two archives in a row, of which tools see one or the other',
      Buffer.concat([buildZip([good]), buildZip([{ ...good, content: 'SELECT 2' }])]),
      'package.archive.twoArchives',
    ],
    ['an end that promises more entries', buildZip([good], 2), 'package.archive.broken'],
    [
      'too many entries',
      buildZip(Array.from({ length: 20 }, (_, i) => ({ name: `${i}.sql` }))),
      'package.archive.tooManyEntries',
    ],
    ['too many bytes', Buffer.concat([buildZip([good]), Buffer.alloc(5_000)]), 'package.archive.tooLarge'],
  ])('%s: refused', async (_what, bytes, code) => {
    const limits = { ...packageLimits, entries: 10, packageBytes: 4_000 };
    const verdict = await validatePackage(bytes, 'package.zip', limits);
    expect(verdict).toMatchObject({ valid: false, problems: [{ code }] });
  });

  test('may have a comment, and an end record of zip64', async () => {
    const archive = buildZip([good]);
    const comment = Buffer.from('made by hand');
    archive.writeUInt16LE(comment.length, archive.length - 2);
    expect((await validatePackage(Buffer.concat([archive, comment]), 'package.zip')).problems).toEqual([]);
    expect((await validatePackage(withZip64End(buildZip([good])), 'package.zip')).problems).toEqual([]);
  });

  test('65,535 empty entries are refused by their number alone', async () => {
    const specs = Array.from({ length: 65_535 }, (_, index) => ({ name: `${index}`, stored: true }));
    const { problems } = await validatePackage(buildZip(specs), 'package.zip');
    expect(problems).toMatchObject([{ code: 'package.archive.tooManyEntries' }]);
  });

  test('every problem is named at once, each with its entry', async () => {
    const problems = await problemsOf(
      { name: '../x.sql' },
      { name: 'link.sql', mode: 0o120777 },
      { name: 'secret.sql', flags: 0x801 },
      { name: 'wrong.sql', content: 'SELECT 1\nGO;\n' },
    );
    expect(problems.sort()).toEqual([
      '../x.sql: package.entry.traversal',
      'link.sql: package.entry.symlink',
      'secret.sql: package.entry.encrypted',
      'wrong.sql: package.script.goSyntax',
    ]);
  });
});

test('an archive with some bytes changed is read or refused, never a crash', async () => {
  const script = '<Script FileName="a.sql" BuildOrder="1" /><Script FileName="b.sql" BuildOrder="2" />';
  const original = buildSbm(script, { 'a.sql': 'SELECT 1\nGO\nSELECT 2', 'b.sql': 'SELECT 3' });
  const hashes = (await readPackage(original, { name: 'x.sbm' })).package?.packageHash;
  for (let seed = 1; seed <= 1_500; seed += 1) {
    const random = createRandom(seed);
    const bytes = Buffer.from(original);
    for (let change = random.below(4); change >= 0; change -= 1) bytes[random.below(bytes.length)] = random.below(256);
    const end = random.below(10) === 0 ? random.below(bytes.length) : bytes.length;
    const reading = await readPackage(bytes.subarray(0, end), { name: 'x.sbm' });
    expect(reading.valid).toBe(reading.problems.length === 0);
    // A checksum covers every script: what is accepted is what was meant.
    if (reading.valid) expect(reading.package.packageHash).toBe(hashes);
  }
});

test('random deflate data in a well-formed archive is read or refused, never a crash', async () => {
  for (let seed = 1; seed <= 300; seed += 1) {
    const random = createRandom(seed);
    const content = Buffer.from(Array.from({ length: random.below(200) }, () => random.below(256)));
    const isDeflated = random.below(2) === 0;
    const specs = [
      {
        name: 'a.sql',
        stored: true,
        method: isDeflated ? 8 : 0,
        content: isDeflated ? deflateRawSync(content) : content,
      },
    ];
    const reading = await readPackage(buildZip(specs), { name: 'x.zip' });
    expect(reading.valid).toBe(reading.problems.length === 0);
  }
});

test('zip64 records that say anything at all are read or refused, never a crash', async () => {
  const archive = buildZip([good]);
  const [before, end] = [archive.subarray(0, -22), archive.subarray(-22)];
  for (let seed = 1; seed <= 300; seed += 1) {
    const random = createRandom(seed);
    const record = Buffer.alloc(56);
    record.writeUInt32LE(0x06064b50, 0);
    for (const offset of [24, 32, 40, 48]) {
      record.writeBigUInt64LE(
        BigInt(random.pick([0, 1, 2, before.length, 2 ** 32, 2 ** 53, random.below(500)])),
        offset,
      );
    }
    const locator = Buffer.alloc(20);
    locator.writeUInt32LE(0x07064b50, 0);
    locator.writeBigUInt64LE(BigInt(random.pick([before.length, before.length, 0, 2 ** 40])), 8);
    const reading = await readPackage(Buffer.concat([before, record, locator, end]), { name: 'x.zip' });
    expect(reading.valid).toBe(reading.problems.length === 0);
  }
});
