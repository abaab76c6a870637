import { app } from '@azure/functions';
import { type z } from 'zod';
import { type BuildServices } from '../lib/builds/services';
import { finishInputSchema } from '../lib/builds/finish';
import { activityNames, buildOrchestration, buildOrchestrationName } from '../lib/builds/orchestrators/build';
import { runInputSchema } from '../lib/builds/schema';
import { durableClientInput, orchestrationsOf, registerActivity, registerOrchestration } from '../lib/platform/durable';
import { buildRoutes } from './build-routes';
import { registerRoutes } from './routes';

/** Topic with one message per target, and the subscription that this app works off. */
const topicName = 'database-builds';
const subscriptionName = 'managed';

/** The builds capability: its HTTP API, its orchestration, and the trigger that builds one database per message. */
export function registerBuilds(services: () => BuildServices): void {
  registerRoutes(buildRoutes(services));

  registerOrchestration(buildOrchestrationName, buildOrchestration);
  const activity = <T>(name: string, schema: z.ZodType<T>, run: (input: T) => Promise<unknown>): void =>
    registerActivity(name, (input) => run(schema.parse(input)));
  activity(activityNames.prepare, runInputSchema, (input) => services().prepare(input));
  // The first look opens the window; the later ones keep it full.
  activity(activityNames.enqueue, runInputSchema, (input) => services().monitor(input));
  activity(activityNames.deploy, runInputSchema, (input) => services().deploy(input));
  activity(activityNames.monitor, runInputSchema, (input) => services().monitor(input));
  activity(activityNames.finish, finishInputSchema, (input) => services().finish(input));

  app.serviceBusTopic('buildDatabase', {
    connection: 'SQLFLEET_SERVICE_BUS',
    topicName,
    subscriptionName,
    isSessionsEnabled: true,
    handler: (message) => services().buildTarget(message, new AbortController().signal),
  });

  app.timer('reviveBuilds', {
    schedule: '0 * * * * *',
    extraInputs: [durableClientInput],
    handler: (_timer, context) => services().revive(orchestrationsOf(context)),
  });
}
