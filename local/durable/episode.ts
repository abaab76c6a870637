import { messageOf } from '../../lib/platform/errors';
import { createInterpreter, type Interpreter, type InterpreterOptions, UnschedulableError } from './interpreter';
import { orchestratorFailureText } from './failure';
import {
  actionType,
  continuedInputText,
  eventType,
  type HistoryEvent,
  type OrchestratorAnswer,
  readOrchestratorError,
  readOrchestratorReturn,
  type ScheduledEvent,
} from './protocol';
import { type Outcome } from './records';

/** What an instance looks like to its orchestrator. */
export interface Execution {
  instanceId: string;
  executionId: string;
  name: string;
  /** JSON text. */
  input: string;
  parentInstanceId: string | null;
}

/** Sends the payload of an orchestration trigger to the orchestrator; rejects with what the orchestrator threw. */
export type InvokeOrchestrator = (name: string, payload: string) => Promise<unknown>;

/** Durations of durableTask's long timers; the library gets them as .NET time spans. */
export interface TimerLimits {
  maximumTimerMs: number;
  timerStepMs: number;
}

/** Without locks (schema V4): the library itself then refuses `lock()`, by name. */
const upperSchemaVersion = 2;

/** The trigger payload of one replay, as JSON text. */
export function orchestrationPayload(
  execution: Execution,
  history: readonly HistoryEvent[],
  limits: TimerLimits,
): string {
  const isReplaying = history.filter((event) => event.EventType === eventType.orchestratorStarted).length > 1;
  const rest = JSON.stringify({
    instanceId: execution.instanceId,
    isReplaying,
    parentInstanceId: execution.parentInstanceId,
    upperSchemaVersion: 1,
    upperSchemaVersionNew: upperSchemaVersion,
    longRunningTimerIntervalDuration: timeSpan(limits.timerStepMs),
    maximumShortTimerDuration: timeSpan(limits.maximumTimerMs),
    defaultHttpAsyncRequestSleepTimeMillseconds: 30_000,
  });
  return `{"history":${JSON.stringify(history)},"input":${execution.input},${rest.slice(1)}`;
}

/** Runs the orchestrator once over the history. @throws UnschedulableError when the answer cannot be understood. */
export async function replay(
  invoke: InvokeOrchestrator,
  execution: Execution,
  history: readonly HistoryEvent[],
  limits: TimerLimits,
): Promise<OrchestratorAnswer> {
  const answer = await invoke(execution.name, orchestrationPayload(execution, history, limits)).then(
    (returned) => () => readOrchestratorReturn(returned),
    (error: unknown) => () => readOrchestratorError(error),
  );
  try {
    return answer();
  } catch (error) {
    throw new UnschedulableError(`the answer was not one of the protocol: ${messageOf(error)}`);
  }
}

/**
 * Applies a history to the actions that a replay of it returned. The interpreter that comes back has every recorded task
 * matched and is ready for the events of the present episode.
 * @throws NonDeterminismError when the code took another way than the history says.
 */
export function interpretHistory(
  history: readonly HistoryEvent[],
  options: Omit<InterpreterOptions, 'recorded'>,
): Interpreter {
  const interpreter = createInterpreter({ ...options, recorded: recordedTasks(history) });
  let atMs = 0;
  for (const event of history) {
    if (event.EventType === eventType.orchestratorStarted) atMs = Date.parse(event.Timestamp);
    else interpreter.apply(event, atMs);
  }
  interpreter.goLive();
  return interpreter;
}

function recordedTasks(history: readonly HistoryEvent[]): Map<number, ScheduledEvent> {
  const recorded = new Map<number, ScheduledEvent>();
  for (const event of history) {
    switch (event.EventType) {
      case eventType.taskScheduled:
      case eventType.subOrchestrationCreated:
      case eventType.timerCreated:
      case eventType.eventSent:
        recorded.set(event.EventId, event);
        break;
      default:
    }
  }
  return recorded;
}

/** How the orchestration ends by this answer; null when it goes on. Open tasks may still delay that. */
export function outcomeOf(answer: OrchestratorAnswer, name: string, newId: () => string): Outcome | null {
  const { end } = answer;
  if (end.kind === 'none') return null;
  if (end.kind === 'threw') {
    const { message, stack, failureDetails } = end;
    const reason = orchestratorFailureText(name, message);
    return { kind: 'failed', reason, details: stack, ...(failureDetails === undefined ? {} : { failureDetails }) };
  }
  const next = answer.actions.find((action) => action.actionType === actionType.continueAsNew);
  if (next === undefined) return { kind: 'completed', output: end.output };
  return { kind: 'continuedAsNew', input: continuedInputText(next.input), executionId: newId() };
}

/** `d.hh:mm:ss`, as .NET writes a time span. */
function timeSpan(ms: number): string {
  const two = (value: number): string => String(Math.floor(value)).padStart(2, '0');
  const seconds = ms / 1000;
  const days = Math.floor(seconds / 86_400);
  return `${days}.${two((seconds / 3600) % 24)}:${two((seconds / 60) % 60)}:${two(seconds % 60)}`;
}
