import {
  ChangeFeedStartFrom,
  CosmosClient,
  PartitionKeyKind,
  type ChangeFeedPullModelIterator,
  type Container,
  type Database,
} from '@azure/cosmos';
import { startDocuments } from '../../../local/documents/start';

/** Set both to run the contract against the official emulator or Azure instead of the stand-in. */
const outside = {
  endpoint: process.env['SQLFLEET_TEST_COSMOS_ENDPOINT'],
  key: process.env['SQLFLEET_TEST_COSMOS_KEY'],
};

interface Thing {
  id: string;
  build: string;
  n: number;
  state?: string;
  tags?: string[];
}

let client: CosmosClient;
let database: Database;
let container: Container;
let stop: () => Promise<void> = () => Promise.resolve();

const thing = (build: string, n: number, more: Partial<Thing> = {}): Thing => ({ id: `t${n}`, build, n, ...more });
const idsOf = (resources: readonly Thing[]): string[] => resources.map((resource) => resource.id);

beforeAll(async () => {
  let { endpoint = '', key = '' } = outside;
  if (endpoint === '') {
    const documents = await startDocuments({ port: 0, stateFolder: null });
    stop = () => documents.stop();
    ({ endpoint, key } = documents);
  }
  client = new CosmosClient({ endpoint, key });
  ({ database } = await client.databases.createIfNotExists({ id: `contract-${Date.now()}` }));
  ({ container } = await database.containers.createIfNotExists({ id: 'things', partitionKey: '/build' }));
});
afterAll(async () => {
  await database.delete();
  client.dispose();
  await stop();
});

describe('databases and containers', () => {
  it('are created once and found again', async () => {
    expect((await client.databases.createIfNotExists({ id: database.id })).statusCode).toBe(200);
    expect((await database.containers.createIfNotExists({ id: 'things', partitionKey: '/build' })).statusCode).toBe(
      200,
    );
    await expect(database.containers.create({ id: 'things', partitionKey: '/build' })).rejects.toMatchObject({
      code: 409,
    });
    const { resources } = await database.containers.readAll().fetchAll();
    expect(resources.map((each) => each.id)).toContain('things');
    expect((await client.databases.readAll().fetchAll()).resources.map((each) => each.id)).toContain(database.id);
  });

  it('say that they do not exist', async () => {
    await expect(database.container('none').read()).rejects.toMatchObject({ code: 404 });
    await expect(database.container('none').items.create({ id: 'x' })).rejects.toMatchObject({ code: 404 });
  });

  it('can be deleted and begin empty again', async () => {
    const { container: first } = await database.containers.create({ id: 'short', partitionKey: '/build' });
    await first.items.create(thing('b', 1));
    await first.delete();
    const { container: second } = await database.containers.create({ id: 'short', partitionKey: '/build' });
    expect((await second.items.readAll().fetchAll()).resources).toEqual([]);
  });

  it('change their time to live, but not their partition key', async () => {
    const definition = { id: 'replaced', partitionKey: { paths: ['/build'] } };
    const { container: replaced } = await database.containers.create(definition);
    await replaced.replace({ ...definition, defaultTtl: 60 });
    expect((await replaced.read()).resource?.defaultTtl).toBe(60);
    await expect(replaced.replace({ id: 'replaced', partitionKey: { paths: ['/n'] } })).rejects.toMatchObject({
      code: 400,
    });
  });
});

describe('items', () => {
  it('are created only once', async () => {
    const { statusCode, resource } = await container.items.create(thing('items', 1));
    expect(statusCode).toBe(201);
    expect(resource).toMatchObject({ id: 't1', n: 1 });
    await expect(container.items.create(thing('items', 1))).rejects.toMatchObject({ code: 409 });
  });

  it('with the same id live side by side in different partitions', async () => {
    await container.items.create(thing('items-a', 1));
    await container.items.create(thing('items-b', 1));
    await container.item('t1', 'items-a').delete();
    expect((await container.item('t1', 'items-b').read<Thing>()).resource?.build).toBe('items-b');
    expect((await container.item('t1', 'items-a').read()).statusCode).toBe(404);
  });

  it('carry the properties of the service', async () => {
    const { resource, etag, headers, requestCharge } = await container.items.create(thing('items', 2));
    expect(resource).toMatchObject({ ...thing('items', 2), _etag: etag, _attachments: 'attachments/' });
    expect(resource?._rid).toMatch(/^[A-Za-z0-9+=-]+$/);
    expect(resource?._ts).toBeGreaterThan(Date.now() / 1000 - 60);
    expect(headers['x-ms-session-token']).toMatch(/^0:/);
    expect(requestCharge).toBeGreaterThan(0);
  });

  it('change only while they are the version that was read', async () => {
    const { resource, etag } = await container.items.create(thing('etag', 1));
    const item = container.item('t1', 'etag');
    const ifMatch = { accessCondition: { type: 'IfMatch', condition: etag } };
    const second = await item.replace({ ...resource, id: 't1', n: 2 }, ifMatch);
    expect(second.etag).not.toBe(etag);
    await expect(item.replace({ ...resource, id: 't1', n: 3 }, ifMatch)).rejects.toMatchObject({ code: 412 });
    await expect(container.items.upsert(thing('etag', 1), ifMatch)).rejects.toMatchObject({ code: 412 });
    await expect(item.patch([{ op: 'set', path: '/n', value: 4 }], ifMatch)).rejects.toMatchObject({ code: 412 });
    await expect(item.delete(ifMatch)).rejects.toMatchObject({ code: 412 });
    expect((await item.read<Thing>()).resource?.n).toBe(2);
    const unchanged = await item.read({ accessCondition: { type: 'IfNoneMatch', condition: second.etag } });
    expect(unchanged.statusCode).toBe(304);
  });

  it('are upserted whether they exist or not', async () => {
    expect((await container.items.upsert(thing('upsert', 1))).statusCode).toBe(201);
    expect((await container.items.upsert(thing('upsert', 1, { state: 'x' }))).statusCode).toBe(200);
  });

  it('cannot be replaced, patched or deleted when they are not there', async () => {
    const item = container.item('nothing', 'missing');
    await expect(item.replace({ id: 'nothing', build: 'missing' })).rejects.toMatchObject({ code: 404 });
    await expect(item.patch([{ op: 'set', path: '/n', value: 1 }])).rejects.toMatchObject({ code: 404 });
    await expect(item.delete()).rejects.toMatchObject({ code: 404 });
  });

  it('are refused when their partition key is not the one of the request', async () => {
    await container.items.create(thing('here', 1));
    await expect(container.item('t1', 'here').replace(thing('elsewhere', 1))).rejects.toMatchObject({ code: 400 });
  });

  it('keep every character', async () => {
    const text = 'ä "quoted" \\ \u2028 \u{1f600} </script>';
    await container.items.create(thing('text ü %', 1, { state: text }));
    expect((await container.item('t1', 'text ü %').read<Thing>()).resource?.state).toBe(text);
  });

  it('may have spaces, percent signs and umlauts in their ids', async () => {
    for (const id of ['with space', '100%', 'größe', 'a:b,c=d&e', "o'brien"]) {
      await container.items.create({ id, build: 'ids' });
      expect((await container.item(id, 'ids').read<Thing>()).resource?.id).toBe(id);
    }
  });
});

describe('a patch', () => {
  it('applies its operations in order', async () => {
    await container.items.create({ ...thing('patch', 1, { tags: ['a', 'c'] }), inner: { deep: 1 } });
    const { resource } = await container.item('t1', 'patch').patch<Thing>([
      { op: 'set', path: '/state', value: 'new' },
      { op: 'add', path: '/tags/1', value: 'b' },
      { op: 'add', path: '/tags/-', value: 'd' },
      { op: 'replace', path: '/tags/0', value: 'A' },
      { op: 'incr', path: '/n', value: 5 },
      { op: 'incr', path: '/inner/fresh', value: 1 },
      { op: 'remove', path: '/inner/deep' },
    ]);
    expect(resource).toMatchObject({ state: 'new', tags: ['A', 'b', 'c', 'd'], n: 6, inner: { fresh: 1 } });
    expect(resource).not.toHaveProperty('inner.deep');
  });

  it('holds back when its condition does not', async () => {
    await container.items.create(thing('condition', 1, { state: 'running' }));
    const patch = (state: string, value: string): Promise<unknown> =>
      container.item('t1', 'condition').patch({
        condition: `FROM c WHERE c.state = '${state}'`,
        operations: [{ op: 'set', path: '/state', value }],
      });
    await patch('running', 'paused');
    await expect(patch('running', 'ended')).rejects.toMatchObject({ code: 412 });
    expect((await container.item('t1', 'condition').read<Thing>()).resource?.state).toBe('paused');
  });

  it('is refused as a whole when one operation leads nowhere', async () => {
    await container.items.create(thing('nowhere', 1));
    await expect(
      container.item('t1', 'nowhere').patch([
        { op: 'set', path: '/n', value: 9 },
        { op: 'set', path: '/missing/deep', value: 1 },
      ]),
    ).rejects.toMatchObject({ code: 400 });
    expect((await container.item('t1', 'nowhere').read<Thing>()).resource?.n).toBe(1);
  });
});

describe('a transactional batch', () => {
  it('writes all of its operations', async () => {
    await container.items.create(thing('batch', 1));
    await container.items.create(thing('batch', 2));
    const { result, code } = await container.items.batch(
      [
        { operationType: 'Create', resourceBody: { ...thing('batch', 3) } },
        { operationType: 'Upsert', resourceBody: { ...thing('batch', 1, { state: 'up' }) } },
        { operationType: 'Patch', id: 't3', resourceBody: [{ op: 'incr', path: '/n', value: 10 }] },
        { operationType: 'Read', id: 't3' },
        { operationType: 'Delete', id: 't2' },
      ],
      'batch',
    );
    expect(code).toBe(200);
    expect(result?.map((each) => each.statusCode)).toEqual([201, 200, 200, 200, 204]);
    expect(result?.[3]?.resourceBody).toMatchObject({ id: 't3', n: 13 });
    expect((await container.item('t2', 'batch').read()).statusCode).toBe(404);
  });

  it('writes nothing when one of them fails, and says which', async () => {
    await container.items.create(thing('rollback', 1));
    const { result, code } = await container.items.batch(
      [
        { operationType: 'Create', resourceBody: { ...thing('rollback', 2) } },
        { operationType: 'Delete', id: 't1' },
        { operationType: 'Replace', id: 't9', resourceBody: { ...thing('rollback', 9) } },
      ],
      'rollback',
    );
    expect(code).toBe(207);
    expect(result?.map((each) => each.statusCode)).toEqual([424, 424, 404]);
    expect((await container.item('t1', 'rollback').read()).statusCode).toBe(200);
    expect((await container.item('t2', 'rollback').read()).statusCode).toBe(404);
  });

  it('honours the ETags of its operations', async () => {
    const { etag } = await container.items.create(thing('batch-etag', 1));
    const replace = (n: number, ifMatch: string) =>
      container.items.batch(
        [{ operationType: 'Replace', id: 't1', resourceBody: { ...thing('batch-etag', n), id: 't1' }, ifMatch }],
        'batch-etag',
      );
    expect((await replace(2, etag)).result?.[0]?.statusCode).toBe(200);
    expect((await replace(3, etag)).result?.[0]?.statusCode).toBe(412);
  });
});

it('bulk operations stand each for itself, over many partitions', async () => {
  const results = await container.items.executeBulkOperations([
    ...Array.from({ length: 20 }, (_, n) => ({
      operationType: 'Create' as const,
      partitionKey: `bulk-${n % 3}`,
      resourceBody: { ...thing(`bulk-${n % 3}`, n) },
    })),
    { operationType: 'Create', partitionKey: 'bulk-0', resourceBody: { ...thing('bulk-0', 0) } },
  ]);
  expect(results.filter((result) => result.response?.statusCode === 201)).toHaveLength(20);
  expect(results.at(-1)?.error?.code).toBe(409);
});

it('unique keys hold within a partition and are free again after a delete', async () => {
  const { container: unique } = await database.containers.create({
    id: 'unique',
    partitionKey: '/build',
    uniqueKeyPolicy: { uniqueKeys: [{ paths: ['/state', '/n'] }] },
  });
  await unique.items.create({ id: '1', build: 'a', state: 's', n: 1 });
  await expect(unique.items.create({ id: '2', build: 'a', state: 's', n: 1 })).rejects.toMatchObject({ code: 409 });
  await unique.items.create({ id: '2', build: 'b', state: 's', n: 1 });
  await unique.items.create({ id: '3', build: 'a', state: 's', n: 2 });
  await expect(unique.item('3', 'a').patch([{ op: 'set', path: '/n', value: 1 }])).rejects.toMatchObject({ code: 409 });
  await unique.item('1', 'a').delete();
  await unique.item('3', 'a').patch([{ op: 'set', path: '/n', value: 1 }]);
});

describe('hierarchical partition keys', () => {
  it('address an item with all levels and a query with a prefix of them', async () => {
    const { container: nested } = await database.containers.create({
      id: 'nested',
      partitionKey: { paths: ['/region', '/server'], kind: PartitionKeyKind.MultiHash, version: 2 },
    });
    await nested.items.create({ id: '1', region: 'eu', server: 'a' });
    await nested.items.create({ id: '1', region: 'eu', server: 'b' });
    await nested.items.create({ id: '1', region: 'us', server: 'a' });
    expect((await nested.item('1', ['eu', 'b']).read<{ server: string }>()).resource?.server).toBe('b');
    const { resources } = await nested.items.query('SELECT * FROM c', { partitionKey: ['eu'] }).fetchAll();
    expect(resources).toHaveLength(2);
  });
});

describe('the change feed', () => {
  const read = async (iterator: ChangeFeedPullModelIterator<Thing>): Promise<[string, number][][]> => {
    const pages: [string, number][][] = [];
    for (;;) {
      const page = await iterator.readNext();
      if (page.statusCode === 304) return pages;
      pages.push(page.result.map(({ id, n }) => [id, n]));
    }
  };

  it('shows one partition in the order of its writes, the latest version of each item', async () => {
    for (const n of [1, 2, 3]) await container.items.create(thing('feed', n));
    await container.items.create(thing('feed-other', 1));
    await container.item('t1', 'feed').patch([{ op: 'set', path: '/n', value: 10 }]);
    const feed = container.items.getChangeFeedIterator<Thing>({
      changeFeedStartFrom: ChangeFeedStartFrom.Beginning('feed'),
      maxItemCount: 2,
    });
    expect(await read(feed)).toEqual([
      [
        ['t2', 2],
        ['t3', 3],
      ],
      [['t1', 10]],
    ]);
  });

  it('goes on where it stopped, in another process too', async () => {
    await container.items.create(thing('resume', 1));
    const first = container.items.getChangeFeedIterator<Thing>({
      changeFeedStartFrom: ChangeFeedStartFrom.Beginning('resume'),
    });
    const { continuationToken } = await first.readNext();
    const resume = () =>
      container.items.getChangeFeedIterator<Thing>({
        changeFeedStartFrom: ChangeFeedStartFrom.Continuation(continuationToken),
      });
    expect(await read(resume())).toEqual([]);
    await container.items.create(thing('resume', 2));
    expect(await read(resume())).toEqual([[['t2', 2]]]);
    expect(await read(first)).toEqual([[['t2', 2]]]);
  });

  it('can begin now, and read the whole container', async () => {
    const { container: whole } = await database.containers.create({ id: 'whole', partitionKey: '/build' });
    await whole.items.create(thing('x', 1));
    const fromNow = whole.items.getChangeFeedIterator<Thing>({ changeFeedStartFrom: ChangeFeedStartFrom.Now() });
    expect(await read(fromNow)).toEqual([]);
    await whole.items.create(thing('y', 2));
    expect(await read(fromNow)).toEqual([[['t2', 2]]]);
    const all = whole.items.getChangeFeedIterator<Thing>({ changeFeedStartFrom: ChangeFeedStartFrom.Beginning() });
    expect((await read(all)).flat()).toEqual([
      ['t1', 1],
      ['t2', 2],
    ]);
  });
});

describe('queries', () => {
  const query = async (text: string, parameters: Record<string, string | number | string[]> = {}) =>
    (
      await container.items
        .query<Thing>(
          { query: text, parameters: Object.entries(parameters).map(([name, value]) => ({ name, value })) },
          { partitionKey: 'queries' },
        )
        .fetchAll()
    ).resources;

  beforeAll(async () => {
    const states = ['queued', 'running', 'done'];
    for (let n = 1; n <= 9; n += 1) {
      await container.items.create(thing('queries', n, { state: states[n % 3], tags: [`tag${n % 2}`, 'all'] }));
    }
    await container.items.create(thing('queries-other', 1));
  });

  it('filter by parameters', async () => {
    const found = await query('SELECT * FROM c WHERE c.state = @state AND c.n > @n', { '@state': 'done', '@n': 3 });
    expect(idsOf(found)).toEqual(['t5', 't8']);
  });

  it('project, order and take a part', async () => {
    expect(await query('SELECT c.id, c.n AS number FROM c ORDER BY c.n DESC OFFSET 1 LIMIT 2')).toEqual([
      { id: 't8', number: 8 },
      { id: 't7', number: 7 },
    ]);
    expect(await query('SELECT TOP 2 VALUE c.n FROM c ORDER BY c.n')).toEqual([1, 2]);
    expect(await query('SELECT DISTINCT VALUE c.state FROM c')).toHaveLength(3);
  });

  it('join the elements of an array', async () => {
    const found = await query("SELECT c.id, t AS tag FROM c JOIN t IN c.tags WHERE t = 'tag0' AND c.n < 5");
    expect(found).toEqual([
      { id: 't2', tag: 'tag0' },
      { id: 't4', tag: 'tag0' },
    ]);
  });

  it('aggregate', async () => {
    expect(await query('SELECT VALUE COUNT(1) FROM c')).toEqual([9]);
    expect(await query('SELECT VALUE SUM(c.n) FROM c WHERE c.n < 4')).toEqual([6]);
    const groups = await query('SELECT c.state, COUNT(1) AS count, MAX(c.n) AS highest FROM c GROUP BY c.state');
    expect(groups).toContainEqual({ state: 'done', count: 3, highest: 8 });
    expect(groups).toHaveLength(3);
  });

  it('are read page by page, and continued by token', async () => {
    for (const text of ['SELECT * FROM c', 'SELECT * FROM c ORDER BY c.state, c.n DESC']) {
      const whole = idsOf(await query(text));
      const paged: string[] = [];
      let continuationToken: string | undefined;
      do {
        const iterator = container.items.query<Thing>(text, {
          partitionKey: 'queries',
          maxItemCount: 4,
          continuationToken,
        });
        const page = await iterator.fetchNext();
        expect(page.resources.length).toBeLessThanOrEqual(4);
        paged.push(...idsOf(page.resources));
        ({ continuationToken } = page);
      } while (continuationToken !== undefined);
      expect(paged).toEqual(whole);
      expect(new Set(paged).size).toBe(9);
    }
  });

  it('cross partitions when no key is given', async () => {
    const { resources } = await container.items
      .query<Thing>("SELECT * FROM c WHERE STARTSWITH(c.build, 'queries')")
      .fetchAll();
    expect(resources).toHaveLength(10);
    expect((await container.items.readAll<Thing>({ partitionKey: 'queries' }).fetchAll()).resources).toHaveLength(9);
  });

  it('are refused when they are not understood, naming the place', async () => {
    await expect(query('SELECT * FROM c WHERE c.n >')).rejects.toMatchObject({ code: 400 });
    await expect(query('SELECT * FROM c WHERE x.n = 1')).rejects.toMatchObject({ code: 400 });
    await expect(query('SELECT * FROM c WHERE NO_SUCH(c.n)')).rejects.toMatchObject({ code: 400 });
  });
});

describe('a different key', () => {
  it('opens nothing', async () => {
    const { endpoint = '' } = outside.endpoint === undefined ? { endpoint: await client.getWriteEndpoint() } : outside;
    const stranger = new CosmosClient({ endpoint, key: Buffer.from('wrong key').toString('base64') });
    await expect(stranger.database(database.id).read()).rejects.toMatchObject({ code: 401 });
    stranger.dispose();
  });
});
