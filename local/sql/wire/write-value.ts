import { type SqlType, type SqlValue } from '../session';
import { type ByteWriter } from './bytes';
import { defaultCollation, encodeVarchar } from './collation';
import {
  type DateAndTime,
  dateAndTimeOf,
  daysOf,
  daysTo1900,
  offsetTimeOf,
  roundedUnits,
  ticksOf,
  ticksPerDay,
} from './temporal';
import { decimalLength, maxLengthMark, plpNull, shortNull, timeLength, typeCode } from './type-codes';

/** Writes TYPE_INFO. Numbers are described by their nullable forms, which clients treat alike. */
export function writeTypeInfo(writer: ByteWriter, type: SqlType): void {
  switch (type.name) {
    case 'bit':
      return pair(writer, typeCode.bitN, 1);
    case 'tinyint':
      return pair(writer, typeCode.intN, 1);
    case 'smallint':
      return pair(writer, typeCode.intN, 2);
    case 'int':
      return pair(writer, typeCode.intN, 4);
    case 'bigint':
      return pair(writer, typeCode.intN, 8);
    case 'real':
      return pair(writer, typeCode.floatN, 4);
    case 'float':
      return pair(writer, typeCode.floatN, 8);
    case 'smallmoney':
      return pair(writer, typeCode.moneyN, 4);
    case 'money':
      return pair(writer, typeCode.moneyN, 8);
    case 'smalldatetime':
      return pair(writer, typeCode.datetimeN, 4);
    case 'datetime':
      return pair(writer, typeCode.datetimeN, 8);
    case 'uniqueidentifier':
      return pair(writer, typeCode.uniqueidentifier, 16);
    case 'decimal':
    case 'numeric':
      pair(writer, typeCode[type.name], decimalLength(type.precision));
      return pair(writer, type.precision, type.scale);
    case 'date':
      return writer.uint8(typeCode.date);
    case 'time':
    case 'datetime2':
    case 'datetimeoffset':
      return pair(writer, typeCode[type.name], type.scale);
    case 'char':
    case 'varchar':
    case 'nchar':
    case 'nvarchar':
      writer.uint8(typeCode[type.name]);
      writer.uint16(isLong(type) ? maxLengthMark : byteLength(type));
      return writer.bytes(defaultCollation);
    case 'binary':
    case 'varbinary':
      writer.uint8(typeCode[type.name]);
      return writer.uint16(isLong(type) ? maxLengthMark : byteLength(type));
    case 'text':
    case 'ntext':
      writer.uint8(typeCode[type.name]);
      writer.uint32(0x7fffffff);
      return writer.bytes(defaultCollation);
    case 'image':
      writer.uint8(typeCode.image);
      return writer.uint32(0x7fffffff);
    case 'xml':
      return pair(writer, typeCode.xml, 0); // no schema
  }
}

/** @throws Error when the engine's value is not of the type that it announced. */
export function writeValue(writer: ByteWriter, type: SqlType, value: SqlValue): void {
  if (value === null) return writeNull(writer, type);
  switch (type.name) {
    case 'bit':
      if (typeof value !== 'boolean') throw mismatch(type, value);
      return pair(writer, 1, value ? 1 : 0);
    case 'tinyint':
      return pair(writer, 1, expectNumber(type, value));
    case 'smallint':
      writer.uint8(2);
      return writer.int16(expectNumber(type, value));
    case 'int':
      writer.uint8(4);
      return writer.int32(expectNumber(type, value));
    case 'bigint':
      if (typeof value !== 'bigint') throw mismatch(type, value);
      writer.uint8(8);
      return writer.int64(value);
    case 'real':
      writer.uint8(4);
      return writer.float(expectNumber(type, value));
    case 'float':
      writer.uint8(8);
      return writer.double(expectNumber(type, value));
    case 'smallmoney':
      writer.uint8(4);
      return writer.int32(Number(scaledInteger(expectText(type, value), 4)));
    case 'money':
      return writeMoney(writer, scaledInteger(expectText(type, value), 4));
    case 'decimal':
    case 'numeric':
      return writeDecimal(writer, type, scaledInteger(expectText(type, value), type.scale));
    case 'uniqueidentifier':
      writer.uint8(16);
      return writer.bytes(guidBytes(expectText(type, value)));
    case 'date':
      writer.uint8(3);
      return writeDays(writer, daysOf(expectText(type, value)));
    case 'time':
      return writeTime(writer, type.scale, ticksOf(expectText(type, value)));
    case 'datetime2':
      return writeDateTime2(writer, type.scale, dateAndTimeOf(expectText(type, value)), null);
    case 'datetimeoffset': {
      const { offsetMinutes, ...utc } = offsetTimeOf(expectText(type, value));
      return writeDateTime2(writer, type.scale, utc, offsetMinutes);
    }
    case 'datetime': {
      const { days, units } = roundedUnits(dateAndTimeOf(expectText(type, value)), ticksPerDay / (24 * 3600 * 300));
      writer.uint8(8);
      writer.int32(days - daysTo1900);
      return writer.uint32(units);
    }
    case 'smalldatetime': {
      const { days, units } = roundedUnits(dateAndTimeOf(expectText(type, value)), ticksPerDay / (24 * 60));
      writer.uint8(4);
      writer.uint16(days - daysTo1900);
      return writer.uint16(units);
    }
    case 'char':
    case 'varchar':
      return writeLengthAndBytes(writer, type, encodeVarchar(expectText(type, value)));
    case 'nchar':
    case 'nvarchar':
    case 'xml':
      return writeWide(writer, type, expectText(type, value));
    case 'binary':
    case 'varbinary':
      return writeLengthAndBytes(writer, type, expectBytes(type, value));
    case 'text':
      return writeWithTextPointer(writer, encodeVarchar(expectText(type, value)));
    case 'ntext':
      return writeWithTextPointer(writer, Buffer.from(expectText(type, value), 'utf16le'));
    case 'image':
      return writeWithTextPointer(writer, expectBytes(type, value));
  }
}

function writeNull(writer: ByteWriter, type: SqlType): void {
  switch (type.name) {
    case 'xml':
      return writer.uint64(plpNull);
    case 'char':
    case 'varchar':
    case 'nchar':
    case 'nvarchar':
    case 'binary':
    case 'varbinary':
      return isLong(type) ? writer.uint64(plpNull) : writer.uint16(shortNull);
    default:
      return writer.uint8(0);
  }
}

type SizedType = Extract<SqlType, { length: number | 'max' }>;

const maxBytes = 8000;

function byteLength(type: SizedType): number {
  const bytes = type.name === 'nchar' || type.name === 'nvarchar' ? 2 : 1;
  return type.length === 'max' ? Infinity : type.length * bytes;
}

/** Sent in chunks with a 64-bit length instead of a 16-bit one. */
function isLong(type: SqlType): boolean {
  return type.name === 'xml' || ('length' in type && byteLength(type) > maxBytes);
}

function writeLengthAndBytes(writer: ByteWriter, type: SqlType, bytes: Buffer): void {
  if (isLong(type)) return writeChunked(writer, bytes.length, () => writer.bytes(bytes));
  checkShort(type, bytes.length);
  writer.uint16(bytes.length);
  writer.bytes(bytes);
}

function writeWide(writer: ByteWriter, type: SqlType, text: string): void {
  const length = text.length * 2;
  if (isLong(type)) return writeChunked(writer, length, () => writer.text(text));
  checkShort(type, length);
  writer.uint16(length);
  writer.text(text);
}

function writeChunked(writer: ByteWriter, length: number, write: () => void): void {
  writer.uint64(BigInt(length));
  if (length > 0) {
    writer.uint32(length);
    write();
  }
  writer.uint32(0);
}

function checkShort(type: SqlType, length: number): void {
  if (length > maxBytes)
    throw new Error(`a value of ${length} bytes was announced as ${type.name} of at most ${maxBytes}`);
}

/** The old large types: a text pointer and a time stamp, which no client looks at any more, before the length. */
function writeWithTextPointer(writer: ByteWriter, bytes: Buffer): void {
  writer.uint8(16);
  writer.bytes(Buffer.alloc(16 + 8));
  writer.uint32(bytes.length);
  writer.bytes(bytes);
}

function writeMoney(writer: ByteWriter, value: bigint): void {
  writer.uint8(8);
  writer.int32(Number(BigInt.asIntN(32, value >> 32n)));
  writer.uint32(Number(BigInt.asUintN(32, value)));
}

function writeDecimal(
  writer: ByteWriter,
  type: { name: string; precision: number; scale: number },
  value: bigint,
): void {
  const length = decimalLength(type.precision);
  const negative = value < 0n;
  let magnitude = negative ? -value : value;
  writer.uint8(length);
  writer.uint8(negative ? 0 : 1);
  for (let written = 1; written < length; written += 4) {
    writer.uint32(Number(magnitude & 0xffffffffn));
    magnitude >>= 32n;
  }
  if (magnitude > 0n) throw new Error(`a value does not fit into ${type.name}(${type.precision},${type.scale})`);
}

/** '-12.5' with scale 4 is -125000n. Digits beyond the scale round half away from zero. */
function scaledInteger(text: string, scale: number): bigint {
  const [, sign, whole, fraction = ''] = /^(-?)(\d*)(?:\.(\d*))?$/.exec(text) ?? [];
  if (whole === undefined) throw new Error(`"${text}" is not a decimal number`);
  const digits = BigInt(whole + fraction.slice(0, scale).padEnd(scale, '0'));
  const rounded = (fraction[scale] ?? '0') >= '5' ? digits + 1n : digits;
  return sign === '-' ? -rounded : rounded;
}

function writeDays(writer: ByteWriter, days: number): void {
  writer.uint16(days & 0xffff);
  writer.uint8(days >> 16);
}

function writeTimeUnits(writer: ByteWriter, scale: number, units: number): void {
  const length = timeLength(scale);
  writer.uint16(units % 0x10000);
  let rest = Math.floor(units / 0x10000);
  for (let written = 2; written < length; written += 1) {
    writer.uint8(rest & 0xff);
    rest = Math.floor(rest / 0x100);
  }
}

function writeTime(writer: ByteWriter, scale: number, ticks: number): void {
  // A time has no next day to round up to.
  const unitsPerDay = 24 * 3600 * 10 ** scale;
  writer.uint8(timeLength(scale));
  writeTimeUnits(writer, scale, Math.min(Math.round(ticks / 10 ** (7 - scale)), unitsPerDay - 1));
}

function writeDateTime2(writer: ByteWriter, scale: number, at: DateAndTime, offsetMinutes: number | null): void {
  const { days, units } = roundedUnits(at, 10 ** (7 - scale));
  writer.uint8(timeLength(scale) + 3 + (offsetMinutes === null ? 0 : 2));
  writeTimeUnits(writer, scale, units);
  writeDays(writer, days);
  if (offsetMinutes !== null) writer.int16(offsetMinutes);
}

/** The first three groups are little-endian. */
function guidBytes(text: string): Buffer {
  const bytes = Buffer.from(text.replaceAll('-', ''), 'hex');
  if (bytes.length !== 16) throw new Error(`"${text}" is not a uniqueidentifier`);
  bytes.subarray(0, 4).reverse();
  bytes.subarray(4, 6).reverse();
  bytes.subarray(6, 8).reverse();
  return bytes;
}

function pair(writer: ByteWriter, first: number, second: number): void {
  writer.uint8(first);
  writer.uint8(second);
}

function expectNumber(type: SqlType, value: SqlValue): number {
  if (typeof value !== 'number') throw mismatch(type, value);
  return value;
}

function expectText(type: SqlType, value: SqlValue): string {
  if (typeof value !== 'string') throw mismatch(type, value);
  return value;
}

function expectBytes(type: SqlType, value: SqlValue): Buffer {
  if (!Buffer.isBuffer(value)) throw mismatch(type, value);
  return value;
}

function mismatch(type: SqlType, value: SqlValue): Error {
  return new Error(`the engine announced ${type.name} and gave a ${typeof value}`);
}
