import {
  type AssignOperator,
  type CommonTable,
  type Expression,
  type JoinKind,
  type JsonClause,
  type JsonColumn,
  type OutputClause,
  type Path,
  type Query,
  type QueryBody,
  type Select,
  type SelectItem,
  type TableSource,
  type Top,
  type XmlClause,
} from './ast';
import { sqlError } from '../errors';
import { type Cursor } from './cursor';
import { parseCondition, parseExpression, parseOrderItems, parseSubquery } from './expressions';
import { parseType } from './types';

// prettier-ignore
export const assignOperators = ['=', '+=', '-=', '*=', '/=', '%=', '&=', '|=', '^='] as const satisfies AssignOperator[];

/** SELECT with all of its clauses, also behind WITH. */
export function parseQuery(cursor: Cursor): Query {
  return parseQueryAfterWith(cursor, parseWith(cursor));
}

const defaultRecursion = 100;

export function parseWith(cursor: Cursor): CommonTable[] {
  if (!cursor.accept('WITH')) return [];
  if (cursor.is('XMLNAMESPACES')) cursor.unsupported('WITH XMLNAMESPACES');
  return cursor.list(() => {
    const name = cursor.name();
    const columns = cursor.is('(') ? cursor.parenthesized(() => cursor.name()) : [];
    cursor.expect('AS');
    return { name, columns, query: parseSubquery(cursor), maximumRecursion: defaultRecursion };
  });
}

export function parseQueryAfterWith(cursor: Cursor, commonTables: CommonTable[]): Query {
  const { line } = cursor.peek();
  const body = parseSetOperation(cursor);
  const query: Query = {
    with: commonTables,
    body,
    orderBy: [],
    offset: null,
    fetch: null,
    xml: null,
    json: null,
    line,
  };
  if (cursor.accept('ORDER', 'BY')) query.orderBy = parseOrderItems(cursor);
  if (query.orderBy.length > 0 && cursor.accept('OFFSET')) {
    query.offset = parseExpression(cursor);
    if (!cursor.accept('ROWS')) cursor.expect('ROW');
    if (cursor.accept('FETCH')) {
      if (!cursor.accept('NEXT')) cursor.expect('FIRST');
      query.fetch = parseExpression(cursor);
      if (!cursor.accept('ROWS')) cursor.expect('ROW');
      cursor.expect('ONLY');
    }
  }
  if (cursor.accept('FOR', 'XML')) query.xml = parseXmlClause(cursor);
  if (cursor.accept('FOR', 'JSON')) query.json = parseJsonClause(cursor);
  if (cursor.is('FOR', 'BROWSE')) cursor.unsupported('FOR BROWSE');
  return query;
}

/** A name in parentheses, as ROOT, PATH and RAW take it; `otherwise` without one. */
function parseQuotedName(cursor: Cursor, otherwise: string): string {
  return cursor.is('(') ? (cursor.parenthesized(() => cursor.next().text)[0] ?? otherwise) : otherwise;
}

function parseXmlClause(cursor: Cursor): XmlClause {
  const mode = cursor.acceptOne(['PATH', 'RAW', 'AUTO'] as const);
  if (mode === null) return cursor.unsupported(`FOR XML ${cursor.peek().text}`);
  const row = mode === 'AUTO' ? '' : parseQuotedName(cursor, 'row');
  const clause: XmlClause = {
    mode: ({ PATH: 'path', RAW: 'raw', AUTO: 'auto' } as const)[mode],
    ...{ row, root: null, elements: false, type: false, text: false },
  };
  while (cursor.accept(',')) {
    if (cursor.accept('TYPE')) clause.type = true;
    else if (cursor.accept('ELEMENTS')) {
      if (cursor.is('XSINIL')) cursor.unsupported('FOR XML ... ELEMENTS XSINIL');
      cursor.accept('ABSENT');
      clause.elements = true;
    } else if (cursor.accept('ROOT')) clause.root = parseQuotedName(cursor, 'root');
    else cursor.unsupported(`FOR XML ..., ${cursor.peek().text}`);
  }
  return clause;
}

function parseJsonClause(cursor: Cursor): JsonClause {
  const mode = cursor.acceptOne(['PATH', 'AUTO'] as const);
  if (mode === null) return cursor.fail();
  const clause: JsonClause = { mode: mode === 'PATH' ? 'path' : 'auto', root: null, nulls: false, wrapper: true };
  while (cursor.accept(',')) {
    if (cursor.accept('INCLUDE_NULL_VALUES')) clause.nulls = true;
    else if (cursor.accept('WITHOUT_ARRAY_WRAPPER')) clause.wrapper = false;
    else {
      cursor.expect('ROOT');
      clause.root = parseQuotedName(cursor, 'root');
    }
  }
  if (clause.root !== null && !clause.wrapper) throw sqlError(13620, [], { line: cursor.peek(-1).line });
  return clause;
}

/** A query that is a statement, or all that a statement reads: only there may OPTION stand. */
export function parseOptionedQuery(cursor: Cursor, outer: readonly CommonTable[] = []): Query {
  const query = parseQuery(cursor);
  parseOption(cursor, [...outer, ...query.with]);
  return query;
}

/** OPTION (...): advice to SQL Server's optimizer; only MAXRECURSION would change a result. */
export function parseOption(cursor: Cursor, commonTables: readonly CommonTable[]): void {
  if (!cursor.accept('OPTION')) return;
  cursor.parenthesized(() => {
    const token = cursor.next();
    if (!optionWords.has(token.upper)) cursor.fail(token);
    if (token.upper === 'LABEL') cursor.unsupported('OPTION (LABEL)');
    if (token.upper === 'MAXRECURSION') {
      const maximum = cursor.integer();
      if (maximum > 32767) throw sqlError(310, [maximum, 32767], { line: token.line });
      for (const table of commonTables) table.maximumRecursion = maximum;
    }
    while (!cursor.is(',') && !cursor.is(')') && cursor.peek().kind !== 'end')
      if (cursor.is('(')) cursor.skipParentheses();
      else cursor.next();
  });
}

const optionWords = new Set(
  `RECOMPILE MAXRECURSION MAXDOP FORCE LOOP MERGE HASH ORDER CONCAT FAST OPTIMIZE KEEP KEEPFIXED ROBUST EXPAND PARAMETERIZATION
  QUERYTRACEON USE LABEL TABLE IGNORE_NONCLUSTERED_COLUMNSTORE_INDEX MIN_GRANT_PERCENT MAX_GRANT_PERCENT NO_PERFORMANCE_SPOOL DISABLE`.split(
    /\s+/,
  ),
);

function parseSetOperation(cursor: Cursor): QueryBody {
  let left = parseIntersection(cursor);
  for (;;) {
    const { line } = cursor.peek();
    if (cursor.accept('UNION')) {
      const operator = cursor.accept('ALL') ? 'unionAll' : 'union';
      left = { kind: 'set', operator, left, right: parseIntersection(cursor), line };
    } else if (cursor.accept('EXCEPT')) {
      left = { kind: 'set', operator: 'except', left, right: parseIntersection(cursor), line };
    } else return left;
  }
}

function parseIntersection(cursor: Cursor): QueryBody {
  let left = parseQueryTerm(cursor);
  while (cursor.is('INTERSECT')) {
    const { line } = cursor.next();
    left = { kind: 'set', operator: 'intersect', left, right: parseQueryTerm(cursor), line };
  }
  return left;
}

function parseQueryTerm(cursor: Cursor): QueryBody {
  const { line } = cursor.peek();
  if (cursor.accept('(')) {
    const query = parseQuery(cursor);
    cursor.expect(')');
    return { kind: 'nested', query, line };
  }
  if (cursor.accept('VALUES'))
    return { kind: 'values', rows: cursor.list(() => cursor.parenthesized(() => parseExpression(cursor))), line };
  return parseSelect(cursor);
}

export function parseTop(cursor: Cursor): Top | null {
  if (!cursor.accept('TOP')) return null;
  const parenthesized = cursor.accept('(');
  const count = parenthesized ? parseExpression(cursor) : parseTopLiteral(cursor);
  if (parenthesized) cursor.expect(')');
  return { count, percent: cursor.accept('PERCENT'), withTies: cursor.accept('WITH', 'TIES') };
}

function parseTopLiteral(cursor: Cursor): Top['count'] {
  const token = cursor.next();
  if (token.kind === 'int' || token.kind === 'decimal')
    return { kind: 'literal', type: token.kind, text: token.text, line: token.line };
  if (token.kind === 'variable') return { kind: 'variable', name: token.text, line: token.line };
  return cursor.fail(token);
}

function parseSelect(cursor: Cursor): Select {
  const { line } = cursor.peek();
  cursor.expect('SELECT');
  const distinct = cursor.accept('DISTINCT');
  if (!distinct) cursor.accept('ALL');
  const select: Select = {
    kind: 'select',
    distinct,
    top: parseTop(cursor),
    items: cursor.list(() => parseSelectItem(cursor)),
    into: cursor.accept('INTO') ? cursor.path() : null,
    from: [],
    where: null,
    groupBy: [],
    groupSets: null,
    having: null,
    line,
  };
  if (cursor.accept('FROM')) select.from = parseFrom(cursor);
  if (cursor.accept('WHERE')) select.where = parseCondition(cursor);
  if (cursor.accept('GROUP', 'BY')) {
    const parts: (string | number)[] = [];
    parseGroupItems(cursor, select.groupBy, parts);
    if (parts.some((part) => typeof part === 'string' && part.length > 1)) select.groupSets = parts;
    if (cursor.accept('WITH', 'ROLLUP')) select.groupSets = ['ROLLUP', '(', ...parts, ')'];
    else if (cursor.accept('WITH', 'CUBE')) select.groupSets = ['CUBE', '(', ...parts, ')'];
  }
  if (cursor.accept('HAVING')) select.having = parseCondition(cursor);
  return select;
}

/** The items of GROUP BY, of ROLLUP and their like: expressions go to `keys`, everything else and their places to `parts`. */
function parseGroupItems(cursor: Cursor, keys: Expression[], parts: (string | number)[]): void {
  do {
    if (parts.length > 0 && parts.at(-1) !== '(') parts.push(',');
    const word = cursor.is('GROUPING', 'SETS', '(')
      ? 'GROUPING SETS'
      : ['ROLLUP', 'CUBE'].find((candidate) => cursor.is(candidate, '('));
    const inSets = parts.some((part) => part === 'GROUPING SETS' || part === 'ROLLUP' || part === 'CUBE');
    if (word !== undefined || (inSets && cursor.is('('))) {
      if (word !== undefined) parts.push(word);
      for (const _ of (word ?? '').split(' ')) if (word !== undefined) cursor.next();
      cursor.expect('(');
      parts.push('(');
      if (!cursor.is(')')) parseGroupItems(cursor, keys, parts);
      cursor.expect(')');
      parts.push(')');
      continue;
    }
    parts.push(keys.length);
    keys.push(parseExpression(cursor));
  } while (cursor.accept(','));
}

export function parseSelectItem(cursor: Cursor): SelectItem {
  const token = cursor.peek();
  const { line } = token;
  if (cursor.accept('*')) return { kind: 'star', path: [], line };
  if (token.kind === 'variable') {
    const operator = assignOperators.find(
      (candidate) => cursor.peek(1).upper === candidate && cursor.peek(1).kind === 'operator',
    );
    if (operator !== undefined) {
      cursor.next();
      cursor.next();
      return { kind: 'assign', variable: token.text, operator, expression: parseExpression(cursor), line };
    }
  }
  const star = cursor.attempt(() => parseQualifiedStar(cursor));
  if (star !== undefined) return { kind: 'star', path: star, line };
  if (
    (cursor.isName() || token.kind === 'string') &&
    cursor.peek(1).kind === 'operator' &&
    cursor.peek(1).upper === '='
  ) {
    const alias = cursor.next().text;
    cursor.expect('=');
    return { kind: 'expression', expression: parseExpression(cursor), alias, line };
  }
  const expression = parseExpression(cursor);
  return { kind: 'expression', expression, alias: parseAlias(cursor, true), line };
}

function parseQualifiedStar(cursor: Cursor): Path {
  const path = [cursor.name()];
  for (;;) {
    cursor.expect('.');
    if (cursor.accept('*')) return path;
    path.push(cursor.name());
  }
}

function parseAlias(cursor: Cursor, stringAllowed: boolean): string | null {
  const explicit = cursor.accept('AS');
  const { kind } = cursor.peek();
  if (stringAllowed && (kind === 'string' || kind === 'nstring')) return cursor.next().text;
  if (explicit || cursor.isName()) {
    if (!explicit && cursor.peek().kind === 'word' && isClauseWord(cursor)) return null;
    return cursor.name();
  }
  return null;
}

/** Words that T-SQL does not reserve and that begin something else behind a table or an expression. */
function isClauseWord(cursor: Cursor): boolean {
  if (cursor.is('THROW')) return true;
  if (cursor.is('OUTPUT') || cursor.is('USING')) return true;
  if (cursor.is('APPLY')) return true;
  // a label behind a statement without its semicolon
  return cursor.peek(1).upper === ':' && cursor.peek(1).kind === 'operator';
}

export function parseFrom(cursor: Cursor): TableSource[] {
  return cursor.list(() => parseJoins(cursor));
}

function parseJoins(cursor: Cursor): TableSource {
  let left = parseTableSource(cursor);
  for (;;) {
    const { line } = cursor.peek();
    const join = parseJoinKind(cursor);
    if (join === null) {
      if (!cursor.is('PIVOT') && !cursor.is('UNPIVOT')) return left;
      left = parsePivot(cursor, left);
      continue;
    }
    const right =
      join === 'crossApply' || join === 'outerApply' || join === 'cross'
        ? parseTableSource(cursor)
        : parseJoinOperand(cursor);
    let on = null;
    if (join !== 'cross' && join !== 'crossApply' && join !== 'outerApply') {
      cursor.expect('ON');
      on = parseCondition(cursor);
    }
    left = { kind: 'join', join, left, right, on, line };
  }
}

/** `PIVOT (SUM(a) FOR b IN ([x], [y])) AS p` and `UNPIVOT (a FOR b IN (c, d)) AS u`. */
function parsePivot(cursor: Cursor, source: TableSource): TableSource {
  const { upper: word, line } = cursor.next();
  cursor.expect('(');
  const call = word === 'PIVOT' ? parseExpression(cursor) : null;
  if (call !== null && call.kind !== 'call') cursor.fail(cursor.peek(-1));
  const value = call === null ? cursor.name() : '';
  cursor.expect('FOR');
  const column = cursor.path().at(-1) ?? '';
  cursor.expect('IN');
  const names = cursor.parenthesized(() => cursor.path().at(-1) ?? '');
  cursor.expect(')');
  cursor.accept('AS');
  const alias = cursor.name();
  if (call === null) return { kind: 'unpivot', source, value, column, names, alias, line };
  return { kind: 'pivot', source, call, column, values: names, alias, line };
}

/** `a JOIN b JOIN c ON ... ON ...`: the inner ON belongs to the nearest JOIN. */
function parseJoinOperand(cursor: Cursor): TableSource {
  const first = parseTableSource(cursor);
  if (cursor.is('ON')) return first;
  let left = first;
  while (!cursor.is('ON')) {
    const { line } = cursor.peek();
    const join = parseJoinKind(cursor);
    if (join === null) return cursor.fail();
    const right = parseJoinOperand(cursor);
    cursor.expect('ON');
    left = { kind: 'join', join, left, right, on: parseCondition(cursor), line };
  }
  return left;
}

function parseJoinKind(cursor: Cursor): JoinKind | null {
  if (cursor.accept('CROSS', 'JOIN')) return 'cross';
  if (cursor.accept('CROSS', 'APPLY')) return 'crossApply';
  if (cursor.accept('OUTER', 'APPLY')) return 'outerApply';
  const kind = cursor.acceptOne(['INNER', 'LEFT', 'RIGHT', 'FULL'] as const);
  if (kind === null) return cursor.accept('JOIN') ? 'inner' : null;
  if (kind !== 'INNER') cursor.accept('OUTER');
  cursor.acceptOne(['LOOP', 'HASH', 'MERGE', 'REMOTE']);
  cursor.expect('JOIN');
  return ({ INNER: 'inner', LEFT: 'left', RIGHT: 'right', FULL: 'full' } as const)[kind];
}

function parseTableSource(cursor: Cursor): TableSource {
  const token = cursor.peek();
  const { line } = token;
  if (cursor.is('(')) {
    const certain = ['SELECT', 'VALUES', 'WITH'].includes(cursor.peek(1).upper);
    const derived = certain
      ? parseSubquery(cursor)
      : cursor.is('(', '(')
        ? cursor.attempt(() => parseSubquery(cursor))
        : undefined;
    if (derived !== undefined) {
      cursor.accept('AS');
      const alias = cursor.name();
      const columns = cursor.is('(') ? cursor.parenthesized(() => cursor.name()) : [];
      return { kind: 'derived', query: derived, alias, columns, line };
    }
    cursor.expect('(');
    const inner = parseJoins(cursor);
    cursor.expect(')');
    return inner;
  }
  if (token.kind === 'variable') {
    cursor.next();
    if (cursor.accept('.')) return parseNodes(cursor, { kind: 'variable', name: token.text, line });
    return { kind: 'variable', name: token.text, alias: parseAlias(cursor, false), line };
  }
  if (cursor.accept('OPENJSON')) {
    const args = cursor.parenthesized(() => parseExpression(cursor));
    if (args.length > 2) cursor.fail(cursor.peek(-1));
    const schema = cursor.accept('WITH') ? cursor.parenthesized(() => parseJsonColumn(cursor)) : null;
    return { kind: 'openJson', args, schema, alias: parseAlias(cursor, false), line };
  }
  for (const word of `OPENXML OPENROWSET OPENQUERY OPENDATASOURCE CONTAINSTABLE FREETEXTTABLE`.split(' ')) {
    if (cursor.is(word, '(')) cursor.unsupported(word);
  }
  cursor.accept('::'); // system functions, in the form of SQL Server 2000
  const path = cursor.path();
  if (path.length > 1 && path.at(-1)?.toLowerCase() === 'nodes' && cursor.is('('))
    return parseNodes(cursor, { kind: 'column', path: path.slice(0, -1), line });
  if (cursor.is('(') && !isHintList(cursor)) {
    cursor.expect('(');
    const args = cursor.is(')') ? [] : cursor.list(() => parseExpression(cursor));
    cursor.expect(')');
    const alias = parseAlias(cursor, false);
    const columns = cursor.is('(') ? cursor.parenthesized(() => cursor.name()) : [];
    return { kind: 'function', path, args, alias, columns, line };
  }
  if (cursor.is('FOR', 'SYSTEM_TIME')) cursor.unsupported('temporal queries (FOR SYSTEM_TIME)');
  let hints = parseHints(cursor);
  const alias = parseAlias(cursor, false);
  if (cursor.is('TABLESAMPLE')) cursor.unsupported('TABLESAMPLE');
  if (hints.length === 0) hints = parseHints(cursor);
  return { kind: 'table', path, alias, hints, line };
}

/** `.nodes('path') AS t(c)`, of which the name may be read already. */
function parseNodes(cursor: Cursor, operand: Expression): TableSource {
  const { line } = operand;
  if (!cursor.is('(')) cursor.expect('NODES');
  cursor.expect('(');
  const token = cursor.next();
  if (token.kind !== 'string' && token.kind !== 'nstring') cursor.unsupported('computed arguments of xml methods');
  cursor.expect(')');
  cursor.accept('AS');
  const alias = cursor.name();
  const [column = ''] = cursor.parenthesized(() => cursor.name());
  return { kind: 'xmlNodes', operand, path: token.text, alias, column, line };
}

function parseJsonColumn(cursor: Cursor): JsonColumn {
  const name = cursor.name();
  const type = parseType(cursor);
  const path = ['string', 'nstring'].includes(cursor.peek().kind) ? cursor.next().text : null;
  return { name, type, path, json: cursor.accept('AS', 'JSON') };
}

const hintWords = new Set(
  `NOLOCK READUNCOMMITTED READCOMMITTED READCOMMITTEDLOCK REPEATABLEREAD SERIALIZABLE HOLDLOCK UPDLOCK XLOCK TABLOCK TABLOCKX
  ROWLOCK PAGLOCK READPAST NOWAIT NOEXPAND FORCESEEK FORCESCAN SNAPSHOT KEEPIDENTITY KEEPDEFAULTS IGNORE_CONSTRAINTS
  IGNORE_TRIGGERS INDEX FASTFIRSTROW`.split(/\s+/),
);

const isHintList = (cursor: Cursor): boolean =>
  hintWords.has(cursor.peek(1).upper) && (cursor.peek(2).upper === ')' || cursor.peek(2).upper === ',');

/** `WITH (UPDLOCK, HOLDLOCK)`, or the old form without WITH. */
export function parseHints(cursor: Cursor): string[] {
  if (cursor.is('WITH', '(')) cursor.expect('WITH');
  else if (!(cursor.is('(') && isHintList(cursor))) return [];
  cursor.expect('(');
  const hints: string[] = [];
  while (!cursor.accept(')')) {
    const hint = cursor.next().upper;
    if (!hintWords.has(hint)) throw sqlError(321, [cursor.peek(-1).text], { line: cursor.peek(-1).line });
    hints.push(hint);
    if (hint === 'INDEX') hints.push(...parseIndexHint(cursor));
    if (hint === 'FORCESEEK' && cursor.is('(')) cursor.skipParentheses();
    cursor.accept(',');
  }
  return hints;
}

/** The indexes that `INDEX (a, b)` or `INDEX = a` names, each behind an `=`: they must exist, and are no advice here. */
function parseIndexHint(cursor: Cursor): string[] {
  cursor.accept('=');
  const index = (): string => `=${cursor.peek().kind === 'int' ? cursor.next().text : cursor.name()}`;
  return cursor.is('(') ? cursor.parenthesized(index) : [index()];
}

export function parseOutput(cursor: Cursor): OutputClause | null {
  if (!cursor.accept('OUTPUT')) return null;
  const items = cursor.list(() => parseSelectItem(cursor));
  if (!cursor.accept('INTO')) return { items, into: null };
  const token = cursor.peek();
  const path = token.kind === 'variable' ? [cursor.next().text] : cursor.path();
  const columns = cursor.is('(') ? cursor.parenthesized(() => cursor.name()) : [];
  if (cursor.is('OUTPUT')) cursor.unsupported('two OUTPUT clauses in one statement');
  return { items, into: { path, columns } };
}
