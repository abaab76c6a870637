import { notSupported } from '../errors';
import { type SqlType, type SqlValue } from '../session';
import { type ByteReader, protocolError } from './bytes';
import { checkCollation, decodeVarchar } from './collation';
import { dateAndTimeText, dateText, daysTo1900, offsetTimeText, ticksPerDay, timeText } from './temporal';
import { maxLengthMark, plpNull, plpUnknownLength, shortNull, timeLength, typeCode } from './type-codes';

/** A type as a client described it, with how its values are to be read. */
export interface ReadType {
  type: SqlType;
  read(reader: ByteReader): SqlValue;
}

/**
 * Reads TYPE_INFO of a parameter.
 *
 * @throws a protocol error for an unknown type or impossible sizes, a refusal by name for one that is not supported.
 */
export function readTypeInfo(reader: ByteReader): ReadType {
  const code = reader.uint8();
  switch (code) {
    case typeCode.null:
      return { type: { name: 'nvarchar', length: 1 }, read: () => null };
    case typeCode.bit:
      return { type: { name: 'bit' }, read: (from) => from.uint8() !== 0 };
    case typeCode.tinyint:
      return { type: { name: 'tinyint' }, read: (from) => from.uint8() };
    case typeCode.smallint:
      return { type: { name: 'smallint' }, read: (from) => from.int16() };
    case typeCode.int:
      return { type: { name: 'int' }, read: (from) => from.int32() };
    case typeCode.bigint:
      return { type: { name: 'bigint' }, read: (from) => from.int64() };
    case typeCode.real:
      return { type: { name: 'real' }, read: (from) => from.float() };
    case typeCode.float:
      return { type: { name: 'float' }, read: (from) => from.double() };
    case typeCode.money:
      return { type: { name: 'money' }, read: readMoney };
    case typeCode.smallmoney:
      return { type: { name: 'smallmoney' }, read: (from) => moneyText(BigInt(from.int32())) };
    case typeCode.datetime:
      return { type: { name: 'datetime' }, read: readDatetime };
    case typeCode.smalldatetime:
      return { type: { name: 'smalldatetime' }, read: readSmallDatetime };
    case typeCode.intN:
    case typeCode.bitN:
    case typeCode.floatN:
    case typeCode.moneyN:
    case typeCode.datetimeN:
    case typeCode.uniqueidentifier:
      return nullableFixed(code, reader.uint8());
    case typeCode.decimal:
    case typeCode.numeric:
      return decimalType(code === typeCode.decimal ? 'decimal' : 'numeric', reader);
    case typeCode.date:
      return { type: { name: 'date' }, read: (from) => sized(from, 3, () => dateText(readDays(from))) };
    case typeCode.time:
      return timeType(reader);
    case typeCode.datetime2:
      return datetime2Type(reader);
    case typeCode.datetimeoffset:
      return datetimeoffsetType(reader);
    case typeCode.char:
    case typeCode.varchar:
    case typeCode.nchar:
    case typeCode.nvarchar:
    case typeCode.binary:
    case typeCode.varbinary:
      return sizedType(code, reader);
    case typeCode.text:
    case typeCode.ntext:
    case typeCode.image:
      return largeType(code, reader);
    case typeCode.xml:
      if (reader.uint8() !== 0) throw notSupported('xml parameters with a schema collection');
      return { type: { name: 'xml' }, read: (from) => readChunks(from)?.toString('utf16le') ?? null };
    case typeCode.variant:
      throw notSupported('parameters of type sql_variant');
    case typeCode.userDefined:
      throw notSupported('parameters of a CLR type');
    case typeCode.table:
      throw notSupported('table-valued parameters');
    case typeCode.json:
      throw notSupported('parameters of type json');
    default:
      throw protocolError(`type 0x${code.toString(16)} of a parameter is unknown`);
  }
}

/** Reads what `read` reads if the length in front says so; 0 is NULL. */
function sized(from: ByteReader, length: number, read: () => SqlValue): SqlValue {
  const actual = from.uint8();
  if (actual === 0) return null;
  if (actual !== length) throw protocolError(`a value has ${actual} bytes instead of ${length}`);
  return read();
}

function nullableFixed(code: number, length: number): ReadType {
  const known: Record<string, ReadType> = {
    [`${typeCode.bitN}/1`]: { type: { name: 'bit' }, read: (from) => from.uint8() !== 0 },
    [`${typeCode.intN}/1`]: { type: { name: 'tinyint' }, read: (from) => from.uint8() },
    [`${typeCode.intN}/2`]: { type: { name: 'smallint' }, read: (from) => from.int16() },
    [`${typeCode.intN}/4`]: { type: { name: 'int' }, read: (from) => from.int32() },
    [`${typeCode.intN}/8`]: { type: { name: 'bigint' }, read: (from) => from.int64() },
    [`${typeCode.floatN}/4`]: { type: { name: 'real' }, read: (from) => from.float() },
    [`${typeCode.floatN}/8`]: { type: { name: 'float' }, read: (from) => from.double() },
    [`${typeCode.moneyN}/4`]: { type: { name: 'smallmoney' }, read: (from) => moneyText(BigInt(from.int32())) },
    [`${typeCode.moneyN}/8`]: { type: { name: 'money' }, read: readMoney },
    [`${typeCode.datetimeN}/4`]: { type: { name: 'smalldatetime' }, read: readSmallDatetime },
    [`${typeCode.datetimeN}/8`]: { type: { name: 'datetime' }, read: readDatetime },
    [`${typeCode.uniqueidentifier}/16`]: { type: { name: 'uniqueidentifier' }, read: readGuid },
  };
  const found = known[`${code}/${length}`];
  if (found === undefined) throw protocolError(`type 0x${code.toString(16)} cannot have ${length} bytes`);
  return { type: found.type, read: (from) => sized(from, length, () => found.read(from)) };
}

function readMoney(from: ByteReader): string {
  const high = BigInt(from.int32());
  return moneyText((high << 32n) | BigInt(from.uint32()));
}

function moneyText(value: bigint): string {
  return decimalText(value, 4);
}

function readDatetime(from: ByteReader): string {
  const days = from.int32() + daysTo1900;
  const milliseconds = Math.round((from.uint32() * 10) / 3);
  return dateAndTimeText(checkedDay(days, milliseconds * 10_000), 3);
}

function readSmallDatetime(from: ByteReader): string {
  const days = from.uint16() + daysTo1900;
  return dateAndTimeText(checkedDay(days, from.uint16() * 600_000_000), 0);
}

function readGuid(from: ByteReader): string {
  const bytes = Buffer.from(from.bytes(16));
  bytes.subarray(0, 4).reverse();
  bytes.subarray(4, 6).reverse();
  bytes.subarray(6, 8).reverse();
  return bytes
    .toString('hex')
    .toUpperCase()
    .replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}

function decimalType(name: 'decimal' | 'numeric', reader: ByteReader): ReadType {
  reader.uint8(); // the maximum length; each value brings its own
  const precision = reader.uint8();
  const scale = reader.uint8();
  if (precision < 1 || precision > 38 || scale > precision)
    throw protocolError(`${name}(${precision},${scale}) does not exist`);
  return {
    type: { name, precision, scale },
    read: (from) => {
      const length = from.uint8();
      if (length === 0) return null;
      if (length > 17) throw protocolError(`a ${name} of ${length} bytes does not exist`);
      const positive = from.uint8() !== 0;
      const magnitude = from.bytes(length - 1).reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
      return decimalText(positive ? magnitude : -magnitude, scale);
    },
  };
}

function decimalText(value: bigint, scale: number): string {
  const digits = (value < 0n ? -value : value).toString().padStart(scale + 1, '0');
  const whole = digits.slice(0, digits.length - scale);
  const fraction = scale === 0 ? '' : `.${digits.slice(digits.length - scale)}`;
  return `${value < 0n ? '-' : ''}${whole}${fraction}`;
}

function readScale(reader: ByteReader): number {
  const scale = reader.uint8();
  if (scale > 7) throw protocolError(`a time with ${scale} digits of its second does not exist`);
  return scale;
}

function readTicks(from: ByteReader, scale: number): number {
  let units = 0;
  let factor = 1;
  for (const byte of from.bytes(timeLength(scale))) {
    units += byte * factor;
    factor *= 256;
  }
  return units * 10 ** (7 - scale);
}

function readDays(from: ByteReader): number {
  const days = from.uint16() + from.uint8() * 0x10000;
  return checkedDay(days, 0).days;
}

const lastDay = 3_652_058; // 9999-12-31

function checkedDay(days: number, ticks: number): { days: number; ticks: number } {
  if (days < 0 || days > lastDay || ticks >= ticksPerDay) throw protocolError('a date or time is out of range');
  return { days, ticks };
}

function timeType(reader: ByteReader): ReadType {
  const scale = readScale(reader);
  return {
    type: { name: 'time', scale },
    read: (from) => sized(from, timeLength(scale), () => timeText(checkedDay(0, readTicks(from, scale)).ticks, scale)),
  };
}

function datetime2Type(reader: ByteReader): ReadType {
  const scale = readScale(reader);
  return {
    type: { name: 'datetime2', scale },
    read: (from) =>
      sized(from, timeLength(scale) + 3, () => {
        const ticks = readTicks(from, scale);
        return dateAndTimeText(checkedDay(readDays(from), ticks), scale);
      }),
  };
}

function datetimeoffsetType(reader: ByteReader): ReadType {
  const scale = readScale(reader);
  return {
    type: { name: 'datetimeoffset', scale },
    read: (from) =>
      sized(from, timeLength(scale) + 5, () => {
        const ticks = readTicks(from, scale);
        const utc = checkedDay(readDays(from), ticks);
        const offsetMinutes = from.int16();
        if (Math.abs(offsetMinutes) > 14 * 60) throw protocolError(`an offset of ${offsetMinutes} minutes`);
        return offsetTimeText(utc, offsetMinutes, scale);
      }),
  };
}

const sizedNames = {
  [typeCode.char]: 'char',
  [typeCode.varchar]: 'varchar',
  [typeCode.nchar]: 'nchar',
  [typeCode.nvarchar]: 'nvarchar',
  [typeCode.binary]: 'binary',
  [typeCode.varbinary]: 'varbinary',
} as const;

function sizedType(code: keyof typeof sizedNames, reader: ByteReader): ReadType {
  const name = sizedNames[code];
  const maxLength = reader.uint16();
  const isText = name !== 'binary' && name !== 'varbinary';
  const isWide = name === 'nchar' || name === 'nvarchar';
  const collation = isText ? checkCollation(reader.bytes(5)) : Buffer.alloc(0);
  const isLong = maxLength === maxLengthMark;
  // A client may announce length 0 for an empty value; the smallest type is one of length 1.
  const length = isLong ? 'max' : Math.max(1, isWide ? maxLength / 2 : maxLength);
  return {
    type: { name, length },
    read: (from) => {
      const bytes = isLong ? readChunks(from) : readShort(from, maxLength);
      if (bytes === null) return null;
      if (!isText) return Buffer.from(bytes);
      return isWide ? bytes.toString('utf16le') : decodeVarchar(bytes, collation);
    },
  };
}

function readShort(from: ByteReader, maxLength: number): Buffer | null {
  const length = from.uint16();
  if (length === shortNull) return null;
  if (length > maxLength) throw protocolError(`a value of ${length} bytes where ${maxLength} were announced`);
  return from.bytes(length);
}

/** A partially length-prefixed value. No length that it states is used to allocate anything. */
function readChunks(from: ByteReader): Buffer | null {
  const total = from.uint64();
  if (total === plpNull) return null;
  // Twice through the chunks: a list of millions of tiny ones would cost many times what was received.
  const start = from.offset;
  const received = eachChunk(from, () => undefined);
  if (total !== plpUnknownLength && total !== BigInt(received)) {
    throw protocolError(`a value of ${received} bytes where ${total} were announced`);
  }
  from.seek(start);
  const value = Buffer.allocUnsafe(received);
  eachChunk(from, (chunk, offset) => void value.set(chunk, offset));
  return value;
}

/** Returns the length of all chunks together. */
function eachChunk(from: ByteReader, take: (chunk: Buffer, offset: number) => void): number {
  let received = 0;
  for (let length = from.uint32(); length !== 0; length = from.uint32()) {
    take(from.bytes(length), received);
    received += length;
  }
  return received;
}

function largeType(code: 0x23 | 0x63 | 0x22, reader: ByteReader): ReadType {
  reader.uint32(); // maximum length
  const name = code === typeCode.text ? 'text' : code === typeCode.ntext ? 'ntext' : 'image';
  const collation = name === 'image' ? Buffer.alloc(0) : checkCollation(reader.bytes(5));
  return {
    type: { name },
    read: (from) => {
      const length = from.uint32();
      if (length === 0xffffffff) return null;
      const bytes = from.bytes(length);
      if (name === 'image') return Buffer.from(bytes);
      return name === 'ntext' ? bytes.toString('utf16le') : decodeVarchar(bytes, collation);
    },
  };
}
