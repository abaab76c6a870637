import { type Audit } from '../platform/audit';
import { type ClusterDirectory } from '../platform/cluster-choice';
import { type Clock } from '../platform/clock';
import { type Orchestrations } from '../platform/durable';
import { forbiddenByState, invalidInput } from './errors';
import { orchestrationId } from './orchestrators/build';
import { clusterRequestOf } from './placement';
import { type Build, type ControlRequest } from './schema';
import { type BuildStore } from './store';

export interface AssignClusterDeps {
  builds: BuildStore;
  clusters: ClusterDirectory;
  audit: Audit;
  clock: Clock;
}

/**
 * An admin says where a build goes, whatever it asked for itself. It follows when the workers of its present cluster have
 * ended what they have, and as soon as the assigned one is of use; until then it stays where it is.
 *
 * @throws AppError `builds.notFound` (404), `builds.forbiddenByState` (409), `builds.invalidInput` (422) for a cluster
 *   that does not serve the build
 */
export function createAssignCluster(deps: AssignClusterDeps) {
  return async (
    buildId: string,
    cluster: string,
    by: ControlRequest,
    orchestrations: Orchestrations,
  ): Promise<Build> => {
    const at = new Date(deps.clock.nowMs()).toISOString();
    const clusterOverride = { cluster, ...by, at, applied: false };
    const asked = await deps.builds.read(buildId);
    const { refused } = await deps.clusters.choose(clusterRequestOf({ ...asked, clusterOverride }));
    if (refused !== null) {
      throw invalidInput([{ code: 'builds.cluster', message: refused, entry: 'body.cluster', line: null }]);
    }
    const build = await deps.builds.update(buildId, (current) => {
      if (current.finishedAt !== null) {
        throw forbiddenByState('another cluster', buildId, current.state, 'validating, running or paused');
      }
      return { ...current, clusterOverride };
    });
    await deps.audit.record({
      subject: buildId,
      action: 'assignCluster',
      actor: by.actor,
      reason: by.reason,
      details: { from: build.cluster, to: cluster },
    });
    await orchestrations.wake(orchestrationId(buildId, build.run));
    return build;
  };
}
