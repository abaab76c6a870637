/**
 * The module `@azure/functions-core`, which in Azure is part of the Node.js worker. `@azure/functions` registers
 * everything through it, and hands over its programming model: the code that turns RPC data into what a function sees.
 */

export type FunctionHandler = (...args: unknown[]) => unknown;
export type LogLevel = 'trace' | 'debug' | 'information' | 'warning' | 'error' | 'critical' | 'none';
export type LogCategory = 'user' | 'system' | 'customMetric';

/** Contexts are plain mutable objects: hooks change `inputs`, `functionCallback`, `result`, `error` and `message`. */
export type HookCallback = (context: object) => unknown;

const hookNames = ['appStart', 'appTerminate', 'preInvocation', 'postInvocation', 'log'] as const;
export type HookName = (typeof hookNames)[number];

/** `context` is the library's own InvocationContext: opaque here. */
export interface InvocationModel {
  getArguments(): Promise<{ context: unknown; inputs: unknown[] }>;
  invokeFunction(context: unknown, inputs: unknown[], handler: FunctionHandler): Promise<unknown>;
  getResponse(context: unknown, result: unknown): Promise<unknown>;
}

export interface ProgrammingModel {
  name: string;
  version: string;
  getInvocationModel(context: object): InvocationModel;
  getCapabilities(capabilities: Record<string, string>): Promise<Record<string, string>>;
}

/** What an app registered: the input of `createFunctionsHost`. */
export interface FunctionApp {
  readonly functions: ReadonlyMap<string, { metadata: unknown; handler: FunctionHandler }>;
  readonly programmingModel: ProgrammingModel;
  hooks(name: HookName): readonly HookCallback[];
  /** Receives what the library itself logs. One receiver; the last one set wins. */
  setSystemLog(log: (level: LogLevel, message: string) => void): void;
}

export interface AppRegistration {
  /** What `require('@azure/functions-core')` must give to the app's copy of `@azure/functions`. */
  coreModule: object;
  /**
   * Ends the registration, as the worker does once the entry point is loaded.
   * @throws Error when nothing registered, or with HTTP streaming on.
   */
  finish(): Promise<FunctionApp>;
}

/** A core module for one app. The library keeps the first one it sees, so a process holds one app per copy of it. */
export function createAppRegistration(): AppRegistration {
  const functions = new Map<string, { metadata: unknown; handler: FunctionHandler }>();
  const hooks = new Map<HookName, HookCallback[]>(hookNames.map((name) => [name, []]));
  let programmingModel: ProgrammingModel | undefined;
  let finished = false;
  let systemLog: (level: LogLevel, message: string) => void = () => undefined;

  const coreModule = {
    version: '3.12.0',
    hostVersion: '4.1041.0',
    registerFunction(metadata: { name: string }, handler: FunctionHandler) {
      if (finished) throw systemError('A function can only be registered during app startup.');
      if (functions.has(metadata.name)) throw systemError(`Two functions are called "${metadata.name}".`);
      functions.set(metadata.name, { metadata, handler });
      return { dispose: () => functions.delete(metadata.name) };
    },
    registerHook(name: string, callback: HookCallback) {
      const callbacks = isHookName(name) ? hooks.get(name) : undefined;
      // The library turns exactly this kind of error into its advice to update the host.
      if (callbacks === undefined) throw systemError(`Unrecognized hook "${name}"`, new RangeError());
      callbacks.push(callback);
      return { dispose: () => callbacks.splice(callbacks.indexOf(callback), 1) };
    },
    setProgrammingModel(model: ProgrammingModel) {
      programmingModel = model;
    },
    getProgrammingModel: () => programmingModel,
    log: (level: LogLevel, _category: LogCategory, message: string) => systemLog(level, message),
  };

  return {
    coreModule,
    async finish() {
      if (programmingModel === undefined || functions.size === 0) {
        throw new Error('The app registered no function through @azure/functions (programming model v4).');
      }
      const capabilities = await programmingModel.getCapabilities({
        RawHttpBodyBytes: 'true',
        RpcHttpBodyOnly: 'true',
        UseNullableValueDictionaryForHttp: 'true',
      });
      if (capabilities.HttpUri !== undefined) {
        throw new Error('app.setup({ enableHttpStream: true }) is not supported by this host: HTTP goes through RPC.');
      }
      finished = true;
      return {
        functions,
        programmingModel,
        hooks: (name) => hooks.get(name) ?? [],
        setSystemLog: (log) => (systemLog = log),
      };
    },
  };
}

function isHookName(name: string): name is HookName {
  return hookNames.some((known) => known === name);
}

function systemError(message: string, error = new Error()): Error {
  error.message = message;
  return Object.assign(error, { isAzureFunctionsSystemError: true });
}
