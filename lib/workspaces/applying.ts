import { type Lease } from '../platform/leases';
import { type WorkspaceDeps } from './context';
import { lostLease } from './errors';
import { canonical } from './json';
import { createdClusters, standingOf } from './judge';
import { type Observation } from './observe';
import { type Deployment, type Environment, type Plan, type WorkspaceState } from './schema';

/** How far a plan is, kept beside the workspace it changes, so that whoever comes next knows. */
export interface Applying {
  steps: Record<string, 'begun' | 'done'>;
  clusterIds: Record<string, string>;
  /** Stored before it returns. @throws AppError `workspaces.leaseLost` when somebody else has written: then nothing may be begun. */
  begin(key: string): Promise<void>;
  /** Stored with the next `begin` or `save`. Lost in a crash, it is found again by looking. */
  done(key: string): void;
  note(cluster: string, id: string): void;
  warn(message: string): void;
  save(): Promise<void>;
  /** Takes up what the workspace shows of steps that were begun: done after all, or not. */
  learn(plan: Plan, observation: Observation): Promise<void>;
  isLate(patienceMs: number): boolean;
}

export async function createApplying(
  deps: Pick<WorkspaceDeps, 'store' | 'clock'>,
  subject: { deployment: Deployment; environment: Environment; lease: Lease; planHash: string },
): Promise<Applying> {
  const { deployment, environment, lease, planHash } = subject;
  const { workspace, deploymentId } = deployment;
  const found = await deps.store.state(workspace, environment.name);
  if (found !== null && found.value.fence > lease.fence) throw lostLease();
  const isSame = found?.value.applying?.planHash === planHash && found.value.applying.deploymentId === deploymentId;
  const progress: NonNullable<WorkspaceState['applying']> =
    isSame && found?.value.applying
      ? { ...found.value.applying }
      : {
          deploymentId,
          planHash,
          startedAt: new Date(deps.clock.nowMs()).toISOString(),
          steps: {},
          clusterIds: {},
          warnings: [],
        };
  const base: WorkspaceState = found?.value ?? {
    id: environment.name,
    workspace,
    environment: environment.name,
    fence: lease.fence,
    applying: null,
    applied: null,
    drift: null,
  };
  let etag = found?.etag ?? null;
  const save = async (): Promise<void> => {
    const state = { ...base, fence: lease.fence, applying: progress };
    if ((await deps.store.writeState(state, etag)) === 'changed') throw lostLease();
    const written = await deps.store.state(workspace, environment.name);
    const isOurs = written?.value.fence === lease.fence && canonical(written.value.applying) === canonical(progress);
    if (!isOurs) throw lostLease();
    etag = written?.etag ?? null;
  };
  await save();

  return {
    steps: progress.steps,
    clusterIds: progress.clusterIds,
    async begin(key) {
      progress.steps[key] = 'begun';
      await save();
    },
    done(key) {
      progress.steps[key] = 'done';
    },
    note(cluster, id) {
      progress.clusterIds[cluster] = id;
    },
    warn(message) {
      if (!progress.warnings.includes(message)) progress.warnings.push(message);
    },
    save,
    async learn(plan, observation) {
      Object.assign(progress.clusterIds, createdClusters(plan, observation, progress.clusterIds));
      for (const step of plan.steps) {
        if (progress.steps[step.key] !== 'begun') continue;
        const standing = standingOf(step, plan, observation, progress.clusterIds);
        if (standing.kind === 'after') progress.steps[step.key] = 'done';
      }
    },
    isLate: (patienceMs) => deps.clock.nowMs() - Date.parse(progress.startedAt) > patienceMs,
  };
}
