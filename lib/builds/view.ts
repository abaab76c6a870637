import { z } from 'zod';
import { waitingForText } from './gates';
import { failureCount } from './plan';
import {
  type Build,
  buildOptionsSchema,
  buildSchema,
  buildStateSchema,
  countsSchema,
  type Outcome,
  outcomeSchema,
} from './schema';

/** What callers of the API see. The documents behind it may change; this may not, without a new version. */

export const buildViewSchema = z
  .object({
    id: z.string(),
    name: z.string(),
    state: buildStateSchema,
    run: z.int().meta({ description: '1, and one more for every retry of failed targets.' }),
    cluster: z.string().nullable().meta({ description: 'null: parked, because no cluster fits.' }),
    clusterChoice: buildSchema.shape.clusterChoice,
    clusterOverride: buildSchema.shape.clusterOverride,
    package: z.object({ name: z.string(), sha256: z.string(), packageHash: z.string(), scripts: z.int() }),
    targets: z.object({ count: z.int(), sha256: z.string() }),
    options: buildOptionsSchema,
    requestedBy: z.string(),
    createdAt: z.string(),
    startedAt: z.string().nullable(),
    finishedAt: z.string().nullable(),
    deadlineAt: z.string(),
    counts: countsSchema.meta({ description: 'Targets by outcome.' }),
    inFlight: z.int().meta({ description: 'Targets handed to the queue that have no outcome yet.' }),
    waiting: z.int().meta({ description: 'Targets not handed to the queue yet.' }),
    failures: z.int().meta({ description: 'Targets whose outcome counts as a failure.' }),
    control: buildSchema.shape.control,
    approvals: z
      .array(z.object({ tag: z.string(), approvalId: z.string(), expiresAt: z.string(), link: z.string() }))
      .meta({ description: 'Approvals that hold targets back.' }),
    waitingFor: z.string().nullable().meta({ description: 'What a build that does not move waits for.' }),
    failure: buildSchema.shape.failure,
    links: z.object({ self: z.string(), outcomes: z.string(), logs: z.string() }),
  })
  .meta({ id: 'Build', description: 'One package applied to one set of targets.' });
export type BuildView = z.infer<typeof buildViewSchema>;

export function buildView(build: Build, apiUrl: string): BuildView {
  const self = `${apiUrl}/builds/${build.buildId}`;
  const ended = Object.values(build.counts).reduce((sum, count) => sum + count, 0);
  return {
    id: build.buildId,
    name: build.name,
    state: build.state,
    run: build.run,
    cluster: build.cluster,
    clusterChoice: build.clusterChoice,
    clusterOverride: build.clusterOverride,
    package: {
      name: build.package.name,
      sha256: build.package.sha256,
      packageHash: build.package.packageHash,
      scripts: build.package.scripts,
    },
    targets: { count: build.targets.count, sha256: build.targets.sha256 },
    options: build.options,
    requestedBy: build.requestedBy,
    createdAt: build.createdAt,
    startedAt: build.startedAt,
    finishedAt: build.finishedAt,
    deadlineAt: build.deadlineAt,
    counts: build.counts,
    inFlight: build.outstanding,
    waiting: Math.max(0, build.targets.count - ended - build.outstanding),
    failures: failureCount(build, build.counts),
    control: build.control,
    approvals: (build.approvals ?? []).map((each) => ({ ...each, link: `${apiUrl}/approvals/${each.approvalId}` })),
    waitingFor: waitingForText(build),
    failure: build.failure,
    links: { self, outcomes: `${self}/outcomes`, logs: `${self}/logs` },
  };
}

export const outcomeViewSchema = outcomeSchema
  .omit({ id: true, buildId: true })
  .extend({ databases: z.array(z.string()) })
  .meta({ id: 'Outcome', description: 'How one target ended in one attempt.' });
export type OutcomeView = z.infer<typeof outcomeViewSchema>;

export function outcomeView(outcome: Outcome): OutcomeView {
  const { id: _id, buildId: _buildId, ...rest } = outcome;
  return { ...rest, databases: outcome.overrides.map(({ target }) => target) };
}
