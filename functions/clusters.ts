import { app } from '@azure/functions';
import { type ClusterServices } from '../lib/clusters/services';
import { clusterRoutes } from './cluster-routes';
import { registerRoutes } from './routes';

/** The clusters capability: its HTTP API, and the timer that goes on with drains and registrations. */
export function registerClusters(services: () => ClusterServices): void {
  registerRoutes(clusterRoutes(services));

  app.timer('settleBuildClusters', {
    schedule: '30 * * * * *',
    handler: async () => {
      await services().registry.ensureManaged();
      await services().life.settle();
    },
  });
}
