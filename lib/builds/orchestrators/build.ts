import { z } from 'zod';
import { type OrchestrationContext, waitOrWake } from '../../platform/durable';
import { runInputSchema } from '../schema';

/** Names carry a version: code that decides otherwise gets a new name, and running instances end on the old one. */
export const buildOrchestrationName = 'build-v1';

export const activityNames = {
  prepare: 'prepareBuild-v1',
  enqueue: 'enqueueTargets-v1',
  deploy: 'deployBuild-v1',
  monitor: 'monitorBuild-v1',
  finish: 'finishBuild-v1',
} as const;

export function orchestrationId(buildId: string, run: number): string {
  return `build-${buildId}-${run}`;
}

/** What an activity answers: expected failure is a value, so that nothing hangs on how errors travel. */
export const stageResultSchema = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('done') }),
  z.object({ kind: z.literal('again'), delayMs: z.number() }),
  z.object({ kind: z.literal('failed'), code: z.string(), message: z.string() }),
]);
export type StageResult = z.infer<typeof stageResultSchema>;

const inputSchema = runInputSchema.extend({ watching: z.boolean().default(false) });

/** The history begins anew after this many looks, so that its size does not depend on how long a build takes. */
const looksPerHistory = 20;

/**
 * One run of a build: prepare, enqueue, deploy, monitor, finish. It holds ids and stages only; targets, scripts and
 * outcomes stay in the stores, so its history is the same for ten targets and for a hundred thousand.
 */
export function* buildOrchestration(context: OrchestrationContext) {
  const { watching, ...input } = inputSchema.parse(context.df.getInput());
  if (!watching) {
    for (const stage of [activityNames.prepare, activityNames.enqueue, activityNames.deploy]) {
      context.df.setCustomStatus({ stage });
      const result = yield* runStage(context, stage, input);
      if (result.kind === 'failed') return yield* finish(context, { ...input, failure: result });
    }
  }
  context.df.setCustomStatus({ stage: activityNames.monitor });
  for (let look = 0; look < looksPerHistory; look += 1) {
    const result = yield* runStage(context, activityNames.monitor, input);
    if (result.kind === 'done') return yield* finish(context, input);
    if (result.kind === 'failed') return yield* finish(context, { ...input, failure: result });
    yield* waitOrWake(context, result.delayMs);
  }
  context.df.continueAsNew({ ...input, watching: true });
  return undefined;
}

function* finish(context: OrchestrationContext, input: object) {
  context.df.setCustomStatus({ stage: activityNames.finish });
  return yield* runStage(context, activityNames.finish, input);
}

/** An activity that throws met an infrastructure fault: it is tried again, with patience, because a build must end. */
function* runStage(context: OrchestrationContext, activity: string, input: object) {
  for (let failures = 0; ; failures += 1) {
    try {
      return stageResultSchema.parse(yield context.df.callActivity(activity, input));
    } catch (error) {
      if (failures >= 10) throw error;
      yield* waitOrWake(context, Math.min(60_000, 1_000 * 2 ** failures));
    }
  }
}
