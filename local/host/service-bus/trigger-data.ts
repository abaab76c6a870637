import { type ServiceBusReceivedMessage } from '@azure/service-bus';
import { type ServiceBusTrigger } from '../app/bindings';
import { toRpcMetadata, type RpcInput } from '../app/rpc';

/** The content of the messages as a function receives it: one value, or a list for cardinality `many`. */
export function messageData(messages: readonly ServiceBusReceivedMessage[], trigger: ServiceBusTrigger): RpcInput {
  const bodies = messages.map(({ body }: { body: unknown }) => toBytes(body));
  const [first = Buffer.alloc(0)] = bodies;
  if (trigger.dataType === 'binary') {
    return trigger.cardinality === 'one' ? { bytes: first } : { collectionBytes: { bytes: bodies } };
  }
  const texts = bodies.map((body) => body.toString('utf8'));
  return trigger.cardinality === 'one' ? { string: first.toString('utf8') } : { collectionString: { string: texts } };
}

/** What `context.triggerMetadata` shows, with the names of the Service Bus extension; lists for cardinality `many`. */
export function messageMetadata(
  messages: readonly ServiceBusReceivedMessage[],
  trigger: ServiceBusTrigger,
): Record<string, RpcInput> {
  const all = messages.map(metadataOf);
  const [first = {}] = all;
  if (trigger.cardinality === 'one') return toRpcMetadata(first);
  const names = new Set(all.flatMap((values) => Object.keys(values)));
  return toRpcMetadata(
    Object.fromEntries([...names].map((name) => [`${name}Array`, all.map((values) => values[name] ?? null)])),
  );
}

function metadataOf(message: ServiceBusReceivedMessage): Record<string, unknown> {
  return {
    MessageId: message.messageId,
    SessionId: message.sessionId,
    // The JavaScript SDK counts earlier deliveries, the host's SDK counts this one too.
    DeliveryCount: (message.deliveryCount ?? 0) + 1,
    SequenceNumber: message.sequenceNumber?.toNumber(),
    EnqueuedSequenceNumber: message.enqueuedSequenceNumber,
    EnqueuedTimeUtc: message.enqueuedTimeUtc,
    ExpiresAtUtc: message.expiresAtUtc,
    LockToken: message.lockToken,
    ContentType: message.contentType,
    CorrelationId: message.correlationId,
    Subject: message.subject,
    Label: message.subject,
    To: message.to,
    ReplyTo: message.replyTo,
    ReplyToSessionId: message.replyToSessionId,
    PartitionKey: message.partitionKey,
    DeadLetterSource: message.deadLetterSource,
    ApplicationProperties: message.applicationProperties ?? {},
    UserProperties: message.applicationProperties ?? {},
  };
}

/** The body is bytes, unless the sender used a value or sequence section of AMQP. */
function toBytes(body: unknown): Buffer {
  if (Buffer.isBuffer(body)) return body;
  return Buffer.from(typeof body === 'string' ? body : (JSON.stringify(body) ?? ''));
}
