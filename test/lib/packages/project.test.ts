import { readPackage } from '../../../lib/packages/read';
import { type Package, type PackageReading, type Script } from '../../../lib/packages/model';
import { buildSbm, buildZip, projectXml } from './zip-builder';

function read(scripts: string, files: Record<string, string> = { 'a.sql': 'SELECT 1' }): Promise<PackageReading> {
  return readPackage(buildSbm(scripts, files), { name: 'package.sbm' });
}

function valid(reading: PackageReading): Package {
  if (!reading.valid) throw new Error(JSON.stringify(reading.problems));
  return reading.package;
}

/** The only script of a package, without what its content decides. */
async function scriptOf(attributes: string): Promise<Partial<Script>> {
  const [script] = valid(await read(`<Script FileName="a.sql" ${attributes}/>`)).scripts;
  if (script === undefined) throw new Error('no script');
  const { text: _text, batches: _batches, hash: _hash, sha256: _sha256, ...head } = script;
  return head;
}

function locationsOf(reading: PackageReading): string[] {
  return reading.problems.map(({ entry, line, code }) => `${entry}:${line} ${code}`);
}

const scriptId = '6f2f7b92-7ea8-4240-be14-327f443949d7';

describe('attributes of a script', () => {
  test('are all read', async () => {
    const script = await scriptOf(
      `BuildOrder="2.5" Description="d" RollBackOnError="false" CausesBuildFailure="false" DateAdded="2026-02-18T12:00:00-05:00" ScriptId="${scriptId}" Database="db" StripTransactionText="true" AllowMultipleRuns="false" AddedBy="me" ScriptTimeOut="500" DateModified="0001-01-01T00:00:00" ModifiedBy="you" Tag="t"`,
    );
    expect(script).toEqual({
      fileName: 'a.sql',
      order: 2.5,
      description: 'd',
      rollBackOnError: false,
      causesBuildFailure: false,
      dateAdded: '2026-02-18T12:00:00-05:00',
      scriptId,
      database: 'db',
      stripTransactionText: true,
      allowMultipleRuns: false,
      addedBy: 'me',
      timeoutSeconds: 500,
      dateModified: '0001-01-01T00:00:00',
      modifiedBy: 'you',
      tag: 't',
    });
  });

  const defaults = {
    fileName: 'a.sql',
    order: 1,
    description: '',
    rollBackOnError: true,
    causesBuildFailure: true,
    database: '',
    stripTransactionText: false,
    allowMultipleRuns: true,
    timeoutSeconds: null,
    tag: '',
    addedBy: '',
    modifiedBy: '',
    dateAdded: '',
    dateModified: '',
  };

  test('have defaults, and a script without an id gets the same one every time', async () => {
    const script = await scriptOf('');
    expect(script).toMatchObject(defaults);
    expect(script.scriptId).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect((await scriptOf('Unknown="x"')).scriptId).toBe(script.scriptId);
    expect((await scriptOf('Database="other"')).scriptId).not.toBe(script.scriptId);
  });

  test('that mean nothing count as missing', async () => {
    const script = await scriptOf(
      'BuildOrder="first" RollBackOnError="0" CausesBuildFailure="no" StripTransactionText="1" AllowMultipleRuns="" ScriptTimeOut="5.5" DateAdded="yesterday" ScriptId="x"',
    );
    expect(script).toMatchObject(defaults);
  });

  test('that mean nothing are warned of: 0 for false would let a script run again and again', async () => {
    const { warnings } = await read('<Script FileName="a.sql" AllowMultipleRuns="0" ScriptTimeOut="" Tag="x"/>');
    expect(warnings).toEqual([expect.objectContaining({ code: 'package.script.attribute', line: 5 })]);
    expect(warnings[0]?.message).toContain('AllowMultipleRuns="0" of a.sql');
  });

  test.each([
    ['RollBackOnError=" FALSE "', { rollBackOnError: false }],
    ['BuildOrder=" 1,000.5 "', { order: 1000.5 }],
    ['BuildOrder="-1e2"', { order: -100 }],
    ['ScriptTimeOut=" +30 "', { timeoutSeconds: 30 }],
    ['ScriptTimeOut="99999999999"', { timeoutSeconds: null }],
    ['ScriptTimeOut="0"', { timeoutSeconds: null }],
    [`ScriptId="{${scriptId.toUpperCase()}}"`, { scriptId }],
    ['Description="a &amp; b &lt;&#x20AC;&#49;&gt; &quot;c&apos;"', { description: 'a & b <€1> "c\'' }],
    ['Description="&amp;amp;"', { description: '&amp;' }],
    ["Description='a\nb'", { description: 'a b' }],
  ])('are read as .NET reads them: %s', async (attributes, expected) => {
    expect(await scriptOf(attributes)).toMatchObject(expected);
  });
});

describe('the scripts of a package', () => {
  test('come in build order; without an order they come last, and ties keep their place', async () => {
    const attributes = [
      'Tag="1" BuildOrder="2"',
      'Tag="2"',
      'Tag="3" BuildOrder="1.5"',
      'Tag="4" BuildOrder="2"',
      'Tag="5"',
    ];
    const elements = attributes
      .map((text, index) => `<Script FileName="a.sql" Database="d${index}" ${text}/>`)
      .join('\n');
    const { scripts } = valid(await read(elements));
    expect(scripts.map(({ tag, order }) => [tag, order])).toEqual([
      ['3', 1.5],
      ['1', 2],
      ['4', 2],
      ['2', 3],
      ['5', 4],
    ]);
  });

  test('are found by the last part of Windows names, in any letter case', async () => {
    const archive = buildZip([
      { name: 'Users\\me\\AppData\\A.SQL', content: 'SELECT 1' },
      { name: 'Users\\me\\AppData\\SqlSyncBuildProject.xml', content: projectXml('<Script FileName="a.sql" />') },
    ]);
    const { scripts } = valid(await readPackage(archive, { name: 'old.sbm' }));
    expect(scripts).toMatchObject([{ fileName: 'a.sql', text: 'SELECT 1' }]);
  });

  test('may be listed in any document when the usual one is missing', async () => {
    const archive = buildZip([
      { name: 'a.sql', content: 'SELECT 1' },
      { name: 'notes.xml', content: '<notes />' },
      { name: 'SqlSyncBuildHistory.xml', content: projectXml('') },
      { name: 'other.xml', content: projectXml('<Script FileName="a.sql" Tag="found" />') },
    ]);
    expect(valid(await readPackage(archive, { name: 'x.zip' }))).toMatchObject({
      kind: 'sbm',
      scripts: [{ tag: 'found' }],
    });
  });

  test('are read from a document with byte order mark, no namespace and elements that nobody knows', async () => {
    const xml = `\ufeff<?xml version="1.0" encoding="utf-8"?><!-- x --><SqlSyncBuildData><CodeReview><Comment>a &lt; b</Comment></CodeReview>
      <SqlSyncBuildProject><Other/><Scripts><Script FileName="a.sql"><Inner/></Script></Scripts><Builds><Build><ScriptRun><Results><![CDATA[<Script>]]></Results></ScriptRun></Build></Builds>
      <CommittedScript ScriptId="x"/></SqlSyncBuildProject></SqlSyncBuildData>`;
    const archive = buildZip([
      { name: 'a.sql', content: 'SELECT 1' },
      { name: 'SqlSyncBuildProject.xml', content: xml },
      { name: 'LogFile-2010-01-01 10_10_10.log', content: 'x' },
    ]);
    expect(valid(await readPackage(archive, { name: 'x.sbm' })).scripts).toHaveLength(1);
  });

  test('listed several times in just the same words run once, but are hashed each time', async () => {
    const element = `<Script FileName="a.sql" ScriptId="${scriptId}" />`;
    const once = valid(await read(element));
    const reading = await read(`${element}\n${element}`);
    const twice = valid(reading);
    expect(twice.scripts).toEqual(once.scripts);
    expect(twice.packageHash).not.toBe(once.packageHash);
    expect(reading.warnings).toMatchObject([{ code: 'package.script.repeated', line: 6 }]);
  });

  test('may use one file for two databases', async () => {
    const { scripts } = valid(
      await read('<Script FileName="a.sql" Database="x" /><Script FileName="a.sql" Database="y" />'),
    );
    expect(new Set(scripts.map((script) => script.scriptId)).size).toBe(2);
  });
});

describe('wrong projects are refused where they are wrong', () => {
  const project = 'SqlSyncBuildProject.xml';
  test.each([
    ['a script that is not there', '<Script FileName="b.sql" />', `${project}:5 package.script.missing`],
    ['a script without a name', '\n<Script />', `${project}:6 package.script.fileName`],
    ['a script outside of the package', '<Script FileName="..\\b.sql" />', `${project}:5 package.entry.traversal`],
    ['an absolute script', '<Script FileName="/etc/passwd" />', `${project}:5 package.entry.absolute`],
    ['a negative timeout', '<Script FileName="a.sql" ScriptTimeOut="-1" />', `${project}:5 package.script.timeout`],
    [
      'an endless database',
      `<Script FileName="a.sql" Database="${'x'.repeat(129)}" />`,
      `${project}:5 package.script.database`,
    ],
    [
      'an invisible database',
      '<Script FileName="a.sql" Database="a&#x200B;" />',
      `${project}:5 package.script.database`,
    ],
    [
      'one id for two scripts',
      `<Script FileName="a.sql" ScriptId="${scriptId}" Tag="1" />\n<Script FileName="a.sql" ScriptId="${scriptId}" Tag="2" />`,
      `${project}:6 package.script.duplicateId`,
    ],
    ['no scripts', '', `${project}:null package.empty`],
    ['markup that does not fit', '<Script></Scripts>', `${project}:5 package.xml.malformed`],
    ['an attribute twice', '<Script FileName="a.sql" FileName="a.sql" />', `${project}:5 package.xml.malformed`],
    ['an entity', '<Script FileName="&file;" />', `${project}:5 package.xml.entity`],
    ['a forbidden character reference', '<Script FileName="a.sql" Tag="&#0;" />', `${project}:5 package.xml.entity`],
    ['a reserved name as element', '<__proto__ FileName="a.sql" />', `${project}:null package.xml.malformed`],
    ['a reserved name as attribute', '<Script __proto__="a.sql" />', `${project}:null package.xml.malformed`],
  ])('%s', async (_what, scripts, location) => {
    expect(locationsOf(await read(scripts))).toContain(location);
  });

  const withDocument = (content: string | Buffer): Promise<PackageReading> =>
    readPackage(
      buildZip([
        { name: project, content },
        { name: 'a.sql', content: 'SELECT 1' },
      ]),
      { name: 'x.sbm' },
    );

  test.each<[string, string | Buffer, string]>([
    [
      'an external entity',
      `<?xml version="1.0"?>\n<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>${projectXml('')}`,
      `${project}:2 package.xml.doctype`,
    ],
    ['a DOCTYPE in lower case', '<!doctype x><x/>', `${project}:1 package.xml.doctype`],
    ['a parameter entity', '<!ENTITY % x "y"><x/>', `${project}:1 package.xml.doctype`],
    ['deep nesting', '<a>'.repeat(100_000), `${project}:1 package.xml.tooDeep`],
    ['a million attributes', `<a ${'b="" '.repeat(1_000_000)}/>`, `${project}:1 package.xml.malformed`],
    ['a million elements', `<a>${'<b/>'.repeat(1_000_000)}</a>`, `${project}:1 package.xml.tooLarge`],
    ['comments without end', `<a>${'<!--'.repeat(1_000_000)}`, `${project}:1 package.xml.malformed`],
    ['a huge document', `<a>${' '.repeat(9 * 1024 * 1024)}</a>`, `${project}:null package.xml.tooLarge`],
    ['another root', '<Other/>', `${project}:1 package.project.root`],
    ['no root', '', `${project}:1 package.xml.malformed`],
    ['two roots', '<a/><b/>', `${project}:null package.xml.malformed`],
    ['an exotic encoding', '<?xml version="1.0" encoding="UTF-7"?><a/>', `${project}:null package.xml.encoding`],
    ['bytes that are not UTF-8', Buffer.from('<a b="\xe9"/>', 'latin1'), `${project}:null package.xml.encoding`],
    ['UTF-32', Buffer.from([0xff, 0xfe, 0, 0, 0x3c, 0, 0, 0]), `${project}:null package.xml.encoding`],
    ['a control character', '<a b="\u0001"/>', `${project}:1 package.xml.malformed`],
  ])('%s', async (_what, content, location) => {
    const reading = await readPackage(
      buildZip([
        { name: project, content, stored: true },
        { name: 'a.sql', content: 'SELECT 1' },
      ]),
      { name: 'x.sbm' },
    );
    expect(locationsOf(reading)).toEqual([location]);
  });

  test('a document in UTF-16 is fine', async () => {
    const xml = `\ufeff${projectXml('<Script FileName="a.sql" />').replace('?>', ' encoding="utf-16"?>')}`;
    expect((await withDocument(Buffer.from(xml, 'utf16le'))).problems).toEqual([]);
  });

  test('ten million character references cost what ten million characters cost', async () => {
    const reading = await withDocument(
      projectXml(`<Script FileName="a.sql" Description="${'&#65;'.repeat(10_000)}" />`),
    );
    expect(reading.package?.scripts[0]?.description).toHaveLength(10_000);
  });

  test('a .sbm without a project document', async () => {
    const reading = await readPackage(buildZip([{ name: 'a.sql', content: 'SELECT 1' }]), { name: 'x.SBM' });
    expect(reading).toMatchObject({ valid: false, package: null, problems: [{ code: 'package.project.missing' }] });
  });

  test('two files of one name in different folders', async () => {
    const archive = buildZip([
      { name: 'x/a.sql', content: 'SELECT 1' },
      { name: 'y/a.sql', content: 'SELECT 2' },
      { name: project, content: projectXml('<Script FileName="a.sql" />') },
    ]);
    expect(locationsOf(await readPackage(archive, { name: 'x.sbm' }))).toEqual([
      'y/a.sql:null package.entry.duplicate',
    ]);
  });

  test('what is wrong in scripts is reported with their own names and lines, all at once', async () => {
    const reading = await read(
      '<Script FileName="a.sql" />\n<Script FileName="b.sql" />\n<Script FileName="c.sql" />',
      {
        'a.sql': 'SELECT 1\n:r x',
        'b.sql': "SELECT '",
      },
    );
    expect(locationsOf(reading)).toEqual([
      'a.sql:2 package.script.sqlcmd',
      'b.sql:1 package.script.unterminated',
      `${project}:7 package.script.missing`,
    ]);
    expect(reading.package?.scripts.map(({ fileName }) => fileName)).toEqual(['a.sql', 'b.sql']);
    expect(reading.package?.packageHash).toBe('');
  });
});
