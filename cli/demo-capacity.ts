import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { messageOf } from '../lib/platform/errors';
import { launchCloud, type LaunchedCloud } from '../local/launcher/launch';
import { launchOptionsSchema } from '../local/launcher/options';
import { createCapacityDemo, demoPolicy } from './demo/capacity-demo';

/** `npm run demo:capacity`: a region that never runs out of SQL servers, on the embedded cloud; leaves nothing behind. */
async function main(): Promise<void> {
  const state = mkdtempSync(join(tmpdir(), 'sqlfleet-capacity-'));
  let cloud: LaunchedCloud | undefined;
  const clean = async (): Promise<void> => {
    await cloud?.stop();
    rmSync(state, { recursive: true, force: true });
  };
  process.once('SIGINT', () => void clean().finally(() => process.exit(130)));
  // The same settings as in Azure, with thresholds that a handful of databases reach.
  process.env.SQLFLEET_CAPACITY_POLICY = JSON.stringify(demoPolicy);
  process.env.SQLFLEET_CAPACITY_SCHEDULE = '*/2 * * * * *';
  try {
    process.stdout.write('Starting the embedded cloud, with Azure Resource Manager ...\n');
    const options = launchOptionsSchema.parse({ state, 'free-ports': true, servers: 1, databases: 4 });
    cloud = await launchCloud(options, undefined, 'pipe');
    // The app's log lines are for Azure Monitor; here they would hide the story.
    cloud.process.stdout?.resume();
    cloud.process.stderr?.resume();
    const demo = createCapacityDemo({
      endpoints: cloud.endpoints,
      say: (text) => void process.stdout.write(`${text}\n`),
    });
    await demo.run();
  } finally {
    await clean();
  }
  process.stdout.write('\nEverything that was started is gone. How it decides: docs/capacity.md\n');
}

main().catch((error: unknown) => {
  console.error(`\nThe demo failed: ${messageOf(error)}`);
  process.exitCode = 1;
});
