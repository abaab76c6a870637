import { type ApprovalServices } from '../approvals/services';
import { type BuildServices } from '../builds/services';
import { type RemoteWork } from '../builds/remote-work';
import { type CapacityServices } from '../capacity/services';
import { type ClusterServices } from '../clusters/services';
import { type WorkspaceServices } from '../workspaces/services';
import { composeApprovals } from './compose-approvals';
import { composeBuilds } from './compose-builds';
import { capacityHooks, composeEvents } from './compose-events';
import { type EventServices } from '../events/services';
import { type Webhook } from '../events/webhook';
import { composeCapacity } from './compose-capacity';
import { composeClusters } from './compose-clusters';
import { composeWorkspaces, workspaceHooks } from './compose-workspaces';
import { createPlatformParts } from './platform-parts';
import { readSettings } from './settings';

export interface Composition {
  approvals: ApprovalServices;
  builds: BuildServices;
  events: EventServices;
  eventWebhook: Webhook;
  /** Null: this app looks after no region. */
  capacity: CapacityServices | null;
  clusters: ClusterServices;
  remoteWork: RemoteWork;
  workspaces: WorkspaceServices;
  /** Sends what is buffered and closes the connections. */
  close(): Promise<void>;
}

/** The composition root: reads the settings once, and puts the capabilities together, each by its own `compose-…`. */
export function compose(environment: Record<string, string | undefined>): Composition {
  const parts = createPlatformParts(readSettings(environment));
  const approvals = composeApprovals(parts);
  // Clusters ask which builds use them, builds ask for clusters: each through a function of the other.
  const { clusters, closeClusters } = composeClusters(parts, (clusterId) => builds.builds.usingCluster(clusterId));
  const { builds, remoteWork, closeBuilds } = composeBuilds(parts, { approvals, clusters: clusters.directory });
  const capacity = composeCapacity(parts, builds);
  const workspaces = composeWorkspaces(parts, approvals);
  return {
    approvals,
    builds,
    capacity,
    clusters,
    remoteWork,
    workspaces,
    // Each capability that events may start adds what it offers.
    ...composeEvents(parts, { builds, hooks: { ...capacityHooks(capacity), ...workspaceHooks(workspaces) } }),
    async close() {
      await closeBuilds();
      await closeClusters();
      await parts.close();
    },
  };
}
