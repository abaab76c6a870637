import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { messageOf } from '../../../lib/platform/errors';
import { listen } from '../../network/listen';
import { type HostRequest } from '../contract';
import { redact, type HostLog } from '../log';
import { emptyReply, type Reply } from './http-data';

export interface HttpFront {
  port: number;
  /** Closes the port and whatever connection is still open. */
  close(): Promise<void>;
}

export interface HttpFrontOptions {
  /** 0 picks a free port. */
  port: number;
  tls?: { key: string; cert: string };
  /** Longer requests are answered with 413 before anything of them is handled. */
  maxBodyBytes: number;
  handle: (request: HostRequest) => Promise<Reply>;
  log: HostLog;
}

/** Reads requests whole, hands them over and writes the replies. Knows nothing of functions. */
export async function openHttpFront(options: HttpFrontOptions): Promise<HttpFront> {
  const server = createServer({ keepAliveTimeout: 65_000 }, (request, response) => {
    answer(options, request).then(
      (reply) => write(response, reply),
      (error: unknown) => {
        // The client went away in mid-request, or something is broken here; neither shows its inside to the caller.
        if (!request.destroyed) {
          options.log({ level: 'error', source: 'host', message: redact(`${request.url}: ${messageOf(error)}`) });
        }
        write(response, emptyReply(500));
      },
    );
  });
  const listener = await listen({ port: options.port, http: server, ...(options.tls && { tls: options.tls }) });
  return { port: listener.port, close: () => listener.close() };
}

async function answer(options: HttpFrontOptions, request: IncomingMessage): Promise<Reply> {
  const body = await readBody(request, options.maxBodyBytes);
  if (body === null) return emptyReply(413);
  const { method = 'GET', url = '/' } = request;
  return options.handle({ method, url, headers: flatten(request), body });
}

/** Null when the body is too long. The rest of it is then read and dropped by Node, so that the client sees the answer. */
async function readBody(request: IncomingMessage, maxBytes: number): Promise<Buffer | null> {
  if (Number(request.headers['content-length'] ?? 0) > maxBytes) return null;
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let length = 0;
    request.on('data', (chunk: Buffer) => {
      length += chunk.length;
      if (length <= maxBytes) chunks.push(chunk);
      else resolve(null);
    });
    request.once('end', () => resolve(Buffer.concat(chunks, length)));
    request.once('error', reject);
    request.once('close', () => reject(new Error('the client closed the connection')));
  });
}

/** Repeated headers are joined as RFC 9110 §5.3 says, cookies as RFC 6265 §5.4 says. */
function flatten(request: IncomingMessage): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const [name, values = []] of Object.entries(request.headersDistinct)) {
    headers[name] = values.join(name === 'cookie' ? '; ' : ', ');
  }
  return headers;
}

function write(response: ServerResponse, reply: Reply): void {
  if (response.destroyed || response.headersSent) return;
  const body = typeof reply.body === 'string' ? Buffer.from(reply.body) : reply.body;
  // Statuses without content (RFC 9110 §15.3.5, §15.4.5) must not announce any.
  const length = reply.status === 204 || reply.status === 304 ? {} : { 'content-length': body.byteLength };
  response.writeHead(reply.status, { ...reply.headers, ...length });
  response.end(body);
}
