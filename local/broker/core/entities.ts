import { type DuplicateWindow } from './duplicates';
import { type Intake } from './intake';
import { type Mailbox } from './mailbox';
import { type CompiledRule } from './rules';
import { type QueueSettings, type SubscriptionSettings, type TopicSettings } from './topology';

export interface Queue {
  kind: 'queue';
  path: string;
  settings: QueueSettings;
  intake: Intake;
  duplicates: DuplicateWindow | null;
  mailbox: Mailbox;
}

export interface Topic {
  kind: 'topic';
  path: string;
  settings: TopicSettings;
  intake: Intake;
  duplicates: DuplicateWindow | null;
  /** Numbers of scheduled messages; the copies get numbers of their own. */
  lastSequenceNumber: number;
  subscriptions: Map<string, Subscription>;
}

export interface Subscription {
  kind: 'subscription';
  path: string;
  topic: Topic;
  settings: SubscriptionSettings;
  rules: CompiledRule[];
  mailbox: Mailbox;
}
