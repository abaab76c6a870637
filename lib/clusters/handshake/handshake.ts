import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import { type Audit } from '../../platform/audit';
import { type Clock } from '../../platform/clock';
import { AppError } from '../../platform/errors';
import { type Logger } from '../../platform/logger';
import { type QueueCredential, type QueueCredentials } from '../../platform/worker-credentials';
import { auditSubject } from '../changes';
import { isUsable } from '../keys';
import { clusterIdOf, managedCluster } from '../model';
import { type Cluster, heartbeatId, partitions } from '../schema';
import { type ClusterStore } from '../store';
import { createHandshakeStore, type HandshakeStore } from './sessions';
import { decideToken } from './token';
import { type DocumentStore } from '../../platform/documents';

/** Who works: read anew for every call. */
export interface WorkerIdentity {
  clusterId: string;
  generation: number;
  workerId: string;
}

export interface Admission {
  accessToken: string;
  expiresAtMs: number;
  queue: QueueCredential;
  heartbeatIntervalMs: number;
}

export const workerIdSchema = z
  .string()
  .regex(/^[A-Za-z0-9][\w.-]{0,63}$/, 'letters, digits, ".", "_" and "-"; at most 64');

export const tokenRequestSchema = z.strictObject({
  token: z.string().min(1).max(1_000_000).meta({ description: 'A JWT that a private key of the cluster has signed.' }),
  workerId: workerIdSchema.meta({ description: 'Tells the workers of the cluster apart. New with every start.' }),
});

export const heartbeatRequestSchema = z.strictObject({
  slots: z.int().min(0).max(1_000).meta({ description: 'Targets that the worker builds at once.' }),
  busy: z.int().min(0).max(1_000),
  stopping: z.boolean().default(false).meta({ description: 'It ends what it has and takes nothing new.' }),
  version: z.string().max(100).default(''),
});
export type HeartbeatRequest = z.infer<typeof heartbeatRequestSchema>;

export interface Handshake {
  /**
   * @throws AppError `clusters.handshake.refused` (401) for every token that is not beyond doubt,
   *   `clusters.handshake.inactive` (403) while the cluster is switched off or deleted and has nothing left to end
   */
  admit(name: string, token: string, workerId: string): Promise<Admission>;
  /** @throws AppError `clusters.handshake.refused` (401) also when the key was revoked or the cluster deleted since */
  authenticate(name: string, accessToken: string | null): Promise<WorkerIdentity>;
  heartbeat(worker: WorkerIdentity, report: HeartbeatRequest): Promise<void>;
}

export interface HandshakeDeps {
  store: Pick<ClusterStore, 'find' | 'writeHeartbeat'>;
  sessions: DocumentStore;
  credentials: QueueCredentials;
  audit: Audit;
  clock: Clock;
  newId: () => string;
  logger: Logger;
  /** How often workers are to report. */
  heartbeatIntervalMs: number;
  /** Builds that have not ended and have this cluster. */
  references(clusterId: string): Promise<string[]>;
}

/** Revoking a key acts at once whatever this says; it only bounds what a token that was stolen from a worker is good for. */
const accessLifetimeMs = 10 * 60_000;
/**
 * The SDK presents a shared access signature anew every 45 minutes and at no other time, so a shorter one would end the
 * session locks of whatever runs longer (ADR 0035).
 */
const queueLifetimeMs = 60 * 60_000;
const askAgainMs = 15_000;

export function createHandshake(deps: HandshakeDeps): Handshake {
  const { clock, store } = deps;
  const sessions: HandshakeStore = createHandshakeStore(deps.sessions, {
    nowMs: () => clock.nowMs(),
    newId: deps.newId,
  });

  /** Never from a cache: what was revoked a moment ago is revoked. */
  const admissible = async (name: string): Promise<Cluster | null> => {
    const cluster = (await store.find(name))?.value;
    if (cluster === undefined || cluster.id === managedCluster) return null;
    return cluster.lifecycle === 'registered' || cluster.lifecycle === 'draining' ? cluster : null;
  };

  return {
    async admit(name, token, workerId) {
      const nowMs = clock.nowMs();
      const cluster = await admissible(name);
      const decision = await decideToken(token, cluster, nowMs);
      if (!decision.ok || cluster === null) {
        const { reason, signed } = decision.ok ? { reason: 'there is no such cluster', signed: false } : decision;
        deps.logger.warn('a worker was refused', { cluster: clusterIdOf(name).slice(0, 50), workerId, reason });
        throw refused(signed ? `The token was refused: ${reason}.` : notBelieved);
      }
      const { keyId, tokenId, expiresAtMs } = decision.claims;
      if (!(await sessions.firstUse(cluster.id, tokenId, expiresAtMs))) {
        deps.logger.warn('a token was shown a second time', { cluster: cluster.id, workerId, keyId });
        throw refused('The token was refused: it was used before. Sign a new one, with a new jti, for every call.');
      }
      const isLeaving = !cluster.isActive || cluster.lifecycle === 'draining';
      if (isLeaving && (await deps.references(cluster.id)).length === 0) {
        deps.logger.warn('a worker of a cluster that is switched off was refused', { cluster: cluster.id, workerId });
        throw inactive(cluster.name);
      }
      const queue = deps.credentials.listen(cluster.queue, nowMs + queueLifetimeMs);
      const accessToken = randomBytes(32).toString('base64url');
      const { id: clusterId, generation } = cluster;
      const endMs = nowMs + accessLifetimeMs;
      await sessions.begin(accessToken, { clusterId, generation, keyId, workerId, expiresAtMs: endMs });
      await deps.audit.record({
        subject: auditSubject(clusterId),
        action: 'admitWorker',
        actor: `worker ${workerId}`,
        reason: `signed with the key ${keyId}`,
        details: { keyId, workerId, queue: cluster.queue },
      });
      return { accessToken, expiresAtMs: endMs, queue, heartbeatIntervalMs: deps.heartbeatIntervalMs };
    },

    async authenticate(name, accessToken) {
      if (accessToken === null || !/^[\w-]{43}$/.test(accessToken)) throw refused(noSession);
      const [cluster, session] = [await admissible(name), await sessions.find(clusterIdOf(name), accessToken)];
      const key = cluster?.keys.find(({ id }) => id === session?.keyId);
      if (
        cluster === null ||
        session === null ||
        key === undefined ||
        !isUsable(key) ||
        session.clusterId !== cluster.id ||
        session.generation !== cluster.generation ||
        session.expiresAtMs <= clock.nowMs()
      ) {
        throw refused(noSession);
      }
      return { clusterId: cluster.id, generation: cluster.generation, workerId: session.workerId };
    },

    async heartbeat({ clusterId, generation, workerId }, report) {
      await store.writeHeartbeat({
        id: heartbeatId(clusterId, generation, workerId),
        partition: partitions.heartbeats,
        clusterId,
        generation,
        workerId,
        atMs: clock.nowMs(),
        ...report,
      });
    },
  };
}

const notBelieved =
  'The token was refused: no key of this cluster made it. Check the name of the cluster, the kid, the algorithm, and that the key is not revoked.';
const noSession = 'The access token is not valid (any more). Get a new one: POST …/token.';

function inactive(name: string): AppError {
  const message = `The cluster "${name}" is switched off, and none of its builds is left to be ended. Ask again later.`;
  return new AppError('clusters.handshake.inactive', message, {
    status: 403,
    retry: { kind: 'after', delayMs: askAgainMs },
  });
}

function refused(message: string): AppError {
  return new AppError('clusters.handshake.refused', message, { status: 401 });
}
