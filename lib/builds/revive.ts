import { type Orchestrations } from '../platform/durable';
import { messageOf } from '../platform/errors';
import { type Logger } from '../platform/logger';
import { type BuildState } from './model';
import { orchestrationId } from './orchestrators/build';
import { type BuildStore } from './store';
import { start } from './submit';

const activeStates: readonly BuildState[] = ['validating', 'running', 'paused'];
const pageSize = 100;

/**
 * Starts the orchestration of every build that should be running and is not: one whose request died between document and
 * start, or whose orchestration failed on an outage that outlasted its patience. Level-triggered, so it may run at any time.
 */
export function createRevive(deps: { builds: BuildStore; logger: Logger }) {
  return async (orchestrations: Orchestrations): Promise<void> => {
    let continuation: string | null = null;
    do {
      const page: Awaited<ReturnType<BuildStore['list']>> = await deps.builds.list({
        states: activeStates,
        pageSize,
        continuation,
      });
      for (const build of page.items) {
        const { buildId, run } = build;
        try {
          const { state } = await orchestrations.status(orchestrationId(buildId, run));
          if (state === 'running') continue;
          deps.logger.warn('a build without a running orchestration is started again', { buildId, state });
          await start(orchestrations, build);
        } catch (error) {
          // The others must not wait for this one; it comes by again with the next run.
          deps.logger.error('a build could not be started again', { buildId, error: messageOf(error) });
        }
      }
      continuation = page.continuation;
    } while (continuation !== null);
  };
}
