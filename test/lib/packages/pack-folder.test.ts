import { packFolder, zipFiles } from '../../../lib/packages/pack-folder';
import { readSubmitted } from '../../../lib/packages/submitted';
import { readFolder } from '../../../lib/packages/read';

const files = [
  { name: '2.sql', bytes: Buffer.from('SELECT 2') },
  { name: 'sub/1.sql', bytes: Buffer.from('SELECT 1') },
];

test('packed files are the same package as loose ones', async () => {
  const packed = await readSubmitted(files);
  const loose = readFolder(new Map(files.map(({ name, bytes }) => [name, bytes])), { name: 'x' });
  expect(packed.problems).toEqual([]);
  expect(packed.package?.scripts).toEqual(loose.package?.scripts);
});

test('the same files give the same bytes in any order', async () => {
  expect(await packFolder([...files].reverse())).toEqual(await packFolder(files));
});

test('a large script that repeats itself is not taken for a bomb', async () => {
  const bytes = Buffer.from("INSERT INTO t VALUES (1, N'abc');\n".repeat(200_000));
  const reading = await readSubmitted([{ name: '1.sql', bytes }]);
  expect(reading.problems).toEqual([]);
});

test('names that leave the package are refused, all of them at once', async () => {
  const names = ['../1.sql', '/etc/2.sql', 'C:\\3.sql', 'a\0b.sql', '', 'good.sql'];
  const reading = await readSubmitted(names.map((name) => ({ name, bytes: Buffer.from('SELECT 1') })));
  expect(reading.valid).toBe(false);
  expect(reading.problems).toHaveLength(names.length - 1);
});

describe('what was uploaded as the package', () => {
  const sql = { name: 'a.sql', bytes: Buffer.from('SELECT 1;') };

  it('is one archive or loose files, and never both: the archive would be left out', async () => {
    const archive = { name: 'b.sbm', bytes: Buffer.from('whatever') };
    const zipped = { name: 'c', bytes: await zipFiles([sql]) };
    const { problems } = await readSubmitted([sql, archive, zipped]);
    expect(problems.map(({ code, entry }) => ({ code, entry }))).toEqual([
      { code: 'package.archive.notAlone', entry: 'b.sbm' },
      { code: 'package.archive.notAlone', entry: 'c' },
    ]);
  });

  it.each(['', ' \r\n\t', 'GO\nGO 5\n', 'USE master\nGO'])(
    'is refused when there is nothing to execute: %j',
    async (text) => {
      const { problems } = await readSubmitted([{ name: 'a.sql', bytes: Buffer.from(text) }]);
      expect(problems).toEqual([expect.objectContaining({ code: 'package.empty' })]);
    },
  );

  it('may have a script with nothing to execute beside others', async () => {
    expect((await readSubmitted([sql, { name: 'b.sql', bytes: Buffer.from('') }])).valid).toBe(true);
  });
});
