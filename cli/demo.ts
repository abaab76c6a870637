import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { launchCloud, type LaunchedCloud } from '../local/launcher/launch';
import { launchOptionsSchema } from '../local/launcher/options';
import { messageOf } from '../lib/platform/errors';
import { createApiClient, type UploadedFile } from './api-client';
import { createDemo } from './demo/demo';
import { type Output } from './demo/progress-bar';

/** `npm run demo`: the main job on the embedded cloud, start to end; leaves nothing behind. */
async function main(): Promise<void> {
  const output: Output = {
    write: (text) => void process.stdout.write(text),
    isTerminal: process.stdout.isTTY,
    columns: process.stdout.columns || 120,
  };
  const state = mkdtempSync(join(tmpdir(), 'sqlfleet-demo-'));
  let cloud: LaunchedCloud | undefined;
  const clean = async (): Promise<void> => {
    await cloud?.stop();
    rmSync(state, { recursive: true, force: true });
  };
  process.once('SIGINT', () => void clean().finally(() => process.exit(130)));
  try {
    output.write(
      'Starting the embedded cloud: Functions host, Durable, Service Bus, Event Hubs, Cosmos DB, blobs, SQL ...\n',
    );
    const options = launchOptionsSchema.parse({ state, 'free-ports': true, servers: 2, databases: 20 });
    cloud = await launchCloud(options);
    const demo = createDemo({
      api: createApiClient(cloud.endpoints.http),
      endpoints: cloud.endpoints,
      output,
      nowMs: () => Date.now(),
      readPackage: readExample,
    });
    await demo.run(cloud.startMs);
  } finally {
    await clean();
  }
  output.write(
    '\nEverything that was started is gone. To keep a cloud running and build your own packages: npm start\n',
  );
}

function readExample(name: string): UploadedFile[] {
  const folder = join('examples', name);
  return readdirSync(folder)
    .filter((file) => file.endsWith('.sql'))
    .map((file) => ({ name: basename(file), bytes: readFileSync(join(folder, file)) }));
}

main().catch((error: unknown) => {
  console.error(`\nThe demo failed: ${messageOf(error)}`);
  process.exitCode = 1;
});
