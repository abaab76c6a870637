import { type BlobStore } from '../platform/blobs';
import { type Clock } from '../platform/clock';
import { forEachConcurrently } from '../platform/concurrency';
import { type TargetsReading } from '../targets/model';
import { AppError } from '../platform/errors';
import { sha256 } from '../platform/hash';
import { initialLaneKeys, initialLaneRate } from './lanes';
import { combinedCounts, noOutcomes, planPageSize, planTargets } from './plan';
import { type StageResult } from './orchestrators/build';
import { type Build, type Plan, type PlannedTarget, type Progress, type RunInput } from './schema';
import { type BuildStore, type OutcomeStore } from './store';

export interface PrepareDeps {
  builds: BuildStore;
  outcomes: OutcomeStore;
  inputs: BlobStore;
  readTargets(text: Buffer): TargetsReading;
  clock: Clock;
}

const writesAtOnce = 16;

/**
 * Stage 1 of a run: the manifest and the plan, as immutable blobs, and the monitor's empty memory. Run 1 plans all
 * targets; a later run plans the failed ones again, each with its next attempt. May run twice: a plan that is there is
 * complete and is used as it is, because a second look at the outcomes would miss those already marked.
 */
export function createPrepare(deps: PrepareDeps) {
  return async ({ buildId, run }: RunInput): Promise<StageResult> => {
    const build = await deps.builds.read(buildId);
    if (build.run !== run) return { kind: 'done' };
    await writeManifest(deps, build);
    let plan = await deps.builds.readPlan(buildId, run);
    if (plan === null) {
      const targets = run === 1 ? await allTargets(deps, build) : await failedTargets(deps, build);
      const planned = planTargets(targets, build.options, buildId);
      plan = planned.plan;
      await writePlan(deps.builds, build, plan, planned.ordered);
    }
    const retried = run === 1 ? noOutcomes() : await markRetried(deps, build, plan);
    await beginProgress(deps, build, plan, retried);
    await deps.builds.update(buildId, (current) =>
      current.state === 'validating'
        ? { ...current, state: 'running', startedAt: new Date(deps.clock.nowMs()).toISOString() }
        : null,
    );
    return { kind: 'done' };
  };
}

async function writeManifest(deps: PrepareDeps, build: Build): Promise<void> {
  await deps.builds.writeManifest({
    buildId: build.buildId,
    run: build.run,
    package: {
      blob: build.package.blob,
      name: build.package.name,
      sha256: build.package.sha256,
      packageHash: build.package.packageHash,
    },
    deadlineMs: Date.parse(build.deadlineAt),
    options: {
      trial: build.options.trial,
      transactional: build.options.transactional,
      timeoutRetryCount: build.options.timeoutRetryCount,
      defaultScriptTimeoutSeconds: build.options.defaultScriptTimeoutSeconds,
      description: build.options.description,
      buildFileName: build.package.name,
      requestedBy: build.requestedBy,
    },
  });
}

async function allTargets(deps: PrepareDeps, build: Build): Promise<PlannedTarget[]> {
  const text = await deps.inputs.get(build.targets.blob);
  if (text === null || sha256(text) !== build.targets.sha256) {
    throw new AppError('builds.inputChanged', 'The stored targets are not the ones that were submitted.');
  }
  return deps
    .readTargets(text)
    .targets.map((target) => ({ target: { ...target, overrides: [...target.overrides] }, attempt: 1 }));
}

async function failedTargets(deps: PrepareDeps, build: Build): Promise<PlannedTarget[]> {
  const targets: PlannedTarget[] = [];
  for await (const page of deps.outcomes.each(build.buildId, {
    statuses: build.options.failureOutcomes,
    current: true,
  })) {
    for (const { targetId, server, port, overrides, tag, line, attempt } of page) {
      targets.push({ target: { id: targetId, server, port, overrides, tag, line }, attempt: attempt + 1 });
    }
  }
  return targets;
}

async function writePlan(
  builds: BuildStore,
  build: Build,
  plan: Plan,
  ordered: readonly PlannedTarget[],
): Promise<void> {
  const pages = Array.from({ length: Math.ceil(ordered.length / planPageSize) }, (_, page) => page);
  await forEachConcurrently(pages, writesAtOnce, (page) =>
    builds.writePlanPage(build.buildId, build.run, page, ordered.slice(page * planPageSize, (page + 1) * planPageSize)),
  );
  await builds.writePlan(build.buildId, build.run, plan);
}

/** Marks the outcomes that this run replaces and counts them by status: they leave the build's counts. */
async function markRetried(deps: PrepareDeps, build: Build, plan: Plan) {
  const attempts = new Map<string, number>();
  for (let page = 0; page * plan.pageSize < plan.total; page += 1) {
    for (const { target, attempt } of await deps.builds.readPlanPage(build.buildId, build.run, page))
      attempts.set(target.id, attempt);
  }
  const retried = noOutcomes();
  for await (const page of deps.outcomes.each(build.buildId, {
    statuses: build.options.failureOutcomes,
    current: false,
  })) {
    await forEachConcurrently(page, writesAtOnce, async (outcome) => {
      const next = attempts.get(outcome.targetId);
      if (next === undefined || outcome.attempt !== next - 1 || outcome.run >= build.run) return;
      retried[outcome.status] += 1;
      if (outcome.supersededBy === undefined) await deps.outcomes.markSuperseded(outcome, next);
    });
  }
  return retried;
}

async function beginProgress(deps: PrepareDeps, build: Build, plan: Plan, retried: Progress['counts']): Promise<void> {
  const nowMs = deps.clock.nowMs();
  const fresh: Progress = {
    id: 'progress',
    buildId: build.buildId,
    kind: 'progress',
    run: build.run,
    feed: null,
    keys: initialLaneKeys(plan, build.buildId),
    ended: 0,
    counts: noOutcomes(),
    laneRate: initialLaneRate,
    lastLookMs: nowMs,
    lastOutcomeMs: nowMs,
    lastBacklogMs: nowMs,
    lastResendMs: nowMs,
    resends: 0,
  };
  const previous = await deps.builds.readProgress(build.buildId);
  if (previous === null) {
    await deps.builds.createProgress(fresh);
  } else if (previous.value.run < build.run) {
    const { feed, counts } = previous.value;
    await deps.builds.replaceProgress({ ...fresh, feed, counts: combinedCounts(counts, retried, -1) }, previous.etag);
  }
}
