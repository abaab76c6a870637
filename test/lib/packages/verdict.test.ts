import { createHash } from 'node:crypto';
import { validatePackage } from '../../../lib/packages/verdict';
import { buildSbm } from './zip-builder';

function hex(algorithm: string, content: Buffer | string): string {
  return createHash(algorithm).update(content).digest('hex');
}

test('a verdict says everything about a good package', async () => {
  const script = 'SELECT 1\r\nGO 3\r\nSELECT 2';
  // The predecessor knows no counts, so to its hash this is one batch.
  const hash = hex('sha1', script).toUpperCase();
  const bytes = buildSbm('<Script FileName="a.sql" BuildOrder="3" Database="client" Tag="t" ScriptTimeOut="60" />', {
    'a.sql': script,
  });
  expect(await validatePackage(bytes, 'package.sbm')).toEqual({
    valid: true,
    problems: [],
    warnings: [],
    packageHash: hex('sha1', `${hash}\r\n`).toUpperCase(),
    sha256: hex('sha256', bytes),
    scripts: [
      {
        fileName: 'a.sql',
        order: 3,
        hash,
        sha256: hex('sha256', script),
        batches: 2,
        database: 'client',
        tag: 't',
        timeoutSeconds: 60,
      },
    ],
  });
});

test('a package that cannot be read at all still has the hash of its bytes', async () => {
  expect(await validatePackage(Buffer.from('x'), 'package.sbm')).toMatchObject({
    valid: false,
    problems: [{ code: 'package.archive.notZip', entry: null, line: null }],
    warnings: [],
    packageHash: null,
    sha256: hex('sha256', 'x'),
    scripts: [],
  });
});

test('a package without one of its scripts has no hash of its own', async () => {
  const bytes = buildSbm('<Script FileName="a.sql" />\n<Script FileName="b.sql" />', { 'a.sql': 'SELECT 1' });
  expect(await validatePackage(bytes, 'package.sbm')).toMatchObject({
    valid: false,
    problems: [{ code: 'package.script.missing', entry: 'SqlSyncBuildProject.xml', line: 6 }],
    packageHash: null,
    scripts: [{ fileName: 'a.sql' }],
  });
});

test('surprises are warned of and do not make a package invalid', async () => {
  const bytes = buildSbm('<Script FileName="a.sql" />', { 'a.sql': 'SELECT 1\nCOMMIT', 'b.sql': 'SELECT 2' });
  const verdict = await validatePackage(bytes, 'package.sbm');
  expect(verdict.valid).toBe(true);
  expect(verdict.warnings.map(({ entry, line, code }) => `${entry}:${line} ${code}`)).toEqual([
    'a.sql:2 package.script.transaction',
    'b.sql:null package.entry.ignored',
  ]);
});
