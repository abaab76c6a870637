import {
  type AlterTableAction,
  type ColumnDefinition,
  type ConstraintClause,
  type ForeignKeyClause,
  type IndexClause,
  type IndexColumn,
  type ReferentialAction,
  type TableBody,
} from './ast';
import { sqlError } from '../errors';
import { type Cursor } from './cursor';
import { parseCondition, parseExpression } from './expressions';
import { parseType } from './types';

/** `( columns, constraints, indexes )` of CREATE TABLE and of table variables. */
export function parseTableBody(cursor: Cursor): TableBody {
  cursor.expect('(');
  const body: TableBody = { columns: [], constraints: [], indexes: [] };
  do {
    if (cursor.is(')') && body.columns.length > 0) break; // SQL Server allows a comma before the parenthesis
    parseTableElement(cursor, body);
  } while (cursor.accept(','));
  cursor.expect(')');
  return body;
}

/** The body of a table variable: its constraints have no names, and reference nothing. */
export function parseVariableBody(cursor: Cursor): TableBody {
  const body = parseTableBody(cursor);
  for (const { name, kind, line } of body.constraints) {
    if (name !== null) throw sqlError(156, ['CONSTRAINT'], { line });
    if (kind === 'foreign') throw sqlError(156, ['REFERENCES'], { line });
  }
  return body;
}

const constraintStarts = ['CONSTRAINT', 'PRIMARY', 'UNIQUE', 'FOREIGN', 'CHECK', 'DEFAULT'];

export function parseTableElement(cursor: Cursor, body: TableBody): void {
  if (cursor.is('PERIOD', 'FOR')) cursor.unsupported('temporal tables (PERIOD FOR SYSTEM_TIME)');
  if (cursor.is('INDEX')) {
    cursor.next();
    body.indexes.push(parseInlineIndex(cursor, null));
  } else if (constraintStarts.some((word) => cursor.is(word))) {
    body.constraints.push(parseConstraint(cursor, null));
  } else body.columns.push(parseColumn(cursor, body));
}

/** A column with its options; constraints and indexes declared on it go to `body`. */
export function parseColumn(cursor: Cursor, body: TableBody, constraints = true): ColumnDefinition {
  const { line } = cursor.peek();
  const column: ColumnDefinition = {
    name: '',
    type: null,
    nullable: null,
    identity: null,
    computed: null,
    rowguid: false,
    sparse: false,
    collation: null,
    line,
  };
  column.name = cursor.name();
  if (cursor.accept('AS')) {
    const { start } = cursor.peek();
    const expression = parseExpression(cursor);
    column.computed = { expression, text: cursor.textFrom(start), persisted: false };
  } else if (cursor.is(',') || cursor.is(')') || cursor.is(';') || cursor.peek().kind === 'end') {
    if (!constraints) cursor.fail();
    if (column.name.toUpperCase() !== 'TIMESTAMP') throw sqlError(173, [column.name], { line });
    column.type = { name: 'binary', schema: null, type: { name: 'binary', length: 8 }, rowversion: true, line };
  } else column.type = parseType(cursor);
  const ends = (): boolean =>
    !constraints && ['IDENTITY', 'REFERENCES', ...constraintStarts].includes(cursor.peek().upper);
  while (!ends() && parseColumnOption(cursor, column, body));
  return column;
}

function parseColumnOption(cursor: Cursor, column: ColumnDefinition, body: TableBody): boolean {
  if (cursor.is('NOT', 'NULL') || cursor.is('NULL')) {
    if (column.nullable !== null) throw sqlError(8150, [column.name, ''], { line: column.line });
    column.nullable = !cursor.accept('NOT');
    cursor.expect('NULL');
  } else if (cursor.accept('NOT', 'FOR', 'REPLICATION')) return true;
  else if (cursor.accept('IDENTITY')) {
    column.identity = { seed: '1', increment: '1' };
    if (cursor.accept('(')) {
      column.identity.seed = String(cursor.integer());
      cursor.expect(',');
      column.identity.increment = String(cursor.integer());
      cursor.expect(')');
    }
  } else if (cursor.accept('ROWGUIDCOL')) column.rowguid = true;
  else if (cursor.accept('SPARSE')) column.sparse = true;
  else if (cursor.accept('COLLATE')) column.collation = cursor.name();
  else if (cursor.is('PERSISTED') && column.computed !== null) {
    cursor.next();
    column.computed.persisted = true;
  } else if (cursor.accept('INDEX')) body.indexes.push(parseInlineIndex(cursor, column.name));
  else if (cursor.is('GENERATED')) cursor.unsupported('temporal and ledger columns (GENERATED ALWAYS)');
  else if (cursor.is('MASKED') || cursor.is('ENCRYPTED') || cursor.is('FILESTREAM') || cursor.is('HIDDEN')) {
    cursor.unsupported(`${cursor.peek().upper} columns`);
  } else if (constraintStarts.some((word) => cursor.is(word)) || cursor.is('REFERENCES')) {
    body.constraints.push(parseConstraint(cursor, column.name));
  } else return false;
  return true;
}

/** `column`: given when the constraint stands behind a column's type. */
export function parseConstraint(cursor: Cursor, column: string | null): ConstraintClause {
  const { line } = cursor.peek();
  const name = cursor.accept('CONSTRAINT') ? cursor.name() : null;
  if (cursor.accept('DEFAULT')) {
    const { start } = cursor.peek();
    const expression = parseExpression(cursor);
    const text = cursor.textFrom(start);
    const target = cursor.accept('FOR') ? cursor.name() : column;
    if (target === null) return cursor.fail();
    return {
      kind: 'default',
      name,
      expression,
      text,
      column: target,
      withValues: cursor.accept('WITH', 'VALUES'),
      line,
    };
  }
  if (cursor.accept('CHECK')) {
    cursor.accept('NOT', 'FOR', 'REPLICATION');
    cursor.expect('(');
    const { start } = cursor.peek();
    const condition = parseCondition(cursor);
    const text = cursor.textFrom(start);
    cursor.expect(')');
    return { kind: 'check', name, condition, text, column, line };
  }
  if (cursor.is('FOREIGN') || cursor.is('REFERENCES')) {
    let columns = column === null ? [] : [column];
    if (cursor.accept('FOREIGN', 'KEY') && cursor.is('(')) columns = cursor.parenthesized(() => cursor.name());
    return { kind: 'foreign', name, ...parseReferences(cursor, columns), line };
  }
  const primary = cursor.accept('PRIMARY');
  cursor.expect(primary ? 'KEY' : 'UNIQUE');
  const clustered = cursor.accept('CLUSTERED') ? true : cursor.accept('NONCLUSTERED') ? false : null;
  if (cursor.accept('HASH')) cursor.unsupported('hash indexes of memory-optimized tables');
  const columns = cursor.is('(')
    ? parseIndexColumns(cursor)
    : column === null
      ? []
      : [{ name: column, descending: false }];
  if (columns.length === 0) cursor.fail();
  parseIndexOptions(cursor);
  return { kind: 'key', name, primary, clustered, columns, line };
}

function parseReferences(cursor: Cursor, columns: string[]): ForeignKeyClause {
  cursor.expect('REFERENCES');
  const references = cursor.path();
  const referenced = cursor.is('(') ? cursor.parenthesized(() => cursor.name()) : [];
  const clause: ForeignKeyClause = { columns, references, referenced, onDelete: 'NO_ACTION', onUpdate: 'NO_ACTION' };
  for (;;) {
    if (cursor.accept('ON', 'DELETE')) clause.onDelete = parseReferentialAction(cursor);
    else if (cursor.accept('ON', 'UPDATE')) clause.onUpdate = parseReferentialAction(cursor);
    else if (!cursor.accept('NOT', 'FOR', 'REPLICATION')) return clause;
  }
}

function parseReferentialAction(cursor: Cursor): ReferentialAction {
  if (cursor.accept('NO', 'ACTION')) return 'NO_ACTION';
  if (cursor.accept('CASCADE')) return 'CASCADE';
  cursor.expect('SET');
  if (cursor.accept('NULL')) return 'SET_NULL';
  cursor.expect('DEFAULT');
  return 'SET_DEFAULT';
}

function parseIndexColumns(cursor: Cursor): IndexColumn[] {
  return cursor.parenthesized(() => {
    const name = cursor.name();
    const descending = cursor.accept('DESC');
    if (!descending) cursor.accept('ASC');
    return { name, descending };
  });
}

const physicalOptions = new Set(
  `PAD_INDEX FILLFACTOR SORT_IN_TEMPDB IGNORE_DUP_KEY STATISTICS_NORECOMPUTE STATISTICS_INCREMENTAL DROP_EXISTING ONLINE RESUMABLE
  MAX_DURATION ALLOW_ROW_LOCKS ALLOW_PAGE_LOCKS OPTIMIZE_FOR_SEQUENTIAL_KEY MAXDOP DATA_COMPRESSION XML_COMPRESSION
  COMPRESSION_DELAY BUCKET_COUNT DURABILITY WAIT_AT_LOW_PRIORITY`.split(/\s+/),
);
const unsupportedTableOptions = new Set([
  'SYSTEM_VERSIONING',
  'MEMORY_OPTIMIZED',
  'LEDGER',
  'FILETABLE_DIRECTORY',
  'REMOTE_DATA_ARCHIVE',
]);

/**
 * `WITH (...)`, `ON filegroup`, `TEXTIMAGE_ON ...` behind a table or an index: physical, without effect here. What would
 * have an effect is refused, or returned.
 */
export function parseIndexOptions(cursor: Cursor): { ignoreDuplicates: boolean; dropExisting: boolean } {
  const options = { ignoreDuplicates: false, dropExisting: false };
  for (;;) {
    if (cursor.accept('WITH', 'FILLFACTOR')) {
      cursor.expect('=');
      checkFillFactor(cursor.integer(), cursor.peek(-1).line);
    } else if (cursor.is('WITH', '(')) {
      cursor.expect('WITH');
      parseOptionList(cursor, options);
    } else if (cursor.accept('ON') || cursor.accept('TEXTIMAGE_ON') || cursor.accept('FILESTREAM_ON')) {
      if (cursor.peek().kind === 'string') cursor.next();
      else if (cursor.is('DEFAULT')) cursor.next();
      else cursor.name();
      if (cursor.is('(')) cursor.unsupported('partition schemes');
    } else return options;
  }
}

function checkFillFactor(percent: number, line: number): void {
  if (percent < 1 || percent > 100) throw sqlError(129, [percent], { line });
}

function parseOptionList(cursor: Cursor, options: { ignoreDuplicates: boolean; dropExisting: boolean }): void {
  cursor.parenthesized(() => {
    const { upper: option, text, line } = cursor.next();
    if (!physicalOptions.has(option) && !unsupportedTableOptions.has(option))
      throw sqlError(155, [text, 'CREATE INDEX'], { line });
    if (unsupportedTableOptions.has(option)) cursor.unsupported(`the table option ${option}`);
    if (!cursor.accept('=')) return;
    const value = cursor.next().upper;
    if (option === 'FILLFACTOR') checkFillFactor(Number(value), line);
    if (option === 'IGNORE_DUP_KEY') options.ignoreDuplicates = value === 'ON';
    if (option === 'DROP_EXISTING') options.dropExisting = value === 'ON';
    if (cursor.is('(')) cursor.skipParentheses(); // ONLINE = ON (WAIT_AT_LOW_PRIORITY (...))
    cursor.acceptOne(['MINUTES']);
    if (cursor.accept('ON', 'PARTITIONS')) cursor.skipParentheses();
  });
}

function parseInlineIndex(cursor: Cursor, column: string | null): IndexClause {
  const { line } = cursor.peek();
  const name = cursor.name();
  const unique = cursor.accept('UNIQUE');
  const clustered = cursor.accept('CLUSTERED') || (cursor.accept('NONCLUSTERED') && false);
  return parseIndexRest(cursor, { name, unique, clustered, line }, column);
}

/** Columns, INCLUDE, WHERE and options; `column` for an index declared behind a column. */
export function parseIndexRest(
  cursor: Cursor,
  head: Pick<IndexClause, 'name' | 'unique' | 'clustered' | 'line'>,
  column: string | null,
): IndexClause & { dropExisting: boolean } {
  if (cursor.is('COLUMNSTORE')) cursor.unsupported('columnstore indexes');
  const columns = column === null || cursor.is('(') ? parseIndexColumns(cursor) : [{ name: column, descending: false }];
  const included = cursor.accept('INCLUDE') ? cursor.parenthesized(() => cursor.name()) : [];
  let filter = null;
  let filterText = '';
  if (cursor.accept('WHERE')) {
    const { start } = cursor.peek();
    filter = parseCondition(cursor);
    filterText = cursor.textFrom(start);
  }
  const options = parseIndexOptions(cursor);
  return { ...head, columns, included, filter, filterText, ...options };
}

/** What follows `ALTER TABLE name`. */
export function parseAlterTable(cursor: Cursor): AlterTableAction {
  // New constraints look at the rows that exist; those that are enabled again do not, unless asked to.
  const noCheck = cursor.accept('WITH', 'NOCHECK');
  const withCheck = !noCheck && cursor.accept('WITH', 'CHECK');
  if (cursor.accept('ADD')) {
    const body: TableBody = { columns: [], constraints: [], indexes: [] };
    do {
      parseTableElement(cursor, body);
    } while (cursor.accept(','));
    return { kind: 'add', body, check: !noCheck };
  }
  if (cursor.accept('ALTER')) {
    cursor.expect('COLUMN');
    return parseAlterColumn(cursor);
  }
  if (cursor.accept('DROP')) return parseDrop(cursor);
  if (cursor.is('CHECK') || cursor.is('NOCHECK')) {
    const enabled = cursor.next().upper === 'CHECK';
    cursor.expect('CONSTRAINT');
    const names = cursor.accept('ALL') ? [] : cursor.list(() => cursor.name());
    return { kind: 'constraintState', names, enabled, check: withCheck };
  }
  if (cursor.is('ENABLE', 'TRIGGER') || cursor.is('DISABLE', 'TRIGGER')) {
    const enabled = cursor.next().upper === 'ENABLE';
    cursor.next();
    return { kind: 'triggerState', names: cursor.accept('ALL') ? [] : cursor.list(() => cursor.name()), enabled };
  }
  if (cursor.accept('REBUILD')) {
    if (cursor.accept('PARTITION', '=') && !cursor.accept('ALL')) cursor.unsupported('REBUILD of one partition');
    parseIndexOptions(cursor);
    return { kind: 'physical' };
  }
  if (cursor.accept('SET')) {
    cursor.expect('(');
    if (cursor.is('LOCK_ESCALATION')) {
      while (!cursor.accept(')')) cursor.next();
      return { kind: 'physical' };
    }
    return cursor.unsupported(`ALTER TABLE ... SET (${cursor.peek().text})`);
  }
  if (cursor.is('SWITCH') || cursor.is('ENABLE') || cursor.is('DISABLE'))
    cursor.unsupported(`ALTER TABLE ... ${cursor.peek().upper}`);
  return cursor.fail();
}

function parseAlterColumn(cursor: Cursor): AlterTableAction {
  const body: TableBody = { columns: [], constraints: [], indexes: [] };
  if (cursor.peek(1).upper === 'ADD' || cursor.peek(1).upper === 'DROP') {
    const column = cursor.name();
    const add = cursor.next().upper === 'ADD';
    const option = cursor.next().upper;
    if (!['PERSISTED', 'ROWGUIDCOL', 'SPARSE'].includes(option)) {
      if (option === 'NOT' && cursor.accept('FOR', 'REPLICATION')) return { kind: 'physical' };
      cursor.unsupported(`ALTER COLUMN ... ${add ? 'ADD' : 'DROP'} ${option}`);
    }
    return { kind: 'columnOption', column, add, option };
  }
  const column = parseColumn(cursor, body, false);
  if (cursor.is('IDENTITY') || cursor.is('REFERENCES') || constraintStarts.some((word) => cursor.is(word)))
    cursor.fail();
  if (cursor.accept('WITH')) cursor.skipParentheses();
  return { kind: 'alterColumn', column };
}

function parseDrop(cursor: Cursor): AlterTableAction {
  if (cursor.is('PERIOD')) cursor.unsupported('temporal tables (PERIOD FOR SYSTEM_TIME)');
  const columns: string[] = [];
  const constraints: string[] = [];
  let ifExists = false;
  let into = constraints;
  do {
    if (cursor.accept('COLUMN')) into = columns;
    else if (cursor.accept('CONSTRAINT')) into = constraints;
    if (cursor.accept('IF', 'EXISTS')) ifExists = true;
    into.push(cursor.name());
    if (cursor.accept('WITH')) cursor.skipParentheses();
  } while (cursor.accept(','));
  return { kind: 'drop', columns, constraints, ifExists };
}
