import { type PartitionContext, type ReceivedEventData } from '@azure/event-hubs';
import { type EventHubTrigger } from '../app/bindings';
import { toRpcMetadata, type RpcInput } from '../app/rpc';

/** The content of a batch as a function receives it. */
export function batchData(events: readonly ReceivedEventData[], trigger: EventHubTrigger): RpcInput {
  const bodies = events.map(({ body }: { body: unknown }) => toBytes(body));
  return trigger.dataType === 'binary'
    ? { collectionBytes: { bytes: bodies } }
    : { collectionString: { string: bodies.map((body) => body.toString('utf8')) } };
}

export function eventData(event: ReceivedEventData, trigger: EventHubTrigger): RpcInput {
  const body = toBytes(event.body);
  return trigger.dataType === 'binary' ? { bytes: body } : { string: body.toString('utf8') };
}

/** What `context.triggerMetadata` shows, with the names of the Event Hubs extension. */
export function batchMetadata(
  events: readonly ReceivedEventData[],
  context: PartitionContext,
): Record<string, RpcInput> {
  const all = events.map(metadataOf);
  const names = ['PartitionKey', 'Offset', 'SequenceNumber', 'EnqueuedTimeUtc', 'Properties', 'SystemProperties'];
  const lists: [string, unknown][] = names.map((name) => [`${name}Array`, all.map((values) => values[name] ?? null)]);
  return toRpcMetadata({ ...Object.fromEntries(lists), PartitionContext: partitionOf(context) });
}

export function eventMetadata(event: ReceivedEventData, context: PartitionContext): Record<string, RpcInput> {
  return toRpcMetadata({ ...metadataOf(event), PartitionContext: partitionOf(context) });
}

function metadataOf(event: ReceivedEventData): Record<string, unknown> {
  return {
    PartitionKey: event.partitionKey ?? undefined,
    Offset: event.offset,
    SequenceNumber: event.sequenceNumber,
    EnqueuedTimeUtc: event.enqueuedTimeUtc,
    Properties: event.properties ?? {},
    SystemProperties: event.systemProperties ?? {},
  };
}

function partitionOf(context: PartitionContext): Record<string, unknown> {
  const { fullyQualifiedNamespace, eventHubName, consumerGroup, partitionId } = context;
  return {
    FullyQualifiedNamespace: fullyQualifiedNamespace,
    EventHubName: eventHubName,
    ConsumerGroup: consumerGroup,
    PartitionId: partitionId,
  };
}

/** The body is bytes, unless the sender used a value or sequence section of AMQP. */
function toBytes(body: unknown): Buffer {
  if (Buffer.isBuffer(body)) return body;
  return Buffer.from(typeof body === 'string' ? body : (JSON.stringify(body) ?? ''));
}
