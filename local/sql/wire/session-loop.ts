import { type Socket } from 'node:net';
import { messageOf } from '../../../lib/platform/errors';
import { notSupported, SqlError } from '../errors';
import { type RequestFaults } from '../faults';
import { type ResponseSink, type SqlMessage, type SqlRequest, type SqlSession } from '../session';
import { isProtocolError } from './bytes';
import { type ConnectionHost } from './host';
import { type Message, type PacketReader, packetType } from './packets';
import { readRequests } from './requests';
import { type RequestSink, type ResponseStream, writeAttentionDone } from './response';
import { waitWhileOpen } from './waiting';

export interface SessionLoop {
  session: SqlSession;
  reader: PacketReader;
  response: ResponseStream;
  /** The bare socket under any TLS. */
  socket: Socket;
  host: ConnectionHost;
}

/** Answers requests, one after the other, until the client leaves or an error ends the connection. */
export async function serveRequests(loop: SessionLoop): Promise<void> {
  const { reader, response, session, host } = loop;
  const place: Place = { server: host.server, database: session.database };
  let ordinal = 0;
  for (;;) {
    const message = await reader.next();
    if (message === null) return;
    if (message.type === packetType.attention) {
      // It crossed the end of the response; the client still waits for its own answer.
      host.count(place.database, 'attentions');
      acknowledgeAttention(response);
      continue;
    }
    if (message.ignored) {
      response.sink('batch').finish({ more: false });
      response.endMessage();
      continue;
    }
    ordinal += 1;
    host.count(place.database, 'requests');
    const end = await serveMessage(loop, place, ordinal, message);
    if (end === 'close') return;
  }
}

interface Place {
  server: string;
  database: string;
}

async function serveMessage(
  loop: SessionLoop,
  place: Place,
  ordinal: number,
  message: Message,
): Promise<'goOn' | 'close'> {
  const { reader, response, socket, host } = loop;
  const cancel = new AbortController();
  const onClose = (): void => cancel.abort();
  let attention = false;
  socket.once('close', onClose);
  reader.onAttention = () => {
    attention = true;
    cancel.abort();
  };
  let end: 'goOn' | 'close';
  try {
    end = await answer(loop, place, ordinal, message, cancel.signal);
  } finally {
    socket.off('close', onClose);
    reader.onAttention = null;
  }
  if (socket.destroyed) return 'close';
  if (attention) {
    host.count(place.database, 'attentions');
    const held = host.faults.atAttention(place);
    if (held !== null && !(await waitWhileOpen(socket, host.clock, held.holdMs))) return 'close';
  }
  response.endMessage();
  if (attention) acknowledgeAttention(response);
  return end;
}

/** Writes the response to every request of a message, but does not end its own message. */
async function answer(
  loop: SessionLoop,
  place: Place,
  ordinal: number,
  message: Message,
  signal: AbortSignal,
): Promise<'goOn' | 'close'> {
  const { session, response, host } = loop;
  let sink = response.sink('batch');
  try {
    const requests = await prepare(session, response, message);
    for (const [index, request] of requests.entries()) {
      sink = response.sink(request.kind === 'procedure' ? 'procedure' : 'batch');
      await execute(loop, request, sink, host.faults.atRequest(place, ordinal, request), signal);
      const isLast = index === requests.length - 1 || signal.aborted || sink.fatal;
      sink.finish({ more: !isLast });
      if (isLast) break;
    }
  } catch (caught) {
    if (isProtocolError(caught)) throw caught;
    if (caught instanceof SqlError) {
      sink.message(caught.toMessage(1, ''));
    } else {
      host.onDefect(caught);
      sink.message(error(3624, 20, 1, `The local SQL stand-in failed: ${messageOf(caught)}`));
    }
    sink.finish({ more: false });
  }
  return sink.fatal ? 'close' : 'goOn';
}

/** Runs one request in the engine, unless a fault was asked for. Cancelled before it began, it does not begin. */
async function execute(
  { session, socket, host }: SessionLoop,
  request: SqlRequest,
  sink: RequestSink,
  { delayBeforeMs, delayAfterMs, strike }: RequestFaults,
  signal: AbortSignal,
): Promise<void> {
  await pause(host, delayBeforeMs, signal);
  if (strike?.kind === 'dropRequest') {
    if (strike.when === 'after') await session.execute(request, nowhere, signal);
    socket.resetAndDestroy();
  } else if (strike?.kind === 'failRequest') {
    const { number, severity, state, message } = strike;
    if (strike.rollback) await session.execute(rollback, withoutDone(sink), signal);
    sink.message(error(number, severity, state, message ?? `Error ${number}, as the test asked for.`));
  } else if (!signal.aborted) {
    await session.execute(request, sink, signal);
  }
  await pause(host, delayAfterMs, signal);
}

/** What belongs to the message and not to a request in it: the reset of the session, and reading the requests. */
async function prepare(session: SqlSession, response: ResponseStream, message: Message): Promise<SqlRequest[]> {
  if (message.resetSkipTransaction) throw notSupported('resetting a connection while its transaction goes on');
  if (message.resetConnection) {
    const before = session.database;
    await session.reset();
    response.connectionReset();
    if (session.database !== before) {
      response.sink('batch').environment({ kind: 'database', from: before, to: session.database });
    }
  }
  return readRequests(message);
}

function acknowledgeAttention(response: ResponseStream): void {
  response.write(writeAttentionDone);
  response.endMessage();
}

async function pause(host: ConnectionHost, delayMs: number, signal: AbortSignal): Promise<void> {
  if (delayMs > 0) await host.clock.sleep(delayMs, signal).catch(() => undefined);
}

const rollback: SqlRequest = { kind: 'transaction', operation: { kind: 'rollback', name: '' } };

/** For the answer that nobody is to hear. */
const nowhere: ResponseSink = {
  columns: () => undefined,
  row: () => undefined,
  done: () => undefined,
  message: () => undefined,
  environment: () => undefined,
  returnStatus: () => undefined,
  returnValue: () => undefined,
};

/** The change of the transaction is told, the statement that caused it is not: the client never sent it. */
function withoutDone(sink: RequestSink): ResponseSink {
  return { ...nowhere, environment: (change) => sink.environment(change) };
}

function error(number: number, severity: number, state: number, message: string): SqlMessage {
  return { number, severity, state, message, procedure: '', line: 1 };
}
