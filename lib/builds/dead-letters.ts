import { z } from 'zod';
import { type Clock } from '../platform/clock';
import { isAppError, messageOf } from '../platform/errors';
import { type Logger } from '../platform/logger';
import { type BuildQueue, type DeadLetter } from '../platform/messages';
import { type DatabaseBuildResult } from './model';
import { type Attempt, outcomeOfResult, outcomeWithoutRun } from './outcome';
import { type Manifest, type Outcome, targetMessageSchema, type TargetMessage } from './schema';
import { type BuildStore, type OutcomeStore } from './store';

/** Messages that the broker gave up on. Each becomes an outcome, of whichever build it belongs to, so that no build waits for it. */
export interface DeadLetters {
  /** Returns how many it looked at. A letter that nothing can be made of, or not now, never fails it. */
  drain(cluster: string): Promise<number>;
}

export interface DeadLettersDeps {
  queue: BuildQueue;
  builds: Pick<BuildStore, 'find' | 'readManifest'>;
  outcomes: Pick<OutcomeStore, 'create'>;
  /** Asks the database itself how the target stands, without running anything. */
  resolve(message: TargetMessage, manifest: Manifest): Promise<DatabaseBuildResult>;
  clock: Clock;
  logger: Logger;
}

/** They are resolved at the same time, so that a server that does not answer holds up a look only once. */
const lettersPerDrain = 10;

/** Enough to say whose it was, when the rest cannot be understood. */
const rejectedMessageSchema = targetMessageSchema.partial({ version: true }).extend({ version: z.unknown() });

export function createDeadLetters(deps: DeadLettersDeps): DeadLetters {
  /** Null: no build waits for this letter. */
  const outcomeOf = async (letter: DeadLetter): Promise<Outcome | null> => {
    const named = rejectedMessageSchema.safeParse(letter.body);
    const build = named.success ? await deps.builds.find(named.data.buildId) : null;
    // What a cluster was given that the build has left was sent again where it went, and ends there.
    if (!named.success || build === null || named.data.dispatch < build.dispatch) return null;
    const { buildId, run, attempt, lane, target } = named.data;
    const whose: Attempt = { buildId, run, attempt, lane, target };
    const message = targetMessageSchema.safeParse(letter.body);
    if (!message.success) {
      const reason = `the message could not be understood: ${z.prettifyError(message.error)}`;
      return outcomeWithoutRun(whose, 'rejected', reason, deps.clock.nowMs());
    }
    const because = `the queue gave the message up (${letter.reason}: ${letter.description})`;
    try {
      const resolved = await deps.resolve(message.data, await deps.builds.readManifest(buildId, run));
      return outcomeOfResult(whose, { ...resolved, reason: `${because}; ${resolved.reason}` }, null);
    } catch (error) {
      if (!(isAppError(error) && error.retry.kind === 'no')) throw error;
      return outcomeWithoutRun(whose, 'unknown', `${because}; ${error.message}`, deps.clock.nowMs());
    }
  };

  const handle = async (letter: DeadLetter): Promise<'done' | 'keep'> => {
    const { messageId, reason, description } = letter;
    try {
      const outcome = await outcomeOf(letter);
      if (outcome === null) {
        deps.logger.error('a dead letter that no build waits for was dropped', { messageId, reason, description });
      } else {
        await deps.outcomes.create(outcome);
      }
      return 'done';
    } catch (error) {
      deps.logger.warn('a dead letter could not be turned into an outcome yet', { messageId, error: messageOf(error) });
      return 'keep';
    }
  };
  return { drain: (cluster) => deps.queue.drainDeadLetters(cluster, lettersPerDrain, handle) };
}
