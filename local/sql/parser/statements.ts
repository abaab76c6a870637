import { type CursorDefinition, type Expression, type Statement, type StatementBody, type TypeName } from './ast';
import { sqlError } from '../errors';
import { type Cursor } from './cursor';
import { parseAlter, parseCreate, parseDrop, parsePermission, skipToStatementEnd } from './definitions';
import { parseDml } from './dml';
import { parseExecute, parseModuleCall } from './execute';
import { parseCondition, parseExpression } from './expressions';
import { assignOperators, parseOption, parseOptionedQuery, parseQueryAfterWith, parseWith } from './query';
import { parseVariableBody } from './tables';
import { parseType } from './types';

/** One statement, with the semicolons behind it. */
export function parseStatement(cursor: Cursor): Statement {
  const { line, start } = cursor.peek();
  const body = parseBody(cursor);
  const { end } = cursor.peek(-1);
  cursor.accept(';');
  return { ...body, line, start, end };
}

function parseBody(cursor: Cursor): StatementBody {
  const token = cursor.peek();
  if (token.kind === 'word') {
    const parse = statements[token.upper];
    if (parse !== undefined && !(unreserved.has(token.upper) && !startsUnreserved(cursor))) {
      cursor.next();
      return parse(cursor);
    }
    if (cursor.isName() && cursor.peek(1).kind === 'operator' && cursor.peek(1).upper === ':') {
      const label = cursor.name();
      cursor.next();
      return { kind: 'label', label };
    }
  }
  if (cursor.is('SELECT') || cursor.is('(')) {
    const query = parseOptionedQuery(cursor);
    if (cursor.is('FOR', 'UPDATE')) throw sqlError(1003, [], { line: cursor.peek().line });
    return { kind: 'query', query };
  }
  if (cursor.is('WITH')) {
    const commonTables = parseWith(cursor);
    const dml = parseDml(cursor, commonTables);
    if (dml !== null) return dml;
    const query = parseQueryAfterWith(cursor, commonTables);
    parseOption(cursor, commonTables);
    return { kind: 'query', query };
  }
  if (cursor.accept('UPDATE', 'STATISTICS')) {
    const path = cursor.path();
    skipToStatementEnd(cursor);
    return { kind: 'statistics', path, action: 'update', names: [] };
  }
  const dml = parseDml(cursor, []);
  if (dml !== null) return dml;
  return cursor.fail();
}

/** The first statement of a batch may be a procedure call without EXEC. */
export function parseImplicitExecute(cursor: Cursor): Statement | null {
  const { line, start, kind, upper } = cursor.peek();
  if (!cursor.isName() || cursor.peek(1).upper === ':') return null;
  if (kind === 'word' && statements[upper] !== undefined && startsUnreserved(cursor)) return null;
  const body = parseModuleCall(cursor, null);
  const { end } = cursor.peek(-1);
  cursor.accept(';');
  return { ...body, line, start, end };
}

/** Words that begin a statement without being reserved: only what follows tells them from a name. */
const unreserved = new Set(['THROW', 'ENABLE', 'DISABLE', 'RECEIVE', 'SEND', 'MOVE', 'GET']);

function startsUnreserved(cursor: Cursor): boolean {
  const next = cursor.peek(1);
  if (cursor.is('THROW')) return next.kind !== 'operator' || next.upper === ';';
  if (cursor.is('ENABLE') || cursor.is('DISABLE')) return next.upper === 'TRIGGER';
  return false;
}

const statements: Partial<Record<string, (cursor: Cursor) => StatementBody>> = {
  DECLARE: parseDeclare,
  SET: parseSet,
  IF: (cursor) => {
    const condition = parseCondition(cursor);
    const then = parseStatement(cursor);
    const otherwise = cursor.accept('ELSE') ? parseStatement(cursor) : null;
    return { kind: 'if', condition, then, otherwise };
  },
  WHILE: (cursor) => ({ kind: 'while', condition: parseCondition(cursor), body: parseStatement(cursor) }),
  BEGIN: parseBegin,
  BREAK: () => ({ kind: 'break' }),
  CONTINUE: () => ({ kind: 'continue' }),
  RETURN: (cursor) => ({ kind: 'return', value: startsExpression(cursor) ? parseExpression(cursor) : null }),
  GOTO: (cursor) => ({ kind: 'goto', label: cursor.name() }),
  PRINT: (cursor) => ({ kind: 'print', value: parseExpression(cursor) }),
  RAISERROR: parseRaiserror,
  THROW: (cursor) => {
    if (cursor.is(';') || cursor.peek().kind === 'end' || cursor.is('END'))
      return { kind: 'throw', number: null, message: null, state: null };
    if (cursor.peek().kind !== 'int' && cursor.peek().kind !== 'variable')
      return { kind: 'throw', number: null, message: null, state: null };
    const number = parseExpression(cursor);
    cursor.expect(',');
    const message = parseExpression(cursor);
    cursor.expect(',');
    return { kind: 'throw', number, message, state: parseExpression(cursor) };
  },
  WAITFOR: (cursor) => {
    const mode = cursor.acceptOne(['DELAY', 'TIME'] as const);
    if (mode === null) return cursor.is('(') ? cursor.unsupported('WAITFOR with a statement') : cursor.fail();
    return { kind: 'waitfor', mode: mode === 'DELAY' ? 'delay' : 'time', value: parseExpression(cursor) };
  },
  COMMIT: (cursor) => ({ kind: 'commit', name: parseTransactionName(cursor, true) }),
  ROLLBACK: (cursor) => ({ kind: 'rollback', name: parseTransactionName(cursor, true) }),
  SAVE: (cursor) => {
    const name = parseTransactionName(cursor, false);
    return name === null ? cursor.fail() : { kind: 'save', name };
  },
  USE: (cursor) => ({ kind: 'use', database: cursor.name() }),
  EXEC: (cursor) => parseExecute(cursor),
  EXECUTE: (cursor) => parseExecute(cursor),
  CREATE: parseCreate,
  ALTER: parseAlter,
  DROP: parseDrop,
  GRANT: (cursor) => parsePermission(cursor, 'GRANT'),
  DENY: (cursor) => parsePermission(cursor, 'DENY'),
  REVOKE: (cursor) => parsePermission(cursor, 'REVOKE'),
  TRUNCATE: (cursor) => {
    cursor.expect('TABLE');
    const path = cursor.path();
    if (cursor.is('WITH')) cursor.unsupported('TRUNCATE TABLE WITH (PARTITIONS)');
    return { kind: 'truncate', path };
  },
  OPEN: (cursor) => ({ kind: 'cursor', action: 'open', name: parseCursorName(cursor) }),
  CLOSE: (cursor) => ({ kind: 'cursor', action: 'close', name: parseCursorName(cursor) }),
  DEALLOCATE: (cursor) => ({ kind: 'cursor', action: 'deallocate', name: parseCursorName(cursor) }),
  FETCH: parseFetch,
  ENABLE: (cursor) => parseTriggerState(cursor, true),
  DISABLE: (cursor) => parseTriggerState(cursor, false),
  DBCC: parseDbcc,
  CHECKPOINT: () => ({ kind: 'nothing', what: 'CHECKPOINT' }),
  REVERT: (cursor) => cursor.unsupported('REVERT'),
  BACKUP: (cursor) => cursor.unsupported('BACKUP'),
  RESTORE: (cursor) => cursor.unsupported('RESTORE'),
  BULK: (cursor) => cursor.unsupported('BULK INSERT'),
  KILL: (cursor) => cursor.unsupported('KILL'),
  SHUTDOWN: (cursor) => cursor.unsupported('SHUTDOWN'),
  READTEXT: (cursor) => cursor.unsupported('READTEXT'),
  WRITETEXT: (cursor) => cursor.unsupported('WRITETEXT'),
  UPDATETEXT: (cursor) => cursor.unsupported('UPDATETEXT'),
};

function startsExpression(cursor: Cursor): boolean {
  const { kind, upper } = cursor.peek();
  if (kind === 'end' || upper === ';') return false;
  if (kind === 'operator') return ['(', '-', '+', '~'].includes(upper);
  if (kind !== 'word') return true;
  return (
    ['CASE', 'NULL', 'CAST', 'CONVERT', 'COALESCE', 'NULLIF', 'LEFT', 'RIGHT'].includes(upper) ||
    (cursor.isName() && ['(', '.'].includes(cursor.peek(1).upper))
  );
}

function parseDeclare(cursor: Cursor): StatementBody {
  if (cursor.peek().kind !== 'variable') return { kind: 'declareCursor', cursor: parseCursorDefinition(cursor) };
  const declarations = cursor.list((): Statement => {
    const { line, text: name, kind, start } = cursor.next();
    if (kind !== 'variable') cursor.fail(cursor.peek(-1));
    cursor.accept('AS');
    if (cursor.accept('TABLE')) {
      const body = parseVariableBody(cursor);
      return { kind: 'declareTable', name, body, line, start, end: cursor.peek(-1).end };
    }
    const type = cursor.accept('CURSOR') ? cursorType(line) : parseVariableType(cursor);
    const value = cursor.accept('=') ? parseExpression(cursor) : null;
    return { kind: 'declare', variables: [{ name, type, value, line }], line, start, end: cursor.peek(-1).end };
  });
  const variables = declarations.flatMap((item) => (item.kind === 'declare' ? item.variables : []));
  if (variables.length === declarations.length) return { kind: 'declare', variables };
  const [only] = declarations;
  return only !== undefined && declarations.length === 1 ? only : { kind: 'block', body: declarations };
}

/** A variable of type sql_variant holds its value as a string: what generated scripts do with one is to pass it on. */
function parseVariableType(cursor: Cursor): TypeName {
  const { line } = cursor.peek();
  if (!cursor.accept('SQL_VARIANT')) return parseType(cursor);
  return { name: 'sql_variant', schema: null, type: { name: 'nvarchar', length: 4000 }, rowversion: false, line };
}

/** A cursor variable has no value of its own: as an int it can be declared once and never used as anything else. */
const cursorType = (line: number): TypeName => ({
  name: 'cursor',
  schema: null,
  type: { name: 'int' },
  rowversion: false,
  line,
});

function parseCursorDefinition(cursor: Cursor, variable: string | null = null): CursorDefinition {
  const name = variable ?? cursor.name();
  cursor.accept('INSENSITIVE');
  let scroll = cursor.accept('SCROLL');
  let local = variable !== null;
  if (variable === null && cursor.peek().kind === 'word' && !cursor.is('CURSOR'))
    throw sqlError(155, [cursor.peek().text, 'CURSOR'], { state: 2, line: cursor.peek().line });
  cursor.expect('CURSOR');
  const words =
    `LOCAL GLOBAL FORWARD_ONLY SCROLL STATIC KEYSET DYNAMIC FAST_FORWARD READ_ONLY SCROLL_LOCKS OPTIMISTIC TYPE_WARNING`.split(
      ' ',
    );
  for (let word = cursor.acceptOne(words); word !== null; word = cursor.acceptOne(words)) {
    if (['SCROLL', 'STATIC', 'KEYSET', 'DYNAMIC'].includes(word)) scroll = true;
    if (word === 'LOCAL') local = true;
  }
  cursor.expect('FOR');
  const query = parseOptionedQuery(cursor);
  if (cursor.accept('FOR')) {
    if (cursor.accept('READ', 'ONLY')) return { name, query, scroll, local };
    cursor.expect('UPDATE');
    if (cursor.accept('OF')) cursor.list(() => cursor.name());
  }
  return { name, query, scroll, local };
}

function parseCursorName(cursor: Cursor): string {
  cursor.accept('GLOBAL');
  return cursor.peek().kind === 'variable' ? cursor.next().text : cursor.name();
}

function parseFetch(cursor: Cursor): StatementBody {
  let direction = 'NEXT';
  let offset: Expression | null = null;
  const word = cursor.acceptOne(['NEXT', 'PRIOR', 'FIRST', 'LAST', 'ABSOLUTE', 'RELATIVE'] as const);
  if (word !== null) direction = word;
  if (word === 'ABSOLUTE' || word === 'RELATIVE') offset = parseExpression(cursor);
  if (word !== null && cursor.peek().kind === 'int') throw sqlError(153, [word], { line: cursor.peek().line });
  cursor.accept('FROM');
  const name = parseCursorName(cursor);
  const into = cursor.accept('INTO') ? cursor.list(() => parseVariable(cursor)) : [];
  return { kind: 'fetch', name, direction, offset, into };
}

function parseVariable(cursor: Cursor): string {
  const token = cursor.next();
  return token.kind === 'variable' ? token.text : cursor.fail(token);
}

function parseSet(cursor: Cursor): StatementBody {
  if (cursor.peek().kind === 'variable') {
    const variable = parseVariable(cursor);
    const operator = cursor.acceptOne(assignOperators);
    if (operator === null)
      return cursor.is('.') ? cursor.unsupported('methods of a variable (xml, spatial types)') : cursor.fail();
    if (operator === '=' && cursor.is('CURSOR'))
      return { kind: 'declareCursor', cursor: parseCursorDefinition(cursor, variable) };
    return { kind: 'setVariable', variable, operator, value: parseExpression(cursor) };
  }
  if (cursor.accept('IDENTITY_INSERT')) {
    const path = cursor.path();
    return { kind: 'setIdentityInsert', path, on: parseOnOff(cursor) };
  }
  if (cursor.accept('TRANSACTION', 'ISOLATION', 'LEVEL')) {
    const level = [cursor.next().upper];
    if (level[0] === 'READ' || level[0] === 'REPEATABLE') level.push(cursor.next().upper);
    return { kind: 'setIsolation', level: level.join(' ') };
  }
  if (cursor.accept('STATISTICS')) {
    const options = cursor.list(() => `STATISTICS ${cursor.next().upper}`);
    return { kind: 'setOption', options, value: parseOnOff(cursor) ? 'ON' : 'OFF', argument: null };
  }
  const options = cursor.list(() => cursor.next().upper);
  if (cursor.is('=')) throw sqlError(195, [cursor.peek(-1).text, 'SET option'], { line: cursor.peek(-1).line });
  if (cursor.is('ON') || cursor.is('OFF'))
    return { kind: 'setOption', options, value: parseOnOff(cursor) ? 'ON' : 'OFF', argument: null };
  const token = cursor.peek();
  if (token.kind === 'word') return { kind: 'setOption', options, value: cursor.next().upper, argument: null };
  return { kind: 'setOption', options, value: token.text, argument: parseExpression(cursor) };
}

function parseOnOff(cursor: Cursor): boolean {
  if (cursor.accept('ON')) return true;
  cursor.expect('OFF');
  return false;
}

function parseBegin(cursor: Cursor): StatementBody {
  if (cursor.accept('TRANSACTION') || cursor.accept('TRAN')) {
    const name = parseTransactionName(cursor, false);
    if (cursor.accept('WITH', 'MARK') && ['string', 'nstring'].includes(cursor.peek().kind)) cursor.next();
    return { kind: 'beginTransaction', name };
  }
  if (cursor.is('DISTRIBUTED') || cursor.is('DIALOG') || cursor.is('CONVERSATION'))
    cursor.unsupported(`BEGIN ${cursor.peek().upper}`);
  if (cursor.accept('TRY')) {
    const body = parseUntilEnd(cursor);
    cursor.expect('TRY');
    cursor.accept(';');
    cursor.expect('BEGIN', 'CATCH');
    const handler = parseUntilEnd(cursor);
    cursor.expect('CATCH');
    return { kind: 'try', body, handler };
  }
  cursor.accept(';');
  const body = parseUntilEnd(cursor);
  if (body.length === 0) cursor.fail(cursor.peek(-1));
  return { kind: 'block', body };
}

function parseUntilEnd(cursor: Cursor): Statement[] {
  const body = parseStatements(cursor, () => cursor.is('END'));
  cursor.expect('END');
  return body;
}

/** Statements up to the end of the text, or to where `ends` says. */
export function parseStatements(cursor: Cursor, ends: () => boolean = () => false): Statement[] {
  const body: Statement[] = [];
  for (;;) {
    while (cursor.accept(';'));
    if (ends() || cursor.peek().kind === 'end') return body;
    // Behind a statement without its semicolon, WITH would belong to that.
    if (body.length > 0 && cursor.is('WITH') && cursor.peek(-1).upper !== ';')
      throw sqlError(319, [], { line: cursor.peek().line });
    body.push(parseStatement(cursor));
  }
}

function parseTransactionName(cursor: Cursor, wordOptional: boolean): Expression | string | null {
  const word = cursor.accept('TRANSACTION') || cursor.accept('TRAN');
  if (!word && wordOptional) {
    cursor.accept('WORK');
    return null;
  }
  if (cursor.peek().kind === 'variable')
    return { kind: 'variable', name: cursor.next().text, line: cursor.peek(-1).line };
  if (!cursor.isName()) return null;
  if (cursor.peek(1).upper === ':' || cursor.is('THROW')) return null;
  const name = cursor.name();
  if (cursor.is('WITH', '(')) cursor.unsupported('COMMIT WITH (DELAYED_DURABILITY)');
  return name;
}

function parseRaiserror(cursor: Cursor): StatementBody {
  cursor.expect('(');
  const message = parseExpression(cursor);
  cursor.expect(',');
  const severity = parseExpression(cursor);
  cursor.expect(',');
  const state = parseExpression(cursor);
  const args = cursor.accept(',') ? cursor.list(() => parseExpression(cursor)) : [];
  cursor.expect(')');
  const options = cursor.accept('WITH') ? cursor.list(() => cursor.next().upper) : [];
  return { kind: 'raiserror', message, severity, state, args, options };
}

function parseTriggerState(cursor: Cursor, enabled: boolean): StatementBody {
  cursor.expect('TRIGGER');
  const names = cursor.accept('ALL') ? [] : cursor.list(() => cursor.path());
  cursor.expect('ON');
  if (cursor.is('DATABASE') || cursor.is('ALL', 'SERVER')) cursor.unsupported('DDL and logon triggers');
  return { kind: 'triggerState', names, table: cursor.path(), enabled };
}

function parseDbcc(cursor: Cursor): StatementBody {
  const command = cursor.next().upper;
  if (command !== 'CHECKIDENT') {
    if (['FREEPROCCACHE', 'DROPCLEANBUFFERS', 'UPDATEUSAGE'].includes(command)) {
      skipToStatementEnd(cursor);
      return { kind: 'nothing', what: `DBCC ${command}` };
    }
    return cursor.unsupported(`DBCC ${command}`);
  }
  cursor.expect('(');
  const table = cursor.isName() ? pathAsText(cursor) : parseExpression(cursor);
  let reseed: Expression | null = null;
  let noReseed = false;
  if (cursor.accept(',')) {
    if (cursor.accept('NORESEED')) noReseed = true;
    else {
      cursor.expect('RESEED');
      if (cursor.accept(',')) reseed = parseExpression(cursor);
    }
  }
  cursor.expect(')');
  const silent = cursor.accept('WITH', 'NO_INFOMSGS');
  return { kind: 'checkIdent', table, reseed, noReseed, silent };
}

function pathAsText(cursor: Cursor): Expression {
  const { line } = cursor.peek();
  return {
    kind: 'literal',
    type: 'nstring',
    text: cursor
      .path()
      .map((part) => `[${part.replaceAll(']', ']]')}]`)
      .join('.'),
    line,
  };
}
