import { z } from 'zod';
import { BrokerError, conditions } from '../core/errors';
import { type Queue, type Subscription, type Topic } from '../core/entities';
import {
  queueSchema,
  type QueueSettings,
  type Rule,
  ruleSchema,
  subscriptionSchema,
  type SubscriptionSettings,
  topicSchema,
  type TopicSettings,
} from '../core/topology';
import { type XmlValue } from './atom';

/** Translates between the descriptions of the management API and the settings of the broker. */

type Fields = Record<string, unknown>;

const namespaces = {
  '@xmlns': 'http://schemas.microsoft.com/netservices/2010/10/servicebus/connect',
  '@xmlns:i': 'http://www.w3.org/2001/XMLSchema-instance',
};
const forever = 'P10675199DT2H48M5.4775807S';
const schemaNamespace = 'http://www.w3.org/2001/XMLSchema';

export function describeQueue({ settings, mailbox, intake, duplicates }: Queue): Record<string, XmlValue> {
  const scheduled = [...intake.scheduled()].length;
  return {
    QueueDescription: {
      ...namespaces,
      ...mailboxFields(settings),
      ...duplicateFields(duplicates === null ? null : settings.duplicateDetectionWindowMs),
      ...commonFields(settings.userMetadata),
      SizeInBytes: sizeOf(mailbox.messages()),
      MessageCount: mailbox.size + scheduled + (mailbox.deadLetters?.size ?? 0),
      CountDetails: countDetails(mailbox.size, mailbox.deadLetters?.size ?? 0, scheduled),
    },
  };
}

export function describeTopic({ settings, subscriptions, intake }: Topic): Record<string, XmlValue> {
  return {
    TopicDescription: {
      ...namespaces,
      DefaultMessageTimeToLive: toDuration(settings.defaultTimeToLiveMs),
      ...duplicateFields(settings.duplicateDetectionWindowMs),
      ...commonFields(settings.userMetadata),
      SupportOrdering: true,
      SizeInBytes: 0,
      SubscriptionCount: subscriptions.size,
      CountDetails: countDetails(0, 0, [...intake.scheduled()].length),
    },
  };
}

export function describeSubscription({ settings, mailbox }: Subscription): Record<string, XmlValue> {
  const dead = mailbox.deadLetters?.size ?? 0;
  return {
    SubscriptionDescription: {
      ...namespaces,
      ...mailboxFields(settings),
      ...commonFields(settings.userMetadata),
      DeadLetteringOnFilterEvaluationExceptions: false,
      MessageCount: mailbox.size + dead,
      CountDetails: countDetails(mailbox.size, dead, 0),
    },
  };
}

export function describeRule({ name, filter }: Rule): Record<string, XmlValue> {
  const described: XmlValue =
    filter.kind === 'sql'
      ? {
          '@i:type': 'SqlFilter',
          SqlExpression: filter.expression,
          CompatibilityLevel: 20,
        }
      : {
          '@i:type': 'CorrelationFilter',
          CorrelationId: filter.correlationId ?? null,
          MessageId: filter.messageId ?? null,
          To: filter.to ?? null,
          ReplyTo: filter.replyTo ?? null,
          Label: filter.subject ?? null,
          SessionId: filter.sessionId ?? null,
          ReplyToSessionId: filter.replyToSessionId ?? null,
          ContentType: filter.contentType ?? null,
          Properties: filter.applicationProperties === undefined ? null : toKeyValues(filter.applicationProperties),
        };
  return {
    RuleDescription: { ...namespaces, Filter: described, Action: { '@i:type': 'EmptyRuleAction' }, Name: name },
  };
}

/** @throws BrokerError naming the first setting that is wrong or not supported. */
export function readQueue(name: string, fields: Fields): QueueSettings {
  return parse(queueSchema, { name, ...readMailbox(fields), ...readDuplicates(fields), ...readCommon(fields) });
}

export function readTopic(name: string, fields: Fields): TopicSettings {
  const defaultTimeToLiveMs = readDuration(fields.DefaultMessageTimeToLive);
  return parse(topicSchema, { name, defaultTimeToLiveMs, ...readDuplicates(fields), ...readCommon(fields) });
}

/** `rules` are those that the subscription has already; a new one gets the rule of the description, or lets all through. */
export function readSubscription(name: string, fields: Fields, rules: Rule[] | undefined): SubscriptionSettings {
  const own = recordOf(fields.DefaultRuleDescription);
  const first = Object.keys(own).length === 0 ? undefined : [readRule(text(own.Name) ?? '$Default', own)];
  return parse(subscriptionSchema, { name, ...readMailbox(fields), ...readCommon(fields), rules: rules ?? first });
}

export function readRule(name: string, fields: Fields): Rule {
  const filter = recordOf(fields.Filter);
  if (recordOf(fields.Action).SqlExpression !== undefined) throw notSupported('the SqlExpression of a rule action');
  const sqlExpression = text(filter.SqlExpression);
  if (sqlExpression !== undefined) {
    if (fromKeyValues(filter.Parameters) !== undefined) throw notSupported('parameters of a SQL filter');
    return parse(ruleSchema, { name, filter: { kind: 'sql', expression: sqlExpression } });
  }
  return parse(ruleSchema, {
    name,
    filter: {
      kind: 'correlation',
      correlationId: text(filter.CorrelationId),
      messageId: text(filter.MessageId),
      to: text(filter.To),
      replyTo: text(filter.ReplyTo),
      subject: text(filter.Label),
      sessionId: text(filter.SessionId),
      replyToSessionId: text(filter.ReplyToSessionId),
      contentType: text(filter.ContentType),
      applicationProperties: fromKeyValues(filter.Properties),
    },
  });
}

function mailboxFields(settings: QueueSettings | SubscriptionSettings): Record<string, XmlValue> {
  return {
    LockDuration: toDuration(settings.lockDurationMs),
    RequiresSession: settings.requiresSession,
    DefaultMessageTimeToLive: toDuration(settings.defaultTimeToLiveMs),
    DeadLetteringOnMessageExpiration: settings.deadLetterOnExpiration,
    MaxDeliveryCount: settings.maxDeliveryCount,
  };
}

function readMailbox(fields: Fields): Fields {
  return {
    lockDurationMs: readDuration(fields.LockDuration) ?? undefined,
    requiresSession: flag(fields.RequiresSession),
    defaultTimeToLiveMs: readDuration(fields.DefaultMessageTimeToLive),
    deadLetterOnExpiration: flag(fields.DeadLetteringOnMessageExpiration),
    maxDeliveryCount: fields.MaxDeliveryCount === undefined ? undefined : Number(fields.MaxDeliveryCount),
  };
}

const defaultWindowMs = 600_000;

function duplicateFields(windowMs: number | null): Record<string, XmlValue> {
  return {
    RequiresDuplicateDetection: windowMs !== null,
    DuplicateDetectionHistoryTimeWindow: toDuration(windowMs ?? defaultWindowMs),
  };
}

function readDuplicates(fields: Fields): Fields {
  if (flag(fields.RequiresDuplicateDetection) !== true) return {};
  return {
    duplicateDetectionWindowMs: readDuration(fields.DuplicateDetectionHistoryTimeWindow) ?? defaultWindowMs,
  };
}

/** Times are not kept; the fields are there because clients insist on them. */
const sometime = '2020-01-01T00:00:00Z';

function commonFields(userMetadata: string): Record<string, XmlValue> {
  return {
    MaxSizeInMegabytes: 1_024,
    EnableBatchedOperations: true,
    EnablePartitioning: false,
    EnableExpress: false,
    Status: 'Active',
    EntityAvailabilityStatus: 'Available',
    AutoDeleteOnIdle: forever,
    UserMetadata: userMetadata,
    CreatedAt: sometime,
    UpdatedAt: sometime,
    AccessedAt: sometime,
  };
}

function readCommon(fields: Fields): Fields {
  for (const name of ['ForwardTo', 'ForwardDeadLetteredMessagesTo', 'AuthorizationRules']) {
    if (fields[name] !== undefined && fields[name] !== '') throw notSupported(name);
  }
  if (flag(fields.EnablePartitioning) === true) throw notSupported('EnablePartitioning');
  if (readDuration(fields.AutoDeleteOnIdle) !== null) throw notSupported('AutoDeleteOnIdle');
  const status = text(fields.Status) ?? 'Active';
  if (status !== 'Active') throw notSupported(`the Status ${status}`);
  return { userMetadata: text(fields.UserMetadata) };
}

function countDetails(active: number, dead: number, scheduled: number): XmlValue {
  return {
    // Exactly one attribute: clients take the prefix of the elements from it.
    '@xmlns:d2p1': 'http://schemas.microsoft.com/netservices/2011/06/servicebus',
    'd2p1:ActiveMessageCount': active,
    'd2p1:DeadLetterMessageCount': dead,
    'd2p1:ScheduledMessageCount': scheduled,
    'd2p1:TransferMessageCount': 0,
    'd2p1:TransferDeadLetterMessageCount': 0,
  };
}

function sizeOf(messages: Iterable<{ content: { payload: Buffer } }>): number {
  let bytes = 0;
  for (const { content } of messages) bytes += content.payload.length;
  return bytes;
}

function toKeyValues(values: Record<string, string | number | boolean | null>): XmlValue {
  return {
    KeyValueOfstringanyType: Object.entries(values).map(([key, value]) => ({
      Key: key,
      Value: {
        '@i:type': `d6p1:${typeof value === 'number' ? 'double' : typeof value === 'boolean' ? 'boolean' : 'string'}`,
        '@xmlns:d6p1': schemaNamespace,
        '#': value,
      },
    })),
  };
}

const keyValues = z.object({
  KeyValueOfstringanyType: z.preprocess(
    (value): unknown[] => (Array.isArray(value) ? value : [value]),
    z.array(z.object({ Key: z.string(), Value: z.object({ '@type': z.string(), '#text': z.string().default('') }) })),
  ),
});

function fromKeyValues(value: unknown): Record<string, string | number | boolean> | undefined {
  if (value === undefined || value === '') return undefined;
  const pairs = parse(keyValues, value).KeyValueOfstringanyType;
  return Object.fromEntries(
    pairs.map(({ Key: key, Value: { '@type': type, '#text': content } }): [string, string | number | boolean] => {
      switch (type.slice(type.indexOf(':') + 1)) {
        case 'string':
          return [key, content];
        case 'boolean':
          return [key, content === 'true'];
        case 'double':
        case 'int':
        case 'long':
          return [key, Number(content)];
        default:
          throw notSupported(`a property of type ${type}`);
      }
    }),
  );
}

function toDuration(ms: number | null): string {
  return ms === null ? forever : `PT${ms / 1_000}S`;
}

/** ISO 8601 as far as days; null is for ever. */
function readDuration(value: unknown): number | null {
  if (value === undefined || value === '') return null;
  const duration = text(value) ?? '';
  const parts = /^P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:([\d.]+)S)?)?$/.exec(duration);
  if (parts === null) throw new BrokerError(conditions.argument, `'${duration}' is not a duration.`);
  const [days, hours, minutes, seconds] = parts.slice(1).map((part: string | undefined) => Number(part ?? 0));
  if ((days ?? 0) > 100_000) return null;
  return Math.round((((days ?? 0) * 24 + (hours ?? 0)) * 60 + (minutes ?? 0)) * 60_000 + (seconds ?? 0) * 1_000);
}

function parse<T>(schema: z.ZodType<T>, value: unknown): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new BrokerError(conditions.argument, z.prettifyError(parsed.error));
}

function notSupported(what: string): BrokerError {
  return new BrokerError(conditions.argument, `This stand-in does not support ${what}.`);
}

function flag(value: unknown): boolean | undefined {
  return text(value) === undefined ? undefined : text(value)?.toLowerCase() === 'true';
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

function recordOf(value: unknown): Fields {
  return typeof value === 'object' && value !== null ? { ...value } : {};
}
