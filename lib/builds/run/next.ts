import { backoffMs } from '../../sql/backoff';
import { type DatabaseBuildResult, type SqlFailure } from '../model';
import { type Attempt } from './attempt';
import { type Fault } from './fault';
import { type RunLimits } from './limits';

/** What the tries so far have used up. */
export interface Tries {
  /** Tries that ended early in a row: for the back-off. */
  retries: number;
  conflictReruns: number;
  lostReruns: number;
  timeoutRetries: number;
  /** Since when the server has said that there is no such database, or the network that there is no such server. */
  brieflySinceMs: number | null;
  /** A COMMIT whose answer was lost, and that no later try has cleared up yet. */
  doubt: Fault | null;
  began: boolean;
  durable: boolean;
}

export const noTries: Tries = {
  retries: 0,
  conflictReruns: 0,
  lostReruns: 0,
  timeoutRetries: 0,
  brieflySinceMs: null,
  doubt: null,
  began: false,
  durable: false,
};

export type Verdict = Pick<DatabaseBuildResult, 'status' | 'reason' | 'failure'>;

export type Next = { kind: 'finish'; verdict: Verdict } | { kind: 'again'; delayMs: number; tries: Tries };

export interface NextInput {
  attempt: Attempt;
  tries: Tries;
  limits: RunLimits;
  timeoutRetryCount: number;
  transactional: boolean;
  nowMs: number;
  deadlineMs: number;
  random: () => number;
}

/** What a try means for the target: its outcome, or one more try and when. */
export function decideNext(input: NextInput): Next {
  const { attempt } = input;
  const { ending } = attempt;
  const tries: Tries = {
    ...input.tries,
    began: input.tries.began || attempt.began,
    durable: input.tries.durable || attempt.durable,
    // Locked and read: what was in doubt is known now, and this try ended by it.
    doubt: attempt.asked ? null : input.tries.doubt,
  };
  switch (ending.kind) {
    case 'committed':
      return finish('committed', '', null);
    case 'alreadyApplied':
      return finish('alreadyApplied', '', null);
    case 'trialRolledBack':
      return finish('trialRolledBack', '', null);
    case 'interrupted':
      return finish('unknown', ending.fault.failure.message, ending.fault.failure);
    case 'cancelled':
      return { kind: 'finish', verdict: cancelledVerdict(tries) };
    case 'commitUnknown':
      return again({ ...input, tries: { ...tries, doubt: ending.fault } }, ending.fault);
    case 'failed':
      return again({ ...input, tries }, ending.fault);
  }
}

/** The outcome when the signal came between two tries, or ended the last one. */
export function cancelledVerdict(tries: Tries): Verdict {
  if (tries.doubt !== null) return doubtVerdict(tries.doubt, 'cancelled');
  if (tries.durable)
    return { status: 'failed', reason: 'cancelled; what was committed before that stays', failure: null };
  return tries.began
    ? { status: 'rolledBack', reason: 'cancelled', failure: null }
    : { status: 'skipped', reason: 'cancelled before anything ran', failure: null };
}

function again(input: NextInput, fault: Fault): Next {
  const { tries, limits, nowMs, deadlineMs } = input;
  const wait = backoffMs(limits.backoff, tries.retries + 1, input.random);
  const retried = { ...tries, retries: tries.retries + 1 };
  const unless = (exhausted: boolean, delayMs: number, next: Tries): Next => {
    if (exhausted) return { kind: 'finish', verdict: failedVerdict(input, fault) };
    return nowMs + delayMs >= deadlineMs
      ? { kind: 'finish', verdict: failedVerdict(input, fault, 'the deadline came before the next try') }
      : { kind: 'again', delayMs, tries: next };
  };

  // Without a transaction nothing that ran is run again: only a try that did not get that far is repeated.
  if (!input.transactional && input.attempt.began) return unless(true, 0, tries);

  switch (fault.action) {
    case 'retry':
      if (!input.attempt.began) return unless(false, wait, { ...retried, brieflySinceMs: null });
      return unless(tries.lostReruns >= limits.lostReruns, wait, { ...retried, lostReruns: tries.lostReruns + 1 });
    case 'throttle':
      return unless(false, wait, { ...retried, brieflySinceMs: null });
    case 'unknown':
      return unless(tries.lostReruns >= limits.lostReruns, tries.lostReruns === 0 ? 0 : wait, {
        ...retried,
        lostReruns: tries.lostReruns + 1,
      });
    case 'retryBriefly': {
      const sinceMs = tries.brieflySinceMs ?? nowMs;
      return unless(nowMs + wait - sinceMs > limits.brieflyMs, wait, { ...retried, brieflySinceMs: sinceMs });
    }
    case 'rerun':
      return unless(tries.conflictReruns >= limits.conflictReruns, shortWait(input), {
        ...tries,
        conflictReruns: tries.conflictReruns + 1,
      });
    case 'timeout':
      return unless(tries.timeoutRetries >= input.timeoutRetryCount, 0, {
        ...tries,
        timeoutRetries: tries.timeoutRetries + 1,
      });
    case 'cancelled':
      return { kind: 'finish', verdict: cancelledVerdict(tries) };
    case 'permanent':
      return unless(true, 0, tries);
  }
}

/** After a deadlock: long enough for the winner to be gone, with jitter so that the losers do not meet again. */
function shortWait({ tries, random }: NextInput): number {
  return Math.round(200 * (tries.conflictReruns + 1) * (1 + random()));
}

function failedVerdict({ tries }: NextInput, fault: Fault, addition = ''): Verdict {
  if (tries.doubt !== null) return doubtVerdict(tries.doubt, fault.failure.message);
  const additions = [addition, tries.durable ? 'what was committed stays' : ''].filter((part) => part !== '');
  const { message } = fault.failure;
  const reason = additions.length === 0 ? message : [message.replace(/\.$/, ''), ...additions].join('; ');
  const status = tries.began && !tries.durable ? 'rolledBack' : 'failed';
  return { status, reason, failure: fault.failure };
}

function doubtVerdict(doubt: Fault, because: string): Verdict {
  return {
    status: 'unknown',
    reason: `the answer to COMMIT was lost, and the database could not be asked whether it took place (${because})`,
    failure: doubt.failure,
  };
}

function finish(status: Verdict['status'], reason: string, failure: SqlFailure | null): Next {
  return { kind: 'finish', verdict: { status, reason, failure } };
}
