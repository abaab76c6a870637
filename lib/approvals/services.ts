import { type Approval, type ApprovalRequest, type Approvals } from '../platform/approvals';
import { type Audit } from '../platform/audit';
import { type Clock } from '../platform/clock';
import { type FleetEvents } from '../platform/cloud-events';
import { type DocumentStore } from '../platform/documents';
import { type Orchestrations } from '../platform/durable';
import { AppError, messageOf } from '../platform/errors';
import { type Logger } from '../platform/logger';
import { dueReminder, expiredBy, isExpired, judge } from './plan';
import { type ApprovalDocument, type DecisionRequest } from './schema';
import { createApprovalStore, type ApprovalStore } from './store';

export interface ApprovalServicesDeps {
  documents: DocumentStore;
  audit: Audit;
  fleetEvents: FleetEvents;
  clock: Clock;
  logger: Logger;
}

export interface ApprovalServices extends Approvals {
  /**
   * A person's decision. The same decision by the same person, sent again, answers as the first one did.
   * @throws AppError `approvals.notFound` (404), `approvals.forbidden` (403), `approvals.final`, `approvals.otherContent` (409)
   */
  decide(id: string, request: DecisionRequest, orchestrations: Orchestrations): Promise<ApprovalDocument>;
  /** Ends what nobody decided in time, and reminds of what waits. Level-triggered: it may run at any time, and twice. */
  expire(orchestrations: Orchestrations): Promise<void>;
  /** @throws AppError `approvals.notFound` (404) */
  document(id: string): Promise<ApprovalDocument>;
  list: ApprovalStore['list'];
}

const requestableId = /^[\w-]{1,128}$/;
const pageSize = 100;

type Final = Exclude<ApprovalDocument['state'], 'pending'>;
const happenings: Record<Final, string> = {
  approved: 'Approved',
  rejected: 'Rejected',
  expired: 'Expired',
  withdrawn: 'Withdrawn',
};

/** Wires approvals. A state that is not pending is never written over: whoever reads it may rely on it for ever. */
export function createApprovalServices(deps: ApprovalServicesDeps): ApprovalServices {
  const { clock, audit, logger } = deps;
  const store = createApprovalStore(deps.documents);

  /** Audit, event and wake-up follow the write; each may be repeated, is one by its id, and none decides anything. */
  const tell = async (approval: ApprovalDocument, orchestrations?: Orchestrations): Promise<void> => {
    const { id, subject, state, decision } = approval;
    if (state === 'pending' || decision === null) return;
    const { actor, reason } = decision;
    if (approval.wakeInstanceId !== null) await orchestrations?.wake(approval.wakeInstanceId);
    await audit.record({
      id: `${id}.${state}`,
      subject: `approvals/${id}`,
      action: state,
      actor,
      reason,
      details: { subject },
    });
    await publish(approval, happenings[state], `${id}.${state}`);
  };
  const publish = (
    { id, subject, title, requester, approvers, expiresAt, state }: ApprovalDocument,
    what: string,
    eventId: string,
  ) =>
    deps.fleetEvents.publish({
      id: eventId,
      type: `Sqlfleet.Approvals.${what}`,
      subject: `approvals/${id}`,
      data: { approvalId: id, subject, title, requester, approvers, expiresAt, state },
    });

  const tellOfRequest = async (approval: ApprovalDocument): Promise<void> => {
    const { id, requester, title, subject, hash } = approval;
    await audit.record({
      id: `${id}.requested`,
      subject: `approvals/${id}`,
      action: 'request',
      actor: requester,
      reason: title,
      details: { subject, hash },
    });
    await publish(approval, 'Requested', `${id}.requested`);
  };

  /** Makes a pending approval final; answers what is stored, and whether it was this call that did it. */
  const end = async (
    id: string,
    state: Final,
    by: { actor: string; reason: string },
    when: (approval: ApprovalDocument) => boolean,
  ) => {
    let ended = false;
    const approval = await store.update(id, (current) => {
      ended = current.state === 'pending' && when(current);
      const at = new Date(clock.nowMs()).toISOString();
      return ended ? { ...current, state, decision: { ...by, at } } : null;
    });
    return { approval, ended };
  };
  const endIfExpired = async (
    approval: ApprovalDocument,
    orchestrations?: Orchestrations,
  ): Promise<ApprovalDocument> => {
    if (!isExpired(approval, clock.nowMs())) return approval;
    const by = { actor: expiredBy, reason: `nobody decided before ${approval.expiresAt}` };
    const after = await end(approval.id, 'expired', by, (current) => isExpired(current, clock.nowMs()));
    if (after.ended && after.approval !== null) await tell(after.approval, orchestrations);
    return after.approval ?? approval;
  };
  const findDocument = async (id: string): Promise<ApprovalDocument | null> => {
    const approval = requestableId.test(id) ? await store.find(id) : null;
    return approval === null ? null : endIfExpired(approval);
  };
  const document = async (id: string): Promise<ApprovalDocument> => {
    const approval = await findDocument(id);
    if (approval === null) throw notFound(id);
    return approval;
  };

  return {
    document,
    list: (options) => store.list(options),

    async request(request) {
      if (!requestableId.test(request.id)) {
        throw new AppError('approvals.invalidId', `"${request.id.slice(0, 128)}" cannot be the id of an approval.`);
      }
      const asked = newApproval(request, clock.nowMs());
      if ((await store.create(asked)) === 'exists') {
        const known = await document(request.id);
        if (known.hash === request.hash) {
          // Whoever asked first may have died before anybody heard of it.
          if (known.state === 'pending') await tellOfRequest(known);
          return seen(known);
        }
        throw new AppError(
          'approvals.otherContent',
          `Approval "${request.id}" was asked for something else. Ask anew.`,
          {
            status: 409,
          },
        );
      }
      await tellOfRequest(asked);
      return seen(asked);
    },

    async find(id) {
      const approval = await findDocument(id);
      return approval === null ? null : seen(approval);
    },
    read: async (id) => seen(await document(id)),

    async withdraw(id, by) {
      const { approval, ended } = await end(id, 'withdrawn', by, () => true);
      if (ended && approval !== null) await tell(approval);
    },

    async decide(id, request, orchestrations) {
      const current = await document(id);
      const state = request.decision === 'approve' ? 'approved' : 'rejected';
      const by = { actor: request.actor, reason: request.reason };
      const isRepeated = (approval: ApprovalDocument): boolean =>
        approval.state === state && approval.decision?.actor === by.actor && approval.decision.reason === by.reason;
      if (isRepeated(current)) {
        // The first time may have ended before anybody heard of it.
        await tell(current, orchestrations);
        return current;
      }
      const allowed = (approval: ApprovalDocument): boolean => {
        const verdict = judge(approval, request, clock.nowMs());
        if (verdict.kind !== 'accepted') throw refusal(approval, verdict);
        return true;
      };
      const { approval, ended } = await end(id, state, by, allowed);
      if (approval === null) throw notFound(id);
      if (ended) await tell(approval, orchestrations);
      // Decided by somebody else in between, or by this call with its answer lost: judged again, on what is there.
      else if (!isRepeated(approval)) allowed(approval);
      return approval;
    },

    async expire(orchestrations) {
      let continuation: string | null = null;
      do {
        const page: Awaited<ReturnType<ApprovalStore['list']>> = await store.list({
          states: ['pending'],
          pageSize,
          continuation,
        });
        for (const approval of page.items) {
          try {
            const current = await endIfExpired(approval, orchestrations);
            const number = dueReminder(current, clock.nowMs());
            if (number === null) continue;
            await publish(current, 'Reminded', `${current.id}.reminder.${number}`);
            await store.update(current.id, (now) =>
              now.remindersSent < number ? { ...now, remindersSent: number } : null,
            );
          } catch (error) {
            // The others must not wait for this one; it comes by again with the next run.
            logger.error('an approval could not be looked after', { approvalId: approval.id, error: messageOf(error) });
          }
        }
        continuation = page.continuation;
      } while (continuation !== null);
    },
  };
}

function newApproval(request: ApprovalRequest, nowMs: number): ApprovalDocument {
  const { expiresAtMs, approvers, ...rest } = request;
  return {
    ...rest,
    approvers: [...approvers],
    createdAt: new Date(nowMs).toISOString(),
    expiresAt: new Date(expiresAtMs).toISOString(),
    remindersSent: 0,
    state: 'pending',
    decision: null,
  };
}

/** What capabilities see of an approval. */
function seen({ id, hash, state, expiresAt, decision }: ApprovalDocument): Approval {
  return { id, hash, state, expiresAt, decision };
}

function notFound(id: string): AppError {
  return new AppError('approvals.notFound', `There is no approval "${id.slice(0, 128)}".`, { status: 404 });
}

function refusal(
  approval: ApprovalDocument,
  verdict: Exclude<ReturnType<typeof judge>, { kind: 'accepted' }>,
): AppError {
  const subject = `Approval "${approval.id}"`;
  switch (verdict.kind) {
    case 'final':
      return new AppError('approvals.final', `${subject} ${verdict.why}; that stands. Ask for a new one.`, {
        status: 409,
        details: { state: approval.state },
      });
    case 'otherContent':
      return new AppError(
        'approvals.otherContent',
        `${subject} is about ${approval.hash}, not about what was looked at.`,
        {
          status: 409,
        },
      );
    case 'forbidden':
      return new AppError('approvals.forbidden', `${subject}: ${verdict.why}.`, { status: 403 });
  }
}
