import { formatTargets } from '../../../lib/targets/format';
import { targetLimits } from '../../../lib/targets/limits';
import { type Target } from '../../../lib/targets/model';
import { parseTargets } from '../../../lib/targets/parse';
import { describeVectors, vectorFile, vectors } from '../packages/vectors';

function single(line: string): Omit<Target, 'id' | 'line'> {
  const reading = parseTargets(line);
  expect(reading.problems).toEqual([]);
  const [target] = reading.targets;
  if (target === undefined || reading.targets.length !== 1) throw new Error(`not one target: ${line}`);
  const { server, port, overrides, tag } = target;
  return { server, port, overrides, tag };
}

/** `line: code` of every problem. */
function problemsOf(text: string): string[] {
  return parseTargets(text).problems.map(({ line, code }) => `${line}: ${code}`);
}

const clientOverride = { default: 'client', target: 'db1' };

describe('a line of a target file', () => {
  test('names a server, a default and a target', () => {
    expect(single('Srv1.database.windows.net:client,db1')).toEqual({
      server: 'srv1.database.windows.net',
      port: null,
      overrides: [clientOverride],
      tag: '',
    });
  });

  test.each([
    ['two overrides', 'srv1:client,db1;client2,db2', [clientOverride, { default: 'client2', target: 'db2' }]],
    ['a target alone', 'srv1:db1', [{ default: '', target: 'db1' }]],
    ['an empty default', 'srv1:,db1', [{ default: '', target: 'db1' }]],
    ['an empty target, which is the default', 'srv1:client,', [{ default: 'client', target: 'client' }]],
    ['quotes around the default', "srv1:'client',db1", [clientOverride]],
    ['blanks around names', ' srv1 : client , db1 ', [clientOverride]],
    ['names with blanks, quotes and brackets', "srv1:a b,O'Brien [x]", [{ default: 'a b', target: "O'Brien [x]" }]],
  ])('may have %s', (_form, line, overrides) => {
    expect(single(line)).toEqual({ server: 'srv1', port: null, overrides, tag: '' });
  });

  test.each([
    ['srv1:client,db1#PoolA', 'PoolA'],
    ['srv1:client,db1 # Pool A ', 'Pool A'],
    ['srv1:client,db1#', ''],
    ['srv1:client,db1;client2,db2#PoolA', 'PoolA'],
  ])('may end in a tag: %s', (line, tag) => {
    expect(single(line).tag).toBe(tag);
  });

  test.each([
    ['srv1,14330:client,db1', 'srv1', 14330],
    ['srv1, 14330 :client,db1', 'srv1', 14330],
    ['srv1:14330:client,db1', 'srv1', 14330],
    ['tcp:srv1:client,db1', 'srv1', null],
    ['TCP:srv1,1433:client,db1', 'srv1', 1433],
    ['tcp:client,db1', 'tcp', null],
    ['srv1.example.com.:client,db1', 'srv1.example.com', null],
    ['10.0.0.4:client,db1', '10.0.0.4', null],
    ['[::1]:client,db1', '::1', null],
    ['[0:0:0:0:0:0:0:1]:1433:client,db1', '::1', 1433],
    ['tcp:[FE80::1],1433:client,db1', 'fe80::1', 1433],
  ])('addresses a server and a port: %s', (line, server, port) => {
    expect(single(line)).toEqual({ server, port, overrides: [clientOverride], tag: '' });
  });
});

describe('a target file', () => {
  test('skips blank lines and comments but counts them', () => {
    const text = '-- the pilot\n\n  // two databases\nsrv1:client,db1\n   \nsrv1:client,db2\n';
    expect(parseTargets(text).targets.map(({ line }) => line)).toEqual([4, 6]);
  });

  test.each([
    ['LF', '\n'],
    ['CRLF', '\r\n'],
    ['CR', '\r'],
  ])('may end its lines with %s', (_name, end) => {
    const reading = parseTargets(['srv1:client,db1', '', 'srv1:client,db2'].join(end));
    expect(reading.targets.map(({ line, overrides }) => [line, overrides[0]?.target])).toEqual([
      [1, 'db1'],
      [3, 'db2'],
    ]);
  });

  test('may begin with a byte order mark, in UTF-8 or UTF-16', () => {
    const text = '\ufeffsrv1:client,Größe';
    for (const input of [text, Buffer.from(text, 'utf8'), Buffer.from(text, 'utf16le')]) {
      expect(parseTargets(input).targets[0]).toMatchObject({ server: 'srv1', overrides: [{ target: 'Größe' }] });
    }
  });

  test('that is not text is refused with the line', () => {
    const latin1 = Buffer.from('srv1:client,db1\nsrv1:client,Größe', 'latin1');
    expect(parseTargets(latin1)).toMatchObject({ valid: false, problems: [{ code: 'targets.encoding', line: 2 }] });
  });

  test.each(['', '\n\n', '-- nothing\n'])('without targets is refused: %j', (text) => {
    expect(parseTargets(text)).toMatchObject({ valid: false, problems: [{ code: 'targets.empty' }] });
  });

  test('reports every problem at once, with its line, and keeps the good lines', () => {
    const reading = parseTargets('srv1:client,db1\nno colon here\nsrv2:\nsrv3:a,b,c\n:client,db1\nsrv4:client,db4');
    expect(reading.valid).toBe(false);
    expect(reading.targets.map(({ server }) => server)).toEqual(['srv1', 'srv4']);
    expect(reading.problems.map(({ line, code }) => `${line}: ${code}`)).toEqual([
      '2: targets.line.syntax',
      '3: targets.database.name',
      '4: targets.line.override',
      '5: targets.server.name',
    ]);
  });
});

describe('refused lines', () => {
  test.each([
    ['a target named twice', 'srv1:client,db1\nSRV1,1433:other,DB1', '2: targets.duplicate'],
    ['the same databases in another order', 'srv1:a,db1;b,db2\nsrv1:a,db2;b,db1', '2: targets.duplicate'],
    ['a system database', 'srv1:client,Master', '1: targets.database.system'],
    ['a default that becomes a system database', 'srv1:msdb,', '1: targets.database.system'],
    ['a database that is too long', `srv1:client,${'x'.repeat(129)}`, '1: targets.database.name'],
    ['an invisible character', 'srv1:client,db\u200b1', '1: targets.database.name'],
    ['a control character', 'srv1:client,db\u00011', '1: targets.database.name'],
    ['a tab inside a name', 'srv1:client,db\t1', '1: targets.database.name'],
    ['a name ending in a dot', 'srv1:client,db1.', '1: targets.database.name'],
    ['an override that is never used', 'srv1:client,db1;CLIENT,db2', '1: targets.line.duplicateDefault'],
    ['an empty override at the end', 'srv1:client,db1;', '1: targets.database.name'],
    ['a database only behind the tag sign', 'srv1:#db1', '1: targets.database.name'],
    ['two tags', 'srv1:client,db1#a#b', '1: targets.tag'],
    ['a tag that is too long', `srv1:client,db1#${'x'.repeat(101)}`, '1: targets.tag'],
    ['a colon in a database', 'srv1:client,db1:x', '1: targets.database.name'],
    ['a named instance', 'localhost\\sqlexpress:client,db1', '1: targets.server.name'],
    ['a user in the server', 'good@evil:client,db1', '1: targets.server.name'],
    ['another protocol', 'np:srv1:client,db1', '1: targets.database.name'],
    ['a port out of range', 'srv1,70000:client,db1', '1: targets.server.port'],
    ['a port that is none', 'srv1,x:client,db1', '1: targets.server.port'],
    ['two ports', 'srv1,1433:1433:client,db1', '1: targets.server.port'],
    ['a short form of an address', '127.1:client,db1', '1: targets.server.name'],
    ['an address as one number', '2130706433:client,db1', '1: targets.server.name'],
    ['an address in hexadecimal', '0x7f.0.0.1:client,db1', '1: targets.server.name'],
    ['an IPv6 zone', '[fe80::1%eth0]:client,db1', '1: targets.server.name'],
    ['a server with a character of another alphabet', 'ѕrv1:client,db1', '1: targets.server.name'],
    ['a line that is too long', `srv1:client,${'x'.repeat(targetLimits.lineCharacters)}`, '1: targets.line.tooLong'],
    [
      'too many overrides',
      `srv1:${Array.from({ length: 101 }, (_, index) => `c${index},d${index}`).join(';')}`,
      '1: targets.line.tooManyOverrides',
    ],
  ])('%s', (_what, text, problem) => {
    expect(problemsOf(text)).toEqual([problem]);
  });

  test('a connection string smuggled into a database is one problem per piece', () => {
    expect(parseTargets('srv1:client,db1;TrustServerCertificate=true').targets[0]?.overrides).toEqual([
      clientOverride,
      { default: '', target: 'TrustServerCertificate=true' },
    ]);
    expect(problemsOf('srv1;Encrypt=false:client,db1')).toEqual(['1: targets.server.name']);
  });

  test('a duplicate names both lines', () => {
    const [problem] = parseTargets('srv1:client,db1\n\nsrv1:client,db1').problems;
    expect(problem?.line).toBe(3);
    expect(problem?.message).toContain('line 1');
  });

  test('a flood of problems is counted, not remembered', () => {
    const { problems } = parseTargets('x\n'.repeat(5_000));
    expect(problems).toHaveLength(targetLimits.problems + 1);
    expect(problems.at(-1)?.code).toBe('targets.more');
    expect(problems.at(-1)?.message).toContain('4000 more');
  });

  test('more targets than a fleet has', () => {
    const text = Array.from({ length: 12 }, (_, index) => `srv1:client,db${index}`).join('\n');
    const reading = parseTargets(text, { ...targetLimits, targets: 10 });
    expect(reading.targets).toHaveLength(10);
    expect(reading.problems).toMatchObject([{ code: 'targets.tooMany', line: 11 }]);
  });
});

describe("a target's id", () => {
  test('depends on server, port and overrides only', () => {
    const [one, other] = [parseTargets('srv1:client,db1'), parseTargets('\n\nTCP:SRV1,1433:CLIENT,DB1#tag')];
    expect(one.targets[0]?.id).toMatch(/^[0-9a-f]{16}$/);
    expect(other.targets[0]?.id).toBe(one.targets[0]?.id);
  });

  test.each(['srv2:client,db1', 'srv1,1434:client,db1', 'srv1:client,db2', 'srv1:client2,db1', 'srv1:client,db1;x,y'])(
    'is another for %s',
    (line) => {
      expect(parseTargets(line).targets[0]?.id).not.toBe(parseTargets('srv1:client,db1').targets[0]?.id);
    },
  );
});

test('targets written as a file read back the same, tags, ports and addresses included', () => {
  const text = [
    'srv1.database.windows.net:client,db1#PoolA',
    'srv1.database.windows.net,14330:client,db1;client2,db2#PoolB',
    'srv2:db3',
    '[::1],1433:client,db1',
    '[::2]:client,client',
    '',
  ].join('\n');
  const { targets } = parseTargets(text);
  expect(targets).toHaveLength(5);
  expect(formatTargets(targets)).toBe(text);
});

test('a fleet of 60,000 lines is read whole, with one string per server', () => {
  const lines = Array.from(
    { length: 60_000 },
    (_, index) => `srv${index % 20}.example.com:client,db${index}#t${index % 7}`,
  );
  const reading = parseTargets(lines.join('\r\n'));
  expect(reading.problems).toEqual([]);
  expect(reading.targets).toHaveLength(60_000);
  expect(new Set(reading.targets.map(({ id }) => id)).size).toBe(60_000);
  expect(reading.targets[59_999]).toMatchObject({ server: 'srv19.example.com', tag: 't2', line: 60_000 });
});

test('the JSON form of .multiDb is read, property names in any letter case', () => {
  const json = JSON.stringify([
    {
      ServerName: 'ServerA',
      Overrides: [
        { ConcurrencyTag: 'PoolA', Server: 'ServerA', DefaultDbTarget: 'default1', OverrideDbTarget: 'override1' },
        { ConcurrencyTag: 'PoolA', Server: 'ServerA', DefaultDbTarget: 'default2', OverrideDbTarget: '' },
      ],
    },
    { serverName: 'serverb,14330', overrides: [{ overrideDbTarget: 'db1', concurrencyTag: null }] },
  ]);
  expect(parseTargets(json)).toMatchObject({
    valid: true,
    targets: [
      {
        server: 'servera',
        tag: 'PoolA',
        line: 1,
        overrides: [
          { default: 'default1', target: 'override1' },
          { default: 'default2', target: 'default2' },
        ],
      },
      { server: 'serverb', port: 14330, tag: '', line: 2, overrides: [{ default: '', target: 'db1' }] },
    ],
  });
});

test('the XML form of .multiDb is refused by name', () => {
  const xml = '<?xml version="1.0"?>\n<ArrayOfServerData xmlns:xsi="x" />';
  expect(problemsOf(xml)).toEqual(['null: targets.xml']);
});

test.each([
  ['[{]', 'targets.json.malformed'],
  ['[{"serverName": 5, "overrides": []}]', 'targets.json.shape'],
  ['[{"serverName": "srv1", "overrides": []}]', 'targets.json.shape'],
  ['[{"serverName": "srv1", "overrides": [{"overrideDbTarget": "master"}]}]', 'targets.database.system'],
  ['[{"__proto__": {"serverName": "srv1"}, "overrides": [{"overrideDbTarget": "db1"}]}]', 'targets.server.name'],
  [
    '[{"serverName": "s", "overrides": [{"overrideDbTarget": "a", "concurrencyTag": "x"}, {"defaultDbTarget": "b", "concurrencyTag": "y"}]}]',
    'targets.json.shape',
  ],
])('a wrong .multiDb is refused: %s', (json, code) => {
  expect(parseTargets(json).problems.map((problem) => problem.code)).toContain(code);
});

describeVectors('what the predecessor was seen to do', () => {
  // Where it guesses, loses part of the line or builds a database twice, the line is refused here.
  const refused = new Set(['duplicate-target', 'three-part', 'host-colon-port']);

  test.each(vectors.cfgParse.vectors.filter(({ id }) => !refused.has(id)))('reads $id the same', (vector) => {
    const reading = parseTargets(vector.lines.join('\n'));
    expect(reading.valid).toBe(vector.validateOverrides);
    if (!vector.validateOverrides) return;
    expect(
      reading.targets.map(({ server, overrides, tag }) => ({
        serverName: server,
        overrides: overrides.map((pair) => ({ default: pair.default, override: pair.target, tag })),
      })),
    ).toEqual(
      vector.targets.map(({ serverName, overrides }) => ({
        serverName,
        overrides: overrides.map(({ default: source, override, tag }) => ({ default: source, override, tag })),
      })),
    );
  });

  test('its files for concurrency tests read completely, but for the targets that they repeat', () => {
    for (const name of ['concurrency.cfg', 'concurrency_tag.cfg']) {
      const text = vectorFile(`targets/${name}`).toString('utf8');
      const reading = parseTargets(text);
      expect(reading.problems.filter(({ code }) => code !== 'targets.duplicate')).toEqual([]);
      expect(formatTargets(parseTargets(formatTargets(reading.targets)).targets)).toBe(formatTargets(reading.targets));
    }
  });

  test('its JSON example reads', () => {
    expect(parseTargets(vectors.multiDbSamples.json.text)).toMatchObject({
      valid: true,
      targets: [{ server: 'servera' }],
    });
  });
});
