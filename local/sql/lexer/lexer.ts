import { sqlError } from '../errors';

export type TokenKind =
  | 'word'
  | 'quoted'
  | 'variable'
  | 'string'
  | 'nstring'
  | 'int'
  | 'decimal'
  | 'float'
  | 'money'
  | 'binary'
  | 'operator'
  | 'end';

export interface Token {
  kind: TokenKind;
  /** Unescaped value: a name without its brackets, a string without its quotes. */
  text: string;
  /** `text` in upper case for words, else as `text`: what the parser compares keywords with. */
  upper: string;
  line: number;
  /** Offsets in the source, for modules and defaults whose text is kept. */
  start: number;
  end: number;
}

export interface LexerOptions {
  /** SET QUOTED_IDENTIFIER: whether "x" is a name or a string. */
  quotedIdentifier: boolean;
}

const wordStart = /[\p{L}_#$]/u;
const wordPart = /[\p{L}\p{N}_@#$\u200c\u200d]/u;
const twoCharacterOperators = new Set(`<> <= >= != !< !> += -= *= /= %= &= |= ^= ::`.split(' '));
const number = /0[xX](?:[0-9a-fA-F]|\\\r?\n)*|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d*)?/y;
const money = /[$€£¥]\s*[+-]?(?:\d[\d,]*\.?\d*|\.\d+)/y;

/**
 * Splits a batch into tokens, without comments (T-SQL's block comments nest).
 *
 * @throws SqlError 105 for a string without end, 113 for a comment without end, 102 for a foreign character.
 */
export function tokenize(source: string, options: LexerOptions): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  let line = 1;

  const push = (kind: TokenKind, text: string, start: number, startLine: number): void => {
    tokens.push({ kind, text, upper: kind === 'word' ? text.toUpperCase() : text, line: startLine, start, end: at });
  };

  /** Reads up to the closing character; doubled, it stands for itself. */
  const delimited = (close: string): string => {
    const start = at;
    const startLine = line;
    at++;
    let text = '';
    for (;;) {
      const next = source.indexOf(close, at);
      if (next < 0) {
        const rest = source.slice(start + 1).slice(0, 128);
        const followedBy = { number: 102, message: `Incorrect syntax near '${rest}'.`, state: 1 };
        throw sqlError(105, [rest], { line: startLine, followedBy });
      }
      text += source.slice(at, next);
      at = next + 1;
      if (source[at] !== close) break;
      text += close;
      at++;
    }
    for (const character of text) if (character === '\n') line++;
    return text;
  };

  const blockComment = (): void => {
    let depth = 0;
    do {
      if (source.startsWith('/*', at)) {
        depth++;
        at += 2;
      } else if (source.startsWith('*/', at)) {
        depth--;
        at += 2;
      } else if (at >= source.length) {
        throw sqlError(113, [], { line });
      } else if (source[at++] === '\n') line++;
    } while (depth > 0);
  };

  while (at < source.length) {
    const character = source[at] ?? '';
    const start = at;
    const startLine = line;
    if (character === '\n') {
      line++;
      at++;
    } else if (/\s|\ufeff|\0/.test(character)) at++;
    else if (source.startsWith('--', at)) {
      const end = source.indexOf('\n', at);
      at = end < 0 ? source.length : end;
    } else if (source.startsWith('/*', at)) blockComment();
    else if (character === "'") push('string', delimited("'"), start, startLine);
    else if ((character === 'N' || character === 'n') && source[at + 1] === "'") {
      at++;
      push('nstring', delimited("'"), start, startLine);
    } else if (character === '[') push('quoted', delimited(']'), start, startLine);
    else if (character === '"') {
      const text = delimited('"');
      push(options.quotedIdentifier ? 'quoted' : 'string', text, start, startLine);
    } else if (/\d/.test(character) || (character === '.' && /\d/.test(source[at + 1] ?? ''))) {
      number.lastIndex = at;
      const text = number.exec(source)?.[0] ?? character;
      at += text.length;
      push(numberKind(text), text, start, startLine);
    } else if (character === '@') {
      at++;
      while (wordPart.test(source[at] ?? '')) at++;
      push('variable', source.slice(start, at).toLowerCase(), start, startLine);
    } else {
      money.lastIndex = at;
      const amount = money.exec(source)?.[0];
      if (amount !== undefined) {
        at += amount.length;
        push('money', amount.replace(/[^\d.+-]/g, ''), start, startLine);
      } else if (wordStart.test(character)) {
        while (wordPart.test(source[at] ?? '')) at++;
        push('word', source.slice(start, at), start, startLine);
      } else if (twoCharacterOperators.has(source.slice(at, at + 2))) {
        at += 2;
        push('operator', source.slice(start, at), start, startLine);
      } else if ('+-*/%&|^~=<>!().,;:'.includes(character)) {
        at++;
        push('operator', character, start, startLine);
      } else {
        throw sqlError(102, [character], { line });
      }
    }
  }
  push('end', '', at, line);
  return tokens;
}

function numberKind(text: string): TokenKind {
  if (/^0x/i.test(text)) return 'binary';
  if (/e/i.test(text)) return 'float';
  return text.includes('.') ? 'decimal' : 'int';
}
