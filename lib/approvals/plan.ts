import { type ApprovalDocument, type DecisionRequest } from './schema';

/** The pure decisions about one approval. */

export type Verdict =
  | { kind: 'accepted' }
  /** It is final already, or its time is over. */
  | { kind: 'final'; why: string }
  /** What was looked at is not what the approval is about. */
  | { kind: 'otherContent' }
  | { kind: 'forbidden'; why: string };

/** Who ends an approval whose time is over. */
export const expiredBy = 'sqlfleet';

export function isExpired(approval: ApprovalDocument, nowMs: number): boolean {
  return approval.state === 'pending' && nowMs >= Date.parse(approval.expiresAt);
}

/** Whether a person may make this decision now. */
export function judge(approval: ApprovalDocument, request: DecisionRequest, nowMs: number): Verdict {
  // Who may not decide learns nothing about how it stands.
  const { approvers, requester, approverMustDiffer } = approval;
  if (approvers.length > 0 && !approvers.some((approver) => isSame(approver, request.actor))) {
    return { kind: 'forbidden', why: `${request.actor} is not among its approvers (${approvers.join(', ')})` };
  }
  if (approverMustDiffer && isSame(requester, request.actor)) {
    return { kind: 'forbidden', why: `${request.actor} asked for it, and somebody else has to decide` };
  }
  if (approval.state !== 'pending') {
    return { kind: 'final', why: `was ${approval.state} by ${approval.decision?.actor ?? 'nobody'}` };
  }
  if (isExpired(approval, nowMs)) return { kind: 'final', why: `expired at ${approval.expiresAt}` };
  return request.hash === undefined || request.hash === approval.hash ? { kind: 'accepted' } : { kind: 'otherContent' };
}

/** The number of the reminder that is due, counted from 1; null when none is. Reminders that were missed are not made up for. */
export function dueReminder(approval: ApprovalDocument, nowMs: number): number | null {
  if (approval.state !== 'pending' || approval.reminderEveryMs === null) return null;
  const due = Math.floor((nowMs - Date.parse(approval.createdAt)) / approval.reminderEveryMs);
  return due > approval.remindersSent ? due : null;
}

/** Directories do not tell upper case from lower, and neither does a rule about who may approve. */
function isSame(a: string, b: string): boolean {
  const normal = (name: string): string => name.trim().normalize('NFKC').toLowerCase();
  return normal(a) === normal(b);
}
