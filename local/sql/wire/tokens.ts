import { type EnvironmentChange, type SqlColumn, type SqlMessage, type SqlType, type SqlValue } from '../session';
import { type ByteWriter, cut } from './bytes';
import { defaultCollation } from './collation';
import { serverVersion } from './prelogin';
import { writeTypeInfo, writeValue } from './write-value';

const token = {
  returnStatus: 0x79,
  columns: 0x81,
  error: 0xaa,
  info: 0xab,
  returnValue: 0xac,
  loginAck: 0xad,
  featureExtAck: 0xae,
  row: 0xd1,
  nullBitmapRow: 0xd2,
  environment: 0xe3,
  federatedInfo: 0xee,
  done: 0xfd,
  doneProcedure: 0xfe,
  doneInProcedure: 0xff,
} as const;

/** Longer texts are cut off: SQL Server's own limit, and what clients are prepared to read. */
const maxMessageUnits = 4000;
const maxNameUnits = 128;

export function writeMessage(writer: ByteWriter, message: SqlMessage, server: string): void {
  writer.uint8(message.severity > 10 ? token.error : token.info);
  writer.lengthPrefixed(() => {
    writer.int32(message.number);
    writer.uint8(message.state & 0xff);
    writer.uint8(message.severity);
    writer.longText(cut(message.message, maxMessageUnits));
    writer.shortText(cut(server, maxNameUnits));
    writer.shortText(cut(message.procedure, maxNameUnits));
    writer.uint32(Math.max(0, message.line));
  });
}

export function writeColumns(writer: ByteWriter, columns: readonly SqlColumn[]): void {
  writer.uint8(token.columns);
  writer.uint16(columns.length);
  for (const column of columns) {
    writer.uint32(0); // user type
    const flags = [column.nullable && 0x01, column.identity === true && 0x10, column.computed === true && 0x20];
    const whetherUpdatableIsUnknown = 0x08;
    writer.uint16(flags.reduce<number>((sum, flag) => sum | (flag || 0), whetherUpdatableIsUnknown));
    writeTypeInfo(writer, column.type);
    if (column.type.name === 'text' || column.type.name === 'ntext' || column.type.name === 'image') {
      writer.uint8(1); // parts of the name of the table, which is not told
      writer.longText('');
    }
    writer.shortText(cut(column.name, maxNameUnits));
  }
}

export function writeRow(writer: ByteWriter, columns: readonly SqlColumn[], values: readonly SqlValue[]): void {
  if (values.length !== columns.length)
    throw new Error(`the engine gave ${values.length} values for ${columns.length} columns`);
  const hasNulls = values.includes(null);
  writer.uint8(hasNulls ? token.nullBitmapRow : token.row);
  if (hasNulls) {
    for (let start = 0; start < values.length; start += 8) {
      let bits = 0;
      for (let bit = 0; bit < 8; bit += 1) if (values[start + bit] === null) bits |= 1 << bit;
      writer.uint8(bits);
    }
  }
  columns.forEach((column, index) => {
    const value = values[index] ?? null;
    if (value !== null) writeValue(writer, column.type, value);
  });
}

export type DoneKind = 'batch' | 'procedure' | 'inProcedure';

export interface Done {
  kind: DoneKind;
  /** Something follows in this message. */
  more: boolean;
  failed: boolean;
  inTransaction: boolean;
  rowCount: number | null;
  attention: boolean;
  isSelect: boolean;
}

export function writeDone(writer: ByteWriter, done: Done): void {
  const kinds = { batch: token.done, procedure: token.doneProcedure, inProcedure: token.doneInProcedure };
  writer.uint8(kinds[done.kind]);
  const counted = done.rowCount !== null;
  writer.uint16(
    (done.more ? 0x01 : 0) |
      (done.failed ? 0x02 : 0) |
      (done.inTransaction ? 0x04 : 0) |
      (counted ? 0x10 : 0) |
      (done.attention ? 0x20 : 0),
  );
  writer.uint16(done.isSelect ? 0xc1 : 0);
  writer.uint64(BigInt(done.rowCount ?? 0));
}

export function writeReturnStatus(writer: ByteWriter, value: number): void {
  writer.uint8(token.returnStatus);
  writer.int32(value);
}

export function writeReturnValue(
  writer: ByteWriter,
  parameter: { name: string; type: SqlType; value: SqlValue; ordinal: number },
): void {
  writer.uint8(token.returnValue);
  writer.uint16(parameter.ordinal);
  writer.shortText(cut(parameter.name, maxNameUnits));
  writer.uint8(0x01); // an output parameter, not the value of a function
  writer.uint32(0); // user type
  writer.uint16(0x01); // nullable
  writeTypeInfo(writer, parameter.type);
  writeValue(writer, parameter.type, parameter.value);
}

const environment = {
  database: 1,
  language: 2,
  packetSize: 4,
  collation: 7,
  beginTransaction: 8,
  commitTransaction: 9,
  rollbackTransaction: 10,
  resetConnection: 18,
} as const;

export function writeEnvironmentChange(writer: ByteWriter, change: EnvironmentChange): void {
  if ('from' in change) return writeTextChange(writer, environment[change.kind], change.to, change.from);
  const descriptor = Buffer.alloc(8);
  descriptor.writeBigUInt64LE(BigInt.asUintN(64, change.descriptor));
  const began = change.kind === 'beginTransaction';
  const nothing = Buffer.alloc(0);
  writeByteChange(writer, environment[change.kind], began ? descriptor : nothing, began ? nothing : descriptor);
}

export function writePacketSizeChange(writer: ByteWriter, packetSize: number, before: number): void {
  writeTextChange(writer, environment.packetSize, String(packetSize), String(before));
}

export function writeCollation(writer: ByteWriter): void {
  writeByteChange(writer, environment.collation, defaultCollation, Buffer.alloc(0));
}

export function writeResetDone(writer: ByteWriter): void {
  writeByteChange(writer, environment.resetConnection, Buffer.alloc(0), Buffer.alloc(0));
}

function writeTextChange(writer: ByteWriter, type: number, to: string, from: string): void {
  writer.uint8(token.environment);
  writer.lengthPrefixed(() => {
    writer.uint8(type);
    writer.shortText(to);
    writer.shortText(from);
  });
}

function writeByteChange(writer: ByteWriter, type: number, to: Buffer, from: Buffer): void {
  writer.uint8(token.environment);
  writer.lengthPrefixed(() => {
    writer.uint8(type);
    writer.uint8(to.length);
    writer.bytes(to);
    writer.uint8(from.length);
    writer.bytes(from);
  });
}

/** A name that no client takes for the real one, and the version of the protocol that was agreed on. */
export const programName = 'Sqlfleet SQL stand-in';

export function writeLoginAck(writer: ByteWriter, tdsVersion: number): void {
  writer.uint8(token.loginAck);
  writer.lengthPrefixed(() => {
    writer.uint8(1); // T-SQL
    const version = Buffer.alloc(4);
    version.writeUInt32BE(tdsVersion);
    writer.bytes(version);
    writer.shortText(programName);
    writer.uint8(serverVersion.major);
    writer.uint8(serverVersion.minor);
    writer.uint8(serverVersion.build >> 8);
    writer.uint8(serverVersion.build & 0xff);
  });
}

/** Clients reject the acknowledgement of what they did not ask for, so it is sent only where there is something. */
export function writeFeatureExtAck(writer: ByteWriter, granted: { federated: boolean; utf8: boolean }): void {
  if (!granted.federated && !granted.utf8) return;
  writer.uint8(token.featureExtAck);
  if (granted.federated) {
    writer.uint8(0x02);
    writer.uint32(0);
  }
  if (granted.utf8) {
    writer.uint8(0x0a);
    writer.uint32(1);
    writer.uint8(1);
  }
  writer.uint8(0xff);
}

/** Where a client gets the token that it is to send. */
export function writeFederatedInfo(writer: ByteWriter, info: { stsUrl: string; spn: string }): void {
  const entries = [
    { id: 0x01, data: Buffer.from(info.stsUrl, 'utf16le') },
    { id: 0x02, data: Buffer.from(info.spn, 'utf16le') },
  ];
  let offset = 4 + entries.length * 9;
  writer.uint8(token.federatedInfo);
  writer.uint32(entries.reduce((sum, { data }) => sum + data.length, offset));
  writer.uint32(entries.length);
  for (const { id, data } of entries) {
    writer.uint8(id);
    writer.uint32(data.length);
    writer.uint32(offset);
    offset += data.length;
  }
  for (const { data } of entries) writer.bytes(data);
}
