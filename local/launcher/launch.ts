import { fork, type ChildProcess } from 'node:child_process';
import { mkdirSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { ensureCertificates } from '../certificates/certificates';
import { type Endpoints } from './endpoints';
import { type LaunchOptions } from './options';
import { cloudMessageSchema } from './process-messages';
import { certificateNames } from './server-names';
import { refuseOwnedState } from './state-claim';

export interface LaunchedCloud {
  endpoints: Endpoints;
  startMs: number;
  process: ChildProcess;
  /** Resolves with the exit code when the process is gone, wanted or not. */
  exited: Promise<number | null>;
  /** Lets it stop in order; resolves when it and all that it started are gone. */
  stop(): Promise<void>;
}

/** Beside the compiled entry that launches it. */
const builtEntry = join(__dirname, '..', 'local', 'cloud-process.js');

/**
 * Starts the embedded cloud in a process of its own that trusts its certificates, and waits until it is ready.
 * @param entry the compiled `cloud-process`
 * @param output where its standard output and error go; `pipe`: to `onOutput`, or the caller must read them from `process`
 */
export async function launchCloud(
  options: LaunchOptions,
  entry = builtEntry,
  output: 'inherit' | 'pipe' = 'inherit',
  onOutput?: (output: Buffer) => void,
): Promise<LaunchedCloud> {
  const state = resolve(options.state);
  await refuseOwnedState(state);
  if (options.fresh) rmSync(state, { recursive: true, force: true });
  mkdirSync(state, { recursive: true });
  const hostNames = certificateNames(options.servers);
  const { caFile } = await ensureCertificates(join(state, 'certificates'), hostNames, new Date());

  const child = fork(entry, [JSON.stringify({ ...options, state, fresh: false })], {
    env: { ...process.env, NODE_EXTRA_CA_CERTS: caFile },
    stdio: ['ignore', output, output, 'ipc'],
    // Ctrl-C goes to the parent, which stops the child in order.
    detached: process.platform !== 'win32',
  });
  // From the first byte: what it says while it starts is what explains a failure.
  if (onOutput !== undefined) for (const stream of [child.stdout, child.stderr]) stream?.on('data', onOutput);
  const exited = new Promise<number | null>((resolveExit) => child.once('exit', (code) => resolveExit(code)));
  const ready = await new Promise<{ endpoints: Endpoints; startMs: number }>((resolveReady, reject) => {
    child.on('message', (received) => {
      const message = cloudMessageSchema.parse(received);
      if (message.kind === 'ready') resolveReady(message);
      else reject(new Error(message.message));
    });
    child.once('error', reject);
    void exited.then((code) => reject(new Error(`the embedded cloud ended while it started (exit code ${code})`)));
  });
  return {
    ...ready,
    process: child,
    exited,
    async stop() {
      if (child.connected) child.send('stop');
      await exited;
    },
  };
}
