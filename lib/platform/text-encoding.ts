/** A file's bytes as text, the way .NET reads it: a byte order mark decides, without one it is UTF-8. */
export interface DecodedText {
  /** Without byte order mark. Bytes that mean nothing in the encoding become U+FFFD, one per faulty sequence. */
  text: string;
  /** 1-based lines that hold such bytes; empty for a clean file. At most a few are named. */
  faultyLines: number[];
}

/** Reasons why bytes are not text at all. */
export type UnreadableText = 'utf32' | 'nul';

const faultyLinesNamed = 5;

export function decodeText(bytes: Uint8Array): DecodedText | UnreadableText {
  if (startsWith(bytes, [0xff, 0xfe, 0, 0]) || startsWith(bytes, [0, 0, 0xfe, 0xff])) return 'utf32';
  const text = new TextDecoder(encodingOf(bytes)).decode(bytes);
  if (text.includes('\0')) return 'nul';
  return { text, faultyLines: text.includes('\ufffd') ? faultyLines(text, bytes) : [] };
}

function encodingOf(bytes: Uint8Array): 'utf-8' | 'utf-16le' | 'utf-16be' {
  if (startsWith(bytes, [0xff, 0xfe])) return 'utf-16le';
  return startsWith(bytes, [0xfe, 0xff]) ? 'utf-16be' : 'utf-8';
}

/** U+FFFD may also have been written on purpose; then the bytes are clean. */
function faultyLines(text: string, bytes: Uint8Array): number[] {
  try {
    new TextDecoder(encodingOf(bytes), { fatal: true }).decode(bytes);
    return [];
  } catch {
    const lines: number[] = [];
    for (const [index, line] of text.split(/\r\n|\r|\n/).entries()) {
      if (line.includes('\ufffd') && lines.push(index + 1) === faultyLinesNamed) break;
    }
    return lines;
  }
}

function startsWith(bytes: Uint8Array, prefix: readonly number[]): boolean {
  return prefix.every((byte, index) => bytes[index] === byte);
}
