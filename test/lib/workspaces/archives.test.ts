import { deflateRawSync, crc32 } from 'node:zlib';
import { readAssetArchive } from '../../../lib/workspaces/archive';
import { archiveOf } from '../../support/workspace-lab';

const cluster = (changes: object = {}) => ({
  cluster_name: 'c',
  spark_version: '15.4.x-scala2.12',
  node_type_id: 'x',
  ...changes,
});
const found = async (files: Record<string, unknown>): Promise<string[]> =>
  (await readAssetArchive(await archiveOf(files))).problems.map(
    ({ entry, line, message }) => `${entry ?? ''}${line === null ? '' : `:${line}`} ${message}`,
  );
const sorted = (lines: readonly string[]): string[] => [...lines].sort();
const read = async (files: Record<string, unknown>) => {
  const { assets, problems } = await readAssetArchive(await archiveOf(files));
  expect(problems).toEqual([]);
  return assets;
};

/** A zip with entries as no well-behaved archiver writes them. */
function rawZip(entries: { name: string; content?: Buffer; declared?: number; attributes?: number }[]): Buffer {
  const locals: Buffer[] = [];
  const centrals: Buffer[] = [];
  let offset = 0;
  for (const { name, content = Buffer.from('x'), declared, attributes = 0 } of entries) {
    const data = deflateRawSync(content);
    const path = Buffer.from(name);
    const common = Buffer.alloc(26);
    common.writeUInt16LE(20, 0);
    common.writeUInt16LE(0x800, 2);
    common.writeUInt16LE(8, 4);
    common.writeUInt32LE(crc32(content), 10);
    common.writeUInt32LE(data.length, 14);
    common.writeUInt32LE(declared ?? content.length, 18);
    common.writeUInt16LE(path.length, 22);
    const local = Buffer.concat([Buffer.from('504b0304', 'hex'), common, path, data]);
    const tail = Buffer.alloc(14);
    tail.writeUInt32LE(attributes, 6);
    tail.writeUInt32LE(offset, 10);
    centrals.push(Buffer.concat([Buffer.from('504b01021403', 'hex'), common, tail, path]));
    locals.push(local);
    offset += local.length;
  }
  const directory = Buffer.concat(centrals);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(entries.length, 8);
  end.writeUInt16LE(entries.length, 10);
  end.writeUInt32LE(directory.length, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...locals, directory, end]);
}
const codesOf = async (zip: Buffer): Promise<string[]> =>
  (await readAssetArchive(zip)).problems.map(({ code }) => code);

describe('an archive that is built to hurt', () => {
  it.each([
    ['leaves its folder', [{ name: 'notebooks/../../evil.py' }], 'package.entry.traversal'],
    ['has an absolute name', [{ name: '/etc/evil.py' }], 'package.entry.absolute'],
    ['has a link', [{ name: 'notebooks/link.py', attributes: 0xa1ff0000 }], 'package.entry.symlink'],
    ['has a name twice', [{ name: 'notebooks/a.py' }, { name: 'notebooks/a.py' }], 'package.entry.duplicate'],
    [
      'has names that differ in case only',
      [{ name: 'jobs/a.json', content: Buffer.from('{"name":"a"}') }, { name: 'jobs/A.json' }],
      'package.entry.duplicate',
    ],
    [
      'says less than it holds',
      [{ name: 'notebooks/a.py', content: Buffer.alloc(9), declared: 1 }],
      'package.entry.headerMismatch',
    ],
  ])('%s', async (_what, entries, code) => {
    expect(await codesOf(rawZip(entries))).toContain(code);
  });

  it('is a bomb', async () => {
    const zeros = Buffer.alloc(15 * 1024 * 1024);
    const bomb = rawZip(Array.from({ length: 5 }, (_, at) => ({ name: `notebooks/${at}.py`, content: zeros })));
    expect(bomb.length).toBeLessThan(200_000);
    expect((await codesOf(bomb)).length).toBeGreaterThan(0);
  });

  it('holds an archive instead of assets', async () => {
    const inner = await archiveOf({ 'a.py': '1' });
    expect(await found({ 'notebooks/folder.dbc': inner })).toEqual([
      'notebooks/folder.dbc An archive inside the package is not read.',
    ]);
  });
});

describe('JSON', () => {
  it('that means less than it says is refused, with the line of each fault', async () => {
    const problems = await found({
      'jobs/comment.json': '{\n  // why\n  "name": "a"\n}',
      'jobs/twice.json': '{"name": "a",\n "tags": {"x": "1",\n  "\\u0078": "2"},\n "name": "b"}',
      'jobs/numbers.json': '{"name": "n",\n"timeout_seconds": 1e999,\n"job_id": 12345678901234567890}',
      'jobs/proto.json': '{"name": "p", "tags": {\n"__proto__": "1"}}',
      'jobs/end.json': '{"name": "e",\n}',
      'jobs/utf16.json': Buffer.from('\ufeff{"name":"u"}', 'utf16le'),
    });
    expect(sorted(problems.map((line) => line.replace(/It is not JSON: .*/, 'It is not JSON')))).toEqual(
      sorted([
        'jobs/comment.json:2 JSON has no comments.',
        'jobs/twice.json:3 "x" is there twice.',
        'jobs/twice.json:4 "name" is there twice.',
        'jobs/numbers.json:2 The number 1e999 cannot be kept as it is.',
        'jobs/numbers.json:3 The number 12345678901234567890 cannot be kept as it is.',
        'jobs/proto.json:2 No setting is called __proto__ or constructor.',
        'jobs/end.json:2 It is not JSON',
        'jobs/utf16.json It is not a text in UTF-8.',
      ]),
    );
  });

  it('with a byte order mark, with escapes and with exact numbers is read', async () => {
    const text = '\ufeff{"name": "caf\\u00e9 \\"{[\\\\", "timeout_seconds": 1.50e2, "x": [9007199254740991, -0.5]}';
    const { jobs } = await read({ 'jobs/a.json': text });
    expect(jobs[0]?.spec).toEqual({ name: 'café "{[\\', timeout_seconds: 150, x: [9007199254740991, -0.5] });
  });
});

describe('notebooks', () => {
  it('of every language keep their names, whatever signs are in them', async () => {
    const fine = await read({
      'notebooks/été 100% (1)/a.b.py': '1',
      'notebooks/x.SQL': '1',
      'notebooks/w/y.scala': '1',
      'notebooks/z.R': '1',
      'notebooks/j.ipynb': { cells: [], nbformat: 4 },
    });
    const shown = fine.notebooks.map(({ target, language, format }) => `${target} ${language} ${format}`);
    expect(shown).toEqual(
      sorted([
        'notebooks/été 100% (1)/a.b PYTHON SOURCE',
        'notebooks/x SQL SOURCE',
        'notebooks/w/y SCALA SOURCE',
        'notebooks/z R SOURCE',
        'notebooks/j null JUPYTER',
      ]),
    );
  });

  it('that are none, or would be where another asset is, are refused by name', async () => {
    const problems = await found({
      'notebooks/export.html': '<html>',
      'notebooks/.py': '1',
      'notebooks/broken.ipynb': '{"worksheets": []}',
      'notebooks/latin.py': Buffer.from([0x23, 0xe9, 0x0a]),
      'notebooks/a.py': '1',
      'notebooks/a/b.sql': '1',
      'init-scripts/tool': '1',
      'init-scripts/tool/x.sh': '1',
      'readme.md': 'x',
      'libraries/x.whl': 'x',
    });
    expect(sorted(problems)).toEqual(
      sorted([
        'notebooks/export.html A notebook has a name that ends in .py, .sql, .scala, .r, .ipynb.',
        'notebooks/.py A notebook has a name that ends in .py, .sql, .scala, .r, .ipynb.',
        'notebooks/broken.ipynb It is not a Jupyter notebook: JSON with cells.',
        'notebooks/latin.py A notebook is a text in UTF-8.',
        'readme.md An asset is in one of the folders init-scripts, clusters, notebooks, jobs.',
        'libraries/x.whl An asset is in one of the folders init-scripts, clusters, notebooks, jobs.',
        'notebooks/a/b.sql Its folder has the same place as notebooks/a.py.',
        'init-scripts/tool/x.sh Its folder has the same place as init-scripts/tool.',
      ]),
    );
  });
});

describe('clusters and jobs', () => {
  it('that the service would refuse half way are refused before anything begins, all in one answer', async () => {
    const inner = (task: object) => ({ inputs: '[1]', task: { task_key: 'inner', ...task } });
    const problems = await found({
      'clusters/a.json': { cluster_name: 'a', custom_tags: ['x'], init_scripts: {} },
      'clusters/b.json': cluster({
        cluster_name: 'b',
        access_control_list: [],
        init_scripts: [{ workspace: { destination: 'init-scripts/none.sh' } }],
      }),
      'jobs/shapes.json': { name: 'shapes', tasks: [{ task_key: 'a b' }, 'x'], job_clusters: {}, tags: 'x' },
      'jobs/acl.json': { name: 'acl', access_control_list: [{ user_name: 'x', permission_level: 'CAN_VIEW' }] },
      'jobs/nested.json': {
        name: 'nested',
        tasks: [
          {
            task_key: 'each',
            for_each_task: inner({ job_cluster_key: 'gone', notebook_task: { notebook_path: 'notebooks/none' } }),
          },
          { task_key: 'both', existing_cluster_id: 'x', new_cluster: { spark_version: '15' } },
          { task_key: 'one', depends_on: [{ task_key: 'two' }] },
          { task_key: 'two', depends_on: [{ task_key: 'one' }, { task_key: 'nobody' }] },
          { task_key: 'each' },
        ],
      },
      'jobs/a.json': { name: 'A', tasks: [{ task_key: 't', run_job_task: { job_id: 'B' } }] },
      'jobs/b.json': {
        name: 'B',
        tasks: [{ task_key: 't', for_each_task: inner({ run_job_task: { job_name: 'A' } }) }],
      },
    });
    expect(sorted(problems.map((line) => line.replace(/: Invalid input: .*/, ': invalid')))).toEqual(
      sorted([
        'clusters/a.json spark_version: invalid',
        'clusters/a.json custom_tags: invalid',
        'clusters/a.json init_scripts: invalid',
        'clusters/b.json "access_control_list" is not deployed: permissions are set where people are managed. Take it out.',
        'jobs/shapes.json tags: invalid',
        'jobs/shapes.json tasks.0.task_key: letters, digits, _ and - only',
        'jobs/shapes.json tasks.1: invalid',
        'jobs/shapes.json job_clusters: invalid',
        'jobs/acl.json "access_control_list" is not deployed: permissions are set where people are managed. Take it out.',
        'clusters/b.json The archive has no init script "init-scripts/none.sh".',
        'jobs/nested.json The archive has no notebook "notebooks/none".',
        'jobs/nested.json tasks[0].for_each_task.task names the job cluster "gone", which the job does not declare.',
        'jobs/nested.json tasks[1] runs in one place only, and names existing_cluster_id and new_cluster.',
        'jobs/nested.json Two of its tasks have the same task_key.',
        'jobs/nested.json Task "two" depends on "nobody", which the job does not have.',
        'jobs/nested.json Tasks wait for one another: "one", "two".',
        'jobs/a.json Jobs run one another in a circle: "A" → "B" → "A".',
      ]),
    );
  });

  it('with a chain of a thousand tasks are judged at once', async () => {
    const tasks = Array.from({ length: 1_000 }, (_, at) => ({
      task_key: `t${at}`,
      ...(at === 0 ? {} : { depends_on: [{ task_key: `t${at - 1}` }] }),
    }));
    expect((await read({ 'jobs/long.json': { name: 'long', tasks } })).jobs).toHaveLength(1);
  });

  it('come in an order in which a job follows those that it runs', async () => {
    const runs = (...others: string[]) =>
      others.map((name, at) => ({ task_key: `t${at}`, run_job_task: { job_id: name } }));
    const { jobs } = await read({
      'jobs/1.json': { name: 'all', tasks: runs('first', 'second', 'elsewhere') },
      'jobs/2.json': { name: 'second', tasks: runs('first') },
      'jobs/3.json': { name: 'first', tasks: [] },
    });
    expect(jobs.map(({ name }) => name)).toEqual(['first', 'second', 'all']);
  });

  it('of a Git repository name its notebooks, which no archive has', async () => {
    const { jobs } = await read({
      'jobs/git.json': {
        name: 'git',
        git_source: { git_url: 'https://example.com/x', git_provider: 'gitHub', git_branch: 'main' },
        tasks: [{ task_key: 't', notebook_task: { notebook_path: 'etl/load' } }],
      },
    });
    expect(jobs).toHaveLength(1);
  });
});
