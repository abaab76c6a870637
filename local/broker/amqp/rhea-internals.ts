import {
  type AmqpError,
  type Connection,
  create_container,
  type Delivery,
  type EventContext,
  type link as Link,
  message as rheaMessage,
  type Receiver,
  type Sender,
  type Session,
  types,
} from 'rhea';
import { type Socket } from 'node:net';

/**
 * rhea is a complete AMQP client with a small server inside. A broker needs more of that server than the typings show;
 * this file is the one place that names those members, and checks that they exist, so that another version of rhea is
 * refused at once instead of failing in some odd way later.
 */

export { create_container, rheaMessage, types };
export type { Connection, Delivery, EventContext, Receiver, Sender, Session };

interface EndpointState {
  local_open: boolean;
  open_requests: number;
}

interface LocalAttach {
  source?: unknown;
  target?: unknown;
  properties?: unknown;
  snd_settle_mode?: number;
  rcv_settle_mode?: number;
  max_message_size?: number;
}

interface LinkInternals {
  state: EndpointState;
  local: { attach: LocalAttach };
  credit: number;
  delivery_count: number;
  close(error?: AmqpError): void;
}

/** A link on which we send: the client receives. */
export type OutgoingLink = Sender &
  LinkInternals & { _get_drain(): boolean; _draining: boolean; session: ServerSession };
/** A link on which we receive: the client sends. */
export type IncomingLink = Receiver & LinkInternals;

interface Outgoing {
  next_delivery_id: number;
  next_pending_delivery: number;
  available(): number;
}

interface TransferFrame {
  performative: { message_format?: number | null };
}

interface ServerSession extends Session {
  outgoing: Outgoing;
  incoming: { on_transfer(frame: TransferFrame, receiver: unknown): void };
}

export interface ServerConnection extends Connection {
  accept(socket: Socket): void;
  /** Without arguments: the empty frame, which means nothing but that we are there. */
  _write_frame(): void;
}

function has(value: object, ...names: string[]): boolean {
  return names.every((name) => name in value);
}

function isLink(link: Link): boolean {
  return has(link, 'state', 'local', 'credit', 'delivery_count');
}

function isOutgoingLink(link: Sender): link is OutgoingLink {
  return isLink(link) && has(link, '_get_drain', '_draining') && isServerSession(link.session);
}

function isIncomingLink(link: Receiver): link is IncomingLink {
  return isLink(link);
}

function isServerSession(session: Session): session is ServerSession {
  return has(session, 'outgoing', 'incoming');
}

export function isServerConnection(connection: Connection): connection is ServerConnection {
  return has(connection, 'accept', '_write_frame');
}

export function outgoingLink(link: Sender | undefined): OutgoingLink {
  if (link !== undefined && isOutgoingLink(link)) return link;
  throw new Error('This version of rhea has another kind of sender than the broker knows.');
}

export function incomingLink(link: Receiver | undefined): IncomingLink {
  if (link !== undefined && isIncomingLink(link)) return link;
  throw new Error('This version of rhea has another kind of receiver than the broker knows.');
}

/** Marks a plain message (format 0) that rhea must hand over as it came; any format but 0 has that effect. */
const rawPlainFormat = 0x7fffffff;

/**
 * Makes rhea hand over every transfer as bytes. By itself it decodes plain messages, and what is encoded again after
 * that is not always what was sent (integer widths, empty sections), besides the time that it takes.
 */
export function receiveRaw(session: Session | undefined): void {
  if (session === undefined || !isServerSession(session)) {
    throw new Error('This version of rhea has another kind of session than the broker knows.');
  }
  const { incoming } = session;
  const onTransfer = incoming.on_transfer.bind(incoming);
  incoming.on_transfer = (frame, receiver) => {
    frame.performative.message_format ||= rawPlainFormat;
    onTransfer(frame, receiver);
  };
}

/** The bytes of a received transfer; `isBatch` when they are the service's envelope around several messages. */
export function receivedBytes(context: EventContext): { bytes: Buffer; isBatch: boolean } {
  const bytes: unknown = context.message;
  if (!Buffer.isBuffer(bytes)) throw new Error('a transfer was not received as bytes');
  return { bytes, isBatch: context.delivery?.format === batchFormat };
}

const batchFormat = 0x80013700;

/** Keeps the answer to an attach back until `link.attach()`; the client waits as long. */
export function holdAttach(link: IncomingLink | OutgoingLink): void {
  link.state.local_open = false;
  link.state.open_requests = 0;
}

/**
 * Refuses an attach as AMQP has it (part 2, section 2.6.3): the answer names no source or target, and a detach with the
 * error follows. A client that waits for a session takes any other answer for success.
 */
export function refuseAttach(link: IncomingLink | OutgoingLink, error: AmqpError): void {
  if (link.is_sender()) link.local.attach.source = undefined;
  else link.local.attach.target = undefined;
  link.attach();
  link.close(error);
}

/**
 * Credit that is really left: rhea lowers `credit` only when a transfer is written, which is after the present turn of
 * the event loop. Limited by the room in the session's buffer of unsettled deliveries, which throws when it overflows.
 */
export function creditLeft(link: OutgoingLink): number {
  const { outgoing } = link.session;
  const queued = outgoing.next_delivery_id - outgoing.next_pending_delivery;
  return Math.min(link.credit - queued, outgoing.available());
}

/**
 * Answers a drain also when no credit is left, which rhea by itself leaves unanswered: the client would wait, give up
 * after 200 ms, and close the link with the session lock that hangs on it.
 */
export function answerDrains(link: OutgoingLink): void {
  link._get_drain = () => {
    if (!link._draining) return false;
    link.delivery_count += link.credit;
    link.credit = 0;
    link._draining = false;
    return true;
  };
}

/**
 * Answers whatever arrives with at least an empty frame. Clients write small frames one by one, and their TCP stack holds
 * the second back until the first is acknowledged (Nagle), which ours delays by 40 ms when it has nothing to send: each
 * receive, settle and close would take that long.
 */
export function answerPromptly(connection: ServerConnection, socket: Socket): void {
  socket.on('data', () => {
    const before = socket.bytesWritten;
    setImmediate(() => {
      if (socket.writable && socket.bytesWritten === before && connection.is_open()) connection._write_frame();
    });
  });
}

/** Ends a delivery from our side with this outcome; rhea forgets it only when both sides have settled. */
export function settleDelivery(delivery: Delivery, outcome: unknown): void {
  delivery.update(true, outcome);
  Object.assign(delivery, { remote_settled: true });
}
