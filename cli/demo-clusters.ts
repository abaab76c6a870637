import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { messageOf } from '../lib/platform/errors';
import { launchCloud, type LaunchedCloud } from '../local/launcher/launch';
import { launchOptionsSchema } from '../local/launcher/options';
import { createApiClient } from './api-client';
import { createClusterDemo } from './demo/clusters';
import { startWorkerProcess, type WorkerProcess } from './demo/worker-process';

/** `npm run demo:clusters`: build clusters on the embedded cloud, start to end; leaves nothing behind. */
async function main(): Promise<void> {
  const say = (text: string): void => void process.stdout.write(`${text}\n`);
  const state = mkdtempSync(join(tmpdir(), 'sqlfleet-demo-clusters-'));
  const workers: WorkerProcess[] = [];
  let cloud: LaunchedCloud | undefined;
  const clean = async (): Promise<void> => {
    for (const worker of workers) if (worker.process.exitCode === null) await worker.kill();
    await cloud?.stop();
    rmSync(state, { recursive: true, force: true });
  };
  process.once('SIGINT', () => void clean().finally(() => process.exit(130)));
  try {
    say('Starting the embedded cloud ...\n');
    cloud = await launchCloud(launchOptionsSchema.parse({ state, 'free-ports': true, servers: 2, databases: 12 }));
    const { endpoints } = cloud;
    const demo = createClusterDemo({
      api: createApiClient(endpoints.http),
      endpoints,
      say,
      keyFile: join(state, 'worker-key.json'),
      startWorker(name, keyFile) {
        const entry = join(__dirname, 'sqlfleet.js');
        const worker = startWorkerProcess({ entry, endpoints, cluster: 'contoso-east', keyFile, name, concurrency: 3 });
        workers.push(worker);
        return worker;
      },
    });
    await demo.run();
    say('\nAll of it was checked.');
  } finally {
    await clean();
  }
}

main().then(
  () => process.exit(0),
  (error: unknown) => {
    process.stderr.write(`\nThe demo failed: ${messageOf(error)}\n`);
    process.exit(1);
  },
);
