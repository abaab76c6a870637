import { type Clock } from '../../../lib/platform/clock';
import { type Deadline, type Deadlines } from './deadlines';
import { type DuplicateWindow } from './duplicates';
import { BrokerError, conditions } from './errors';
import { type FilterableProperties, type MessageContent, type Properties } from './message';
import { type Mailbox } from './mailbox';
import { type JournalRecord, storeProperties } from './records';
import { type ScheduledMessage } from './restore';

/** A message as a sender hands it in. */
export interface SentMessage {
  content: MessageContent;
  /** Not before this time; null or past: at once. */
  scheduledForMs: number | null;
}

/** A copy that a message leaves somewhere. */
export interface Copy {
  mailbox: Mailbox;
  changes: Properties | null;
}

/** The sending side of a queue or topic: duplicates, schedules, and where each message goes. */
export interface Intake {
  /** Stores all of the messages, durably, or throws and stores none. */
  send(messages: readonly SentMessage[]): void;
  /** @returns the numbers under which the messages can be cancelled. */
  schedule(messages: readonly SentMessage[]): number[];
  /** @throws BrokerError when one of them is not scheduled any more. */
  cancelScheduled(sequenceNumbers: readonly number[]): void;
  scheduled(): Iterable<ScheduledMessage>;
  restoreScheduled(message: ScheduledMessage): void;
  close(): void;
}

export interface IntakeDeps {
  path: string;
  clock: Clock;
  deadlines: Deadlines;
  duplicates: DuplicateWindow | null;
  append(...records: JournalRecord[]): void;
  takeSequenceNumber: () => number;
  readProperties: (content: MessageContent) => FilterableProperties;
  /** Where a message goes. @throws BrokerError when the entity does not take it. */
  route(content: MessageContent, properties: () => FilterableProperties): Copy[];
}

export function createIntake(deps: IntakeDeps): Intake {
  const { path, clock, deadlines } = deps;
  const waiting = new Map<number, { message: ScheduledMessage; deadline: Deadline }>();

  /** Decides where a message goes, and gives back the record of it and the deed. */
  const place = (content: MessageContent, enqueuedSequenceNumber: number | null): [JournalRecord, () => void] => {
    const atMs = clock.nowMs();
    let properties: FilterableProperties | undefined; // decoded once, however many subscriptions look at them
    const copies = deps
      .route(content, () => (properties ??= deps.readProperties(content)))
      .map((copy) => ({ ...copy, sequenceNumber: copy.mailbox.takeSequenceNumber() }));
    const record: JournalRecord = {
      is: 'message',
      sentTo: path,
      atMs,
      ...contentRecord(content),
      enqueuedSequenceNumber,
      copies: copies.map(({ mailbox, sequenceNumber, changes }) => [
        mailbox.path,
        sequenceNumber,
        storeProperties(changes),
      ]),
    };
    const put = (): void => {
      for (const { mailbox, sequenceNumber, changes } of copies) {
        mailbox.put({
          sequenceNumber,
          enqueuedSequenceNumber: enqueuedSequenceNumber ?? sequenceNumber,
          content,
          enqueuedAtMs: atMs,
          changedProperties: changes,
          deadLetterSource: mailbox.deadLetters === null ? path : null,
        });
      }
    };
    return [record, put];
  };

  const waitFor = (message: ScheduledMessage): void => {
    const deadline = deadlines.schedule(message.dueMs, () => {
      const [record, put] = place(message.content, message.sequenceNumber);
      deps.append(record, { is: 'unscheduled', at: path, sequenceNumber: message.sequenceNumber });
      waiting.delete(message.sequenceNumber);
      put();
    });
    waiting.set(message.sequenceNumber, { message, deadline });
  };

  const schedule = ({ content, scheduledForMs }: SentMessage, sequenceNumber: number): [JournalRecord, () => void] => {
    const nowMs = clock.nowMs();
    const message = { sequenceNumber, dueMs: scheduledForMs ?? nowMs, enqueuedAtMs: nowMs };
    const record = { is: 'scheduled' as const, at: path, ...message, ...contentRecord(content) };
    return [record, () => waitFor({ ...message, content })];
  };

  /** Takes in each message that is no duplicate; all of them become durable together, and only then visible. */
  const takeIn = (
    messages: readonly SentMessage[],
    take: (message: SentMessage) => [JournalRecord, () => void],
  ): void => {
    const nowMs = clock.nowMs();
    const ids = new Set<string>();
    const records: JournalRecord[] = [];
    const deeds: (() => void)[] = [];
    for (const message of messages) {
      const { messageId } = message.content;
      if (deps.duplicates !== null && (ids.has(messageId) || deps.duplicates.has(messageId, nowMs))) continue;
      ids.add(messageId);
      const [record, deed] = take(message);
      records.push(record);
      deeds.push(deed);
    }
    deps.append(...records);
    for (const id of ids) deps.duplicates?.add(id, nowMs);
    for (const deed of deeds) deed();
  };

  return {
    send(messages) {
      const nowMs = clock.nowMs();
      takeIn(messages, (message) => {
        const isLater = message.scheduledForMs !== null && message.scheduledForMs > nowMs;
        return isLater ? schedule(message, deps.takeSequenceNumber()) : place(message.content, null);
      });
    },
    schedule(messages) {
      // A duplicate is acknowledged like any other, with a number under which there is nothing to cancel.
      const numbers = new Map(messages.map((message) => [message, deps.takeSequenceNumber()]));
      takeIn(messages, (message) => schedule(message, numbers.get(message) ?? deps.takeSequenceNumber()));
      return [...numbers.values()];
    },
    cancelScheduled(sequenceNumbers) {
      const missing = sequenceNumbers.find((sequenceNumber) => !waiting.has(sequenceNumber));
      if (missing !== undefined) {
        throw new BrokerError(conditions.messageNotFound, `Message ${missing} is not scheduled (any more).`);
      }
      deps.append(
        ...sequenceNumbers.map((sequenceNumber): JournalRecord => ({ is: 'unscheduled', at: path, sequenceNumber })),
      );
      for (const sequenceNumber of sequenceNumbers) {
        waiting.get(sequenceNumber)?.deadline.cancel();
        waiting.delete(sequenceNumber);
      }
    },
    *scheduled() {
      for (const { message } of waiting.values()) yield message;
    },
    restoreScheduled: waitFor,
    close() {
      for (const { deadline } of waiting.values()) deadline.cancel();
    },
  };
}

export function contentRecord(
  content: MessageContent,
): Pick<Extract<JournalRecord, { is: 'message' }>, 'messageId' | 'sessionId' | 'timeToLiveMs' | 'payload'> {
  return { ...content, payload: content.payload.toString('base64') };
}
