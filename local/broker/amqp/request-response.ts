import { BrokerError, conditions, toAmqpError } from '../core/errors';
import { decodeRequest, recordOf } from './codec';
import { type IncomingHandler } from './links';
import { outgoingLink, type OutgoingLink, rheaMessage, type Sender, type Session, types } from './rhea-internals';

/** A request to `$cbs` or `$management`. */
export interface Request {
  operation: string;
  applicationProperties: Record<string, unknown>;
  body: unknown;
}

export interface Response {
  status: number;
  description: string;
  body?: unknown;
}

export type RequestHandler = (request: Request) => Response | Promise<Response>;

export const ok = (body?: unknown): Response => ({ status: 200, description: 'OK', body });
export const noContent = (): Response => ({ status: 204, description: 'No Content' });

/** HTTP-like status codes that accompany AMQP errors in responses. */
const statusOf: Record<string, number> = {
  [conditions.argument]: 400,
  [conditions.notAllowed]: 400,
  [conditions.unauthorized]: 401,
  [conditions.notFound]: 404,
  [conditions.messageNotFound]: 404,
  [conditions.timeout]: 408,
  [conditions.entityExists]: 409,
  [conditions.messageLockLost]: 410,
  [conditions.sessionLockLost]: 410,
  [conditions.sessionCannotBeLocked]: 410,
  [conditions.notImplemented]: 501,
  'com.microsoft:server-busy': 503,
};

/**
 * Turns request messages into calls of `handle`, and its results into response messages on the link of the same session
 * that the requester receives on.
 */
export function createRequestEndpoint(
  path: string,
  address: string,
  operation: 'request' | 'authenticate',
  session: Session,
  handle: RequestHandler,
): IncomingHandler {
  return {
    path,
    receive(bytes) {
      const message = decodeRequest(bytes);
      const applicationProperties = recordOf(message.application_properties);
      const name = applicationProperties.operation;
      const respond = (response: Response, errorCondition?: string): void => {
        replyLink(session, address, message.reply_to)?.send(
          encodeResponse(message.message_id, response, errorCondition),
          undefined,
          0,
        );
      };
      const refuse = (error: unknown): void => {
        const { condition, description } = toAmqpError(error);
        respond({ status: statusOf[condition] ?? 500, description }, condition);
      };
      return {
        operation,
        ...(typeof name === 'string' ? { request: name } : {}),
        refuse,
        perform() {
          if (typeof name !== 'string') throw new BrokerError(conditions.argument, 'The request names no operation.');
          const result = handle({ operation: name, applicationProperties, body: message.body });
          Promise.resolve(result)
            .then((response) => respond(response))
            .catch(refuse)
            .catch(() => session.close()); // not even the refusal could be sent
        },
      };
    },
  };
}

function replyLink(session: Session, address: string, replyTo: unknown): OutgoingLink | undefined {
  const named = session.find_sender(
    (link: Sender) => link.source?.address === address && (link.name === replyTo || link.target?.address === replyTo),
  );
  const found = named ?? session.find_sender((link: Sender) => link.source?.address === address);
  return found === undefined ? undefined : outgoingLink(found);
}

function encodeResponse(correlationId: unknown, response: Response, errorCondition: string | undefined): Buffer {
  const status = types.wrap_int(response.status);
  const condition = errorCondition === undefined ? undefined : types.wrap_symbol(errorCondition);
  return rheaMessage.encode({
    correlation_id: correlationId,
    application_properties: {
      // $cbs and $management spell these differently, and clients accept either.
      'status-code': status,
      'status-description': response.description,
      statusCode: status,
      statusDescription: response.description,
      ...(condition === undefined ? {} : { 'error-condition': condition, errorCondition: condition }),
    },
    body: response.body,
  });
}
