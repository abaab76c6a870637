import { Redis } from 'ioredis';
import { AppError, messageOf } from './errors';

/** What one conditional write changes: whole hashes removed, fields set. */
export interface HashWrites {
  remove: readonly string[];
  set: Record<string, Record<string, string>>;
}

/** Hashes in Redis, for what may be lost: nothing here is the truth about anything. */
export interface Hashes {
  /** All of them at one moment. */
  read(keys: readonly string[]): Promise<Record<string, string>[]>;
  set(key: string, fields: Record<string, string>): Promise<void>;
  removeFields(key: string, fields: readonly string[]): Promise<void>;
  /** `decide` sees the field as it is, and its writes take place only if the hash is still so; null writes nothing. */
  update(key: string, field: string, decide: (current: string | null) => HashWrites | null): Promise<void>;
  /** How often the connection was lost: whoever read before the last time may have missed what others wrote since. */
  losses(): number;
  close(): Promise<void>;
}

const timeoutMs = 2_000;
const updatesTried = 20;

/** @param url `redis://` or `rediss://`, with its password */
export function createHashes(url: string): Hashes {
  const redis = new Redis(url, {
    lazyConnect: true,
    connectTimeout: timeoutMs,
    commandTimeout: timeoutMs,
    // Callers have another way; they should take it soon.
    maxRetriesPerRequest: 1,
    enableReadyCheck: false,
    retryStrategy: (times) => Math.min(100 * times, timeoutMs),
  });
  // Told to whoever called; without a listener it would end the process.
  redis.on('error', () => undefined);
  let losses = 0;
  let isLost = false;
  redis.on('close', () => {
    if (!isLost) losses += 1;
    isLost = true;
  });
  redis.on('ready', () => (isLost = false));
  const unavailable = (error: unknown): AppError =>
    new AppError('redis.unavailable', `Redis could not be used: ${messageOf(error)}.`, {
      status: 503,
      retry: { kind: 'backoff' },
      cause: error,
    });
  const call = async <T>(operation: () => Promise<T>): Promise<T> => {
    // It is connected again in the background; callers have another way, and need not wait for this one.
    if (isLost) throw unavailable('the connection is lost');
    try {
      return await operation();
    } catch (error) {
      throw unavailable(error);
    }
  };
  /** WATCH is of the connection: two updates at once would take each other's watch away. */
  let last: Promise<unknown> = Promise.resolve();
  const oneAfterAnother = <T>(operation: () => Promise<T>): Promise<T> => {
    const next = last.then(operation, operation);
    last = next.catch(() => undefined);
    return next;
  };

  return {
    read: (keys) =>
      call(async () => {
        const transaction = redis.multi();
        for (const key of keys) transaction.hgetall(key);
        const answers = await transaction.exec();
        return keys.map((_, index) => hashOf(answers?.[index]));
      }),
    set: (key, fields) => call(async () => void (await redis.hset(key, fields))),
    removeFields: (key, fields) => call(async () => void (await redis.hdel(key, ...fields))),
    update: (key, field, decide) =>
      call(() =>
        oneAfterAnother(async () => {
          for (let attempt = 1; attempt <= updatesTried; attempt += 1) {
            await redis.watch(key);
            const writes = decide(await redis.hget(key, field));
            if (writes === null) {
              await redis.unwatch();
              return;
            }
            const transaction = redis.multi();
            if (writes.remove.length > 0) transaction.del(...writes.remove);
            for (const [hash, fields] of Object.entries(writes.set)) transaction.hset(hash, fields);
            if ((await transaction.exec()) !== null) return;
          }
          throw new Error(`"${key}" kept changing`);
        }),
      ),
    losses: () => losses,
    async close() {
      redis.disconnect();
    },
  };
}

function hashOf(answer: [Error | null, unknown] | undefined): Record<string, string> {
  const [error, value] = answer ?? [new Error('no answer'), null];
  if (error !== null) throw error;
  return typeof value === 'object' && value !== null
    ? Object.fromEntries(Object.entries(value).map(([field, text]) => [field, String(text)]))
    : {};
}
