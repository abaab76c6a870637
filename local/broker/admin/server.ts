import { createServer, type IncomingMessage, type Server } from 'node:http';
import { type Clock } from '../../../lib/platform/clock';
import { messageOf } from '../../../lib/platform/errors';
import { BrokerError, conditions, toAmqpError } from '../core/errors';
import { type Subscription } from '../core/entities';
import { type Namespace } from '../core/namespace';
import { type Faults } from '../faults';
import { isAllowed, type TokenChecker } from '../tokens';
import { entry, feed, parseEntry, writeXml, type XmlValue } from './atom';
import {
  describeQueue,
  describeRule,
  describeSubscription,
  describeTopic,
  readQueue,
  readRule,
  readSubscription,
  readTopic,
} from './descriptions';

export interface AdminDeps {
  namespace: Namespace;
  tokens: TokenChecker;
  faults: Faults;
  clock: Clock;
  log: (line: string) => void;
}

interface AdminRequest {
  method: string;
  /** Without slashes around it. */
  path: string;
  url: URL;
  body: string;
  /** The client expects the entity to exist. */
  isUpdate: boolean;
}

interface Answer {
  status: number;
  root?: 'entry' | 'feed';
  content?: XmlValue;
}

const statusOf: Record<string, number> = {
  [conditions.unauthorized]: 401,
  [conditions.notFound]: 404,
  [conditions.entityExists]: 409,
  [conditions.argument]: 400,
  [conditions.notAllowed]: 400,
  [conditions.notImplemented]: 501,
  'com.microsoft:server-busy': 503,
};
const largestPage = 100;
const largestBodyBytes = 1024 * 1024;

/** The management API of the namespace (ATOM over HTTP), as far as clients use it. Does not listen by itself. */
export function createAdminServer(deps: AdminDeps): Server {
  const { tokens, faults, clock, log } = deps;

  const answer = async (message: IncomingMessage): Promise<Answer> => {
    const url = new URL(`http://${message.headers.host ?? 'localhost'}${message.url ?? '/'}`);
    const path = decodeURIComponent(url.pathname).replace(/^\/+|\/+$/g, '');
    const body = await readBody(message);
    const grant = await tokens.check(message.headers.authorization ?? '');
    if (!isAllowed([grant], path, 'Manage', clock.nowMs())) {
      throw new BrokerError(conditions.unauthorized, `Manage claim is required for '${path}'.`);
    }
    const fault = faults.next('manage', path);
    if (fault?.kind === 'error') throw new BrokerError(fault.condition, fault.description);
    if (fault?.kind === 'delay') await clock.sleep(fault.delayMs);
    if (fault?.kind === 'drop') message.socket.destroy();
    const isUpdate = message.headers['if-match'] !== undefined;
    const answered = route(deps.namespace, { method: message.method ?? 'GET', path, url, body, isUpdate });
    if (fault?.kind === 'loseAnswer') message.socket.destroy();
    return answered;
  };

  return createServer((message, response) => {
    answer(message)
      .catch((error: unknown): Answer & { error: string } => {
        const { condition, description } = toAmqpError(error);
        const status = statusOf[condition] ?? 500;
        if (status === 500) log(`management: ${messageOf(error)}`);
        return { status, error: writeXml('Error', { Code: status, Detail: description }) };
      })
      .then((answered) => {
        const xml =
          'error' in answered ? answered.error : answered.root && writeXml(answered.root, answered.content ?? '');
        response.writeHead(answered.status, { 'content-type': 'application/atom+xml;charset=utf-8' });
        response.end(xml);
      })
      .catch((error: unknown) => log(`management: ${messageOf(error)}`));
  });
}

function route(namespace: Namespace, request: AdminRequest): Answer {
  const { path } = request;
  const list = /^\$resources\/(queues|topics)$/i.exec(path);
  if (list !== null) {
    const kind = list[1]?.toLowerCase() === 'queues' ? 'queue' : 'topic';
    const entities = namespace.queuesAndTopics().filter((entity) => entity.kind === kind);
    return page(request, entities, (entity) => [
      entity.path,
      entity.kind === 'queue' ? describeQueue(entity) : describeTopic(entity),
    ]);
  }
  const rule = /^(.+)\/subscriptions\/([^/]+)\/rules(?:\/([^/]+))?$/i.exec(path);
  if (rule !== null) {
    const subscription = namespace.findSubscription(rule[1] ?? '', rule[2] ?? '');
    if (subscription === undefined) throw missing(path);
    return routeRule(namespace, subscription, rule[3], request);
  }
  const subscription = /^(.+)\/subscriptions(?:\/([^/]+))?$/i.exec(path);
  if (subscription !== null) return routeSubscription(namespace, subscription[1] ?? '', subscription[2], request);
  return routeEntity(namespace, request);
}

function routeEntity(namespace: Namespace, request: AdminRequest): Answer {
  const { path, method } = request;
  const existing = namespace.find(path);
  if (method === 'PUT') {
    const { element, fields } = parseEntry(request.body);
    assertExistence(existing !== undefined, request);
    const put = {
      QueueDescription: () => namespace.putQueue(readQueue(path, fields)),
      TopicDescription: () => namespace.putTopic(readTopic(path, fields)),
    };
    if (element !== 'QueueDescription' && element !== 'TopicDescription') throw notServed(request);
    put[element]();
    return routeEntity(namespace, { ...request, method: 'GET' });
  }
  if (existing === undefined) throw missing(path);
  if (method === 'DELETE') return removed(namespace, existing.path);
  if (method !== 'GET') throw notServed(request);
  const described = existing.kind === 'queue' ? describeQueue(existing) : describeTopic(existing);
  return { status: 200, root: 'entry', content: entry(urlOf(request, existing.path), described) };
}

function routeSubscription(
  namespace: Namespace,
  topicPath: string,
  name: string | undefined,
  request: AdminRequest,
): Answer {
  const topic = namespace.find(topicPath);
  if (topic?.kind !== 'topic') throw missing(topicPath);
  if (name === undefined) {
    return page(request, [...topic.subscriptions.values()], (each) => [each.path, describeSubscription(each)]);
  }
  const existing = namespace.findSubscription(topicPath, name);
  if (request.method === 'PUT') {
    assertExistence(existing !== undefined, request);
    const settings = readSubscription(name, parseEntry(request.body).fields, existing?.settings.rules);
    namespace.putSubscription(topicPath, settings);
    return routeSubscription(namespace, topicPath, name, { ...request, method: 'GET' });
  }
  if (existing === undefined) throw missing(request.path);
  if (request.method === 'DELETE') return removed(namespace, existing.path);
  if (request.method !== 'GET') throw notServed(request);
  return { status: 200, root: 'entry', content: entry(urlOf(request, existing.path), describeSubscription(existing)) };
}

function routeRule(
  namespace: Namespace,
  subscription: Subscription,
  name: string | undefined,
  request: AdminRequest,
): Answer {
  const { rules } = subscription.settings;
  const pathOfRule = (ruleName: string): string => `${subscription.path}/Rules/${ruleName}`;
  if (name === undefined) return page(request, rules, (rule) => [pathOfRule(rule.name), describeRule(rule)]);
  const others = rules.filter((rule) => rule.name !== name);
  const existing = rules.find((rule) => rule.name === name);
  if (request.method === 'PUT') {
    assertExistence(existing !== undefined, request);
    const rule = readRule(name, parseEntry(request.body).fields);
    namespace.setRules(subscription, [...others, rule]);
    return { status: 201, root: 'entry', content: entry(urlOf(request, pathOfRule(name)), describeRule(rule)) };
  }
  if (existing === undefined) throw missing(request.path);
  if (request.method === 'DELETE') {
    namespace.setRules(subscription, others);
    return { status: 200 };
  }
  if (request.method !== 'GET') throw notServed(request);
  return { status: 200, root: 'entry', content: entry(urlOf(request, pathOfRule(name)), describeRule(existing)) };
}

function page<T>(
  request: AdminRequest,
  all: readonly T[],
  describe: (item: T) => [path: string, description: Record<string, XmlValue>],
): Answer {
  const skip = Number(request.url.searchParams.get('$skip') ?? 0);
  const top = Math.min(Number(request.url.searchParams.get('$top') ?? largestPage), largestPage);
  const shown = all.slice(skip, skip + top).map((item) => {
    const [path, description] = describe(item);
    return entry(urlOf(request, path), description);
  });
  const next = new URL(request.url);
  next.searchParams.set('$skip', String(skip + top));
  next.searchParams.set('$top', String(top));
  const nextUrl = skip + top < all.length ? next.toString() : null;
  return { status: 200, root: 'feed', content: feed(request.url.toString(), shown, nextUrl) };
}

function removed(namespace: Namespace, path: string): Answer {
  namespace.remove(path);
  return { status: 200 };
}

function assertExistence(exists: boolean, { path, isUpdate }: AdminRequest): void {
  if (isUpdate && !exists) throw missing(path);
  if (!isUpdate && exists) throw new BrokerError(conditions.entityExists, `'${path}' exists already.`);
}

function missing(path: string): BrokerError {
  return new BrokerError(conditions.notFound, `The messaging entity '${path}' could not be found.`);
}

function notServed({ method, path }: AdminRequest): BrokerError {
  return new BrokerError(conditions.notImplemented, `${method} ${path} is not supported.`);
}

function urlOf({ url }: AdminRequest, path: string): string {
  return `${url.origin}/${path}`;
}

async function readBody(message: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of message) {
    if (!Buffer.isBuffer(chunk)) continue;
    bytes += chunk.length;
    if (bytes > largestBodyBytes) throw new BrokerError(conditions.argument, 'The request is too large.');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}
