import { app } from '@azure/functions';
import { type ClusterServices } from '../lib/clusters/services';
import { type BuildServices } from '../lib/builds/services';
import { buildClusterRoute } from './build-cluster-route';
import { clusterKeyRoutes } from './cluster-key-routes';
import { clusterRoutes } from './cluster-routes';
import { registerRoutes } from './routes';

/** The clusters capability: its HTTP API, and the timer that goes on with drains and registrations. */
export function registerClusters(services: () => ClusterServices, builds: () => BuildServices): void {
  registerRoutes([
    ...clusterRoutes(services),
    ...clusterKeyRoutes(services),
    buildClusterRoute(builds, () => services().admins),
  ]);

  app.timer('settleBuildClusters', {
    schedule: '30 * * * * *',
    handler: async () => {
      await services().registry.ensureManaged();
      await services().life.settle();
    },
  });
}
