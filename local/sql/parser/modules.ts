import { type ModuleDefinition, type Parameter, type StatementBody } from './ast';
import { sqlError } from '../errors';
import { type Cursor } from './cursor';
import { parseExpression, parseSubquery, refuseInto } from './expressions';
import { parseQuery } from './query';
import { parseVariableBody } from './tables';
import { parseType } from './types';

type CreateModule = Extract<StatementBody, { kind: 'createModule' }>;

/** What follows CREATE, ALTER or CREATE OR ALTER, when it is a view, procedure, function or trigger; else null. */
export function parseModule(cursor: Cursor, mode: CreateModule['mode']): CreateModule | null {
  const definition = cursor.accept('VIEW')
    ? parseView(cursor)
    : cursor.accept('PROCEDURE') || cursor.accept('PROC')
      ? parseProcedure(cursor)
      : cursor.accept('FUNCTION')
        ? parseFunction(cursor)
        : cursor.accept('TRIGGER')
          ? parseTrigger(cursor)
          : null;
  return definition && { kind: 'createModule', definition, mode, source: cursor.source };
}

const empty = {
  parameters: [],
  columns: [],
  view: null,
  withCheckOption: false,
  schemaBinding: false,
  returns: null,
  body: [],
  trigger: null,
};

/** WITH ENCRYPTION, SCHEMABINDING, ...: reports SCHEMABINDING; refuses what would change the behaviour. */
function parseModuleOptions(cursor: Cursor): { schemaBinding: boolean } {
  let schemaBinding = false;
  if (!cursor.accept('WITH')) return { schemaBinding };
  do {
    if (cursor.is('NATIVE_COMPILATION')) cursor.unsupported('natively compiled modules');
    if (cursor.accept('EXECUTE', 'AS') || cursor.accept('EXEC', 'AS')) {
      const who = cursor.next();
      if (!['CALLER', 'OWNER', 'SELF'].includes(who.upper)) cursor.unsupported('EXECUTE AS a named user');
    } else if (cursor.accept('RETURNS', 'NULL', 'ON', 'NULL', 'INPUT'))
      cursor.unsupported('RETURNS NULL ON NULL INPUT');
    else if (cursor.accept('CALLED', 'ON', 'NULL', 'INPUT')) continue;
    else if (cursor.accept('INLINE')) {
      cursor.expect('=');
      cursor.next();
    } else {
      const option = cursor.next();
      if (!['SCHEMABINDING', 'ENCRYPTION', 'RECOMPILE', 'VIEW_METADATA'].includes(option.upper)) cursor.fail(option);
      if (option.upper === 'SCHEMABINDING') schemaBinding = true;
    }
  } while (cursor.accept(','));
  return { schemaBinding };
}

function parseView(cursor: Cursor): ModuleDefinition {
  const path = cursor.path();
  const name = path.at(-1) ?? '';
  if (name.startsWith('#')) throw sqlError(4103, [name], { line: cursor.peek(-1).line });
  const columns = cursor.is('(') ? cursor.parenthesized(() => cursor.name()) : [];
  const options = parseModuleOptions(cursor);
  cursor.expect('AS');
  const view = parseQuery(cursor);
  refuseInto(view.body);
  const withCheckOption = cursor.accept('WITH', 'CHECK', 'OPTION');
  cursor.accept(';');
  if (cursor.peek().kind !== 'end') cursor.fail();
  return { ...empty, kind: 'view', path, columns, ...options, view, withCheckOption };
}

function parseParameter(cursor: Cursor): Parameter {
  const token = cursor.next();
  if (token.kind !== 'variable') cursor.fail(token);
  cursor.accept('AS');
  if (cursor.is('CURSOR')) cursor.unsupported('cursor parameters');
  const type = parseType(cursor);
  const parameter: Parameter = {
    name: token.text,
    type,
    default: null,
    output: false,
    readonly: false,
    line: token.line,
  };
  cursor.accept('NOT', 'NULL');
  cursor.accept('NULL');
  if (cursor.accept('=')) parameter.default = parseDefault(cursor);
  for (;;) {
    if (cursor.accept('OUTPUT') || cursor.accept('OUT')) parameter.output = true;
    else if (cursor.accept('READONLY')) parameter.readonly = true;
    else if (cursor.is('+') || cursor.is('-') || cursor.is('*') || cursor.is('/')) cursor.fail();
    else return parameter;
  }
}

/** A parameter's default: a constant, NULL, or a word that stands for itself. */
function parseDefault(cursor: Cursor): Parameter['default'] {
  const { kind, text, line } = cursor.peek();
  if (kind === 'word' && cursor.isName()) {
    cursor.next();
    return { kind: 'literal', type: 'nstring', text, line };
  }
  const value = parseExpression(cursor, constantLevel);
  return value.kind === 'literal' ? value : cursor.fail(cursor.peek(-1));
}

/** Deep enough for a sign and nothing else that computes. */
const constantLevel = 2;

/** The parameter list of `sp_executesql` and `sp_prepare`. */
export function parseParameters(cursor: Cursor): Parameter[] {
  return cursor.peek().kind === 'variable' ? cursor.list(() => parseParameter(cursor)) : [];
}

function parseProcedure(cursor: Cursor): ModuleDefinition {
  const path = cursor.path();
  if (cursor.is(';') && cursor.peek(1).kind === 'int') cursor.unsupported('numbered procedures');
  const parenthesized = cursor.is('(');
  const parameters = parenthesized ? cursor.parenthesized(() => parseParameter(cursor)) : parseParameters(cursor);
  const options = parseModuleOptions(cursor);
  cursor.accept('FOR', 'REPLICATION');
  cursor.expect('AS');
  if (cursor.peek().kind === 'end') cursor.fail();
  if (cursor.is('EXTERNAL')) cursor.unsupported('CLR modules');
  return { ...empty, kind: 'procedure', path, parameters, ...options, body: cursor.grammar.statements(cursor) };
}

function parseFunction(cursor: Cursor): ModuleDefinition {
  const path = cursor.path();
  cursor.expect('(');
  const parameters = parseParameters(cursor);
  const output = parameters.find((parameter) => parameter.output);
  if (output !== undefined) throw sqlError(181, [], { line: output.line });
  cursor.expect(')', 'RETURNS');
  if (cursor.accept('TABLE')) {
    const options = parseModuleOptions(cursor);
    cursor.accept('AS');
    cursor.expect('RETURN');
    const query = cursor.attempt(() => {
      const inner = parseSubquery(cursor);
      cursor.accept(';');
      if (cursor.peek().kind !== 'end') cursor.fail();
      return inner;
    });
    const returns = { kind: 'inline', query: query ?? parseQuery(cursor) } as const;
    cursor.accept(';');
    if (cursor.peek().kind !== 'end') cursor.fail();
    return { ...empty, kind: 'function', path, parameters, ...options, returns };
  }
  const returns = parseReturns(cursor);
  const options = parseModuleOptions(cursor);
  cursor.accept('AS');
  if (cursor.is('EXTERNAL')) cursor.unsupported('CLR modules');
  if (!cursor.is('BEGIN')) cursor.fail();
  const body = cursor.grammar.statements(cursor);
  return { ...empty, kind: 'function', path, parameters, ...options, returns, body };
}

/** A scalar type, or the table variable that a function of several statements fills. */
function parseReturns(cursor: Cursor): NonNullable<ModuleDefinition['returns']> {
  if (cursor.peek().kind !== 'variable') return { kind: 'scalar', type: parseType(cursor) };
  const variable = cursor.next().text;
  cursor.expect('TABLE');
  return { kind: 'table', variable, body: parseVariableBody(cursor) };
}

const events = { INSERT: 'insert', UPDATE: 'update', DELETE: 'delete' } as const;

function parseTrigger(cursor: Cursor): ModuleDefinition {
  const path = cursor.path();
  cursor.expect('ON');
  if (cursor.is('DATABASE') || cursor.is('ALL', 'SERVER')) cursor.unsupported('DDL and logon triggers');
  const table = cursor.path();
  const options = parseModuleOptions(cursor);
  const insteadOf = cursor.accept('INSTEAD', 'OF');
  if (!insteadOf && !cursor.accept('AFTER')) cursor.expect('FOR');
  const list = cursor.list(() => {
    const event = cursor.acceptOne(['INSERT', 'UPDATE', 'DELETE'] as const);
    return event === null ? cursor.fail() : events[event];
  });
  const repeated = list.find((event, index) => list.indexOf(event) < index);
  if (repeated !== undefined) throw sqlError(1034, [repeated.toUpperCase()], { line: cursor.peek(-1).line });
  cursor.accept('WITH', 'APPEND');
  cursor.accept('NOT', 'FOR', 'REPLICATION');
  cursor.expect('AS');
  if (cursor.is('EXTERNAL')) cursor.unsupported('CLR modules');
  const timing = insteadOf ? 'insteadOf' : 'after';
  return {
    ...empty,
    kind: 'trigger',
    path,
    ...options,
    trigger: { table, timing, events: list },
    body: cursor.grammar.statements(cursor),
  };
}
