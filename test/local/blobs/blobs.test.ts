import { BlobServiceClient, type ContainerClient } from '@azure/storage-blob';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { emulatorAccount, startBlobs, type Blobs } from '../../../local/blobs/start';

/** Set it to run the contract against Azurite or Azure instead of the stand-in. */
const outside = process.env['SQLFLEET_TEST_BLOBS'];

let stop: () => Promise<void> = () => Promise.resolve();
let container: ContainerClient;

const upload = (name: string, text: string, conditions = {}): Promise<{ etag?: string }> =>
  container.getBlockBlobClient(name).upload(text, Buffer.byteLength(text), { conditions });
const download = async (name: string): Promise<string> =>
  (await container.getBlobClient(name).downloadToBuffer()).toString();

describe('blob storage, as the SDK uses it', () => {
  beforeAll(async () => {
    let connectionString = outside;
    if (connectionString === undefined) {
      const blobs = await startBlobs({ port: 0, stateFolder: null });
      stop = () => blobs.stop();
      ({ connectionString } = blobs);
    }
    container = BlobServiceClient.fromConnectionString(connectionString).getContainerClient(`contract-${Date.now()}`);
    await container.create();
  });
  afterAll(async () => {
    await container.delete();
    await stop();
  });

  it('creates a container once', async () => {
    expect((await container.createIfNotExists()).succeeded).toBe(false);
    expect(await container.exists()).toBe(true);
  });

  it('keeps content, type and metadata', async () => {
    await container.getBlockBlobClient('kept/ä b+c.txt').upload('text', 4, {
      blobHTTPHeaders: { blobContentType: 'text/plain', blobCacheControl: 'no-cache' },
      metadata: { origin: 'test' },
    });
    const properties = await container.getBlobClient('kept/ä b+c.txt').getProperties();
    expect(properties).toMatchObject({
      contentLength: 4,
      contentType: 'text/plain',
      cacheControl: 'no-cache',
      metadata: { origin: 'test' },
      blobType: 'BlockBlob',
    });
    expect(await download('kept/ä b+c.txt')).toBe('text');
  });

  it('changes metadata and content headers without touching the content', async () => {
    await upload('changed', 'same');
    await container.getBlobClient('changed').setMetadata({ step: '2' });
    await container.getBlobClient('changed').setHTTPHeaders({ blobContentType: 'application/json' });
    const properties = await container.getBlobClient('changed').getProperties();
    expect(properties).toMatchObject({ contentType: 'application/json', metadata: { step: '2' } });
    expect(await download('changed')).toBe('same');
  });

  it('puts staged blocks together in the order of the list', async () => {
    const chunks = [Buffer.alloc(700, 'a'), Buffer.alloc(700, 'b'), Buffer.alloc(100, 'c')];
    await container.getBlockBlobClient('streamed').uploadStream(Readable.from(chunks), 512, 2);
    expect(await download('streamed')).toBe('a'.repeat(700) + 'b'.repeat(700) + 'c'.repeat(100));
  });

  it('shows nothing of a staged blob before its list is committed', async () => {
    const id = Buffer.from('block').toString('base64');
    await container.getBlockBlobClient('staged').stageBlock(id, 'x', 1);
    expect(await container.getBlobClient('staged').exists()).toBe(false);
    await expect(
      container.getBlockBlobClient('staged').commitBlockList([Buffer.from('other').toString('base64')]),
    ).rejects.toMatchObject({ statusCode: 400, code: 'InvalidBlockList' });
    await container.getBlockBlobClient('staged').commitBlockList([id]);
    expect(await download('staged')).toBe('x');
  });

  it('reads ranges, also across blocks, and large blobs as a stream', async () => {
    const large = Buffer.alloc(3 * 1024 * 1024, 'abcdefg');
    await container.getBlockBlobClient('large').uploadStream(Readable.from([large]), 1024 * 1024, 1);
    const range = await container.getBlobClient('large').downloadToBuffer(1024 * 1024 - 2, 4);
    expect(range.equals(large.subarray(1024 * 1024 - 2, 1024 * 1024 + 2))).toBe(true);
    expect((await container.getBlobClient('large').downloadToBuffer()).equals(large)).toBe(true);
    await expect(container.getBlobClient('large').download(large.length + 1)).rejects.toMatchObject({
      statusCode: 416,
    });
  });

  it('keeps an empty blob', async () => {
    await upload('empty', '');
    expect((await container.getBlobClient('empty').getProperties()).contentLength).toBe(0);
  });

  it('honours conditions', async () => {
    const first = await upload('conditional', '1', { ifNoneMatch: '*' });
    await expect(upload('conditional', '2', { ifNoneMatch: '*' })).rejects.toMatchObject({
      statusCode: 409,
      code: 'BlobAlreadyExists',
    });
    await upload('conditional', '2', { ifMatch: first.etag });
    await expect(upload('conditional', '3', { ifMatch: first.etag })).rejects.toMatchObject({
      statusCode: 412,
      code: 'ConditionNotMet',
    });
    await expect(
      container.getBlobClient('conditional').delete({ conditions: { ifMatch: first.etag } }),
    ).rejects.toMatchObject({ statusCode: 412 });
    expect(await download('conditional')).toBe('2');
  });

  it('lets exactly one of several creators win', async () => {
    const creations = await Promise.allSettled(
      Array.from({ length: 8 }, (_, at) => upload('raced', String(at), { ifNoneMatch: '*' })),
    );
    expect(creations.filter((creation) => creation.status === 'fulfilled')).toHaveLength(1);
  });

  it('lists by prefix, page by page, and by hierarchy', async () => {
    for (const name of ['tree/a', 'tree/b/1', 'tree/b/2', 'tree/c', 'treehouse']) await upload(name, name);
    const flat: string[] = [];
    for await (const page of container.listBlobsFlat({ prefix: 'tree/' }).byPage({ maxPageSize: 3 })) {
      expect(page.segment.blobItems.length).toBeLessThanOrEqual(3);
      flat.push(...page.segment.blobItems.map((blob) => blob.name));
    }
    expect(flat).toEqual(['tree/a', 'tree/b/1', 'tree/b/2', 'tree/c']);

    const level: string[] = [];
    const pages = container.listBlobsByHierarchy('/', { prefix: 'tree/' }).byPage({ maxPageSize: 2 });
    for await (const page of pages) {
      level.push(...(page.segment.blobPrefixes ?? []).map((prefix) => prefix.name));
      level.push(...page.segment.blobItems.map((blob) => blob.name));
    }
    expect(level.sort()).toEqual(['tree/a', 'tree/b/', 'tree/c']);
  });

  it('lists a single blob with its properties', async () => {
    await container.getBlockBlobClient('alone/one').upload('12345', 5, { metadata: { n: '1' } });
    for await (const blob of container.listBlobsFlat({ prefix: 'alone/', includeMetadata: true })) {
      expect(blob).toMatchObject({ name: 'alone/one', metadata: { n: '1' }, properties: { contentLength: 5 } });
    }
  });

  it('says what is missing', async () => {
    await expect(container.getBlobClient('nowhere').download()).rejects.toMatchObject({
      statusCode: 404,
      code: 'BlobNotFound',
    });
    expect((await container.getBlobClient('nowhere').deleteIfExists()).succeeded).toBe(false);
  });
});

describe('the blob stand-in', () => {
  let folder: string;
  let blobs: Blobs;
  const open = async (): Promise<ContainerClient> => {
    blobs = await startBlobs({ port: 0, stateFolder: folder });
    return BlobServiceClient.fromConnectionString(blobs.connectionString).getContainerClient('state');
  };
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'blobs-'));
  });
  afterEach(async () => {
    await blobs.stop();
    rmSync(folder, { recursive: true });
  });

  it('has everything again after a restart, staged blocks included', async () => {
    const before = await open();
    await before.create();
    await before.getBlockBlobClient('whole').upload('old', 3);
    await before.getBlockBlobClient('whole').upload('new', 3, { metadata: { a: 'b' } });
    await before.getBlockBlobClient('gone').upload('x', 1);
    await before.getBlobClient('gone').delete();
    await before.getBlockBlobClient('half').stageBlock('MQ==', 'half', 4);
    const { etag } = await before.getBlobClient('whole').getProperties();
    await blobs.stop();

    const after = await open();
    const properties = await after.getBlobClient('whole').getProperties();
    expect(properties).toMatchObject({ etag, metadata: { a: 'b' } });
    expect((await after.getBlobClient('whole').downloadToBuffer()).toString()).toBe('new');
    expect(await after.getBlobClient('gone').exists()).toBe(false);
    await after.getBlockBlobClient('half').commitBlockList(['MQ==']);
    expect((await after.getBlobClient('half').downloadToBuffer()).toString()).toBe('half');
    expect(readdirSync(join(folder, 'content'))).toHaveLength(2);
  });

  it('refuses a wrong key', async () => {
    await (await open()).create();
    const wrong = blobs.connectionString.replace(emulatorAccount.key, Buffer.from('wrong').toString('base64'));
    await expect(
      BlobServiceClient.fromConnectionString(wrong).getContainerClient('state').create(),
    ).rejects.toMatchObject({
      statusCode: 403,
      code: 'AuthenticationFailed',
    });
  });

  it('grants what a shared access signature grants, for as long as it does', async () => {
    const owner = await open();
    await owner.create();
    await owner.getBlockBlobClient('shared').upload('secret', 6);
    const { BlobClient, BlobSASPermissions } = await import('@azure/storage-blob');
    const urlUntil = (expiresOn: Date): Promise<string> =>
      owner.getBlobClient('shared').generateSasUrl({ permissions: BlobSASPermissions.parse('r'), expiresOn });

    const reader = new BlobClient(await urlUntil(new Date(Date.now() + 60_000)));
    expect((await reader.downloadToBuffer()).toString()).toBe('secret');
    await expect(reader.delete()).rejects.toMatchObject({ statusCode: 403, code: 'AuthorizationPermissionMismatch' });
    const late = new BlobClient(await urlUntil(new Date(Date.now() - 60_000)));
    await expect(late.download()).rejects.toMatchObject({ statusCode: 403 });
  });

  it('refuses calls that it does not support, by name', async () => {
    const owner = await open();
    await owner.create();
    await owner.getBlockBlobClient('a').upload('a', 1);
    await expect(owner.getBlobClient('a').createSnapshot()).rejects.toMatchObject({
      statusCode: 501,
      code: 'NotImplemented',
    });
  });

  it('counts requests and injects faults', async () => {
    const owner = await open();
    await owner.create();
    blobs.resetCounters();
    blobs.faults.add({ operation: 'putBlob', status: 503, code: 'ServerBusy', retryAfterMs: 1 });
    await owner.getBlockBlobClient('a').upload('a', 1);
    expect(blobs.faults.waiting()).toEqual([]);
    expect(blobs.counters()).toEqual({ [owner.containerName]: { putBlob: 1 } });
  });
});
