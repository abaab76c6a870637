import { type Audit } from '../platform/audit';
import { type BlobStore } from '../platform/blobs';
import { type Clock } from '../platform/clock';
import { type FleetEvent, type FleetEvents } from '../platform/cloud-events';
import { type Orchestrations } from '../platform/durable';
import { AppError } from '../platform/errors';
import { sha256 } from '../platform/hash';
import { checkSubmission, type CheckSubmissionDeps, type Submission } from './check-submission';
import { buildOrchestrationName, orchestrationId } from './orchestrators/build';
import { noOutcomes } from './plan';
import { type Build } from './schema';
import { type BuildStore } from './store';

export interface SubmitDeps extends CheckSubmissionDeps {
  builds: BuildStore;
  inputs: BlobStore;
  audit: Audit;
  fleetEvents: FleetEvents;
  clock: Clock;
  newBuildId: () => string;
}

/**
 * Checks a submission completely, stores it under its content's hash, writes the build document and starts its
 * orchestration. The same idempotency key with the same content answers with the build that is there already.
 *
 * @throws AppError `builds.invalidInput` (422) with every problem of options, package and targets at once;
 *   `builds.idempotencyKeyReused` (422) for a known key with other content.
 */
export function createSubmit(deps: SubmitDeps) {
  return async (
    submission: Submission,
    orchestrations: Orchestrations,
  ): Promise<{ build: Build; created: boolean }> => {
    const { options, scripts, targets, choice } = await checkSubmission(deps, submission);
    const targetsSha256 = sha256(targets.bytes);
    const fingerprint = sha256(JSON.stringify([scripts.package.sha256, targetsSha256, options]));
    const buildId =
      submission.idempotencyKey === null ? deps.newBuildId() : `k-${sha256(submission.idempotencyKey).slice(0, 32)}`;
    const packageBlob = `packages/${scripts.package.sha256}`;
    const targetsBlob = `targets/${targetsSha256}`;
    await deps.inputs.putOnce(packageBlob, scripts.bytes, 'application/octet-stream');
    await deps.inputs.putOnce(targetsBlob, targets.bytes, 'text/plain; charset=utf-8');

    const nowMs = deps.clock.nowMs();
    const requestedBy = submission.signedInActor ?? options.requestedBy ?? 'unnamed';
    const build: Build = {
      id: buildId,
      buildId,
      kind: 'build',
      name: options.name ?? scripts.name,
      state: 'validating',
      run: 1,
      cluster: choice.cluster,
      queue: choice.queue,
      clusterChoice: choice,
      clusterOverride: null,
      dispatch: 0,
      lanesWanted: false,
      package: {
        name: scripts.name,
        blob: packageBlob,
        sha256: scripts.package.sha256,
        packageHash: scripts.package.packageHash,
        scripts: scripts.package.scripts.length,
      },
      targets: { blob: targetsBlob, sha256: targetsSha256, count: targets.targets.length },
      options,
      requestedBy,
      fingerprint,
      createdAt: new Date(nowMs).toISOString(),
      startedAt: null,
      finishedAt: null,
      deadlineAt: new Date(nowMs + options.deadlineMinutes * 60_000).toISOString(),
      counts: noOutcomes(),
      outstanding: 0,
      control: { paused: null, cancelled: null },
      waitingFor: choice.cluster === null ? `no build cluster: ${choice.reason}` : null,
      failure: null,
    };
    if ((await deps.builds.create(build)) === 'exists') {
      const existing = await deps.builds.read(buildId);
      if (existing.fingerprint !== fingerprint) {
        throw new AppError(
          'builds.idempotencyKeyReused',
          'This Idempotency-Key was used for another package, other targets or other options. Use a new key.',
          { status: 422, details: { buildId } },
        );
      }
      // The first request may have been cut off between the document and the start.
      if (existing.state === 'validating') {
        await start(orchestrations, existing);
        await deps.fleetEvents.publish(startedEvent(existing));
      }
      return { build: existing, created: false };
    }
    await start(orchestrations, build);
    await deps.audit.record({
      subject: buildId,
      action: 'start',
      actor: requestedBy,
      reason: build.options.description,
      details: {
        package: build.package,
        targets: build.targets.count,
        cluster: build.cluster,
        because: choice.reason,
        choice,
      },
    });
    await deps.fleetEvents.publish(startedEvent(build));
    return { build, created: true };
  };
}

function startedEvent({ buildId, name, requestedBy, targets, package: { sha256: packageSha256 } }: Build): FleetEvent {
  return {
    id: `${buildId}.started`,
    type: 'Sqlfleet.Builds.Started',
    subject: `builds/${buildId}`,
    data: { buildId, name, requestedBy, targets: targets.count, package: packageSha256 },
  };
}

export async function start(orchestrations: Orchestrations, { buildId, run }: Build): Promise<void> {
  await orchestrations.start(buildOrchestrationName, orchestrationId(buildId, run), { buildId, run });
}
