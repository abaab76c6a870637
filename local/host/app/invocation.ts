import { type Clock } from '../../../lib/platform/clock';
import { messageOf } from '../../../lib/platform/errors';
import { redact, type HostLog } from '../log';
import { within } from '../within';
import { type HostFunction } from './bindings';
import { type FunctionApp, type HookCallback, type LogCategory, type LogLevel } from './core-module';
import { parseRpcResponse, type RpcInput, type RpcResponse } from './rpc';

/** Rejects an invocation that ran longer than `functionTimeout` of host.json. */
export class FunctionTimeoutError extends Error {
  override readonly name = 'FunctionTimeoutError';
}

export interface Invoker {
  /** Runs one function to its end. Rejects with what the function (or a hook) threw, or with FunctionTimeoutError. */
  invoke(target: HostFunction, trigger: RpcInput, metadata?: Record<string, RpcInput>): Promise<RpcResponse>;
  /** Invocations that run at this moment. */
  readonly running: number;
  /** Resolves once nothing runs. */
  whenIdle(): Promise<void>;
}

export interface InvokerDeps {
  app: FunctionApp;
  clock: Clock;
  newId: () => string;
  log: HostLog;
  /** Null: no limit. */
  functionTimeoutMs: number | null;
  /** JSON for `durableClient` input bindings. */
  durableClient: () => string;
}

/**
 * Runs functions through the library's own invocation model, in the order of the Node.js worker: arguments,
 * `preInvocation` hooks, the function, `postInvocation` hooks, response.
 *
 * A function that exceeds its time is settled as failed, but its code goes on: host and app share one process. The real
 * host ends the worker process instead.
 */
export function createInvoker(deps: InvokerDeps): Invoker {
  const { app, clock, log } = deps;
  const appHookData = {};
  let running = 0;
  let waiting: (() => void)[] = [];

  async function run(
    target: HostFunction,
    invocationId: string,
    trigger: RpcInput,
    metadata: Record<string, RpcInput>,
  ): Promise<RpcResponse> {
    const clients = target.clientBindings.map((name) => ({ name, data: { string: deps.durableClient() } }));
    const hookData = {};
    // Not yet known to the log hooks until the arguments are there, as in the worker.
    const hooked: { invocationContext?: unknown } = {};
    const core = {
      invocationId,
      metadata: target.metadata,
      request: {
        invocationId,
        functionId: target.name,
        inputData: [{ name: target.triggerBinding, data: trigger }, ...clients],
        triggerMetadata: metadata,
      },
      state: 'preInvocationHooks',
      log(level: LogLevel, category: LogCategory, message: string) {
        const entry = { level, category, message, hookData, appHookData, ...hooked };
        for (const hook of app.hooks('log')) hook(entry);
        const source = category === 'user' ? 'function' : 'library';
        log({ level: entry.level, source, message: redact(entry.message), functionName: target.name, invocationId });
      },
    };
    const model = app.programmingModel.getInvocationModel(core);
    const { context, inputs } = await model.getArguments();
    hooked.invocationContext = context;

    const shared = { hookData, appHookData, invocationContext: context };
    const before = { ...shared, inputs, functionCallback: target.handler };
    await callHooks(app.hooks('preInvocation'), before);

    const after: { result: unknown; error: unknown } & typeof shared & { inputs: unknown[] } = {
      ...shared,
      inputs: before.inputs,
      result: null,
      error: null,
    };
    try {
      after.result = await model.invokeFunction(context, before.inputs, before.functionCallback);
    } catch (error) {
      // A hook tells failure by `error` being set, so throwing nothing must still count.
      after.error = error ?? 'The function threw nothing.';
    }
    core.state = 'postInvocationHooks';
    await callHooks(app.hooks('postInvocation'), after);
    if (after.error !== null && after.error !== undefined) throw toError(after.error);
    return parseRpcResponse(await model.getResponse(context, after.result));
  }

  async function limited(name: string, work: Promise<RpcResponse>): Promise<RpcResponse> {
    const ms = deps.functionTimeoutMs;
    if (ms === null) return work;
    const message = `Timeout value of ${ms} ms was exceeded by function "${name}". Its code cannot be stopped and may still run.`;
    return within(clock, ms, work, () => new FunctionTimeoutError(message));
  }

  return {
    async invoke(target, trigger, metadata = {}) {
      const invocationId = deps.newId();
      const startedMs = clock.nowMs();
      const about = { source: 'host', functionName: target.name, invocationId } as const;
      running += 1;
      try {
        log({ ...about, level: 'trace', message: 'Executing' });
        const response = await limited(target.name, run(target, invocationId, trigger, metadata));
        log({ ...about, level: 'debug', message: 'Succeeded', durationMs: clock.nowMs() - startedMs });
        return response;
      } catch (error) {
        const message = redact(`Failed: ${messageOf(error)}`);
        log({ ...about, level: 'error', message, durationMs: clock.nowMs() - startedMs });
        throw error;
      } finally {
        running -= 1;
        if (running === 0) {
          for (const resolve of waiting) resolve();
          waiting = [];
        }
      }
    },
    get running() {
      return running;
    },
    whenIdle: () => (running === 0 ? Promise.resolve() : new Promise((resolve) => waiting.push(resolve))),
  };
}

function toError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown), { cause: thrown });
}

/** Hooks run one after another; one that throws fails the invocation. */
export async function callHooks(hooks: readonly HookCallback[], context: object): Promise<void> {
  for (const hook of hooks) await hook(context);
}
