/** Kinds of assets, in the order in which they are deployed: what comes later refers to what comes earlier. */
export const stepKinds = ['secretScope', 'initScript', 'cluster', 'notebook', 'job'] as const;
export type StepKind = (typeof stepKinds)[number];

export const stepActions = ['create', 'update', 'none', 'delete'] as const;
export type StepAction = (typeof stepActions)[number];

export const deploymentModes = ['auto', 'Initialize-KeyVault', 'Databricks'] as const;
export type DeploymentMode = (typeof deploymentModes)[number];

/**
 * How far a deployment is in one environment. The first five are on the way, in this order; the others are final.
 * `unchanged`: the plan had nothing to do. `initialized`: the Key Vault was prepared, and waits for its secrets.
 */
export const environmentStates = [
  'waiting',
  'planning',
  'awaitingApproval',
  'applying',
  'verifying',
  'succeeded',
  'unchanged',
  'initialized',
  'rejected',
  'failed',
  'cancelled',
  'skipped',
] as const;
export type EnvironmentState = (typeof environmentStates)[number];

export const deploymentStates = ['running', 'succeeded', 'rejected', 'failed', 'cancelled'] as const;
export type DeploymentState = (typeof deploymentStates)[number];

const goodEnds: readonly EnvironmentState[] = ['succeeded', 'unchanged', 'initialized'];
const ends: readonly EnvironmentState[] = [...goodEnds, 'rejected', 'failed', 'cancelled', 'skipped'];

export function isEnded(state: EnvironmentState): boolean {
  return ends.includes(state);
}

/** Whether the next environment may follow. */
export function isGoodEnd(state: EnvironmentState): boolean {
  return goodEnds.includes(state);
}

/** The environments follow one another; the first that does not end well ends the deployment. */
export function deploymentStateOf(environments: readonly { state: EnvironmentState }[]): DeploymentState {
  for (const { state } of environments) {
    if (!isEnded(state)) return 'running';
    if (state === 'rejected' || state === 'failed' || state === 'cancelled') return state;
  }
  return 'succeeded';
}

/** Tags that mark an asset as ours: which deployments own it, and which file of the archive it comes from. */
export const markTags = { owner: 'sqlfleet_owner', asset: 'sqlfleet_asset' } as const;

/** Whether a cluster's settings may be changed now, and it is neither coming nor going. */
export function isSettled(clusterState: string): boolean {
  return clusterState === 'RUNNING' || clusterState === 'TERMINATED';
}
