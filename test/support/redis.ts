import { createServer, type Socket } from 'node:net';
import { type AddressInfo } from 'node:net';

export interface TestRedis {
  url: string;
  /** What is in there, as a client of the seed's scheduler would read it. */
  hash(key: string): Record<string, string>;
  keys(): string[];
  /** Takes the port away with all connections. */
  goAway(): Promise<void>;
  comeBack(): Promise<void>;
  stop(): Promise<void>;
}

/** Redis as far as the app uses it: hashes, and transactions that a watched key can call off. Anything else is an error. */
export async function startTestRedis(): Promise<TestRedis> {
  const hashes = new Map<string, Map<string, string>>();
  const versions = new Map<string, number>();
  const sockets = new Set<Socket>();
  const touch = (key: string): void => void versions.set(key, (versions.get(key) ?? 0) + 1);

  const run = (name: string, args: string[]): unknown => {
    const [key = '', ...rest] = args;
    switch (name) {
      case 'HGETALL':
        return [...(hashes.get(key) ?? new Map<string, string>())].flat();
      case 'HGET':
        return hashes.get(key)?.get(rest[0] ?? '') ?? null;
      case 'HSET': {
        const hash = hashes.get(key) ?? new Map<string, string>();
        for (let at = 0; at < rest.length; at += 2) hash.set(rest[at] ?? '', rest[at + 1] ?? '');
        hashes.set(key, hash);
        touch(key);
        return rest.length / 2;
      }
      case 'HDEL': {
        const hash = hashes.get(key);
        const removed = rest.filter((field) => hash?.delete(field)).length;
        if (hash?.size === 0) hashes.delete(key);
        touch(key);
        return removed;
      }
      case 'DEL':
        args.forEach(touch);
        return args.filter((each) => hashes.delete(each)).length;
      case 'CLIENT':
      case 'SELECT':
      case 'UNWATCH':
        return undefined;
      default:
        throw new Error(`ERR unknown command '${name}'`);
    }
  };

  const accept = (socket: Socket): void => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => undefined);
    let received = '';
    let watched = new Map<string, number>();
    let queued: [string, string[]][] | null = null;
    const answer = (name: string, args: string[]): string => {
      if (name === 'EXEC') {
        const commands = queued ?? [];
        queued = null;
        const isStale = [...watched].some(([key, version]) => (versions.get(key) ?? 0) !== version);
        watched = new Map();
        return isStale ? '*-1\r\n' : `*${commands.length}\r\n${commands.map((each) => encode(run(...each))).join('')}`;
      }
      if (name === 'MULTI') {
        queued = [];
        return '+OK\r\n';
      }
      if (queued !== null) {
        queued.push([name, args]);
        return '+QUEUED\r\n';
      }
      if (name === 'WATCH') {
        for (const key of args) watched.set(key, versions.get(key) ?? 0);
        return '+OK\r\n';
      }
      if (name === 'UNWATCH') watched = new Map();
      return encode(run(name, args));
    };
    socket.on('data', (chunk) => {
      received += chunk.toString('latin1');
      for (;;) {
        const command = readCommand(received);
        if (command === null) return;
        received = received.slice(command.length);
        const [name = '', ...args] = command.words;
        try {
          socket.write(Buffer.from(answer(name.toUpperCase(), args), 'latin1'));
        } catch (error) {
          socket.write(`-${error instanceof Error ? error.message : 'ERR'}\r\n`);
        }
      }
    });
  };

  let server = createServer(accept);
  const listen = (port: number): Promise<void> =>
    new Promise((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, '127.0.0.1', () => resolve());
    });
  await listen(0);
  const address = server.address();
  const { port }: Pick<AddressInfo, 'port'> = typeof address === 'object' && address !== null ? address : { port: 0 };
  const close = (): Promise<void> =>
    new Promise((resolve) => {
      for (const socket of sockets) socket.destroy();
      server.close(() => resolve());
    });
  return {
    url: `redis://127.0.0.1:${port}`,
    hash: (key) => Object.fromEntries(hashes.get(key) ?? []),
    keys: () => [...hashes.keys()].sort(),
    goAway: close,
    async comeBack() {
      server = createServer(accept);
      await listen(port);
    },
    stop: close,
  };
}

/** The first complete command in the text: an array of bulk strings. Texts are counted in bytes, hence latin1. */
function readCommand(text: string): { words: string[]; length: number } | null {
  const header = /^\*(\d+)\r\n/.exec(text);
  if (header === null) return null;
  let at = header[0].length;
  const words: string[] = [];
  for (let index = 0; index < Number(header[1]); index += 1) {
    const bulk = /^\$(\d+)\r\n/.exec(text.slice(at));
    if (bulk === null) return null;
    at += bulk[0].length;
    const end = at + Number(bulk[1]);
    if (text.length < end + 2) return null;
    words.push(text.slice(at, end));
    at = end + 2;
  }
  return { words, length: at };
}

function encode(value: unknown): string {
  if (value === undefined) return '+OK\r\n';
  if (value === null) return '$-1\r\n';
  if (typeof value === 'number') return `:${value}\r\n`;
  if (Array.isArray(value)) return `*${value.length}\r\n${value.map(encode).join('')}`;
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return `$${text.length}\r\n${text}\r\n`;
}
