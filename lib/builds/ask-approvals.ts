import { type Approvals } from '../platform/approvals';
import { type Clock } from '../platform/clock';
import { approvalIdOf, closedOver, type GateOption, type Gates, type GateState, gateStateOf } from './gates';
import { orchestrationId } from './orchestrators/build';
import { type Build, type Plan, type Progress } from './schema';

export interface AskApprovalsDeps {
  approvals: Approvals;
  clock: Clock;
}

/** How the gates of a run stand, just read. A gate that nobody was asked about yet is asked about: once, however often this runs. */
export function createAskApprovals({ approvals, clock }: AskApprovalsDeps) {
  return async (build: Build, plan: Plan, progress: Progress): Promise<Gates> => {
    const gates = new Map<string, GateState>();
    for (const [gate, targets] of closedOver(plan, progress)) {
      const option = build.options.approvals.find(({ tag }) => tag.toLowerCase() === gate);
      if (option === undefined) continue;
      const known = await approvals.find(approvalIdOf(build, gate));
      gates.set(gate, gateStateOf(known ?? (await approvals.request(question(build, gate, option, targets)))));
    }
    return gates;
  };

  function question(build: Build, gate: string, option: GateOption, targets: number) {
    const { buildId, run, name } = build;
    const timeoutAtMs = clock.nowMs() + option.timeoutMinutes * 60_000;
    return {
      id: approvalIdOf(build, gate),
      subject: `builds/${buildId}`,
      title: `Build "${name}" in ${targets} ${targets === 1 ? 'target' : 'targets'} #${option.tag}`,
      // Package, targets and options: whoever approves a build approves these and no others.
      hash: build.fingerprint,
      requester: build.retriedBy ?? build.requestedBy,
      approvers: option.approvers,
      approverMustDiffer: option.approverMustDiffer,
      expiresAtMs: Math.min(timeoutAtMs, Date.parse(build.deadlineAt)),
      reminderEveryMs: option.reminderMinutes === undefined ? null : option.reminderMinutes * 60_000,
      wakeInstanceId: orchestrationId(buildId, run),
    };
  }
}

/** Takes back what a run that ended still asks, so that nobody approves what will not happen. */
export async function withdrawApprovals(approvals: Approvals, build: Build): Promise<void> {
  for (const { tag } of build.options.approvals) {
    const by = { actor: 'sqlfleet', reason: `run ${build.run} of the build has ended` };
    await approvals.withdraw(approvalIdOf(build, tag.toLowerCase()), by);
  }
}
