import { isAppError, isTransient, messageOf } from '../platform/errors';
import { sha256 } from '../platform/hash';
import { createApply } from './apply';
import { approvalId, createApprove } from './approve';
import { leaseMs, type StageContext, type StageOutcome, type WorkspaceDeps } from './context';
import { createMakePlan } from './make-plan';
import { deploymentStateOf, type EnvironmentState, isEnded, isGoodEnd } from './model';
import { type StageAnswer, type StageName } from './orchestrators/deploy-workspace';
import { placesOf } from './places';
import { type Deployment, type EnvironmentProgress, type StageInput } from './schema';
import { withEnvironment } from './store';
import { createVerify } from './verify';

/** The stage that goes on from a state; null: it has ended. */
export function stageOf(state: EnvironmentState): StageName | null {
  switch (state) {
    case 'waiting':
    case 'planning':
      return 'plan';
    case 'awaitingApproval':
      return 'approve';
    case 'applying':
      return 'apply';
    case 'verifying':
      return 'verify';
    default:
      return null;
  }
}

/**
 * Every stage of every environment, as activities call them: each reads where the environment stands, does what is due
 * there, and stores where it stands then. Run twice, the second run finds it done.
 */
export function createStages(deps: WorkspaceDeps) {
  const work: Record<StageName, (context: StageContext) => Promise<StageOutcome>> = {
    plan: createMakePlan(deps),
    approve: createApprove(deps),
    apply: createApply(deps),
    verify: createVerify(deps),
  };

  const write = async (
    input: StageInput,
    change: Partial<EnvironmentProgress>,
    when: (state: EnvironmentState) => boolean = () => true,
  ): Promise<EnvironmentProgress | undefined> => {
    const at = new Date(deps.clock.nowMs()).toISOString();
    const deployment = await deps.store.updateDeployment(input.deploymentId, (current) => {
      const before = find(current, input.environment);
      if (before === undefined || isEnded(before.state) || !when(before.state)) return null;
      const state = change.state ?? before.state;
      const ended = isEnded(state) ? { finishedAt: at, waitingFor: null } : {};
      return withEnvironment(current, input.environment, { ...change, ...ended });
    });
    return find(deployment, input.environment);
  };
  /** Ends an environment, whatever it is at; its question to people and its lease go with it. */
  const end = async (input: StageInput, change: Partial<EnvironmentProgress>): Promise<StageAnswer> => {
    const after = await write(input, change);
    return { kind: 'ended', goOn: after !== undefined && isGoodEnd(after.state) };
  };
  const leaseNameOf = (workspaceId: string): string => `workspace-${sha256(workspaceId.toLowerCase()).slice(0, 32)}`;

  const runStage = async (stage: StageName, input: StageInput): Promise<StageAnswer> => {
    const deployment = await deps.store.deployment(input.deploymentId);
    const progress = find(deployment, input.environment);
    if (progress === undefined) return { kind: 'ended', goOn: false };
    const due = stageOf(progress.state);
    if (due === null) {
      // Whoever ended it may have died before letting go.
      await releaseLease(deployment.workspace, input);
      return { kind: 'ended', goOn: isGoodEnd(progress.state) };
    }
    if (due !== stage) return { kind: 'next', stage: due };
    if (deployment.cancelled !== null) return cancel(deployment, progress, input);

    const { value: environment } = await deps.store.environment(input.environment);
    const places = placesOf(environment, deployment.workspace);
    const lease = await deps.leases.acquire(leaseNameOf(places.workspaceId), input.deploymentId, leaseMs);
    if (lease === null) {
      await write(input, { waitingFor: 'another deployment of this workspace' });
      return { kind: 'again', delayMs: deps.lookEveryMs };
    }
    if (progress.state === 'waiting') await write(input, { state: 'planning', waitingFor: null });
    const outcome = await work[stage]({ deployment, progress, environment, places, lease });
    if (outcome.kind === 'again') {
      if (outcome.waitingFor !== progress.waitingFor) await write(input, { waitingFor: outcome.waitingFor });
      return { kind: 'again', delayMs: outcome.delayMs };
    }
    const after = await write(input, { waitingFor: null, ...outcome.change }, (state) => stageOf(state) === stage);
    const next = stageOf(after?.state ?? 'failed');
    if (next !== null) return { kind: 'next', stage: next };
    await deps.leases.release(lease);
    return { kind: 'ended', goOn: after !== undefined && isGoodEnd(after.state) };
  };
  const cancel = async (
    { cancelled, workspace }: Deployment,
    { name, state }: EnvironmentProgress,
    input: StageInput,
  ): Promise<StageAnswer> => {
    const by = cancelled ?? { actor: 'sqlfleet', reason: 'cancelled' };
    await deps.approvals.withdraw(approvalId(input.deploymentId, name), by);
    await releaseLease(workspace, input);
    const message =
      state === 'applying'
        ? `Cancelled by ${by.actor} while the plan was being applied: what was done stays done.`
        : `Cancelled by ${by.actor}.`;
    return end(input, { state: 'cancelled', failure: { code: 'workspaces.cancelled', message, problems: [] } });
  };
  const releaseLease = async (workspace: string, input: StageInput): Promise<void> => {
    const environment = await deps.store.findEnvironment(input.environment);
    if (environment === null) return;
    const name = leaseNameOf(placesOf(environment.value, workspace).workspaceId);
    const lease = await deps.leases.acquire(name, input.deploymentId, leaseMs);
    if (lease !== null) await deps.leases.release(lease);
  };
  const fail = async (input: StageInput, code: string, message: string, problems: string[]): Promise<StageAnswer> => {
    const { workspace } = await deps.store.deployment(input.deploymentId);
    await deps.approvals.withdraw(approvalId(input.deploymentId, input.environment), {
      actor: 'sqlfleet',
      reason: 'the deployment failed',
    });
    await releaseLease(workspace, input);
    return end(input, { state: 'failed', failure: { code, message, problems } });
  };

  const tellOfEnd = async (deployment: Deployment): Promise<void> => {
    const { deploymentId, workspace, state, environments, requestedBy } = deployment;
    const id = `${deploymentId}.finished`;
    await deps.audit.record({
      id,
      subject: `workspaces/${workspace}`,
      action: `deployment-${state}`,
      actor: requestedBy,
      reason: deployment.description,
      details: { deploymentId },
    });
    await deps.fleetEvents.publish({
      id,
      type: 'Sqlfleet.Workspaces.DeploymentFinished',
      subject: `workspaces/${workspace}/deployments/${deploymentId}`,
      data: {
        ...{ deploymentId, workspace, state },
        environments: environments.map((each) => ({ name: each.name, state: each.state })),
      },
    });
  };

  return {
    async run(stage: StageName, input: StageInput): Promise<StageAnswer> {
      try {
        return await runStage(stage, input);
      } catch (error) {
        deps.logger.warn('a stage of a workspace deployment did not succeed', {
          ...input,
          stage,
          error: messageOf(error),
        });
        // What may pass by itself is the orchestration's to try again; anything else needs a person.
        if (!isAppError(error) || isTransient(error)) throw error;
        return fail(input, error.code, error.message, problemsOf(error.details.problems));
      }
    },
    /** When trying again has led nowhere. */
    giveUp: (input: StageInput): Promise<StageAnswer> =>
      fail(
        input,
        'workspaces.gaveUp',
        'It could not be done after many tries; the log has the reasons. Start a new deployment.',
        [],
      ),

    /** The end of the deployment as a whole; environments that were not reached are skipped. */
    async finish({ deploymentId }: { deploymentId: string }): Promise<{ kind: 'done' }> {
      const at = new Date(deps.clock.nowMs()).toISOString();
      const deployment = await deps.store.updateDeployment(deploymentId, (current) => {
        const state = deploymentStateOf(current.environments);
        if (current.state !== 'running' || state === 'running') return null;
        const environments = current.environments.map((each) =>
          isEnded(each.state) ? each : { ...each, state: 'skipped' as const, finishedAt: at, waitingFor: null },
        );
        return { ...current, state, environments, finishedAt: at };
      });
      // Told again by who comes after a crash; by its id it is one entry and one event.
      if (deployment.state !== 'running') await tellOfEnd(deployment);
      return { kind: 'done' };
    },
  };
}
export type Stages = ReturnType<typeof createStages>;

function find(deployment: Deployment, environment: string): EnvironmentProgress | undefined {
  return deployment.environments.find(({ name }) => name === environment);
}

/** Of our own refusals they are texts, of inputs objects with their place. */
function problemsOf(problems: unknown): string[] {
  if (!Array.isArray(problems)) return [];
  return problems.map((problem: unknown) => {
    if (typeof problem === 'string') return problem;
    const { entry, message } = { entry: null, message: '', ...(typeof problem === 'object' ? problem : {}) };
    return entry === null ? String(message) : `${String(entry)}: ${String(message)}`;
  });
}
