import { type DropKind, type SequenceOptions, type StatementBody } from './ast';
import { sqlError } from '../errors';
import { type Cursor } from './cursor';
import { parseModule } from './modules';
import { parseAlterTable, parseIndexOptions, parseIndexRest, parseTableBody } from './tables';
import { parseType } from './types';

/** What follows CREATE. */
export function parseCreate(cursor: Cursor): StatementBody {
  const orAlter = cursor.accept('OR', 'ALTER');
  const module = parseModule(cursor, orAlter ? 'createOrAlter' : 'create');
  if (module !== null) return module;
  if (orAlter) cursor.fail();
  if (cursor.is('OR')) cursor.fail(cursor.peek(1));
  if (cursor.accept('TABLE')) {
    const path = cursor.path();
    if (cursor.is('AS')) cursor.unsupported('CREATE TABLE AS (graph tables, file tables, CTAS)');
    const body = parseTableBody(cursor);
    if (cursor.is('AS')) cursor.unsupported('graph tables');
    parseIndexOptions(cursor);
    return { kind: 'createTable', path, body };
  }
  if (cursor.is('UNIQUE') || cursor.is('CLUSTERED') || cursor.is('NONCLUSTERED') || cursor.is('INDEX'))
    return parseCreateIndex(cursor);
  if (cursor.accept('SCHEMA')) return parseCreateSchema(cursor);
  if (cursor.accept('SEQUENCE')) return parseSequence(cursor, 'createSequence');
  if (cursor.accept('SYNONYM')) {
    const path = cursor.path();
    cursor.expect('FOR');
    return { kind: 'createSynonym', path, target: cursor.path() };
  }
  if (cursor.accept('TYPE')) return parseCreateType(cursor);
  if (cursor.accept('USER')) return parseCreatePrincipal(cursor, 'S');
  if (cursor.accept('ROLE')) return parseCreatePrincipal(cursor, 'R');
  if (cursor.accept('STATISTICS')) {
    cursor.name();
    cursor.expect('ON');
    const path = cursor.path();
    const names = cursor.parenthesized(() => cursor.name());
    if (cursor.is('WHERE')) cursor.unsupported('filtered statistics');
    skipToStatementEnd(cursor);
    return { kind: 'statistics', action: 'create', path, names };
  }
  return unknownKind(cursor, 'CREATE');
}

/** What SQL Server can create and the stand-in cannot, by its first word. */
const otherKinds = new Set(
  `AGGREGATE APPLICATION ASSEMBLY ASYMMETRIC AUTHORIZATION AVAILABILITY BROKER CERTIFICATE COLUMNSTORE CONTRACT CREDENTIAL CRYPTOGRAPHIC DATABASE DEFAULT
  ENDPOINT EVENT EXTERNAL FULLTEXT LOGIN MASTER MESSAGE PARTITION PRIMARY QUEUE REMOTE RESOURCE ROUTE RULE SEARCH SECURITY SELECTIVE SERVER SERVICE
  SIGNATURE SPATIAL SYMMETRIC WORKLOAD XML INDEX USER ROLE TYPE`.split(/\s+/),
);

function unknownKind(cursor: Cursor, verb: string): never {
  const { upper, text, line } = cursor.peek();
  if (!otherKinds.has(upper)) throw sqlError(343, [text], { line });
  return cursor.unsupported(`${verb} ${upper}${cursor.peek(1).kind === 'word' ? ` ${cursor.peek(1).upper}` : ''}`);
}

function parseCreateIndex(cursor: Cursor): StatementBody {
  const { line } = cursor.peek();
  const unique = cursor.accept('UNIQUE');
  const clustered = cursor.accept('CLUSTERED') || (cursor.accept('NONCLUSTERED') && false);
  if (cursor.is('COLUMNSTORE')) cursor.unsupported('columnstore indexes');
  cursor.expect('INDEX');
  const name = cursor.name();
  cursor.expect('ON');
  const path = cursor.path();
  const { dropExisting, ...index } = parseIndexRest(cursor, { name, unique, clustered, line }, null);
  return { kind: 'createIndex', path, index, dropExisting };
}

function parseCreateSchema(cursor: Cursor): StatementBody {
  if (cursor.accept('AUTHORIZATION')) {
    const name = cursor.name();
    return { kind: 'createSchema', name, owner: name };
  }
  const name = cursor.name();
  const owner = cursor.accept('AUTHORIZATION') ? cursor.name() : null;
  if (cursor.is('CREATE') || cursor.is('GRANT')) cursor.unsupported('CREATE SCHEMA with objects in it');
  return { kind: 'createSchema', name, owner };
}

function parseSequence(cursor: Cursor, kind: 'createSequence' | 'alterSequence'): StatementBody {
  const path = cursor.path();
  const type = kind === 'createSequence' && cursor.accept('AS') ? parseType(cursor) : null;
  const options: SequenceOptions = {};
  for (;;) {
    if (cursor.accept('START', 'WITH')) options.start = String(cursor.integer());
    else if (cursor.accept('INCREMENT', 'BY')) options.increment = String(cursor.integer());
    else if (cursor.accept('MINVALUE')) options.minimum = String(cursor.integer());
    else if (cursor.accept('MAXVALUE')) options.maximum = String(cursor.integer());
    else if (cursor.accept('NO', 'MINVALUE')) options.minimum = null;
    else if (cursor.accept('NO', 'MAXVALUE')) options.maximum = null;
    else if (cursor.accept('RESTART')) options.restart = cursor.accept('WITH') ? String(cursor.integer()) : null;
    else if (cursor.accept('CYCLE')) options.cycle = true;
    else if (cursor.accept('NO', 'CYCLE')) options.cycle = false;
    else if (cursor.accept('CACHE')) {
      if (cursor.peek().kind === 'int') cursor.next();
    } else if (!cursor.accept('NO', 'CACHE')) break;
  }
  return kind === 'createSequence' ? { kind, path, type, options } : { kind, path, options };
}

function parseCreateType(cursor: Cursor): StatementBody {
  const path = cursor.path();
  if (cursor.accept('AS')) {
    cursor.expect('TABLE');
    const { start } = cursor.peek();
    parseTableBody(cursor);
    const body = cursor.textFrom(start);
    parseIndexOptions(cursor);
    return { kind: 'createType', path, base: null, nullable: true, body };
  }
  cursor.expect('FROM');
  const base = parseType(cursor);
  const nullable = !cursor.accept('NOT', 'NULL');
  cursor.accept('NULL');
  return { kind: 'createType', path, base, nullable, body: null };
}

function parseCreatePrincipal(cursor: Cursor, type: 'S' | 'R'): StatementBody {
  const name = cursor.name();
  const { start } = cursor.peek();
  const external = cursor.is('FROM', 'EXTERNAL');
  skipToStatementEnd(cursor);
  return { kind: 'createPrincipal', name, type: external ? 'E' : type, options: cursor.textFrom(start) };
}

/** The words of a clause that has no effect here, up to something that begins another statement. */
export function skipToStatementEnd(cursor: Cursor): void {
  const starts = new Set(
    `SELECT INSERT UPDATE DELETE CREATE ALTER DROP IF EXEC EXECUTE GRANT DENY REVOKE BEGIN END DECLARE SET PRINT COMMIT
    ROLLBACK ELSE RETURN WHILE RAISERROR USE GO DBCC`.split(/\s+/),
  );
  while (
    cursor.peek().kind !== 'end' &&
    !cursor.is(';') &&
    !(cursor.peek().kind === 'word' && starts.has(cursor.peek().upper))
  )
    cursor.next();
}

/** What follows ALTER. */
export function parseAlter(cursor: Cursor): StatementBody {
  const module = parseModule(cursor, 'alter');
  if (module !== null) return module;
  if (cursor.accept('TABLE')) {
    const path = cursor.path();
    return { kind: 'alterTable', path, action: parseAlterTable(cursor) };
  }
  if (cursor.accept('INDEX')) {
    const name = cursor.accept('ALL') ? null : cursor.name();
    cursor.expect('ON');
    const path = cursor.path();
    const action = cursor.acceptOne(['REBUILD', 'DISABLE', 'REORGANIZE', 'SET', 'PAUSE', 'RESUME', 'ABORT'] as const);
    if (action === null) cursor.fail();
    skipToStatementEndExceptSet(cursor);
    return {
      kind: 'alterIndex',
      name,
      path,
      action: action === 'REBUILD' ? 'rebuild' : action === 'DISABLE' ? 'disable' : 'other',
    };
  }
  if (cursor.accept('SCHEMA')) {
    const schema = cursor.name();
    cursor.expect('TRANSFER');
    if (cursor.accept('OBJECT', '::')) return { kind: 'alterSchema', schema, path: cursor.path() };
    if (cursor.is('TYPE', '::') || cursor.is('XML')) cursor.unsupported('ALTER SCHEMA TRANSFER of types');
    return { kind: 'alterSchema', schema, path: cursor.path() };
  }
  if (cursor.accept('SEQUENCE')) return parseSequence(cursor, 'alterSequence');
  if (cursor.accept('ROLE')) {
    const role = cursor.name();
    const add = cursor.accept('ADD');
    if (!add && cursor.is('WITH')) cursor.unsupported('ALTER ROLE ... WITH NAME');
    if (!add) cursor.expect('DROP');
    cursor.expect('MEMBER');
    return { kind: 'roleMember', role, member: cursor.name(), add };
  }
  if (cursor.accept('DATABASE', 'SCOPED', 'CONFIGURATION')) {
    cursor.accept('CLEAR');
    cursor.accept('SET');
    skipToStatementEnd(cursor);
    return { kind: 'nothing', what: 'ALTER DATABASE SCOPED CONFIGURATION' };
  }
  if (cursor.is('DATABASE', 'CURRENT', 'SET') || cursor.peek(2).upper === 'SET') return parseAlterDatabaseSet(cursor);
  return unknownKind(cursor, 'ALTER');
}

function skipToStatementEndExceptSet(cursor: Cursor): void {
  if (cursor.accept('WITH') || cursor.is('(')) cursor.skipParentheses();
  else skipToStatementEnd(cursor);
}

/** Defaults for sessions that do not say, which every driver does; and states that a database here is always in. */
const sessionDefaults =
  `ANSI_NULL_DEFAULT ANSI_NULLS ANSI_PADDING ANSI_WARNINGS ARITHABORT CONCAT_NULL_YIELDS_NULL NUMERIC_ROUNDABORT QUOTED_IDENTIFIER
  CURSOR_CLOSE_ON_COMMIT CURSOR_DEFAULT RECURSIVE_TRIGGERS MULTI_USER READ_WRITE ONLINE TRUSTWORTHY DB_CHAINING DISABLE_BROKER HONOR_BROKER_PRIORITY
  AUTO_UPDATE_STATISTICS_ASYNC DATE_CORRELATION_OPTIMIZATION ENCRYPTION ACCELERATED_DATABASE_RECOVERY TORN_PAGE_DETECTION`.split(
    /\s+/,
  );

/** Database options: the ones with an effect on results are refused, the others are physical. */
function parseAlterDatabaseSet(cursor: Cursor): StatementBody {
  cursor.expect('DATABASE');
  if (!cursor.accept('CURRENT')) cursor.name();
  cursor.expect('SET');
  const option = cursor.peek().upper;
  const physical =
    `AUTO_UPDATE_STATISTICS AUTO_CREATE_STATISTICS AUTO_SHRINK AUTO_CLOSE QUERY_STORE RECOVERY PAGE_VERIFY
    READ_COMMITTED_SNAPSHOT ALLOW_SNAPSHOT_ISOLATION PARAMETERIZATION COMPATIBILITY_LEVEL AUTOMATIC_TUNING
    TARGET_RECOVERY_TIME DELAYED_DURABILITY`.split(/\s+/);
  const known = physical.includes(option) || sessionDefaults.includes(option);
  if (!known) cursor.unsupported(`ALTER DATABASE SET ${option}`);
  while (!cursor.is('WITH') && !cursor.is(';') && cursor.peek().kind !== 'end') cursor.next();
  if (cursor.accept('WITH')) {
    if (!cursor.accept('ROLLBACK', 'IMMEDIATE') && cursor.accept('ROLLBACK')) cursor.expect('AFTER');
    skipToStatementEnd(cursor);
  }
  return { kind: 'nothing', what: `ALTER DATABASE SET ${option}` };
}

const dropKinds: readonly (readonly [string, DropKind])[] = [
  ['TABLE', 'table'],
  ['VIEW', 'view'],
  ['PROCEDURE', 'procedure'],
  ['PROC', 'procedure'],
  ['FUNCTION', 'function'],
  ['TRIGGER', 'trigger'],
  ['SCHEMA', 'schema'],
  ['SEQUENCE', 'sequence'],
  ['SYNONYM', 'synonym'],
  ['TYPE', 'type'],
  ['USER', 'user'],
  ['ROLE', 'role'],
];

/** What follows DROP. */
export function parseDrop(cursor: Cursor): StatementBody {
  if (cursor.accept('INDEX')) {
    const ifExists = cursor.accept('IF', 'EXISTS');
    const indexes = cursor.list(() => {
      const first = cursor.path();
      if (cursor.accept('ON')) {
        const path = cursor.path();
        if (cursor.accept('WITH')) cursor.parenthesized(() => skipOption(cursor));
        return { name: first.at(-1) ?? '', path };
      }
      if (first.length < 2) throw sqlError(159, [], { line: cursor.peek(-1).line }); // the old form needs its table: DROP INDEX table.index
      return { name: first.at(-1) ?? '', path: first.slice(0, -1) };
    });
    return { kind: 'dropIndex', indexes, ifExists };
  }
  if (cursor.accept('STATISTICS')) {
    const [first, ...more] = cursor.list(() => cursor.path());
    if (first === undefined || more.length > 0) cursor.unsupported('DROP STATISTICS of several');
    return { kind: 'statistics', action: 'drop', path: first.slice(0, -1), names: first.slice(-1) };
  }
  for (const [word, what] of dropKinds) {
    if (!cursor.accept(word)) continue;
    const ifExists = cursor.accept('IF', 'EXISTS');
    const paths = cursor.list(() => cursor.path());
    if (what === 'trigger' && cursor.is('ON')) cursor.unsupported('DDL and logon triggers');
    return { kind: 'drop', what, paths, ifExists };
  }
  return unknownKind(cursor, 'DROP');
}

function skipOption(cursor: Cursor): void {
  cursor.next();
  cursor.expect('=');
  cursor.next();
}

/** GRANT, DENY and REVOKE. */
export function parsePermission(cursor: Cursor, action: 'GRANT' | 'DENY' | 'REVOKE'): StatementBody {
  cursor.accept('GRANT', 'OPTION', 'FOR');
  const permissions = cursor.list(() => {
    const words: string[] = [];
    while (!cursor.is(',') && !cursor.is('ON') && !cursor.is('TO') && !cursor.is('FROM')) {
      if (cursor.is('('))
        cursor.parenthesized(() => cursor.name()); // column permissions are recorded for the table
      else if (cursor.peek().kind === 'word') words.push(cursor.next().upper);
      else cursor.fail();
    }
    const right = words.join(' ').replace(/ PRIVILEGES$/, '');
    const shortened = right === 'EXEC' ? 'EXECUTE' : right;
    if (
      !/^(ALL|(VIEW|ALTER|CREATE|CONTROL|TAKE|REFERENCES|SELECT|INSERT|UPDATE|DELETE|EXECUTE|CONNECT|IMPERSONATE|SHOWPLAN|UNMASK|BACKUP|KILL|ADMINISTER|AUTHENTICATE|CHECKPOINT|SUBSCRIBE|RECEIVE|SEND)\b.*)$/.test(
        shortened,
      )
    )
      throw sqlError(102, [right], { line: cursor.peek(-1).line });
    return shortened;
  });
  let path: string[] = [];
  let className = 'DATABASE';
  if (cursor.accept('ON')) {
    className = 'OBJECT';
    if (cursor.peek(1).upper === '::') {
      className = cursor.next().upper;
      cursor.next();
    } else if (cursor.is('ROLE', '::')) cursor.fail();
    path = [...cursor.path()];
    if (cursor.is('(')) cursor.parenthesized(() => cursor.name());
  }
  if (!cursor.accept('TO')) cursor.expect('FROM');
  const principals = cursor.list(() => (cursor.accept('PUBLIC') ? 'public' : cursor.name()));
  cursor.accept('WITH', 'GRANT', 'OPTION');
  cursor.accept('CASCADE');
  if (cursor.accept('AS')) cursor.name();
  return { kind: 'permission', action, permissions, class: className, path, principals };
}
