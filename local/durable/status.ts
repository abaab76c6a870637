import { eventType, type HistoryEvent, type ScheduledEvent } from './protocol';
import { type Instance } from './store';

export interface StatusOptions {
  showInput: boolean;
  showHistory: boolean;
  showHistoryOutput: boolean;
}

export function runtimeStatusOf(instance: Instance): string {
  return instance.isSuspended ? 'Suspended' : instance.status;
}

/** What the management API says about an instance. `historyEvents` is null also when the history was dropped. */
export function statusOf(instance: Instance, options: StatusOptions): Record<string, unknown> {
  return {
    name: instance.name,
    instanceId: instance.instanceId,
    runtimeStatus: runtimeStatusOf(instance),
    input: options.showInput ? parse(instance.input) : null,
    customStatus: parse(instance.customStatus),
    output: parse(instance.output),
    createdTime: seconds(instance.createdAtMs),
    lastUpdatedTime: seconds(instance.updatedAtMs),
    historyEvents:
      options.showHistory && instance.history !== null
        ? historyRows(instance.history, options.showHistoryOutput)
        : null,
  };
}

/** One row per thing that happened: a completion tells what was scheduled and when, frames are left out. */
function historyRows(history: readonly HistoryEvent[], showOutput: boolean): Array<Record<string, unknown>> {
  const scheduled = new Map<number, ScheduledEvent>();
  const rows: Array<Record<string, unknown>> = [];
  for (const event of history) {
    switch (event.EventType) {
      case eventType.taskScheduled:
      case eventType.subOrchestrationCreated:
      case eventType.timerCreated:
      case eventType.eventSent:
        scheduled.set(event.EventId, event);
        break;
      case eventType.orchestratorStarted:
      case eventType.orchestratorCompleted:
        break;
      default:
        rows.push(row(event, scheduled, showOutput));
    }
  }
  return rows;
}

function row(
  event: Exclude<HistoryEvent, ScheduledEvent>,
  scheduled: ReadonlyMap<number, ScheduledEvent>,
  showOutput: boolean,
): Record<string, unknown> {
  const common = { EventType: eventNames[event.EventType] ?? String(event.EventType), Timestamp: event.Timestamp };
  if ('TaskScheduledId' in event) {
    const cause = scheduled.get(event.TaskScheduledId);
    const FunctionName = cause !== undefined && 'Name' in cause ? cause.Name : null;
    const from = { ...common, FunctionName, ScheduledTime: cause?.Timestamp ?? null };
    if ('Reason' in event) return { ...from, Reason: event.Reason, Details: event.Details };
    return showOutput ? { ...from, Result: parse(event.Result) } : from;
  }
  switch (event.EventType) {
    case eventType.executionStarted:
      return { ...common, FunctionName: event.Name };
    case eventType.executionCompleted:
      return { ...common, OrchestrationStatus: 'Completed', ...(showOutput ? { Result: parse(event.Result) } : {}) };
    case eventType.executionFailed:
      return { ...common, OrchestrationStatus: 'Failed', Reason: event.Reason };
    case eventType.executionTerminated:
      return { ...common, OrchestrationStatus: 'Terminated', Reason: event.Input };
    case eventType.timerFired:
      return { ...common, FireAt: event.FireAt };
    case eventType.eventRaised:
      return { ...common, Name: event.Name, ...(showOutput ? { Input: parse(event.Input) } : {}) };
    default:
      return common;
  }
}

const eventNames: Record<number, string> = {
  [eventType.executionStarted]: 'ExecutionStarted',
  [eventType.executionCompleted]: 'ExecutionCompleted',
  [eventType.executionFailed]: 'ExecutionFailed',
  [eventType.executionTerminated]: 'ExecutionTerminated',
  [eventType.taskCompleted]: 'TaskCompleted',
  [eventType.taskFailed]: 'TaskFailed',
  [eventType.subOrchestrationCompleted]: 'SubOrchestrationInstanceCompleted',
  [eventType.subOrchestrationFailed]: 'SubOrchestrationInstanceFailed',
  [eventType.timerFired]: 'TimerFired',
  [eventType.eventRaised]: 'EventRaised',
};

function parse(text: string | null): unknown {
  const value: unknown = text === null ? null : JSON.parse(text);
  return value;
}

/** Times in the management API have no fractions of a second. */
function seconds(ms: number): string {
  return new Date(ms).toISOString().replace(/\.\d+Z$/, 'Z');
}
