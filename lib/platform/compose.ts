import { type BuildServices } from '../builds/services';
import { type RemoteWork } from '../builds/remote-work';
import { type ClusterServices } from '../clusters/services';
import { composeBuilds } from './compose-builds';
import { composeClusters } from './compose-clusters';
import { createPlatformParts } from './platform-parts';
import { readSettings } from './settings';

export interface Composition {
  builds: BuildServices;
  clusters: ClusterServices;
  remoteWork: RemoteWork;
  /** Sends what is buffered and closes the connections. */
  close(): Promise<void>;
}

/** The composition root: reads the settings once, and puts the capabilities together, each by its own `compose-…`. */
export function compose(environment: Record<string, string | undefined>): Composition {
  const parts = createPlatformParts(readSettings(environment));
  // Clusters ask which builds use them, builds ask for clusters: each through a function of the other.
  const { clusters, closeClusters } = composeClusters(parts, (clusterId) => builds.builds.usingCluster(clusterId));
  const { builds, remoteWork, closeBuilds } = composeBuilds(parts, clusters.directory);
  return {
    builds,
    clusters,
    remoteWork,
    async close() {
      await closeBuilds();
      await closeClusters();
      await parts.close();
    },
  };
}
