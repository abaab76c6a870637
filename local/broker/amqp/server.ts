import { type Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { type Clock } from '../../../lib/platform/clock';
import { messageOf } from '../../../lib/platform/errors';
import { BrokerError, conditions, toAmqpError } from '../core/errors';
import { type FaultyOperation, type Faults } from '../faults';
import { type Grant, isAllowed, type Right } from '../tokens';
import { type IncomingHandler, type OutgoingHandler } from './links';
import { type Outcome, readOutcome, rejected } from './outcomes';
import {
  answerDrains,
  answerPromptly,
  type Connection,
  create_container,
  type Delivery,
  type EventContext,
  holdAttach,
  incomingLink,
  type IncomingLink,
  isServerConnection,
  outgoingLink,
  type OutgoingLink,
  receivedBytes,
  refuseAttach,
  receiveRaw,
  type Session,
  settleDelivery,
} from './rhea-internals';

/** One client connection, as the endpoints behind the server see it. */
export interface ClientConnection {
  grants: Grant[];
  /** @throws BrokerError when no token of this connection gives one of the rights. */
  authorize(path: string, ...rights: Right[]): void;
  /** A token has ended: closes the links on which the client received by it. */
  expire(): void;
}

/** Chooses what a new link talks to. Both may throw BrokerError: the link is then opened and closed with that error. */
export interface Endpoints {
  maxMessageBytes(address: string): number;
  /** The client sends to `address`. */
  openIncoming(address: string, link: IncomingLink, connection: ClientConnection): IncomingHandler;
  /** The client receives from `address`. */
  openOutgoing(address: string, link: OutgoingLink, connection: ClientConnection): OutgoingHandler;
}

export interface AmqpServer {
  accept(socket: Socket): void;
  /** `reset`: as if the network had cut them; `forced`: closed by the service with an AMQP error. */
  dropConnections(how: 'reset' | 'forced'): void;
  /** Takes back what clients hold as if they had closed their links: for an orderly stop, which is no failed delivery. */
  releaseAll(): void;
}

export interface AmqpServerDeps {
  clock: Clock;
  endpoints: Endpoints;
  faults: Faults;
  log: (line: string) => void;
}

interface OpenConnection extends ClientConnection {
  connection: Connection;
  socket: Socket;
  links: Map<OutgoingLink, OutgoingHandler & { session: Session | undefined }>;
}

const incomingCredit = 1_000;
/** Of frames, which larger messages are cut into: as the service announces it. */
const maxFrameBytes = 65_536;
const idleTimeOutMs = 120_000;

/** The AMQP 1.0 side of the broker: connections, sessions, links and settlement. What links talk to is `endpoints`'. */
export function createAmqpServer(deps: AmqpServerDeps): AmqpServer {
  const { clock, endpoints, faults, log } = deps;
  const container = create_container({ id: 'sqlfleet-broker', treat_modified_as_released: false });
  const mechanisms: unknown = container.sasl_server_mechanisms;
  // Clients announce themselves anonymously and then present a token to $cbs, which is what counts.
  if (typeof mechanisms === 'object' && mechanisms !== null) {
    const admit = (): object => ({ outcome: undefined, start: admitEverybody });
    Object.assign(mechanisms, { ANONYMOUS: admit, MSSBCBS: admit });
  }
  const open = new Map<Connection, OpenConnection>();
  const incoming = new WeakMap<object, IncomingHandler>();

  /** A handler that fails must take down its own link at most, never the process. */
  const on = (event: string, handle: (context: EventContext) => void): void => {
    container.on(event, (context: EventContext) => {
      try {
        handle(context);
      } catch (error) {
        log(`${event}: ${messageOf(error)}`);
        (context.receiver ?? context.sender)?.close(toAmqpError(error));
      }
    });
  };

  const connectionOf = ({ connection }: EventContext): OpenConnection => {
    const known = open.get(connection);
    if (known === undefined) throw new Error('an event came from a connection that is not open');
    return known;
  };

  const drop = ({ socket, connection }: OpenConnection, how: 'reset' | 'forced'): void => {
    if (how === 'forced') {
      connection.close({ condition: 'amqp:connection:forced', description: 'The connection was closed by request.' });
      // Clients take this error as an invitation to open again, on a socket that the service would not offer any more.
      setImmediate(() => socket.destroySoon());
    } else if (socket instanceof TLSSocket) {
      socket.destroy();
    } else {
      socket.resetAndDestroy();
    }
  };

  /** Does something that a fault may prevent, delay, or rob of its answer. */
  const perform = (
    operation: FaultyOperation,
    path: string,
    connection: OpenConnection,
    deed: () => void,
    answer: (error: unknown) => void,
    request?: string,
  ): void => {
    const attempt = (after: (error: unknown) => void): void => {
      let failure: unknown;
      try {
        deed();
      } catch (error) {
        failure = error;
      }
      after(failure);
    };
    const action = faults.next(operation, path, request);
    switch (action?.kind) {
      case undefined:
        attempt(answer);
        break;
      case 'error':
        answer(new BrokerError(action.condition, action.description));
        break;
      case 'drop':
        drop(connection, 'reset');
        break;
      case 'loseAnswer':
        attempt(() => drop(connection, 'reset'));
        break;
      case 'delay':
        clock
          .sleep(action.delayMs)
          .then(() => attempt(answer))
          .catch((error: unknown) => log(`delayed ${operation}: ${messageOf(error)}`));
        break;
    }
  };

  on('session_open', ({ session }) => receiveRaw(session));

  on('receiver_open', (context) => {
    const link = incomingLink(context.receiver);
    const address = link.target?.address ?? '';
    const connection = connectionOf(context);
    link.set_source(link.source);
    link.set_target(link.target);
    link.local.attach.max_message_size = endpoints.maxMessageBytes(address);
    holdAttach(link);
    perform(
      'attach',
      address,
      connection,
      () => {
        if (!link.is_remote_open()) return; // gone while a fault delayed it
        incoming.set(link, endpoints.openIncoming(address, link, connection));
        link.attach();
        link.add_credit(incomingCredit);
      },
      (error) => error !== undefined && refuseAttach(link, toAmqpError(error)),
    );
  });

  on('message', (context) => {
    const link = incomingLink(context.receiver);
    const { delivery } = context;
    const handler = incoming.get(link);
    if (handler === undefined || delivery === undefined) return;
    if (link.credit < incomingCredit / 2) link.add_credit(incomingCredit - link.credit);
    const { bytes, isBatch } = receivedBytes(context);
    const largest = link.local.attach.max_message_size ?? 0;
    if (bytes.length > largest) {
      const description = `The message has ${bytes.length} bytes; at most ${largest} are allowed.`;
      delivery.reject({ condition: conditions.messageTooLarge, description });
      return;
    }
    const deed = handler.receive(bytes, isBatch);
    perform(
      deed.operation,
      handler.path,
      connectionOf(context),
      () => deed.perform(),
      (error) => {
        if (error !== undefined && deed.refuse === undefined) delivery.reject(toAmqpError(error));
        else delivery.accept();
        if (error !== undefined) deed.refuse?.(error);
      },
      deed.request,
    );
  });

  on('sender_open', (context) => {
    const link = outgoingLink(context.sender);
    const address = link.source?.address ?? '';
    const connection = connectionOf(context);
    answerDrains(link);
    link.set_source(link.source);
    link.set_target(link.target);
    link.local.attach.snd_settle_mode = link.snd_settle_mode;
    link.local.attach.rcv_settle_mode = link.rcv_settle_mode;
    holdAttach(link);
    perform(
      'attach',
      address,
      connection,
      () => {
        if (!link.is_remote_open()) return;
        const handler = endpoints.openOutgoing(address, link, connection);
        connection.links.set(link, { ...handler, session: context.session });
        if (handler.attachesLater !== true) link.attach();
      },
      (error) => error !== undefined && refuseAttach(link, toAmqpError(error)),
    );
  });

  on('sender_flow', (context) => {
    const link = outgoingLink(context.sender);
    connectionOf(context).links.get(link)?.flow();
    link.set_drained(true); // takes effect after what was just sent, and only if the client asked to drain
  });

  // Room again for deliveries that did not fit into the session's buffer.
  on('sendable', (context) => connectionOf(context).links.get(outgoingLink(context.sender))?.flow());

  const outcome = (kind: Outcome['kind']) => (context: EventContext) => {
    const { delivery } = context;
    const connection = connectionOf(context);
    const link = outgoingLink(context.sender);
    const handler = connection.links.get(link);
    if (delivery === undefined || handler === undefined) return;
    settleWith(connection, handler, delivery, readOutcome(kind, delivery));
  };
  const settleWith = (
    connection: OpenConnection,
    handler: OutgoingHandler,
    delivery: Delivery,
    theirs: Outcome,
  ): void => {
    let ours: unknown;
    perform(
      'settle',
      handler.path,
      connection,
      () => {
        ours = handler.settle(delivery, theirs);
      },
      (error) => settleDelivery(delivery, error === undefined ? ours : rejected(toAmqpError(error))),
    );
  };
  for (const kind of ['accepted', 'rejected', 'released', 'modified'] as const) on(kind, outcome(kind));

  const closeLinks = (context: EventContext, which: (link: object, session: Session | undefined) => boolean): void => {
    const connection = open.get(context.connection);
    if (connection === undefined) return;
    for (const [link, handler] of connection.links) {
      if (!which(link, handler.session)) continue;
      connection.links.delete(link);
      handler.closed(false);
    }
  };
  on('sender_close', (context) => closeLinks(context, (link) => link === context.sender));
  on('session_close', (context) => closeLinks(context, (_, session) => session === context.session));
  on('connection_close', (context) => closeLinks(context, () => true));
  on('disconnected', ({ connection }) => forget(connection, true));

  const forget = (connection: Connection, connectionLost: boolean): void => {
    const known = open.get(connection);
    open.delete(connection);
    for (const handler of known?.links.values() ?? []) handler.closed(connectionLost);
    known?.links.clear();
  };

  // What rhea reports as an error of a whole connection: that connection ends, and nobody else notices.
  for (const event of ['error', 'protocol_error', 'connection_error']) {
    container.on(event, (problem: unknown) => {
      const error = problem instanceof Error ? problem : undefined;
      if (error !== undefined) log(`${event}: ${error.message}`);
    });
  }
  // Errors that a client closes its own links with; the close events that follow do what has to be done.
  for (const event of ['sender_error', 'receiver_error', 'session_error', 'receiver_close']) on(event, () => undefined);

  return {
    accept(socket) {
      const connection = container.create_connection({
        port: 0,
        reconnect: false,
        idle_time_out: idleTimeOutMs,
        max_frame_size: maxFrameBytes,
        session_buffer_size: { incoming: 2_048, outgoing: 10_000 },
        sender_options: { autosettle: false },
        receiver_options: { autoaccept: false, credit_window: 0 },
      });
      if (!isServerConnection(connection)) throw new Error('This version of rhea cannot accept connections.');
      const grants: Grant[] = [];
      open.set(connection, {
        connection,
        socket,
        links: new Map(),
        grants,
        authorize(path, ...rights) {
          if (rights.some((right) => isAllowed(grants, path, right, clock.nowMs()))) return;
          throw new BrokerError(
            conditions.unauthorized,
            `Unauthorized access: no valid token with the right '${rights.join(' or ')}' for '${path}' was presented.`,
          );
        },
        expire() {
          for (const link of open.get(connection)?.links.keys() ?? []) {
            const path = link.source?.address ?? '';
            if (isRequestPath(path) || isAllowed(grants, path, 'Listen', clock.nowMs())) continue;
            link.close({
              condition: conditions.unauthorized,
              description: `ExpiredToken: the token for '${path}' has expired.`,
            });
          }
        },
      });
      // A socket that is destroyed on this side raises neither 'end' nor 'error', which is all that rhea listens to.
      let ended = false;
      socket.once('end', () => (ended = true));
      socket.once('close', () => {
        if (!ended) socket.emit('end');
        forget(connection, true);
      });
      connection.accept(socket);
      answerPromptly(connection, socket);
    },
    dropConnections(how) {
      for (const connection of [...open.values()]) drop(connection, how);
    },
    releaseAll() {
      for (const connection of [...open.keys()]) forget(connection, false);
    },
  };
}

/** Of links that carry answers to requests, each of which is authorized by itself. */
function isRequestPath(path: string): boolean {
  return path === '$cbs' || /(^|\/)\$management$/i.test(path);
}

function admitEverybody(this: { outcome: boolean | undefined }): void {
  this.outcome = true;
}
