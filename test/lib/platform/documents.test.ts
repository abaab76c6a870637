import { z } from 'zod';
import { startTestDocuments, type TestDocuments } from '../../support/documents';

const schema = z.object({ id: z.string(), buildId: z.string(), n: z.number(), supersededBy: z.number().optional() });

describe('a document store', () => {
  let documents: TestDocuments;
  beforeAll(async () => {
    documents = await startTestDocuments();
  });
  afterAll(() => documents.stop());

  const document = (id: string, n = 1, buildId = 'b') => ({ id, buildId, n });

  it('creates a document once', async () => {
    const store = documents.store('outcomes');
    expect(await store.create('b', document('once'))).toBe('created');
    expect(await store.create('b', document('once', 2))).toBe('exists');
    expect((await store.read('b', 'once', schema))?.value.n).toBe(1);
  });

  it('answers null for a document that is not there', async () => {
    expect(await documents.store('outcomes').read('b', 'nowhere', schema)).toBeNull();
  });

  it('replaces only the version that was read', async () => {
    const store = documents.store('builds');
    await store.create('b', document('versioned'));
    const read = await store.read('b', 'versioned', schema);
    const etag = read?.etag ?? '';
    expect(await store.replace('b', document('versioned', 2), etag)).toBe('replaced');
    expect(await store.replace('b', document('versioned', 3), etag)).toBe('changed');
    expect((await store.read('b', 'versioned', schema))?.value.n).toBe(2);
  });

  it('sets single fields', async () => {
    const store = documents.store('outcomes');
    await store.create('b', document('patched'));
    expect(await store.patch('b', 'patched', { supersededBy: 2 })).toBe('patched');
    expect(await store.patch('b', 'not there', { supersededBy: 2 })).toBe('missing');
    expect((await store.read('b', 'patched', schema))?.value).toMatchObject({ n: 1, supersededBy: 2 });
  });

  it('deletes only the version that was read, where one is named', async () => {
    const store = documents.store('builds');
    await store.create('b', document('deleted'));
    const etag = (await store.read('b', 'deleted', schema))?.etag ?? '';
    await store.replace('b', document('deleted', 2), etag);
    expect(await store.delete('b', 'deleted', etag)).toBe('changed');
    expect(await store.delete('b', 'deleted')).toBe('deleted');
    expect(await store.delete('b', 'deleted')).toBe('missing');
  });

  it('reads a query page by page, in one partition or over all', async () => {
    const store = documents.store('outcomes');
    for (let n = 0; n < 25; n += 1) await store.create('paged', document(`p${n}`, n, 'paged'));
    const seen: number[] = [];
    let continuation: string | null = null;
    let pages = 0;
    do {
      const page: { items: z.infer<typeof schema>[]; continuation: string | null } = await store.query(
        { text: 'SELECT * FROM c WHERE c.n >= @from ORDER BY c.n', parameters: { from: 5 } },
        schema,
        { partitionKey: 'paged', pageSize: 10, continuation },
      );
      seen.push(...page.items.map(({ n }) => n));
      continuation = page.continuation;
      pages += 1;
    } while (continuation !== null);
    expect(seen).toEqual(Array.from({ length: 20 }, (_, index) => index + 5));
    expect(pages).toBeGreaterThanOrEqual(2);
    const over = await store.query({ text: "SELECT * FROM c WHERE c.id = 'p7'" }, schema, { pageSize: 10 });
    expect(over.items.map(({ n }) => n)).toEqual([7]);
  });

  it.each(['nonsense', '{"container":"elsewhere"}', 'a\u0000\nb', '🎉', 'x'.repeat(200)])(
    'takes a continuation that it never gave for the mistake of the caller: %j',
    async (continuation) => {
      const query = { text: 'SELECT * FROM c ORDER BY c.n' };
      const page = documents.store('outcomes').query(query, schema, { partitionKey: 'b', pageSize: 10, continuation });
      await expect(page).rejects.toMatchObject({ code: 'request.continuation', status: 400 });
    },
  );

  it('tells what changed in a partition since the last time, each document once', async () => {
    const store = documents.store('outcomes');
    const first = await store.changes('feed', schema, { continuation: null, pageSize: 100 });
    expect(first.items).toEqual([]);
    for (let n = 0; n < 5; n += 1) await store.create('feed', document(`f${n}`, n, 'feed'));
    await store.create('elsewhere', document('other', 1, 'elsewhere'));
    const second = await store.changes('feed', schema, { continuation: first.continuation, pageSize: 3 });
    const third = await store.changes('feed', schema, { continuation: second.continuation, pageSize: 3 });
    const fourth = await store.changes('feed', schema, { continuation: third.continuation, pageSize: 3 });
    expect([second, third, fourth].map(({ items }) => items.map(({ n }) => n))).toEqual([[0, 1, 2], [3, 4], []]);
    expect(fourth.more).toBe(false);
    await store.patch('feed', 'f1', { supersededBy: 9 });
    const fifth = await store.changes('feed', schema, { continuation: fourth.continuation, pageSize: 3 });
    expect(fifth.items.map(({ n }) => n)).toEqual([1]);
  });

  it('says which field of a document is not as expected', async () => {
    const store = documents.store('outcomes');
    await store.create('b', document('malformed'));
    const other = z.object({ id: z.string(), status: z.string() });
    await expect(store.read('b', 'malformed', other)).rejects.toMatchObject({ code: 'documents.malformed' });
  });
});
