import { tokenize, type LexerOptions } from '../lexer/lexer';
import { type Expression, type Parameter, type Path, type Statement, type TableBody, type TypeName } from './ast';
import { createCursor, type Cursor } from './cursor';
import { parseCondition, parseExpression } from './expressions';
import { parseParameters } from './modules';
import { parseQuery } from './query';
import { parseTableBody } from './tables';
import { parseImplicitExecute, parseStatements } from './statements';
import { parseType } from './types';

function open(source: string, options: LexerOptions): Cursor {
  return createCursor(source, tokenize(source, options), { query: parseQuery, statements: parseStatements });
}

/**
 * A whole batch.
 *
 * @throws SqlError 102, 156 and their like for a syntax error; 49999 for T-SQL that the stand-in does not have.
 */
export function parseBatch(source: string, options: LexerOptions): Statement[] {
  const cursor = open(source, options);
  const statements: Statement[] = [];
  while (cursor.accept(';'));
  if (cursor.peek().kind !== 'end') {
    const first = parseImplicitExecute(cursor);
    if (first !== null) statements.push(first);
  }
  return [...statements, ...parseStatements(cursor)];
}

/** `@a int, @b nvarchar(10) OUTPUT`, as sp_executesql and sp_prepare take it. */
export function parseParameterList(source: string, options: LexerOptions): Parameter[] {
  const cursor = open(source, options);
  const parameters = parseParameters(cursor);
  if (cursor.peek().kind !== 'end') cursor.fail();
  return parameters;
}

/** A type inside a string, as xml's value() takes it. */
export function parseTypeText(source: string): TypeName {
  const cursor = open(source, { quotedIdentifier: true });
  const type = parseType(cursor);
  if (cursor.peek().kind !== 'end') cursor.fail();
  return type;
}

/** The text of a default or of a computed column, as the catalog keeps it. */
export function parseExpressionText(source: string): Expression {
  const cursor = open(source, { quotedIdentifier: true });
  const expression = parseExpression(cursor);
  if (cursor.peek().kind !== 'end') cursor.fail();
  return expression;
}

export function parseConditionText(source: string): ReturnType<typeof parseCondition> {
  return parseCondition(open(source, { quotedIdentifier: true }));
}

/** The columns and constraints of a table type, as the catalog keeps them. */
export function parseTableBodyText(source: string): TableBody {
  return parseTableBody(open(source, { quotedIdentifier: true }));
}

/** A name inside a string, as OBJECT_ID takes it; null when it is none. */
export function parseNameText(source: string): Path | null {
  try {
    const cursor = open(source, { quotedIdentifier: true });
    const parts: string[] = [];
    do {
      const token = cursor.peek();
      if (cursor.is('.') && parts.length > 0) {
        parts.push('');
        continue;
      }
      if (token.kind !== 'word' && token.kind !== 'quoted') return null;
      parts.push(cursor.next().text);
    } while (cursor.accept('.'));
    return cursor.peek().kind === 'end' && parts.length <= 4 ? parts : null;
  } catch {
    return null;
  }
}
