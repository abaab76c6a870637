import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { type Endpoints } from '../../local/launcher/endpoints';

export interface WorkerProcessOptions {
  /** The compiled `sqlfleet`. */
  entry: string;
  endpoints: Endpoints;
  cluster: string;
  /** A private JWK with its `kid`. */
  keyFile: string;
  name: string;
  concurrency?: number;
  graceMs?: number;
  /** More settings of the worker. */
  settings?: Record<string, string>;
  onOutput?: (text: string) => void;
}

export interface WorkerProcess {
  name: string;
  process: ChildProcess;
  /** Everything it has said. */
  output(): string;
  /** Of itself, or by a signal; its exit code, null for a signal. */
  exited: Promise<number | null>;
  /** Waits until it has said this. @throws Error with what it said instead, when it ended */
  says(text: string): Promise<void>;
  /** As a power cut would. */
  kill(): Promise<void>;
  /** As a platform that scales in does. */
  stop(): Promise<number | null>;
}

/** Starts `sqlfleet worker` in a process of its own that reaches the embedded cloud, and has no key of any of its stores. */
export function startWorkerProcess(options: WorkerProcessOptions): WorkerProcess {
  const { endpoints, name } = options;
  const [sql] = endpoints.sql;
  const child = fork(options.entry, ['worker'], {
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    env: {
      PATH: process.env.PATH,
      NODE_EXTRA_CA_CERTS: endpoints.caFile,
      SQLFLEET_APP_URL: endpoints.http.baseUrl,
      SQLFLEET_CLUSTER: options.cluster,
      SQLFLEET_WORKER_KEY_FILE: options.keyFile,
      SQLFLEET_WORKER_NAME: name,
      SQLFLEET_WORKER_CONCURRENCY: String(options.concurrency ?? 4),
      SQLFLEET_WORKER_GRACE_MS: String(options.graceMs ?? 20_000),
      SQLFLEET_SQL_AUTHENTICATION: 'password',
      SQLFLEET_SQL_USER: sql?.user,
      SQLFLEET_SQL_PASSWORD: sql?.password,
      SQLFLEET_SQL_ENDPOINTS: endpoints.sql.map(({ server, host, port }) => `${server}=${host},${port}`).join(';'),
      ...options.settings,
    },
  });
  let output = '';
  const waiting = new Set<() => void>();
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => {
      output += text;
      options.onOutput?.(text);
      for (const look of waiting) look();
    });
  }
  const exited = once(child, 'exit').then(([code]: unknown[]) => {
    for (const look of waiting) look();
    return typeof code === 'number' ? code : null;
  });
  return {
    name,
    process: child,
    output: () => output,
    exited,
    says: (text) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          if (output.includes(text)) resolve();
          else if (child.exitCode !== null || child.signalCode !== null)
            reject(new Error(`the worker ended: ${output}`));
          else return;
          waiting.delete(look);
        };
        waiting.add(look);
        look();
      }),
    async kill() {
      child.kill('SIGKILL');
      await exited;
    },
    async stop() {
      child.kill('SIGTERM');
      return exited;
    },
  };
}
