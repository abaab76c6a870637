import { app } from '@azure/functions';
import {
  advanceDatabaseName,
  databaseInputSchema,
  databaseOrchestration,
  databaseOrchestrationName,
} from '../lib/capacity/orchestrators/database';
import {
  capacityActivities,
  regionInputSchema,
  regionOrchestration,
  regionOrchestrationName,
} from '../lib/capacity/orchestrators/region';
import { type CapacityServices } from '../lib/capacity/services';
import { durableClientInput, orchestrationsOf, registerActivity, registerOrchestration } from '../lib/platform/durable';
import { AppError } from '../lib/platform/errors';
import { capacityRoutes } from './capacity-routes';
import { databaseRoutes } from './database-routes';
import { registerRoutes } from './routes';
import { serverRoutes } from './server-routes';

/** NCRONTAB: every five minutes, and once an hour. */
const defaultSchedule = '0 */5 * * * *';
const defaultBalancingSchedule = '0 30 * * * *';

/** The capacity capability: its timers, its two orchestrations, and its HTTP API. */
export function registerCapacity(configured: () => CapacityServices | null): void {
  const services = (): CapacityServices => {
    const capacity = configured();
    if (capacity !== null) return capacity;
    const message = 'This app looks after no region. Set SQLFLEET_CAPACITY_SUBSCRIPTION and what belongs to it.';
    throw new AppError('capacity.notConfigured', message, { status: 404 });
  };
  registerRoutes([...serverRoutes(services), ...capacityRoutes(services), ...databaseRoutes(services)]);

  registerOrchestration(regionOrchestrationName, regionOrchestration);
  registerActivity(capacityActivities.tick, (input) => services().tick(regionInputSchema.parse(input).region));
  registerActivity(capacityActivities.advance, (input) => services().advance(regionInputSchema.parse(input).region));

  registerOrchestration(databaseOrchestrationName, databaseOrchestration);
  registerActivity(
    advanceDatabaseName,
    (input, context) =>
      services().databases.advance(databaseInputSchema.parse(input).databaseId, orchestrationsOf(context)),
    { usesOrchestrations: true },
  );

  // The timer only starts: what it starts is one per region, however many timers in however many apps fire.
  app.timer('watchCapacity', {
    schedule: process.env.SQLFLEET_CAPACITY_SCHEDULE ?? defaultSchedule,
    extraInputs: [durableClientInput],
    handler: (_timer, context) => configured()?.startRegions(orchestrationsOf(context)),
  });
  app.timer('balancePools', {
    schedule: process.env.SQLFLEET_BALANCING_SCHEDULE ?? defaultBalancingSchedule,
    async handler() {
      const capacity = configured();
      for (const region of capacity?.regions ?? []) await capacity?.balance(region);
    },
  });
}
