import { type Audit } from '../platform/audit';
import { type Clock } from '../platform/clock';
import { type Orchestrations } from '../platform/durable';
import { type InputProblem } from '../platform/errors';
import { readAssetArchive } from './archive';
import { deploymentNotFound, invalidInput } from './errors';
import { type DeployWorkspaceInput, deployWorkspaceName, orchestrationId } from './orchestrators/deploy-workspace';
import { type Deployment, deploymentOptionsSchema, type EnvironmentProgress, workspaceName } from './schema';
import { type WorkspaceStore } from './store';

export interface DeploymentSubmission {
  workspace: string;
  /** Bytes of an archive, or the deployment whose archive is to be deployed again. */
  assets: { bytes: Buffer } | { deployment: string };
  options: unknown;
  signedInActor: string | null;
  /** Given: asking again answers with the deployment that is there already. */
  deploymentId?: string;
}

export interface SubmitDeps {
  store: WorkspaceStore;
  audit: Audit;
  clock: Clock;
  newDeploymentId: () => string;
}

/**
 * Checks a deployment completely, stores its archive and its document, and starts its orchestration.
 *
 * @throws AppError `workspaces.invalidInput` (422) with every problem of name, options and archive at once
 */
export function createSubmit(deps: SubmitDeps) {
  return async (submission: DeploymentSubmission, orchestrations: Orchestrations): Promise<Deployment> => {
    const problems: InputProblem[] = [];
    const options = deploymentOptionsSchema.safeParse(submission.options ?? {});
    if (!options.success) {
      problems.push(
        ...options.error.issues.map(({ path, message }) => ({
          code: 'options.invalid',
          message,
          entry: ['options', ...path].join('.'),
          line: null,
        })),
      );
    }
    const name = workspaceName.safeParse(submission.workspace);
    if (!name.success) {
      problems.push({
        code: 'workspaces.name',
        message: 'A name has letters, digits and -.',
        entry: 'name',
        line: null,
      });
    }
    const environments: EnvironmentProgress[] = [];
    for (const [at, wanted] of (options.data?.environments ?? []).entries()) {
      const found = await deps.store.findEnvironment(wanted);
      if (found !== null) environments.push(notBegun(found.value.name));
      else {
        const message = `There is no environment "${wanted}".`;
        problems.push({ code: 'workspaces.environment', message, entry: `options.environments.${at}`, line: null });
      }
    }
    const earlier =
      'deployment' in submission.assets ? await deps.store.deployment(submission.assets.deployment) : null;
    // A right to one workspace gives nothing of another.
    if (earlier !== null && earlier.workspace.toLowerCase() !== submission.workspace.toLowerCase()) {
      throw deploymentNotFound(earlier.deploymentId);
    }
    const bytes =
      'bytes' in submission.assets ? submission.assets.bytes : await deps.store.readArchive(earlier?.archive ?? '');
    const { assets, problems: ofArchive } = await readAssetArchive(bytes);
    problems.push(...ofArchive.map((problem) => ({ ...problem, entry: problem.entry ?? 'assets' })));
    if (!options.success || problems.length > 0) throw invalidInput(problems);

    const archive = await deps.store.writeArchive(bytes);
    const deploymentId = submission.deploymentId ?? deps.newDeploymentId();
    const requestedBy = submission.signedInActor ?? options.data.requestedBy ?? 'unnamed';
    const deployment: Deployment = {
      id: deploymentId,
      deploymentId,
      // One name whatever its case: places and marks are made of it.
      workspace: submission.workspace.toLowerCase(),
      state: 'running',
      archive,
      archiveOf: earlier?.deploymentId ?? null,
      assets: {
        initScripts: assets.initScripts.length,
        clusters: assets.clusters.length,
        notebooks: assets.notebooks.length,
        jobs: assets.jobs.length,
      },
      requestedBy,
      description: options.data.description,
      createdAt: new Date(deps.clock.nowMs()).toISOString(),
      finishedAt: null,
      cancelled: null,
      environments,
    };
    const isNew = (await deps.store.createDeployment(deployment)) === 'created';
    const stored = isNew ? deployment : await deps.store.deployment(deploymentId);
    if (stored.state !== 'running') return stored;
    // Whoever asked first may have been cut off before this was done; done twice, it is done once.
    await deps.audit.record({
      id: `${deploymentId}.deploy`,
      subject: `workspaces/${stored.workspace}`,
      action: 'deploy',
      actor: stored.requestedBy,
      reason: stored.description,
      details: { deploymentId, archive: stored.archive, environments: stored.environments.map((each) => each.name) },
    });
    await start(orchestrations, stored);
    return stored;
  };
}

export async function start(orchestrations: Orchestrations, { deploymentId, environments }: Deployment): Promise<void> {
  const input: DeployWorkspaceInput = { deploymentId, environments: environments.map(({ name }) => name) };
  await orchestrations.start(deployWorkspaceName, orchestrationId(deploymentId), input);
}

function notBegun(name: string): EnvironmentProgress {
  return {
    ...{ name, state: 'waiting', waitingFor: null, plan: null, approvalId: null },
    ...{ warnings: [], failure: null, finishedAt: null },
  };
}
