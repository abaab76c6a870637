import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { createApiClient, type ApiClient } from '../../cli/api-client';
import { type BuildView } from '../../lib/builds/view';
import { launchCloud, type LaunchedCloud } from '../../local/launcher/launch';
import { type Endpoints } from '../../local/launcher/endpoints';
import { type LaunchOptions, launchOptionsSchema, readLaunchOptions } from '../../local/launcher/options';

/** The whole embedded cloud in a process of its own, as `npm start` runs it, with its state in a temporary folder. */
export interface TestCloud {
  endpoints: Endpoints;
  api: ApiClient;
  process: LaunchedCloud;
  state: string;
  targets(count?: number): string;
  until(buildId: string, holds: (build: BuildView) => boolean): Promise<BuildView>;
  ended(buildId: string): Promise<BuildView>;
  /** As a power cut would: no signal that anything could react to. */
  kill(): Promise<void>;
  /** Starts again on the same state; ports may differ, that of the API too where none is said. */
  restart(httpPort?: number): Promise<void>;
  stop(): Promise<void>;
}

const cloudEntry = join(__dirname, '..', '..', 'dist', 'local', 'cloud-process.js');
const endedStates = new Set<BuildView['state']>(['succeeded', 'finishedWithFailures', 'cancelled', 'failed']);
const patienceMs = 120_000;

export interface TestCloudOptions {
  /** Is given what the processes write, instead of the terminal. */
  onOutput?: (text: string) => void;
}

export async function startTestCloud(
  options: Partial<LaunchOptions> = {},
  { onOutput }: TestCloudOptions = {},
): Promise<TestCloud> {
  if (!existsSync(cloudEntry))
    throw new Error('The project is not built: run the tests with `npm test`, or `npm run build` first.');
  const state = mkdtempSync(join(tmpdir(), 'sqlfleet-e2e-'));
  const launch = async (httpPort?: number): Promise<LaunchedCloud> => {
    const ports = httpPort === undefined ? { 'free-ports': true } : freePortsBut(httpPort);
    const parsed = launchOptionsSchema.parse({ ...ports, state, databases: 5, ...options });
    const launched = await launchCloud(parsed, cloudEntry, onOutput === undefined ? 'inherit' : 'pipe');
    for (const stream of [launched.process.stdout, launched.process.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => onOutput?.(text));
    }
    return launched;
  };
  let running = await launch();
  let api = createApiClient(running.endpoints.http);

  const cloud: TestCloud = {
    get endpoints() {
      return running.endpoints;
    },
    get api() {
      return api;
    },
    get process() {
      return running;
    },
    state,
    targets: (count = Infinity) =>
      `${running.endpoints.sql
        .flatMap(({ server, databases }) => databases.map((name) => `${server}:${name}`))
        .slice(0, count)
        .join('\n')}\n`,
    async until(buildId, holds) {
      const deadlineMs = Date.now() + patienceMs;
      for (;;) {
        const build = await api.getBuild(buildId);
        if (holds(build)) return build;
        if (Date.now() > deadlineMs) throw new Error(`build ${buildId} is still ${JSON.stringify(build)}`);
        await delay(50);
      }
    },
    ended: (buildId) => cloud.until(buildId, ({ state: now }) => endedStates.has(now)),
    async kill() {
      running.process.kill('SIGKILL');
      await running.exited;
    },
    async restart(httpPort) {
      running = await launch(httpPort);
      api = createApiClient(running.endpoints.http);
    },
    async stop() {
      await running.stop();
      rmSync(state, { recursive: true, force: true });
    },
  };
  return cloud;
}

function freePortsBut(httpPort: number): object {
  const read = readLaunchOptions(['--free-ports', '--http-port', String(httpPort)]);
  return read === 'help' ? {} : read;
}

/** Loose scripts as they are uploaded: name -> text. */
export function scripts(files: Record<string, string>): { name: string; bytes: string }[] {
  return Object.entries(files).map(([name, bytes]) => ({ name, bytes }));
}
