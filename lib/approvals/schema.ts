import { z } from 'zod';
import { approvalStates } from '../platform/approvals';

export const approvalStateSchema = z.enum(approvalStates);

const person = z.string().trim().min(1).max(256);

export const approvalSchema = z.object({
  id: z.string(),
  subject: z.string(),
  title: z.string(),
  hash: z.string(),
  requester: z.string(),
  approvers: z.array(z.string()),
  approverMustDiffer: z.boolean(),
  createdAt: z.string(),
  expiresAt: z.string(),
  reminderEveryMs: z.number().nullable(),
  remindersSent: z.int(),
  state: approvalStateSchema,
  decision: z.object({ actor: z.string(), reason: z.string(), at: z.string() }).nullable(),
  wakeInstanceId: z.string().nullable(),
});
export type ApprovalDocument = z.infer<typeof approvalSchema>;

export const approvalViewSchema = approvalSchema.omit({ wakeInstanceId: true, remindersSent: true }).meta({
  id: 'Approval',
  description: 'A question to people: may what has this hash go on? Any state but `pending` is final.',
});
export type ApprovalView = z.infer<typeof approvalViewSchema>;

export const decisionRequestSchema = z.strictObject({
  decision: z.enum(['approve', 'reject']),
  actor: person.meta({ description: 'Who decides. A signed-in caller is known already and overrides it.' }),
  reason: z.string().trim().min(1).max(1_000),
  hash: z.string().optional().meta({
    description: 'Of what was looked at. With it, an approval of something else is refused.',
  }),
});
export type DecisionRequest = z.infer<typeof decisionRequestSchema>;
