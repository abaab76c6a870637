import { type Lease } from '../platform/leases';
import { type WorkspaceDeps } from './context';
import { lostLease, stopped } from './errors';
import { canonical } from './json';
import { idsCreated, standingOf } from './judge';
import { type Observation } from './observe';
import { type Deployment, type Environment, type Plan, type WorkspaceState } from './schema';

/** How far a plan is, kept beside the workspace it changes, so that whoever comes next knows. */
export interface Applying {
  steps: Record<string, 'begun' | 'done'>;
  /** Ids of what was created, by the keys of its steps. */
  createdIds: Record<string, string>;
  /** Stored before it returns. @throws AppError `workspaces.leaseLost` when somebody else has written: then nothing may be begun. */
  begin(key: string): Promise<void>;
  /** Stored with the next `begin` or `save`. Lost in a crash, it is found again by looking. */
  done(key: string): void;
  note(key: string, id: string): void;
  warn(message: string): void;
  save(): Promise<void>;
  /** Takes up what the workspace shows of steps that were begun: done after all, or not. */
  learn(plan: Plan, observation: Observation): Promise<void>;
  /** How long ago the step was begun that is begun and not done. */
  begunForMs(): number;
  /** Waits count only while somebody looks: being away is no lateness. */
  waited(ms: number): void;
  isLate(patienceMs: number): boolean;
}

export async function createApplying(
  deps: Pick<WorkspaceDeps, 'store' | 'clock'>,
  subject: {
    deployment: Deployment;
    environment: Environment;
    lease: Lease;
    planHash: string;
    plan: Pick<Plan, 'basis'>;
  },
): Promise<Applying> {
  const { deployment, environment, lease, planHash, plan } = subject;
  const { workspace, deploymentId } = deployment;
  const found = await deps.store.state(workspace, environment.name);
  if (found !== null && isOvertaken(found.value, lease)) throw lostLease();
  const isSame = found?.value.applying?.planHash === planHash && found.value.applying.deploymentId === deploymentId;
  if (!isSame && plan.basis !== null && plan.basis !== basisOf(found?.value ?? null)) {
    throw stopped(
      'planOutdated',
      'Another deployment has been at work there since the plan was made, so the plan is not applied. Start a new deployment.',
    );
  }
  const progress: NonNullable<WorkspaceState['applying']> =
    isSame && found?.value.applying
      ? { ...found.value.applying }
      : {
          deploymentId,
          planHash,
          startedAt: new Date(deps.clock.nowMs()).toISOString(),
          steps: {},
          createdIds: {},
          begunAtMs: null,
          waitedMs: 0,
          warnings: [],
        };
  const base = found?.value ?? {
    id: environment.name,
    workspace,
    environment: environment.name,
    applied: null,
    drift: null,
  };
  let etag = found?.etag ?? null;
  const save = async (): Promise<void> => {
    const state: WorkspaceState = { ...base, fence: lease.fence, lease: lease.name, applying: progress };
    if ((await deps.store.writeState(state, etag)) === 'changed') throw lostLease();
    const written = await deps.store.state(workspace, environment.name);
    const isOurs = written?.value.fence === lease.fence && canonical(written.value.applying) === canonical(progress);
    if (!isOurs) throw lostLease();
    etag = written?.etag ?? null;
  };
  await save();

  return {
    steps: progress.steps,
    createdIds: progress.createdIds,
    async begin(key) {
      progress.steps[key] = 'begun';
      progress.begunAtMs = deps.clock.nowMs();
      await save();
    },
    done(key) {
      progress.steps[key] = 'done';
      progress.begunAtMs = null;
      progress.waitedMs = 0;
    },
    note(key, id) {
      progress.createdIds[key] = id;
    },
    warn(message) {
      if (!progress.warnings.includes(message)) progress.warnings.push(message);
    },
    save,
    async learn(plan, observation) {
      Object.assign(progress.createdIds, idsCreated(plan, observation, progress.createdIds));
      for (const step of plan.steps) {
        if (progress.steps[step.key] !== 'begun') continue;
        const standing = standingOf(step, plan, observation, progress.createdIds);
        if (standing.kind === 'after') progress.steps[step.key] = 'done';
      }
    },
    begunForMs: () => deps.clock.nowMs() - (progress.begunAtMs ?? 0),
    waited(ms) {
      progress.waitedMs += ms;
    },
    isLate: (patienceMs) => progress.waitedMs > patienceMs,
  };
}

/** Whether somebody who holds the same lease by now has written already. */
export function isOvertaken(state: WorkspaceState, lease: Lease): boolean {
  return state.lease === lease.name && state.fence > lease.fence;
}

/** What other deployments have left: a plan is good for that, and for nothing that came later. */
export function basisOf(state: WorkspaceState | null): string {
  return `${state?.applied?.planHash ?? ''}/${state?.applying?.planHash ?? ''}`;
}
