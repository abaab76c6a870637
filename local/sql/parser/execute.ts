import { type ExecuteArgument, type ExecuteStatement, type ExecuteTarget, type Expression } from './ast';
import { sqlError } from '../errors';
import { type Cursor } from './cursor';
import { parseExpression } from './expressions';

/** What follows EXEC: a module with arguments, or text. */
export function parseExecute(cursor: Cursor): Omit<ExecuteStatement, 'line'> {
  if (cursor.accept('(')) {
    const parts: Expression[] = [parseExpression(cursor)];
    cursor.expect(')');
    if (cursor.is('AS') || cursor.is('AT')) cursor.unsupported(`EXECUTE (...) ${cursor.peek().upper}`);
    return { kind: 'execute', target: { kind: 'text', parts }, result: null, args: [] };
  }
  if (cursor.is('AS')) cursor.unsupported('EXECUTE AS');
  let result: string | null = null;
  if (cursor.peek().kind === 'variable' && cursor.peek(1).upper === '=') {
    result = cursor.next().text;
    cursor.next();
  }
  return parseModuleCall(cursor, result);
}

export function parseModuleCall(cursor: Cursor, result: string | null): Omit<ExecuteStatement, 'line'> {
  const target: ExecuteTarget =
    cursor.peek().kind === 'variable'
      ? { kind: 'variable', name: cursor.next().text }
      : { kind: 'module', path: cursor.path() };
  if (cursor.is(';') && cursor.peek(1).kind === 'int') cursor.unsupported('numbered procedures');
  const args = startsArgument(cursor) ? cursor.list(() => parseArgument(cursor)) : [];
  const late = args.findIndex((arg, index) => arg.name === null && args[index - 1]?.name != null);
  if (late >= 0) throw sqlError(119, [late + 1], { line: cursor.peek(-1).line });
  if (cursor.accept('WITH', 'RECOMPILE')) return { kind: 'execute', target, result, args };
  if (cursor.is('WITH', 'RESULT')) cursor.unsupported('EXECUTE ... WITH RESULT SETS');
  return { kind: 'execute', target, result, args };
}

function startsArgument(cursor: Cursor): boolean {
  const token = cursor.peek();
  if (token.kind === 'operator') return token.upper === '-' || token.upper === '+';
  if (token.kind === 'end') return false;
  if (token.kind === 'word')
    return (
      cursor.isName() ||
      token.upper === 'NULL' ||
      token.upper === 'DEFAULT' ||
      token.upper === 'ON' ||
      token.upper === 'OFF'
    );
  return true;
}

function parseArgument(cursor: Cursor): ExecuteArgument {
  let name: string | null = null;
  if (cursor.peek().kind === 'variable' && cursor.peek(1).upper === '=') {
    name = cursor.next().text;
    cursor.next();
  }
  const value = parseArgumentValue(cursor);
  const output = cursor.acceptOne(['OUTPUT', 'OUT']) !== null;
  if (output && value.kind !== 'variable') throw sqlError(179, [], { line: value.line });
  return { name, value, output };
}

/** Only constants, variables and bare words are allowed: an expression is a syntax error in T-SQL. */
function parseArgumentValue(cursor: Cursor): Expression {
  const token = cursor.peek();
  const { line } = token;
  const sign = cursor.acceptOne(['-', '+']) === '-' ? '-' : '';
  const value = cursor.next();
  switch (value.kind) {
    case 'int':
    case 'decimal':
    case 'float':
    case 'money':
      return { kind: 'literal', type: value.kind, text: sign + value.text, line };
    case 'string':
    case 'nstring':
    case 'binary':
      return { kind: 'literal', type: value.kind, text: value.text, line };
    case 'variable':
      return { kind: 'variable', name: value.text, line };
    case 'quoted':
      return { kind: 'literal', type: 'nstring', text: value.text, line };
    case 'word':
      if (value.upper === 'NULL') return { kind: 'literal', type: 'null', text: '', line };
      if (value.upper === 'DEFAULT') return { kind: 'default', line };
      return { kind: 'literal', type: 'nstring', text: value.text, line };
    case 'operator':
    case 'end':
      return cursor.fail(value);
  }
}
