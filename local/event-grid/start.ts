import { timingSafeEqual } from 'node:crypto';
import { join } from 'node:path';
import { z } from 'zod';
import { type Clock, systemClock } from '../../lib/platform/clock';
import { sha256 } from '../../lib/platform/hash';
import { type VerifyToken } from '../identity/tokens';
import { type FaultHooks } from '../network/faults';
import { jsonBody, jsonResponse, type ServiceRequest, startHttpService } from '../network/http-service';
import { ServiceError, unsupported } from '../network/service-error';
import { createDeliverer, subscriptionSchema } from './deliverer';
import { type TopicEvent } from './filters';
import { type DeadLetter, openPending } from './pending';
import { batchSchema, createTopic, type PublishedEvent } from './topic';

export interface EventGridOptions {
  /** 0 picks a free port. */
  port: number;
  /** Required in practice: the SDK sends keys and tokens only inside TLS. */
  tls?: { key: string; cert: string };
  key: string;
  clock?: Clock;
  /** Accepts or refuses Entra tokens. Default: refuses all. */
  verifyToken?: VerifyToken;
  /** Divides the delays between the attempts of a delivery. */
  haste?: number;
  /** Where deliveries wait that have not ended; null or left out keeps them in memory only. */
  stateFolder?: string | null;
}

export interface EventGrid {
  port: number;
  /** For `EventGridPublisherClient`. */
  topicEndpoint: string;
  /** For whoever plays Azure: subscribing, delivering, and reading what was published. */
  url: string;
  faults: FaultHooks;
  published(): PublishedEvent[];
  /** As a topic of Azure's own tells it: delivered to the subscriptions whose filter lets it through. */
  emit(event: TopicEvent): void;
  /** As `POST /subscriptions`. false: the endpoint did not agree. */
  subscribe(subscription: z.input<typeof subscriptionSchema>): Promise<boolean>;
  deadLetters(): DeadLetter[];
  counters(): Record<string, number>;
  stop(): Promise<void>;
}

const topicPath = '/api/events';
const apiVersion = '2018-01-01';
const audience = 'https://eventgrid.azure.net';
const largestBatchBytes = 1 << 20;
const eventsSchema = z.array(z.unknown()).min(1);

/** Starts a custom topic that takes CloudEvents, and the half of Event Grid that delivers to webhooks. */
export async function startEventGrid(options: EventGridOptions): Promise<EventGrid> {
  const { port, tls, key, clock = systemClock, verifyToken = () => null, haste = 1 } = options;
  const topic = createTopic();
  const stateFolder = options.stateFolder ?? null;
  const pending = openPending(stateFolder === null ? null : join(stateFolder, 'deliveries.jsonl'));
  const deliverer = createDeliverer({ clock, pending, fetch, haste });
  const counts = { published: 0, delivered: 0, deadLettered: 0 };

  const authorize = ({ headers, secure }: ServiceRequest): void => {
    const shown = headers['aeg-sas-key'];
    if (shown !== undefined && timingSafeEqual(Buffer.from(sha256(shown)), Buffer.from(sha256(key)))) return;
    const token = headers['authorization']?.replace(/^Bearer /, '');
    if (secure && token !== undefined && verifyToken(token, audience) !== null) return;
    throw new ServiceError(
      401,
      'Unauthorized',
      'A key of the topic, or a token for https://eventgrid.azure.net, is needed.',
    );
  };
  const publish = (request: ServiceRequest) => {
    authorize(request);
    if (request.query.get('api-version') !== apiVersion)
      throw unsupported(`api-version ${request.query.get('api-version')}`);
    if (!(request.headers['content-type'] ?? '').startsWith('application/cloudevents-batch+json')) {
      throw new ServiceError(400, 'BadRequest', 'The topic takes batches of CloudEvents 1.0.');
    }
    const batch = batchSchema.safeParse(jsonBody(request));
    if (!batch.success) throw new ServiceError(400, 'BadRequest', z.prettifyError(batch.error));
    topic.take(batch.data);
    counts.published += batch.data.length;
    return { status: 200, body: '' };
  };
  const subscribe = async (request: ServiceRequest) => {
    const subscription = subscriptionSchema.safeParse(jsonBody(request));
    if (!subscription.success) throw new ServiceError(400, 'BadRequest', z.prettifyError(subscription.error));
    const agreed = await deliverer.subscribe(subscription.data);
    if (agreed) return jsonResponse(201, {});
    throw new ServiceError(400, 'EndpointValidation', 'Webhook validation handshake failed for the endpoint.');
  };
  const deliver = async (request: ServiceRequest, name: string) => {
    const deliveries = await deliverer.deliver(name, eventsSchema.parse(jsonBody(request)));
    if (deliveries === null) throw new ServiceError(404, 'ResourceNotFound', `There is no subscription ${name}.`);
    for (const { end } of deliveries) if (end !== 'waiting') counts[end] += 1;
    return jsonResponse(200, deliveries);
  };

  const service = await startHttpService({
    port,
    tls,
    clock,
    maxBodyBytes: 8 * largestBatchBytes,
    handle(request) {
      const { method, path, query } = request;
      if (method === 'POST' && path === topicPath) {
        if (request.body.length <= largestBatchBytes) return publish(request);
        throw new ServiceError(413, 'RequestEntityTooLarge', 'A batch may have 1 MB.');
      }
      authorize(request);
      if (method === 'GET' && path === '/published')
        return jsonResponse(200, topic.since(Number(query.get('after') ?? 0)));
      if (method === 'GET' && path === '/dead-letters') return jsonResponse(200, pending.deadLetters());
      if (method === 'POST' && path === '/subscriptions') return subscribe(request);
      const name = /^\/subscriptions\/([\w-]+)\/deliver$/.exec(path)?.[1];
      if (method === 'POST' && name !== undefined) return deliver(request, name);
      throw unsupported(`the Event Grid call ${method} ${path}`);
    },
    fail: ({ status, code, message, headers }) => jsonResponse(status, { error: { code, message } }, headers),
  });
  const url = `${tls === undefined ? 'http' : 'https'}://localhost:${service.port}`;
  return {
    port: service.port,
    url,
    topicEndpoint: `${url}${topicPath}`,
    faults: service.faults,
    published: () => topic.since(0).events,
    emit: (event) => deliverer.emit(event),
    subscribe: (subscription) => deliverer.subscribe(subscription),
    deadLetters: () => pending.deadLetters(),
    counters: () => ({ ...counts, pending: pending.count(), deadLetters: pending.deadLetters().length }),
    async stop() {
      await deliverer.stop();
      await service.close();
      pending.close();
    },
  };
}
