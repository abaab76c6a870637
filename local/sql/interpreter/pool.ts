import { type Backend } from './backend';

export interface Pool {
  /** Waits where all backends are taken. */
  acquire(database: string, signal?: AbortSignal): Promise<Backend>;
  /** Gives a backend back; what it left behind is cleared first. */
  release(backend: Backend): Promise<void>;
  /** A cancel request from outside of the backend's own connection. */
  cancel(backend: Backend): Promise<void>;
  close(): Promise<void>;
}

export interface PoolDeps {
  connect: (database: string) => Promise<Backend>;
  /** Backends at the same time, idle ones included. */
  maximum: number;
  /** Database for the connection that cancels queries. */
  adminDatabase: string;
}

interface Waiter {
  database: string;
  resolve: (backend: Backend) => void;
  reject: (error: unknown) => void;
}

/** Warm PostgreSQL backends of all logical servers: sessions outnumber them, because an idle session needs none. */
export function createPool(deps: PoolDeps): Pool {
  const idle: Backend[] = []; // oldest first
  const waiting: Waiter[] = [];
  let total = 0;
  let closed = false;
  let admin: Promise<Backend> | null = null;

  const open = async (database: string): Promise<Backend> => {
    total++;
    try {
      return await deps.connect(database);
    } catch (error) {
      total--;
      throw error;
    }
  };
  const discard = async (backend: Backend): Promise<void> => {
    total--;
    await backend.close();
    serve();
  };

  const serve = (): void => {
    while (waiting.length > 0 && !closed) {
      const [first] = waiting;
      if (first === undefined) return;
      const found = idle.findLastIndex((backend) => backend.database === first.database);
      if (found >= 0) {
        const [backend] = idle.splice(found, 1);
        waiting.shift();
        if (backend === undefined) continue;
        if (backend.broken()) {
          total--;
          waiting.unshift(first);
          continue;
        }
        first.resolve(backend);
      } else if (total < deps.maximum) {
        waiting.shift();
        open(first.database).then((backend) => first.resolve(backend), first.reject);
      } else {
        const oldest = idle.shift();
        if (oldest === undefined) return;
        void discard(oldest);
      }
    }
  };

  return {
    acquire: (database, signal) =>
      new Promise((resolve, reject) => {
        if (closed) {
          reject(new Error('the SQL servers are shut down'));
          return;
        }
        const waiter: Waiter = { database, resolve, reject };
        waiting.push(waiter);
        signal?.addEventListener('abort', () => {
          const at = waiting.indexOf(waiter);
          if (at < 0) return;
          waiting.splice(at, 1);
          reject(new Error('cancelled while waiting for a backend'));
        });
        serve();
      }),
    release: async (backend) => {
      if (closed || backend.broken()) return discard(backend);
      if (backend.dirty) {
        try {
          await backend.query('DISCARD ALL');
          backend.dirty = false;
        } catch {
          return discard(backend);
        }
      }
      idle.push(backend);
      serve();
    },
    cancel: async (backend) => {
      admin ??= deps.connect(deps.adminDatabase);
      const connection = await admin;
      if (connection.broken()) {
        admin = deps.connect(deps.adminDatabase);
      }
      await (await admin).query(`SELECT pg_cancel_backend(${backend.pid})`);
    },
    close: async () => {
      closed = true;
      for (const waiter of waiting.splice(0)) waiter.reject(new Error('the SQL servers are shut down'));
      await Promise.all(idle.splice(0).map((backend) => backend.close()));
      if (admin !== null) await admin.then((connection) => connection.close()).catch(() => undefined);
    },
  };
}
