import { type Cluster, type Databricks } from '../platform/databricks';
import { type Applying } from './applying';
import { stopped } from './errors';
import { isObject } from './json';
import { isSettled } from './model';
import { type Plan, type Step } from './schema';

/**
 * Clusters come up while notebooks and jobs are written; then they are pinned, and stopped where that is wanted, all of
 * them at once.
 *
 * @returns which is not yet as it should be; null: none
 */
export async function settleClusters(databricks: Databricks, plan: Plan, applying: Applying): Promise<string | null> {
  const steps = plan.steps.filter(
    ({ kind, action }) => kind === 'cluster' && (action === 'create' || action === 'update'),
  );
  if (steps.length === 0) return null;
  const clusters = new Map((await databricks.listClusters()).map((cluster) => [cluster.id, cluster]));
  const restless: string[] = [];
  for (const step of steps) {
    const cluster = clusters.get(step.id ?? applying.createdIds[step.key] ?? '');
    if (cluster === undefined) throw stopped('verifyFailed', `Cluster "${step.name}" is gone since it was deployed.`);
    const failure = failureOf(cluster, step);
    if (failure !== null) throw stopped('clusterFailed', `Cluster "${step.name}" could not start: ${failure}`);
    if (!isSettled(cluster.state)) {
      restless.push(`cluster "${step.name}", which is ${cluster.state}`);
      continue;
    }
    if (plan.pinClusters && cluster.raw.pinned_by_user_name === undefined) {
      const refusal = await databricks.pinCluster(cluster.id);
      if (refusal !== null) applying.warn(`Cluster "${step.name}" could not be pinned: ${refusal}`);
    }
    // Only what we started ourselves is stopped: an edited cluster may be somebody's work.
    if (plan.stopCreatedClusters && step.action === 'create' && cluster.state === 'RUNNING') {
      await databricks.terminateCluster(cluster.id);
      restless.push(`cluster "${step.name}" to stop`);
    }
  }
  return restless[0] ?? null;
}

/** Why a cluster did not come up. One that was edited while it was stopped has an earlier end to tell of. */
function failureOf({ state, raw }: Cluster, { action }: Step): string | null {
  if (state === 'ERROR') return String(raw.state_message);
  const { termination_reason: reason } = raw;
  if (action !== 'create' || state !== 'TERMINATED' || !isObject(reason)) return null;
  if (reason.type === undefined || reason.type === 'SUCCESS') return null;
  return `${String(reason.code)}: ${String(raw.state_message)}`;
}
