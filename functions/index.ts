import { app } from '@azure/functions';
import { compose, type Composition } from '../lib/platform/compose';
import { registerApprovals } from './approvals';
import { registerAudit } from './audit';
import { registerBuilds } from './builds';
import { registerClusters } from './clusters';
import { registerCapacity } from './capacity';
import { registerDescription } from './description';
import { registerEvents } from './events';
import { registerPackages } from './packages';
import { registerWorkers } from './workers';
import { registerWorkspaces } from './workspaces';

let composition: Composition | undefined;

/** Made when the first function runs: loading the app must not fail, and must not connect. */
const composed = (): Composition => (composition ??= compose(process.env));

registerBuilds(() => composed().builds);
registerApprovals(() => composed().approvals);
registerEvents(() => composed());
registerCapacity(() => composed().capacity);
registerPackages();
registerClusters(
  () => composed().clusters,
  () => composed().builds,
);
registerWorkers(
  () => composed().clusters,
  () => composed().remoteWork,
);
registerAudit(() => composed().clusters);
registerWorkspaces(() => composed().workspaces);
registerDescription();

app.hook.appTerminate(async () => {
  await composition?.close();
  composition = undefined;
});
