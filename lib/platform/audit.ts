import { z } from 'zod';
import { type Clock } from './clock';
import { type DocumentPage, type DocumentStore } from './documents';
import { newestFirstBy } from './newest-first';

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

/** What is looked for; null: whatever it is. */
export interface AuditSearch {
  subject: string | null;
  actor: string | null;
  action: string | null;
  /** From this moment on, and before that one, as ISO texts. */
  from: string | null;
  before: string | null;
}

export interface Audit {
  record(entry: AuditEntry): Promise<void>;
  /** What was done to a subject, oldest first. */
  list(
    subject: string,
    options: { pageSize: number; continuation: string | null },
  ): Promise<DocumentPage<RecordedEntry>>;
  /** What was done to anything by anybody, newest first. */
  search(
    search: AuditSearch,
    options: { pageSize: number; continuation: string | null },
  ): Promise<DocumentPage<RecordedEntry>>;
}

const storedSchema = recordedSchema.extend({ id: z.string() });

export function createAudit(documents: DocumentStore, deps: { clock: Clock; newId: () => string }): Audit {
  return {
    async record(entry) {
      const document = { id: deps.newId(), at: new Date(deps.clock.nowMs()).toISOString(), ...entry };
      await documents.create(entry.subject, document);
    },
    list: (subject, options) =>
      documents.query({ text: 'SELECT * FROM c ORDER BY c.at' }, recordedSchema, { ...options, partitionKey: subject }),
    async search({ subject, actor, action, from, before }, options) {
      const conditions: [condition: string, name: string, value: string | null][] = [
        ['c.subject = @subject', 'subject', subject],
        ['c.actor = @actor', 'actor', actor],
        ['c.action = @action', 'action', action],
        ['c.at >= @from', 'from', from],
        ['c.at < @before', 'before', before],
      ];
      const asked = conditions.filter(([, , value]) => value !== null);
      const page = await newestFirstBy('at', documents, storedSchema, {
        conditions: asked.map(([condition]) => condition),
        parameters: Object.fromEntries(asked.map(([, name, value]) => [name, value])),
        ...options,
      });
      return { ...page, items: page.items.map(({ id: _id, ...entry }) => entry) };
    },
  };
}
