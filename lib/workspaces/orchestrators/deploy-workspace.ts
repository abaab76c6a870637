import { z } from 'zod';
import { type OrchestrationContext, waitOrWake } from '../../platform/durable';

/** Names carry a version: code that decides otherwise gets a new name, and running instances end on the old one. */
export const deployWorkspaceName = 'deployWorkspace-v1';

export const activityNames = {
  plan: 'planWorkspace-v1',
  approve: 'approveWorkspace-v1',
  apply: 'applyWorkspace-v1',
  verify: 'verifyWorkspace-v1',
  fail: 'failWorkspace-v1',
  finish: 'finishWorkspaceDeployment-v1',
} as const;

export function orchestrationId(deploymentId: string): string {
  return `workspace-${deploymentId}`;
}

export const stageNames = ['plan', 'approve', 'apply', 'verify'] as const;
export type StageName = (typeof stageNames)[number];

/** What a stage answers. The state is in the store; this only says where to look next. */
export const stageAnswerSchema = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('next'), stage: z.enum(stageNames) }),
  z.object({ kind: z.literal('again'), delayMs: z.number() }),
  /** The environment has ended; `goOn`: the next one may follow. */
  z.object({ kind: z.literal('ended'), goOn: z.boolean() }),
]);
export type StageAnswer = z.infer<typeof stageAnswerSchema>;

const inputSchema = z.object({
  deploymentId: z.string(),
  environments: z.array(z.string()),
  at: z.int().default(0),
  stage: z.enum(stageNames).default('plan'),
});
export type DeployWorkspaceInput = z.input<typeof inputSchema>;

/** The history begins anew after this many calls: an approval may take days. */
const callsPerHistory = 20;
const failuresBeforeGivingUp = 10;

/** Leads one archive through its environments, one after the other: plan, approve, apply, verify. It knows ids and stages only. */
export function* deployWorkspace(context: OrchestrationContext) {
  const input = inputSchema.parse(context.df.getInput());
  const { deploymentId, environments } = input;
  let { at, stage } = input;
  for (let calls = 0; calls < callsPerHistory; calls += 1) {
    const environment = environments[at];
    if (environment === undefined) return yield* finish(context, deploymentId);
    context.df.setCustomStatus({ environment, stage });
    const answer = yield* runStage(context, stage, { deploymentId, environment });
    if (answer.kind === 'again') yield* waitOrWake(context, answer.delayMs);
    else if (answer.kind === 'next') stage = answer.stage;
    else if (!answer.goOn) return yield* finish(context, deploymentId);
    else {
      at += 1;
      stage = 'plan';
    }
  }
  context.df.continueAsNew({ deploymentId, environments, at, stage });
  return undefined;
}

/** An activity that throws met an infrastructure fault: it is tried again with patience; at last the environment fails. */
function* runStage(
  context: OrchestrationContext,
  stage: StageName,
  input: { deploymentId: string; environment: string },
) {
  for (let failures = 0; failures < failuresBeforeGivingUp; failures += 1) {
    try {
      return stageAnswerSchema.parse(yield context.df.callActivity(activityNames[stage], input));
    } catch {
      yield* waitOrWake(context, Math.min(60_000, 1_000 * 2 ** failures));
    }
  }
  return stageAnswerSchema.parse(yield context.df.callActivity(activityNames.fail, input));
}

function* finish(context: OrchestrationContext, deploymentId: string) {
  for (let failures = 0; ; failures += 1) {
    try {
      yield context.df.callActivity(activityNames.finish, { deploymentId });
      return;
    } catch (error) {
      if (failures >= failuresBeforeGivingUp) throw error;
      yield* waitOrWake(context, Math.min(60_000, 1_000 * 2 ** failures));
    }
  }
}
