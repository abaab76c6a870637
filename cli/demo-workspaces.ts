import { readdirSync, readFileSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import { type LooseFile } from '../lib/packages/pack-folder';
import { createDemoAzure } from './demo-workspaces/azure';
import { createWorkspacesDemo } from './demo-workspaces/demo';
import { runDemo } from './demo/run-demo';

const example = join('examples', 'databricks-sales');

function readAssets(): LooseFile[] {
  return readdirSync(example, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => {
      const file = join(entry.parentPath, entry.name);
      return { name: relative(example, file).split(sep).join('/'), bytes: readFileSync(file) };
    });
}

/** `npm run demo:workspaces`: Databricks deployments on the embedded cloud, start to end. */
void runDemo({
  name: 'workspaces',
  intro: 'Starting the embedded cloud, with Azure Resource Manager, Key Vaults and Databricks ...',
  outro: 'Everything that was started is gone.',
  options: { servers: 1, databases: 1 },
  async run({ endpoints }) {
    const write = (text: string): void => void process.stdout.write(text);
    await createWorkspacesDemo({ endpoints, azure: createDemoAzure(endpoints), write, readAssets }).run();
  },
});
