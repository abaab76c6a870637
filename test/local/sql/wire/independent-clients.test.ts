import { execFile, execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { createScriptedEngine, message, statementDone, type ScriptedEngine } from './scripted-engine';
import { type ServersUnderTest, startServers } from './servers-under-test';
import { password, user } from './tedious-client';

const run = promisify(execFile);

function isInstalled(program: string, ...args: string[]): boolean {
  try {
    execFileSync(program, args, { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/** Clients that share no code with the driver of the product; a server that pleases only one driver is not right yet. */
const withFreeTds = isInstalled('tsql', '-C') ? describe : describe.skip;
const python = ['/usr/bin/python3', 'python3'].find((each) => isInstalled(each, '-c', 'import pytds'));
const canEncrypt = python !== undefined && isInstalled(python, '-c', 'import OpenSSL');
const withPython = python === undefined ? describe.skip : describe;

let engine: ScriptedEngine;
let servers: ServersUnderTest;

beforeAll(async () => {
  engine = createScriptedEngine((request, sink) => {
    if (request.kind !== 'batch') return sink.returnStatus(0);
    if (/raise/.test(request.text)) {
      sink.message(message(50001, 'raised on purpose'));
      sink.done({ ...statementDone, failed: true });
    } else if (/select/i.test(request.text)) {
      sink.columns([
        { name: 'id', type: { name: 'int' }, nullable: false },
        { name: 'name', type: { name: 'nvarchar', length: 20 }, nullable: true },
        { name: 'price', type: { name: 'decimal', precision: 9, scale: 2 }, nullable: true },
        { name: 'at', type: { name: 'datetime' }, nullable: true },
        { name: 'notes', type: { name: 'nvarchar', length: 'max' }, nullable: true },
      ]);
      void sink.row([1, 'Müller', '12.50', '2024-02-29 12:34:56.789', 'n'.repeat(9_000)]);
      void sink.row([2, null, null, null, null]);
      sink.done({ rowCount: 2, inProcedure: false, isSelect: true, failed: false });
    } else {
      sink.done({ ...statementDone, rowCount: 3 });
    }
  });
  servers = await startServers(engine);
});
afterAll(async () => {
  await servers.close();
  expect(servers.defects).toEqual([]);
});

withFreeTds('FreeTDS', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'sqlfleet-test-'));
    const section = (name: string, encryption: string): string =>
      `[${name}]\nhost = 127.0.0.1\nport = ${servers.port}\ntds version = 7.4\nencryption = ${encryption}\n`;
    writeFileSync(join(folder, 'freetds.conf'), section('plain', 'off') + section('encrypted', 'require'));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const freeTds = async (program: string, server: string, input: string): Promise<string> => {
    const env = { ...process.env, FREETDSCONF: join(folder, 'freetds.conf'), LC_ALL: 'C.UTF-8' };
    const child = run(program, ['-S', server, '-U', user, '-P', password, '-D', 'orders'], { env });
    child.child.stdin?.end(input);
    const { stdout, stderr } = await child;
    return stdout + stderr;
  };

  test.each(['plain', 'encrypted'])('tsql, %s: rows, nulls, long values and an error', async (server) => {
    const output = await freeTds('tsql', server, 'select everything\ngo\nraise\ngo\nquit\n');
    expect(output).toMatch(/1\tMüller\t12\.50\t.*2024.*\tn{9000}/);
    expect(output).toMatch(/2\tNULL\tNULL\tNULL\tNULL/);
    expect(output).toContain('(2 rows affected)');
    expect(output).toMatch(/Msg 50001 \(severity 16, state 1\) from server1 Line 1:\s+"raised on purpose"/);
  });

  test.each(['plain', 'encrypted'])('bsqldb, %s: several batches on one connection', async (server) => {
    const output = await freeTds('bsqldb', server, 'update something\ngo\nselect everything\ngo\n');
    expect(output).toContain('12.50');
    expect(output).toContain('Müller');
  });
});

withPython('python-tds', () => {
  const script = (encrypted: boolean): string => `
import pytds, json, datetime, decimal
with pytds.connect(dsn='127.0.0.1', port=${servers.port}, user='${user}', password='${password}', database='orders',
                   autocommit=True${encrypted ? `, cafile='${servers.caFile}', validate_host=False` : ''}) as connection:
    with connection.cursor() as cursor:
        cursor.execute('select everything')
        rows = cursor.fetchall()
        print(json.dumps([[str(value)[:30].replace('12.50', '12.5') if value is not None else None for value in row] for row in rows]))
        try:
            cursor.execute('raise')
        except Exception as error:
            print(error)
`;
  test.each(canEncrypt ? [false, true] : [false])('reads rows and an error (encrypted: %s)', async (encrypted) => {
    const { stdout } = await run(python ?? '', ['-c', script(encrypted)]);
    const [rows, error] = stdout.trim().split('\n');
    expect(JSON.parse(rows ?? '')).toEqual([
      ['1', 'Müller', '12.5', '2024-02-29 12:34:56.790000', 'n'.repeat(30)],
      ['2', null, null, null, null],
    ]);
    expect(error).toContain('raised on purpose');
  });
});
