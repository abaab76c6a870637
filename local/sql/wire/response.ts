import { type Duplex } from 'node:stream';
import { type ResponseSink, type SqlColumn, type SqlMessage } from '../session';
import { type ByteWriter, createByteWriter } from './bytes';
import { headerLength, packetStatus, packetType, writeHeader } from './packets';
import {
  type Done,
  writeColumns,
  writeDone,
  writeEnvironmentChange,
  writeMessage,
  writeResetDone,
  writeReturnStatus,
  writeReturnValue,
  writeRow,
} from './tokens';

export interface RequestSink extends ResponseSink {
  /** An error of severity 20 or more was written: the connection ends with this response. */
  readonly fatal: boolean;
  /** Ends the request's response; `more`: that of another request follows in the same message. */
  finish(end: { more: boolean }): void;
}

/** The response side of one connection: tokens in, packets out. */
export interface ResponseStream {
  /** What the engine writes a request's response to. */
  sink(kind: 'batch' | 'procedure'): RequestSink;
  /** Acknowledges sp_reset_connection, which ends a transaction without further words. */
  connectionReset(): void;
  /** Tokens that the connection writes by itself, outside of a request's response. */
  write(tokens: (writer: ByteWriter) => void): void;
  /** Ends the message: everything that is still held goes out in one write. */
  endMessage(): void;
  setPacketSize(packetSize: number): void;
}

/** Rows are collected up to this size, so that a result is few writes and no heap of memory. */
const flushBytes = 32 * 1024;

export function createResponseStream(stream: Duplex, server: string, initialPacketSize: number): ResponseStream {
  const writer = createByteWriter();
  let packetSize = initialPacketSize;
  let packetId = 0;
  let inTransaction = false;

  /** Sends whole packets, at the end of the message the rest too. Returns whether the client keeps up. */
  const flush = (end: boolean): boolean => {
    const payloadLength = packetSize - headerLength;
    const whole = Math.floor(writer.length / payloadLength);
    const rest = writer.length - whole * payloadLength;
    // The last packet carries the end mark, so a message that fills its packets exactly keeps one back until then.
    const withRest = end && (rest > 0 || whole === 0);
    const packets = withRest ? whole + 1 : end || rest > 0 ? whole : whole - 1;
    if (packets <= 0) return true;
    const lengths = Array.from({ length: packets }, (_, index) =>
      withRest && index === packets - 1 ? rest : payloadLength,
    );
    const output = Buffer.allocUnsafe(lengths.reduce((sum, length) => sum + length + headerLength, 0));
    let offset = 0;
    lengths.forEach((length, index) => {
      packetId += 1;
      const status = end && index === packets - 1 ? packetStatus.endOfMessage : 0;
      writeHeader(output, offset, packetType.response, status, length + headerLength, packetId);
      writer.takeInto(output, offset + headerLength, length);
      offset += length + headerLength;
    });
    if (end) packetId = 0;
    return stream.destroyed || stream.write(output);
  };

  const drained = (): Promise<void> =>
    new Promise((resolve) => {
      const done = (): void => {
        stream.off('drain', done);
        stream.off('close', done);
        resolve();
      };
      stream.on('drain', done);
      stream.on('close', done);
    });

  const createSink = (kind: 'batch' | 'procedure'): RequestSink => {
    let columns: readonly SqlColumn[] = [];
    /** The last DONE must not say that more follows, so each one waits for what comes after it. */
    let held: Omit<Done, 'more' | 'inTransaction'> | null = null;
    let errorSinceDone = false;
    let statusSinceDone = false;
    let fatal = false;

    const release = (more: boolean): void => {
      if (held !== null) writeDone(writer, { ...held, more, inTransaction });
      held = null;
    };
    return {
      get fatal() {
        return fatal;
      },
      columns: (announced) => {
        release(true);
        columns = announced;
        writeColumns(writer, announced);
      },
      row: (values) => {
        const before = writer.length;
        try {
          writeRow(writer, columns, values);
        } catch (error) {
          writer.truncate(before); // so that the message which says so can still be read
          throw error;
        }
        if (writer.length < flushBytes || flush(false)) return;
        return drained();
      },
      done: (statement) => {
        release(true);
        // A return status in a batch belongs to an EXEC, which ends with the procedure's own DONE.
        const own = statusSinceDone ? 'procedure' : 'batch';
        held = {
          kind: kind === 'procedure' || statement.inProcedure ? 'inProcedure' : own,
          failed: statement.failed || errorSinceDone,
          rowCount: statement.rowCount,
          isSelect: statement.isSelect,
          attention: false,
        };
        errorSinceDone = false;
        statusSinceDone = false;
      },
      message: (message: SqlMessage) => {
        release(true);
        if (message.severity > 10) errorSinceDone = true;
        if (message.severity >= 20) fatal = true;
        writeMessage(writer, message, server);
      },
      environment: (change) => {
        release(true);
        if (change.kind === 'beginTransaction') inTransaction = true;
        if (change.kind === 'commitTransaction' || change.kind === 'rollbackTransaction') inTransaction = false;
        writeEnvironmentChange(writer, change);
      },
      returnStatus: (value) => {
        release(true);
        statusSinceDone = true;
        writeReturnStatus(writer, value);
      },
      returnValue: (parameter) => {
        release(true);
        writeReturnValue(writer, parameter);
      },
      finish: ({ more }) => {
        const nothingHeld = held === null;
        release(kind === 'procedure' || more);
        if (!nothingHeld && kind !== 'procedure') return;
        writeDone(writer, {
          kind: kind === 'procedure' || statusSinceDone ? 'procedure' : 'batch',
          more,
          failed: errorSinceDone,
          inTransaction,
          rowCount: null,
          attention: false,
          isSelect: false,
        });
      },
    };
  };

  return {
    sink: createSink,
    connectionReset: () => {
      inTransaction = false;
      writeResetDone(writer);
    },
    write: (tokens) => tokens(writer),
    endMessage: () => void flush(true),
    setPacketSize: (changed) => {
      packetSize = changed;
    },
  };
}

/** The second message of an answer to attention; the first one closed the response that was cut short. */
export function writeAttentionDone(writer: ByteWriter): void {
  writeDone(writer, {
    kind: 'batch',
    more: false,
    failed: false,
    inTransaction: false,
    rowCount: null,
    attention: true,
    isSelect: false,
  });
}
