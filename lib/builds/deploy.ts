import { type BuildQueue } from '../platform/messages';
import { type StageResult } from './orchestrators/build';
import { type RunInput } from './schema';
import { type BuildStore } from './store';

/**
 * Stage 3: makes sure that somebody can consume what was enqueued. The managed cluster is this app: its trigger is on
 * the cluster's subscription, so all that can be missing is the subscription itself.
 */
export function createDeploy(deps: { builds: BuildStore; queue: BuildQueue }) {
  return async ({ buildId }: RunInput): Promise<StageResult> => {
    const { cluster } = await deps.builds.read(buildId);
    if ((await deps.queue.backlog(cluster)) !== 'missing') return { kind: 'done' };
    return {
      kind: 'failed',
      code: 'builds.clusterMissing',
      message: `The cluster "${cluster}" has no subscription on the topic. Deploy the infrastructure, then start the build again.`,
    };
  };
}
