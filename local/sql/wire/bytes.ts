/** Reading and writing little-endian wire data without ever trusting a length that a client sent. */

/** The client broke the protocol; its connection cannot go on. */
export function protocolError(message: string): Error {
  const error = new Error(message);
  error.name = 'ProtocolError';
  return error;
}

export function isProtocolError(error: unknown): error is Error {
  return error instanceof Error && error.name === 'ProtocolError';
}

/** A cursor over bytes that were received. Every method throws a protocol error instead of reading past the end. */
export interface ByteReader {
  readonly offset: number;
  readonly remaining: number;
  uint8(): number;
  uint16(): number;
  int16(): number;
  uint32(): number;
  int32(): number;
  uint64(): bigint;
  int64(): bigint;
  float(): number;
  double(): number;
  /** A view, not a copy. */
  bytes(length: number): Buffer;
  /** UTF-16 text of this many code units. */
  text(units: number): string;
  seek(offset: number): void;
}

export function createByteReader(buffer: Buffer): ByteReader {
  let position = 0;
  const take = (length: number): number => {
    const start = position;
    if (length < 0 || length > buffer.length - start)
      throw protocolError(`the request ends at byte ${buffer.length}, inside a value of ${length} bytes`);
    position = start + length;
    return start;
  };
  return {
    get offset() {
      return position;
    },
    get remaining() {
      return buffer.length - position;
    },
    uint8: () => buffer.readUInt8(take(1)),
    uint16: () => buffer.readUInt16LE(take(2)),
    int16: () => buffer.readInt16LE(take(2)),
    uint32: () => buffer.readUInt32LE(take(4)),
    int32: () => buffer.readInt32LE(take(4)),
    uint64: () => buffer.readBigUInt64LE(take(8)),
    int64: () => buffer.readBigInt64LE(take(8)),
    float: () => buffer.readFloatLE(take(4)),
    double: () => buffer.readDoubleLE(take(8)),
    bytes: (length) => {
      const start = take(length);
      return buffer.subarray(start, start + length);
    },
    text: (units) => {
      const start = take(units * 2);
      return buffer.toString('utf16le', start, start + units * 2);
    },
    seek: (offset) => {
      if (offset < 0 || offset > buffer.length) throw protocolError(`offset ${offset} lies outside the request`);
      position = offset;
    },
  };
}

/** Bytes that are being written; they grow as needed and are taken from the front. */
export interface ByteWriter {
  readonly length: number;
  uint8(value: number): void;
  uint16(value: number): void;
  int16(value: number): void;
  uint32(value: number): void;
  int32(value: number): void;
  uint64(value: bigint): void;
  int64(value: bigint): void;
  float(value: number): void;
  double(value: number): void;
  bytes(value: Uint8Array): void;
  /** UTF-16 text without any length. */
  text(value: string): void;
  /** Text after its length in code units, in one byte; cut off at 255. */
  shortText(value: string): void;
  /** Text after its length in code units, in two bytes. */
  longText(value: string): void;
  /** Reserves two bytes for the number of bytes that `write` adds. */
  lengthPrefixed(write: () => void): void;
  /** Forgets everything after the first `length` bytes. */
  truncate(length: number): void;
  /** Copies the first `length` bytes to `target` and forgets them. */
  takeInto(target: Buffer, targetStart: number, length: number): void;
}

const initialCapacity = 4096;
/** A writer that held one huge value gives the memory back. */
const keptCapacity = 256 * 1024;

export function createByteWriter(): ByteWriter {
  let buffer = Buffer.allocUnsafe(initialCapacity);
  let start = 0;
  let end = 0;
  // Its result has to be in a variable before `buffer` is named: it may replace the buffer.
  const reserve = (length: number): number => {
    if (end + length > buffer.length) {
      const held = end - start;
      const target =
        held + length > buffer.length ? Buffer.allocUnsafe(Math.max(buffer.length * 2, held + length)) : buffer;
      buffer.copy(target, 0, start, end);
      buffer = target;
      start = 0;
      end = held;
    }
    const offset = end;
    end += length;
    return offset;
  };
  const writer: ByteWriter = {
    get length() {
      return end - start;
    },
    uint8: (value) => {
      const offset = reserve(1);
      buffer.writeUInt8(value, offset);
    },
    uint16: (value) => {
      const offset = reserve(2);
      buffer.writeUInt16LE(value, offset);
    },
    int16: (value) => {
      const offset = reserve(2);
      buffer.writeInt16LE(value, offset);
    },
    uint32: (value) => {
      const offset = reserve(4);
      buffer.writeUInt32LE(value, offset);
    },
    int32: (value) => {
      const offset = reserve(4);
      buffer.writeInt32LE(value, offset);
    },
    uint64: (value) => {
      const offset = reserve(8);
      buffer.writeBigUInt64LE(value, offset);
    },
    int64: (value) => {
      const offset = reserve(8);
      buffer.writeBigInt64LE(value, offset);
    },
    float: (value) => {
      const offset = reserve(4);
      buffer.writeFloatLE(value, offset);
    },
    double: (value) => {
      const offset = reserve(8);
      buffer.writeDoubleLE(value, offset);
    },
    bytes: (value) => {
      const offset = reserve(value.length);
      buffer.set(value, offset);
    },
    text: (value) => {
      const offset = reserve(value.length * 2);
      buffer.write(value, offset, 'utf16le');
    },
    shortText: (value) => {
      const text = cut(value, 255);
      writer.uint8(text.length);
      writer.text(text);
    },
    longText: (value) => {
      writer.uint16(value.length);
      writer.text(value);
    },
    lengthPrefixed: (write) => {
      writer.uint16(0);
      const before = end - start;
      write();
      buffer.writeUInt16LE(end - start - before, start + before - 2);
    },
    truncate: (length) => {
      end = start + length;
    },
    takeInto: (target, targetStart, length) => {
      buffer.copy(target, targetStart, start, start + length);
      start += length;
      if (start < end) return;
      start = 0;
      end = 0;
      if (buffer.length > keptCapacity) buffer = Buffer.allocUnsafe(initialCapacity);
    },
  };
  return writer;
}

/** At most `units` code units, never half of a surrogate pair. */
export function cut(text: string, units: number): string {
  if (text.length <= units) return text;
  const last = text.charCodeAt(units - 1);
  return text.slice(0, last >= 0xd800 && last <= 0xdbff ? units - 1 : units);
}
