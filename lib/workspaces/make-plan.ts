import { basisOf } from './applying';
import { readAssetArchive } from './archive';
import { connect, type StageContext, type StageOutcome, type WorkspaceDeps } from './context';
import { invalidInput, stopped } from './errors';
import { observe } from './observe';
import { countActions, planWorkspace } from './plan';
import { neededLists } from './references';
import { type Plan } from './schema';
import { initializeVault } from './vault';

const initializing = 'the Key Vault to be initialized';

/** The stage in which the workspace is read and the plan is made, stored and hashed. Changes nothing in the workspace. */
export function createMakePlan(deps: WorkspaceDeps) {
  return async ({ deployment, progress, environment, places }: StageContext): Promise<StageOutcome> => {
    const isInitializing = progress.waitingFor === initializing;
    const connection = await connect(deps, environment, places, { isInitializing });
    if (connection.kind === 'wait') return { ...connection, kind: 'again', delayMs: deps.lookEveryMs };
    if (connection.kind === 'initialize') {
      // Noted first, so that whoever goes on after a crash ends what was begun.
      if (!isInitializing) return { kind: 'again', delayMs: 0, waitingFor: initializing };
      const { url, recovered, created } = await initializeVault(deps, environment, places, connection.vault);
      await deps.audit.record({
        id: `${deployment.deploymentId}.${environment.name}.initialized`,
        subject: `workspaces/${deployment.workspace}`,
        action: 'initialize-key-vault',
        actor: deployment.requestedBy,
        reason: deployment.description,
        details: {
          deploymentId: deployment.deploymentId,
          environment: environment.name,
          vault: url,
          recovered,
          created,
        },
      });
      return { kind: 'next', change: { state: 'initialized' } };
    }
    const { assets, problems } = await readAssetArchive(await deps.store.readArchive(deployment.archive));
    if (problems.length > 0) throw invalidInput(problems);
    const { owner, root } = places;
    const files = [...assets.initScripts, ...assets.notebooks].map(
      ({ target, format }) => [`${root}/${target}`, format] as const,
    );
    const observation = await observe(connection.databricks, {
      root,
      owner,
      jobs: new Set(assets.jobs.map(({ name }) => name)),
      files: new Map(files),
      ...neededLists(assets),
    });
    const planning = planWorkspace({
      assets,
      observation,
      owner,
      root,
      remembered: await deps.store.readRemembered(deployment.workspace, environment.name),
      secretScope:
        environment.secretScope === null
          ? null
          : { name: environment.secretScope, keyVaultId: connection.vault.resourceId },
      maximumDeletes: environment.maximumDeletes,
      adoptUnmarked: environment.adoptUnmarked,
    });
    if (planning.problems.length > 0) {
      const count = planning.problems.length === 1 ? 'one problem' : `${planning.problems.length} problems`;
      throw stopped(
        'planRefused',
        `The assets cannot be deployed to ${environment.name}: ${count}.`,
        planning.problems,
      );
    }
    const plan: Plan = {
      deploymentId: deployment.deploymentId,
      workspace: deployment.workspace,
      environment: environment.name,
      resourceId: connection.resourceId,
      url: connection.url,
      keyVault: connection.vault,
      owner,
      root,
      archive: deployment.archive,
      apiVersions: environment.apiVersions,
      stopCreatedClusters: environment.stopCreatedClusters,
      pinClusters: environment.pinClusters,
      createdAt: new Date(deps.clock.nowMs()).toISOString(),
      warnings: planning.warnings,
      relies: planning.relies,
      basis: basisOf((await deps.store.state(deployment.workspace, environment.name))?.value ?? null),
      steps: planning.steps,
    };
    const hash = await deps.store.writePlan(plan);
    const counts = countActions(plan.steps);
    const isUnchanged = counts.create + counts.update + counts.delete === 0;
    // Nothing to apply is nothing to approve; verifying remembers it as what was applied last.
    const state = isUnchanged ? 'verifying' : environment.approval.required ? 'awaitingApproval' : 'applying';
    return { kind: 'next', change: { state, plan: { hash, counts } } };
  };
}
