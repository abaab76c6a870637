import { replaceNewlines } from './newlines';

/**
 * Batch splitting exactly as SQL Build Manager does it, oddities included: its hashes are taken over these batches, and
 * both tools must find the same hash in `SqlBuild_Logging`. Never used for execution. docs/packages.md lists how it
 * differs from `splitBatches`.
 */
export function splitCompatibleBatches(script: string, options: { stripTransactionText: boolean }): string[] {
  return [...compatibleBatches(script, options)];
}

/** The same one by one, for hashing: a script that is nothing but separators has millions of them. */
export function* compatibleBatches(script: string, options: { stripTransactionText: boolean }): Generator<string> {
  const text = replaceNewlines(script, /(?<!\r)\n/, '\r\n');
  const isSplit = !liveDelimiters(text).next().done;
  if (!isSplit) {
    yield withoutTrailingNewline(text);
    return;
  }
  for (const raw of rawBatches(text)) {
    const batch = removeUse(options.stripTransactionText ? removeCompatibleTransactionText(raw) : raw);
    if (batch !== '') yield batch;
  }
}

function* rawBatches(text: string): Generator<string> {
  let start = 0;
  let held: string | null = null; // the last batch is treated on its own, so each waits for the next
  for (const delimiter of liveDelimiters(text)) {
    if (held !== null) yield held;
    if (hasNewlineBefore(text, delimiter.index)) {
      held = withoutTrailing(text.slice(skipNewlineAt(text, start), delimiter.index), isSpaceOrTab);
      start = delimiter.index + delimiter.length;
    } else {
      held = text.slice(start, delimiter.index);
      start = delimiter.endOfLine + 2;
    }
  }
  const rest = hasNewlineBefore(text, start) ? text.slice(skipNewlineAt(text, start)) : text.slice(start);
  let last = held ?? '';
  if (notWhiteSpace.test(rest)) {
    yield last;
    last = withoutTrailingNewline(rest);
  }
  const endsWithGo = /GO$/i.test(withoutTrailing(text, isWhiteSpace));
  yield endsWithGo ? withoutTrailingNewline(last) : last;
}

/** The words of transactions, removed wherever they do not begin inside a comment; strings are not respected. */
export function removeCompatibleTransactionText(text: string): string {
  return removeOutsideComments(text, transactionWords);
}

/** Whether the predecessor takes the character at `index` for part of a comment. */
export function isInCompatibleComment(text: string, index: number): boolean {
  return commentCursor(text)(index);
}

interface Delimiter {
  index: number;
  length: number;
  /** Offset of the line end behind it; 0 when there is none, -1 when the text ends with the delimiter. */
  endOfLine: number;
}

// Only spaces may precede GO, and only a line feed begins a line.
const candidatePattern = /(?<=^|\n) *GO */gi;
// What .NET takes for white space differs from what JavaScript does: the byte order mark, the "next line" control.
const notWhiteSpace = /[^\f\n\r\t\v\x85\p{Z}]/u;

function* liveDelimiters(text: string): Generator<Delimiter> {
  const isComment = commentCursor(text);
  for (const { index, 0: found } of text.matchAll(candidatePattern)) {
    if (isComment(index)) continue;
    const end = index + found.length;
    const endOfLine = text.indexOf('\r\n', end);
    if (end === text.length) {
      yield { index, length: found.length, endOfLine: -1 };
    } else if (endOfLine === -1 || !notWhiteSpace.test(text.slice(end, endOfLine))) {
      yield { index, length: found.length, endOfLine: Math.max(0, endOfLine) };
    }
  }
}

/** A line end somewhere before `index`, one at the very beginning of the text not counted. */
function hasNewlineBefore(text: string, index: number): boolean {
  return index >= 2 && text.lastIndexOf('\r\n', index - 2) > 0;
}

/** Steps over two characters, taken for the line end behind a GO, unless the line end is already behind us. */
function skipNewlineAt(text: string, start: number): number {
  if (start === 0 || (start >= 2 && text.slice(start - 2, start) === '\r\n')) return start;
  return start + 2;
}

function withoutTrailingNewline(text: string): string {
  return text.replace(/\r?\n$/, '');
}

/** Not a regular expression: `[ ]+$` takes quadratic time on long runs of blanks that are not at the end. */
function withoutTrailing(text: string, isTrailing: (character: string) => boolean): string {
  let end = text.length;
  while (end > 0 && isTrailing(text.charAt(end - 1))) end -= 1;
  return text.slice(0, end);
}

function isSpaceOrTab(character: string): boolean {
  return character === ' ' || character === '\t';
}

function isWhiteSpace(character: string): boolean {
  return !notWhiteSpace.test(character);
}

const wordStart = '(?<![\\p{L}\\p{Mn}\\p{Nd}\\p{Pc}])';
const wordEnd = '(?![\\p{L}\\p{Mn}\\p{Nd}\\p{Pc}])';
// Longest first: alternation takes the first that fits.
const transactionWords = new RegExp(
  `${wordStart}(?:SET TRANSACTION ISOLATION LEVEL SERIALIZABLE|(?:BEGIN|ROLLBACK|COMMIT) TRANSACTION|(?:BEGIN|ROLLBACK|COMMIT) TRAN|COMMIT)${wordEnd}`,
  'giu',
);
const useStatement = /(?<=^|\n) *USE +\S+ */gi;

function removeUse(text: string): string {
  return removeOutsideComments(text, useStatement);
}

function removeOutsideComments(text: string, pattern: RegExp): string {
  const isComment = commentCursor(text);
  return text.replace(pattern, (found: string, index: number) => (isComment(index) ? found : ''));
}

/**
 * Comments as the predecessor sees them: `--` needs a line feed to end it, block comments do not nest, hold at least one
 * character and need an end, and the character behind a block comment still counts as inside.
 *
 * @returns whether an offset is in a comment; to be asked for ascending offsets
 */
function commentCursor(text: string): (index: number) => boolean {
  const sources = [lineComments(text), blockComments(text)].map((comments) => ({ comments, next: comments.next() }));
  let furthest = 0;
  return (index) => {
    for (const source of sources) {
      while (!source.next.done && source.next.value.start < index) {
        furthest = Math.max(furthest, source.next.value.end);
        source.next = source.comments.next();
      }
    }
    return index < furthest;
  };
}

interface Span {
  start: number;
  /** Exclusive. */
  end: number;
}

function* lineComments(text: string): Generator<Span> {
  let start = text.indexOf('--');
  while (start !== -1) {
    const newline = text.indexOf('\n', start);
    if (newline === -1) return;
    yield { start, end: newline + 1 };
    start = text.indexOf('--', newline + 1);
  }
}

function* blockComments(text: string): Generator<Span> {
  let start = text.indexOf('/*');
  while (start !== -1) {
    const close = text.indexOf('*/', start + 3);
    if (close === -1) return;
    yield { start, end: close + 3 };
    start = text.indexOf('/*', close + 2);
  }
}
