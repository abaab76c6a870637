/**
 * The lexical level of T-SQL: just enough to know what is code and what is a string, a comment or a quoted name.
 * https://learn.microsoft.com/sql/t-sql/language-elements/comments-transact-sql (block comments nest)
 */

export type SqlTokenKind =
  | 'blank'
  | 'newline'
  | 'lineComment'
  | 'blockComment'
  | 'string'
  | 'bracketedName'
  | 'quotedName'
  | 'word'
  | 'number'
  | 'symbol';

/** A slice of the text. Tokens follow one another without gaps, so that joined they are the text again. */
export interface SqlToken {
  kind: SqlTokenKind;
  /** Offsets into the text; `end` is exclusive. */
  start: number;
  end: number;
  /** 1-based line of `start`. */
  line: number;
  /** false: the text ended inside this string, comment or quoted name. */
  terminated: boolean;
  /** Only blanks and comments precede it on its line, the last line of a comment included. */
  firstOnLine: boolean;
}

const carriageReturn = 0x0d;
const lineFeed = 0x0a;

/** Cuts `text` into tokens. Never fails: whatever it does not know is a symbol of one character. */
export function tokenizeSql(text: string): Generator<SqlToken, void, undefined> {
  return tokensFrom(text, 0, 1, true);
}

/** The tokens behind `token`, trivia left out: for looking ahead. */
export function* codeAfter(text: string, token: SqlToken): Generator<SqlToken, void, undefined> {
  for (const next of tokensFrom(text, token.end, token.line, false)) if (!isTrivia(next)) yield next;
}

function* tokensFrom(
  text: string,
  begin: number,
  beginLine: number,
  beginsLine: boolean,
): Generator<SqlToken, void, undefined> {
  let position = begin;
  let line = beginLine;
  let firstOnLine = beginsLine;
  while (position < text.length) {
    const start = position;
    const { kind, end, terminated } = readToken(text, start);
    position = end;
    yield { kind, start, end, line, terminated, firstOnLine };

    const lines = kind === 'newline' ? 1 : canSpanLines(kind) ? countNewlines(text, start, end) : 0;
    line += lines;
    if (kind === 'newline' || (kind === 'blockComment' && lines > 0)) firstOnLine = true;
    else if (kind !== 'blank' && kind !== 'blockComment' && kind !== 'lineComment') firstOnLine = false;
  }
}

/** Blanks, line ends and comments: what the server skips. */
export function isTrivia(token: SqlToken): boolean {
  switch (token.kind) {
    case 'blank':
    case 'newline':
    case 'lineComment':
    case 'blockComment':
      return true;
    default:
      return false;
  }
}

/** Upper-case text of a word, number or symbol; '' for strings, comments and quoted names, which are never keywords. */
export function keywordOf(text: string, token: SqlToken | undefined): string {
  if (token?.kind !== 'word' && token?.kind !== 'symbol' && token?.kind !== 'number') return '';
  return text.slice(token.start, token.end).toUpperCase();
}

interface Lexeme {
  kind: SqlTokenKind;
  end: number;
  terminated: boolean;
}

function readToken(text: string, start: number): Lexeme {
  const code = text.charCodeAt(start);
  const next = text.charCodeAt(start + 1);
  if (code === carriageReturn) return complete('newline', next === lineFeed ? start + 2 : start + 1);
  if (code === lineFeed) return complete('newline', start + 1);
  if (isBlank(code)) return complete('blank', skip(text, start + 1, isBlank));
  if (code === 0x2d /* - */ && next === 0x2d) return complete('lineComment', skip(text, start + 2, isNotLineEnd));
  if (code === 0x2f /* / */ && next === 0x2a /* * */) return readBlockComment(text, start);
  if (code === 0x27 /* ' */) return readQuoted(text, start, 'string', "'");
  if (code === 0x5b /* [ */) return readQuoted(text, start, 'bracketedName', ']');
  if (code === 0x22 /* " */) return readQuoted(text, start, 'quotedName', '"');
  if (isDigit(code)) return complete('number', skip(text, start + 1, isDigit));
  if (isWordCharacter(code)) return complete('word', skip(text, start + 1, isWordCharacter));
  return complete('symbol', start + 1);
}

function complete(kind: SqlTokenKind, end: number): Lexeme {
  return { kind, end, terminated: true };
}

/** A doubled closing character stands for itself. */
function readQuoted(text: string, start: number, kind: SqlTokenKind, closing: string): Lexeme {
  let position = start + 1;
  for (;;) {
    const found = text.indexOf(closing, position);
    if (found === -1) return { kind, end: text.length, terminated: false };
    if (text[found + 1] !== closing) return complete(kind, found + 1);
    position = found + 2;
  }
}

/** Looks for the next opening and closing mark only when it has passed the last one: a flood of openings stays linear. */
function readBlockComment(text: string, start: number): Lexeme {
  let depth = 1;
  let position = start + 2;
  let open = -1;
  let close = -1;
  while (depth > 0) {
    if (close < position) close = text.indexOf('*/', position);
    if (close === -1) return { kind: 'blockComment', end: text.length, terminated: false };
    if (open < position) {
      open = text.indexOf('/*', position);
      if (open === -1) open = text.length;
    }
    depth += open < close ? 1 : -1;
    position = Math.min(open, close) + 2;
  }
  return complete('blockComment', position);
}

function skip(text: string, from: number, belongs: (code: number) => boolean): number {
  let position = from;
  while (position < text.length && belongs(text.charCodeAt(position))) position += 1;
  return position;
}

function canSpanLines(kind: SqlTokenKind): boolean {
  return kind === 'blockComment' || kind === 'string' || kind === 'bracketedName' || kind === 'quotedName';
}

function countNewlines(text: string, start: number, end: number): number {
  let count = 0;
  for (let position = start; position < end; position += 1) {
    const code = text.charCodeAt(position);
    const isSecondOfPair = code === lineFeed && position > start && text.charCodeAt(position - 1) === carriageReturn;
    if ((code === lineFeed && !isSecondOfPair) || code === carriageReturn) count += 1;
  }
  return count;
}

function isNotLineEnd(code: number): boolean {
  return code !== carriageReturn && code !== lineFeed;
}

function isDigit(code: number): boolean {
  return code >= 0x30 && code <= 0x39;
}

/** Control characters and Unicode spaces, line ends excepted. */
function isBlank(code: number): boolean {
  if (code <= 0x20) return isNotLineEnd(code);
  if (code < 0x80) return code === 0x7f;
  return (
    code <= 0xa0 ||
    code === 0x1680 ||
    (code >= 0x2000 && code <= 0x200b) ||
    code === 0x2028 ||
    code === 0x2029 ||
    code === 0x202f ||
    code === 0x205f ||
    code === 0x3000 ||
    code === 0xfeff
  );
}

function isWordCharacter(code: number): boolean {
  return (
    (code >= 0x61 && code <= 0x7a) ||
    (code >= 0x41 && code <= 0x5a) ||
    isDigit(code) ||
    code === 0x5f /* _ */ ||
    code === 0x40 /* @ */ ||
    code === 0x23 /* # */ ||
    code === 0x24 /* $ */ ||
    (code > 0xa0 && !isBlank(code))
  );
}
