import { z } from 'zod';
import { type Clock } from '../platform/clock';
import { type Logger } from '../platform/logger';
import { type BuildQueue, type DeadLetter } from '../platform/messages';
import { type DatabaseBuildResult } from './model';
import { outcomeOfResult, outcomeWithoutRun } from './outcome';
import { type Manifest, targetMessageSchema, type TargetMessage } from './schema';
import { type OutcomeStore } from './store';

/** Messages that the broker gave up on. Each becomes an outcome, of whichever build it belongs to, so that no build waits for it. */
export interface DeadLetters {
  /** Returns how many were turned into outcomes. */
  drain(cluster: string): Promise<number>;
}

export interface DeadLettersDeps {
  queue: BuildQueue;
  outcomes: OutcomeStore;
  readManifest(buildId: string, run: number): Promise<Manifest>;
  /** Asks the database itself how the target stands, without running anything. */
  resolve(message: TargetMessage, manifest: Manifest): Promise<DatabaseBuildResult>;
  clock: Clock;
  logger: Logger;
}

const lettersPerDrain = 50;

/** Enough to say whose it was, when the rest cannot be understood. */
const rejectedMessageSchema = targetMessageSchema.partial({ version: true }).extend({ version: z.unknown() });

export function createDeadLetters(deps: DeadLettersDeps): DeadLetters {
  const handle = async (letter: DeadLetter): Promise<void> => {
    const message = targetMessageSchema.safeParse(letter.body);
    if (message.success) {
      const { buildId, run, attempt, lane, target } = message.data;
      const manifest = await deps.readManifest(buildId, run);
      const resolved = await deps.resolve(message.data, manifest);
      const result = {
        ...resolved,
        reason: `the queue gave the message up (${letter.reason}: ${letter.description}); ${resolved.reason}`,
      };
      await deps.outcomes.create(outcomeOfResult({ buildId, run, attempt, lane, target }, result, null));
      return;
    }
    const rejected = rejectedMessageSchema.safeParse(letter.body);
    if (rejected.success) {
      const { buildId, run, attempt, lane, target } = rejected.data;
      const reason = `the message could not be understood: ${z.prettifyError(message.error)}`;
      await deps.outcomes.create(
        outcomeWithoutRun({ buildId, run, attempt, lane, target }, 'rejected', reason, deps.clock.nowMs()),
      );
      return;
    }
    deps.logger.error('a dead letter names no target and was dropped', {
      messageId: letter.messageId,
      reason: letter.reason,
      description: letter.description,
    });
  };
  return { drain: (cluster) => deps.queue.drainDeadLetters(cluster, lettersPerDrain, handle) };
}
