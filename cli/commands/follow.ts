import { type BuildView } from '../../lib/builds/view';
import { AppError, isTransient, messageOf } from '../../lib/platform/errors';
import { type ApiClient } from '../api-client';
import { createProgressBar, type Output } from '../demo/progress-bar';
import { type CommandContext, exitCodes } from './command';

const lookEveryMs = 500;
/** An app that is deployed anew, or a machine that wakes up, is back before this. */
const patienceMs = 10 * 60_000;

const endedStates = new Set<BuildView['state']>(['succeeded', 'finishedWithFailures', 'cancelled', 'failed']);

/** Whether the run that `since` belongs to is over; without it, whether nothing goes on. */
export function hasEnded(build: BuildView, since: BuildView = build): boolean {
  return build.run >= since.run && endedStates.has(build.state);
}

export function exitCodeOf(build: BuildView): number {
  return !hasEnded(build) || build.state === 'succeeded' ? exitCodes.allRight : exitCodes.failures;
}

export interface Followed {
  build: BuildView;
  /** Ctrl-C: the build goes on without us. */
  detached: boolean;
}

/**
 * Shows live progress until the build has ended or somebody presses Ctrl-C. An app that does not answer for a while is waited for:
 * the build does not depend on who watches.
 *
 * @throws AppError what the app answered, or `app.unavailable` when it stays away
 */
export async function followBuild(
  api: Pick<ApiClient, 'getBuild'>,
  since: BuildView,
  context: Pick<CommandContext, 'nowMs' | 'wait' | 'stop'>,
  output: Output,
): Promise<Followed> {
  const bar = createProgressBar(output, () => context.nowMs());
  let build = since;
  let answeredMs = context.nowMs();
  let told = '';
  const tell = (text: string): void => {
    if (text === told) return;
    told = text;
    if (text !== '') output.write(`${output.isTerminal ? '\r\u001b[2K' : ''}  ${text}\n`);
  };
  while (!context.stop.aborted) {
    try {
      build = await api.getBuild(since.id);
      answeredMs = context.nowMs();
      if (hasEnded(build, since)) {
        bar.finish(build);
        return { build, detached: false };
      }
      tell(build.waitingFor === null ? '' : `waits for ${build.waitingFor}`);
      // A retry is prepared first; until then the counts are still those before it.
      if (build.state !== 'validating' && build.run >= since.run) bar.show(build);
    } catch (error) {
      if (!isTransient(error)) throw error;
      if (context.nowMs() - answeredMs > patienceMs) {
        const message = `Nobody can tell how build ${since.id} stands: ${messageOf(error)}`;
        throw new AppError('app.unavailable', message, { status: 503, cause: error });
      }
      tell(`${messageOf(error)} Trying again; the build does not depend on it.`);
    }
    await context.wait(lookEveryMs);
  }
  return { build, detached: true };
}
