import { createHash } from 'node:crypto';
import { type TableDefinition } from '../catalog/definitions';
import { emptyCache, forget, type DefinitionCache } from '../catalog/names';
import { sqlError } from '../errors';
import { type Backend, type BackendResult } from './backend';
import { isPostgresError } from './postgres-errors';
import { type Pool } from './pool';

export interface TransactionDeps {
  pool: Pool;
  /** PostgreSQL database of the logical server. */
  pgDatabase: string;
  /** Committed definitions of the session's database, shared by all of its sessions. */
  sharedCache: () => DefinitionCache;
  nextDescriptor: () => bigint;
  lockTimeoutMs: () => number;
  isolation: () => string;
}

export interface RunOptions {
  onRow?: (row: (string | null)[]) => void | Promise<void>;
  lockTimeoutMs?: number;
}

/** The client's attention arrived while something ran. */
export class Cancelled extends Error {}

/**
 * One session's transaction and its hold on a PostgreSQL backend. T-SQL's statements fail one by one while PostgreSQL fails
 * whole transactions, so each statement runs inside a savepoint, in one round trip. BEGIN is sent with the first statement.
 */
export interface Transaction {
  /** @@TRANCOUNT. */
  count: number;
  /** The transaction can only be rolled back: XACT_STATE() = -1. */
  doomed: boolean;
  /** Of the transaction that is open or was open last. */
  descriptor: bigint;
  cache(): DefinitionCache;
  /** To be called by whatever changed the catalog. */
  catalogChanged(): void;
  run(sql: string, signal: AbortSignal, options?: RunOptions): Promise<BackendResult[]>;
  /** Several statements that succeed or fail together, as one T-SQL statement with triggers does. */
  atomically<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T>;
  begin(name: string): void;
  commit(): Promise<void>;
  rollback(): Promise<void>;
  save(name: string, signal: AbortSignal): Promise<void>;
  /** false: there is no savepoint of that name. */
  rollbackTo(name: string, signal: AbortSignal): Promise<boolean>;
  /** Name given to the outermost BEGIN TRANSACTION. */
  name: string;
  /** Keeps the backend over requests, because something lives in it. */
  pin(what: string): void;
  unpin(what: string): void;
  /** Whether temporary objects live in the backend. */
  pinned(): boolean;
  /** sp_getapplock: 0 or 1 granted, -1 time-out, -3 deadlock victim, -999. */
  lock(
    resource: string,
    exclusive: boolean,
    owner: 'transaction' | 'session',
    timeoutMs: number,
    signal: AbortSignal,
  ): Promise<number>;
  /** sp_releaseapplock: false when it was not held. */
  unlock(resource: string, owner: 'transaction' | 'session', signal: AbortSignal): Promise<boolean>;
  holds(resource: string, owner: 'transaction' | 'session'): 'Exclusive' | 'Shared' | null;
  /** Functions compiled into this backend. */
  functions: Map<number, { name: string; table: TableDefinition | null; cache: DefinitionCache; generation: number }>;
  /** Gives the backend back unless something lives in it. */
  endRequest(): Promise<void>;
  close(): Promise<void>;
}

const isAborted = (signal: AbortSignal | null): boolean => signal?.aborted === true;

interface AppLock {
  resource: string;
  key: bigint;
  exclusive: boolean;
  owner: 'transaction' | 'session';
}

export function createTransaction(deps: TransactionDeps): Transaction {
  let backend: Backend | null = null;
  let begun = false;
  let groups = 0;
  let running = 0;
  let privateCache: DefinitionCache | null = null;
  let savepoints: string[] = [];
  let locks: AppLock[] = [];
  const pins = new Set<string>();

  const isGone = (): boolean => backend === null || backend.broken();
  const inTransaction = (): boolean => transaction.count > 0 || groups > 0;
  const acquire = async (signal?: AbortSignal): Promise<Backend> => {
    backend ??= await deps.pool.acquire(deps.pgDatabase, signal);
    return backend;
  };

  const send = async (sql: string, signal: AbortSignal | null, options: RunOptions = {}): Promise<BackendResult[]> => {
    if (isAborted(signal)) throw new Cancelled();
    const connection = await acquire(signal ?? undefined).catch((error: unknown) => {
      throw isAborted(signal) ? new Cancelled() : error;
    });
    const cancelling: Promise<void>[] = [];
    const cancel = (): void => {
      cancelling.push(deps.pool.cancel(connection).catch(() => undefined));
    };
    signal?.addEventListener('abort', cancel, { once: true });
    running++;
    try {
      return await connection.query(sql, options.onRow);
    } catch (error) {
      if (isAborted(signal) && isPostgresError(error) && error.code === '57014') throw new Cancelled();
      throw error;
    } finally {
      running--;
      signal?.removeEventListener('abort', cancel);
      // The signal reaches the backend before this resolves, so it cannot hit the next query.
      await Promise.all(cancelling);
    }
  };

  const opening = (): string => (begun ? '' : `BEGIN ISOLATION LEVEL ${deps.isolation()};`);
  const undo = async (savepoint: string): Promise<void> => {
    if (privateCache !== null) forget(privateCache);
    transaction.functions.clear();
    await send(`ROLLBACK TO SAVEPOINT ${savepoint};RELEASE SAVEPOINT ${savepoint}`, null);
  };

  const run: Transaction['run'] = async (sql, signal, options = {}) => {
    const timeout = options.lockTimeoutMs ?? deps.lockTimeoutMs();
    // 0 means for ever in PostgreSQL, not at all in T-SQL
    const locking = timeout < 0 ? '' : `SET LOCAL lock_timeout = ${Math.max(1, timeout)};`;
    if (!inTransaction()) {
      const results = await send(`${locking}${sql}`, signal, options);
      return locking === '' ? results : results.slice(1);
    }
    const prefix = opening();
    const skip = (prefix === '' ? 1 : 2) + (locking === '' ? 0 : 1);
    try {
      const reset = locking === '' ? '' : ';SET LOCAL lock_timeout = 0';
      const results = await send(`${prefix}SAVEPOINT s;${locking}${sql}${reset};RELEASE SAVEPOINT s`, signal, options);
      begun = true;
      return results.slice(skip, results.length - (reset === '' ? 1 : 2));
    } catch (error) {
      if (isGone() || (!isPostgresError(error) && !(error instanceof Cancelled))) throw error;
      // An attention may arrive before anything was sent: then there is nothing to undo.
      if (error instanceof Cancelled && !(await failed())) throw error;
      begun = true;
      await undo('s');
      throw error;
    }
  };

  /** Whether PostgreSQL's transaction waits for a rollback. */
  const failed = async (): Promise<boolean> => {
    try {
      await send('SELECT 1', null);
      return false;
    } catch {
      return true;
    }
  };

  const finish = async (command: 'COMMIT' | 'ROLLBACK'): Promise<void> => {
    const released = locks.filter((lock) => lock.owner === 'transaction');
    locks = locks.filter((lock) => lock.owner !== 'transaction');
    const unlocks = released.map((lock) => `;SELECT ${unlockCall(lock)}`).join('');
    const wasBegun = begun;
    begun = false;
    savepoints = [];
    transaction.count = 0;
    transaction.doomed = false;
    transaction.name = '';
    const changed = privateCache !== null;
    privateCache = null;
    if (command === 'ROLLBACK') transaction.functions.clear();
    if (backend !== null && (wasBegun || unlocks !== ''))
      await send(wasBegun ? command + unlocks : unlocks.slice(1), null);
    if (changed && command === 'COMMIT') forget(deps.sharedCache());
  };

  const transaction: Transaction = {
    count: 0,
    doomed: false,
    descriptor: 0n,
    name: '',
    functions: new Map(),
    cache: () => privateCache ?? deps.sharedCache(),
    catalogChanged: () => {
      if (privateCache !== null) forget(privateCache);
      else if (inTransaction()) privateCache = emptyCache();
      else forget(deps.sharedCache());
    },
    run,
    atomically: async (signal, work) => {
      const savepoint = `g${groups}`;
      const outermost = !inTransaction();
      groups++;
      try {
        if (!outermost) {
          const prefix = opening();
          await send(`${prefix}SAVEPOINT ${savepoint}`, signal);
          begun = true;
        }
        const result = await work();
        if (outermost) {
          if (transaction.count === 0 && begun) {
            groups--;
            try {
              await finish('COMMIT');
            } finally {
              groups++;
            }
          }
        } else if (begun) await send(`RELEASE SAVEPOINT ${savepoint}`, null);
        return result;
      } catch (error) {
        if (outermost) {
          if (begun && transaction.count === 0) await finish('ROLLBACK');
        } else if (begun && backend !== null && !backend.broken()) {
          await undo(savepoint).catch(() => undefined);
        }
        throw error;
      } finally {
        groups--;
      }
    },
    begin: (name) => {
      if (transaction.count === 0) {
        transaction.descriptor = deps.nextDescriptor();
        transaction.name = name;
      }
      transaction.count++;
    },
    commit: async () => {
      if (transaction.count > 1) transaction.count--;
      else await finish('COMMIT');
    },
    rollback: () => finish('ROLLBACK'),
    save: async (name, signal) => {
      const pg = savepointName(name);
      const prefix = opening();
      await send(`${prefix}SAVEPOINT ${pg}`, signal);
      begun = true;
      savepoints.push(pg);
    },
    rollbackTo: async (name, signal) => {
      const pg = savepointName(name);
      const at = savepoints.lastIndexOf(pg);
      if (at < 0) return false;
      savepoints = savepoints.slice(0, at + 1);
      if (privateCache !== null) forget(privateCache);
      transaction.functions.clear();
      await send(`ROLLBACK TO SAVEPOINT ${pg}`, signal);
      return true;
    },
    pin: (what) => {
      pins.add(what);
      if (backend !== null) backend.dirty = true;
    },
    unpin: (what) => void pins.delete(what),
    pinned: () => pins.size > 0,
    lock: async (resource, exclusive, owner, timeoutMs, signal) => {
      const key = lockKey(resource);
      const call = exclusive ? 'lock' : 'lock_shared';
      try {
        const [tried] = await run(`SELECT pg_try_advisory_${call}(${key})`, signal);
        let result = 0;
        if (tried?.rows[0]?.[0] !== 't') {
          if (timeoutMs === 0) return -1;
          await run(`SELECT pg_advisory_${call}(${key})`, signal, { lockTimeoutMs: timeoutMs });
          result = 1;
        }
        locks.push({ resource, key, exclusive, owner });
        if (backend !== null) backend.dirty = true;
        return result;
      } catch (error) {
        if (isPostgresError(error) && error.code === '55P03') return -1;
        if (isPostgresError(error) && error.code === '40P01') return -3;
        throw error;
      }
    },
    unlock: async (resource, owner, signal) => {
      const at = locks.findLastIndex((lock) => lock.resource === resource && lock.owner === owner);
      const [lock] = at < 0 ? [] : locks.splice(at, 1);
      if (lock === undefined) return false;
      await run(`SELECT ${unlockCall(lock)}`, signal);
      return true;
    },
    holds: (resource, owner) => {
      const held = locks.filter((lock) => lock.resource === resource && lock.owner === owner);
      return held.length === 0 ? null : held.some((lock) => lock.exclusive) ? 'Exclusive' : 'Shared';
    },
    endRequest: async () => {
      if (backend === null || inTransaction() || pins.size > 0 || locks.length > 0) return;
      const released = backend;
      backend = null;
      transaction.functions.clear();
      await deps.pool.release(released);
    },
    close: async () => {
      if (backend === null) return;
      groups = 0;
      // a query that waits for a lock must not outlive its session
      if (running > 0) await deps.pool.cancel(backend).catch(() => undefined);
      try {
        if (begun) await backend.query('ROLLBACK');
      } catch {
        // a broken backend is discarded by the pool
      }
      begun = false;
      transaction.count = 0;
      privateCache = null;
      pins.clear();
      locks = [];
      const released = backend;
      backend = null;
      released.dirty = true;
      await deps.pool.release(released);
    },
  };
  return transaction;
}

function savepointName(name: string): string {
  if (name.length > 32) {
    throw sqlError(103, [name.slice(0, 32), '32']);
  }
  return `"u_${name.replaceAll('"', '""')}"`;
}

/** Advisory locks are 64-bit numbers: the name's hash is as good as the name. */
function lockKey(resource: string): bigint {
  return createHash('sha256').update(resource).digest().readBigInt64BE(0);
}

const unlockCall = (lock: AppLock): string => `pg_advisory_unlock${lock.exclusive ? '' : '_shared'}(${lock.key})`;
