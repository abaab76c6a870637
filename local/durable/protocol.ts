import { z } from 'zod';

/**
 * The classic out-of-process protocol of Durable Functions, as durable-functions 3.x speaks it: the host sends the whole
 * history with every replay, the library answers with every action that the orchestrator has taken since the start.
 */

/** Numbers of the history events on the wire (DurableTask.Core's EventType). */
export const eventType = {
  executionStarted: 0,
  executionCompleted: 1,
  executionFailed: 2,
  executionTerminated: 3,
  taskScheduled: 4,
  taskCompleted: 5,
  taskFailed: 6,
  subOrchestrationCreated: 7,
  subOrchestrationCompleted: 8,
  subOrchestrationFailed: 9,
  timerCreated: 10,
  timerFired: 11,
  orchestratorStarted: 12,
  orchestratorCompleted: 13,
  eventSent: 14,
  eventRaised: 15,
} as const;

const common = { EventId: z.number(), IsPlayed: z.literal(false), Timestamp: z.string() };
const failure = {
  Reason: z.string(),
  Details: z.string(),
  FailureDetails: z.record(z.string(), z.unknown()).optional(),
};

/** What the orchestrator caused. `EventId` is the task number that both sides count for themselves. */
export const scheduledEvent = z.discriminatedUnion('EventType', [
  z.object({
    ...common,
    EventType: z.literal(eventType.taskScheduled),
    Name: z.string(),
    /** Text that the activity receives; null for no input. */
    Input: z.string().nullable(),
  }),
  z.object({
    ...common,
    EventType: z.literal(eventType.subOrchestrationCreated),
    Name: z.string(),
    InstanceId: z.string(),
    Input: z.string(),
    Version: z.string().optional(),
  }),
  z.object({ ...common, EventType: z.literal(eventType.timerCreated), FireAt: z.string() }),
  z.object({
    ...common,
    EventType: z.literal(eventType.eventSent),
    /** Scheduler id of the entity, `@name@key`. */
    InstanceId: z.string(),
    Name: z.string(),
    /** JSON text with the request's `id`, by which the library recognises the answer. */
    Input: z.string(),
  }),
]);
export type ScheduledEvent = z.infer<typeof scheduledEvent>;

/** What reaches the orchestrator. */
export const inboundEvent = z.discriminatedUnion('EventType', [
  z.object({
    ...common,
    EventType: z.literal(eventType.executionStarted),
    Name: z.string(),
    Input: z.string(),
    Version: z.string().optional(),
  }),
  z.object({
    ...common,
    EventType: z.literal(eventType.taskCompleted),
    TaskScheduledId: z.number(),
    Result: z.string(),
  }),
  z.object({ ...common, EventType: z.literal(eventType.taskFailed), TaskScheduledId: z.number(), ...failure }),
  z.object({
    ...common,
    EventType: z.literal(eventType.subOrchestrationCompleted),
    TaskScheduledId: z.number(),
    Result: z.string(),
  }),
  z.object({
    ...common,
    EventType: z.literal(eventType.subOrchestrationFailed),
    TaskScheduledId: z.number(),
    ...failure,
  }),
  z.object({ ...common, EventType: z.literal(eventType.timerFired), TimerId: z.number(), FireAt: z.string() }),
  z.object({ ...common, EventType: z.literal(eventType.eventRaised), Name: z.string(), Input: z.string() }),
  /** Never shown to the library: ends the instance at its next turn. `Input` is the reason. */
  z.object({ ...common, EventType: z.literal(eventType.executionTerminated), Input: z.string() }),
]);
export type InboundEvent = z.infer<typeof inboundEvent>;

/** Frames of an episode, and how an execution ended. */
export const markerEvent = z.discriminatedUnion('EventType', [
  z.object({ ...common, EventType: z.literal(eventType.orchestratorStarted) }),
  z.object({ ...common, EventType: z.literal(eventType.orchestratorCompleted) }),
  z.object({ ...common, EventType: z.literal(eventType.executionCompleted), Result: z.string() }),
  z.object({ ...common, EventType: z.literal(eventType.executionFailed), ...failure }),
]);
export type MarkerEvent = z.infer<typeof markerEvent>;

export const historyEvent = z.union([scheduledEvent, inboundEvent, markerEvent]);
export type HistoryEvent = z.infer<typeof historyEvent>;

/** Number of the task that this event completes; undefined for events that complete none. */
export function completedTaskId(event: InboundEvent): number | undefined {
  if ('TaskScheduledId' in event) return event.TaskScheduledId;
  return event.EventType === eventType.timerFired ? event.TimerId : undefined;
}

/** The three fields that every event has. `taskId` -1: the event is none that the orchestrator scheduled. */
export function eventFrame(atMs: number, taskId = -1): { EventId: number; IsPlayed: false; Timestamp: string } {
  return { EventId: taskId, IsPlayed: false, Timestamp: new Date(atMs).toISOString() };
}

const retryOptions = z.object({
  firstRetryIntervalInMilliseconds: z.number().positive(),
  maxNumberOfAttempts: z.number().int(),
  backoffCoefficient: z.number().optional(),
  maxRetryIntervalInMilliseconds: z.number().optional(),
  retryTimeoutInMilliseconds: z.number().optional(),
});
export type RetryOptions = z.infer<typeof retryOptions>;

const calledFunction = {
  functionName: z.string(),
  input: z.unknown().optional(),
};
const calledOrchestrator = {
  ...calledFunction,
  instanceId: z.string().nullish(),
  version: z.string().nullish(),
};
const calledEntity = { instanceId: z.string(), operation: z.string(), input: z.unknown().optional() };

const leafAction = z.discriminatedUnion('actionType', [
  z.object({ actionType: z.literal(0), ...calledFunction }),
  z.object({ actionType: z.literal(1), ...calledFunction, retryOptions }),
  z.object({ actionType: z.literal(2), ...calledOrchestrator }),
  z.object({ actionType: z.literal(3), ...calledOrchestrator, retryOptions }),
  z.object({ actionType: z.literal(4), input: z.unknown().optional() }),
  z.object({ actionType: z.literal(5), fireAt: z.iso.datetime(), isCanceled: z.boolean() }),
  z.object({ actionType: z.literal(6), externalEventName: z.string() }),
  z.object({ actionType: z.literal(7), ...calledEntity }),
  z.object({ actionType: z.literal(8) }),
  z.object({ actionType: z.literal(9), ...calledEntity }),
  z.object({ actionType: z.literal(13) }),
  z.object({ actionType: z.literal(14) }),
]);
export type Action = z.infer<typeof leafAction> | { actionType: 11 | 12; compoundActions: Action[] };

/** Names of `actionType` on the wire. */
export const actionType = {
  callActivity: 0,
  callActivityWithRetry: 1,
  callSubOrchestrator: 2,
  callSubOrchestratorWithRetry: 3,
  continueAsNew: 4,
  createTimer: 5,
  waitForExternalEvent: 6,
  callEntity: 7,
  callHttp: 8,
  signalEntity: 9,
  whenAny: 11,
  whenAll: 12,
  lockEntities: 13,
  releaseEntities: 14,
} as const;

const action: z.ZodType<Action> = z.lazy(() =>
  z.union([
    leafAction,
    z.object({ actionType: z.union([z.literal(11), z.literal(12)]), compoundActions: z.array(action) }),
  ]),
);

const orchestratorState = z.object({
  isDone: z.boolean(),
  actions: z.array(z.array(action)),
  output: z.unknown().optional(),
  error: z.string().optional(),
  customStatus: z.unknown().optional(),
  failureDetails: z.record(z.string(), z.unknown()).optional(),
});

/** What one replay of the orchestrator said. */
export interface OrchestratorAnswer {
  actions: Action[];
  /** JSON text; null where none was set. */
  customStatus: string | null;
  end:
    | { kind: 'none' }
    | { kind: 'returned'; output: string }
    | { kind: 'threw'; message: string; stack: string; failureDetails?: Record<string, unknown> };
}

const outOfProcessData = '\n\n$OutOfProcData$:';

/** Reads what the library's orchestrator function returned. @throws ZodError when it is not the protocol's answer. */
export function readOrchestratorReturn(value: unknown): OrchestratorAnswer {
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  const state = orchestratorState.parse(JSON.parse(text));
  return {
    actions: state.actions.flat(),
    customStatus: state.customStatus === undefined ? null : JSON.stringify(state.customStatus),
    end: state.isDone ? { kind: 'returned', output: JSON.stringify(state.output ?? null) } : { kind: 'none' },
  };
}

/**
 * Reads the error with which the library's orchestrator function failed: the actions that were taken before the failure
 * stand behind a label in the message. An error without the label comes from outside the orchestrator.
 */
export function readOrchestratorError(error: unknown): OrchestratorAnswer {
  const message = error instanceof Error ? error.message : String(error);
  const stack = error instanceof Error ? (error.stack ?? '') : '';
  const label = message.indexOf(outOfProcessData);
  if (label === -1) return { actions: [], customStatus: null, end: { kind: 'threw', message, stack } };

  const state = orchestratorState.parse(JSON.parse(message.slice(label + outOfProcessData.length)));
  return {
    actions: state.actions.flat(),
    customStatus: state.customStatus === undefined ? null : JSON.stringify(state.customStatus),
    end: {
      kind: 'threw',
      message: state.error ?? 'an error without a message',
      stack,
      ...(state.failureDetails === undefined ? {} : { failureDetails: state.failureDetails }),
    },
  };
}

/**
 * The text that an activity's trigger carries, null for none. The library has already quoted strings, so they survive
 * the one unwrapping at the other end; a bare boolean arrives as the text `True` or `False`, as with the real host.
 */
export function activityInputText(input: unknown): string | null {
  if (input === undefined || input === null) return null;
  if (typeof input === 'string') return input;
  if (typeof input === 'boolean') return input ? 'True' : 'False';
  return JSON.stringify(input);
}

/** The JSON text of a `continueAsNew` input: a string arrives quoted once too often. */
export function continuedInputText(input: unknown): string {
  return typeof input === 'string' ? input : JSON.stringify(input ?? null);
}
