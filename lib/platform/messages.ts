import {
  isServiceBusError,
  type ServiceBusAdministrationClient,
  type ServiceBusClient,
  type ServiceBusMessage,
} from '@azure/service-bus';
import { AppError, messageOf } from './errors';

export interface OutgoingMessage {
  /** Known to the broker's duplicate detection: the same id is stored once. */
  messageId: string;
  sessionId: string;
  body: unknown;
  /** Routes the message to the subscription of this cluster. */
  cluster: string;
}

export interface DeadLetter {
  messageId: string;
  body: unknown;
  reason: string;
  description: string;
}

/** The topic `database-builds` with one static subscription per cluster. */
export interface BuildQueue {
  /** Sends all of them, in as few batches as their bytes allow. Order within a session is kept. */
  send(messages: Iterable<OutgoingMessage>): Promise<void>;
  /** Messages of a cluster that nobody finished yet, running ones included, and its dead letters. */
  backlog(cluster: string): Promise<{ active: number; deadLettered: number } | 'missing'>;
  /**
   * Hands over up to `limit` dead letters at once, and answers how many there were. What `handle` keeps, or could not be
   * removed, comes again when its lock has ended; it holds up none of the others.
   */
  drainDeadLetters(
    cluster: string,
    limit: number,
    handle: (letter: DeadLetter) => Promise<'done' | 'keep'>,
  ): Promise<number>;
  close(): Promise<void>;
}

const deadLetterWaitMs = 2_000;

export function createBuildQueue(
  client: ServiceBusClient,
  administration: ServiceBusAdministrationClient,
  topic: string,
): BuildQueue {
  const sender = client.createSender(topic);

  return {
    async send(messages) {
      try {
        let batch = await sender.createMessageBatch();
        for (const message of messages) {
          const outgoing = toServiceBusMessage(message);
          if (batch.tryAddMessage(outgoing)) continue;
          if (batch.count > 0) await sender.sendMessages(batch);
          batch = await sender.createMessageBatch();
          if (!batch.tryAddMessage(outgoing)) {
            throw new AppError(
              'messages.tooLarge',
              `The message ${message.messageId} is larger than the broker accepts.`,
            );
          }
        }
        if (batch.count > 0) await sender.sendMessages(batch);
      } catch (error) {
        throw mapped(error, topic);
      }
    },

    async backlog(cluster) {
      try {
        const counts = await administration.getSubscriptionRuntimeProperties(topic, cluster);
        return { active: counts.activeMessageCount, deadLettered: counts.deadLetterMessageCount };
      } catch (error) {
        if (error instanceof Error && 'statusCode' in error && error.statusCode === 404) return 'missing';
        throw mapped(error, topic);
      }
    },

    async drainDeadLetters(cluster, limit, handle) {
      const receiver = client.createReceiver(topic, cluster, {
        subQueueType: 'deadLetter',
        maxAutoLockRenewalDurationInMs: 0,
      });
      try {
        const letters = await receiver.receiveMessages(limit, { maxWaitTimeInMs: deadLetterWaitMs });
        await Promise.all(
          letters.map(async (letter) => {
            const body: unknown = letter.body;
            const answer = await handle({
              messageId: String(letter.messageId ?? ''),
              body,
              reason: letter.deadLetterReason ?? 'unknown',
              description: letter.deadLetterErrorDescription ?? '',
            });
            if (answer === 'keep') return;
            await receiver.completeMessage(letter).catch((error: unknown) => {
              if (!(isServiceBusError(error) && error.code === 'MessageLockLost')) throw error;
            });
          }),
        );
        return letters.length;
      } catch (error) {
        throw mapped(error, topic);
      } finally {
        await receiver.close();
      }
    },

    async close() {
      await sender.close();
    },
  };
}

function toServiceBusMessage(message: OutgoingMessage): ServiceBusMessage {
  return {
    messageId: message.messageId,
    sessionId: message.sessionId,
    body: message.body,
    contentType: 'application/json',
    applicationProperties: { cluster: message.cluster },
  };
}

function mapped(error: unknown, topic: string): unknown {
  if (error instanceof AppError) return error;
  const code = isServiceBusError(error) ? error.code : messageOf(error);
  return new AppError('messages.unavailable', `The topic "${topic}" could not be used (${code}). Try again.`, {
    status: 503,
    retry: { kind: 'backoff' },
    cause: error,
  });
}
