import { notSupported, SqlError, sqlError } from '../errors';
import { type Token } from '../lexer/lexer';
import { type Path, type Query, type Statement } from './ast';
import { reservedWords } from './reserved-words';

/** Parsing position in a token list, with the few questions that all parts of the grammar ask. */
export interface Cursor {
  readonly source: string;
  peek(offset?: number): Token;
  next(): Token;
  /** Whether the next tokens are these keywords or operators. */
  is(...words: string[]): boolean;
  /** Consumes them if so. */
  accept(...words: string[]): boolean;
  /** Consumes the first of these that is next. */
  acceptOne<T extends string>(words: readonly T[]): T | null;
  expect(...words: string[]): void;
  /** An identifier: quoted, or a word that is not reserved. */
  name(): string;
  isName(offset?: number): boolean;
  path(): Path;
  list<T>(item: () => T): T[];
  /** `( item, item )` */
  parenthesized<T>(item: () => T): T[];
  /** Runs a parse that may turn out wrong; undefined and back at the start when it was. */
  attempt<T>(parse: () => T): T | undefined;
  integer(): number;
  /** Source between two tokens' offsets, without the outer blanks. */
  textFrom(start: number): string;
  fail(token?: Token): never;
  unsupported(construct: string): never;
  /** The grammar's entry points for what nests in both directions. */
  grammar: { query(cursor: Cursor): Query; statements(cursor: Cursor): Statement[] };
}

export function createCursor(source: string, tokens: readonly Token[], grammar: Cursor['grammar']): Cursor {
  let at = 0;
  const end: Token = { kind: 'end', text: '', upper: '', line: 1, start: source.length, end: source.length };
  const peek = (offset = 0): Token => tokens[Math.min(at + offset, tokens.length - 1)] ?? end;
  const matches = (token: Token, word: string): boolean =>
    (token.kind === 'word' || token.kind === 'operator') && token.upper === word;
  const is = (...words: string[]): boolean => words.every((word, index) => matches(peek(index), word));

  const cursor: Cursor = {
    source,
    grammar,
    peek,
    is,
    next: () => {
      const token = peek();
      at++;
      return token;
    },
    accept: (...words) => {
      if (!is(...words)) return false;
      at += words.length;
      return true;
    },
    acceptOne: (words) => words.find((word) => cursor.accept(word)) ?? null,
    expect: (...words) => {
      for (const word of words) if (!cursor.accept(word)) cursor.fail();
    },
    isName: (offset = 0) => {
      const token = peek(offset);
      return token.kind === 'quoted' || (token.kind === 'word' && !reservedWords.has(token.upper));
    },
    name: () => {
      if (!cursor.isName()) cursor.fail();
      const { text } = cursor.next();
      if (text === '') throw sqlError(1038, [], { state: 4, line: peek(-1).line });
      if (text.length > 128) {
        throw sqlError(103, [text.slice(0, 128), '128'], { line: peek(-1).line });
      }
      return text;
    },
    path: () => {
      const parts = [cursor.name()];
      while (is('.')) {
        at++;
        if (is('.'))
          parts.push(''); // db..table
        else parts.push(peek().kind === 'word' ? cursor.next().text : cursor.name());
      }
      if (parts.length > 4) cursor.fail();
      return parts;
    },
    list: (item) => {
      const items = [item()];
      while (cursor.accept(',')) items.push(item());
      return items;
    },
    parenthesized: (item) => {
      cursor.expect('(');
      const items = cursor.list(item);
      cursor.expect(')');
      return items;
    },
    attempt: (parse) => {
      const start = at;
      try {
        return parse();
      } catch (error) {
        if (!(error instanceof SqlError) || error.options.scope === 'batch') throw error;
        at = start;
        return undefined;
      }
    },
    integer: () => {
      const sign = cursor.accept('-') ? -1 : 1;
      if (peek().kind !== 'int') cursor.fail();
      return sign * Number(cursor.next().text);
    },
    textFrom: (start) => source.slice(start, peek(-1).end).trim(),
    fail: (token = peek()) => {
      const { line } = token;
      if (token.kind === 'end') {
        throw sqlError(102, [peek(-1).text], { line: peek(-1).line });
      }
      if (token.kind === 'word' && reservedWords.has(token.upper)) {
        throw sqlError(156, [token.text], { line });
      }
      throw sqlError(102, [token.text], { line });
    },
    unsupported: (construct) => {
      throw notSupported(construct, peek().line);
    },
  };
  return cursor;
}
