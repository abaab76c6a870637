import { type ApprovalState } from '../platform/approvals';
import { type DocumentPage, type DocumentStore } from '../platform/documents';
import { AppError } from '../platform/errors';
import { newestFirst } from '../platform/newest-first';
import { approvalSchema, type ApprovalDocument } from './schema';

export interface ApprovalStore {
  create(approval: ApprovalDocument): Promise<'created' | 'exists'>;
  find(id: string): Promise<ApprovalDocument | null>;
  /** Reads, changes and writes until nobody else wrote in between. `change` may run several times; null leaves it as it is. */
  update(id: string, change: (approval: ApprovalDocument) => ApprovalDocument | null): Promise<ApprovalDocument | null>;
  list(options: {
    states: readonly ApprovalState[];
    pageSize: number;
    continuation: string | null;
  }): Promise<DocumentPage<ApprovalDocument>>;
}

const writeAttempts = 20;

export function createApprovalStore(documents: DocumentStore): ApprovalStore {
  return {
    create: (approval) => documents.create(approval.id, approval),
    async find(id) {
      return (await documents.read(id, id, approvalSchema))?.value ?? null;
    },
    async update(id, change) {
      for (let attempt = 1; attempt <= writeAttempts; attempt += 1) {
        const current = await documents.read(id, id, approvalSchema);
        if (current === null) return null;
        const next = change(current.value);
        if (next === null) return current.value;
        if ((await documents.replace(id, next, current.etag)) === 'replaced') return next;
      }
      throw new AppError('approvals.tooManyWriters', `Approval "${id}" kept changing. Try again.`, {
        status: 503,
        retry: { kind: 'backoff' },
      });
    },
    list: ({ states, pageSize, continuation }) =>
      newestFirst(documents, approvalSchema, {
        conditions: states.length === 0 ? [] : ['ARRAY_CONTAINS(@states, c.state)'],
        parameters: states.length === 0 ? {} : { states: [...states] },
        pageSize,
        continuation,
      }),
  };
}
