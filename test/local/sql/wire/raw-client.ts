import { connect as connectSocket, type Socket } from 'node:net';
import { headerLength, packetStatus, packetType } from '../../../../local/sql/wire/packets';
import { password, user } from './tedious-client';

export interface RawClient {
  socket: Socket;
  send(...packets: Buffer[]): void;
  /** The payload of the next whole message; null when the connection ended. */
  receive(): Promise<Buffer | null>;
  /** Resolves when the connection is gone. */
  ended: Promise<void>;
}

/** A client that can break every rule. */
export async function rawConnect(port: number): Promise<RawClient> {
  const socket = connectSocket({ port, host: '127.0.0.1', noDelay: true });
  await new Promise((resolve) => socket.once('connect', resolve));
  const messages: Buffer[] = [];
  const waiting: ((message: Buffer | null) => void)[] = [];
  let input = Buffer.alloc(0);
  let body: Buffer[] = [];
  let gone = false;
  socket.on('error', () => undefined);
  const ended = new Promise<void>((resolve) =>
    socket.once('close', () => {
      gone = true;
      waiting.splice(0).forEach((resolveWaiting) => resolveWaiting(null));
      resolve();
    }),
  );
  socket.on('data', (chunk) => {
    input = Buffer.concat([input, chunk]);
    while (input.length >= headerLength && input.length >= input.readUInt16BE(2)) {
      const length = input.readUInt16BE(2);
      body.push(input.subarray(headerLength, length));
      if ((input.readUInt8(1) & packetStatus.endOfMessage) !== 0) {
        const message = Buffer.concat(body);
        body = [];
        const resolve = waiting.shift();
        if (resolve === undefined) messages.push(message);
        else resolve(message);
      }
      input = input.subarray(length);
    }
  });
  return {
    socket,
    ended,
    send: (...packets) => void socket.write(Buffer.concat(packets)),
    receive: () =>
      new Promise((resolve) => {
        const message = messages.shift();
        if (message !== undefined) resolve(message);
        else if (gone) resolve(null);
        else waiting.push(resolve);
      }),
  };
}

export function packet(type: number, payload: Buffer, status: number = packetStatus.endOfMessage): Buffer {
  const header = Buffer.alloc(headerLength);
  header.writeUInt8(type, 0);
  header.writeUInt8(status, 1);
  header.writeUInt16BE(headerLength + payload.length, 2);
  return Buffer.concat([header, payload]);
}

/** A message in as many packets as it needs. */
export function packetsOf(type: number, payload: Buffer): Buffer[] {
  const size = 30_000;
  return Array.from({ length: Math.max(1, Math.ceil(payload.length / size)) }, (_, index) => {
    const isLast = (index + 1) * size >= payload.length;
    const part = payload.subarray(index * size, (index + 1) * size);
    return packet(type, part, isLast ? packetStatus.endOfMessage : 0);
  });
}

/** PRELOGIN that wants no encryption. */
export const preloginPayload = Buffer.from([1, 0, 6, 0, 1, 0xff, 2]);

/** LOGIN7 as a plain client sends it. */
export function loginPayload(overrides: { tdsVersion?: number; database?: string } = {}): Buffer {
  const fixed = Buffer.alloc(94);
  const texts: Buffer[] = [];
  let offset = fixed.length;
  const put = (position: number, bytes: Buffer): void => {
    fixed.writeUInt16LE(offset, position);
    fixed.writeUInt16LE(bytes.length / 2, position + 2);
    texts.push(bytes);
    offset += bytes.length;
  };
  const scramble = (byte: number): number => (((byte << 4) & 0xf0) | (byte >> 4)) ^ 0xa5;
  fixed.writeUInt32LE(overrides.tdsVersion ?? 0x74000004, 4);
  fixed.writeUInt32LE(4096, 8);
  put(36, Buffer.from('raw', 'utf16le'));
  put(40, Buffer.from(user, 'utf16le'));
  put(44, Buffer.from(Buffer.from(password, 'utf16le').map(scramble)));
  put(68, Buffer.from(overrides.database ?? '', 'utf16le'));
  const payload = Buffer.concat([fixed, ...texts]);
  payload.writeUInt32LE(payload.length, 0);
  return payload;
}

/** A client that is logged in. */
export async function rawLogin(port: number): Promise<RawClient> {
  const client = await rawConnect(port);
  client.send(packet(packetType.prelogin, preloginPayload));
  await client.receive();
  client.send(packet(packetType.login, loginPayload()));
  await client.receive();
  return client;
}

const headers = Buffer.from('16000000120000000200000000000000000001000000', 'hex');

export function batchPayload(text: string): Buffer {
  return Buffer.concat([headers, Buffer.from(text, 'utf16le')]);
}

export function callPayload(...parts: Buffer[]): Buffer {
  return Buffer.concat([headers, ...parts]);
}

/** Number and text of the first ERROR token of a response. */
export function errorIn(response: Buffer | null): { number: number; text: string } | null {
  const start = response?.indexOf(0xaa) ?? -1;
  if (response === null || start < 0 || start + 11 > response.length) return null;
  const length = response.readUInt16LE(start + 9);
  return {
    number: response.readInt32LE(start + 3),
    text: response.toString('utf16le', start + 11, start + 11 + length * 2),
  };
}

/** The status word of the DONE that ends a response. */
export function lastDoneStatus(response: Buffer | null): number {
  if (response === null || response.length < 13) throw new Error('the response has no DONE');
  return response.readUInt16LE(response.length - 12);
}
