import { type Clock } from '../../../lib/platform/clock';
import { type Counters } from './counters';
import { type Deadlines } from './deadlines';
import { createDuplicateWindow, type DuplicateWindow } from './duplicates';
import { type Queue, type Subscription, type Topic } from './entities';
import { BrokerError, conditions } from './errors';
import { type FilterableProperties, type MessageContent } from './message';
import { type Copy, createIntake, type Intake } from './intake';
import { createMailbox, type Mailbox, type MailboxLog, type MailboxSettings } from './mailbox';
import { type JournalRecord, storeProperties } from './records';
import { deadLetterSuffix, type RestoredState, subscriptionPath } from './restore';
import { compileRule } from './rules';
import { snapshotOf } from './snapshot';
import { type QueueSettings, type Rule, type SubscriptionSettings, type TopicSettings } from './topology';

/** All queues, topics and subscriptions. Paths are compared without case, as the service does. */
export interface Namespace {
  queuesAndTopics(): (Queue | Topic)[];
  find(path: string): Queue | Topic | undefined;
  findSubscription(topicPath: string, name: string): Subscription | undefined;
  /** Where messages are sent to. @throws BrokerError when there is no such queue or topic. */
  intakeOf(path: string): Intake;
  /** Where messages are received from: queue, subscription, or the dead-letter queue of one. @throws BrokerError */
  mailboxOf(path: string): Mailbox;
  /** Creates the entity or replaces its settings; its messages stay. */
  putQueue(settings: QueueSettings): Queue;
  putTopic(settings: TopicSettings): Topic;
  putSubscription(topicPath: string, settings: SubscriptionSettings): Subscription;
  setRules(subscription: Subscription, rules: Rule[]): void;
  /** Deletes a queue, topic or subscription with all messages. @throws BrokerError when there is none. */
  remove(path: string): void;
  /** The records that add up to the present state. */
  snapshot(): Iterable<JournalRecord>;
}

export interface NamespaceDeps {
  clock: Clock;
  deadlines: Deadlines;
  /** Makes changes durable, all of them or none. */
  append: (...records: JournalRecord[]) => void;
  counters: Counters;
  newLockToken: () => string;
  readProperties: (content: MessageContent) => FilterableProperties;
  restored: RestoredState;
}

export function createNamespace(deps: NamespaceDeps): Namespace {
  const { clock, deadlines, counters, restored, append } = deps;
  const entities = new Map<string, Queue | Topic>();

  const mailbox = (path: string, settings: MailboxSettings, deadLetters: Mailbox | null): Mailbox => {
    const counter = counters.of(path);
    const created = createMailbox({
      path,
      settings,
      clock,
      deadlines,
      newLockToken: deps.newLockToken,
      log: mailboxLog(path, append),
      deadLetters,
      counters: {
        delivered: () => (counter.deliveries += 1),
        settled: (kind) => (counter.settlements[kind] += 1),
        lockExpired: () => (counter.lockExpirations += 1),
      },
    });
    const earlier = take(restored.mailboxes, path);
    if (earlier === undefined) return created;
    created.raiseSequenceNumber(earlier.lastSequenceNumber);
    for (const [sessionId, state] of earlier.sessionStates) {
      created.sessions.setState(created.sessions.ensure(sessionId), state);
    }
    for (const message of earlier.messages.values()) created.put(message);
    return created;
  };

  const mailboxPair = (path: string, settings: MailboxSettings): Mailbox => {
    const forDeadLetters = { ...settings, requiresSession: false, defaultTimeToLiveMs: null };
    return mailbox(path, settings, mailbox(path + deadLetterSuffix, forDeadLetters, null));
  };

  const duplicateWindow = (path: string, windowMs: number | null): DuplicateWindow | null =>
    windowMs === null ? null : createDuplicateWindow(windowMs, take(restored.seen, path));

  const intake = (
    path: string,
    duplicates: DuplicateWindow | null,
    takeSequenceNumber: () => number,
    route: Parameters<typeof createIntake>[0]['route'],
  ): Intake => {
    const counter = counters.of(path);
    const { readProperties } = deps;
    const created = createIntake({
      path,
      clock,
      deadlines,
      duplicates,
      append,
      takeSequenceNumber,
      readProperties,
      route,
    });
    for (const message of take(restored.scheduled, path)?.values() ?? []) created.restoreScheduled(message);
    return {
      ...created,
      send(messages) {
        created.send(messages);
        counter.sends += 1;
        counter.sentMessages += messages.length;
      },
    };
  };

  const find = (path: string): Queue | Topic | undefined => entities.get(path.toLowerCase());

  const findSubscription = (topicPath: string, name: string): Subscription | undefined => {
    const topic = find(topicPath);
    return topic?.kind === 'topic' ? topic.subscriptions.get(name.toLowerCase()) : undefined;
  };

  const createQueue = (settings: QueueSettings): Queue => {
    const path = settings.name;
    const own = mailboxPair(path, settings);
    const duplicates = duplicateWindow(path, settings.duplicateDetectionWindowMs);
    const route = (content: MessageContent): Copy[] => {
      if (settings.requiresSession && content.sessionId === null) {
        throw new BrokerError(
          conditions.notAllowed,
          `The queue '${path}' requires sessions: set the session id of every message.`,
        );
      }
      return [{ mailbox: own, changes: null }];
    };
    const queue: Queue = {
      kind: 'queue',
      path,
      settings,
      duplicates,
      intake: intake(path, duplicates, own.takeSequenceNumber, route),
      mailbox: own,
    };
    entities.set(path.toLowerCase(), queue);
    return queue;
  };

  const createTopic = (settings: TopicSettings): Topic => {
    const path = settings.name;
    const duplicates = duplicateWindow(path, settings.duplicateDetectionWindowMs);
    const subscriptions = new Map<string, Subscription>();
    const topic: Topic = {
      kind: 'topic',
      path,
      settings,
      duplicates,
      intake: intake(
        path,
        duplicates,
        () => (topic.lastSequenceNumber += 1),
        (content, properties) => [...subscriptions.values()].flatMap((each) => copiesIn(each, content, properties)),
      ),
      lastSequenceNumber: take(restored.mailboxes, path)?.lastSequenceNumber ?? 0,
      subscriptions,
    };
    entities.set(path.toLowerCase(), topic);
    return topic;
  };

  const createSubscription = (topic: Topic, settings: SubscriptionSettings): Subscription => {
    const path = subscriptionPath(topic.path, settings.name);
    const subscription: Subscription = {
      kind: 'subscription',
      path,
      topic,
      settings,
      rules: settings.rules.map(compileRule),
      mailbox: mailboxPair(path, mailboxSettings(topic, settings)),
    };
    topic.subscriptions.set(settings.name.toLowerCase(), subscription);
    return subscription;
  };

  for (const settings of restored.queues.values()) createQueue(settings);
  for (const settings of restored.topics.values()) createTopic(settings);
  for (const { topic, settings } of restored.subscriptions.values()) {
    const owner = find(topic);
    if (owner?.kind === 'topic') createSubscription(owner, settings);
  }

  const namespace: Namespace = {
    queuesAndTopics: () => [...entities.values()],
    find,
    findSubscription,
    intakeOf(path) {
      const entity = find(path);
      if (entity === undefined) throw entityNotFound(path);
      return entity.intake;
    },
    mailboxOf(path) {
      const forDeadLetters = path.toLowerCase().endsWith(deadLetterSuffix.toLowerCase());
      const entityPath = forDeadLetters ? path.slice(0, -deadLetterSuffix.length) : path;
      const asSubscription = /^(.+)\/subscriptions\/([^/]+)$/i.exec(entityPath);
      const [, topicPath = '', name = ''] = asSubscription ?? [];
      const entity = asSubscription === null ? find(entityPath) : findSubscription(topicPath, name);
      if (entity === undefined) throw entityNotFound(path);
      if (entity.kind === 'topic') {
        throw new BrokerError(conditions.notAllowed, `'${path}' is a topic: receive from one of its subscriptions.`);
      }
      return forDeadLetters ? (entity.mailbox.deadLetters ?? entity.mailbox) : entity.mailbox;
    },
    putQueue(settings) {
      const existing = find(settings.name);
      if (existing?.kind === 'topic') throw entityExists(settings.name, 'topic');
      if (existing !== undefined) {
        assertSame(existing.path, 'requiresSession', existing.settings.requiresSession, settings.requiresSession);
        assertSame(
          existing.path,
          'duplicate detection',
          existing.settings.duplicateDetectionWindowMs,
          settings.duplicateDetectionWindowMs,
        );
      }
      append({ is: 'queue', settings: { ...settings, name: existing?.path ?? settings.name } });
      if (existing === undefined) return createQueue(settings);
      Object.assign(existing.settings, settings, { name: existing.path });
      Object.assign(existing.mailbox.settings, settings);
      return existing;
    },
    putTopic(settings) {
      const existing = find(settings.name);
      if (existing?.kind === 'queue') throw entityExists(settings.name, 'queue');
      if (existing !== undefined) {
        assertSame(
          existing.path,
          'duplicate detection',
          existing.settings.duplicateDetectionWindowMs,
          settings.duplicateDetectionWindowMs,
        );
      }
      append({ is: 'topic', settings: { ...settings, name: existing?.path ?? settings.name } });
      if (existing === undefined) return createTopic(settings);
      Object.assign(existing.settings, settings, { name: existing.path });
      return existing;
    },
    putSubscription(topicPath, settings) {
      const topic = find(topicPath);
      if (topic?.kind !== 'topic') throw entityNotFound(topicPath);
      const existing = topic.subscriptions.get(settings.name.toLowerCase());
      const rules = settings.rules.map(compileRule); // refuses what it does not understand before anything is stored
      if (existing !== undefined) {
        assertSame(existing.path, 'requiresSession', existing.settings.requiresSession, settings.requiresSession);
      }
      append({
        is: 'subscription',
        topic: topic.path,
        settings: { ...settings, name: existing?.settings.name ?? settings.name },
      });
      if (existing === undefined) return createSubscription(topic, settings);
      Object.assign(existing.settings, settings, { name: existing.settings.name });
      Object.assign(existing.mailbox.settings, mailboxSettings(topic, settings));
      existing.rules = rules;
      return existing;
    },
    setRules(subscription, rules) {
      namespace.putSubscription(subscription.topic.path, { ...subscription.settings, rules });
    },
    remove(path) {
      const [, topicPath = '', name = ''] = /^(.+)\/subscriptions\/([^/]+)$/i.exec(path) ?? [];
      const subscription = findSubscription(topicPath, name);
      const entity = subscription ?? find(path);
      if (entity === undefined) throw entityNotFound(path);
      append({ is: 'deleted', path: entity.path });
      if (entity.kind === 'subscription') {
        entity.topic.subscriptions.delete(entity.settings.name.toLowerCase());
      } else {
        entity.intake.close();
        entities.delete(entity.path.toLowerCase());
      }
    },
    snapshot: () => snapshotOf(entities.values(), clock.nowMs()),
  };
  return namespace;
}

function copiesIn(
  { mailbox, rules, settings }: Subscription,
  content: MessageContent,
  properties: () => FilterableProperties,
): Copy[] {
  if (!rules.some((matches) => matches(properties()))) return [];
  if (!settings.requiresSession || content.sessionId !== null) return [{ mailbox, changes: null }];
  return [{ mailbox: mailbox.deadLetters ?? mailbox, changes: { DeadLetterReason: 'Session id is null.' } }];
}

function mailboxLog(path: string, append: (...records: JournalRecord[]) => void): MailboxLog {
  return {
    removed: (sequenceNumber) => append({ is: 'removed', from: path, sequenceNumber }),
    changed: ({ sequenceNumber }, { deliveryCount, deferred, changedProperties }) =>
      append({
        is: 'changed',
        in: path,
        sequenceNumber,
        deliveryCount,
        deferred,
        properties: storeProperties(changedProperties),
      }),
    deadLettered: ({ sequenceNumber }, { deliveryCount, deferred, changedProperties }, as) =>
      append({
        is: 'deadLettered',
        in: path,
        sequenceNumber,
        as,
        deliveryCount,
        deferred,
        properties: storeProperties(changedProperties),
      }),
    sessionState: (sessionId, state) =>
      append({ is: 'sessionState', in: path, sessionId, state: state?.toString('base64') ?? null }),
  };
}

function entityNotFound(path: string): BrokerError {
  return new BrokerError(conditions.notFound, `The messaging entity '${path}' could not be found.`);
}

function entityExists(path: string, kind: string): BrokerError {
  return new BrokerError(conditions.entityExists, `There is already a ${kind} named '${path}'.`);
}

function assertSame(path: string, what: string, existing: unknown, wanted: unknown): void {
  if (existing === wanted) return;
  throw new BrokerError(
    conditions.notAllowed,
    `'${path}' exists with another setting of ${what}, which cannot be changed. Delete it first (or start with --fresh).`,
  );
}

/** Each restored piece is used once: an entity that is deleted and made again begins empty. */
function take<V>(map: Map<string, V>, path: string): V | undefined {
  const value = map.get(path);
  map.delete(path);
  return value;
}

/** A subscription's own settings, except that no message lives longer than its topic allows. */
function mailboxSettings(topic: Topic, settings: SubscriptionSettings): MailboxSettings {
  const least = Math.min(settings.defaultTimeToLiveMs ?? Infinity, topic.settings.defaultTimeToLiveMs ?? Infinity);
  return { ...settings, defaultTimeToLiveMs: least === Infinity ? null : least };
}
