import { type Clock } from '../../lib/platform/clock';
import { ofKind, readFunctions } from './app/bindings';
import { type FunctionApp } from './app/core-module';
import { callHooks, createInvoker } from './app/invocation';
import { fromRpcOutput, toRpcMetadata } from './app/rpc';
import { type DurableEngine, type FunctionInvoker, type HostRequest } from './contract';
import { readHostSettings, type AppSettings } from './host-settings';
import { createAdminApi } from './http/admin';
import { createEventGridEndpoint } from './http/event-grid';
import { openHttpFront, type HttpFront } from './http/front';
import { createHttpFunctions } from './http/functions';
import { emptyReply, urlOf, type Reply } from './http/http-data';
import { isAuthorized, type HostKeys } from './http/keys';
import { redact, type HostLogEntry } from './log';

const defaultMaxBodyBytes = 104_857_600;

export interface FunctionsHostOptions {
  /** From `loadApp`. One app can be given to a new host after the old one was stopped. */
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
  /** Resolves once every trigger listens. Fails whole: what it had opened is closed again. */
  start(): Promise<{ port: number; baseUrl: string }>;
  /** Stops taking work, waits up to `graceMs` for what runs, then closes. Everything that matters is on disk already. */
  stop(graceMs: number): Promise<void>;
}

/** A source of work: started after the app, stopped before it. */
export interface TriggerListener {
  start(): Promise<void>;
  /** Takes nothing new from now on; resolves when all that it took is settled. */
  stop(): Promise<void>;
}

/**
 * The Functions host: runs the functions of an app when their triggers fire.
 * @throws Error when host.json or a binding cannot be understood: before anything is started.
 */
export function createFunctionsHost(options: FunctionsHostOptions): FunctionsHost {
  const { app, settings, keys, clock, durable } = options;
  const log = (entry: Omit<HostLogEntry, 'timeMs'>): void => options.log({ timeMs: clock.nowMs(), ...entry });
  const hostSettings = readHostSettings(options.hostJsonFile, settings);
  const functions = readFunctions(app, settings);
  const durableFunctions = {
    orchestrators: ofKind(functions, 'orchestration').map(({ name }) => name),
    activities: ofKind(functions, 'activity').map(({ name }) => name),
    entities: ofKind(functions, 'entity').map(({ name }) => name),
  };
  const needsDurable = functions.some(({ clientBindings }) => clientBindings.length > 0);
  if (durable === undefined && (needsDurable || Object.values(durableFunctions).flat().length > 0)) {
    throw new Error('The app uses Durable Functions, and the host was given no engine for them.');
  }

  const startedMs = clock.nowMs();
  let state: 'Initialized' | 'Running' | 'Stopping' = 'Initialized';
  let front: HttpFront | undefined;
  const baseUrl = (): string => `${options.tls ? 'https' : 'http'}://127.0.0.1:${front?.port ?? 0}`;

  const invoker = createInvoker({
    app,
    clock,
    newId: options.newId,
    log,
    functionTimeoutMs: hostSettings.json.functionTimeout,
    durableClient: () => durable?.clientBinding(baseUrl()) ?? '{}',
  });
  const durableInvoker: FunctionInvoker = {
    async invoke(functionName, trigger, metadata = {}) {
      const target = functions.find(({ name }) => name.toLowerCase() === functionName.toLowerCase());
      if (target === undefined) throw new Error(`The function "${functionName}" does not exist.`);
      const { returnValue } = await invoker.invoke(target, trigger, toRpcMetadata(metadata));
      return fromRpcOutput(returnValue);
    },
  };
  const listeners: TriggerListener[] = [];

  const routePrefix = hostSettings.json.extensions.http.routePrefix;
  const serveFunctions = createHttpFunctions(ofKind(functions, 'http'), routePrefix, keys, invoker);
  const serveEventGrid = createEventGridEndpoint(ofKind(functions, 'eventGrid'), invoker);
  const serveAdmin = createAdminApi({
    keys,
    functions,
    invoker,
    status: () => ({ state, uptimeMs: clock.nowMs() - startedMs }),
    triggerData: (_target, input) => ({ string: input }),
  });

  async function handle(request: HostRequest): Promise<Reply> {
    const { pathname, searchParams } = urlOf(request);
    const path = pathname.toLowerCase();
    const isBelow = (prefix: string): boolean => path === prefix || path.startsWith(`${prefix}/`);
    const hasSystemKey = (): boolean => isAuthorized(keys, 'system', request.headers, searchParams);

    if (isBelow('/admin')) return serveAdmin(request);
    // Open until the very end: functions that are still running talk to the engine through it. The real host serves
    // it on a loopback port of its own, without a key as well.
    if (durable !== undefined && isBelow('/durabletask')) return durable.handle(request);
    if (state !== 'Running') return emptyReply(503);
    if (durable !== undefined && isBelow('/runtime/webhooks/durabletask')) {
      return hasSystemKey() ? durable.handle(request) : emptyReply(401);
    }
    if (isBelow('/runtime/webhooks/eventgrid')) return hasSystemKey() ? serveEventGrid(request) : emptyReply(401);
    return serveFunctions(request);
  }

  async function startParts(): Promise<void> {
    for (const setting of hostSettings.ignored) {
      log({ level: 'warning', source: 'host', message: `${setting} of host.json has no effect in this host.` });
    }
    if (needsDurable && settings.WEBSITE_HOSTNAME === undefined) {
      const message = 'WEBSITE_HOSTNAME is not set: durable clients will point their URLs at http://localhost:7071.';
      log({ level: 'warning', source: 'host', message });
    }
    await callHooks(app.hooks('appStart'), { hookData: {}, appHookData: {} });
    await durable?.start(durableFunctions, durableInvoker);
    await Promise.all(listeners.map((listener) => listener.start()));
    state = 'Running';
  }

  async function stop(graceMs: number): Promise<void> {
    if (state === 'Stopping') return;
    state = 'Stopping';
    const drained = Promise.all([
      ...listeners.map((listener) => listener.stop()),
      durable?.stop(graceMs),
      invoker.whenIdle(),
    ]);
    const grace = new AbortController();
    const expired = clock.sleep(graceMs, grace.signal).then(
      () => log({ level: 'warning', source: 'host', message: `${invoker.running} invocations outlived the grace.` }),
      () => undefined,
    );
    await Promise.race([drained, expired]);
    grace.abort();
    await callHooks(app.hooks('appTerminate'), { hookData: {}, appHookData: {} });
    await front?.close();
    front = undefined;
  }

  return {
    async start() {
      app.setSystemLog((level, message) => log({ level, source: 'library', message: redact(message) }));
      const bodyLimit = Number(settings.FUNCTIONS_REQUEST_BODY_SIZE_LIMIT ?? defaultMaxBodyBytes);
      const { port, tls } = options;
      front = await openHttpFront({ port, ...(tls && { tls }), maxBodyBytes: bodyLimit, handle, log });
      try {
        await startParts();
      } catch (error) {
        await stop(0);
        throw error;
      }
      return { port: front.port, baseUrl: baseUrl() };
    },
    stop,
  };
}
