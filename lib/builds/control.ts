import { type Audit } from '../platform/audit';
import { type Clock } from '../platform/clock';
import { type Orchestrations } from '../platform/durable';
import { AppError } from '../platform/errors';
import { forbiddenByState } from './errors';
import { type BuildState } from './model';
import { orchestrationId } from './orchestrators/build';
import { failureCount } from './plan';
import { type Build, type ControlRequest } from './schema';
import { type BuildStore } from './store';
import { start } from './submit';

export const controlActions = ['cancel', 'pause', 'resume', 'retry-failed'] as const;
export type ControlAction = (typeof controlActions)[number];

/** In which states a person may do what. */
const allowedStates: Record<ControlAction, readonly BuildState[]> = {
  cancel: ['validating', 'running', 'paused'],
  pause: ['validating', 'running'],
  // A pause that was asked for and not yet followed can be taken back as well.
  resume: ['paused', 'running', 'validating'],
  'retry-failed': ['finishedWithFailures', 'cancelled'],
};

export interface ControlDeps {
  builds: BuildStore;
  audit: Audit;
  clock: Clock;
}

/**
 * What a person does to a build: noted in the build document, from where the monitor and the workers follow it; the
 * wake-up only makes it quicker. Every action has an actor and a reason in the audit log.
 *
 * @throws AppError `builds.notFound` (404), `builds.forbiddenByState` (409)
 */
export function createControl(deps: ControlDeps) {
  return async (
    buildId: string,
    action: ControlAction,
    request: ControlRequest,
    orchestrations: Orchestrations,
  ): Promise<Build> => {
    const by = { actor: request.actor, reason: request.reason, at: new Date(deps.clock.nowMs()).toISOString() };
    const build = await deps.builds.update(buildId, (current) => {
      if (!allowedStates[action].includes(current.state)) {
        const possible = action === 'resume' ? 'paused' : allowedStates[action].join(' or ');
        throw forbiddenByState(action, buildId, current.state, possible);
      }
      return changed(current, action, by, deps.clock.nowMs());
    });
    await deps.audit.record({
      subject: buildId,
      action,
      actor: by.actor,
      reason: by.reason,
      details: { run: build.run },
    });
    if (action === 'retry-failed') await start(orchestrations, build);
    else await orchestrations.wake(orchestrationId(buildId, build.run));
    return build;
  };
}

function changed(
  build: Build,
  action: ControlAction,
  by: { actor: string; reason: string; at: string },
  nowMs: number,
): Build {
  switch (action) {
    case 'cancel':
      return { ...build, control: { ...build.control, cancelled: build.control.cancelled ?? by } };
    case 'pause':
      if (build.control.paused !== null || build.control.cancelled !== null) {
        const state = build.control.cancelled === null ? 'paused' : 'being cancelled';
        throw forbiddenByState('pause', build.buildId, state, 'running or validating');
      }
      return {
        ...build,
        state: build.state === 'running' ? 'paused' : build.state,
        control: { ...build.control, paused: by },
      };
    case 'resume':
      if (build.control.paused === null) throw forbiddenByState('resume', build.buildId, 'not paused', 'paused');
      return {
        ...build,
        state: build.state === 'paused' ? 'running' : build.state,
        control: { ...build.control, paused: null },
      };
    case 'retry-failed':
      if (failureCount(build, build.counts) === 0) {
        throw new AppError('builds.nothingToRetry', `Build "${build.buildId}" has no failed targets.`, { status: 409 });
      }
      return {
        ...build,
        state: 'validating',
        run: build.run + 1,
        retriedBy: by.actor,
        finishedAt: null,
        deadlineAt: new Date(nowMs + build.options.deadlineMinutes * 60_000).toISOString(),
        control: { paused: null, cancelled: null },
      };
  }
}
