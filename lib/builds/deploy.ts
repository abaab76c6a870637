import { type BuildQueue } from '../platform/messages';
import { type StageResult } from './orchestrators/build';
import { queueOf, type RunInput } from './schema';
import { type BuildStore } from './store';

/**
 * Stage 3: makes sure that what was enqueued has a queue. That somebody works it off is the monitor's to see, at every
 * look: the managed cluster is this app, whose trigger is on the subscription; others report by heartbeats.
 */
export function createDeploy(deps: { builds: BuildStore; queue: BuildQueue }) {
  return async ({ buildId }: RunInput): Promise<StageResult> => {
    const build = await deps.builds.read(buildId);
    const queue = queueOf(build);
    // Parked: the monitor places it as soon as a cluster fits.
    if (queue === null || (await deps.queue.backlog(queue)) !== 'missing') return { kind: 'done' };
    return {
      kind: 'failed',
      code: 'builds.clusterMissing',
      message: `The cluster "${build.cluster ?? ''}" has no subscription on the topic. Deploy the infrastructure, then start the build again.`,
    };
  };
}
