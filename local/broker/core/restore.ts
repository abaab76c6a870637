import { type MessageContent } from './message';
import { type NewMessage } from './mailbox';
import { loadProperties, type JournalRecord } from './records';
import { type QueueSettings, type SubscriptionSettings, type TopicSettings } from './topology';

export const deadLetterSuffix = '/$DeadLetterQueue';

export function subscriptionPath(topic: string, name: string): string {
  return `${topic}/Subscriptions/${name}`;
}

export interface RestoredMailbox {
  messages: Map<number, NewMessage>;
  lastSequenceNumber: number;
  sessionStates: Map<string, Buffer>;
}

export interface ScheduledMessage {
  sequenceNumber: number;
  dueMs: number;
  enqueuedAtMs: number;
  content: MessageContent;
}

/** What a journal adds up to. Locks are not part of it: after a restart nobody holds anything. */
export interface RestoredState {
  queues: Map<string, QueueSettings>;
  topics: Map<string, TopicSettings>;
  subscriptions: Map<string, { topic: string; settings: SubscriptionSettings }>;
  mailboxes: Map<string, RestoredMailbox>;
  scheduled: Map<string, Map<number, ScheduledMessage>>;
  /** By entity: message ids for duplicate detection, oldest first. */
  seen: Map<string, Map<string, number>>;
}

export function emptyState(): RestoredState {
  return {
    queues: new Map(),
    topics: new Map(),
    subscriptions: new Map(),
    mailboxes: new Map(),
    scheduled: new Map(),
    seen: new Map(),
  };
}

/** Takes one record into account. Records about an entity that was deleted later find nothing, and change nothing. */
export function applyRecord(state: RestoredState, record: JournalRecord): void {
  switch (record.is) {
    case 'queue':
      state.queues.set(record.settings.name, record.settings);
      break;
    case 'topic':
      state.topics.set(record.settings.name, record.settings);
      break;
    case 'subscription':
      state.subscriptions.set(subscriptionPath(record.topic, record.settings.name), record);
      break;
    case 'deleted':
      deletePath(state, record.path);
      break;
    case 'message': {
      // One with a number of its own was scheduled, or is in a compacted journal: its id was noted then.
      if (record.enqueuedSequenceNumber === null) noteSeen(state, record.sentTo, record.messageId, record.atMs);
      const content = contentOf(record);
      for (const [path, sequenceNumber, changed] of record.copies) {
        putMessage(state, path, {
          sequenceNumber,
          enqueuedSequenceNumber: record.enqueuedSequenceNumber ?? sequenceNumber,
          content,
          enqueuedAtMs: record.atMs,
          changedProperties: loadProperties(changed),
          deadLetterSource: path.endsWith(deadLetterSuffix) ? path.slice(0, -deadLetterSuffix.length) : null,
        });
      }
      break;
    }
    case 'removed':
      state.mailboxes.get(record.from)?.messages.delete(record.sequenceNumber);
      break;
    case 'changed': {
      const message = state.mailboxes.get(record.in)?.messages.get(record.sequenceNumber);
      if (message !== undefined) Object.assign(message, changeOf(record));
      break;
    }
    case 'deadLettered': {
      const mailbox = state.mailboxes.get(record.in);
      const message = mailbox?.messages.get(record.sequenceNumber);
      if (mailbox === undefined || message === undefined) break;
      mailbox.messages.delete(record.sequenceNumber);
      putMessage(state, record.in + deadLetterSuffix, {
        ...message,
        ...changeOf(record),
        sequenceNumber: record.as,
        deadLetterSource: record.in,
      });
      break;
    }
    case 'scheduled': {
      const { sequenceNumber, dueMs, enqueuedAtMs } = record;
      noteSeen(state, record.at, record.messageId, enqueuedAtMs);
      within(state.scheduled, record.at, () => new Map<number, ScheduledMessage>()).set(sequenceNumber, {
        sequenceNumber,
        dueMs,
        enqueuedAtMs,
        content: contentOf(record),
      });
      raise(mailboxOf(state, record.at), sequenceNumber);
      break;
    }
    case 'unscheduled':
      state.scheduled.get(record.at)?.delete(record.sequenceNumber);
      break;
    case 'sessionState': {
      const { sessionStates } = mailboxOf(state, record.in);
      if (record.state === null) sessionStates.delete(record.sessionId);
      else sessionStates.set(record.sessionId, Buffer.from(record.state, 'base64'));
      break;
    }
    case 'lastSequenceNumber':
      raise(mailboxOf(state, record.in), record.value);
      break;
    case 'seen':
      for (const [id, atMs] of record.ids) noteSeen(state, record.at, id, atMs);
      break;
  }
}

function noteSeen(state: RestoredState, path: string, messageId: string, atMs: number): void {
  const seen = within(state.seen, path, () => new Map<string, number>());
  seen.delete(messageId); // so that it moves to the end, as the map is in order of time
  seen.set(messageId, atMs);
}

function deletePath(state: RestoredState, path: string): void {
  // A name may contain slashes, so `orders/archive` may be a queue of its own, no part of `orders`.
  const covers = (key: string): boolean =>
    key === path || key.startsWith(`${path}/Subscriptions/`) || key === path + deadLetterSuffix;
  for (const map of [
    state.queues,
    state.topics,
    state.subscriptions,
    state.mailboxes,
    state.scheduled,
    state.seen,
  ] as const) {
    for (const key of map.keys()) if (covers(key)) map.delete(key);
  }
}

function putMessage(state: RestoredState, path: string, message: NewMessage): void {
  const mailbox = mailboxOf(state, path);
  mailbox.messages.set(message.sequenceNumber, message);
  raise(mailbox, message.sequenceNumber);
}

function mailboxOf(state: RestoredState, path: string): RestoredMailbox {
  return within(state.mailboxes, path, () => ({
    messages: new Map(),
    lastSequenceNumber: 0,
    sessionStates: new Map(),
  }));
}

function raise(mailbox: RestoredMailbox, sequenceNumber: number): void {
  mailbox.lastSequenceNumber = Math.max(mailbox.lastSequenceNumber, sequenceNumber);
}

function contentOf(record: Extract<JournalRecord, { is: 'message' | 'scheduled' }>): MessageContent {
  const { messageId, sessionId, timeToLiveMs } = record;
  return { messageId, sessionId, timeToLiveMs, payload: Buffer.from(record.payload, 'base64') };
}

function changeOf(
  record: Extract<JournalRecord, { is: 'changed' | 'deadLettered' }>,
): Required<Pick<NewMessage, 'deliveryCount' | 'deferred' | 'changedProperties'>> {
  const { deliveryCount, deferred } = record;
  return { deliveryCount, deferred, changedProperties: loadProperties(record.properties) };
}

function within<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  const known = map.get(key);
  if (known !== undefined) return known;
  const made = make();
  map.set(key, made);
  return made;
}
