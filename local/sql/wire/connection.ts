import { type Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { type SqlMessage, type SqlSession } from '../session';
import { isProtocolError, protocolError } from './bytes';
import { type ConnectionHost } from './host';
import { afterLogin, beforeLogin } from './limits';
import { type Login, oldestTdsVersion, readFederatedToken, readLogin, tdsVersion8 } from './login';
import { createPacketReader, headerLength, maxPacketLength, type PacketReader, packetType } from './packets';
import { readPrelogin, wantsEncryption, writePrelogin } from './prelogin';
import { createResponseStream, type ResponseStream } from './response';
import { serveRequests } from './session-loop';
import { secureInside, secureStrictly } from './tls';
import {
  writeCollation,
  writeEnvironmentChange,
  writeFeatureExtAck,
  writeFederatedInfo,
  writeLoginAck,
  writeMessage,
  writePacketSizeChange,
} from './tokens';
import { waitWhileOpen } from './waiting';

const tlsHandshakeRecord = 0x16;
const defaultPacketSize = 4096;
const smallestPacketSize = 512;

/**
 * Serves one client from its first byte to its end. Resolves once its session is closed; never rejects: whatever goes
 * wrong ends the socket.
 */
export async function serveConnection(socket: Socket, host: ConnectionHost): Promise<void> {
  const loginTimer = setTimeout(() => socket.destroy(), host.limits.loginMs);
  const onLogin = (): void => clearTimeout(loginTimer);
  socket.on('error', () => socket.destroy());
  socket.once('close', onLogin);
  socket.setKeepAlive(true, 30_000);
  await new Promise<void>((resolve) => {
    socket.once('close', () => resolve()); // before anything was said
    socket.once('readable', () => {
      const head: unknown = socket.read();
      if (!Buffer.isBuffer(head)) return;
      socket.unshift(head);
      const isTls = head[0] === tlsHandshakeRecord;
      const stream = isTls ? follow(secureStrictly(socket, host.contexts), socket) : socket;
      resolve(converse(stream, socket, host, onLogin));
    });
  });
}

/** Ties the life of a TLS stream to that of its socket. */
function follow(stream: TLSSocket, socket: Socket): TLSSocket {
  stream.on('error', () => socket.destroy());
  stream.once('close', () => socket.destroy());
  socket.once('close', () => stream.destroy());
  return stream;
}

async function converse(first: Socket, socket: Socket, entry: ConnectionHost, onLogin: () => void): Promise<void> {
  let host = entry;
  let session: SqlSession | null = null;
  let stream = first;
  let response: ResponseStream | null = null;
  try {
    stream = await negotiate(first, socket, host);
    const reader = createPacketReader(stream, beforeLogin(host.limits));
    response = createResponseStream(stream, host.server, defaultPacketSize);
    const { login, token } = await receiveLogin(reader, response, host);
    onLogin();
    const tlsName = stream instanceof TLSSocket ? stream.servername || null : null;
    const routed = host.route?.({ tlsName, loginServer: login.serverName, user: login.user }) ?? null;
    if (host.route !== undefined && routed === null) return say(response, noServer(tlsName ?? login.serverName));
    if (routed !== null) {
      host = routed;
      response = createResponseStream(stream, host.server, defaultPacketSize);
    }
    session = await admit(login, token, socket, response, host);
    if (session === null) return;
    reader.setLimits(afterLogin(host.limits));
    await serveRequests({ session, reader, response, socket, host });
  } catch (error) {
    if (isProtocolError(error) && response !== null && !socket.destroyed) say(response, incorrect(error));
    else if (!isProtocolError(error)) host.onDefect(error);
  } finally {
    onLogin();
    stream.destroySoon();
    if (!socket.destroyed) {
      const timer = setTimeout(() => socket.destroy(), host.limits.stallMs);
      socket.once('close', () => clearTimeout(timer));
    }
    await session?.close().catch((error: unknown) => host.onDefect(error));
  }
}

/** PRELOGIN and, where the client wants it, TLS. Resolves to the stream that the login comes in on. */
async function negotiate(first: Socket, socket: Socket, host: ConnectionHost): Promise<Socket> {
  const reader = createPacketReader(first, beforeLogin(host.limits));
  const message = await expectMessage(reader, packetType.prelogin);
  const client = readPrelogin(message.payload);
  const response = createResponseStream(first, host.server, defaultPacketSize);
  reader.detach();
  response.write((writer) => writer.bytes(writePrelogin(client)));
  response.endMessage();
  const alreadySecure = first !== socket;
  return wantsEncryption(client) && !alreadySecure ? follow(secureInside(socket, host.contexts), socket) : first;
}

async function receiveLogin(
  reader: PacketReader,
  response: ResponseStream,
  host: ConnectionHost,
): Promise<{ login: Login; token: string | null }> {
  const login = readLogin((await expectMessage(reader, packetType.login)).payload);
  if (login.federated === null) return { login, token: null };
  if (login.federated.kind === 'securityToken') return { login, token: login.federated.token };
  response.write((writer) => writeFederatedInfo(writer, host.tokenAuthority));
  response.endMessage();
  return { login, token: readFederatedToken((await expectMessage(reader, packetType.federatedToken)).payload) };
}

async function expectMessage(reader: PacketReader, type: number): Promise<{ payload: Buffer }> {
  const message = await reader.next();
  if (message === null) throw protocolError('the client left before its login');
  if (message.type !== type) throw protocolError(`a message of type ${message.type} instead of ${type}`);
  return message;
}

/** Answers the login. null: it was refused, and the client knows, or the connection is gone. */
async function admit(
  login: Login,
  token: string | null,
  socket: Socket,
  response: ResponseStream,
  host: ConnectionHost,
): Promise<SqlSession | null> {
  const database = login.database === '' ? 'master' : login.database;
  const refuse = (message: SqlMessage): null => {
    host.count(database, 'refusedLogins');
    say(response, message);
    return null;
  };
  if (login.tdsVersion !== tdsVersion8 && login.tdsVersion < oldestTdsVersion) {
    return refuse(loginMessage(17_828, 20, 'This server speaks TDS 7.3, 7.4 and 8.0.'));
  }
  const faults = host.faults.atLogin({ server: host.server, database });
  if (faults.delayMs > 0 && !(await waitWhileOpen(socket, host.clock, faults.delayMs))) return null;
  if (faults.strike?.kind === 'dropLogin') {
    socket.resetAndDestroy();
    return null;
  }
  if (faults.strike !== null) {
    const { number, severity, message } = faults.strike;
    return refuse(loginMessage(number, severity, message ?? `Error ${number}, as the test asked for.`));
  }
  const authentication = await host.authenticate(login, token);
  if (!authentication.ok) return refuse(authentication.message);
  const result = await host.engine.login({
    server: host.server,
    database: login.database,
    user: authentication.user,
    applicationName: login.applicationName,
    hostName: login.hostName,
  });
  if (!result.ok) return refuse(result.message);
  host.count(result.session.database, 'logins');
  welcome(login, result.session, response, host.server);
  return result.session;
}

function welcome(login: Login, session: SqlSession, response: ResponseStream, server: string): void {
  const wanted = login.packetSize === 0 ? defaultPacketSize : login.packetSize;
  const packetSize = Math.min(Math.max(wanted, smallestPacketSize), maxPacketLength);
  const information = (number: number, text: string): SqlMessage => ({ ...loginMessage(number, 10, text), state: 2 });
  response.write((writer) => {
    writeEnvironmentChange(writer, { kind: 'database', from: 'master', to: session.database });
    writeMessage(writer, information(5701, `Changed database context to '${session.database}'.`), server);
    writeCollation(writer);
    writeEnvironmentChange(writer, { kind: 'language', from: '', to: 'us_english' });
    writeMessage(writer, information(5703, 'Changed language setting to us_english.'), server);
    writeLoginAck(writer, login.tdsVersion);
    writePacketSizeChange(writer, packetSize, defaultPacketSize);
    writeFeatureExtAck(writer, { federated: login.federated !== null, utf8: login.utf8 });
  });
  response.sink('batch').finish({ more: false });
  response.endMessage();
  response.setPacketSize(Math.max(packetSize, headerLength + 1));
}

/** Answers with nothing but an error. */
function say(response: ResponseStream, message: SqlMessage): void {
  const sink = response.sink('batch');
  sink.message(message);
  sink.finish({ more: false });
  response.endMessage();
}

/** 4002, SQL Server's own words for a client that it cannot understand. */
function incorrect(error: Error): SqlMessage {
  const text = `The incoming tabular data stream (TDS) protocol stream is incorrect: ${error.message}.`;
  return loginMessage(4002, 20, text);
}

/** Azure's own words for a login to a server that its gateway does not know. */
function noServer(name: string): SqlMessage {
  const [server = ''] = name.split('.');
  return loginMessage(40_532, 11, `Cannot open server "${server}" requested by the login. The login failed.`);
}

export function loginMessage(number: number, severity: number, message: string): SqlMessage {
  return { number, severity, state: 1, message, procedure: '', line: severity > 10 ? 1 : 0 };
}
