import { ChangeFeedStartFrom, CosmosClient, type Container } from '@azure/cosmos';
import { mkdtempSync, readFileSync, rmSync, statSync, truncateSync } from 'node:fs';
import { Agent } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensureCertificates } from '../../../local/certificates/certificates';
import { startDocuments, type Documents, type DocumentsOptions } from '../../../local/documents/start';
import { startIdentity } from '../../../local/identity/start';

let folder: string;
let nowMs: number;
let documents: Documents;
let client: CosmosClient;
const clock = { nowMs: () => nowMs, sleep: () => Promise.resolve() };

const open = async (options: Partial<DocumentsOptions> = {}): Promise<Container> => {
  documents = await startDocuments({ port: 0, stateFolder: folder, clock, ...options });
  client = new CosmosClient({ endpoint: documents.endpoint, key: documents.key });
  const { database } = await client.databases.createIfNotExists({ id: 'fleet' });
  const { container } = await database.containers.createIfNotExists({
    id: 'outcomes',
    partitionKey: '/build',
    defaultTtl: -1,
    uniqueKeyPolicy: { uniqueKeys: [{ paths: ['/name'] }] },
  });
  return container;
};
const close = async (): Promise<void> => {
  client.dispose();
  await documents.stop();
};
const feedOf = async (container: Container, continuation: string | null): Promise<[ids: string[], token: string]> => {
  const changeFeedStartFrom =
    continuation === null ? ChangeFeedStartFrom.Beginning('b') : ChangeFeedStartFrom.Continuation(continuation);
  const page = await container.items.getChangeFeedIterator<{ id: string }>({ changeFeedStartFrom }).readNext();
  return [page.statusCode === 304 ? [] : page.result.map(({ id }) => id), page.continuationToken];
};
const add = (container: Container, id: string, more = {}) =>
  container.items.create({ id, build: 'b', name: id, ...more });

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'documents-'));
  nowMs = 1_800_000_000_000;
});
afterEach(async () => {
  await close();
  rmSync(folder, { recursive: true });
});

describe('after a restart', () => {
  it('has every item in its latest version, with the same ETag, order and feed position', async () => {
    const before = await open();
    for (const id of ['1', '2', '3', '4']) await add(before, id);
    const [, position] = await feedOf(before, null);
    await before.item('1', 'b').patch([{ op: 'set', path: '/state', value: 'changed' }]);
    await before.item('2', 'b').delete();
    const { etag } = await before.item('1', 'b').read();
    await close();

    const after = await open();
    expect((await after.item('1', 'b').read()).etag).toBe(etag);
    const { resources } = await after.items.query<string>('SELECT VALUE c.id FROM c').fetchAll();
    expect(resources).toEqual(['1', '3', '4']);
    expect((await feedOf(after, position))[0]).toEqual(['1']);
    await expect(add(after, '5', { name: '3' })).rejects.toMatchObject({ code: 409 });
    await add(after, '2');
    expect((await feedOf(after, position))[0]).toEqual(['1', '2']);
  });

  it('does not give versions of a deleted item to a new one', async () => {
    const before = await open();
    const { etag } = await add(before, '1');
    await before.item('1', 'b').delete();
    await close();
    await (await open()).items.readAll().fetchAll();
    await close();
    const after = await open();
    expect((await add(after, '1')).etag).not.toBe(etag);
  });

  it('has dropped what superseded versions took up', async () => {
    const before = await open();
    await add(before, '1');
    for (let n = 0; n < 50; n += 1) await before.item('1', 'b').patch([{ op: 'incr', path: '/n', value: 1 }]);
    await close();
    const file = join(folder, 'documents.jsonl');
    const grown = statSync(file).size;
    const after = await open();
    expect(statSync(file).size).toBeLessThan(grown / 10);
    expect((await after.item('1', 'b').read<{ n: number }>()).resource?.n).toBe(50);
  });

  it('has nothing of a batch that a kill cut off in mid-write', async () => {
    const before = await open();
    const batch = ['1', '2'].map((id) => ({
      operationType: 'Create' as const,
      resourceBody: { id, build: 'b', name: id },
    }));
    await before.items.batch(batch, 'b');
    await close();
    const file = join(folder, 'documents.jsonl');
    truncateSync(file, statSync(file).size - 5);
    const after = await open();
    expect((await after.items.readAll().fetchAll()).resources).toEqual([]);
  });
});

it('items disappear when their time to live is over, and make room for new ones', async () => {
  const container = await open();
  await add(container, 'short', { ttl: 10 });
  await add(container, 'long', { ttl: 100 });
  await add(container, 'for ever');
  nowMs += 11_000;
  expect((await container.item('short', 'b').read()).statusCode).toBe(404);
  expect((await container.items.query<string>('SELECT VALUE c.id FROM c').fetchAll()).resources).toEqual([
    'long',
    'for ever',
  ]);
  expect((await feedOf(container, null))[0]).toEqual(['long', 'for ever']);
  await add(container, 'another', { name: 'short' });
  await expect(add(container, 'third', { name: 'short' })).rejects.toMatchObject({ code: 409 });
});

it('goes on with a sorted query where it stopped, whatever was written or expired in between', async () => {
  const container = await open();
  for (const id of ['b', 'd', 'f', 'h']) await add(container, id, { ttl: id === 'f' ? 10 : 1000 });
  const page = (continuationToken?: string) =>
    container.items
      .query<string>('SELECT VALUE c.id FROM c ORDER BY c.id', {
        partitionKey: 'b',
        maxItemCount: 2,
        continuationToken,
      })
      .fetchNext();
  const first = await page();
  expect(first.resources).toEqual(['b', 'd']);
  expect((await page(first.continuationToken)).resources).toEqual(['f', 'h']);
  await add(container, 'c');
  await add(container, 'e');
  expect((await page(first.continuationToken)).resources).toEqual(['e', 'f']);
  nowMs += 11_000;
  expect((await page(first.continuationToken)).resources).toEqual(['e', 'h']);
  await container.item('h', 'b').delete();
  expect((await page(first.continuationToken)).resources).toEqual(['e']);
});

it('throttles when asked to, and the SDK waits and tries again', async () => {
  const container = await open();
  documents.faults.add({ operation: 'createItem', path: 'outcomes', status: 429, times: 2, retryAfterMs: 1 });
  const { headers } = await add(container, '1');
  expect(headers['x-ms-throttle-retry-count']).toBe(2);
  expect(documents.faults.waiting()).toEqual([]);
});

it('can lose the answer to a write that took effect', async () => {
  const container = await open();
  documents.faults.add({ operation: 'patchItem', drop: 'after' });
  await add(container, '1', { n: 0 });
  await container
    .item('1', 'b')
    .patch([{ op: 'incr', path: '/n', value: 1 }])
    .catch(() => undefined);
  expect((await container.item('1', 'b').read<{ n: number }>()).resource?.n).toBeGreaterThan(0);
});

it('counts the writes and reads of each container', async () => {
  const container = await open();
  documents.resetCounters();
  await add(container, '1');
  await add(container, '1').catch(() => undefined);
  await container.item('1', 'b').read();
  await container.items.batch([{ operationType: 'Upsert', resourceBody: { id: '2', build: 'b', name: '2' } }], 'b');
  expect(documents.counters()).toEqual({
    'fleet/outcomes': { writes: 2, reads: 1, requests: { createItem: 2, readItem: 1, batch: 1 } },
  });
});

it('names the calls that it does not support', async () => {
  const container = await open();
  await expect(container.scripts.storedProcedures.create({ id: 's', body: '' })).rejects.toMatchObject({
    code: 501,
    body: { code: 'NotImplemented' },
  });
});

it('accepts Entra tokens for this account inside TLS', async () => {
  const certificates = await ensureCertificates(join(folder, 'certificates'), ['localhost'], new Date());
  const identity = await startIdentity({ port: 0, stateFolder: null, clock });
  await open({ tls: certificates, verifyToken: identity.verifyToken });
  const token = (audience: string) => ({
    getToken: () => Promise.resolve({ token: identity.issueToken(audience), expiresOnTimestamp: Date.now() + 60_000 }),
  });
  const agent = new Agent({ ca: readFileSync(certificates.caFile) });
  const clientWith = (audience: string) =>
    new CosmosClient({ endpoint: documents.secureEndpoint, aadCredentials: token(audience), agent });
  const allowed = clientWith(documents.secureEndpoint);
  expect((await allowed.database('fleet').container('outcomes').items.create({ id: '1', build: 'b' })).statusCode).toBe(
    201,
  );
  const elsewhere = clientWith('https://vault.azure.net');
  await expect(elsewhere.database('fleet').read()).rejects.toMatchObject({ code: 401 });
  allowed.dispose();
  elsewhere.dispose();
  await identity.stop();
});
