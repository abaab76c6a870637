import { z } from 'zod';
import { type BlobStore } from '../platform/blobs';
import { AppError } from '../platform/errors';
import { type ProgressEvents } from '../platform/progress-events';
import { type ReadLinks } from '../platform/worker-credentials';
import { type Build, buildSchema, manifestSchema, outcomeSchema } from './schema';
import { type WorkOrder } from './work';
import { type BuildStore, outcomeId, type OutcomeStore } from './store';

/**
 * What workers of other clusters may see and say: of builds that their cluster has now, and of no others. The stores
 * themselves are not for them, because a key of a store opens everybody's builds.
 */

export const workOrderSchema = buildSchema.pick({ control: true, state: true, dispatch: true });

/** Only a retry says what replaces an outcome. */
export const workOutcomeSchema = outcomeSchema.omit({ supersededBy: true });

export const workInputsSchema = z.object({
  manifest: manifestSchema,
  packageUrl: z.string().meta({ description: 'Where the package can be read for a few minutes.' }),
});

const targetFacts = {
  buildId: z.string(),
  targetId: z.string(),
  server: z.string(),
  databases: z.array(z.string()).max(100),
  tag: z.string(),
  attempt: z.int(),
  at: z.string(),
};
/** What a worker tells of its targets, for whoever follows. */
export const workEventSchema = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('targetStarted'), ...targetFacts }),
  z.strictObject({
    type: z.literal('targetFinished'),
    ...targetFacts,
    status: outcomeSchema.shape.status,
    durationMs: z.number(),
    error: z.object({ code: z.string(), number: z.int().nullable(), script: z.string().nullable() }).nullable(),
  }),
]);
export const workEventsSchema = z.strictObject({ events: z.array(workEventSchema).max(500) });
export type WorkEvent = z.infer<typeof workEventSchema>;

/** As outcomes name their logs: no path can come of it. */
export const logNameSchema = z.string().regex(/^[\w-]{1,128}\.\d{1,6}\.sql$/);

export interface RemoteWorkDeps {
  builds: Pick<BuildStore, 'readManifest'> & {
    find(buildId: string): Promise<(WorkOrder & Pick<Build, 'cluster'>) | null>;
  };
  outcomes: Pick<OutcomeStore, 'exists' | 'create'>;
  logs: Pick<BlobStore, 'put'>;
  events: Pick<ProgressEvents, 'publish'>;
  packages: ReadLinks;
  nowMs: () => number;
}

export type RemoteWork = ReturnType<typeof createRemoteWork>;

const packageLinkMs = 10 * 60_000;
const endedStates: ReadonlySet<Build['state']> = new Set(['succeeded', 'finishedWithFailures', 'cancelled', 'failed']);

function notYours(): AppError {
  const message = 'Your cluster does not have this build (any more). Drop its messages.';
  return new AppError('builds.notYours', message, { status: 403 });
}

export function createRemoteWork(deps: RemoteWorkDeps) {
  /** @throws AppError `builds.notYours` (403), the same for a build that is another's and for one that is not there */
  const ofCluster = async (clusterId: string, buildId: string) => {
    const build = await deps.builds.find(buildId);
    if (build !== null && build.cluster === clusterId) return build;
    throw notYours();
  };

  return {
    async order(clusterId: string, buildId: string): Promise<z.infer<typeof workOrderSchema>> {
      const { control, state, dispatch } = await ofCluster(clusterId, buildId);
      return { control, state, dispatch };
    },

    async inputs(clusterId: string, buildId: string, run: number): Promise<z.infer<typeof workInputsSchema>> {
      const { state } = await ofCluster(clusterId, buildId);
      // Packages hold what was meant for databases; with the build ends the need for them.
      if (endedStates.has(state)) throw notYours();
      const manifest = await deps.builds.readManifest(buildId, run);
      return { manifest, packageUrl: await deps.packages.link(manifest.package.blob, deps.nowMs() + packageLinkMs) };
    },

    async hasEnded(clusterId: string, buildId: string, targetId: string, attempt: number): Promise<boolean> {
      await ofCluster(clusterId, buildId);
      return deps.outcomes.exists(buildId, targetId, attempt);
    },

    async end(clusterId: string, outcome: z.infer<typeof workOutcomeSchema>): Promise<'created' | 'exists'> {
      await ofCluster(clusterId, outcome.buildId);
      // Another id would let the same attempt end twice.
      return deps.outcomes.create({ ...outcome, id: outcomeId(outcome.targetId, outcome.attempt) });
    },

    async keepLog(clusterId: string, buildId: string, name: string, text: string): Promise<void> {
      await ofCluster(clusterId, buildId);
      await deps.logs.put(`${buildId}/databases/${name}`, text, 'application/sql; charset=utf-8');
    },

    /** Events of builds that are not the cluster's are dropped: they are hints, and hints of others' builds are lies. */
    async publish(clusterId: string, events: readonly WorkEvent[]): Promise<void> {
      const own = new Set<string>();
      for (const buildId of new Set(events.map((event) => event.buildId))) {
        if ((await deps.builds.find(buildId))?.cluster === clusterId) own.add(buildId);
      }
      for (const event of events) if (own.has(event.buildId)) deps.events.publish(event.buildId, event);
    },
  };
}
