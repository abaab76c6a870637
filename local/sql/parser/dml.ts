import {
  type Assignment,
  type CommonTable,
  type DmlStatement,
  type MergeBranch,
  type Path,
  type TableSource,
  type Top,
} from './ast';
import { sqlError } from '../errors';
import { type Cursor } from './cursor';
import { parseExecute } from './execute';
import { parseCondition, parseExpression } from './expressions';
import {
  assignOperators,
  parseFrom,
  parseHints,
  parseOption,
  parseOptionedQuery,
  parseOutput,
  parseTop,
} from './query';

/** INSERT, UPDATE, DELETE or MERGE behind an optional WITH; null when something else follows. */
export function parseDml(cursor: Cursor, commonTables: CommonTable[]): DmlStatement | null {
  if (cursor.accept('INSERT')) return parseInsert(cursor, commonTables);
  if (cursor.accept('UPDATE')) return parseUpdate(cursor, commonTables);
  if (cursor.accept('DELETE')) return parseDelete(cursor, commonTables);
  if (cursor.accept('MERGE')) return parseMerge(cursor, commonTables);
  return null;
}

/** A table, or a table variable as a path of one part that begins with @. */
function parseTarget(cursor: Cursor): Path {
  if (cursor.peek().kind === 'variable') return [cursor.next().text];
  if (cursor.is('OPENROWSET') || cursor.is('OPENQUERY')) cursor.unsupported(cursor.peek().upper);
  return cursor.path();
}

/** Only SELECT takes TOP without parentheses. */
function parseChangeTop(cursor: Cursor): Top | null {
  if (cursor.is('TOP') && cursor.peek(1).upper !== '(') cursor.fail(cursor.peek(1));
  return parseTop(cursor);
}

function parseInsert(cursor: Cursor, commonTables: CommonTable[]): DmlStatement {
  const top = parseChangeTop(cursor);
  cursor.accept('INTO');
  const target = parseTarget(cursor);
  parseHints(cursor);
  const columns =
    cursor.is('(') && !cursor.is('(', 'SELECT') && !cursor.is('(', 'WITH')
      ? cursor.parenthesized(() => cursor.path().at(-1) ?? '')
      : null;
  const output = parseOutput(cursor);
  const insert = { kind: 'insert', with: commonTables, top, target, columns, output } as const;
  if (cursor.accept('DEFAULT', 'VALUES')) return { ...insert, source: null };
  if (cursor.is('EXEC') || cursor.is('EXECUTE')) {
    const { line } = cursor.next();
    return { ...insert, source: { ...parseExecute(cursor), line } };
  }
  return { ...insert, source: parseOptionedQuery(cursor, commonTables) };
}

export function parseAssignments(cursor: Cursor): Assignment[] {
  return cursor.list(() => {
    const { line } = cursor.peek();
    let variable = null;
    let column: Path | null = null;
    if (cursor.peek().kind === 'variable') {
      variable = cursor.next().text;
      // `@x = column = expression` sets both
      if (
        cursor.is('=') &&
        (cursor.peek(1).kind === 'word' || cursor.peek(1).kind === 'quoted') &&
        cursor.peek(2).upper === '='
      ) {
        cursor.next();
        column = cursor.path();
      }
    } else column = cursor.path();
    if (cursor.is('.') && cursor.peek(1).upper === 'WRITE') cursor.unsupported('UPDATE ... .WRITE()');
    if (cursor.is('(')) cursor.unsupported('methods that modify a column');
    const operator = cursor.acceptOne(assignOperators);
    if (operator === null) return cursor.fail();
    return { column, variable, operator, value: parseExpression(cursor), line };
  });
}

function parseWhere(cursor: Cursor): { where: DmlStatementWhere['where']; cursor: string | null } {
  if (!cursor.accept('WHERE')) return { where: null, cursor: null };
  if (cursor.accept('CURRENT', 'OF')) {
    cursor.accept('GLOBAL');
    return { where: null, cursor: cursor.peek().kind === 'variable' ? cursor.next().text : cursor.name() };
  }
  return { where: parseCondition(cursor), cursor: null };
}
type DmlStatementWhere = Extract<DmlStatement, { kind: 'update' }>;

function parseUpdate(cursor: Cursor, commonTables: CommonTable[]): DmlStatement {
  if (cursor.is('STATISTICS')) cursor.fail();
  const top = parseChangeTop(cursor);
  const target = parseTarget(cursor);
  const hints = parseHints(cursor);
  cursor.expect('SET');
  const assignments = parseAssignments(cursor);
  const output = parseOutput(cursor);
  const from: TableSource[] = cursor.accept('FROM') ? parseFrom(cursor) : [];
  const condition = parseWhere(cursor);
  parseOption(cursor, commonTables);
  return { kind: 'update', with: commonTables, top, target, hints, assignments, output, from, ...condition };
}

function parseDelete(cursor: Cursor, commonTables: CommonTable[]): DmlStatement {
  const top = parseChangeTop(cursor);
  cursor.accept('FROM');
  const target = parseTarget(cursor);
  const hints = parseHints(cursor);
  const output = parseOutput(cursor);
  const from: TableSource[] = cursor.accept('FROM') ? parseFrom(cursor) : [];
  const condition = parseWhere(cursor);
  parseOption(cursor, commonTables);
  return { kind: 'delete', with: commonTables, top, target, hints, output, from, ...condition };
}

function parseMerge(cursor: Cursor, commonTables: CommonTable[]): DmlStatement {
  const top = parseChangeTop(cursor);
  cursor.accept('INTO');
  const target = parseTarget(cursor);
  const hints = parseHints(cursor);
  cursor.accept('AS');
  const alias = cursor.is('USING') ? null : cursor.name();
  cursor.expect('USING');
  const [source, ...more] = parseFrom(cursor);
  if (source === undefined || more.length > 0) cursor.fail();
  cursor.expect('ON');
  const on = parseCondition(cursor);
  const branches: MergeBranch[] = [];
  while (cursor.accept('WHEN')) branches.push(parseBranch(cursor, branches));
  if (branches.length === 0) cursor.fail();
  const output = parseOutput(cursor);
  parseOption(cursor, commonTables);
  if (!cursor.is(';')) {
    const { line } = cursor.peek(-1);
    throw sqlError(10713, [], { line });
  }
  return { kind: 'merge', with: commonTables, top, target, alias, hints, source, on, branches, output };
}

function parseBranch(cursor: Cursor, before: readonly MergeBranch[]): MergeBranch {
  const when = cursor.accept('MATCHED')
    ? 'matched'
    : (cursor.expect('NOT', 'MATCHED'),
      cursor.accept('BY', 'SOURCE') ? 'notMatchedBySource' : (cursor.accept('BY', 'TARGET'), 'notMatched'));
  const condition = cursor.accept('AND') ? parseCondition(cursor) : null;
  cursor.expect('THEN');
  const clause = {
    matched: 'WHEN MATCHED',
    notMatched: 'WHEN NOT MATCHED',
    notMatchedBySource: 'WHEN NOT MATCHED BY SOURCE',
  }[when];
  const { upper, line } = cursor.peek();
  if ((upper === 'INSERT') !== (when === 'notMatched') && ['INSERT', 'UPDATE', 'DELETE'].includes(upper))
    throw sqlError(10711, [upper, clause], { line });
  const earlier = before.filter((branch) => branch.when === when);
  if (earlier.some((branch) => branch.action.kind === upper.toLowerCase()))
    throw sqlError(10714, [upper, clause], { line });
  if (earlier.some((branch) => branch.condition === null)) throw sqlError(5324, [clause], { line });
  if (cursor.accept('DELETE')) return { when, condition, action: { kind: 'delete' } };
  if (cursor.accept('UPDATE')) {
    cursor.expect('SET');
    return { when, condition, action: { kind: 'update', assignments: parseAssignments(cursor) } };
  }
  cursor.expect('INSERT');
  const columns = cursor.is('(') ? cursor.parenthesized(() => cursor.path().at(-1) ?? '') : [];
  if (cursor.accept('DEFAULT', 'VALUES')) return { when, condition, action: { kind: 'insert', columns, values: null } };
  cursor.expect('VALUES');
  return {
    when,
    condition,
    action: { kind: 'insert', columns, values: cursor.parenthesized(() => parseExpression(cursor)) },
  };
}
