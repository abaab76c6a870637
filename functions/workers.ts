import { type RemoteWork } from '../lib/builds/remote-work';
import { type ClusterServices } from '../lib/clusters/services';
import { registerRoutes } from './routes';
import { workerRoutes } from './worker-routes';

/** What workers of build clusters call: the handshake, heartbeats, and what they need to do and report their work. */
export function registerWorkers(clusters: () => ClusterServices, work: () => RemoteWork): void {
  registerRoutes(workerRoutes(clusters, work));
}
