import { QuerySyntaxError } from './syntax';

export interface Token {
  kind: 'name' | 'number' | 'string' | 'parameter' | 'symbol' | 'end';
  /** A string without its quotes; anything else as written. */
  text: string;
  at: number;
}

const spaceOrComment = /(?:\s+|--[^\n]*)*/y;
const patterns = [
  ['number', /(?:0[xX][0-9a-fA-F]+|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)/y],
  ['name', /[A-Za-z_][A-Za-z0-9_]*/y],
  ['parameter', /@[A-Za-z0-9_]+/y],
  ['string', /'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"/sy],
  ['symbol', /\?\?|\|\||<=|>=|<>|!=|[-+*/%&|^~=<>(){}[\],.:?]/y],
] as const;

/** Splits a query into tokens, the last of which is `end`. @throws QuerySyntaxError at a character that begins none. */
export function tokenize(text: string): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  for (;;) {
    spaceOrComment.lastIndex = at;
    at += spaceOrComment.exec(text)?.[0].length ?? 0;
    if (at >= text.length) break;
    const token = tokenAt(text, at);
    tokens.push(token.kind === 'string' ? { ...token, text: unescape(token) } : token);
    at += token.text.length;
  }
  return [...tokens, { kind: 'end', text: '', at }];
}

function tokenAt(text: string, at: number): Token {
  for (const [kind, pattern] of patterns) {
    pattern.lastIndex = at;
    const match = pattern.exec(text);
    if (match !== null) return { kind, text: match[0], at };
  }
  throw new QuerySyntaxError(`Syntax error near '${text.slice(at, at + 20)}' at position ${at}.`);
}

const escapes: Readonly<Record<string, string>> = { b: '\b', f: '\f', n: '\n', r: '\r', t: '\t' };

function unescape(token: Token): string {
  return token.text
    .slice(1, -1)
    .replace(/\\(u([0-9a-fA-F]{4})|.)/gs, (_, escape: string, hex: string | undefined) =>
      hex === undefined ? (escapes[escape] ?? escape) : String.fromCharCode(parseInt(hex, 16)),
    );
}
