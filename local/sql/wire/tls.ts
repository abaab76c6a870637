import { type Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { createSecureContext, type SecureContext, TLSSocket } from 'node:tls';
import { protocolError } from './bytes';
import { headerLength, maxPacketLength, packetStatus, packetType, writeHeader } from './packets';

export interface SecureContexts {
  /** TDS 7.x: the handshake travels in PRELOGIN packets, which needs TLS 1.2; version 1.3 sends records after its end. */
  inside: SecureContext;
  /** TDS 8.0: TLS from the first byte on. */
  strict: SecureContext;
}

/** Made once and shared by all connections: parsing key and certificate costs more than a handshake's arithmetic. */
export function createSecureContexts(certificates: { key: string; cert: string }): SecureContexts {
  return {
    inside: createSecureContext({ ...certificates, minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2' }),
    strict: createSecureContext({ ...certificates, minVersion: 'TLSv1.2' }),
  };
}

/** TDS 8.0: everything, PRELOGIN included, inside ordinary TLS. */
export function secureStrictly(socket: Socket, contexts: SecureContexts): TLSSocket {
  return new TLSSocket(socket, { isServer: true, secureContext: contexts.strict, ALPNProtocols: ['tds/8.0'] });
}

/** TDS 7.x: the handshake wrapped into PRELOGIN packets, then bare TLS. */
export function secureInside(socket: Socket, contexts: SecureContexts): TLSSocket {
  return new TLSSocket(createHandshakeStream(socket), { isServer: true, secureContext: contexts.inside });
}

/**
 * The socket without the packets around the handshake. Both directions are unwrapped until the client sends its first
 * bare record, which is its login; until then nothing but the handshake is sent, so nothing is ever wrapped wrongly.
 */
function createHandshakeStream(socket: Socket): Duplex {
  let wrapped = true;
  let received: Buffer = Buffer.alloc(0);

  const takePackets = (): Buffer[] => {
    const payloads: Buffer[] = [];
    while (received.length > 0) {
      if (received[0] !== packetType.prelogin) {
        wrapped = false;
        payloads.push(received);
        received = Buffer.alloc(0);
        break;
      }
      if (received.length < headerLength) break;
      const length = received.readUInt16BE(2);
      if (length < headerLength || length > maxPacketLength)
        throw protocolError(`a packet states a length of ${length}`);
      if (received.length < length) break;
      payloads.push(received.subarray(headerLength, length));
      received = received.subarray(length);
    }
    return payloads;
  };

  const stream = new Duplex({
    read: () => void socket.resume(),
    // One flight of the handshake has to be one message, so everything that is there is written at once.
    writev: (chunks, callback) => {
      const data = Buffer.concat(chunks.map(({ chunk }) => (Buffer.isBuffer(chunk) ? chunk : Buffer.alloc(0))));
      socket.write(wrapped ? asMessage(data) : data, callback);
    },
    write: (chunk: Buffer, _encoding, callback) => void socket.write(wrapped ? asMessage(chunk) : chunk, callback),
    final: (callback) => void socket.end(callback),
    destroy: (error, callback) => {
      socket.destroy();
      callback(error);
    },
  });
  socket.on('data', (chunk: Buffer) => {
    if (!wrapped) {
      if (!stream.push(chunk)) socket.pause();
      return;
    }
    received = received.length === 0 ? chunk : Buffer.concat([received, chunk]);
    try {
      for (const payload of takePackets()) stream.push(payload);
    } catch (error) {
      stream.destroy(error instanceof Error ? error : undefined);
    }
  });
  socket.once('end', () => stream.push(null));
  socket.once('close', () => stream.destroy());
  return stream;
}

const handshakePacketLength = 4096;

function asMessage(data: Buffer): Buffer {
  const payloadLength = handshakePacketLength - headerLength;
  const packets = Math.max(1, Math.ceil(data.length / payloadLength));
  const message = Buffer.alloc(data.length + packets * headerLength);
  for (let packet = 0, from = 0, to = 0; packet < packets; packet += 1) {
    const payload = data.subarray(from, from + payloadLength);
    const status = packet === packets - 1 ? packetStatus.endOfMessage : 0;
    writeHeader(message, to, packetType.prelogin, status, headerLength + payload.length, packet);
    payload.copy(message, to + headerLength);
    from += payload.length;
    to += headerLength + payload.length;
  }
  return message;
}
