import { type Clock } from './clock';
import { type DocumentStore } from './documents';

/** Who did what to which subject, when and why. Append-only. */
export interface AuditEntry {
  subject: string;
  action: string;
  actor: string;
  reason: string;
  details?: Record<string, unknown>;
}

export interface Audit {
  record(entry: AuditEntry): Promise<void>;
}

export function createAudit(documents: DocumentStore, deps: { clock: Clock; newId: () => string }): Audit {
  return {
    async record(entry) {
      const document = { id: deps.newId(), at: new Date(deps.clock.nowMs()).toISOString(), ...entry };
      await documents.create(entry.subject, document);
    },
  };
}
