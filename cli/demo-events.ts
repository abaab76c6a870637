import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { launchCloud, type LaunchedCloud } from '../local/launcher/launch';
import { launchOptionsSchema } from '../local/launcher/options';
import { messageOf } from '../lib/platform/errors';
import { createApiClient } from './api-client';
import { createEventsDemo } from './demo/events-demo';

/** `npm run demo:events`: what happens in Azure starts the right thing, and what is forged starts nothing. Leaves nothing behind. */
async function main(): Promise<void> {
  const state = mkdtempSync(join(tmpdir(), 'sqlfleet-demo-events-'));
  let cloud: LaunchedCloud | undefined;
  const clean = async (): Promise<void> => {
    await cloud?.stop();
    rmSync(state, { recursive: true, force: true });
  };
  process.once('SIGINT', () => void clean().finally(() => process.exit(130)));
  try {
    console.log('Starting the embedded cloud, Event Grid included ...');
    cloud = await launchCloud(launchOptionsSchema.parse({ state, 'free-ports': true, servers: 2, databases: 3 }));
    const { endpoints } = cloud;
    await createEventsDemo({ endpoints, api: createApiClient(endpoints.http), say: (text) => console.log(text) }).run();
  } finally {
    await clean();
  }
  console.log('\nEverything was as it was said. docs/events.md tells how to set it up in Azure.');
}

main().catch((error: unknown) => {
  console.error(`\nThe demo failed: ${messageOf(error)}`);
  process.exitCode = 1;
});
