import { createHash } from 'node:crypto';
import { sha256 } from '../platform/hash';
import { type ProblemList } from '../platform/problems';
import { splitBatches } from './batches';
import { scriptTextHash } from './hashes';
import { type PackageLimits } from './limits';
import { type Script } from './model';
import { tokenizeSql } from './sql-tokens';
import { decodeText, type DecodedText } from '../platform/text-encoding';

/** Everything about a script but its content. */
export type ScriptHead = Omit<Script, 'text' | 'batches' | 'hash' | 'sha256'>;

/** Decodes, splits and hashes a script. What is wrong with it is reported under its file name. */
export function createScript(
  head: ScriptHead,
  bytes: Buffer,
  limits: PackageLimits,
  problems: ProblemList,
  warnings: ProblemList,
): Script {
  const decoded = decodeText(bytes);
  if (typeof decoded === 'string') {
    const message =
      decoded === 'utf32'
        ? 'The script is encoded in UTF-32; use UTF-8 or UTF-16 with a byte order mark.'
        : 'The script contains NUL characters. UTF-16 needs a byte order mark.';
    problems.add('package.script.encoding', message, head.fileName);
    return { ...head, text: '', batches: [], hash: scriptTextHash('', head), sha256: sha256(bytes) };
  }
  reportFaultyCharacters(decoded, head.fileName, problems, warnings);
  const { text } = decoded;
  const reading = splitBatches(text, { stripTransactionText: stripsWhenRun(head), limits });
  for (const { code, message, line } of reading.problems) problems.add(code, message, head.fileName, line);
  for (const { code, message, line } of reading.warnings) warnings.add(code, message, head.fileName, line);
  if (reading.batches.length === 0) {
    warnings.add('package.script.empty', 'The script has nothing to execute.', head.fileName);
  }
  return { ...head, text, batches: reading.batches, hash: scriptTextHash(text, head), sha256: sha256(bytes) };
}

/** Files that define procedures, functions and triggers keep their transaction text, as in the predecessor. */
function stripsWhenRun({ fileName, stripTransactionText }: ScriptHead): boolean {
  return stripTransactionText && !/\.(?:prc|udf|trg)$/i.test(fileName);
}

/** In a comment a wrong character harms nobody; anywhere else the databases would get it. */
function reportFaultyCharacters(
  { text, faultyLines }: DecodedText,
  fileName: string,
  problems: ProblemList,
  warnings: ProblemList,
): void {
  const [line] = faultyLines;
  if (line === undefined) return;
  const message = `Bytes that are not UTF-8 (line ${faultyLines.join(', ')}). Save the script as UTF-8.`;
  for (const token of tokenizeSql(text)) {
    if (token.kind === 'lineComment' || token.kind === 'blockComment') continue;
    if (text.slice(token.start, token.end).includes('\ufffd')) {
      problems.add('package.script.encoding', message, fileName, line);
      return;
    }
  }
  warnings.add('package.script.encoding', message, fileName, line);
}

/** A GUID (version 8 of RFC 9562) that is the same for the same name every time. */
export function scriptIdFor(name: string): string {
  const bytes = createHash('sha256').update(`sqlfleet script ${name}`).digest().subarray(0, 16);
  bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | 0x80, 6);
  bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8);
  const hex = bytes.toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}
