import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { command } from './command-lab';

const verdictSchema = z.looseObject({ valid: z.literal(true), packageHash: z.string() });

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sqlfleet-cli-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function write(name: string, text: string): string {
  mkdirSync(join(folder, name, '..'), { recursive: true });
  writeFileSync(join(folder, name), text);
  return name;
}

describe('a command line', () => {
  it('without a command, or with one that there is not, shows which there are', async () => {
    for (const args of [[], ['biuld']]) {
      const { code, messages } = await command(args);
      expect(code).toBe(2);
      for (const name of ['build', 'status', 'outcomes', 'logs', 'validate', 'cancel', 'worker']) {
        expect(messages).toContain(`  ${name} `);
      }
    }
  });

  it.each(['build', 'status', 'outcomes', 'logs', 'cancel', 'retry-failed', 'validate', 'pack', 'worker'])(
    'tells how %s is used, without doing it',
    async (name) => {
      const { code, output } = await command([name, '--help']);
      expect(code).toBe(0);
      expect(output).toContain(`sqlfleet ${name} `);
    },
  );

  it('is refused with all of its problems at once', async () => {
    const args = ['build', 'no-folder', 'no.cfg', 'x', '--limit', '3', '--trial=yes', '--name', '--no-transaction'];
    const { code, messages } = await command(
      [...args, '--concurrency-limit', 'many', '--concurrency-type', 'Rack', '--url', 'ftp://x'],
      { folder },
    );
    expect(code).toBe(2);
    const problems = messages.split('\n').flatMap((line) => /^ {2}(\S+): /.exec(line)?.[1] ?? []);
    expect(problems).toEqual(
      expect.arrayContaining([
        'x',
        '--limit',
        '--trial',
        '--name',
        'no-folder',
        'no.cfg',
        '--concurrency-limit',
        '--concurrency-type',
        '--url',
        '--key',
      ]),
    );
  });

  it('gives programs the problems as one document', async () => {
    const { code, output } = await command(['cancel', 'not/an id', '--json'], { folder });
    expect(code).toBe(2);
    expect(JSON.parse(output)).toMatchObject({
      error: {
        code: 'cli.usage',
        problems: [{ entry: 'not/an id' }, { entry: '--reason' }, { entry: '--url' }],
      },
    });
  });

  it('takes an argument that begins with dashes for a forgotten value', async () => {
    const { messages } = await command(['pause', 'id', '--reason', '--json', '--url', 'http://localhost:1']);
    expect(messages).toContain('--reason: needs a value');
  });
});

describe('where the app is', () => {
  it('is read from the file of a running embedded cloud, also from a folder below', async () => {
    write('.sqlfleet/endpoints.json', '{"http":{"baseUrl":"http://localhost:1","functionKey":"k"}}');
    write('a/b/x.sql', '');
    const { code, messages } = await command(['status', 'x'], { folder: join(folder, 'a', 'b') });
    expect(code).toBe(3);
    expect(messages).toContain('http://localhost:1 does not answer');
  });

  it('is not a place to which a key would travel unprotected', async () => {
    const { code, messages } = await command(['status', 'x', '--url', 'http://fleet.example', '--key', 'k']);
    expect(code).toBe(2);
    expect(messages).toContain('use https');
  });
});

describe('validate', () => {
  it('finds the scripts of a folder in their order, and needs no app', async () => {
    write('scripts/002/b.sql', 'SELECT 2;\nGO\nSELECT 3;');
    write('scripts/001.sql', 'SELECT 1;');
    write('scripts/notes.txt', 'not a script');
    write('scripts/.git/x.sql', 'GO GO');
    const { code, output } = await command(['validate', 'scripts', '--json'], { folder });
    expect(code).toBe(0);
    expect(JSON.parse(output)).toMatchObject({
      valid: true,
      scripts: [
        { fileName: '001.sql', batches: 1 },
        { fileName: '002/b.sql', batches: 2 },
      ],
    });
  });

  it('tells what is wrong with package and targets at once, with file and line', async () => {
    write('scripts/a.sql', 'SELECT 1;\nGO twice');
    write('fleet.cfg', 'server:db\nno colon\n');
    const { code, output } = await command(['validate', 'scripts', 'fleet.cfg'], { folder });
    expect(code).toBe(1);
    expect(output).toContain('a.sql:2: ');
    expect(output).toContain('fleet.cfg:2: ');
  });

  it('follows no links', async () => {
    write('secret.sql', 'SELECT 1;');
    write('scripts/a.sql', 'SELECT 1;');
    symlinkSync(join(folder, 'secret.sql'), join(folder, 'scripts', 'b.sql'));
    const { code, messages } = await command(['validate', 'scripts'], { folder });
    expect(code).toBe(2);
    expect(messages).toContain('b.sql: is neither a file nor a folder');
  });

  it('lets no name or text move the cursor of the terminal', async () => {
    write('scripts/a.sql', "SELECT 'x\u001b[2J");
    const { output } = await command(['validate', 'scripts'], { folder });
    expect(output).not.toContain('\u001b');
  });
});

describe('pack', () => {
  it('writes a .sbm with the same hash, and replaces nothing', async () => {
    write('scripts/a.sql', 'SELECT 1;');
    const hashOf = async (path: string): Promise<unknown> =>
      verdictSchema.parse(JSON.parse((await command(['validate', path, '--json'], { folder })).output)).packageHash;
    expect((await command(['pack', 'scripts', 'out.sbm'], { folder })).code).toBe(0);
    expect(await hashOf('out.sbm')).toBe(await hashOf('scripts'));
    const again = await command(['pack', 'scripts', 'out.sbm'], { folder });
    expect([again.code, again.messages]).toEqual([2, expect.stringContaining('EEXIST')]);
  });
});

describe('an app that is not what it should be', () => {
  let server: Server;
  let answers: { status: number; body: string }[];
  let asked: { method: string | undefined; url: string | undefined; key: unknown }[];
  const atServer = (...args: string[]): string[] => {
    const address = server.address();
    const port = typeof address === 'object' ? address?.port : undefined;
    return [...args, '--url', `http://localhost:${port}/api/`, '--key', 'k'];
  };
  beforeEach(async () => {
    asked = [];
    server = createServer((request, response) => {
      const { method, url, headers } = request;
      asked.push({ method, url, key: headers['idempotency-key'] });
      request.resume().on('end', () => {
        const { status, body } = answers.shift() ?? { status: 500, body: '' };
        response.writeHead(status, { 'content-type': 'application/json' }).end(body);
      });
    });
    await new Promise<void>((resolve) => server.listen(0, 'localhost', resolve));
  });
  afterEach(() => new Promise((resolve) => server.close(resolve)));

  it('is told apart from one that refuses', async () => {
    answers = [
      { status: 200, body: '<html>' },
      { status: 401, body: '' },
      { status: 404, body: '{"code":"builds.notFound","detail":"There is no build \\"x\\"."}' },
    ];
    const ends = [];
    for (let index = 0; index < 3; index += 1) ends.push((await command(atServer('status', 'x'))).code);
    expect(ends).toEqual([3, 2, 2]);
  });

  it('is handed a build again with the same key while it is away, and not when it refuses', async () => {
    write('a.sql', 'SELECT 1;');
    write('fleet.cfg', 'server:db');
    const problem = { code: 'targets.x', message: 'is wrong', entry: 'targets', line: 7 };
    answers = [
      { status: 503, body: '' },
      { status: 422, body: JSON.stringify({ code: 'builds.invalidInput', detail: 'no', problems: [problem] }) },
    ];
    const { code, messages } = await command(atServer('build', 'a.sql', 'fleet.cfg'), { folder });
    expect(code).toBe(2);
    expect(messages).toContain('targets:7: is wrong');
    expect(asked).toEqual([
      { method: 'POST', url: '/api/builds', key: 'an-id' },
      { method: 'POST', url: '/api/builds', key: 'an-id' },
    ]);
  });
});
