import { type Deadline } from './deadlines';

/** A value that a message property can hold and a rule can look at. */
export type PropertyValue = string | number | boolean | Date | null;
export type Properties = Record<string, PropertyValue>;

/** What rules look at: the system properties by their SQL filter names, and the application's own. */
export interface FilterableProperties {
  system: Properties;
  application: Properties;
}

/** What a sender sent. Immutable, and shared by the copies in all subscriptions of a topic. */
export interface MessageContent {
  messageId: string;
  sessionId: string | null;
  timeToLiveMs: number | null;
  /** The message as it travels; the core neither reads nor changes it. */
  payload: Buffer;
}

/** One message in one queue or subscription. */
export interface StoredMessage {
  sequenceNumber: number;
  /** Differs from `sequenceNumber` for a message that was scheduled: the number under which it was accepted. */
  enqueuedSequenceNumber: number;
  content: MessageContent;
  enqueuedAtMs: number;
  expiresAtMs: number | null;
  /** Failed deliveries so far: abandoned, or the lock ended. */
  deliveryCount: number;
  deferred: boolean;
  /** Application properties that settlements (or a rule's action) added or changed. */
  changedProperties: Properties | null;
  /** Where it was dead-lettered. */
  deadLetterSource: string | null;
  lock: MessageLock | null;
  expiry: Deadline | null;
}

export interface MessageLock {
  token: string;
  untilMs: number;
  deadline: Deadline | null;
}

/** How a receiver disposes of a message that it holds. */
export type Settlement =
  | { kind: 'complete' }
  | { kind: 'abandon'; properties: Properties }
  | { kind: 'defer'; properties: Properties }
  | { kind: 'deadLetter'; reason: string | null; description: string | null; properties: Properties };
