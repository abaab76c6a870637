import { type Duplex } from 'node:stream';
import { protocolError } from './bytes';

/** [MS-TDS] 2.2.3.1.1 */
export const packetType = {
  batch: 0x01,
  rpc: 0x03,
  response: 0x04,
  attention: 0x06,
  bulkLoad: 0x07,
  federatedToken: 0x08,
  transaction: 0x0e,
  login: 0x10,
  sspi: 0x11,
  prelogin: 0x12,
} as const;

export const packetStatus = {
  endOfMessage: 0x01,
  ignore: 0x02,
  resetConnection: 0x08,
  resetSkipTransaction: 0x10,
} as const;

export const headerLength = 8;
/** The largest that can be negotiated. */
export const maxPacketLength = 32_767;

export interface Message {
  type: number;
  payload: Buffer;
  /** The client gave this message up while it was sending it. */
  ignored: boolean;
  resetConnection: boolean;
  resetSkipTransaction: boolean;
}

export interface PacketLimits {
  /** A message longer than this ends the connection. */
  messageBytes: number;
  /** So long may a message that has begun rest without a further byte. */
  stallMs: number;
}

/** Whole messages out of a stream of packets. Memory follows what was received, never what a length announces. */
export interface PacketReader {
  /** The next message; null once the stream has ended. Rejects with a protocol error. One call at a time. */
  next(): Promise<Message | null>;
  /** While set, attention is told here at once and does not count as a message. */
  onAttention: (() => void) | null;
  setLimits(limits: PacketLimits): void;
  /** Lets go of the stream without ending it. */
  detach(): void;
}

export function createPacketReader(stream: Duplex, initialLimits: PacketLimits): PacketReader {
  let limits = initialLimits;
  let input = Buffer.allocUnsafe(4096);
  let inputLength = 0;
  let body = Buffer.alloc(0);
  let bodyLength = 0;
  let first: { type: number; status: number } | null = null;
  let ended = false;
  let failure: Error | null = null;
  const ready: Message[] = [];
  let waiting: { resolve: (message: Message | null) => void; reject: (error: Error) => void } | null = null;
  let stall: NodeJS.Timeout | undefined;

  const settle = (): void => {
    if (waiting === null) return;
    const { resolve, reject } = waiting;
    const message = ready.shift();
    if (message !== undefined) resolve(message);
    else if (failure !== null) reject(failure);
    else if (ended) resolve(null);
    else return;
    waiting = null;
    // A client that sends on and on without waiting for answers is left in its own socket buffer.
    if (message !== undefined) stream.resume();
  };

  const fail = (error: Error): void => {
    failure ??= error;
    stream.pause();
    settle();
  };

  const deliver = (message: Message): void => {
    if (message.type === packetType.attention && reader.onAttention !== null) return reader.onAttention();
    ready.push(message);
    if (ready.length > 1) stream.pause();
    settle();
  };

  const takePacket = (packet: Buffer): void => {
    const type = packet.readUInt8(0);
    const status = packet.readUInt8(1);
    if (first !== null && first.type !== type) {
      if (type !== packetType.attention)
        throw protocolError(`a packet of type ${type} inside a message of ${first.type}`);
      first = null; // attention ends a message that was not sent to its end
      bodyLength = 0;
    }
    first ??= { type, status };
    const payloadLength = packet.length - headerLength;
    if (bodyLength + payloadLength > limits.messageBytes)
      throw protocolError(`a message is longer than ${limits.messageBytes} bytes`);
    if (bodyLength + payloadLength > body.length) {
      const grown = Buffer.allocUnsafe(
        Math.max(bodyLength + payloadLength, Math.min(body.length * 2, limits.messageBytes)),
      );
      body.copy(grown, 0, 0, bodyLength);
      body = grown;
    }
    packet.copy(body, bodyLength, headerLength);
    bodyLength += payloadLength;
    if ((status & packetStatus.endOfMessage) === 0) return;
    const message: Message = {
      type,
      payload: body.subarray(0, bodyLength),
      ignored: (status & packetStatus.ignore) !== 0,
      resetConnection: (first.status & packetStatus.resetConnection) !== 0,
      resetSkipTransaction: (first.status & packetStatus.resetSkipTransaction) !== 0,
    };
    first = null;
    body = Buffer.alloc(0);
    bodyLength = 0;
    deliver(message);
  };

  const takePackets = (): void => {
    let start = 0;
    while (inputLength - start >= headerLength) {
      const length = input.readUInt16BE(start + 2);
      if (length < headerLength || length > maxPacketLength)
        throw protocolError(`a packet states a length of ${length}`);
      if (inputLength - start < length) break;
      takePacket(input.subarray(start, start + length));
      start += length;
    }
    input.copyWithin(0, start, inputLength);
    inputLength -= start;
  };

  const onData = (chunk: Buffer): void => {
    if (failure !== null) return;
    clearTimeout(stall);
    if (inputLength + chunk.length > input.length) {
      const grown = Buffer.allocUnsafe(inputLength + chunk.length);
      input.copy(grown, 0, 0, inputLength);
      input = grown;
    }
    chunk.copy(input, inputLength);
    inputLength += chunk.length;
    try {
      takePackets();
    } catch (error) {
      return fail(error instanceof Error ? error : protocolError(String(error)));
    }
    if (inputLength > 0 || first !== null) {
      stall = setTimeout(() => fail(protocolError(`a message rested for ${limits.stallMs} ms`)), limits.stallMs);
    }
  };

  const onEnd = (): void => {
    clearTimeout(stall);
    ended = true;
    settle();
  };

  stream.on('data', onData);
  stream.once('end', onEnd);
  stream.once('close', onEnd);

  const reader: PacketReader = {
    onAttention: null,
    next: () =>
      new Promise((resolve, reject) => {
        waiting = { resolve, reject };
        settle();
      }),
    setLimits: (changed) => {
      limits = changed;
    },
    detach: () => {
      clearTimeout(stall);
      stream.off('data', onData);
      stream.off('end', onEnd);
      stream.off('close', onEnd);
    },
  };
  return reader;
}

/** Writes one packet header for a packet of `length` bytes in all. */
export function writeHeader(
  target: Buffer,
  offset: number,
  type: number,
  status: number,
  length: number,
  id: number,
): void {
  target.writeUInt8(type, offset);
  target.writeUInt8(status, offset + 1);
  target.writeUInt16BE(length, offset + 2);
  target.writeUInt16BE(0, offset + 4); // SPID: ours is told by the engine alone
  target.writeUInt8(id & 0xff, offset + 6);
  target.writeUInt8(0, offset + 7);
}
