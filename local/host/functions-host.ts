import { type Clock } from '../../lib/platform/clock';
import { ofKind, readFunctions, type HostFunction } from './app/bindings';
import { type FunctionApp } from './app/core-module';
import { callHooks, createInvoker, type Invoker } from './app/invocation';
import { fromRpcOutput, toRpcMetadata } from './app/rpc';
import { type DurableEngine, type FunctionInvoker } from './contract';
import { readHostSettings, type AppSettings } from './host-settings';
import { openHttpFront, type HttpFront } from './http/front';
import { type HostKeys } from './http/keys';
import { createRouter } from './http/router';
import { type TriggerListener } from './listener';
import { redact, type HostLog, type HostLogEntry } from './log';
import { dataByHand } from './timers/timer-listener';
import { openTriggers } from './triggers';

export interface FunctionsHostOptions {
  /** From `loadApp`. It can be given to a new host after the old one was stopped. */
  app: FunctionApp;
  hostJsonFile: string;
  /** App settings: connection strings, `%NAME%` values, overrides of host.json. Usually `process.env`. */
  settings: AppSettings;
  /** Where schedules and checkpoints are kept. */
  stateFolder: string;
  keys: HostKeys;
  /** 0 picks a free port. */
  port: number;
  tls?: { key: string; cert: string };
  /** Needed by apps with Durable functions or clients. */
  durable?: DurableEngine;
  clock: Clock;
  newId: () => string;
  log: (entry: HostLogEntry) => void;
}

export interface FunctionsHost {
  /** Resolves once every trigger listens. When it rejects, whatever it had opened is closed again. */
  start(): Promise<{ port: number; baseUrl: string }>;
  /**
   * Takes no more work, waits up to `graceMs` for what runs, then closes. Never needed for the sake of the data: what
   * matters is on disk or in the broker at any moment. A stopped host stays stopped.
   */
  stop(graceMs: number): Promise<void>;
}

/**
 * The Functions host: runs the functions of an app when their triggers fire.
 * @throws Error when host.json or a binding cannot be understood; nothing is open then.
 */
export function createFunctionsHost(options: FunctionsHostOptions): FunctionsHost {
  const { app, settings, clock, durable } = options;
  const log: HostLog = (entry) => options.log({ timeMs: clock.nowMs(), ...entry });
  const { json: hostJson, ignored, maxBodyBytes } = readHostSettings(options.hostJsonFile, settings);
  const functions = readFunctions(app, settings);
  const usesClients = functions.some(({ clientBindings }) => clientBindings.length > 0);
  const durableFunctions = namesOfDurable(functions);
  if (durable === undefined && (usesClients || Object.values(durableFunctions).flat().length > 0)) {
    throw new Error('The app uses Durable Functions, and the host was given no engine for them.');
  }

  const startedMs = clock.nowMs();
  const appHookData = {};
  let state: 'Initialized' | 'Running' | 'Stopping' = 'Initialized';
  let triggers: TriggerListener | undefined;
  let front: HttpFront | undefined;
  const baseUrl = (): string => `${options.tls ? 'https' : 'http'}://127.0.0.1:${front?.port ?? 0}`;

  const invoker = createInvoker({
    app,
    clock,
    newId: options.newId,
    log,
    functionTimeoutMs: hostJson.functionTimeout,
    durableClient: () => durable?.clientBinding(baseUrl()) ?? '{}',
  });
  const handle = createRouter({
    functions,
    routePrefix: hostJson.extensions.http.routePrefix,
    keys: options.keys,
    invoker,
    durable,
    isRunning: () => state === 'Running',
    status: () => ({ state, uptimeMs: clock.nowMs() - startedMs }),
    triggerData: dataByHand,
  });

  function warnAboutSettings(): void {
    const warn = (message: string): void => log({ level: 'warning', source: 'host', message });
    for (const setting of ignored) warn(`${setting} of host.json has no effect in this host.`);
    if (usesClients && settings.WEBSITE_HOSTNAME === undefined) {
      warn('WEBSITE_HOSTNAME is not set: durable clients will point their URLs at http://localhost:7071.');
    }
  }

  async function open(): Promise<void> {
    const { stateFolder, port, tls } = options;
    const { extensions } = hostJson;
    triggers = openTriggers(functions, { clock, invoker, settings, extensions, stateFolder, log });
    front = await openHttpFront({ port, ...(tls && { tls }), maxBodyBytes, handle, log });
    await callHooks(app.hooks('appStart'), { hookData: {}, appHookData });
    await durable?.start(durableFunctions, createDurableInvoker(functions, invoker));
    await triggers.start();
  }

  async function drain(graceMs: number): Promise<void> {
    const drained = Promise.all([triggers?.stop(), durable?.stop(graceMs), invoker.whenIdle()]);
    const grace = new AbortController();
    const expired = clock.sleep(graceMs, grace.signal).then(
      () => log({ level: 'warning', source: 'host', message: `${invoker.running} invocations outlive the grace.` }),
      () => undefined,
    );
    await Promise.race([drained, expired]);
    grace.abort();
  }

  async function stop(graceMs: number): Promise<void> {
    if (state === 'Stopping') return;
    const wasRunning = state === 'Running';
    state = 'Stopping';
    if (wasRunning) {
      await drain(graceMs);
      await callHooks(app.hooks('appTerminate'), { hookData: {}, appHookData });
    }
    await triggers?.close();
    await front?.close();
  }

  return {
    async start() {
      app.setSystemLog((level, message) => log({ level, source: 'library', message: redact(message) }));
      warnAboutSettings();
      try {
        await open();
      } catch (error) {
        await stop(0);
        throw error;
      }
      state = 'Running';
      return { port: front?.port ?? 0, baseUrl: baseUrl() };
    },
    stop,
  };
}

function namesOfDurable(functions: readonly HostFunction[]): Parameters<DurableEngine['start']>[0] {
  const names = (kind: 'orchestration' | 'activity' | 'entity'): string[] =>
    ofKind(functions, kind).map(({ name }) => name);
  return { orchestrators: names('orchestration'), activities: names('activity'), entities: names('entity') };
}

function createDurableInvoker(functions: readonly HostFunction[], invoker: Invoker): FunctionInvoker {
  const byName = new Map(functions.map((target) => [target.name.toLowerCase(), target]));
  return {
    async invoke(functionName, trigger, metadata = {}) {
      const target = byName.get(functionName.toLowerCase());
      if (target === undefined) throw new Error(`The function "${functionName}" does not exist.`);
      const { returnValue } = await invoker.invoke(target, trigger, toRpcMetadata(metadata));
      return fromRpcOutput(returnValue);
    },
  };
}
