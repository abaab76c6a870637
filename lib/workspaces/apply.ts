import { type Databricks } from '../platform/databricks';
import { sha256 } from '../platform/hash';
import { readAssetFiles } from './archive';
import { connected, leaseMs, type StageContext, type StageOutcome, type WorkspaceDeps } from './context';
import { lostLease, stopped } from './errors';
import { outdatedSteps, resolved } from './judge';
import { createApplying, type Applying } from './applying';
import { writeMarker } from './marker';
import { interestOf, observe } from './observe';
import { type Plan, type Step } from './schema';
import { settleClusters } from './settle';

/** Starting takes minutes; what takes longer will not come. */
const patienceMs = 60 * 60_000;

/**
 * The stage that changes the workspace: exactly what the plan says, step by step. Before the first step the whole workspace
 * must be as the plan found it. Every step is noted before it is begun and after it is done, so whoever takes over after a
 * crash looks at what is there, knows what was ours, and does nothing a second time.
 */
export function createApply(deps: WorkspaceDeps) {
  return async (context: StageContext): Promise<StageOutcome> => {
    const { deployment, progress, environment, places, lease } = context;
    const deadlineMs = deps.clock.nowMs() + deps.activityBudgetMs;
    const planHash = progress.plan?.hash ?? '';
    const plan = await deps.store.readPlan(planHash);
    const applying = await createApplying(deps, { deployment, environment, lease, planHash, plan });
    const connection = await connected(deps, environment, places);
    if (connection.kind === 'wait') return { ...connection, kind: 'again', delayMs: deps.lookEveryMs };
    if (connection.resourceId.toLowerCase() !== plan.resourceId.toLowerCase()) {
      throw stopped('planOutdated', 'The environment names another workspace than when the plan was made. Plan anew.');
    }
    const { databricks } = connection;
    if (applying.isLate(patienceMs)) {
      throw stopped(
        'clusterStuck',
        'A cluster has been neither running nor terminated for an hour. Look at it, and start a new deployment.',
      );
    }
    const isOpen = ({ action, key }: Step): boolean => action !== 'none' && applying.steps[key] !== 'done';
    if (plan.steps.some(isOpen) || Object.keys(applying.steps).length === 0) {
      const outcome = await applySteps(databricks, plan, context, applying, deadlineMs);
      if (outcome !== null) return outcome;
    }
    // What remains is to wait; the whole is read once more by the next stage.
    const restless = await settleClusters(databricks, plan, applying);
    if (restless !== null) return waitFor(restless, applying);
    await writeMarker(databricks, plan, null, 'wanted');
    await applying.save();
    return { kind: 'next', change: { state: 'verifying', waitingFor: null } };
  };

  /** The time that somebody spent waiting is stored: being away does not count. */
  async function waitFor(waitingFor: string, applying: Applying): Promise<StageOutcome> {
    applying.waited(deps.lookEveryMs);
    await applying.save();
    return { kind: 'again', delayMs: deps.lookEveryMs, waitingFor };
  }

  /** null: every step is done. */
  async function applySteps(
    databricks: Databricks,
    plan: Plan,
    { deployment, lease, progress }: StageContext,
    applying: Applying,
    deadlineMs: number,
  ): Promise<StageOutcome | null> {
    const observation = await observe(databricks, interestOf(plan));
    const outdated = outdatedSteps(plan, applying, observation);
    if (outdated.length > 0) {
      throw stopped(
        'planOutdated',
        'The workspace was changed since the plan was made, so the plan is not applied. Look at what changed, and start a new deployment.',
        outdated,
      );
    }
    await applying.learn(plan, observation);
    const hands = {
      applying,
      files: await archiveFiles(deps, plan),
      folders: new Set<string>(),
      planHash: progress.plan?.hash ?? '',
    };
    await writeMarker(databricks, plan, observation.marker, 'both');
    for (const step of plan.steps) {
      if (step.action === 'none' || applying.steps[step.key] === 'done') continue;
      if (deps.clock.nowMs() > deadlineMs) return { kind: 'again', delayMs: 0, waitingFor: null };
      // A cancellation is looked at when a stage begins.
      const { cancelled } = await deps.store.deployment(deployment.deploymentId);
      if (cancelled !== null) return { kind: 'again', delayMs: 0, waitingFor: null };
      const pauseMs = pauseBefore(step, applying, deps.lookEveryMs * 2);
      if (pauseMs > 0) return { kind: 'again', delayMs: pauseMs, waitingFor: `what became of ${step.key}` };
      if (!(await deps.leases.renew(lease, leaseMs))) throw lostLease();
      await applying.begin(step.key);
      const done = await perform(databricks, plan, step, hands);
      if (done === 'busy') return waitFor(`cluster "${step.name}" to come to rest`, applying);
    }
    await applying.save();
    return null;
  }
}

/**
 * Jobs are created without a token that would make two calls one. Where the answer to the first is not known, it may still
 * be at work behind a gateway that has given up, so the second waits until whatever it does can be seen.
 */
function pauseBefore({ kind, action, key }: Step, applying: Applying, lateAnswerMs: number): number {
  const isUnsure = kind === 'job' && action === 'create' && applying.steps[key] === 'begun';
  return isUnsure ? Math.max(0, lateAnswerMs - applying.begunForMs()) : 0;
}

interface Hands {
  applying: Applying;
  files: ReadonlyMap<string, Buffer>;
  folders: Set<string>;
  planHash: string;
}

async function perform(databricks: Databricks, plan: Plan, step: Step, hands: Hands): Promise<'done' | 'busy'> {
  const { applying } = hands;
  const id = step.id ?? '';
  switch (step.kind) {
    case 'secretScope':
      await databricks.createSecretScope(step.name, plan.keyVault);
      break;
    case 'initScript':
    case 'notebook':
      if (step.action === 'delete') await databricks.deleteFile(step.name);
      else await importFile(databricks, step, hands);
      break;
    case 'cluster': {
      const spec = resolved(step.spec ?? {}, applying.createdIds);
      if (step.action === 'create') {
        applying.note(step.key, await databricks.createCluster(spec, sha256(`${hands.planHash}:${step.key}`)));
      } else if (step.action === 'delete') await databricks.deleteCluster(id);
      else if ((await databricks.editCluster(id, spec)) === 'busy') return 'busy';
      break;
    }
    case 'job': {
      const settings = resolved(step.spec ?? {}, applying.createdIds);
      if (step.action === 'create') applying.note(step.key, String(await databricks.createJob(settings)));
      else if (step.action === 'delete') await databricks.deleteJob(Number(id));
      else await databricks.resetJob(Number(id), settings);
      break;
    }
  }
  applying.done(step.key);
  return 'done';
}

async function importFile(databricks: Databricks, step: Step, { files, folders }: Hands): Promise<void> {
  const content = files.get(step.asset);
  if (content === undefined || sha256(content) !== step.content) {
    throw stopped('planOutdated', `The archive has not the ${step.asset} that the plan was made with. Plan anew.`);
  }
  const folder = step.name.slice(0, step.name.lastIndexOf('/'));
  if (!folders.has(folder)) await databricks.makeFolder(folder);
  folders.add(folder);
  await databricks.importFile(step.name, step.format ?? 'RAW', step.language, content);
}

async function archiveFiles(deps: WorkspaceDeps, plan: Plan): Promise<ReadonlyMap<string, Buffer>> {
  const needed = plan.steps.some(({ content, action }) => content !== null && action !== 'none');
  if (!needed) return new Map();
  return (await readAssetFiles(await deps.store.readArchive(plan.archive))).files;
}
