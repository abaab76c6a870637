import { z } from 'zod';
import { type Clock } from './clock';
import { type DocumentPage, type DocumentStore } from './documents';

/** Who did what to which subject, when and why. Append-only. */
export interface AuditEntry {
  subject: string;
  action: string;
  actor: string;
  reason: string;
  details?: Record<string, unknown>;
  /** With an id of its own an entry is written once, however often it is recorded. */
  id?: string;
  /** When it happened; default: now. */
  at?: string;
}

export const recordedSchema = z.object({
  at: z.string(),
  subject: z.string(),
  action: z.string(),
  actor: z.string(),
  reason: z.string(),
  details: z.record(z.string(), z.unknown()).optional(),
});
type RecordedEntry = z.infer<typeof recordedSchema>;

export interface Audit {
  record(entry: AuditEntry): Promise<void>;
  /** What was done to a subject, oldest first. */
  list(
    subject: string,
    options: { pageSize: number; continuation: string | null },
  ): Promise<DocumentPage<RecordedEntry>>;
}

export function createAudit(documents: DocumentStore, deps: { clock: Clock; newId: () => string }): Audit {
  return {
    async record(entry) {
      const document = { id: deps.newId(), at: new Date(deps.clock.nowMs()).toISOString(), ...entry };
      await documents.create(entry.subject, document);
    },
    list: (subject, options) =>
      documents.query({ text: 'SELECT * FROM c ORDER BY c.at' }, recordedSchema, { ...options, partitionKey: subject }),
  };
}
