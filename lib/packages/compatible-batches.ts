/**
 * Batch splitting exactly as SQL Build Manager does it, oddities included: its hashes are taken over these batches, and
 * both tools must find the same hash in `SqlBuild_Logging`. Never used for execution. docs/packages.md lists how it
 * differs from `splitBatches`.
 */
export function splitCompatibleBatches(script: string, options: { stripTransactionText: boolean }): string[] {
  const text = script.replace(/(?<!\r)\n/g, '\r\n');
  const delimiters = liveDelimiters(text);
  if (delimiters.length === 0) return [withoutTrailingNewline(text)];

  const batches: string[] = [];
  let start = 0;
  for (const delimiter of delimiters) {
    if (hasNewlineBefore(text, delimiter.index)) {
      batches.push(withoutTrailing(text.slice(skipNewlineAt(text, start), delimiter.index), isSpaceOrTab));
      start = delimiter.index + delimiter.length;
    } else {
      batches.push(text.slice(start, delimiter.index));
      start = delimiter.endOfLine + 2;
    }
  }
  const rest = hasNewlineBefore(text, start) ? text.slice(skipNewlineAt(text, start)) : text.slice(start);
  if (trimmed(rest) !== '') batches.push(withoutTrailingNewline(rest));

  if (/GO$/i.test(trimmed(text))) batches.push(withoutTrailingNewline(batches.pop() ?? ''));
  return batches
    .map((batch) => (options.stripTransactionText ? removeCompatibleTransactionText(batch) : batch))
    .map(removeUse)
    .filter((batch) => batch !== '');
}

/** The words of transactions, removed wherever they do not begin inside a comment; strings are not respected. */
export function removeCompatibleTransactionText(text: string): string {
  return removeOutsideComments(text, transactionWords);
}

/** Whether the predecessor takes the character at `index` for part of a comment. */
export function isInCompatibleComment(text: string, index: number): boolean {
  return commentTest(text)(index);
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

function liveDelimiters(text: string): Delimiter[] {
  const isComment = commentTest(text);
  const live: Delimiter[] = [];
  for (const { index, 0: found } of text.matchAll(candidatePattern)) {
    if (isComment(index)) continue;
    const end = index + found.length;
    if (end === text.length) {
      live.push({ index, length: found.length, endOfLine: -1 });
      continue;
    }
    const endOfLine = text.indexOf('\r\n', end);
    const isAlone = endOfLine === -1 || !notWhiteSpace.test(text.slice(end, endOfLine));
    if (isAlone) live.push({ index, length: found.length, endOfLine: Math.max(0, endOfLine) });
  }
  return live;
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

function trimmed(text: string): string {
  const start = text.search(notWhiteSpace);
  return start === -1 ? '' : withoutTrailing(text.slice(start), isWhiteSpace);
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
  const isComment = commentTest(text);
  return text.replace(pattern, (found: string, index: number) => (isComment(index) ? found : ''));
}

/**
 * Comments as the predecessor sees them: `--` needs a line feed to end it, block comments do not nest, hold at least one
 * character and need an end, and the character behind a block comment still counts as inside.
 */
function commentTest(text: string): (index: number) => boolean {
  const spans = [...lineComments(text), ...blockComments(text)].sort((a, b) => a.start - b.start);
  let furthest = 0;
  const reach = spans.map(({ end }) => (furthest = Math.max(furthest, end)));
  return (index) => {
    const before = firstNotBelow(spans, index);
    return before > 0 && index < (reach[before - 1] ?? 0);
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

/** Number of spans that start before `index`. */
function firstNotBelow(spans: readonly Span[], index: number): number {
  let low = 0;
  let high = spans.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((spans[middle]?.start ?? 0) < index) low = middle + 1;
    else high = middle;
  }
  return low;
}
