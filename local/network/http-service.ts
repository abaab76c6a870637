import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { type Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { TLSSocket } from 'node:tls';
import { type Clock } from '../../lib/platform/clock';
import { messageOf } from '../../lib/platform/errors';
import { createFaults, type FaultHooks } from './faults';
import { listen, type Listener } from './listen';
import { ServiceError } from './service-error';

export interface ServiceRequest {
  method: string;
  /** As it was sent, still percent-encoded, without the query. */
  path: string;
  query: URLSearchParams;
  /** Names in lower case; of a repeated header the values joined by a comma. */
  headers: Readonly<Record<string, string | undefined>>;
  body: Buffer;
  /** True inside TLS: bearer tokens are accepted only there. */
  secure: boolean;
  /** Scheme, host and port as the client addressed them, for URLs that it is to call next. */
  origin: string;
}

export interface ServiceResponse {
  status: number;
  headers?: Readonly<Record<string, string>>;
  body?: string | Buffer | Readable;
}

export interface HttpServiceOptions {
  /** 0 picks a free port. */
  port: number;
  tls?: { key: string; cert: string };
  clock: Clock;
  handle(request: ServiceRequest): Promise<ServiceResponse> | ServiceResponse;
  /** Puts a refusal into the form that the protocol's clients expect. */
  fail(error: ServiceError, request: ServiceRequest): ServiceResponse;
  /** The name by which faults find the operation. */
  operationOf?(request: ServiceRequest): string;
  maxBodyBytes?: number;
}

export interface HttpService extends Listener {
  faults: FaultHooks;
}

const defaultMaxBodyBytes = 8 * 1024 * 1024;

/** The HTTP side that all REST stand-ins share: one port for http and https, bodies, refusals, request ids and faults. */
export async function startHttpService(options: HttpServiceOptions): Promise<HttpService> {
  const faults = createFaults();

  const answer = async (message: IncomingMessage, response: ServerResponse): Promise<void> => {
    const head = readHead(message);
    const body = await readBody(message, options.maxBodyBytes ?? defaultMaxBodyBytes);
    if (body === null) {
      response.setHeader('connection', 'close');
      return send(
        response,
        options.fail(new ServiceError(413, 'RequestEntityTooLarge', 'The body is too large.'), head),
      );
    }
    const request = { ...head, body };
    const fault = faults.strike(() => ({
      method: request.method,
      path: decodePath(request.path),
      operation: options.operationOf?.(request) ?? '',
    }));
    if (fault !== null && fault.delayMs > 0) await options.clock.sleep(fault.delayMs);
    if (fault?.drop === 'before') return void message.socket.destroy();
    if (fault?.status !== undefined) {
      const retryAfter = fault.retryAfterMs === undefined ? {} : retryAfterHeaders(fault.retryAfterMs);
      const error = new ServiceError(fault.status, fault.code ?? 'InjectedFault', 'An injected fault.', retryAfter);
      return send(response, options.fail(error, request));
    }
    const result = await perform(options, request);
    if (fault?.drop === 'after') return void message.socket.destroy();
    await send(response, result);
  };

  // Connections are handed in by `listen`, and SDK agents keep them open for reuse: an idle timeout would race with that.
  const server = createServer({ keepAliveTimeout: 0, requestTimeout: 0 }, (message, response) => {
    answer(message, response).catch(() => message.socket.destroy());
  });
  const listener = await listen({ port: options.port, http: server, tls: options.tls });
  return { ...listener, faults };
}

/** Reads the body as JSON, whatever content type was declared. @throws ServiceError 400 when it is none. */
export function jsonBody(request: ServiceRequest): unknown {
  try {
    return JSON.parse(request.body.toString('utf8'));
  } catch (error) {
    throw new ServiceError(400, 'BadRequest', `The body is not JSON: ${messageOf(error)}`);
  }
}

export function jsonResponse(
  status: number,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): ServiceResponse {
  return { status, headers: { 'content-type': 'application/json', ...headers }, body: JSON.stringify(body) };
}

/** The decoded segments of a path, without empty ones: some SDKs send `//subscriptions`. */
export function pathSegments(path: string): string[] {
  return path
    .split('/')
    .filter((segment) => segment !== '')
    .map(decodePath);
}

async function perform(options: HttpServiceOptions, request: ServiceRequest): Promise<ServiceResponse> {
  try {
    return await options.handle(request);
  } catch (error) {
    if (error instanceof ServiceError) return options.fail(error, request);
    // A defect of the stand-in: say it where a developer looks, and in the answer.
    console.error(error);
    return options.fail(new ServiceError(500, 'InternalServerError', messageOf(error)), request);
  }
}

function readHead(message: IncomingMessage): ServiceRequest {
  const url = message.url ?? '/';
  const queryStart = url.indexOf('?');
  const headers: Record<string, string | undefined> = {};
  for (const [name, value] of Object.entries(message.headers)) {
    headers[name] = Array.isArray(value) ? value.join(',') : value;
  }
  const secure = message.socket instanceof TLSSocket;
  return {
    method: message.method ?? 'GET',
    path: queryStart === -1 ? url : url.slice(0, queryStart),
    query: new URLSearchParams(queryStart === -1 ? '' : url.slice(queryStart + 1)),
    headers,
    body: Buffer.alloc(0),
    secure,
    origin: `${secure ? 'https' : 'http'}://${headers['host'] ?? 'localhost'}`,
  };
}

/** Null: the body is larger than allowed. */
async function readBody(message: IncomingMessage, maxBodyBytes: number): Promise<Buffer | null> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of message) {
    if (!Buffer.isBuffer(chunk)) throw new Error('the request stream was given an encoding');
    length += chunk.length;
    if (length > maxBodyBytes) return null;
    chunks.push(chunk);
  }
  return chunks.length === 1 ? (chunks[0] ?? Buffer.alloc(0)) : Buffer.concat(chunks);
}

async function send(response: ServerResponse, result: ServiceResponse): Promise<void> {
  response.statusCode = result.status;
  response.setHeader('x-ms-request-id', randomUUID());
  for (const [name, value] of Object.entries(result.headers ?? {})) response.setHeader(name, value);
  const { body } = result;
  if (body === undefined || typeof body === 'string' || Buffer.isBuffer(body)) {
    if (!response.hasHeader('content-length') && result.status !== 204 && result.status !== 304) {
      response.setHeader('content-length', Buffer.byteLength(body ?? ''));
    }
    response.end(body);
  } else {
    await pipeline(body, response);
  }
}

function retryAfterHeaders(retryAfterMs: number): Record<string, string> {
  const milliseconds = String(retryAfterMs);
  return {
    'retry-after': String(Math.ceil(retryAfterMs / 1000)),
    'retry-after-ms': milliseconds,
    'x-ms-retry-after-ms': milliseconds,
  };
}

function decodePath(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}
