import { readArchive } from '../../../lib/packages/archive';
import { packageLimits } from '../../../lib/packages/limits';
import { type Package, type Script } from '../../../lib/packages/model';
import { readFolder, readPackage } from '../../../lib/packages/read';
import { writePackage } from '../../../lib/packages/write';
import { createProblemList } from '../../../lib/platform/problems';
import { describeVectors, vectorFile, vectors } from './vectors';
import { buildSbm } from './zip-builder';

async function sbm(scripts: string, files: Record<string, string> = { 'a.sql': 'SELECT 1' }): Promise<Package> {
  const reading = await readPackage(buildSbm(scripts, files), { name: 'x.sbm' });
  if (!reading.valid) throw new Error(JSON.stringify(reading.problems));
  return reading.package;
}

async function rewritten(original: Package): Promise<Package> {
  const reading = await readPackage(await writePackage(original), { name: original.name });
  if (!reading.valid) throw new Error(JSON.stringify(reading.problems));
  return reading.package;
}

test('a package that was written reads back the same', async () => {
  const original = await sbm(
    `<Script FileName="a.sql" BuildOrder="1.5" Description="&lt;a&gt; &amp; &quot;b&quot; 'c'&#9;&#10;d" RollBackOnError="false" CausesBuildFailure="false" DateAdded="2026-02-18T12:00:00-05:00" ScriptId="6f2f7b92-7ea8-4240-be14-327f443949d7" Database="db" StripTransactionText="true" AllowMultipleRuns="false" AddedBy="me" ScriptTimeOut="500" DateModified="2026-02-19T12:00:00Z" ModifiedBy="you" Tag="t" />
     <Script FileName="Größe.sql" Database="other" />`,
    { 'a.sql': 'SELECT 1\r\nGO\r\nSELECT 2\r\n', 'Größe.sql': "SELECT N'ä'" },
  );
  const copy = await rewritten(original);
  expect(copy).toEqual({ ...original, sha256: copy.sha256 });
});

test('the same package gives the same bytes', async () => {
  const original = await sbm('<Script FileName="a.sql" />');
  expect(await writePackage(original)).toEqual(await writePackage(original));
});

test('the project document looks as the predecessor writes it', async () => {
  const original = await sbm('<Script FileName="a.sql" ScriptId="6f2f7b92-7ea8-4240-be14-327f443949d7" Tag="x" />');
  const bytes = await writePackage({
    scripts: original.scripts.map((script): Script => ({ ...script, text: '', fileName: 'a.sql', order: 2 })),
  });
  const files = await readArchive(bytes, packageLimits, createProblemList(10, 'more'));
  const xml = files.get('SqlSyncBuildProject.xml')?.toString('utf8') ?? '';
  expect(xml.split('\r\n')).toEqual([
    '\ufeff<?xml version="1.0" encoding="utf-8" standalone="yes"?>',
    '<SqlSyncBuildData xmlns="http://schemas.mckechney.com/SqlSyncBuildProject.xsd">',
    '  <SqlSyncBuildProject ProjectName="" ScriptTagRequired="false">',
    '    <Scripts>',
    '      <Script FileName="a.sql" BuildOrder="2" Description="" RollBackOnError="true" CausesBuildFailure="true" ScriptId="6f2f7b92-7ea8-4240-be14-327f443949d7" Database="" StripTransactionText="false" AllowMultipleRuns="true" Tag="x" />',
    '    </Scripts>',
    '    <Builds />',
    '  </SqlSyncBuildProject>',
    '</SqlSyncBuildData>',
  ]);
});

test('a folder becomes a flat package whose scripts are still the same ones', async () => {
  const files = new Map([
    ['1.sql', Buffer.from('SELECT 1')],
    ['sub/2.sql', Buffer.from('SELECT 2')],
  ]);
  const reading = readFolder(files, { name: 'folder' });
  if (!reading.valid) throw new Error('invalid');
  const copy = await rewritten(reading.package);
  expect(copy.kind).toBe('sbm');
  expect(copy.packageHash).toBe(reading.package.packageHash);
  expect(copy.scripts).toEqual(
    reading.package.scripts.map((script) => ({ ...script, fileName: script.fileName.replace('/', '_') })),
  );
});

test('two scripts that would get one name are refused', async () => {
  const files = new Map([
    ['sub_2.sql', Buffer.from('SELECT 1')],
    ['sub/2.sql', Buffer.from('SELECT 2')],
  ]);
  const reading = readFolder(files, { name: 'folder' });
  if (!reading.valid) throw new Error('invalid');
  await expect(writePackage(reading.package)).rejects.toMatchObject({ code: 'packages.nameCollision' });
});

test('an attribute that XML cannot express is refused', async () => {
  const original = await sbm('<Script FileName="a.sql" />');
  const scripts = original.scripts.map((script) => ({ ...script, description: 'a\u0001' }));
  await expect(writePackage({ scripts })).rejects.toMatchObject({ code: 'packages.notXml' });
});

describeVectors('packages of the predecessor', () => {
  test.each(vectors.samplePackages)('$file survives being rewritten', async ({ file, packageHash }) => {
    const reading = await readPackage(vectorFile(file), { name: file });
    if (!reading.valid) throw new Error(JSON.stringify(reading.problems));
    const copy = await rewritten(reading.package);
    expect(copy.packageHash).toBe(packageHash);
    expect(copy.scripts.map(({ sha256: _sha256, ...script }) => script)).toEqual(
      reading.package.scripts.map(({ sha256: _sha256, ...script }) => script),
    );
  });
});
