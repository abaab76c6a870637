import { connected, type StageContext, type StageOutcome, type WorkspaceDeps } from './context';
import { lostLease, stopped } from './errors';
import { isOvertaken } from './applying';
import { idsCreated, resolved, unfulfilledSteps } from './judge';
import { type Remembered } from './normalise';
import { interestOf, type Observation, observe } from './observe';
import { type Plan } from './schema';

/** The stage that reads the workspace once more, and remembers what the service made of what was asked for. */
export function createVerify(deps: WorkspaceDeps) {
  return async (context: StageContext): Promise<StageOutcome> => {
    const { deployment, progress, environment, places, lease } = context;
    const { workspace, deploymentId } = deployment;
    const planHash = progress.plan?.hash ?? '';
    const plan = await deps.store.readPlan(planHash);
    const connection = await connected(deps, environment, places);
    if (connection.kind === 'wait') return { ...connection, kind: 'again', delayMs: deps.lookEveryMs };
    const observation = await observe(connection.databricks, interestOf(plan));
    const found = await deps.store.state(workspace, environment.name);
    if (found !== null && isOvertaken(found.value, lease)) throw lostLease();
    const applying = found?.value.applying?.planHash === planHash ? found.value.applying : null;
    const createdIds = idsCreated(plan, observation, applying?.createdIds ?? {});
    const wrong = unfulfilledSteps(plan, createdIds, observation);
    if (wrong.length > 0) {
      throw stopped('verifyFailed', `The workspace is not as the plan wants it, though everything was applied.`, wrong);
    }
    await deps.store.writeRemembered(workspace, environment.name, rememberedOf(plan, observation, createdIds));
    const at = new Date(deps.clock.nowMs()).toISOString();
    const written = {
      id: environment.name,
      workspace,
      environment: environment.name,
      fence: lease.fence,
      lease: lease.name,
      applying: null,
      applied: { deploymentId, planHash, at },
      drift: null,
    };
    if ((await deps.store.writeState(written, found?.etag ?? null)) === 'changed') throw lostLease();
    const { counts } = progress.plan ?? {};
    const isUnchanged = counts !== undefined && counts.create + counts.update + counts.delete === 0;
    const state = isUnchanged ? 'unchanged' : 'succeeded';
    return { kind: 'next', change: { state, waitingFor: null, warnings: applying?.warnings ?? [] } };
  };
}

function rememberedOf(
  plan: Plan,
  observation: Observation,
  createdIds: Readonly<Record<string, string>>,
): Record<string, Remembered> {
  const entries = plan.steps.flatMap((step) => {
    if (step.action === 'delete' || (step.kind !== 'cluster' && step.kind !== 'job')) return [];
    const all = step.kind === 'cluster' ? observation.clusters : observation.jobs;
    const current = all.find(({ name }) => name === step.name);
    return current === undefined
      ? []
      : [[step.key, { asked: resolved(step.spec ?? {}, createdIds), settled: current.spec }] as const];
  });
  return Object.fromEntries(entries);
}
