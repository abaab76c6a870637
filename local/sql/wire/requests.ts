import { notSupported, SqlError } from '../errors';
import { type IsolationLevel, type RpcParameter, type SqlRequest, type TransactionOperation } from '../session';
import { type ByteReader, createByteReader, protocolError } from './bytes';
import { type Message, packetType } from './packets';
import { readTypeInfo } from './read-value';

/** The procedures that clients call by number ([MS-TDS] 2.2.6.6). */
const procedureNames: Readonly<Record<number, string>> = {
  1: 'sp_cursor',
  2: 'sp_cursoropen',
  3: 'sp_cursorprepare',
  4: 'sp_cursorexecute',
  5: 'sp_cursorprepexec',
  6: 'sp_cursorunprepare',
  7: 'sp_cursorfetch',
  8: 'sp_cursoroption',
  9: 'sp_cursorclose',
  10: 'sp_executesql',
  11: 'sp_prepare',
  12: 'sp_execute',
  13: 'sp_prepexec',
  14: 'sp_prepexecrpc',
  15: 'sp_unprepare',
};

/**
 * What a message asks for; several procedure calls may travel in one.
 *
 * @throws a protocol error for bytes that mean nothing, a refusal by name for what is not supported.
 */
export function readRequests(message: Message): SqlRequest[] {
  const reader = createByteReader(message.payload);
  switch (message.type) {
    case packetType.batch:
      skipHeaders(reader);
      if (reader.remaining % 2 !== 0) throw protocolError('the text of a batch has half a character');
      return [{ kind: 'batch', text: reader.text(reader.remaining / 2) }];
    case packetType.rpc:
      skipHeaders(reader);
      return readCalls(reader);
    case packetType.transaction:
      skipHeaders(reader);
      return readTransactionRequest(reader).map((operation) => ({ kind: 'transaction', operation }));
    case packetType.bulkLoad:
      throw notSupported('bulk load');
    default:
      throw protocolError(`a message of type ${message.type} does not belong here`);
  }
}

/** ALL_HEADERS: nothing in them matters without MARS and query notifications. */
function skipHeaders(reader: ByteReader): void {
  const total = reader.uint32();
  if (total < 4) throw protocolError(`the headers of a request state a length of ${total}`);
  const headers = createByteReader(reader.bytes(total - 4));
  while (headers.remaining > 0) {
    const length = headers.uint32();
    if (length < 6) throw protocolError(`a header of a request states a length of ${length}`);
    if (headers.uint16() === 1) throw notSupported('query notifications');
    headers.bytes(length - 6);
  }
}

/** Between two calls of one message. */
const callSeparators: readonly number[] = [0x80, 0xff, 0xfe];

/** SQL Server's own limit. */
const maxParameters = 2100;
const maxCalls = 10_000;

const tooManyParameters = (): SqlError =>
  new SqlError(
    8003,
    `The incoming request has too many parameters. The server supports a maximum of ${maxParameters} parameters. ` +
      'Reduce the number of parameters and resend the request.',
  );

function readCalls(reader: ByteReader): SqlRequest[] {
  const requests: SqlRequest[] = [];
  while (reader.remaining > 0) {
    const name = readProcedureName(reader);
    reader.uint16(); // options: none changes what is done
    const parameters: RpcParameter[] = [];
    while (reader.remaining > 0) {
      const nameLength = reader.uint8();
      if (callSeparators.includes(nameLength)) break;
      if (parameters.length === maxParameters) throw tooManyParameters();
      parameters.push(readParameter(reader, nameLength));
    }
    if (requests.length === maxCalls) throw protocolError(`a message has more than ${maxCalls} calls`);
    requests.push({ kind: 'procedure', name, parameters });
  }
  if (requests.length === 0) throw protocolError('a procedure call names no procedure');
  return requests;
}

function readProcedureName(reader: ByteReader): string {
  const length = reader.uint16();
  if (length !== 0xffff) return reader.text(length);
  const id = reader.uint16();
  const name = procedureNames[id];
  if (name === undefined) throw protocolError(`there is no procedure with the number ${id}`);
  return name;
}

const parameterFlag = { byReference: 0x01, useDefault: 0x02, encrypted: 0x08 } as const;

function readParameter(reader: ByteReader, nameLength: number): RpcParameter {
  const name = reader.text(nameLength);
  const flags = reader.uint8();
  if ((flags & parameterFlag.encrypted) !== 0) throw notSupported('encrypted parameters (Always Encrypted)');
  const info = readTypeInfo(reader);
  return {
    name,
    type: info.type,
    value: info.read(reader),
    output: (flags & parameterFlag.byReference) !== 0,
    useDefault: (flags & parameterFlag.useDefault) !== 0,
  };
}

const transactionRequest = { begin: 5, commit: 7, rollback: 8, save: 9 } as const;
const isolationLevels: readonly (IsolationLevel | null)[] = [
  null,
  'readUncommitted',
  'readCommitted',
  'repeatableRead',
  'serializable',
  'snapshot',
];

/** [MS-TDS] 2.2.6.9. A commit or rollback may ask for the next transaction to begin at once. */
function readTransactionRequest(reader: ByteReader): TransactionOperation[] {
  const type = reader.uint16();
  switch (type) {
    case transactionRequest.begin:
      return [readBegin(reader)];
    case transactionRequest.save:
      return [{ kind: 'save', name: readName(reader) }];
    case transactionRequest.commit:
    case transactionRequest.rollback: {
      const kind = type === transactionRequest.commit ? 'commit' : 'rollback';
      const operation: TransactionOperation = { kind, name: readName(reader) };
      const beginsNext = (reader.uint8() & 0x01) !== 0;
      return beginsNext ? [operation, readBegin(reader)] : [operation];
    }
    default:
      throw notSupported('distributed transactions');
  }
}

function readBegin(reader: ByteReader): TransactionOperation {
  const isolation = isolationLevels[reader.uint8()];
  if (isolation === undefined) throw protocolError('an isolation level is unknown');
  return { kind: 'begin', isolation, name: readName(reader) };
}

function readName(reader: ByteReader): string {
  return reader.bytes(reader.uint8()).toString('utf16le');
}
