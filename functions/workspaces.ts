import { app } from '@azure/functions';
import { z } from 'zod';
import { durableClientInput, orchestrationsOf, registerActivity, registerOrchestration } from '../lib/platform/durable';
import {
  activityNames,
  deployWorkspace,
  deployWorkspaceName,
  stageNames,
} from '../lib/workspaces/orchestrators/deploy-workspace';
import { stageInputSchema } from '../lib/workspaces/schema';
import { type WorkspaceServices } from '../lib/workspaces/services';
import { environmentRoutes } from './environment-routes';
import { registerRoutes } from './routes';
import { workspaceRoutes } from './workspace-routes';

const finishInputSchema = z.object({ deploymentId: z.string() });

/** The workspaces capability: its HTTP API, the orchestration of a deployment, and the timers that revive and compare. */
export function registerWorkspaces(services: () => WorkspaceServices): void {
  registerRoutes([...workspaceRoutes(services), ...environmentRoutes(services)]);

  registerOrchestration(deployWorkspaceName, deployWorkspace);
  for (const stage of stageNames) {
    registerActivity(activityNames[stage], (input) => services().stages.run(stage, stageInputSchema.parse(input)));
  }
  registerActivity(activityNames.fail, (input) => services().stages.giveUp(stageInputSchema.parse(input)));
  registerActivity(activityNames.finish, (input) => services().stages.finish(finishInputSchema.parse(input)));

  app.timer('reviveWorkspaceDeployments', {
    schedule: '15 * * * * *',
    extraInputs: [durableClientInput],
    handler: (_timer, context) => services().revive(orchestrationsOf(context)),
  });
  app.timer('checkWorkspaceDrifts', {
    schedule: '0 23 * * * *',
    handler: () => services().drift.checkAll(),
  });
}
