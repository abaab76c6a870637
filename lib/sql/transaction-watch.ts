import { type Connection } from 'tedious';
import { type TransactionEvent } from './model';

export interface TransactionWatch {
  /** Descriptor of the session's transaction, null outside of any. */
  readonly current: string | null;
  /** Hands over the events since the last call, in order. */
  take(): TransactionEvent[];
}

/**
 * Follows the session's transaction through the token stream. The server announces every begin, commit and rollback of an
 * outermost transaction (ENVCHANGE 8, 9, 10 in MS-TDS 2.2.7.9), and the driver keeps their descriptors in a public array:
 * it pushes one at a begin and cuts the array to its resting length of 1 at an end. Looking at the array after a batch is
 * not enough: `COMMIT; BEGIN TRAN; ...` that then fails looks like a plain rollback, although half of it is durable.
 */
export function watchTransactions(connection: Connection): TransactionWatch {
  let events: TransactionEvent[] = [];
  let lastEnd: { kind: 'ended'; by: 'commit' | 'rollback' } | null = null;

  connection.transactionDescriptors = new Proxy(connection.transactionDescriptors, {
    set(descriptors, property, value: unknown) {
      const before = descriptors.length;
      const written = Reflect.set(descriptors, property, value);
      if (property === 'length') {
        lastEnd = null;
        if (descriptors.length < before) {
          lastEnd = { kind: 'ended', by: 'commit' };
          events.push(lastEnd);
        }
      } else if (Buffer.isBuffer(value) && descriptors.length > before) {
        events.push({ kind: 'began', descriptor: value.toString('hex') });
      }
      return written;
    },
  });
  // The driver announces rollbacks, right after it cut the array; an end without this announcement was a commit.
  connection.addListener('rollbackTransaction', () => {
    if (lastEnd !== null) lastEnd.by = 'rollback';
  });

  return {
    get current() {
      const descriptors = connection.transactionDescriptors;
      return descriptors.length > 1 ? (descriptors.at(-1)?.toString('hex') ?? null) : null;
    },
    take() {
      const taken = events;
      events = [];
      return taken;
    },
  };
}

export type TransactionVerdict =
  /** Still the transaction that was there before the batch (or still none). */
  | 'kept'
  /** Rolled back, once, and nothing begun since. */
  | 'rolledBack'
  /** Committed, or ended and replaced by another one: something may be durable that should not be. */
  | 'left';

/** What a batch did to the transaction that it was sent into. Not for batches that are sent outside of one. */
export function judgeTransaction(events: readonly TransactionEvent[]): TransactionVerdict {
  if (events.length === 0) return 'kept';
  const [only] = events;
  return events.length === 1 && only?.kind === 'ended' && only.by === 'rollback' ? 'rolledBack' : 'left';
}
