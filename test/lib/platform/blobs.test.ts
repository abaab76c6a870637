import { BlobServiceClient } from '@azure/storage-blob';
import { createBlobStore, type BlobStore } from '../../../lib/platform/blobs';
import { startBlobs, type Blobs } from '../../../local/blobs/start';

let blobs: Blobs;
let store: BlobStore;
let missing: BlobStore;

beforeAll(async () => {
  blobs = await startBlobs({ port: 0, stateFolder: null });
  const client = BlobServiceClient.fromConnectionString(blobs.connectionString);
  await client.getContainerClient('logs').create();
  store = createBlobStore(client.getContainerClient('logs'));
  missing = createBlobStore(client.getContainerClient('missing'));
});
afterAll(() => blobs.stop());

describe('a blob store', () => {
  it('answers null for a blob that is not there', async () => {
    expect(await store.get('nothing')).toBeNull();
    expect(await store.open('nothing')).toBeNull();
  });

  it('says that its container is missing, instead of taking that for a missing blob', async () => {
    await expect(missing.get('any')).rejects.toMatchObject({ code: 'blobs.missing' });
    await expect(missing.open('any')).rejects.toMatchObject({ code: 'blobs.missing' });
  });

  it('keeps the first content of a name that identifies it', async () => {
    await store.putOnce('hash', 'first', 'text/plain');
    await store.putOnce('hash', 'second', 'text/plain');
    expect((await store.get('hash'))?.toString()).toBe('first');
  });

  it('writes and reads as streams', async () => {
    const chunks = (async function* () {
      for (let at = 0; at < 3; at += 1) yield 'x'.repeat(700_000);
    })();
    await store.putStream('large', chunks, 'text/plain');
    const opened = await store.open('large');
    expect(opened).toMatchObject({ contentType: 'text/plain', length: 2_100_000 });
    let length = 0;
    for await (const chunk of opened?.stream ?? []) length += chunk.length;
    expect(length).toBe(2_100_000);
  });

  it('says that it may be tried again when the service is out of order', async () => {
    blobs.faults.add({ operation: 'putBlob', status: 409, code: 'OperationTimedOut' });
    await expect(store.put('a', 'a', 'text/plain')).rejects.toMatchObject({
      code: 'blobs.unavailable',
      retry: { kind: 'backoff' },
    });
  });
});
