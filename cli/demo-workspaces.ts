import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative, sep } from 'node:path';
import { type LooseFile } from '../lib/packages/pack-folder';
import { messageOf } from '../lib/platform/errors';
import { launchCloud, type LaunchedCloud } from '../local/launcher/launch';
import { launchOptionsSchema } from '../local/launcher/options';
import { createDemoAzure } from './demo-workspaces/azure';
import { createWorkspacesDemo } from './demo-workspaces/demo';

const example = join('examples', 'databricks-sales');

/** `npm run demo:workspaces`: Databricks deployments on the embedded cloud, start to end; leaves nothing behind. */
async function main(): Promise<void> {
  const write = (text: string): void => void process.stdout.write(text);
  const state = mkdtempSync(join(tmpdir(), 'sqlfleet-demo-workspaces-'));
  let cloud: LaunchedCloud | undefined;
  const clean = async (): Promise<void> => {
    await cloud?.stop();
    rmSync(state, { recursive: true, force: true });
  };
  process.once('SIGINT', () => void clean().finally(() => process.exit(130)));
  try {
    write('Starting the embedded cloud, with Azure Resource Manager, Key Vaults and Databricks ...\n');
    cloud = await launchCloud(launchOptionsSchema.parse({ state, 'free-ports': true, servers: 1, databases: 1 }));
    const { endpoints } = cloud;
    await createWorkspacesDemo({ endpoints, azure: createDemoAzure(endpoints), write, readAssets }).run();
  } finally {
    await clean();
  }
  write('\nEverything that was started is gone.\n');
}

function readAssets(): LooseFile[] {
  return readdirSync(example, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => {
      const file = join(entry.parentPath, entry.name);
      return { name: relative(example, file).split(sep).join('/'), bytes: readFileSync(file) };
    });
}

main().catch((error: unknown) => {
  console.error(`\nThe demo failed: ${messageOf(error)}`);
  process.exitCode = 1;
});
