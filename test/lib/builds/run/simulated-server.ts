import { type Clock } from '../../../../lib/platform/clock';
import {
  type BatchAnswer,
  type Connect,
  type ConnectAnswer,
  type SqlConnection,
  type SqlError,
  type TransactionEvent,
} from '../../../../lib/sql/model';
import { clientError, serverError } from '../../../../lib/sql/errors';

/**
 * A SQL server that knows transactions, the lock, and the statements of the run protocol, and nothing else. Scripts are
 * words: `effect x`, `fail 208`, `raise`, `doom`, `hang`, `commit`, `begin`, `rollback`, `noexec`, separated by `;`.
 *
 * Every request and every login is one numbered I/O, before and after which the connection can be made to break.
 */
export interface SimulatedServer {
  connect: Connect;
  database(name: string): SimulatedDatabase;
  /** Kinds of all I/O so far, in order. */
  readonly io: IoKind[];
  fault: (io: { index: number; kind: IoKind; database: string; text: string }) => Fault;
}

export type IoKind = 'login' | 'preamble' | 'script' | 'epilogue' | 'other';
/** `before`: the server never gets the request. `after`: it does, and the answer is lost. A number: that SQL error. */
export type Fault = 'before' | 'after' | number | null;

export interface JournalEntry {
  buildId: string;
  targetId: string;
  sequence: number;
  scriptId: string;
  sha256: string;
  hash: string;
  state: string;
}

interface State {
  effects: string[];
  journal: JournalEntry[];
  log: { scriptId: string; hash: string | null }[];
}

export interface SimulatedDatabase {
  /** What is durable. */
  state: State;
  lockedBy: object | null;
}

const empty = (): State => ({ effects: [], journal: [], log: [] });
const copy = ({ effects, journal, log }: State): State => ({
  effects: [...effects],
  journal: [...journal],
  log: [...log],
});

export function createSimulatedServer(): SimulatedServer {
  const databases = new Map<string, SimulatedDatabase>();
  const server: SimulatedServer = {
    io: [],
    fault: () => null,
    database(name) {
      const known = databases.get(name) ?? { state: empty(), lockedBy: null };
      databases.set(name, known);
      return known;
    },
    async connect({ database }) {
      const fault = register(server, 'login', database, '');
      if (typeof fault === 'number') return { ok: false, error: sqlError(fault) };
      if (fault !== null) return { ok: false, error: clientError('network', 'connection lost', 'ECONNRESET') };
      return open(server, database);
    },
  };
  return server;
}

function register(server: SimulatedServer, kind: IoKind, database: string, text: string): Fault {
  server.io.push(kind);
  return server.fault({ index: server.io.length, kind, database, text });
}

let nextDescriptor = 1;

function open(server: SimulatedServer, name: string): ConnectAnswer {
  const database = server.database(name);
  const me = {};
  let transaction: { id: string; depth: number; work: State; savepoints: Map<string, State> } | null = null;
  let xactAbort = false;
  let noexec = false;
  let doomed = false;
  let alive = true;

  const end = (commit: boolean, events: TransactionEvent[]): void => {
    if (transaction === null) return;
    if (commit) database.state = transaction.work;
    transaction = null;
    if (database.lockedBy === me) database.lockedBy = null;
    events.push({ kind: 'ended', by: commit ? 'commit' : 'rollback' });
  };
  const begin = (events: TransactionEvent[]): void => {
    if (transaction !== null) {
      transaction.depth += 1;
      return;
    }
    transaction = { id: String(nextDescriptor++), depth: 1, work: copy(database.state), savepoints: new Map() };
    events.push({ kind: 'began', descriptor: transaction.id });
  };
  const state = (): State => transaction?.work ?? database.state;

  const runScript = (text: string, events: TransactionEvent[]): SqlError | null => {
    for (const word of text.split(';').map((part) => part.trim())) {
      if (noexec) return null;
      const [verb = '', value = ''] = word.split(' ');
      switch (verb) {
        case 'effect':
          state().effects.push(value);
          break;
        case 'fail':
          if (xactAbort || Number(value) === 1205) end(false, events);
          return sqlError(Number(value));
        case 'raise':
          return sqlError(50000);
        case 'doom':
          doomed = true;
          return sqlError(50000);
        case 'hang':
          if (xactAbort) end(false, events);
          return clientError('timeout', 'Timeout expired: no answer within 5 s.');
        case 'commit':
          if (transaction !== null && transaction.depth > 1) transaction.depth -= 1;
          else end(true, events);
          break;
        case 'begin':
          begin(events);
          break;
        case 'rollback':
          end(false, events);
          break;
        case 'noexec':
          noexec = true;
          break;
        default:
          throw new Error(`the simulation has no "${word}"`);
      }
    }
    return null;
  };

  const runOwn = (text: string, events: TransactionEvent[]): Pick<BatchAnswer, 'error' | 'resultSets'> => {
    if (noexec) return { error: null, resultSets: [] };
    const ok = { error: null, resultSets: [] };
    if (text.startsWith('SAVE TRANSACTION')) {
      transaction?.savepoints.set(text.replace('SAVE TRANSACTION ', '').replace(';', ''), copy(state()));
      return ok;
    }
    if (text.includes('XACT_STATE()')) {
      if (doomed) return { error: null, resultSets: [resultSet({ Answer: 'state', TransactionState: -1 })] };
      const savepoint = /ROLLBACK TRANSACTION (\w+);/.exec(text)?.[1];
      const saved = savepoint === undefined ? undefined : transaction?.savepoints.get(savepoint);
      if (transaction !== null && saved !== undefined) transaction.work = copy(saved);
      if (transaction !== null && savepoint !== undefined) transaction.depth = 1;
      return {
        error: null,
        resultSets: [resultSet({ Answer: 'state', TransactionState: transaction === null ? 0 : 1 })],
      };
    }
    if (text.startsWith('IF @@TRANCOUNT > 0 ROLLBACK')) {
      end(false, events);
      return ok;
    }
    if (!text.includes('dbo.Sqlfleet_Journal')) throw new Error(`the simulation does not know:\n${text}`);
    const wanted = text.includes('IF @@TRANCOUNT = 0') ? 1 : 0;
    if ((transaction?.depth ?? 0) !== wanted) {
      end(false, events);
      return { error: sqlError(51000), resultSets: [] };
    }
    if (wanted === 0) begin(events);
    writeRows(text, state());
    end(true, events);
    return ok;
  };

  const runPreamble = (text: string, events: TransactionEvent[]): Pick<BatchAnswer, 'error' | 'resultSets'> => {
    xactAbort = text.startsWith('SET XACT_ABORT ON');
    if (text.includes('BEGIN TRANSACTION')) begin(events);
    const granted = database.lockedBy === null || database.lockedBy === me;
    if (granted) database.lockedBy = me;
    const session = {
      Answer: 'session',
      LockResult: granted ? 0 : -1,
      TransactionCount: transaction === null ? 0 : 1,
      TransactionId: transaction?.id ?? '0',
      DatabaseName: name,
    };
    const resultSets = [resultSet(session)];
    if (granted) {
      for (const entry of database.state.journal) {
        resultSets.push(
          resultSet({
            Answer: 'journal',
            BuildId: entry.buildId,
            TargetId: entry.targetId,
            Sequence: entry.sequence,
            ScriptId: entry.scriptId.toUpperCase(),
            ScriptFileName: 'f',
            ScriptSha256: entry.sha256,
            ScriptHash: entry.hash,
            State: entry.state,
            StartedAt: new Date(0),
          }),
        );
      }
      for (const { scriptId, hash } of database.state.log) {
        resultSets.push(
          resultSet({ Answer: 'log', ScriptId: scriptId, ScriptFileHash: hash, LastCommit: new Date(0) }),
        );
      }
    }
    return { error: null, resultSets };
  };

  const die = (): void => {
    end(false, []);
    if (database.lockedBy === me) database.lockedBy = null;
    alive = false;
  };

  const connection: SqlConnection = {
    get transaction() {
      return transaction?.id ?? null;
    },
    get open() {
      return alive;
    },
    async close() {
      die();
    },
    async execute(text) {
      if (!alive) throw new Error('a request on a dead connection');
      const kind = kindOf(text);
      const fault = register(server, kind, name, text);
      const events: TransactionEvent[] = [];
      const lost = (): BatchAnswer => {
        die();
        return answer({ error: clientError('network', 'connection lost', 'ECONNRESET'), resultSets: [] }, []);
      };
      if (fault === 'before') return lost();
      if (typeof fault === 'number') {
        end(false, events);
        return answer({ error: sqlError(fault), resultSets: [] }, events);
      }
      const done =
        kind === 'preamble'
          ? runPreamble(text, events)
          : kind === 'script'
            ? { error: runScript(text, events), resultSets: [] }
            : runOwn(text, events);
      return fault === 'after' ? lost() : answer(done, events);
    },
  };
  return { ok: true, connection };
}

function kindOf(text: string): IoKind {
  if (text.includes('sp_getapplock')) return 'preamble';
  if (text.includes('Sqlfleet_Journal')) return 'epilogue';
  return /TRANSACTION|XACT_STATE/.test(text) ? 'other' : 'script';
}

/** Reads the rows out of the INSERTs, and so checks that they are there. */
function writeRows(text: string, state: State): void {
  for (const [, build, target, sequence] of text.matchAll(
    /DELETE FROM dbo\.Sqlfleet_Journal WHERE BuildId = N'(.*?)' AND TargetId = N'(.*?)' AND Sequence = (\d+)/g,
  )) {
    state.journal = state.journal.filter(
      (row) => !(row.buildId === build && row.targetId === target && row.sequence === Number(sequence)),
    );
  }
  const row =
    /^\(N'(.*?)', N'(.*?)', (\d+), '([0-9a-f-]{36})', .*?CONVERT\(varchar\(64\), N'(\w*)'\), CONVERT\(varchar\(40\), N'(\w*)'\), .*?CONVERT\(varchar\(10\), N'(\w+)'\)/gm;
  for (const [
    ,
    buildId = '',
    targetId = '',
    sequence,
    scriptId = '',
    sha256 = '',
    hash = '',
    rowState = '',
  ] of text.matchAll(row)) {
    const entry = { buildId, targetId, sequence: Number(sequence), scriptId, sha256, hash, state: rowState };
    if (
      state.journal.some(
        (known) => known.buildId === buildId && known.targetId === targetId && known.sequence === entry.sequence,
      )
    ) {
      throw new Error('primary key of the journal violated');
    }
    state.journal.push(entry);
  }
  for (const [, scriptId = '', hash = ''] of text.matchAll(
    /^\(CONVERT\(varchar\(300\).*?, '([0-9a-f-]{36})', CONVERT\(varchar\(100\), N'(\w*)'\)/gm,
  )) {
    state.log.push({ scriptId, hash });
  }
}

function resultSet(row: Record<string, unknown>): BatchAnswer['resultSets'][number] {
  return { columns: Object.keys(row), rows: [Object.values(row)], rowCount: 1 };
}

function answer(part: Pick<BatchAnswer, 'error' | 'resultSets'>, transactionEvents: TransactionEvent[]): BatchAnswer {
  return { ...part, rowsAffected: [], notices: [], transactionEvents, countedOutsideTransaction: false };
}

function sqlError(number: number): SqlError {
  return serverError([{ number, class: 16, state: 1, message: `error ${number}`, procName: '', lineNumber: 1 }]);
}

/** Time that passes only when somebody sleeps. */
export function createVirtualClock(): Clock & { slept: number[] } {
  let now = Date.UTC(2026, 0, 2);
  const slept: number[] = [];
  return {
    slept,
    nowMs: () => now,
    async sleep(ms, signal) {
      signal?.throwIfAborted();
      slept.push(ms);
      now += ms;
    },
  };
}
