import { messageOf } from '../platform/errors';
import { connect, type WorkspaceDeps } from './context';
import { type JsonObject } from './json';
import { resolved } from './judge';
import { differences, type Remembered } from './normalise';
import { interestOf, type Observation, observe } from './observe';
import { placesOf } from './places';
import { type Drift, type Plan, type WorkspaceState } from './schema';

const pageSize = 100;

/** Compares every workspace with the plan that was applied there last, and reports what somebody has changed since. Changes nothing. */
export function createDriftCheck(deps: WorkspaceDeps) {
  const check = async (state: WorkspaceState): Promise<Drift | null> => {
    if (state.applied === null || (await isBeingApplied(state))) return null;
    const { deploymentId, planHash } = state.applied;
    const base = {
      checkedAt: new Date(deps.clock.nowMs()).toISOString(),
      deploymentId,
      inSync: false,
      differences: [],
    };
    try {
      const plan = await deps.store.readPlan(planHash);
      const { value: environment } = await deps.store.environment(state.environment);
      const connection = await connect(deps, environment, placesOf(environment, plan.workspace));
      if (connection.kind !== 'connected') return { ...base, failure: 'The workspace or its Key Vault is not ready.' };
      if (connection.resourceId.toLowerCase() !== plan.resourceId.toLowerCase()) {
        return { ...base, failure: `The environment names another workspace now than ${plan.resourceId}.` };
      }
      const observation = await observe(connection.databricks, interestOf(plan));
      const remembered = await deps.store.readRemembered(plan.workspace, plan.environment);
      const found = driftOf(plan, observation, remembered);
      return { ...base, inSync: found.length === 0, differences: found, failure: null };
    } catch (error) {
      return { ...base, failure: messageOf(error) };
    }
  };

  /** What a deployment that has ended left half done is to be seen; what one is doing is not. */
  const isBeingApplied = async ({ applying }: WorkspaceState): Promise<boolean> =>
    applying !== null && (await deps.store.deployment(applying.deploymentId)).state === 'running';

  const checkOne = async (workspace: string, environment: string): Promise<void> => {
    const found = await deps.store.state(workspace, environment);
    if (found === null) return;
    const drift = await check(found.value);
    if (drift === null) return;
    // A deployment that wrote meanwhile knows better.
    if ((await deps.store.writeState({ ...found.value, drift }, found.etag)) === 'changed') return;
    const isNew = JSON.stringify(drift.differences) !== JSON.stringify(found.value.drift?.differences ?? []);
    if (drift.differences.length === 0 || !isNew) return;
    await deps.fleetEvents.publish({
      id: `${workspace}.${environment}.drift.${drift.checkedAt}`,
      type: 'Sqlfleet.Workspaces.Drifted',
      subject: `workspaces/${workspace}/environments/${environment}`,
      // Which assets, and not how they differ: settings of clusters and jobs may hold what is not for everybody who listens.
      data: { workspace, environment, deploymentId: drift.deploymentId, assets: assetsOf(drift.differences) },
    });
  };

  return {
    checkOne,
    async checkAll(): Promise<void> {
      let continuation: string | null = null;
      do {
        const page: Awaited<ReturnType<WorkspaceDeps['store']['listStates']>> = await deps.store.listStates({
          workspace: null,
          pageSize,
          continuation,
        });
        for (const { workspace, environment } of page.items) {
          try {
            await checkOne(workspace, environment);
          } catch (error) {
            // The others must not wait for this one.
            deps.logger.error('drift could not be checked', { workspace, environment, error: messageOf(error) });
          }
        }
        continuation = page.continuation;
      } while (continuation !== null);
    },
  };
}

/** What is not as the plan left it. */
export function driftOf(
  plan: Plan,
  observation: Observation,
  remembered: Readonly<Record<string, Remembered>>,
): Drift['differences'] {
  const ids = Object.fromEntries([
    ...observation.clusters.map(({ name, id }) => [`cluster:${name}`, id] as const),
    ...observation.jobs.map(({ name, id }) => [`job:${name}`, id] as const),
  ]);
  const ofSteps = plan.steps.flatMap((step): Drift['differences'] => {
    const { key, kind, name } = step;
    if (step.action === 'delete') return [];
    if (kind === 'secretScope') {
      return observation.scopes.some((scope) => scope.name === name) ? [] : [{ key, what: 'it is gone' }];
    }
    if (kind === 'initScript' || kind === 'notebook') {
      const file = observation.files.get(name);
      if (file === undefined) return [{ key, what: 'it is gone' }];
      return file.hash === step.expected ? [] : [{ key, what: 'its content was changed' }];
    }
    const all: readonly { name: string; spec: JsonObject | null }[] =
      kind === 'cluster' ? observation.clusters : observation.jobs;
    const namesakes = all.filter((each) => each.name === name);
    if (namesakes.length !== 1)
      return [{ key, what: namesakes.length === 0 ? 'it is gone' : 'its name is there twice' }];
    const wanted = resolved(step.spec ?? {}, ids);
    const changes = differences(wanted, namesakes[0]?.spec ?? {}, remembered[key] ?? null);
    return changes.length === 0 ? [] : [{ key, what: changes.join('; ') }];
  });
  const planned = new Set(
    plan.steps.filter(({ action }) => action !== 'delete').map(({ kind, name }) => `${kind}:${name}`),
  );
  const strangers = [
    ...observation.clusters.map((each) => ({ ...each, kind: 'cluster' })),
    ...observation.jobs.map((each) => ({ ...each, kind: 'job' })),
  ].filter(({ owner, kind, name }) => owner === plan.owner && !planned.has(`${kind}:${name}`));
  return [
    ...ofSteps,
    ...strangers.map(({ kind, name, id }) => ({
      key: `${kind}:${name}:${id}`,
      what: 'it carries our mark, and no plan of ours has it',
    })),
  ];
}

function assetsOf(found: Drift['differences']): string[] {
  return [...new Set(found.map(({ key }) => key))].slice(0, 50);
}
