import { z } from 'zod';
import { type DocumentStore } from '../../platform/documents';
import { sha256 } from '../../platform/hash';

/** What the handshake remembers: tokens that were shown, and whom the app let in. Both end by themselves. */

const sessionSchema = z.object({
  clusterId: z.string(),
  generation: z.int(),
  keyId: z.string(),
  workerId: z.string(),
  expiresAtMs: z.number(),
});
/** A worker that the app let in. It is looked up and not believed: the key may be revoked while the session lasts. */
export type WorkerSession = z.infer<typeof sessionSchema>;

export interface HandshakeStore {
  /** false: it was shown before. The store decides, so that of several instances only one lets it in. */
  firstUse(clusterId: string, tokenId: string, expiresAtMs: number): Promise<boolean>;
  begin(accessToken: string, session: WorkerSession): Promise<void>;
  find(clusterId: string, accessToken: string): Promise<WorkerSession | null>;
}

/**
 * How long a shown token is remembered: longer than any may live, and not measured by its own times or by the clock of the
 * instance that saw it first, because the others have other clocks.
 */
const shownKeptSeconds = 30 * 60;

/** Deleted by the store a while after anybody can use them. */
const keptAfterMs = 60_000;

export function createHandshakeStore(
  documents: DocumentStore,
  { nowMs, newId }: { nowMs: () => number; newId: () => string },
): HandshakeStore {
  const ttlOf = (expiresAtMs: number): number => Math.max(1, Math.ceil((expiresAtMs + keptAfterMs - nowMs()) / 1_000));
  return {
    async firstUse(clusterId, tokenId, expiresAtMs) {
      // Hashed: it comes from outside, and is to be an id.
      const id = `jti-${sha256(tokenId)}`;
      // Unique, or a create whose answer was lost could not be told from somebody else's.
      const document = { id, clusterId, expiresAtMs, nonce: newId(), ttl: shownKeptSeconds };
      return (await documents.create(clusterId, document)) === 'created';
    },
    async begin(accessToken, session) {
      const document = { id: `session-${sha256(accessToken)}`, ...session, ttl: ttlOf(session.expiresAtMs) };
      await documents.create(session.clusterId, document);
    },
    async find(clusterId, accessToken) {
      const found = await documents.read(clusterId, `session-${sha256(accessToken)}`, sessionSchema);
      return found?.value ?? null;
    },
  };
}
