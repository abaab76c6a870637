import { BlobServiceClient } from '@azure/storage-blob';
import { CosmosClient } from '@azure/cosmos';
import { buildSync } from 'esbuild';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { startBlobs } from '../../../local/blobs/start';
import { startDocuments } from '../../../local/documents/start';

/** Starts both stores, writes through the SDKs as fast as it can, and reports every write that was acknowledged. */
const writer = `
  import { CosmosClient } from '@azure/cosmos';
  import { BlobServiceClient } from '@azure/storage-blob';
  import { startBlobs } from './local/blobs/start';
  import { startDocuments } from './local/documents/start';
  const folder = process.argv.at(-1);
  const run = async () => {
    const documents = await startDocuments({ port: 0, stateFolder: folder });
    const blobs = await startBlobs({ port: 0, stateFolder: folder });
    const cosmos = new CosmosClient({ endpoint: documents.endpoint, key: documents.key });
    const { database } = await cosmos.databases.createIfNotExists({ id: 'd' });
    const { container } = await database.containers.createIfNotExists({ id: 'c', partitionKey: '/id' });
    const logs = BlobServiceClient.fromConnectionString(blobs.connectionString).getContainerClient('logs');
    await logs.createIfNotExists();
    await container.items.upsert({ id: 'counter', n: 0 });
    const forever = async (write) => { for (let n = 1; ; n += 1) process.send(await write(n)); };
    void forever(async (n) => { await container.items.create({ id: String(n) }); return { document: String(n) }; });
    void forever(async (n) => { await container.item('counter', 'counter').patch([{ op: 'incr', path: '/n', value: 1 }]); return { count: n }; });
    void forever(async (n) => { await logs.getBlockBlobClient(String(n)).upload('text ' + n, 5 + String(n).length); return { blob: String(n) }; });
  };
  void run();
`;
const acknowledgement = z.union([
  z.object({ document: z.string() }),
  z.object({ count: z.number() }),
  z.object({ blob: z.string() }),
]);

it('what was acknowledged before a kill -9 is there after it', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'kill-'));
  const root = resolve(__dirname, '../../..');
  const program = buildSync({
    stdin: { contents: writer, resolveDir: root, loader: 'ts' },
    bundle: true,
    write: false,
    platform: 'node',
    packages: 'external',
  }).outputFiles[0]?.text;
  const child = spawn(process.execPath, ['-e', program ?? '', folder], {
    cwd: root,
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  const acknowledged: z.infer<typeof acknowledgement>[] = [];
  child.on('message', (message) => {
    acknowledged.push(acknowledgement.parse(message));
    if (acknowledged.length === 600) child.kill('SIGKILL');
  });
  await new Promise((ended) => child.once('close', ended));
  expect(acknowledged.length).toBeGreaterThanOrEqual(600);

  const documents = await startDocuments({ port: 0, stateFolder: folder });
  const blobs = await startBlobs({ port: 0, stateFolder: folder });
  const cosmos = new CosmosClient({ endpoint: documents.endpoint, key: documents.key });
  const container = cosmos.database('d').container('c');
  const logs = BlobServiceClient.fromConnectionString(blobs.connectionString).getContainerClient('logs');
  const ids = new Set((await container.items.query<string>('SELECT VALUE c.id FROM c').fetchAll()).resources);
  const counter = (await container.item('counter', 'counter').read<{ n: number }>()).resource?.n;
  for (const each of acknowledged) {
    if ('document' in each) expect(ids).toContain(each.document);
    else if ('count' in each) expect(counter).toBeGreaterThanOrEqual(each.count);
    else expect((await logs.getBlobClient(each.blob).downloadToBuffer()).toString()).toBe(`text ${each.blob}`);
  }
  cosmos.dispose();
  await Promise.all([documents.stop(), blobs.stop()]);
  rmSync(folder, { recursive: true });
});
