import * as df from 'durable-functions';
import { type FunctionResult, type InvocationContext } from '@azure/functions';
import { AppError, messageOf } from './errors';

/**
 * The seam to Durable Functions: everything that would change with the next major version of the library is in here.
 */
export type OrchestrationContext = df.OrchestrationContext;
export type Orchestration = (context: OrchestrationContext) => Generator<df.Task, unknown, unknown>;

export interface OrchestrationStatus {
  /** Running covers pending and suspended too: it will go on by itself. */
  state: 'running' | 'completed' | 'failed' | 'terminated' | 'missing';
}

/** Starts orchestrations and wakes them. What they do is decided by them, from state that they read. */
export interface Orchestrations {
  /** Starting an instance that runs already does nothing. */
  start(name: string, instanceId: string, input: unknown): Promise<void>;
  status(instanceId: string): Promise<OrchestrationStatus>;
  /** A hint that something changed. Lost without harm when the instance does not run. */
  wake(instanceId: string): Promise<void>;
}

const wakeEvent = 'wake';

export const durableClientInput = df.input.durableClient();

export function orchestrationsOf(context: InvocationContext): Orchestrations {
  const client = df.getClient(context);
  const status = async (instanceId: string): Promise<OrchestrationStatus> => {
    try {
      const { runtimeStatus } = await client.getStatus(instanceId);
      switch (runtimeStatus) {
        case df.OrchestrationRuntimeStatus.Completed:
          return { state: 'completed' };
        case df.OrchestrationRuntimeStatus.Failed:
          return { state: 'failed' };
        case df.OrchestrationRuntimeStatus.Terminated:
        case df.OrchestrationRuntimeStatus.Canceled:
          return { state: 'terminated' };
        default:
          return { state: 'running' };
      }
    } catch (error) {
      // The client knows no other sign of "no such instance" than its message.
      if (messageOf(error).includes('HTTP 404 response')) return { state: 'missing' };
      throw unavailable(error);
    }
  };
  return {
    status,
    async start(name, instanceId, input) {
      if ((await status(instanceId)).state === 'running') return;
      await client.startNew(name, { instanceId, input }).catch(async (error: unknown) => {
        // Two callers at once: one of them is told that the instance exists.
        if ((await status(instanceId)).state !== 'running') throw unavailable(error);
      });
    },
    async wake(instanceId) {
      await client.raiseEvent(instanceId, wakeEvent, {}).catch(() => undefined);
    },
  };
}

export function registerOrchestration(name: string, orchestration: Orchestration): void {
  df.app.orchestration(name, orchestration);
}

/** Activities may run more than once; what they answer is stored in the history, so it must be small and hold no secrets. */
export function registerActivity(
  name: string,
  run: (input: unknown, context: InvocationContext) => FunctionResult<unknown>,
  options: { usesOrchestrations?: boolean } = {},
): void {
  df.app.activity(name, {
    handler: run,
    // An activity that starts orchestrations needs a client of its own.
    ...(options.usesOrchestrations === true ? { extraInputs: [durableClientInput] } : {}),
  });
}

/** Waits for `delayMs`, or less when somebody calls `wake`; answers whether somebody did. */
export function* waitOrWake(context: OrchestrationContext, delayMs: number): Generator<df.Task, boolean, unknown> {
  const timer = context.df.createTimer(new Date(context.df.currentUtcDateTime.getTime() + delayMs));
  yield context.df.Task.any([timer, context.df.waitForExternalEvent(wakeEvent)]);
  if (timer.isCompleted) return false;
  timer.cancel();
  return true;
}

function unavailable(error: unknown): AppError {
  return new AppError(
    'durable.unavailable',
    `The orchestration service could not be reached: ${messageOf(error)}. Try again.`,
    {
      status: 503,
      retry: { kind: 'backoff' },
      cause: error,
    },
  );
}
