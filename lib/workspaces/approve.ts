import { type StageContext, type StageOutcome, type WorkspaceDeps } from './context';
import { orchestrationId } from './orchestrators/deploy-workspace';

/** The stage in which a person decides about exactly this plan. */
export function createApprove(deps: WorkspaceDeps) {
  return async ({ deployment, progress, environment }: StageContext): Promise<StageOutcome> => {
    const { deploymentId, workspace, requestedBy } = deployment;
    const { hash = '', counts } = progress.plan ?? {};
    const id = approvalId(deploymentId, environment.name);
    // Until it is noted that it was asked, it is asked: again it is one question, and everybody has heard of it.
    const approval =
      (progress.approvalId === null ? null : await deps.approvals.find(id)) ??
      (await deps.approvals.request({
        id,
        subject: `workspaces/${workspace}/deployments/${deploymentId}`,
        title: `Deploy to ${workspace} in ${environment.name}: ${counts?.create ?? 0} to create, ${counts?.update ?? 0} to update, ${counts?.delete ?? 0} to delete`,
        hash,
        requester: requestedBy,
        approvers: environment.approval.approvers,
        approverMustDiffer: environment.approval.approverMustDiffer,
        expiresAtMs: deps.clock.nowMs() + environment.approval.timeoutMinutes * 60_000,
        reminderEveryMs:
          environment.approval.reminderMinutes === null ? null : environment.approval.reminderMinutes * 60_000,
        wakeInstanceId: orchestrationId(deploymentId),
      }));
    switch (approval.state) {
      case 'pending':
        if (progress.approvalId === null) return { kind: 'next', change: { approvalId: id } };
        return { kind: 'again', delayMs: deps.lookEveryMs * 4, waitingFor: `approval ${id}` };
      case 'approved':
        // The word was given for one plan; the state says which.
        if (approval.hash !== hash) return rejected('notApproved', `Approval ${id} was given for another plan.`);
        return { kind: 'next', change: { state: 'applying', approvalId: id } };
      case 'rejected':
      case 'expired':
      case 'withdrawn':
        return rejected(
          approval.state,
          `The plan was ${approval.state} by ${approval.decision?.actor ?? 'nobody'}: ${approval.decision?.reason ?? ''}`,
        );
    }
  };
}

export function approvalId(deploymentId: string, environment: string): string {
  return `workspace-${deploymentId}-${environment}`;
}

function rejected(code: string, message: string): StageOutcome {
  return {
    kind: 'next',
    change: { state: 'rejected', failure: { code: `workspaces.${code}`, message, problems: [] } },
  };
}
