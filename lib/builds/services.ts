import { type Approvals } from '../platform/approvals';
import { type Audit } from '../platform/audit';
import { type BlobStore } from '../platform/blobs';
import { type Clock } from '../platform/clock';
import { type FleetEvents } from '../platform/cloud-events';
import { type ClusterDirectory } from '../platform/cluster-choice';
import { AppError } from '../platform/errors';
import { type DocumentStore } from '../platform/documents';
import { type Logger } from '../platform/logger';
import { type BuildQueue } from '../platform/messages';
import { type ProgressEvents } from '../platform/progress-events';
import { createAskApprovals } from './ask-approvals';
import { createControl } from './control';
import { createDeadLetters } from './dead-letters';
import { createDeploy } from './deploy';
import { isIncurable } from './errors';
import { createFinish } from './finish';
import { type DatabaseBuildRequest, type DatabaseBuildResult } from './model';
import { createLaneHolds } from './lane-holds';
import { createMonitor } from './monitor';
import { type StageResult } from './orchestrators/build';
import { createPlacement } from './placement';
import { createPlanReader } from './plan-reader';
import { createPrepare } from './prepare';
import { createRevive } from './revive';
import { type RunInput } from './schema';
import { createBuildStore, createOutcomeStore } from './store';
import { createSubmit, type SubmitDeps } from './submit';
import { createTargetWorker, type WorkerDeps } from './work';

export interface BuildServicesDeps {
  documents: { builds: DocumentStore; outcomes: DocumentStore };
  /** `uploads`: where callers put packages and targets; `state`: immutable inputs, plans, manifests; `logs`. */
  blobs: { uploads: BlobStore; state: BlobStore; logs: BlobStore };
  queue: BuildQueue;
  clusters: ClusterDirectory;
  laneHolds: DocumentStore;
  events: ProgressEvents;
  fleetEvents: FleetEvents;
  approvals: Approvals;
  audit: Audit;
  clock: Clock;
  /** In [0, 1). */
  random: () => number;
  logger: Logger;
  newBuildId: () => string;
  readPackage: SubmitDeps['readPackage'];
  readTargets: SubmitDeps['readTargets'];
  parsePackage: WorkerDeps['parsePackage'];
  buildDatabase: WorkerDeps['buildDatabase'];
  resolveDatabase(
    request: DatabaseBuildRequest,
    pkg: Awaited<ReturnType<WorkerDeps['parsePackage']>>,
  ): Promise<DatabaseBuildResult>;
  longestDeliveryMs: number;
  monitorIntervalMs: number;
  stuckAfterMs: number;
}

export type BuildServices = ReturnType<typeof createBuildServices>;

/** How long a dead letter may hold up the look that reads it. */
const resolveWithinMs = 60_000;

/** Wires the builds capability: everything that `functions/builds.ts` calls. */
export function createBuildServices(deps: BuildServicesDeps) {
  const { clock, logger, queue, audit } = deps;
  const builds = createBuildStore(deps.documents.builds, deps.blobs.state);
  const outcomes = createOutcomeStore(deps.documents.outcomes);
  const plans = createPlanReader(builds, clock);
  const { uploads, state: inputs, logs } = deps.blobs;
  const deadLetters = createDeadLetters({
    queue,
    outcomes,
    clock,
    logger,
    builds,
    async resolve(message, manifest) {
      const bytes = await inputs.get(manifest.package.blob);
      if (bytes === null) throw new AppError('builds.inputChanged', 'The stored package is gone.');
      const request = {
        ...message,
        options: manifest.options,
        deadlineMs: clock.nowMs() + resolveWithinMs,
        signal: AbortSignal.timeout(resolveWithinMs),
      };
      return deps.resolveDatabase(request, await deps.parsePackage(bytes, manifest.package.name));
    },
  });
  const monitor = createMonitor({
    builds,
    outcomes,
    plans,
    queue,
    deadLetters,
    askApprovals: createAskApprovals(deps),
    place: createPlacement({ builds, clusters: deps.clusters, audit, clock, stuckAfterMs: deps.stuckAfterMs }),
    holds: createLaneHolds({ documents: deps.laneHolds, builds, clock }),
    clock,
    logger,
    intervalMs: deps.monitorIntervalMs,
    stuckAfterMs: deps.stuckAfterMs,
  });
  return {
    builds,
    outcomes,
    logs,
    audit,
    readUpload: (name: string) => uploads.get(name),
    submit: createSubmit({ ...deps, builds, inputs }),
    control: createControl({ builds, audit, clock }),
    prepare: failingBuild(createPrepare({ builds, outcomes, inputs, readTargets: deps.readTargets, clock })),
    deploy: failingBuild(createDeploy({ builds, queue })),
    monitor: failingBuild(monitor),
    finish: createFinish({ ...deps, builds, outcomes, logs }),
    buildTarget: createTargetWorker({ ...deps, builds, outcomes, inputs, logs }),
    revive: createRevive({ builds, logger }),
  };
}

/** Makes an incurable fault the end of the build. Thrown, the stage would be tried again for as long as the build exists. */
function failingBuild(stage: (run: RunInput) => Promise<StageResult>) {
  return async (run: RunInput): Promise<StageResult> => {
    try {
      return await stage(run);
    } catch (error) {
      if (!isIncurable(error)) throw error;
      return { kind: 'failed', code: error.code, message: error.message };
    }
  };
}
