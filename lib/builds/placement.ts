import { type Audit } from '../platform/audit';
import { type ClusterChoice, type ClusterDirectory, type ClusterRequest } from '../platform/cluster-choice';
import { type Clock } from '../platform/clock';
import { type Build } from './schema';
import { type BuildStore } from './store';

/** Where a build's targets go: chosen once, kept as long as the cluster is of use, and chosen again when it is not. */

export interface Placement {
  build: Build;
  /** Where targets may be sent now; null: nowhere. */
  cluster: string | null;
  /** Why nothing is sent; null: nothing is in the way. */
  waitingFor: string | null;
}

export interface PlacementDeps {
  builds: Pick<BuildStore, 'update'>;
  clusters: ClusterDirectory;
  audit: Audit;
  clock: Clock;
  stuckAfterMs: number;
}

export function clusterRequestOf(build: Pick<Build, 'options' | 'clusterOverride'>): ClusterRequest {
  const { cluster, clusterOnly, organization, scmContext, group } = build.options;
  return {
    wanted: cluster ?? null,
    override: build.clusterOverride?.cluster ?? null,
    only: clusterOnly,
    organization: organization ?? null,
    scmContext: scmContext ?? null,
    group: group ?? null,
    exclude: [],
  };
}

/**
 * A build that leaves a cluster whose workers are alive first waits for what they have, so that a server never has two
 * clusters at work. Where they are silent, what they have is sent again elsewhere: the database itself sees to it that
 * nothing runs twice, and a worker that comes back finds its messages to be of an earlier dispatch and drops them.
 */
export function createPlacement(deps: PlacementDeps) {
  const choose = async (build: Build): Promise<ClusterChoice> => {
    const request = clusterRequestOf(build);
    // An admin means this cluster, not one like it.
    if (isAssigned(build)) return (await deps.clusters.choose({ ...request, only: true })).choice;
    if (build.cluster === null) return (await deps.clusters.choose(request)).choice;
    // Named so that a successor is found; where it does not serve the build any more, any other will do.
    const named = { ...request, wanted: request.wanted ?? build.cluster, exclude: [build.cluster] };
    const { choice, refused } = await deps.clusters.choose(named);
    return refused === null || request.wanted !== null
      ? choice
      : (await deps.clusters.choose({ ...request, exclude: [build.cluster] })).choice;
  };

  const move = async (build: Build, choice: ClusterChoice, why: string): Promise<Build> => {
    const moved = await deps.builds.update(build.buildId, (current) =>
      current.cluster !== build.cluster || current.dispatch !== build.dispatch
        ? null
        : {
            ...current,
            cluster: choice.cluster,
            queue: choice.queue,
            clusterChoice: choice,
            clusterOverride: current.clusterOverride && { ...current.clusterOverride, applied: true },
            dispatch: current.dispatch + (build.cluster === null ? 0 : 1),
          },
    );
    await deps.audit.record({
      id: `${build.buildId}:cluster:${moved.dispatch}`,
      subject: build.buildId,
      action: build.cluster === null ? 'chooseCluster' : 'moveToCluster',
      actor: 'sqlfleet',
      reason: why === '' ? choice.reason : `${why}; ${choice.reason}`,
      // The build only keeps the last explanation; the log keeps them all.
      details: { from: build.cluster, to: moved.cluster, choice },
    });
    return moved;
  };

  return async (build: Build, outstanding: number, lastOutcomeMs: number): Promise<Placement> => {
    if (build.cluster === null) {
      const choice = await choose(build);
      if (choice.cluster === null) return { build, cluster: null, waitingFor: `no build cluster: ${choice.reason}` };
      const placed = await move(build, choice, '');
      return { build: placed, cluster: placed.cluster, waitingFor: null };
    }
    const standing = await deps.clusters.standing(build.cluster, clusterRequestOf(build));
    const stays: Placement = { build, cluster: build.cluster, waitingFor: null };
    if (standing.kind === 'fit' && standing.queue !== build.queue) {
      // The name was registered again: what was sent to the earlier queue is gone with it.
      const { choice } = await deps.clusters.choose(clusterRequestOf(build));
      if (choice.cluster === null) return { build, cluster: null, waitingFor: `no build cluster: ${choice.reason}` };
      const moved = await move(build, choice, `"${build.cluster}" was registered again and has another queue`);
      return { build: moved, cluster: moved.cluster, waitingFor: null };
    }
    if (standing.kind === 'fit' && !isAssigned(build)) return stays;
    const choice = await choose(build);
    if (standing.kind === 'fit' && (choice.cluster === null || choice.cluster === build.cluster)) return stays;
    const why =
      standing.kind === 'leave' ? standing.reason : `an admin assigned "${build.clusterOverride?.cluster ?? ''}"`;
    const alive = standing.kind === 'fit' ? true : standing.workersAlive;
    const isSilent = alive === false || (alive === null && deps.clock.nowMs() - lastOutcomeMs > deps.stuckAfterMs);
    if (outstanding > 0 && !isSilent) {
      return { build, cluster: null, waitingFor: `${why}; its workers end the ${outstanding} targets that they have` };
    }
    if (choice.cluster === null || choice.cluster === build.cluster) {
      return { build, cluster: null, waitingFor: `${why}; ${choice.reason}` };
    }
    const moved = await move(build, choice, why);
    return { build: moved, cluster: moved.cluster, waitingFor: null };
  };
}

/** An admin assigned a cluster that the build does not know of yet. */
function isAssigned({ clusterOverride }: Build): boolean {
  return clusterOverride !== null && !clusterOverride.applied;
}
