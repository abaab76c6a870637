import { type Socket } from 'node:net';
import { messageOf } from '../../../lib/platform/errors';
import { notSupported, SqlError } from '../errors';
import { type ResponseSink, type SqlMessage, type SqlRequest, type SqlSession } from '../session';
import { isProtocolError } from './bytes';
import { type ConnectionHost } from './host';
import { type Message, type PacketReader, packetType } from './packets';
import { readRequests } from './requests';
import { type RequestSink, type ResponseStream, writeAttentionDone } from './response';

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
  const place = { server: host.server, database: session.database };
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

async function serveMessage(
  { session, reader, response, socket, host }: SessionLoop,
  place: { server: string; database: string },
  ordinal: number,
  message: Message,
): Promise<'goOn' | 'close'> {
  const cancel = new AbortController();
  const onClose = (): void => cancel.abort();
  let attention = false;
  socket.once('close', onClose);
  reader.onAttention = () => {
    attention = true;
    cancel.abort();
  };
  let fatal = false;
  try {
    const requests = await prepare(session, response, message);
    for (const [index, request] of requests.entries()) {
      const sink = response.sink(request.kind === 'procedure' ? 'procedure' : 'batch');
      const faults = host.faults.atRequest(place, ordinal, request);
      await pause(host, faults.delayBeforeMs, cancel.signal);
      const strike = faults.strike;
      if (strike?.kind === 'dropRequest') {
        if (strike.when === 'after') await session.execute(request, nowhere, cancel.signal);
        socket.resetAndDestroy();
        return 'close';
      }
      if (strike?.kind === 'failRequest') {
        const { number, severity, state, message: text } = strike;
        if (strike.rollback) await session.execute(rollback, withoutDone(sink), cancel.signal);
        sink.message(error(number, severity, state, text ?? `Error ${number}, as the test asked for.`));
      } else if (!cancel.signal.aborted) {
        await session.execute(request, sink, cancel.signal);
      }
      await pause(host, faults.delayAfterMs, cancel.signal);
      fatal ||= sink.fatal;
      sink.finish({ more: index < requests.length - 1 && !cancel.signal.aborted && !fatal });
      if (cancel.signal.aborted || fatal) break;
    }
  } catch (caught) {
    const sink = response.sink('batch');
    if (caught instanceof SqlError) {
      sink.message(caught.toMessage(1, ''));
    } else if (isProtocolError(caught)) {
      throw caught;
    } else {
      host.onDefect(caught);
      fatal = true;
      sink.message(error(3624, 20, 1, `The local SQL stand-in failed: ${messageOf(caught)}`));
    }
    sink.finish({ more: false });
  } finally {
    socket.off('close', onClose);
    reader.onAttention = null;
  }
  if (socket.destroyed) return 'close';
  if (attention) {
    host.count(place.database, 'attentions');
    const held = host.faults.atAttention(place);
    if (held !== null && !(await holdAnswer(host, socket, held.holdMs))) return 'close';
  }
  response.endMessage();
  if (attention) acknowledgeAttention(response);
  return fatal ? 'close' : 'goOn';
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

/** Resolves to false when the connection ended meanwhile. */
async function holdAnswer(host: ConnectionHost, socket: Socket, holdMs: number | null): Promise<boolean> {
  const closed = new AbortController();
  const onClose = (): void => closed.abort();
  socket.once('close', onClose);
  if (holdMs === null) await new Promise<void>((resolve) => closed.signal.addEventListener('abort', () => resolve()));
  else await pause(host, holdMs, closed.signal);
  socket.off('close', onClose);
  return !closed.signal.aborted;
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
