import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type * as azureFunctions from '@azure/functions';
import { systemClock } from '../../../lib/platform/clock';
import { createAppRegistration, type FunctionApp } from '../../../local/host/app/core-module';
import { createFunctionsHost, type FunctionsHost, type FunctionsHostOptions } from '../../../local/host/functions-host';
import { type HostLogEntry } from '../../../local/host/log';

export type FunctionsSdk = typeof azureFunctions;

export const keys = { master: 'master-key', function: 'function-key', system: 'system-key' };

/**
 * Registers functions through the real library. Jest has its own `require`, so the core module is given to it as a mock
 * instead of through `loadApp`; everything behind that is the same.
 */
export async function registerApp(register: (sdk: FunctionsSdk) => void): Promise<FunctionApp> {
  const registration = createAppRegistration();
  jest.isolateModules(() => {
    jest.doMock('@azure/functions-core', () => registration.coreModule, { virtual: true });
    register(jest.requireActual<FunctionsSdk>('@azure/functions'));
  });
  return registration.finish();
}

export interface SampleHost {
  host: FunctionsHost;
  baseUrl: string;
  log: HostLogEntry[];
  /** The same host again, over the same state: what a restart of the process is. */
  restart(): Promise<void>;
  close(): Promise<void>;
}

/** Starts a host with a temporary state folder. `hostJson` is merged over the bare minimum. */
export async function startSampleHost(
  app: FunctionApp,
  hostJson: object = {},
  overrides: Partial<FunctionsHostOptions> = {},
): Promise<SampleHost> {
  const folder = mkdtempSync(join(tmpdir(), 'sqlfleet-host-'));
  const hostJsonFile = join(folder, 'host.json');
  writeFileSync(hostJsonFile, JSON.stringify({ version: '2.0', ...hostJson }));
  const log: HostLogEntry[] = [];
  const create = (): FunctionsHost =>
    createFunctionsHost({
      app,
      hostJsonFile,
      settings: {},
      stateFolder: join(folder, 'state'),
      keys,
      port: 0,
      clock: systemClock,
      newId: randomUUID,
      log: (entry) => log.push(entry),
      ...overrides,
    });

  let host: FunctionsHost;
  let baseUrl = '';
  try {
    host = create();
    ({ baseUrl } = await host.start());
  } catch (error) {
    rmSync(folder, { recursive: true });
    throw error;
  }
  return {
    get host() {
      return host;
    },
    get baseUrl() {
      return baseUrl;
    },
    log,
    async restart() {
      await host.stop(5_000);
      host = create();
      ({ baseUrl } = await host.start());
    },
    async close() {
      await host.stop(5_000);
      rmSync(folder, { recursive: true });
    },
  };
}

/** Waits until `condition` holds. Rejects with its description when that takes too long. */
export async function until(what: string, condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 20_000;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`not within twenty seconds: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
