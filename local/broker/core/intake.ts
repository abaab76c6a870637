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

  const schedule = (messages: readonly SentMessage[]): [JournalRecord[], () => void, number[]] => {
    const scheduled = messages.map(({ content, scheduledForMs }) => ({
      sequenceNumber: deps.takeSequenceNumber(),
      dueMs: scheduledForMs ?? clock.nowMs(),
      enqueuedAtMs: clock.nowMs(),
      content,
    }));
    const records = scheduled.map(({ content, ...rest }): JournalRecord => ({
      is: 'scheduled',
      at: path,
      ...rest,
      ...contentRecord(content),
    }));
    return [records, () => scheduled.forEach(waitFor), scheduled.map((message) => message.sequenceNumber)];
  };

  return {
    send(messages) {
      const nowMs = clock.nowMs();
      const records: JournalRecord[] = [];
      const deeds: (() => void)[] = [];
      for (const message of messages) {
        if (deps.duplicates?.isDuplicate(message.content.messageId, nowMs) === true) continue;
        if (message.scheduledForMs !== null && message.scheduledForMs > nowMs) {
          const [scheduledRecords, put] = schedule([message]);
          records.push(...scheduledRecords);
          deeds.push(put);
        } else {
          const [record, put] = place(message.content, null);
          records.push(record);
          deeds.push(put);
        }
      }
      deps.append(...records);
      for (const deed of deeds) deed();
    },
    schedule(messages) {
      const [records, put, sequenceNumbers] = schedule(messages);
      deps.append(...records);
      put();
      return sequenceNumbers;
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
